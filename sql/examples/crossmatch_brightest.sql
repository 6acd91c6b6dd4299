-- title: The brightest stars that Hipparcos and Gaia both measured
-- description: Pairs at one epoch. How far the star went between the catalogues, and how far they disagree.
-- expect: 12 rows
WITH named (hip, name) AS (
  VALUES (109268, 'Alnair'), (62956, 'Alioth'), (67301, 'Alkaid'), (27366, 'Saiph'), (86032, 'Rasalhague'),
         (25930, 'Mintaka'), (39429, 'Naos'), (4427, 'gam Cas'), (61932, 'Muhlifain'), (76267, 'Alphecca'),
         (71860, 'alf Lup'), (65378, 'Mizar')
),
carried AS (
  SELECT *, ivo_epoch_prop_pos(ra, dec, parallax, pmra, pmdec, NULL, ref_epoch, 2016.0) AS position
  FROM hipparcos
)
SELECT h.hip, n.name, h.hpmag, g.phot_g_mean_mag AS g_mag, g.source_id,
       ROUND(1000 / h.parallax, 1) AS distance_pc,
       ROUND(3600 * DISTANCE(POINT(h.ra, h.dec), h.position), 3) AS moved_arcsec,
       ROUND(3600 * DISTANCE(h.position, POINT(g.ra, g.dec)), 3) AS apart_arcsec
FROM carried AS h
JOIN gaia_bright AS g ON DISTANCE(h.position, POINT(g.ra, g.dec)) < 1/3600.
LEFT JOIN named AS n ON n.hip = h.hip
WHERE g.source_id > 0
ORDER BY h.hpmag
LIMIT 12
