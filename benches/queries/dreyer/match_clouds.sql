-- The Magellanic Clouds: nearly all rows in a few tiles.
SELECT count(*) FROM gaia AS g JOIN wise AS w ON DISTANCE(g.ra, g.dec, w.ra, w.dec) < 1/3600.
WHERE DISTANCE(g.ra, g.dec, 80.9, -69.8) < 8 OR DISTANCE(g.ra, g.dec, 13.2, -72.8) < 5
