-- title: Bright stars without a Gaia star at their place
-- description: An anti match: NOT EXISTS keeps the rows that have no partner. Gaia lacks the brightest stars.
-- expect: 10 rows
SELECT h.hip, h.hpmag
FROM hipparcos AS h
WHERE NOT EXISTS (
  SELECT 1 FROM gaia_bright AS g
  WHERE DISTANCE(ivo_epoch_prop_pos(h.ra, h.dec, h.parallax, h.pmra, h.pmdec, NULL, h.ref_epoch, 2016.0),
                 POINT(g.ra, g.dec)) < 5/3600.)
ORDER BY h.hpmag
LIMIT 10
