SELECT q3c_dist(1, 2, 3, 4) FROM t WHERE q3c_radial_query(ra, dec, 10, 20, 0.1) AND NOT q3c_join(a, b, c, d, 0.1)
