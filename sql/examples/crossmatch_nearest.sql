-- title: The nearest Gaia star of each bright star
-- description: XMATCH picks the nearest partner within a radius; the LEFT JOIN keeps stars that have none.
-- expect: 20 rows
SELECT h.hip, h.hpmag, g.source_id, g.phot_g_mean_mag AS g_mag,
       ROUND(separation_arcsec(h.ra, h.dec, g.ra, g.dec), 3) AS apart_arcsec
FROM hipparcos AS h
LEFT JOIN gaia_bright AS g ON XMATCH(radius_arcsec => 10, mode => 'nearest')
ORDER BY h.hpmag
LIMIT 20
