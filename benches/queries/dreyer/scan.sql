-- Decodes index, ra and dec of every row of both catalogues; max cannot be had from footers alone beside a sum.
SELECT sum(ra), sum(dec), max(_healpix_29) FROM gaia
UNION ALL
SELECT sum(ra), sum(dec), max(_healpix_29) FROM wise
