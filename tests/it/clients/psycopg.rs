//! psycopg 3: values in text and binary, parameters, pipelines, cancel. The assertions are in the scripts.

use super::Server;

#[tokio::test(flavor = "multi_thread")]
async fn every_type_in_text_and_in_binary() {
    let server = Server::start().await;
    assert_eq!(server.python("values.py").await, "ok\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_statements_and_transactions() {
    let server = Server::start().await;
    assert_eq!(server.python("statements.py").await, "ok\n");
}
