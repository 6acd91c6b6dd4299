-- Collations: text is compared by its bytes.
SELECT oid::oid AS oid,
       name::name AS collname,
       11::oid AS collnamespace,
       10::oid AS collowner,
       provider::"char" AS collprovider,
       true AS collisdeterministic,
       (-1)::int4 AS collencoding,
       'C'::text AS collcollate,
       'C'::text AS collctype,
       NULL::text AS colliculocale,
       NULL::text AS collversion
FROM (VALUES (100, 'default', 'd'), (950, 'C', 'c')) AS collations (oid, name, provider)
