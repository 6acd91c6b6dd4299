SELECT TOP 10 ra, dec FROM gaia_bright WHERE 1 = CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', 56.75, 24.12, 1.0))
