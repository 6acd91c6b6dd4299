SELECT count(*), sum(g.phot_g_mean_mag)
FROM candidates AS c JOIN gaia AS g ON q3c_join(c.ra, c.dec, g.ra, g.dec, 1/3600.)
