-- In the order of the sky; minima and maxima of each granule prune cones by ra and dec.
CREATE TABLE {table} ENGINE = MergeTree ORDER BY _healpix_29 SETTINGS add_minmax_index_for_numeric_columns = 1 AS
SELECT *, bucket_at(zone_at(dec), cells_of(zone_at(dec)), ra / 360 * cells_of(zone_at(dec))) AS bucket
FROM file('{leaves}', Parquet)
SETTINGS use_hive_partitioning = 0, schema_inference_make_columns_nullable = 0
