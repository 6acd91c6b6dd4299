-- Beyond ADQL: parsed and lowered, but not strictly valid. Blocks are separated by blank lines.

-- Reserved words of ADQL as plain names.
SELECT distance, size, date, count, position, year, user, level, value, zone, first, last, key, time, day, hour FROM t

SELECT t.distance, t.size, t.date, t.user, t.position, t.order_id, t.language FROM public.t

SELECT area, box, centroid, circle, contains, coord1, coordsys, intersects, point, polygon, region FROM t

SELECT abs, log, mod, pi, power, round, sin, truncate, lower, upper, coalesce, cast, floor, ceiling FROM t

SELECT DISTANCE(a, b, c, d) AS distance, a AS size, b AS date, c position FROM t ORDER BY distance

SELECT d.distance FROM (SELECT a AS distance FROM t) AS d WHERE distance < 1 GROUP BY size HAVING MAX(size) > 2

SELECT _healpix_29, mag$1, größe FROM t

-- PostgreSQL.
SELECT 1

SELECT a FROM t LIMIT 5 OFFSET 10

SELECT a FROM t OFFSET 10 LIMIT 5

SELECT a FROM t WHERE b LIMIT ALL

SELECT a FROM t FETCH FIRST 5 ROWS ONLY

SELECT a::int, '1'::float8, (a + b)::numeric(10, 2) FROM t

SELECT CASE WHEN a > 1 THEN 'x' ELSE 'y' END, CASE a WHEN 1 THEN 2 END FROM t

SELECT ROW_NUMBER() OVER (PARTITION BY a ORDER BY b DESC) FROM t

SELECT SUM(a) OVER w FROM t WINDOW w AS (ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)

SELECT COUNT(*) FILTER (WHERE a > 1), ARRAY_AGG(a ORDER BY b) FROM t

SELECT DISTINCT ON (a) a, b FROM t ORDER BY a, b

SELECT a FROM t CROSS JOIN u

SELECT a FROM t LEFT JOIN LATERAL (SELECT b FROM u WHERE u.x = t.x LIMIT 1) s ON TRUE

SELECT * FROM t, LATERAL (SELECT 1) AS s

WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT n FROM r

WITH x (a, b) AS (VALUES (1, 2), (3, 4)) SELECT a FROM x

VALUES (1, 'a'), (2, 'b')

SELECT * FROM (VALUES (1, 2)) AS v (a, b)

SELECT a FROM t WHERE a = ANY(ARRAY[1, 2]) AND b > ALL(SELECT c FROM u)

SELECT a FROM t WHERE a LIKE 'x!%' ESCAPE '!' AND b SIMILAR TO 'x' AND c ~ '^m' AND d !~* 'n'

SELECT a IS TRUE, b IS NOT DISTINCT FROM c, NOT d, a = b FROM t WHERE e

SELECT EXTRACT(YEAR FROM obs_date), DATE '2020-01-01', TIMESTAMP '2020-01-01 00:00:00', INTERVAL '1 day' FROM t

SELECT obs_date AT TIME ZONE 'UTC', now() - INTERVAL '5 minutes', CURRENT_DATE, CURRENT_TIMESTAMP FROM t

SELECT SUBSTRING(a FROM 1 FOR 2), TRIM(BOTH 'x' FROM a), POSITION('a' IN b), OVERLAY(a PLACING 'b' FROM 1) FROM t

SELECT a[1], a[1:2], (f(a))[1], ARRAY[1, 2, 3], ARRAY(SELECT b FROM u) FROM t

SELECT meta -> 'filter', meta ->> 'filter', meta #> '{a,b}', meta @> '{"a": 1}' FROM t

SELECT (meta -> 'filter') = 'r', meta->'a'->'b'->>0 FROM t WHERE meta->>'band' = 'g'

SELECT E'tab\t', $$dollar ' quoted$$, B'101', X'ff', U&'\00e9' FROM t

SELECT a /* block /* nested */ comment */ FROM t

SELECT GROUPING(a), SUM(b) FROM t GROUP BY ROLLUP (a), CUBE (b), GROUPING SETS ((a), ())

SELECT TRUE, FALSE, NULL::boolean

SELECT 5 % 2, 2 ^ 3, 1 << 2, a & b, a | b, a # b, |/ 25, @ -5 FROM t

SELECT $1, $2::int

SELECT a COLLATE "C" FROM t

SELECT (SELECT MAX(a) FROM t), ROW(1, 2), (1, 2) = (3, 4)

SELECT t.a FROM ONLY t

-- DataFusion.
SELECT * EXCEPT (a, b), * EXCLUDE (c), * REPLACE (d + 1 AS d) FROM t

SELECT {'a': 1, 'b': 2}, MAP {'x': 1}, [1, 2, 3], named_struct('a', 1)

SELECT array_filter(mag, m -> m < 18), array_transform(flux, f -> -2.5 * log10(f) + 8.9) FROM t

SELECT array_filter(mag, (m) -> m < 18 AND m IS NOT NULL), array_reduce(a, 0, (x, y) -> x + y) FROM t

SELECT array_any_match(array_transform(a, x -> array_filter(x, y -> y > 1)), z -> array_length(z) > 0) FROM t

SELECT a FROM t QUALIFY ROW_NUMBER() OVER (ORDER BY b) = 1

SELECT first_value(a) IGNORE NULLS OVER (ORDER BY b), nth_value(a, 2) OVER (ORDER BY b) FROM t

FROM t SELECT a

SELECT a FROM t LEFT ANTI JOIN u ON t.id = u.id LEFT SEMI JOIN v ON t.id = v.id

SELECT unnest(a), percentile_cont(0.5) WITHIN GROUP (ORDER BY b) FROM t

SELECT * FROM generate_series(1, 10) AS g (n)

SELECT a FROM t TABLESAMPLE BERNOULLI (10)

SELECT a, COUNT(*) FROM t GROUP BY ALL ORDER BY ALL

SELECT f(a => 1, b := 2)

-- Bare predicates, and the mixtures people write.
SELECT TOP 5 a FROM t WHERE CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', 1, 2, 3)) ORDER BY a NULLS LAST

SELECT COUNT(*) FROM t WHERE NOT CONTAINS(p, q) AND q3c_radial_query(ra, dec, 1, 2, 0.5)

-- Statements.
CREATE VIEW v AS SELECT TOP 5 a FROM t

CREATE OR REPLACE VIEW v AS SELECT a FROM t WHERE 1 = CONTAINS(p, q)

CREATE TABLE u AS SELECT TOP 3 * FROM t

INSERT INTO u (a, b) SELECT TOP 3 a, b FROM t

INSERT INTO u VALUES (1, 'a'), (2, 'b')

UPDATE u SET a = LOG(b) WHERE CONTAINS(p, q)

DELETE FROM u WHERE 1 = CONTAINS(p, q)

EXPLAIN ANALYZE SELECT TOP 3 a FROM t

EXPLAIN (ANALYZE, VERBOSE) SELECT a FROM t

PREPARE p AS SELECT TOP 3 a FROM t WHERE b = $1

EXECUTE p (1)

DEALLOCATE p

DECLARE c CURSOR FOR SELECT TOP 3 a FROM t

FETCH 10 FROM c

CLOSE c

BEGIN

START TRANSACTION ISOLATION LEVEL REPEATABLE READ

COMMIT

ROLLBACK

SET search_path TO public, ivoa

SET dreyer.dialect = 'adql'

SHOW search_path

SHOW ALL

COPY (SELECT TOP 3 a FROM t) TO STDOUT WITH (FORMAT csv)

COPY u FROM STDIN

DROP TABLE IF EXISTS u

COMMENT ON COLUMN t.a IS 'magnitude'

GRANT SELECT ON t TO alice

DISCARD ALL

LISTEN channel
