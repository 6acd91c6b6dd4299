-- The prepared statements of this session, those of SQL and those of drivers.
SELECT
    name,
    statement,
    since AS prepare_time,
    types AS parameter_types,
    from_sql,
    CAST(0 AS bigint) AS generic_plans,
    CAST(0 AS bigint) AS custom_plans
FROM source.prepared
