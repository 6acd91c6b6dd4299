//! The operator: [`CrossMatchExec`], its properties and what EXPLAIN shows of it.
//!
//! ```text
//! CrossMatchExec: strategy=aligned, join=inner, pick=all, radius=1", units=24, left=[ra@1, dec@2], right=[ra@0, dec@1], …
//!   DataSourceExec: … left, cut on the sky
//!   DataSourceExec: … right, cut on the sky
//! ```

mod aligned;
mod condition;
mod decide;
mod driven;
mod emit;
mod footprint;
mod index;
mod indexed;
mod indexes;
mod interval;
mod judge;
mod metrics;
mod order;
mod output;
mod pace;
mod part;
mod pick;
mod position;
mod queue;
mod reach;
mod retiled;
mod stream;
mod tally;

use std::fmt;
use std::sync::{Arc, Mutex};

use datafusion::arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{JoinSide, Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::{
    Boundedness, ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions, apply_expression_roots,
};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::projection::{ProjectionExec, try_embed_projection};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, ExecutionPlanProperties, Partitioning, PlanProperties,
};
use dreyer_sphere::CellRanges;

use crate::node::separation_field;
use crate::spec::{Join, MatchSpec, Pick, Radius};
pub(crate) use aligned::restricted;
pub use condition::{PairCondition, PairExpr};
use emit::Emit;
pub(crate) use interval::is_known;
use judge::Judge;
pub use position::Position;
pub(crate) use retiled::finest_order;

/// One side of a cross-match.
#[derive(Debug, Clone)]
pub struct Side {
    /// Where a row lies.
    pub position: Position,
    /// The column that holds the HEALPix index of order 29, if there is one.
    pub index_column: Option<usize>,
    /// How many of the input's columns, from the first, are output.
    pub width: usize,
}

impl Side {
    /// A side of which nothing is read but the index, its only column.
    fn of_index() -> Self {
        Self {
            position: Position::Index,
            index_column: Some(0),
            width: 0,
        }
    }
}

/// How the pairs are found.
#[derive(Debug, Clone)]
pub enum Mode {
    /// Unit by unit of the sky: the right rows in and around it are held, the left rows in it stream past.
    Aligned {
        /// Per output partition, the parts of the sky that are its own, in the order of the HEALPix curve. Partitions that
        /// are read together match the next one that is left, whose ever it is.
        units: Arc<[Vec<CellRanges>]>,
        /// What the tables' own records say will be read.
        estimate: Estimate,
        /// What is left to the stored indexes.
        role: IndexRole,
    },
    /// One side is held whole, the other streams past.
    Indexed {
        /// The side that is held.
        held: JoinSide,
        /// Whether every held row is a candidate of every other, as in a nested loop.
        every_pair: bool,
        /// Whether the other side is read only where a partner can lie, and how.
        pruned: Option<Pruned>,
    },
    /// Both sides are dealt into buckets of the sky on disk; of each bucket one side is held.
    Retiled {
        /// The side that is held.
        held: JoinSide,
        /// The order of the buckets' cells.
        order: u8,
        /// In how many partitions.
        partitions: usize,
    },
}

/// How a side is read of which only what lies around held rows matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// In how many partitions, each of a part of the sky.
    pub partitions: usize,
    /// What is left to its stored index. That of held rows is computed.
    pub role: IndexRole,
}

/// What the stored HEALPix indexes of both sides are good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexRole {
    /// They propose pairs, with some slack; the condition decides.
    Proposes,
    /// They are exactly those of the coordinates, and decide all pairs but those about as far apart as the radius.
    Decides {
        /// Whether coordinates need not even be read with them, where they are not to come out.
        may_suffice: bool,
    },
    /// Coordinates are not read with them, but only of pairs that they leave open.
    Suffices,
}

/// What is asked, whatever the strategy.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Which rows come out, and which pairs count.
    pub spec: MatchSpec,
    /// Within which angle a pair is a candidate.
    pub radius: Radius<PairExpr>,
    /// When two rows match.
    pub condition: PairCondition,
    /// The name of the output column that holds the separation, if there is one.
    pub measured: Option<String>,
    /// The columns of the left and the right side that say which object a row is.
    pub identifying: [Vec<usize>; 2],
}

impl Terms {
    /// The output: left columns, right ones if they come out, and the separation if it is measured.
    fn schema(&self, left: &[FieldRef], right: &[FieldRef]) -> SchemaRef {
        let mut fields = left.to_vec();
        let partner = |field: &FieldRef| match self.spec.join {
            Join::Left => Arc::new(field.as_ref().clone().with_nullable(true)),
            _ => Arc::clone(field),
        };
        if self.spec.join.has_right() {
            fields.extend(right.iter().map(partner));
        }
        fields.extend(self.measured.as_deref().map(separation_field));
        Arc::new(Schema::new(fields))
    }
}

/// Rows and stored bytes that an aligned match will read, by the tables' own records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Rows of the left side.
    pub left_rows: u64,
    /// Rows of the right side.
    pub right_rows: u64,
    /// Bytes of the files that hold them.
    pub file_bytes: u64,
}

/// Joins two inputs where their positions lie within a radius and the condition holds.
#[derive(Debug)]
pub struct CrossMatchExec {
    left: Arc<dyn ExecutionPlan>,
    right: Arc<dyn ExecutionPlan>,
    left_side: Side,
    right_side: Side,
    terms: Terms,
    mode: Mode,
    /// The columns that come out, of those that could; `None`: all.
    output: Option<Arc<[usize]>>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    /// The executions of [`Mode::Aligned`] that are under way.
    executions: Arc<aligned::Executions>,
    /// Those of [`Mode::Retiled`].
    retilings: Arc<retiled::Executions>,
    /// The held side of [`Mode::Indexed`], loaded once for all partitions.
    loaded: Mutex<Option<indexed::Loading>>,
    /// What was found out about the held rows, if they drive the match.
    tallied: Arc<tally::Shared>,
}

impl CrossMatchExec {
    /// A cross-match.
    pub fn new(inputs: [Arc<dyn ExecutionPlan>; 2], sides: [Side; 2], terms: Terms, mode: Mode) -> Self {
        let ([left, right], [left_side, right_side]) = (inputs, sides);
        let (left_schema, right_schema) = (left.schema(), right.schema());
        let output =
            |schema: &'_ SchemaRef, width: usize| schema.fields().iter().take(width).cloned().collect::<Vec<_>>();
        let schema = terms.schema(
            &output(&left_schema, left_side.width),
            &output(&right_schema, right_side.width),
        );
        let partitions = match &mode {
            Mode::Aligned { units, .. } => units.len(),
            Mode::Indexed {
                pruned: Some(pruned), ..
            } => pruned.partitions.max(1),
            Mode::Indexed {
                held: JoinSide::Left, ..
            } => right.output_partitioning().partition_count(),
            Mode::Indexed { .. } => left.output_partitioning().partition_count(),
            Mode::Retiled { partitions, .. } => (*partitions).max(1),
        };
        let properties = PlanProperties::new(
            order::of_output(&left, &left_side, &mode, &schema, None),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            left,
            right,
            left_side,
            right_side,
            terms,
            mode,
            output: None,
            schema,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
            executions: Arc::default(),
            retilings: Arc::default(),
            loaded: Mutex::new(None),
            tallied: Arc::new(tally::Shared::new(partitions)),
        }
    }

    /// The same match of other inputs, or to be run anew.
    fn rebuilt(&self, inputs: [Arc<dyn ExecutionPlan>; 2]) -> Self {
        let sides = [self.left_side.clone(), self.right_side.clone()];
        let output = self.output.as_ref().map(|output| output.to_vec());
        Self::new(inputs, sides, self.terms.clone(), self.mode.clone()).with_output(output)
    }

    /// The same match with only those columns of all that could come out.
    #[must_use]
    pub fn with_output(mut self, output: Option<Vec<usize>>) -> Self {
        let sides = [&self.left, &self.right].map(|input| input.schema());
        let fields = |schema: &SchemaRef, width: usize| schema.fields().iter().take(width).cloned().collect::<Vec<_>>();
        let all = self.terms.schema(
            &fields(&sides[0], self.left_side.width),
            &fields(&sides[1], self.right_side.width),
        );
        self.schema = match &output {
            None => all,
            Some(output) => {
                let chosen = output.iter().filter_map(|column| all.fields().get(*column).cloned());
                Arc::new(Schema::new(chosen.collect::<Vec<_>>()))
            }
        };
        let order = order::of_output(&self.left, &self.left_side, &self.mode, &self.schema, output.as_deref());
        self.properties = Arc::new(self.properties.as_ref().clone().with_eq_properties(order));
        self.output = output.map(Arc::from);
        self
    }

    /// The columns that come out, of all that could.
    pub fn output(&self) -> Option<&[usize]> {
        self.output.as_deref()
    }

    /// How the pairs are found.
    pub fn mode(&self) -> &Mode {
        &self.mode
    }

    /// Which input is held whole (0: left, 1: right), if each row of the other is judged alone: parts of that one can then be
    /// matched apart from each other, each with all that is held.
    pub fn held_for_rows_alone(&self) -> Option<usize> {
        match &self.mode {
            Mode::Indexed { held, .. } if self.terms.spec.judges_rows_alone(*held) => {
                Some(usize::from(*held == JoinSide::Right))
            }
            _ => None,
        }
    }

    /// Which input is held whole, if the other is read only around its rows. Such a match looks for its scan when it runs, and
    /// reads it in parts of its own.
    pub fn reads_around(&self) -> Option<usize> {
        match &self.mode {
            Mode::Indexed {
                held, pruned: Some(_), ..
            } => Some(usize::from(*held == JoinSide::Right)),
            _ => None,
        }
    }

    /// What is asked.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The left and the right side.
    pub fn sides(&self) -> [&Side; 2] {
        [&self.left_side, &self.right_side]
    }

    fn judge(&self, held: JoinSide) -> Judge {
        Judge {
            condition: self.terms.condition.clone(),
            held,
            needs_separation: self.terms.measured.is_some() || self.terms.spec.pick != Pick::All,
        }
    }

    fn emit(&self) -> Emit {
        let [left_identifying, right_identifying] = &self.terms.identifying;
        let telling = |first: &[usize], width: usize| {
            let others = (0..width).filter(|column| !first.contains(column));
            first.iter().copied().chain(others).collect()
        };
        Emit {
            schema: Arc::clone(&self.schema),
            widths: (self.left_side.width, self.right_side.width),
            telling: [
                telling(left_identifying, self.left_side.width),
                telling(right_identifying, self.right_side.width),
            ],
            join: self.terms.spec.join,
            measured: self.terms.measured.is_some(),
            output: self.output.clone(),
        }
    }
}

impl fmt::Display for IndexRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Proposes => "proposes",
            Self::Decides { .. } => "decides",
            Self::Suffices => "suffices",
        })
    }
}

impl DisplayAs for CrossMatchExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Terms { spec, radius, .. } = &self.terms;
        if format == DisplayFormatType::TreeRender {
            return writeln!(f, "{spec}, radius={radius}");
        }
        let strategy = match &self.mode {
            Mode::Aligned { .. } => "aligned",
            Mode::Indexed { every_pair: true, .. } => "nested_loop",
            Mode::Indexed { .. } => "indexed",
            Mode::Retiled { .. } => "retiled",
        };
        write!(f, "CrossMatchExec: strategy={strategy}")?;
        if let Mode::Indexed { held, .. } | Mode::Retiled { held, .. } = &self.mode {
            write!(f, ", held={}", if *held == JoinSide::Left { "left" } else { "right" })?;
        }
        write!(f, ", {spec}, radius={radius}")?;
        if let Mode::Indexed {
            pruned: Some(Pruned { role, .. }),
            ..
        } = &self.mode
        {
            f.write_str(", pruned=by footprint")?;
            if *role == IndexRole::Suffices {
                write!(f, ", index={role}")?;
            }
        }
        if let Mode::Retiled { order, .. } = &self.mode {
            write!(f, ", order={order}")?;
        }
        if let Mode::Aligned { units, estimate, role } = &self.mode {
            let units: usize = units.iter().map(Vec::len).sum();
            let Estimate {
                left_rows,
                right_rows,
                file_bytes,
            } = estimate;
            write!(
                f,
                ", index={role}, units={units}, left_rows={left_rows}, right_rows={right_rows}, file_bytes={file_bytes}"
            )?;
        }
        if let Some(name) = &self.terms.measured {
            write!(f, ", separation={name}")?;
        }
        if let Some(output) = &self.output {
            write!(f, ", output={output:?}")?;
        }
        let (left, right) = (&self.left_side.position, &self.right_side.position);
        let condition = &self.terms.condition.whole;
        write!(f, ", left={left}, right={right}, condition={condition}")
    }
}

impl ExecutionPlan for CrossMatchExec {
    fn name(&self) -> &'static str {
        "CrossMatchExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.left, &self.right]
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        let needs = |side| match &self.mode {
            Mode::Indexed { held, .. } if *held == side => Distribution::SinglePartition,
            // Whoever matches a bucket needs all rows in it.
            Mode::Retiled { .. } => Distribution::SinglePartition,
            _ => Distribution::UnspecifiedDistribution,
        };
        vec![needs(JoinSide::Left), needs(JoinSide::Right)]
    }

    /// A repartition below an aligned match would tear the pairing of its inputs; below an indexed one it spreads the
    /// streamed side.
    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        let benefits = |side| matches!(&self.mode, Mode::Indexed { held, pruned: None, .. } if *held != side);
        vec![benefits(JoinSide::Left), benefits(JoinSide::Right)]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let places = self
            .left_side
            .position
            .exprs()
            .into_iter()
            .chain(self.right_side.position.exprs());
        let radius = match &self.terms.radius {
            Radius::Constant(_) => None,
            Radius::PerRow(expr) => Some(expr),
        };
        let pairs = self.terms.condition.exprs().chain(radius).map(PairExpr::expr);
        apply_expression_roots(places.chain(pairs), f)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Ok(inputs) = <[Arc<dyn ExecutionPlan>; 2]>::try_from(children) else {
            return internal_err!("CrossMatchExec has two inputs");
        };
        Ok(Arc::new(self.rebuilt(inputs)))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    /// Columns that nobody asks for are not gathered, and perhaps not even read.
    fn try_swapping_with_projection(&self, projection: &ProjectionExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        try_embed_projection(projection, self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        match &self.mode {
            Mode::Aligned { units, role, .. } => aligned::execute(self, units, *role, partition, context),
            Mode::Indexed {
                held,
                every_pair,
                pruned,
            } => indexed::execute(self, (*held, *every_pair, *pruned), partition, context),
            Mode::Retiled {
                held,
                order,
                partitions,
            } => retiled::execute(self, (*held, *order, *partitions), partition, context),
        }
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
