-- Each row of the small side goes to every cell that its circle of 1" touches: zones first, then cells of the zone.
WITH zoned AS (
  SELECT *, unnest(CASE WHEN low = high THEN [low] ELSE [low, high] END) AS zone
  FROM (SELECT *, zone_at(dec - 1/3600.0) AS low, zone_at(dec + 1/3600.0) AS high FROM {small})
), turned AS (
  SELECT *, cells_of(zone) AS cells, ra / 360 * cells_of(zone) AS turn FROM zoned
), touched AS (
  SELECT * EXCLUDE (bucket, low, high),
    bucket_at(zone, cells, turn - 0.0281) AS low, bucket_at(zone, cells, turn + 0.0281) AS high
  FROM turned
), spread AS (
  SELECT *, unnest(CASE WHEN low = high THEN [low] ELSE [low, high] END) AS bucket FROM touched
)
SELECT {columns} FROM gaia AS g JOIN spread AS w ON g.bucket = w.bucket
WHERE haversine(g.ra, g.dec, w.ra, w.dec) < sin(radians(1/3600.0) / 2) ** 2
