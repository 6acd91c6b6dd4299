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
    insta::assert_snapshot!(rendered(&texts).await, @"");
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
    insta::assert_snapshot!(rendered(&texts).await, @"");
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
    insta::assert_snapshot!(rendered(&texts).await, @"");
}

#[tokio::test]
async fn rights() {
    let texts = ["CREATE TABLE t (a INT)", "SET datafusion.runtime.memory_limit = '1G'", "COPY hipparcos TO '/tmp/x.csv'"];
    insta::assert_snapshot!(rendered(&texts).await, @"");
}

#[tokio::test]
async fn no_storage_is_open_but_the_roots() {
    let session = local().await;
    let error = error(&session, "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION 's3://bucket/file.parquet'").await;
    assert_eq!(error.sqlstate(), "25006", "{error:?}");
}
