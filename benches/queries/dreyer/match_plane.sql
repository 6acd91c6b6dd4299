-- Towards the Galactic centre: the skewed part of the sky alone.
SELECT count(*) FROM gaia AS g JOIN wise AS w ON DISTANCE(g.ra, g.dec, w.ra, w.dec) < 1/3600.
WHERE DISTANCE(g.ra, g.dec, 266.4, -28.9) < 15
