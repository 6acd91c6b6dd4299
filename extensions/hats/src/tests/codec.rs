//! A scan encoded, decoded elsewhere, and run there.

use std::sync::Arc;

use datafusion::physical_plan::{ExecutionPlan, collect, displayable};
use datafusion_proto::bytes::{
    physical_plan_from_bytes_with_extension_codec, physical_plan_to_bytes_with_extension_codec,
};
use dreyer_sphere::CellRanges;
use dreyer_tiling::TilingSource;

use super::sky::{Session, Sky, sorted_ids};
use crate::source::HatsSource;
use crate::{HatsCodec, HatsTilingSource};

fn leaf(plan: &Arc<dyn ExecutionPlan>) -> &Arc<dyn ExecutionPlan> {
    plan.children().first().map_or(plan, |child| leaf(child))
}

fn round_trip(plan: &Arc<dyn ExecutionPlan>, there: &Session) -> Arc<dyn ExecutionPlan> {
    let bytes = physical_plan_to_bytes_with_extension_codec(Arc::clone(plan), &HatsCodec).unwrap();
    physical_plan_from_bytes_with_extension_codec(&bytes, &there.context.task_ctx(), &HatsCodec).unwrap()
}

#[tokio::test]
async fn a_scan_survives_the_wire() {
    let sky = Sky::new(3000, 300, 100).await;
    let (here, there) = (sky.session().await, sky.session().await);
    for sql in [
        "SELECT id FROM sky",
        "SELECT id, ra + 1 FROM sky WHERE dec > 10",
        "SELECT id FROM sky WHERE q3c_radial_query(ra, dec, 83.62, -5.38, 0.02) AND name <> 'x'",
        "SELECT id FROM sky ORDER BY _healpix_29 LIMIT 7",
        "SELECT count(*) FROM sky WHERE dec < 0",
    ] {
        let plan = here.plan(sql).await.unwrap();
        let decoded = round_trip(&plan, &there);
        let text = |plan: &Arc<dyn ExecutionPlan>| displayable(plan.as_ref()).indent(true).to_string();
        assert_eq!(text(&decoded), text(&plan), "{sql}");
        let (_, before) = HatsSource::of(leaf(&plan)).unwrap();
        let (config, after) = HatsSource::of(leaf(&decoded)).unwrap();
        assert_eq!(
            (&after.origin, &after.tiles, &after.ranges),
            (&before.origin, &before.tiles, &before.ranges)
        );
        for file in config.file_groups.iter().flat_map(|group| group.iter()) {
            assert!(file.object_meta.e_tag.is_some(), "versions travel");
        }
        let rows = collect(decoded, there.context.task_ctx()).await.unwrap();
        assert_eq!(sorted_ids(&rows), here.ids(sql).await, "{sql}");
    }
}

#[tokio::test]
async fn a_decoded_scan_can_be_cut() {
    let sky = Sky::new(1000, 100, 100).await;
    let (here, there) = (sky.session().await, sky.session().await);
    let decoded = round_trip(&here.plan("SELECT id FROM sky").await.unwrap(), &there);
    let tiling = HatsTilingSource.tiling(leaf(&decoded)).unwrap();
    let ranges = CellRanges::of_cell(tiling.tiles[3].cell);
    let part = HatsTilingSource.restrict(leaf(&decoded), &ranges).unwrap().unwrap();
    let rows = collect(part, there.context.task_ctx()).await.unwrap();
    assert_eq!(sorted_ids(&rows).len() as u64, tiling.tiles[3].rows.unwrap());
}

#[tokio::test]
async fn other_plans_and_garbage_are_refused() {
    let sky = Sky::new(100, 50, 50).await;
    let session = sky.session().await;
    let plan = session.plan("SELECT id FROM sky").await.unwrap();
    let bytes = physical_plan_to_bytes_with_extension_codec(plan, &HatsCodec).unwrap();
    for cut in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        let read =
            physical_plan_from_bytes_with_extension_codec(&bytes[..cut], &session.context.task_ctx(), &HatsCodec);
        assert!(read.is_err(), "{cut} bytes");
    }
}
