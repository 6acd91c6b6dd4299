-- Users.
SELECT name AS rolname,
       false AS rolsuper,
       true AS rolinherit,
       false AS rolcreaterole,
       false AS rolcreatedb,
       true AS rolcanlogin,
       false AS rolreplication,
       (-1)::int4 AS rolconnlimit,
       '********'::text AS rolpassword,
       NULL::timestamptz AS rolvaliduntil,
       false AS rolbypassrls,
       NULL::text[] AS rolconfig,
       oid
FROM source.users
