//! Which plans fall into waves, and how: operators that treat each row alone, over one scan or match that can be divided.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::physical_expr::Partitioning;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use dreyer_sky::tiling::{Divisible, TilingSources, in_stretches};

use super::super::cost::stored_bytes;

/// Operators that treat each row alone.
const ROW_BY_ROW: &[&str] = &[
    "CoalesceBatchesExec",
    "CoalescePartitionsExec",
    "CooperativeExec",
    "FilterExec",
    "ProjectionExec",
    "RepartitionExec",
];

/// Most waves of a query.
const MOST: u64 = 4096;

/// Pieces for each place where a wave is worked on, so that they can be dealt evenly.
const PIECES: usize = 8;

/// How a plan falls into waves.
#[derive(Debug)]
pub(super) struct Shape {
    plan: Arc<dyn ExecutionPlan>,
    /// `None`: the plan is one wave.
    cut: Option<Cut>,
}

#[derive(Debug)]
struct Cut {
    leaf: Arc<dyn ExecutionPlan>,
    work: Arc<dyn Divisible>,
    /// The wave of each piece.
    waves: Vec<usize>,
}

impl Shape {
    /// `plan` in waves of about `wave_bytes` stored bytes, each for so many `places`.
    pub(super) fn of(plan: &Arc<dyn ExecutionPlan>, sources: &TilingSources, wave_bytes: u64, places: usize) -> Self {
        let cut = leaf(plan, sources).and_then(|leaf| {
            let number = stored_bytes(leaf, sources).div_ceil(wave_bytes.max(1)).clamp(1, MOST);
            let number = usize::try_from(number).ok()?;
            let work = dreyer_sky::divide(leaf, sources, number * places * PIECES)?;
            let weights: Vec<u64> = work.pieces().iter().map(|piece| piece.weight).collect();
            // A wave of fewer pieces leaves somebody idle.
            let number = number.min(weights.len() / places.max(1)).max(1);
            let mut waves = in_stretches(&weights, number);
            close_up(&mut waves);
            let leaf = Arc::clone(leaf);
            (!waves.is_empty()).then_some(Cut { leaf, work, waves })
        });
        let plan = Arc::clone(plan);
        Self { plan, cut }
    }

    /// How many waves there are.
    pub(super) fn number(&self) -> usize {
        let last = self.cut.as_ref().and_then(|cut| cut.waves.last());
        last.map_or(1, |last| last + 1)
    }

    /// The plan of one wave, new each time.
    ///
    /// # Errors
    /// The plan cannot be rebuilt, which would be a fault of the program.
    pub(super) fn wave(&self, wave: usize) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(Cut { leaf, work, waves }) = &self.cut else {
            return reset_plan_states(Arc::clone(&self.plan));
        };
        let partitions = leaf.output_partitioning().partition_count();
        let part = Arc::clone(&self.plan).transform_down(|node| {
            if !Arc::ptr_eq(&node, leaf) {
                return Ok(Transformed::no(node));
            }
            let share = work.share(&|piece| waves[piece] == wave, partitions)?;
            Ok(Transformed::new(share, true, TreeNodeRecursion::Jump))
        })?;
        Ok(part.data)
    }
}

/// The one leaf under operators that treat each row alone.
fn leaf<'a>(plan: &'a Arc<dyn ExecutionPlan>, sources: &TilingSources) -> Option<&'a Arc<dyn ExecutionPlan>> {
    // Some rows of all, whichever they are, are not some of each part.
    if plan.fetch().is_some() {
        return None;
    }
    if dreyer_sky::divide(plan, sources, 1).is_some() {
        return Some(plan);
    }
    let dealt_by_value = plan
        .downcast_ref::<RepartitionExec>()
        .is_some_and(|repartition| !matches!(repartition.partitioning(), Partitioning::RoundRobinBatch(_)));
    match plan.children().as_slice() {
        [input] if ROW_BY_ROW.contains(&plan.name()) && !dealt_by_value => leaf(input, sources),
        _ => None,
    }
}

/// Numbers that are not taken go: a piece may be larger than a wave.
fn close_up(waves: &mut [usize]) {
    let (mut next, mut before) = (0, None);
    for wave in waves {
        if before.is_some_and(|before| before != *wave) {
            next += 1;
        }
        before = Some(*wave);
        *wave = next;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use datafusion::physical_plan::collect;

    use super::*;
    use crate::{Config, Database};

    async fn planned(
        sql: &str,
    ) -> (
        Arc<dyn ExecutionPlan>,
        Arc<TilingSources>,
        datafusion::prelude::SessionContext,
    ) {
        let session = Database::open(Config::default()).await.unwrap().session();
        let statement = session.parse(sql).unwrap().remove(0);
        let logical = session.plan(&statement).await.unwrap();
        let context = session.context();
        let plan = context.state().create_physical_plan(&logical).await.unwrap();
        (plan, TilingSources::of(&context.copied_config()), context)
    }

    #[tokio::test]
    async fn only_what_treats_each_row_alone_falls_into_waves() {
        for (sql, falls) in [
            ("SELECT hip, ra + 1 AS r FROM hipparcos WHERE hpmag < 5", true),
            (
                "SELECT h.hip, g.source_id FROM hipparcos h JOIN gaia_bright g ON DISTANCE(h.ra, h.dec, g.ra, g.dec) < 0.001",
                true,
            ),
            ("SELECT hip FROM hipparcos LIMIT 10", false),
            ("SELECT hip FROM hipparcos ORDER BY hpmag", false),
            ("SELECT count(*) FROM hipparcos", false),
            ("SELECT DISTINCT hpmag FROM hipparcos", false),
            ("SELECT hip, row_number() OVER () FROM hipparcos", false),
            ("SELECT hip FROM hipparcos UNION ALL SELECT hip FROM hipparcos", false),
            ("SELECT a.hip FROM hipparcos a JOIN hipparcos b ON a.hip = b.hip", false),
        ] {
            let (plan, sources, _context) = planned(sql).await;
            let number = Shape::of(&plan, &sources, 100_000, 2).number();
            assert_eq!(number > 1, falls, "{sql}: {number} waves");
        }
    }

    #[tokio::test]
    async fn waves_together_give_every_row_once() {
        let sql = "SELECT hip FROM hipparcos WHERE hpmag < 9";
        let (plan, sources, context) = planned(sql).await;
        let shape = Shape::of(&plan, &sources, 200_000, 2);
        let (mut seen, mut rows) = (BTreeSet::new(), 0);
        for wave in 0..shape.number() {
            for batch in collect(shape.wave(wave).unwrap(), context.task_ctx()).await.unwrap() {
                rows += batch.num_rows();
                for row in 0..batch.num_rows() {
                    seen.insert(datafusion::arrow::util::display::array_value_to_string(batch.column(0), row).unwrap());
                }
            }
        }
        let all = collect(plan, context.task_ctx()).await.unwrap();
        let expected: usize = all.iter().map(|batch| batch.num_rows()).sum();
        assert_eq!((rows, seen.len()), (expected, expected));
    }

    #[test]
    fn waves_without_pieces_are_left_out() {
        let mut waves = [0, 0, 3, 3, 7];
        close_up(&mut waves);
        assert_eq!(waves, [0, 0, 1, 1, 2]);
    }
}
