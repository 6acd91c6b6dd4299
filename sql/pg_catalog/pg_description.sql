-- Comments: of columns their description, unit and UCD.
SELECT relation_oid AS objoid, 1259::oid AS classoid, number::int4 AS objsubid, comment AS description
FROM source.columns WHERE comment IS NOT NULL
UNION ALL
SELECT oid, 1259::oid, 0::int4, comment FROM source.relations WHERE comment IS NOT NULL
UNION ALL
SELECT oid, 2615::oid, 0::int4, comment FROM source.schemas WHERE comment IS NOT NULL
UNION ALL
SELECT oid, 1255::oid, 0::int4, comment FROM source.routines WHERE comment IS NOT NULL
UNION ALL
SELECT oid, 2617::oid, 0::int4, comment FROM source.operators
