-- title: Hipparcos matched with Gaia, as catalogued
-- description: A cross-match is a join on an angle. Hipparcos gives positions of 1991.25, Gaia of 2016.0.
-- expect: value 30597
SELECT COUNT(*) AS pairs
FROM hipparcos AS h
JOIN gaia_bright AS g
  ON DISTANCE(h.ra, h.dec, g.ra, g.dec) < 1/3600.
