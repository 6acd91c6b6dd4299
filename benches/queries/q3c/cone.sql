SELECT source_id, ra, dec, phot_g_mean_mag FROM gaia WHERE q3c_radial_query(ra, dec, {ra}, {dec}, {radius})
