-- In the order of the sky, so that zone maps of ra and dec prune cones.
CREATE OR REPLACE TABLE {table} AS
SELECT *, bucket_at(zone_at(dec), cells_of(zone_at(dec)), ra / 360 * cells_of(zone_at(dec))) AS bucket
FROM read_parquet('{leaves}', hive_partitioning = false)
ORDER BY _healpix_29
