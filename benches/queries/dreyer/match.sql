SELECT count(*) FROM gaia AS g JOIN wise AS w ON DISTANCE(g.ra, g.dec, w.ra, w.dec) < 1/3600.
