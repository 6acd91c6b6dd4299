SELECT $1::int, E'a\n', $$b;c$$, ARRAY[1,2][1], x ->> 'y', interval '1 day' FROM t WHERE a ~* 'b' LIMIT 5
