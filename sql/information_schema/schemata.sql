-- Schemas.
SELECT 'dreyer'::name AS catalog_name,
       s.name AS schema_name,
       u.name AS schema_owner,
       NULL::name AS default_character_set_catalog,
       NULL::name AS default_character_set_schema,
       NULL::name AS default_character_set_name,
       NULL::text AS sql_path
FROM source.schemas s JOIN source.users u ON u.oid = 10
