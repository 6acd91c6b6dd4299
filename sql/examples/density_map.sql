-- title: A map of star counts
-- description: Stars in each HEALPix cell of order 3 (7.3 degrees wide), and where the cell lies.
-- expect: 768 rows
SELECT cell, COUNT(*) AS stars,
       COORD1(ivo_healpix_center(3, cell)) AS ra, COORD2(ivo_healpix_center(3, cell)) AS dec
FROM (SELECT ivo_healpix_index(3, ra, dec) AS cell FROM gaia_bright) AS cells
GROUP BY cell
ORDER BY stars DESC
