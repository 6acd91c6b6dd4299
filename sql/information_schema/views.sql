-- Views.
SELECT 'dreyer'::name AS table_catalog,
       schema AS table_schema,
       name AS table_name,
       definition AS view_definition,
       'NONE'::text AS check_option,
       'NO'::text AS is_updatable,
       'NO'::text AS is_insertable_into,
       'NO'::text AS is_trigger_updatable,
       'NO'::text AS is_trigger_deletable,
       'NO'::text AS is_trigger_insertable_into
FROM source.relations
WHERE kind = 'v'
