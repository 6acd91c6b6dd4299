//! Every error says what, where, and what to do next: the words as a terminal shows them.

use crate::{error, local, server};

/// Renders the error of each text.
async fn rendered(texts: &[&str]) -> String {
    let session = server().await.session();
    let mut out = String::new();
    for sql in texts {
        let error = error(&session, sql).await;
        out.push_str(&format!("{} {}\n\n", error.sqlstate(), error.render(sql)));
    }
    out
}

#[tokio::test]
async fn names() {
    let texts = [
        "SELECT hp FROM hipparcos",
        "SELECT h.hipp FROM hipparcos AS h",
        "SELECT 1;\nSELECT *\nFROM hiparcos",
        "SELECT * FROM gaia.sources",
        "SELECT DISTANC(ra, dec, 1, 2) FROM hipparcos",
        "SELECT ra FROM hipparcos AS h JOIN gaia_bright AS g ON h.hip = g.source_id",
        "SET dreyer.dialekt = 'adql'",
        "EXECUTE nothing",
    ];
    insta::assert_snapshot!(rendered(&texts).await, @r#"
    42703 ERROR:  column "hp" does not exist
    LINE 1: SELECT hp FROM hipparcos
                   ^~
    HINT:  Did you mean "hip"?

    42703 ERROR:  column h.hipp does not exist
    LINE 1: SELECT h.hipp FROM hipparcos AS h
                   ^~~~~~
    HINT:  Did you mean "hip"?

    42P01 ERROR:  relation "hiparcos" does not exist
    LINE 3: FROM hiparcos
                 ^~~~~~~~
    HINT:  Did you mean "hipparcos"?

    42P01 ERROR:  relation "gaia.sources" does not exist
    LINE 1: SELECT * FROM gaia.sources
                          ^~~~~~~~~~~~

    42883 ERROR:  function distanc does not exist
    LINE 1: SELECT DISTANC(ra, dec, 1, 2) FROM hipparcos
                   ^~~~~~~
    HINT:  Did you mean "distance"?

    42702 ERROR:  column reference "ra" is ambiguous
    LINE 1: SELECT ra FROM hipparcos AS h JOIN gaia_bright AS g ON h.hip = g.source_id
                   ^~
    HINT:  Say whose it is, as in a.ra.

    42704 ERROR:  unrecognized configuration parameter "dialekt"
    LINE 1: SET dreyer.dialekt = 'adql'
                       ^~~~~~~
    HINT:  Did you mean "dreyer.dialect"?

    26000 ERROR:  prepared statement nothing does not exist
    LINE 1: EXECUTE nothing
                    ^~~~~~~
    "#);
}

#[tokio::test]
async fn grammar() {
    let texts = [
        "SELEC 1",
        "SELECT 1 FRM t",
        "SELECT (1",
        "SELECT 'abc",
        "SELECT TOP 3 DISTINCT hip FROM hipparcos",
        "SELECT TOP 3 hip FROM hipparcos LIMIT 4",
    ];
    insta::assert_snapshot!(rendered(&texts).await, @r#"
    42601 ERROR:  syntax error at or near "SELEC"
    LINE 1: SELEC 1
            ^~~~~
    DETAIL:  Expected an SQL statement.

    42601 ERROR:  syntax error at or near "t"
    LINE 1: SELECT 1 FRM t
                         ^
    DETAIL:  Expected end of statement.

    42601 ERROR:  syntax error at end of input
    LINE 1: SELECT (1
                     ^
    DETAIL:  Expected ).

    42601 ERROR:  Unterminated string literal
    LINE 1: SELECT 'abc
                   ^
    HINT:  Close the literal with ', and write a quote inside it as ''.

    42601 ERROR:  DISTINCT must stand before TOP
    LINE 1: SELECT TOP 3 DISTINCT hip FROM hipparcos
                         ^~~~~~~~
    HINT:  Write SELECT DISTINCT TOP n ...

    42601 ERROR:  TOP and LIMIT both limit the rows of one SELECT
    LINE 1: SELECT TOP 3 hip FROM hipparcos LIMIT 4
            ^~~~~~
    HINT:  Keep either TOP or LIMIT.
    "#);
}

#[tokio::test]
async fn values() {
    let texts = [
        "SELECT COUNT(*) FROM hipparcos WHERE 1 = CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', 10, 20, 3600))",
        "SELECT POINT(10, 91)",
        "SELECT POLYGON(10, 10, 20)",
        "SELECT 1 / 0",
        "SELECT CAST('1x' AS INT)",
        "SELECT hip + 'a' FROM hipparcos",
        "SELECT hip, COUNT(*) FROM hipparcos",
        "SELECT ABS('x', 1)",
        "SELECT (SELECT hip FROM hipparcos)",
    ];
    insta::assert_snapshot!(rendered(&texts).await, @r#"
    22023 ERROR:  CIRCLE radius must lie in [0, 180] degrees, got 3600
    LINE 1: ...1 = CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', 10, 20, 3600))
                                                                           ^~~~
    HINT:  1 arcsec is 1/3600.

    22023 ERROR:  POINT lat must lie in [-90, 90] degrees, got 91
    LINE 1: SELECT POINT(10, 91)
                             ^~
    HINT:  Longitude comes first, then latitude, both in degrees.

    42883 ERROR:  POLYGON cannot be called with 3 arguments
    LINE 1: SELECT POLYGON(10, 10, 20)
                   ^~~~~~~~~~~~~~~~~~~
    HINT:  Use POLYGON(lon1, lat1, lon2, lat2, lon3, lat3, ...) or POLYGON(vertex1, vertex2, vertex3, ...).

    22012 ERROR:  division by zero

    22P02 ERROR:  Cannot cast string '1x' to value of Int32 type

    42804 ERROR:  Cannot coerce arithmetic expression Int32 + Utf8 to valid types
    LINE 1: SELECT hip + 'a' FROM hipparcos
                   ^~~

    42803 ERROR:  column "hipparcos.hip" must appear in the GROUP BY clause or be used in an aggregate function
    LINE 1: SELECT hip, COUNT(*) FROM hipparcos
                   ^~~

    42883 ERROR:  function abs(Utf8, Int64) does not exist
    LINE 1: SELECT ABS('x', 1)
                   ^~~~~~~~~~~
    DETAIL:  Its forms: abs(Numeric(1)).
    HINT:  No form of the function takes these arguments; a cast may help.

    21000 ERROR:  Scalar subquery returned more than one row
    "#);
}

#[tokio::test]
async fn rights() {
    let texts = [
        "CREATE TABLE t (a INT)",
        "SET datafusion.runtime.memory_limit = '1G'",
        "COPY hipparcos TO '/nowhere/x.csv'",
    ];
    insta::assert_snapshot!(rendered(&texts).await, @r#"
    25006 ERROR:  cannot execute CREATE TABLE on a server that only reads
    HINT:  CREATE TEMPORARY TABLE makes one in memory, for this session; a --writable root is for others.

    25006 ERROR:  parameter "datafusion.runtime.memory_limit" cannot be changed here
    HINT:  A session may set dreyer, datafusion.execution.batch_size, datafusion.execution.target_partitions, datafusion.execution.time_zone, datafusion.explain.

    25006 ERROR:  cannot execute COPY on a server that only reads
    HINT:  `dreyer sql` on your own machine allows it; so does a server that was given a --writable root.
    "#);
}

#[tokio::test]
async fn no_storage_is_open_but_the_roots() {
    let session = local().await;
    let error = error(
        &session,
        "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION 's3://bucket/file.parquet'",
    )
    .await;
    assert_eq!(error.sqlstate(), "42501", "{error:?}");
}
