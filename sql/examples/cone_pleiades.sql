-- title: A cone search around the Pleiades
-- description: Stars within one degree of a position, brightest first. Only the files that the cone touches are read.
-- expect: 26 rows
SELECT hip, ra, dec, hpmag, parallax
FROM hipparcos
WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(56.75, 24.12, 1))
ORDER BY hpmag
