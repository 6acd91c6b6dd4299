//! Every example that the binary carries gives what its front matter says.

use dreyer::{Expect, examples};

use crate::{batches, server, value};

#[tokio::test]
async fn every_example_gives_what_it_says() {
    let session = server().await.session();
    for example in examples() {
        match example.expect {
            Expect::Rows(rows) => {
                let found: usize = batches(&session, example.sql)
                    .await
                    .iter()
                    .map(|batch| batch.num_rows())
                    .sum();
                assert_eq!(found, rows, "{}", example.name);
            }
            Expect::Value(expected) => assert_eq!(value(&session, example.sql).await, expected, "{}", example.name),
        }
    }
}
