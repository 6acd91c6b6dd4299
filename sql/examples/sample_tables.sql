-- title: The sample sky
-- description: Two catalogues of bright stars that the binary carries, and how many rows each has.
-- expect: 2 rows
SELECT 'hipparcos' AS catalogue, COUNT(*) AS stars FROM hipparcos
UNION ALL
SELECT 'gaia_bright', COUNT(*) FROM gaia_bright
ORDER BY catalogue DESC
