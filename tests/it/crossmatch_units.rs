//! Partitions of an aligned match, read in ways that a single query does not: in turn, late, twice at once, each in
//! another process. Whoever reads them all has every row once.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use datafusion_proto::bytes::{
    physical_plan_from_bytes_with_extension_codec, physical_plan_to_bytes_with_extension_codec,
};
use datafusion_proto::physical_plan::ComposedPhysicalExtensionCodec;
use dreyer::Session;
use dreyer_sky::tiling::TilingSources;
use futures::{StreamExt, TryStreamExt};

use crate::crossmatch::{open, run};
use crate::skies::{Sky, write_catalogue};

const PARTITIONS: usize = 3;

/// A row of the match: both ids; -1 for none.
type Row = (i64, i64);

struct Match {
    session: Session,
    plan: Arc<dyn ExecutionPlan>,
    truth: Vec<Row>,
    _folder: tempfile::TempDir,
}

impl Match {
    async fn new(join: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sky = Sky::Clustered;
        write_catalogue(folder.path(), "a", &sky.objects(300, 1, 0.1), 60).await;
        write_catalogue(folder.path(), "b", &sky.objects(250, 2, 0.1), 40).await;
        let session = open(folder.path()).await;
        let sql = format!(
            "SELECT x.id, y.id FROM a AS x {join} JOIN b AS y ON DISTANCE(x.ra, x.dec, y.ra, y.dec) < 0.1 AND x.band = y.band"
        );
        run(&session, "SET dreyer.crossmatch_strategy = 'nested_loop'").await;
        let truth = sorted(run(&session, &sql).await);
        for setting in [
            "dreyer.crossmatch_strategy = 'aligned'".to_owned(),
            "dreyer.crossmatch_unit_rows = 30".to_owned(),
            format!("datafusion.execution.target_partitions = {PARTITIONS}"),
        ] {
            run(&session, &format!("SET {setting}")).await;
        }
        let statement = session.parse(&sql).unwrap().remove(0);
        let logical = session.plan(&statement).await.unwrap();
        let whole = session.context().state().create_physical_plan(&logical).await.unwrap();
        let mut found = None;
        whole
            .apply(|node| {
                if node.name() == "CrossMatchExec" {
                    found = Some(Arc::clone(node));
                    return Ok(TreeNodeRecursion::Stop);
                }
                Ok(TreeNodeRecursion::Continue)
            })
            .unwrap();
        let plan = found.unwrap();
        assert_eq!(plan.output_partitioning().partition_count(), PARTITIONS);
        Self {
            session,
            plan,
            truth,
            _folder: folder,
        }
    }

    fn context(&self) -> Arc<TaskContext> {
        self.session.context().task_ctx()
    }

    fn execute(&self, context: &Arc<TaskContext>) -> Vec<SendableRecordBatchStream> {
        let execute = |partition| self.plan.execute(partition, Arc::clone(context)).unwrap();
        (0..PARTITIONS).map(execute).collect()
    }
}

fn sorted(batches: Vec<RecordBatch>) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in batches {
        let id = |column: usize, row: usize| {
            let ids = batch.column(column).as_primitive::<Int64Type>();
            if datafusion::arrow::array::Array::is_null(ids, row) {
                -1
            } else {
                ids.value(row)
            }
        };
        rows.extend((0..batch.num_rows()).map(|row| (id(0, row), id(1, row))));
    }
    rows.sort_unstable();
    rows
}

async fn all(streams: Vec<SendableRecordBatchStream>) -> Vec<Row> {
    let read = streams
        .into_iter()
        .map(|stream| tokio::spawn(stream.try_collect::<Vec<_>>()));
    let mut batches = Vec::new();
    for read in read.collect::<Vec<_>>() {
        batches.extend(read.await.unwrap().unwrap());
    }
    sorted(batches)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_are_read_in_any_order_and_again() {
    for join in ["INNER", "LEFT"] {
        let of = Match::new(join).await;
        assert!(of.truth.len() > 100);
        let context = of.context();
        // The same operator in the same context, again and again: all at once, in turn, in turn from the last on, each
        // dropped before the next is asked for.
        assert_eq!(all(of.execute(&context)).await, of.truth);
        for order in [[0, 1, 2], [2, 1, 0]] {
            let mut batches = Vec::new();
            for partition in order {
                let stream = of.plan.execute(partition, Arc::clone(&context)).unwrap();
                batches.extend(stream.try_collect::<Vec<_>>().await.unwrap());
            }
            assert_eq!(sorted(batches), of.truth, "{join} {order:?}");
        }
        // One is polled for long while the others wait, and those come out as they are.
        let mut batches = Vec::new();
        for stream in of.execute(&context) {
            batches.extend(stream.try_collect::<Vec<_>>().await.unwrap());
        }
        assert_eq!(sorted(batches), of.truth, "{join}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn executions_at_once_are_whole_each() {
    let of = Match::new("LEFT").await;
    // In two contexts, one partition of this and one of that; and twice in one context.
    let contexts = [of.context(), of.context()];
    for (first, second) in [(&contexts[0], &contexts[1]), (&contexts[0], &contexts[0])] {
        let (mut one, mut other) = (Vec::new(), Vec::new());
        for partition in 0..PARTITIONS {
            one.push(of.plan.execute(partition, Arc::clone(first)).unwrap());
            let partition = PARTITIONS - 1 - partition;
            other.push(of.plan.execute(partition, Arc::clone(second)).unwrap());
        }
        let (one, other) = tokio::join!(all(one), all(other));
        assert_eq!(one, of.truth);
        assert_eq!(other, of.truth);
    }
}

/// An engine that sends each partition with a plan of its own loses and doubles nothing, nor do shares of the units.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plans_elsewhere_match_their_own_units() {
    let of = Match::new("LEFT").await;
    let codec = ComposedPhysicalExtensionCodec::new(dreyer_sky::codecs());
    let sent = |plan: &Arc<dyn ExecutionPlan>, context: &Arc<TaskContext>| {
        let bytes = physical_plan_to_bytes_with_extension_codec(Arc::clone(plan), &codec).unwrap();
        physical_plan_from_bytes_with_extension_codec(&bytes, context, &codec).unwrap()
    };
    let context = of.context();
    let apart = (0..PARTITIONS).map(|partition| {
        sent(&of.plan, &context)
            .execute(partition, Arc::clone(&context))
            .unwrap()
    });
    assert_eq!(all(apart.collect()).await, of.truth);

    let sources = TilingSources::of(context.session_config());
    let work = dreyer_sky::divide(&of.plan, &sources, 1).unwrap();
    let mut streams = Vec::new();
    for task in 0..2 {
        let share = sent(&work.share(&|piece| piece % 2 == task, 2).unwrap(), &context);
        for partition in 0..share.output_partitioning().partition_count() {
            streams.push(share.execute(partition, Arc::clone(&context)).unwrap());
        }
    }
    assert_eq!(all(streams).await, of.truth);
}

/// Each partition goes along the curve, whosever units it matches; those of one that is given up trouble nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_is_given_up_leaves_the_others_whole() {
    let of = Match::new("INNER").await;
    let context = of.context();
    let mut streams = of.execute(&context);
    let mut given_up = streams.pop().unwrap();
    let first = given_up.next().await.unwrap().unwrap();
    drop(given_up);
    let rest = all(streams).await;
    assert!(!rest.is_empty() && rest.len() < of.truth.len());
    let mut once = rest.clone();
    once.dedup();
    assert_eq!(once, rest);
    for row in sorted(vec![first]) {
        assert!(!rest.contains(&row), "{row:?} came twice");
    }
}
