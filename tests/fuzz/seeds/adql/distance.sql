SELECT COUNT(*) FROM hipparcos AS h JOIN gaia_bright AS g ON DISTANCE(h.ra, h.dec, g.ra, g.dec) < 1/3600. WHERE h.hip <> 1 -- a comment
