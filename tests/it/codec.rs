//! Plans on the wire: every node of ours comes back as it went, and gives the same rows.

use std::sync::Arc;

use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, collect, displayable};
use datafusion_proto::bytes::{
    physical_plan_from_bytes_with_extension_codec, physical_plan_to_bytes_with_extension_codec,
};
use datafusion_proto::logical_plan::LogicalExtensionCodec;
use datafusion_proto::physical_plan::ComposedPhysicalExtensionCodec;
use dreyer_sky::crossmatch::CrossMatchLogicalCodec;

use crate::local;

async fn sent(sql: &str, shows: &str) {
    sent_with(&[], sql, shows).await;
}

async fn sent_with(settings: &[&str], sql: &str, shows: &str) {
    let session = local().await;
    for setting in ["SET datafusion.execution.target_partitions = 2"]
        .iter()
        .chain(settings)
    {
        crate::done(&session, setting).await;
    }
    let statement = session.parse(sql).unwrap().remove(0);
    let plan = session.plan(&statement).await.unwrap();
    let state = session.context().state();
    let plan = state.create_physical_plan(&plan).await.unwrap();
    let drawn = |plan: &Arc<dyn ExecutionPlan>| displayable(plan.as_ref()).indent(true).to_string();
    assert!(drawn(&plan).contains(shows), "{}", drawn(&plan));

    let codec = ComposedPhysicalExtensionCodec::new(dreyer_sky::codecs());
    let bytes = physical_plan_to_bytes_with_extension_codec(Arc::clone(&plan), &codec).unwrap();
    let context = state.task_ctx();
    let back = physical_plan_from_bytes_with_extension_codec(&bytes, &context, &codec).unwrap();
    assert_eq!(drawn(&plan), drawn(&back));

    let rows = |plan| collect(plan, Arc::clone(&context));
    let (here, there) = (rows(plan).await.unwrap(), rows(back).await.unwrap());
    assert!(
        here.iter().map(|batch| batch.num_rows()).sum::<usize>() > 0,
        "{sql} must give rows"
    );
    assert_eq!(
        pretty_format_batches(&here).unwrap().to_string(),
        pretty_format_batches(&there).unwrap().to_string()
    );
}

#[tokio::test]
async fn a_cone_search_travels() {
    sent(
        "SELECT hip, hpmag FROM hipparcos WHERE DISTANCE(ra, dec, 56.75, 24.12) < 1 ORDER BY hip",
        "DataSourceExec",
    )
    .await;
}

#[tokio::test]
async fn an_aligned_match_travels() {
    sent(
        "SELECT h.hip, g.source_id FROM hipparcos h JOIN gaia_bright g \
         ON DISTANCE(h.ra, h.dec, g.ra, g.dec) < 1/3600. AND h.hpmag < 3 ORDER BY 1, 2",
        "strategy=aligned",
    )
    .await;
}

#[tokio::test]
async fn an_indexed_match_travels() {
    sent(
        "SELECT h.hip, v.name FROM hipparcos h JOIN (VALUES ('Alcyone', 56.871, 24.105)) AS v(name, ra, dec) \
         ON 1 = CONTAINS(POINT(h.ra, h.dec), CIRCLE(v.ra, v.dec, 0.01))",
        "strategy=indexed",
    )
    .await;
}

#[tokio::test]
async fn a_retiled_match_travels() {
    sent_with(
        &["SET dreyer.crossmatch_strategy = 'retiled'"],
        "SELECT h.hip, g.source_id FROM hipparcos h LEFT JOIN gaia_bright g \
         ON DISTANCE(h.ra, h.dec, g.ra, g.dec) < 1/3600. AND h.hpmag < 3 ORDER BY 1, 2",
        "strategy=retiled",
    )
    .await;
}

#[tokio::test]
async fn every_kind_of_match_travels() {
    let named = "(VALUES ('Alcyone', 56.871, 24.105, 0.01), ('nowhere', 3.0, -80.0, 0.02)) AS v(name, ra, dec, r)";
    for (sql, shows) in [
        (
            format!(
                "SELECT v.name, h.hip FROM {named} LEFT JOIN hipparcos h \
                     ON DISTANCE(h.ra, h.dec, v.ra, v.dec) < 0.01 AND h.hpmag < 5"
            ),
            "join=left",
        ),
        (
            format!(
                "SELECT v.name FROM {named} WHERE NOT EXISTS (SELECT 1 FROM hipparcos h \
                     WHERE DISTANCE(h.ra, h.dec, v.ra, v.dec) < 0.01)"
            ),
            "join=anti",
        ),
        (
            format!("SELECT v.name, h.hip FROM {named} JOIN hipparcos h ON DISTANCE(h.ra, h.dec, v.ra, v.dec) < v.r"),
            "radius=[r@",
        ),
    ] {
        sent(&sql, shows).await;
    }
    sent_with(
        &["SET dreyer.crossmatch_index_trust = 'all'"],
        &format!("SELECT v.name, h.hip FROM {named} JOIN hipparcos h ON DISTANCE(h.ra, h.dec, v.ra, v.dec) < 0.01"),
        "pruned=by footprint, index=suffices",
    )
    .await;
}

/// Matches that pick, measure the separation, chain or confine themselves, with what they need to go on elsewhere.
#[tokio::test]
async fn matches_that_pick_and_measure_travel() {
    let xmatch = |rest: &str| format!("XMATCH(h.ra, h.dec, g.ra, g.dec, radius_arcsec => 5, {rest})");
    let apart = "separation_arcsec(h.ra, h.dec, g.ra, g.dec)";
    let sky = "FROM hipparcos h JOIN gaia_bright g ON";
    let few = "FROM (SELECT * FROM hipparcos WHERE hpmag < 4) h";
    for (sql, shows) in [
        (
            format!(
                "SELECT h.hip, g.source_id, {apart} {sky} {} AND h.hpmag < 4 ORDER BY 1, 2",
                xmatch("k => 2")
            ),
            ["pick=nearest 2", "separation=__separation"],
        ),
        (
            format!(
                "SELECT h.hip, g.source_id, {apart} {sky} {} WHERE h.hpmag < 4 ORDER BY 1",
                xmatch("mode => 'best'")
            ),
            ["strategy=aligned", "pick=mutual"],
        ),
        (
            format!(
                "SELECT h.hip, v.r, DISTANCE(h.ra, h.dec, v.ra, v.dec) {few} LEFT JOIN (VALUES (56.871, 24.105, 0.01), \
                 (83.0, -5.9, 2.0)) AS v(ra, dec, r) ON XMATCH(h.ra, h.dec, v.ra, v.dec, radius_arcsec => 3600 * v.r, \
                 mode => 'nearest') ORDER BY 1"
            ),
            ["strategy=indexed", "pick=nearest"],
        ),
        (
            format!(
                "SELECT h.hip, g.source_id, k.hip {sky} {} JOIN hipparcos k ON DISTANCE(h.ra, h.dec, k.ra, k.dec) < 0.05 \
                 AND k.hip <> h.hip WHERE h.hpmag < 6 ORDER BY 1, 2, 3",
                xmatch("mode => 'nearest'")
            ),
            ["pick=all", "pick=nearest"],
        ),
        (
            format!("SELECT COUNT(*) {sky} {}", xmatch("min_radius_arcsec => 0.5")),
            ["strategy=aligned", "index=proposes"],
        ),
    ] {
        for shown in shows {
            sent(&sql, shown).await;
        }
    }
}

/// The logical node, given back the inputs that it had.
#[tokio::test]
async fn the_logical_node_travels() {
    let session = local().await;
    let sql = "SELECT h.hip FROM hipparcos h JOIN gaia_bright g ON h.hpmag > g.phot_g_mean_mag \
               AND CONTAINS(POINT(h.ra, h.dec), CIRCLE(ivo_epoch_prop_pos( \
               g.ra, g.dec, 0, 0, 0, 0, 2016.0, 1991.25), 0.01)) = 1";
    let statement = session.parse(sql).unwrap().remove(0);
    let plan = session.plan(&statement).await.unwrap();
    let plan = session.context().state().optimize(&plan).unwrap();
    let mut sent = 0;
    plan.apply(|node| {
        if let LogicalPlan::Extension(extension) = node {
            let mut bytes = Vec::new();
            CrossMatchLogicalCodec.try_encode(extension, &mut bytes)?;
            let inputs: Vec<_> = extension.node.inputs().into_iter().cloned().collect();
            let back = CrossMatchLogicalCodec.try_decode(&bytes, &inputs, &session.context().task_ctx())?;
            let back = LogicalPlan::Extension(back);
            assert_eq!(node.display_indent().to_string(), back.display_indent().to_string());
            assert_eq!(node.expressions().len(), back.expressions().len());
            assert!(
                CrossMatchLogicalCodec
                    .try_decode(&bytes[..bytes.len() / 2], &inputs, &session.context().task_ctx())
                    .is_err()
            );
            sent += 1;
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .unwrap();
    assert_eq!(sent, 1, "{}", plan.display_indent());
}
