-- Refused by parsing or lowering, with a part of the message behind --!. Blocks are separated by blank lines.

--! TOP and LIMIT both limit
SELECT TOP 5 a FROM t LIMIT 3

--! TOP and FETCH both limit
SELECT TOP 5 a FROM t FETCH FIRST 3 ROWS ONLY

--! DISTINCT must stand before TOP
SELECT TOP 3 DISTINCT a FROM t

--! ALL must stand before TOP
SELECT a FROM t UNION SELECT TOP 3 ALL a FROM t

--! TOP takes an unsigned integer
SELECT TOP -3 a FROM t

--! TOP takes an unsigned integer
SELECT TOP (3) a FROM t

--! TOP takes an unsigned integer
SELECT TOP n a FROM t

--! Could not parse '3.5'
SELECT TOP 3.5 a FROM t

--! TOP ... PERCENT is not offered
SELECT TOP 3 PERCENT a FROM t

--! 'GALACTIC' is not a coordinate system
SELECT POINT('GALACTIC', l, b) FROM t

--! POLYGON takes ICRS degrees
SELECT * FROM t WHERE 1 = CONTAINS(p, POLYGON('ECLIPTIC', 1, 2, 3, 4, 5, 6))

--! REGION takes ICRS degrees
SELECT REGION('Circle GALACTIC 1 2 3') FROM t

--! POINT as text is 2 numbers
SELECT CAST('1 2 3' AS POINT) FROM t

--! BOX takes ICRS degrees
SELECT BOX('B1950', 1, 2, 3, 4) FROM t

--! Unterminated string literal
SELECT 'abc FROM t

--! Expected
SELECT a FROM t WHERE a = = 1

--! Expected
SELECT a, FROM t WHERE

--! Expected
SELECT f(a FROM t

--! the text ends where
SELECT a FROM t WHERE

--! Expected: end of statement
SELECT a FROM t WHERE a = 1 )

--! Expected
SELEKT a FROM t

--! Expected
SELECT case FROM t
