-- title: Three neighbours each
-- description: The k nearest of each row of a list, nearest first, with the direction in which they lie.
-- expect: 12 rows
WITH named (name, ra, dec) AS (
  VALUES ('Alcyone', 56.8712, 24.1051), ('Mizar', 200.9814, 54.9254), ('Mintaka', 83.0017, -0.2991),
         ('Alnair', 332.0583, -46.9610)
)
SELECT n.name, g.source_id,
       ROUND(DISTANCE(n.ra, n.dec, g.ra, g.dec), 3) AS apart_deg,
       ROUND(position_angle(n.ra, n.dec, g.ra, g.dec), 1) AS towards_deg
FROM named AS n
JOIN gaia_bright AS g ON XMATCH(n.ra, n.dec, g.ra, g.dec, radius_arcsec => 5 * 3600, k => 3)
ORDER BY n.name, apart_deg
