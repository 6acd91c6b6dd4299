-- Pure ADQL 2.1: parsed, lowered and strictly valid. Blocks are separated by blank lines.

-- Lexical: keywords in any case, white space anywhere or nowhere.
sElEcT ra FrOm gaia

select all(a+b)X from t

select top 4* from t

SELECT ROUND(5)as x FROM t

SELECT a FROM schema1 . table1 WHERE table1 . a = 1

SELECT	a
	FROM	t

-- Comments, also at the end of input.
SELECT a -- the column
FROM t --- with three minus
-- the end

SELECT a FROM t; -- and a semicolon

-- Names of several parts.
SELECT cat.sch.tab.col, sch.tab.col, tab.col FROM cat.sch.tab

SELECT "I/239/hip_main"."RAJ2000", "2MASS"."a ""quoted"" name" FROM "I/239/hip_main", "2MASS"

SELECT h."_RAJ2000" FROM "I/239/hip_main" AS h

-- Literals.
SELECT 'it''s', '', 'adjacent' 'literals', 'on'
  'two lines' FROM t

SELECT 12, 12., 12.3, .3, 12.3E4, 1e-3, -1, +2.5, 5./60., 1/3600. FROM t

SELECT 2*NULL, COALESCE(NULL, a) FROM t WHERE a <> 1 AND b != 2

SELECT a || 'x' || b FROM t

-- Reserved words in quotes.
SELECT "size", "date", t."distance", "count" FROM "public".t ORDER BY "year"

-- Words that PostgreSQL or the parser know and ADQL does not reserve.
SELECT limit_mag, flux, id, name, type, status, lambda, period, mag, label FROM t

SELECT path, line, version, source, ref_epoch FROM t

-- Quantifiers and TOP.
SELECT DISTINCT a, b FROM t

SELECT ALL a FROM t

SELECT DISTINCT TOP 10 a FROM t

SELECT TOP 0 a FROM t

SELECT TOP 10 * FROM t ORDER BY a OFFSET 5

-- Select lists.
SELECT * FROM t

SELECT t.*, s.u.*, a + b AS c, d e FROM t, s.u

SELECT DISTANCE(POINT(ra, dec), POINT(1, 2)) AS d, * FROM t

SELECT *, a AS b FROM t

-- FROM.
SELECT * FROM t, u AS v, w x

SELECT s.a FROM (SELECT a FROM t) AS s

SELECT s.a FROM (SELECT TOP 5 a FROM t ORDER BY a) s

SELECT * FROM a NATURAL JOIN b

SELECT * FROM a NATURAL LEFT JOIN b

SELECT * FROM a JOIN b ON a.x = b.x

SELECT * FROM a INNER JOIN b USING (x, y)

SELECT * FROM a LEFT OUTER JOIN b ON a.x = b.x RIGHT JOIN c USING (z) FULL OUTER JOIN d ON d.w < 3

SELECT * FROM (a JOIN b USING (id)) LEFT JOIN (c JOIN d ON c.x = d.x) ON a.id = c.id

SELECT * FROM a JOIN b

-- WHERE.
SELECT * FROM t WHERE a = 1 AND b <> 2 OR NOT c < 3 AND (d >= 4 OR e <= 5) AND f > 6

SELECT * FROM t WHERE (a + 2) < 5 AND ((a + 2) * 3 < 5)

SELECT * FROM t WHERE a BETWEEN 1 AND 2 AND b NOT BETWEEN c AND d + 1

SELECT * FROM t WHERE a IN (1, 2, 3) AND b NOT IN ('x', 'y') AND c IN (SELECT d FROM u)

SELECT * FROM t WHERE a LIKE 'M%' AND b NOT LIKE '_\_%' AND c ILIKE 'ngc%' AND d NOT ILIKE 'ic%'

SELECT * FROM t WHERE a IS NULL AND b IS NOT NULL

SELECT * FROM t AS Outside WHERE EXISTS (SELECT * FROM u WHERE u.id = OUTSIDE.id) AND NOT EXISTS (SELECT b FROM v)

-- GROUP BY, HAVING, ORDER BY.
SELECT COUNT(*) AS n, COUNT(a), COUNT(DISTINCT a), COUNT(ALL a), AVG(b), MAX(b), MIN(b), SUM(b) FROM t

SELECT a, b + 1, COUNT(*) + 2 * MAX(c) FROM t GROUP BY a, b + 1 HAVING COUNT(*) > 2 AND AVG(c) < 5

SELECT ROUND(mag, 1) AS bin, COUNT(*) FROM t GROUP BY bin ORDER BY bin

SELECT a, COUNT(*) FROM t GROUP BY 1 ORDER BY 2 DESC

SELECT a FROM t ORDER BY t.b ASC, 1, a + b DESC, ABS(c)

-- OFFSET.
SELECT a FROM t OFFSET 10

SELECT a FROM t WHERE a IN (SELECT b FROM u ORDER BY b OFFSET 2)

-- WITH.
WITH bright AS (SELECT * FROM gaia WHERE g < 10), near AS (SELECT * FROM bright WHERE parallax > 100) SELECT TOP 5 * FROM near, bright

WITH a AS (SELECT x FROM t) SELECT x FROM a UNION SELECT y FROM u

-- Set operators.
SELECT a FROM t UNION SELECT b FROM u UNION ALL SELECT c FROM v EXCEPT SELECT d FROM w INTERSECT ALL SELECT e FROM x

(SELECT TOP 3 a FROM t ORDER BY a) UNION (SELECT b FROM u OFFSET 3) ORDER BY a

SELECT TOP 3 a FROM t UNION SELECT TOP 4 b FROM u

-- Mathematical and trigonometric functions.
SELECT ABS(x), CEILING(x), DEGREES(x), EXP(x), FLOOR(x), LOG(x), LOG10(x), MOD(x, 2), PI(), POWER(x, 2), RADIANS(x), SQRT(x) FROM t

SELECT RAND(), RAND(42), ROUND(x), ROUND(x, 2), ROUND(x, -2), TRUNCATE(x), TRUNCATE(x, 1), TRUNCATE(x, -1) FROM t

SELECT ACOS(x), ASIN(x), ATAN(x), ATAN2(y, x), COS(x), COT(x), SIN(x), TAN(x) FROM t

-- Strings, types, conditionals, units.
SELECT LOWER(a), UPPER(a), COALESCE(a, b, 'none'), IN_UNIT(pmra, 'deg/yr') FROM t

SELECT CAST(a AS SMALLINT), CAST(a AS INTEGER), CAST(a AS BIGINT), CAST(a AS REAL), CAST(a AS DOUBLE PRECISION) FROM t

SELECT CAST(a AS CHAR), CAST(a AS CHAR(3)), CAST(a AS VARCHAR), CAST(a AS VARCHAR(5)), CAST(a AS TIMESTAMP) FROM t

SELECT CAST('12.3 45.6' AS POINT), CAST('12.3 45.6 1' AS CIRCLE), CAST('1 0 2 0 3 1' AS POLYGON) FROM t

-- Geometry, every form.
SELECT POINT(ra, dec), POINT('ICRS', ra, dec), POINT('', 1, 2), POINT(NULL, 1, 2) FROM t

SELECT CIRCLE(ra, dec, 1), CIRCLE('ICRS', ra, dec, 1), CIRCLE(POINT(ra, dec), 1), CIRCLE('ICRS GEOCENTER', POINT('ICRS', ra, dec), 1) FROM t

SELECT BOX(ra, dec, 1, 2), BOX('J2000', ra, dec, 1, 2), BOX(POINT(ra, dec), 1, 2), BOX('fk5', POINT(ra, dec), 1, 2) FROM t

SELECT POLYGON(1, 2, 3, 4, 5, 6), POLYGON('ICRS', 1, 2, 3, 4, 5, 6, 7, 8), POLYGON(POINT(1, 2), POINT(3, 4), POINT(5, 6)), POLYGON('', p, q, r, s) FROM t

SELECT REGION('CIRCLE ICRS 1 2 3'), AREA(s_region), CENTROID(s_region), COORD1(p), COORD2(p), COORDSYS(p) FROM t

SELECT DISTANCE(p, q), DISTANCE(POINT(1, 2), p), DISTANCE(ra, dec, 10.5, -20), DISTANCE(s_region, p) FROM t

SELECT * FROM t WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(10, 20, 1)) AND CONTAINS(p, s_region) = 0

SELECT * FROM t WHERE 1=INTERSECTS(s_region, POLYGON(1, 2, 3, 4, 5, 6)) OR INTERSECTS(p, q) = 1

SELECT CONTAINS(p, q) AS inside, INTERSECTS(p, q) FROM t

SELECT * FROM gaia AS g JOIN t ON 1 = CONTAINS(POINT(g.ra, g.dec), CIRCLE(t.ra, t.dec, 1/3600.))

SELECT * FROM gaia AS g JOIN t ON DISTANCE(g.ra, g.dec, t.ra, t.dec) < 5./3600.

SELECT * FROM t WHERE 1 = CONTAINS(ivo_epoch_prop_pos(ra, dec, plx, pmra, pmdec, rv, 2016., 2000.), CIRCLE(1, 2, 3))

-- User-defined functions.
SELECT ivo_healpix_index(6, ra, dec), gavo_histogram(a, 1, 2, 3), my_function() FROM t
