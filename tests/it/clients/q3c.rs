//! Matches in Q3C's own words, beside Q3C in a real PostgreSQL 15: the same pairs.

use super::Server;
use crate::support::postgres::Postgres;

#[tokio::test(flavor = "multi_thread")]
async fn q3c_finds_the_same_pairs() {
    let server = Server::start().await;
    let oracle = Postgres::start().await;
    assert_eq!(
        server.python_with("q3c.py", &[("ORACLE", &oracle.address())]).await,
        "ok\n"
    );
}
