-- Columns.
SELECT 'dreyer'::name AS table_catalog,
       schema AS table_schema,
       relation AS table_name,
       name AS column_name,
       number::int4 AS ordinal_position,
       NULL::text AS column_default,
       CASE WHEN not_null THEN 'NO' ELSE 'YES' END AS is_nullable,
       CASE WHEN dimensions > 0 THEN 'ARRAY' ELSE type_name END AS data_type,
       NULL::int4 AS character_maximum_length,
       (CASE WHEN udt IN ('text', 'varchar', 'name') THEN 1073741824 END)::int4 AS character_octet_length,
       (CASE udt
            WHEN 'int2' THEN 16
            WHEN 'int4' THEN 32
            WHEN 'int8' THEN 64
            WHEN 'float4' THEN 24
            WHEN 'float8' THEN 53
            WHEN 'numeric' THEN CASE WHEN modifier >= 4 THEN (modifier - 4) / 65536 END
        END)::int4 AS numeric_precision,
       (CASE WHEN udt IN ('int2', 'int4', 'int8', 'float4', 'float8') THEN 2 WHEN udt = 'numeric' THEN 10 END)::int4
           AS numeric_precision_radix,
       (CASE
            WHEN udt IN ('int2', 'int4', 'int8') THEN 0
            WHEN udt = 'numeric' AND modifier >= 4 THEN (modifier - 4) % 65536
        END)::int4 AS numeric_scale,
       (CASE WHEN udt IN ('time', 'timestamp', 'timestamptz', 'interval') THEN 6 WHEN udt = 'date' THEN 0 END)::int4
           AS datetime_precision,
       NULL::text AS interval_type,
       NULL::int4 AS interval_precision,
       NULL::name AS character_set_catalog,
       NULL::name AS character_set_schema,
       NULL::name AS character_set_name,
       NULL::name AS collation_catalog,
       NULL::name AS collation_schema,
       NULL::name AS collation_name,
       NULL::name AS domain_catalog,
       NULL::name AS domain_schema,
       NULL::name AS domain_name,
       'dreyer'::name AS udt_catalog,
       'pg_catalog'::name AS udt_schema,
       udt AS udt_name,
       NULL::name AS scope_catalog,
       NULL::name AS scope_schema,
       NULL::name AS scope_name,
       NULL::int4 AS maximum_cardinality,
       number::text AS dtd_identifier,
       'NO'::text AS is_self_referencing,
       'NO'::text AS is_identity,
       NULL::text AS identity_generation,
       NULL::text AS identity_start,
       NULL::text AS identity_increment,
       NULL::text AS identity_maximum,
       NULL::text AS identity_minimum,
       'NO'::text AS identity_cycle,
       'NEVER'::text AS is_generated,
       NULL::text AS generation_expression,
       'NO'::text AS is_updatable
FROM source.columns
