SELECT array_filter(mag, m -> m < 18), IN_UNIT(pm, 'deg/yr') FROM lc
