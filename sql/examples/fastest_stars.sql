-- title: The fastest stars of the sky
-- description: Total proper motion, and where the star will stand in the year 3000.
-- expect: 10 rows
SELECT TOP 10 hip, SQRT(pmra * pmra + pmdec * pmdec) AS mas_per_year, 1000 / parallax AS distance_pc,
       COORD1(ivo_epoch_prop_pos(ra, dec, parallax, pmra, pmdec, NULL, ref_epoch, 3000)) AS ra_3000,
       COORD2(ivo_epoch_prop_pos(ra, dec, parallax, pmra, pmdec, NULL, ref_epoch, 3000)) AS dec_3000
FROM hipparcos
ORDER BY mas_per_year DESC
