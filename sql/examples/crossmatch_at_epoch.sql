-- title: Hipparcos matched with Gaia, at one epoch
-- description: The same with each Hipparcos star carried by its proper motion to the epoch of Gaia's positions.
-- expect: value 45304
SELECT COUNT(*) AS pairs
FROM hipparcos AS h
JOIN gaia_bright AS g
  ON DISTANCE(
       ivo_epoch_prop_pos(h.ra, h.dec, h.parallax, h.pmra, h.pmdec, NULL, h.ref_epoch, 2016.0),
       POINT(g.ra, g.dec)) < 1/3600.
