SELECT FROM WHERE (('unfinished
