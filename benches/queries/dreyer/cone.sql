SELECT source_id, ra, dec, phot_g_mean_mag FROM gaia WHERE DISTANCE(ra, dec, {ra}, {dec}) < {radius}
