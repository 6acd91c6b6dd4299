SELECT count(*) FROM wise AS w JOIN gaia AS g ON q3c_join(w.ra, w.dec, g.ra, g.dec, 1/3600.)
