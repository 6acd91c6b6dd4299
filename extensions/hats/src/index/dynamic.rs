//! Keys that only a running join knows: asked for when the first file is opened, once for all partitions.
//!
//! A hash join that has read its small side publishes what it holds, as a filter of the other side's scan. By the time
//! the join asks that side for rows, the filter is complete; a scan that is asked earlier finds no keys in it and reads
//! on as ever, so nobody waits for anybody.

use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use tokio::sync::OnceCell;

use super::{Found, Lookup};

/// States of filters whose answers are kept.
const REMEMBERED: usize = 4;

/// Which filters said what: identity and number of changes of each.
type Said = Vec<(u64, u64)>;
type Answer = Arc<OnceCell<Option<Found>>>;

/// Answers that the partitions of a scan share.
#[derive(Debug, Default)]
pub(crate) struct Answers(Mutex<Vec<(Said, Answer)>>);

/// The predicate of a running scan, with filters in it that change.
#[derive(Debug)]
pub(crate) struct KeysOfJoins {
    lookup: Lookup,
    predicate: Arc<dyn PhysicalExpr>,
    schema: SchemaRef,
    filters: Vec<Arc<dyn PhysicalExpr>>,
    answers: Arc<Answers>,
    metrics: ExecutionPlanMetricsSet,
}

impl KeysOfJoins {
    /// `None` if nothing in `predicate` changes while it runs.
    pub(crate) fn new(
        lookup: &Lookup,
        predicate: &Arc<dyn PhysicalExpr>,
        schema: SchemaRef,
        answers: &Arc<Answers>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Option<Self> {
        let mut filters = Vec::new();
        let walk = predicate.apply(|expr| {
            if expr.expression_id().is_some() && expr.snapshot_generation() > 0 {
                filters.push(Arc::clone(expr));
            }
            Ok(TreeNodeRecursion::Continue)
        });
        (walk.is_ok() && !filters.is_empty()).then(|| Self {
            lookup: lookup.clone(),
            predicate: Arc::clone(predicate),
            schema,
            filters,
            answers: Arc::clone(answers),
            metrics: metrics.clone(),
        })
    }

    /// Where rows lie that the filters, as they are now, let through. `None`: the indexes do not say.
    pub(crate) async fn find(&self) -> Option<Found> {
        let said = |filter: &Arc<dyn PhysicalExpr>| (filter.expression_id().unwrap_or(0), filter.snapshot_generation());
        let said: Said = self.filters.iter().map(said).collect();
        let answer = self.answers.of(said);
        let find = || self.lookup.find(&self.predicate, &self.schema, &self.metrics);
        answer.get_or_init(find).await.clone()
    }
}

impl Answers {
    fn of(&self, said: Said) -> Answer {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, answer)) = answers.iter().find(|(before, _)| *before == said) {
            return Arc::clone(answer);
        }
        if answers.len() >= REMEMBERED {
            answers.remove(0);
        }
        let answer = Answer::default();
        answers.push((said, Arc::clone(&answer)));
        answer
    }
}
