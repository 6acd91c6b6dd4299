-- title: The brightest stars that Hipparcos and Gaia share
-- description: Pairs at one epoch, with the name of the star and how far the two positions lie apart.
-- expect: 12 rows
WITH named (hip, name) AS (
  VALUES (32349, 'Sirius'), (30438, 'Canopus'), (69673, 'Arcturus'), (91262, 'Vega'), (24608, 'Capella'),
         (24436, 'Rigel'), (37279, 'Procyon'), (7588, 'Achernar'), (27989, 'Betelgeuse'), (68702, 'Hadar'),
         (97649, 'Altair'), (60718, 'Acrux'), (21421, 'Aldebaran'), (65474, 'Spica'), (80763, 'Antares'),
         (37826, 'Pollux'), (113368, 'Fomalhaut'), (62434, 'Mimosa'), (102098, 'Deneb'), (49669, 'Regulus')
),
pairs AS (
  SELECT h.hip, h.hpmag, h.parallax, g.source_id, g.phot_g_mean_mag,
         3600 * DISTANCE(
           ivo_epoch_prop_pos(h.ra, h.dec, h.parallax, h.pmra, h.pmdec, NULL, h.ref_epoch, 2016.0),
           POINT(g.ra, g.dec)) AS separation_arcsec
  FROM hipparcos AS h
  JOIN gaia_bright AS g
    ON DISTANCE(
         ivo_epoch_prop_pos(h.ra, h.dec, h.parallax, h.pmra, h.pmdec, NULL, h.ref_epoch, 2016.0),
         POINT(g.ra, g.dec)) < 1/3600.
)
SELECT p.hip, n.name, p.hpmag, p.phot_g_mean_mag AS g_mag, p.source_id,
       ROUND(1000 / p.parallax, 2) AS distance_pc, ROUND(p.separation_arcsec, 3) AS separation_arcsec
FROM pairs AS p
LEFT JOIN named AS n ON n.hip = p.hip
ORDER BY p.hpmag
LIMIT 12
