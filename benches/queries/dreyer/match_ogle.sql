-- Few square degrees, very unevenly filled, against themselves.
SELECT count(*) FROM ogle AS a JOIN ogle AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 10/3600.
