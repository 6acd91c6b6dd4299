-- Tables and views.
SELECT 'dreyer'::name AS table_catalog,
       schema AS table_schema,
       name AS table_name,
       CASE kind WHEN 'v' THEN 'VIEW' ELSE 'BASE TABLE' END AS table_type,
       NULL::name AS self_referencing_column_name,
       NULL::text AS reference_generation,
       NULL::name AS user_defined_type_catalog,
       NULL::name AS user_defined_type_schema,
       NULL::name AS user_defined_type_name,
       'NO'::text AS is_insertable_into,
       'NO'::text AS is_typed,
       NULL::text AS commit_action
FROM source.relations
