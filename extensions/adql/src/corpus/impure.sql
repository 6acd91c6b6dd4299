-- Wider SQL with the fault that strict validation finds behind --!. Blocks are separated by blank lines.

--! ADQL 2.1 has no LIMIT
SELECT a FROM t LIMIT 5

--! ADQL 2.1 has no LIMIT
SELECT a FROM t WHERE a IN (SELECT b FROM u LIMIT 5)

--! ADQL 2.1 has no ROW or ROWS behind OFFSET
SELECT a FROM t OFFSET 5 ROWS

--! OFFSET takes an unsigned integer
SELECT a FROM t OFFSET -5

--! OFFSET takes an unsigned integer
SELECT a FROM t OFFSET 2 + 3

--! ADQL 2.1 has no ^
SELECT a ^ 2 FROM t

--! ADQL 2.1 has no ::
SELECT a::int FROM t

--! ADQL 2.1 has no string literal of this kind
SELECT E'a' FROM t

--! ADQL 2.1 has no comments between /* and */
SELECT a FROM t /* end */

--! is not a regular identifier
SELECT größe FROM t

--! is not a regular identifier
SELECT a$b FROM t

--! a quoted name is empty
SELECT "" FROM t

--! a table name has at most three parts
SELECT * FROM a.b.c.d

--! a column name has at most four parts
SELECT a.b.c.d.e FROM t

--! VALUE is a reserved word
SELECT value FROM t

--! ZONE is a reserved word
SELECT a FROM t AS zone

--! FIRST is a reserved word
WITH first AS (SELECT a FROM t) SELECT a FROM x

--! KEY is a reserved word
SELECT a FROM t JOIN u USING (key)

--! DISTANCE is a reserved word
SELECT DISTANCE(p, q) AS distance FROM t

--! LOG is a reserved word
SELECT a FROM t ORDER BY log

--! ADQL 2.1 has no column list behind a table alias
SELECT a FROM (SELECT b FROM t) AS s (a)

--! ADQL 2.1 has no table functions
SELECT * FROM cone(t, 1, 2, 3)

--! ADQL 2.1 has no LATERAL
SELECT * FROM t, LATERAL (SELECT b FROM u) AS s

--! ADQL 2.1 has no join of this kind
SELECT * FROM t LEFT ANTI JOIN u ON t.a = u.a

--! ADQL 2.1 has no UNION DISTINCT
SELECT a FROM t UNION DISTINCT SELECT b FROM u

--! ADQL 2.1 has no query of this kind
VALUES (1, 2)

--! ADQL 2.1 has no DISTINCT ON
SELECT DISTINCT ON (a) a FROM t

--! ADQL 2.1 has no option behind *
SELECT * EXCLUDE (a) FROM t

--! ADQL 2.1 has no grouping sets
SELECT a FROM t GROUP BY ROLLUP (a)

--! ADQL 2.1 has no GROUP BY ALL
SELECT a FROM t GROUP BY ALL

--! ADQL 2.1 has no ORDER BY ALL
SELECT a FROM t ORDER BY ALL

--! ADQL 2.1 has no clause behind a call
SELECT COUNT(*) FILTER (WHERE a = 1) FROM t

--! ADQL 2.1 has no OVER
SELECT SUM(a) OVER (ORDER BY b) FROM t

--! ADQL 2.1 has no DISTINCT or ALL in a plain call
SELECT f(DISTINCT a) FROM t

--! ADQL 2.1 has no * in MAX
SELECT MAX(*) FROM t

--! ADQL 2.1 has no function NULLIF
SELECT NULLIF(a, 1) FROM t

--! a function has a name of one part
SELECT s.f(a) FROM t

--! POINT takes 2 or 3 arguments, got 1
SELECT POINT('1 2') FROM t

--! POLYGON takes 3 or more arguments, got 2
SELECT POLYGON(p, q) FROM t

--! PI takes 0 arguments, got 1
SELECT PI(1) FROM t

--! ABS takes 1 argument, got 0
SELECT ABS() FROM t

--! the second argument of ROUND is an integer literal
SELECT ROUND(a, b) FROM t

--! the last argument of IN_UNIT is a string literal
SELECT IN_UNIT(a, b) FROM t

--! the last argument of REGION is a string literal
SELECT REGION(a) FROM t

--! INTERSECTS is a number, not a condition
SELECT a FROM t JOIN u ON INTERSECTS(t.p, u.q)

--! CONTAINS is a number, not a condition
SELECT a FROM t WHERE NOT CONTAINS(p, q)

--! a condition is expected here
SELECT a FROM t HAVING COUNT(*)

--! a condition is expected here
SELECT a FROM t WHERE b AND c = 1

--! a value is expected here
SELECT a FROM t WHERE (a = 1) = 1

--! a value is expected here
SELECT f(a < 1) FROM t

--! a value is expected here
SELECT a FROM t ORDER BY a IS NULL

--! ADQL 2.1 has no subquery as a value
SELECT a FROM t WHERE a = (SELECT MAX(b) FROM u)

--! ADQL 2.1 has no IS TRUE
SELECT a FROM t WHERE (a = 1) IS TRUE

--! ADQL 2.1 has no TRUE and FALSE
SELECT TRUE FROM t

--! ADQL 2.1 has no ANY, SOME or ALL
SELECT a FROM t WHERE a > ALL (SELECT b FROM u)

--! ADQL 2.1 has no typed literal
SELECT DATE '2020-01-01' FROM t

--! ADQL 2.1 has no CAST to DATE
SELECT CAST(a AS DATE) FROM t

--! ADQL 2.1 has no CAST to DOUBLE
SELECT CAST(a AS DOUBLE) FROM t

--! ADQL 2.1 has no SELECT INTO
SELECT a INTO u FROM t

--! ADQL 2.1 has no query that starts with FROM
FROM t SELECT a

--! ADQL 2.1 has no empty select list
SELECT FROM t

--! an ADQL text is one query
SELECT a FROM t; SELECT b FROM u

--! ADQL 2.1 has queries only
CREATE VIEW v AS SELECT a FROM t
