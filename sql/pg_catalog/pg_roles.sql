-- Roles: users, and what they are members of.
SELECT name AS rolname,
       false AS rolsuper,
       true AS rolinherit,
       admin AS rolcreaterole,
       false AS rolcreatedb,
       logs_in AS rolcanlogin,
       false AS rolreplication,
       (-1)::int4 AS rolconnlimit,
       '********'::text AS rolpassword,
       NULL::timestamptz AS rolvaliduntil,
       false AS rolbypassrls,
       NULL::text[] AS rolconfig,
       oid
FROM source.users
