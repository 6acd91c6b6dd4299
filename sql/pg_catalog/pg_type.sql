-- Types. The functions are named as drivers look for them: float8recv and float8send, array_recv, `-` for none.
SELECT oid,
       name AS typname,
       11::oid AS typnamespace,
       10::oid AS typowner,
       length AS typlen,
       by_value AS typbyval,
       kind AS typtype,
       category AS typcategory,
       name IN ('bool', 'float8', 'text', 'timestamptz', 'interval', 'oid', 'inet') AS typispreferred,
       true AS typisdefined,
       ','::"char" AS typdelim,
       0::oid AS typrelid,
       (CASE WHEN element_oid <> 0 THEN 'array_subscript_handler' ELSE '-' END)::regproc AS typsubscript,
       element_oid AS typelem,
       array_oid AS typarray,
       (stem || 'in')::regproc AS typinput,
       (stem || 'out')::regproc AS typoutput,
       (CASE WHEN kind = 'p' THEN '-' ELSE stem || 'recv' END)::regproc AS typreceive,
       (CASE WHEN kind = 'p' THEN '-' ELSE stem || 'send' END)::regproc AS typsend,
       '-'::regproc AS typmodin,
       '-'::regproc AS typmodout,
       '-'::regproc AS typanalyze,
       alignment AS typalign,
       (CASE WHEN length < 0 THEN 'x' ELSE 'p' END)::"char" AS typstorage,
       false AS typnotnull,
       0::oid AS typbasetype,
       (-1)::int4 AS typtypmod,
       0::int4 AS typndims,
       (CASE name WHEN 'text' THEN 100 WHEN 'varchar' THEN 100 WHEN 'bpchar' THEN 100 WHEN 'name' THEN 950 ELSE 0 END)::oid
           AS typcollation,
       NULL::text AS typdefaultbin,
       NULL::text AS typdefault,
       NULL::text[] AS typacl
FROM (
    SELECT *,
           CASE
               WHEN category = 'A' AND element_oid <> 0 AND left(name, 1) = '_' THEN 'array_'
               WHEN name IN ('date', 'time', 'timestamp', 'timestamptz', 'interval', 'numeric', 'json', 'jsonb', 'uuid',
                             'inet', 'record', 'void') THEN name || '_'
               ELSE name
           END AS stem
    FROM source.types
) AS types
