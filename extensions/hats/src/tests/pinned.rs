//! A catalogue rewritten under a query: an error, never rows of two versions.

use std::path::Path;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::physical_plan::collect;
use datafusion::prelude::SessionContext;

use super::sky::{Sky, open};
use crate::{HatsCatalog, HatsTable};

/// Replaces a leaf by an equal one.
fn rewrite_a_leaf(catalog: &HatsCatalog) {
    let leaf = &catalog.tiles().last().unwrap().files[0];
    let file = Path::new("/").join(leaf.location.as_ref());
    let copy = file.with_extension("copy");
    std::fs::copy(&file, &copy).unwrap();
    std::fs::rename(copy, file).unwrap();
}

#[tokio::test]
async fn a_rewritten_leaf_of_a_remote_store_is_noticed() {
    let sky = Sky::new(1000, 5000, 5000).await;
    let session = sky.session().await;
    let plan = session.plan("SELECT id FROM sky").await.unwrap();
    rewrite_a_leaf(&session.catalog);
    let fault = collect(plan, session.context.task_ctx()).await.unwrap_err().to_string();
    assert!(fault.contains("was rewritten after the query was planned"), "{fault}");
    assert!(
        session.query("SELECT id FROM sky").await.is_err(),
        "the table still stands for the old version"
    );
    let fresh = sky.session().await;
    assert_eq!(fresh.ids("SELECT id FROM sky").await.len(), 1000);
}

#[tokio::test]
async fn a_rewritten_leaf_of_the_file_system_is_noticed() {
    let sky = Sky::new(1000, 5000, 5000).await;
    let catalog = Arc::new(open(&sky.path()).await.unwrap());
    let table = HatsTable::new(Arc::clone(&catalog));
    let context = SessionContext::new();
    let rows = async || {
        let plan = table.scan(&context.state(), None, &[], None).await?;
        let batches = collect(plan, context.task_ctx()).await?;
        Ok::<_, datafusion::error::DataFusionError>(batches.iter().map(|batch| batch.num_rows()).sum::<usize>())
    };
    assert_eq!(rows().await.unwrap(), 1000);
    rewrite_a_leaf(&catalog);
    let fault = rows().await.unwrap_err().to_string();
    assert!(fault.contains("was rewritten after the query was planned"), "{fault}");
}
