-- Each row of the small side goes to every cell that its circle of 1" touches: zones first, then cells of the zone.
WITH spread AS (
  SELECT ra, dec, arrayJoin(arrayDistinct([
    bucket_at(zone, cells, ra / 360 * cells - 0.0281), bucket_at(zone, cells, ra / 360 * cells + 0.0281)])) AS bucket
  FROM (
    SELECT ra, dec, arrayJoin(arrayDistinct([zone_at(dec - 1/3600.), zone_at(dec + 1/3600.)])) AS zone,
      cells_of(zone) AS cells
    FROM {small})
)
SELECT {columns} FROM gaia AS g JOIN spread AS w ON g.bucket = w.bucket
WHERE haversine(g.ra, g.dec, w.ra, w.dec) < pow(sin(radians(1/3600.) / 2), 2)
