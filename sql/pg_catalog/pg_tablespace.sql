-- Tablespaces.
SELECT oid::oid AS oid, name::name AS spcname, 10::oid AS spcowner, NULL::text[] AS spcacl, NULL::text[] AS spcoptions
FROM (VALUES (1663, 'pg_default'), (1664, 'pg_global')) AS spaces (oid, name)
