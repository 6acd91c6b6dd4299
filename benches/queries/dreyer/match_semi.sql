SELECT count(*) FROM gaia AS g
WHERE EXISTS (SELECT 1 FROM wise AS w WHERE DISTANCE(g.ra, g.dec, w.ra, w.dec) < 1/3600.)
