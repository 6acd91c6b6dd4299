SELECT source_id, ra, dec, phot_g_mean_mag FROM gaia
WHERE dec BETWEEN {south} AND {north} AND ({ra_range})
  AND haversine(ra, dec, {ra}, {dec}) < pow(sin(radians({radius}) / 2), 2)
