SELECT count(*) FROM gaia AS g JOIN wise AS w
  ON XMATCH(g.ra, g.dec, w.ra, w.dec, radius_arcsec => 1, mode => 'nearest', k => 2)
