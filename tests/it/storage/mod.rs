//! Places that are not on this machine: what can be read there, what cannot be reached, and what becomes of faults.

mod closed;
mod faults;
mod s3;
mod web;

use datafusion::arrow::util::pretty::pretty_format_batches;
use dreyer::{Config, Database, Session};
use futures::TryStreamExt;

/// Queries whose rows must not depend on where the catalogue lies.
const QUERIES: [&str; 4] = [
    "SELECT count(*) AS n, sum(hip) AS s, min(ra) AS a, max(dec) AS b FROM hipparcos WHERE ra >= 0",
    "SELECT * FROM hipparcos WHERE DISTANCE(ra, dec, 56.75, 24.12) < 2 ORDER BY hip",
    "SELECT hip, hpmag FROM hipparcos WHERE dec > 89 OR dec < -89 ORDER BY hip",
    "SELECT count(*) AS n FROM hipparcos WHERE hip < 0",
];

/// The rows of a query, drawn; or the error, with its place in the text taken away.
async fn rows(session: &Session, sql: &str) -> dreyer::Result<String> {
    let batches: Vec<_> = session
        .query(sql)
        .await?
        .try_collect()
        .await
        .map_err(dreyer::Error::from)?;
    Ok(pretty_format_batches(&batches).unwrap().to_string())
}

/// What the queries give on the sample that the binary carries.
async fn right_rows() -> Vec<String> {
    let session = Database::open(Config::default()).await.unwrap().session();
    let mut right = Vec::new();
    for sql in QUERIES {
        right.push(rows(&session, sql).await.unwrap());
    }
    right
}

async fn all_rows(session: &Session) -> Vec<String> {
    let mut all = Vec::new();
    for sql in QUERIES {
        all.push(rows(session, sql).await.unwrap());
    }
    all
}

/// All that an error shows to anybody.
fn shown(error: &dreyer::Error) -> String {
    format!("{error:?} {error} {}", error.render(""))
}
