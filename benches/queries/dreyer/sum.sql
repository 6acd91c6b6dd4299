SELECT sum(phot_g_mean_mag) FROM gaia
