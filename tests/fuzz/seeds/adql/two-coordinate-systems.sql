-- Geometry, every form.
SELECT POINT(ra, dec), P6INT('ICRS', ra, dec), POINT('',NULL, 1, 2) FROM t
