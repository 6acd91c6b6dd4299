//! [`CrossMatchExec`] on the wire, so that any pod can run a part of it.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{DataFusionError, JoinSide, Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use datafusion_proto::physical_plan::{
    PhysicalExtensionCodec, PhysicalPlanDecodeContext, PhysicalProtoConverterExtension,
};
use datafusion_proto::protobuf;
use dreyer_sphere::CellRanges;
use prost::Message;

use crate::exec::{CrossMatchExec, Estimate, IndexRole, Mode, PairCondition, PairExpr, Position, Pruned, Side, Terms};
use crate::spec::{Join, MatchSpec, Pick, Radius};

/// Encodes and decodes [`CrossMatchExec`]; other nodes are refused, so that codecs can be tried in turn.
#[derive(Debug, Default)]
pub struct CrossMatchCodec;

#[derive(Clone, PartialEq, Message)]
struct CrossMatchProto {
    #[prost(message, optional, tag = "1")]
    left: Option<SideProto>,
    #[prost(message, optional, tag = "2")]
    right: Option<SideProto>,
    #[prost(message, optional, tag = "3")]
    terms: Option<TermsProto>,
    #[prost(message, optional, tag = "4")]
    mode: Option<ModeProto>,
    #[prost(message, optional, tag = "5")]
    output: Option<OutputProto>,
}

/// The columns that come out.
#[derive(Clone, PartialEq, Message)]
struct OutputProto {
    #[prost(uint64, repeated, tag = "1")]
    columns: Vec<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct TermsProto {
    #[prost(uint32, tag = "1")]
    join: u32,
    #[prost(int64, tag = "2")]
    pick: i64,
    /// Without it the radius is an expression.
    #[prost(double, optional, tag = "3")]
    radius_deg: Option<f64>,
    #[prost(message, optional, tag = "4")]
    radius: Option<PairProto>,
    #[prost(message, optional, tag = "5")]
    separation: Option<PairProto>,
    #[prost(message, optional, tag = "6")]
    bound: Option<PairProto>,
    #[prost(message, optional, tag = "7")]
    residual: Option<PairProto>,
    #[prost(message, optional, tag = "8")]
    whole: Option<PairProto>,
    #[prost(string, optional, tag = "9")]
    measured: Option<String>,
    #[prost(uint64, repeated, tag = "10")]
    left_identifying: Vec<u64>,
    #[prost(uint64, repeated, tag = "11")]
    right_identifying: Vec<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct SideProto {
    #[prost(message, repeated, tag = "1")]
    position: Vec<protobuf::PhysicalExprNode>,
    #[prost(uint64, optional, tag = "2")]
    index_column: Option<u64>,
    #[prost(uint64, tag = "3")]
    width: u64,
}

/// An expression over pairs reads its own small schema: column `i` of it is column `index[i]` of the left (0) or right
/// (1) input, or the separation (2).
#[derive(Clone, PartialEq, Message)]
struct PairProto {
    #[prost(message, optional, tag = "1")]
    expression: Option<protobuf::PhysicalExprNode>,
    #[prost(uint64, repeated, tag = "2")]
    index: Vec<u64>,
    #[prost(uint32, repeated, tag = "3")]
    side: Vec<u32>,
}

#[derive(Clone, PartialEq, Message)]
struct ModeProto {
    /// Set for an aligned match, which then has at least one partition.
    #[prost(message, repeated, tag = "1")]
    partitions: Vec<UnitsProto>,
    #[prost(bool, tag = "2")]
    holds_left: bool,
    #[prost(uint64, tag = "3")]
    left_rows: u64,
    #[prost(uint64, tag = "4")]
    right_rows: u64,
    #[prost(uint64, tag = "5")]
    file_bytes: u64,
    #[prost(bool, tag = "6")]
    every_pair: bool,
    /// What the indexes are good for.
    #[prost(uint32, tag = "7")]
    role: u32,
    /// Partitions of a side that is read only where it can match.
    #[prost(uint64, optional, tag = "8")]
    pruned: Option<u64>,
    /// Set for a re-tiled match.
    #[prost(message, optional, tag = "9")]
    retiled: Option<RetiledProto>,
}

/// Into which cells rows are dealt, and in how many partitions.
#[derive(Clone, PartialEq, Message)]
struct RetiledProto {
    #[prost(uint32, tag = "1")]
    order: u32,
    #[prost(uint64, tag = "2")]
    partitions: u64,
}

#[derive(Clone, PartialEq, Message)]
struct UnitsProto {
    #[prost(message, repeated, tag = "1")]
    units: Vec<RangesProto>,
}

/// Starts and ends in turn.
#[derive(Clone, PartialEq, Message)]
struct RangesProto {
    #[prost(uint64, repeated, tag = "1")]
    bounds: Vec<u64>,
}

impl PhysicalExtensionCodec for CrossMatchCodec {
    fn try_decode(
        &self,
        buf: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        ctx: &TaskContext,
        proto_converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let proto = CrossMatchProto::decode(buf).map_err(|error| broken(&error.to_string()))?;
        let [left, right] = inputs else {
            return internal_err!("CrossMatchExec has two inputs, got {}", inputs.len());
        };
        let decode = PhysicalPlanDecodeContext::new(ctx, self);
        let expr = |node: &protobuf::PhysicalExprNode, schema: &Schema| {
            proto_converter.proto_to_physical_expr(node, schema, &decode)
        };
        let side = |proto: Option<SideProto>, input: &Arc<dyn ExecutionPlan>| -> Result<Side> {
            let proto = proto.ok_or_else(|| broken("a side is missing"))?;
            let position = proto
                .position
                .iter()
                .map(|node| expr(node, &input.schema()))
                .collect::<Result<_>>()?;
            let index_column = proto.index_column.map(small).transpose()?;
            Ok(Side {
                position: Position::from_exprs(position)?,
                index_column,
                width: small(proto.width)?,
            })
        };
        let sides = [side(proto.left, left)?, side(proto.right, right)?];
        let mode: Mode = proto.mode.ok_or_else(|| broken("the strategy is missing"))?.into();
        // Coordinates that are read in case of doubt stand behind the index.
        let in_doubt = matches!(
            mode,
            Mode::Aligned {
                role: IndexRole::Suffices,
                ..
            } | Mode::Indexed {
                pruned: Some(Pruned {
                    role: IndexRole::Suffices,
                    ..
                }),
                ..
            }
        );
        let read = [left, right].map(|input| judged(&input.schema(), in_doubt));
        let pair = |proto: Option<PairProto>| -> Result<Option<PairExpr>> {
            let Some(proto) = proto else { return Ok(None) };
            let (columns, schema) = proto.columns(&read)?;
            let expression = proto.expression.ok_or_else(|| broken("an expression is empty"))?;
            let filter = JoinFilter::new(expr(&expression, &schema)?, columns, Arc::new(schema));
            Ok(Some(PairExpr(filter)))
        };
        let terms = proto
            .terms
            .ok_or_else(|| broken("the terms are missing"))?
            .decode(pair)?;
        let output = proto.output.map(|output| columns(output.columns));
        let inputs = [Arc::clone(left), Arc::clone(right)];
        let exec = CrossMatchExec::new(inputs, sides, terms, mode).with_output(output.transpose()?);
        Ok(Arc::new(exec))
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        proto_converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let Some(exec) = node.downcast_ref::<CrossMatchExec>() else {
            return internal_err!("CrossMatchCodec does not know {}", node.name());
        };
        let expr = |expr: &Arc<dyn PhysicalExpr>| proto_converter.physical_expr_to_proto(expr, self);
        let side = |side: &Side| -> Result<SideProto> {
            Ok(SideProto {
                position: side.position.exprs().into_iter().map(expr).collect::<Result<_>>()?,
                index_column: side.index_column.map(|column| column as u64),
                width: side.width as u64,
            })
        };
        let [left, right] = exec.sides();
        let pair = |pair: &PairExpr| -> Result<PairProto> {
            Ok(PairProto {
                expression: Some(expr(pair.expr())?),
                index: pair.columns().iter().map(|column| column.index as u64).collect(),
                side: pair.columns().iter().map(|column| side_code(column.side)).collect(),
            })
        };
        let proto = CrossMatchProto {
            left: Some(side(left)?),
            right: Some(side(right)?),
            terms: Some(TermsProto::encode(exec.terms(), pair)?),
            mode: Some(exec.mode().into()),
            output: exec.output().map(|output| OutputProto {
                columns: numbers(output),
            }),
        };
        proto.encode(buf).map_err(|error| broken(&error.to_string()))
    }
}

impl TermsProto {
    fn encode(terms: &Terms, pair: impl Fn(&PairExpr) -> Result<PairProto>) -> Result<Self> {
        let condition = &terms.condition;
        let radius = match &terms.radius {
            Radius::Constant(_) => None,
            Radius::PerRow(expr) => Some(pair(expr)?),
        };
        Ok(Self {
            join: terms.spec.join.code(),
            pick: terms.spec.pick.code(),
            radius_deg: terms.radius.constant(),
            radius,
            separation: condition.separation.as_ref().map(&pair).transpose()?,
            bound: Some(pair(&condition.bound)?),
            residual: condition.residual.as_ref().map(&pair).transpose()?,
            whole: Some(pair(&condition.whole)?),
            measured: terms.measured.clone(),
            left_identifying: numbers(&terms.identifying[0]),
            right_identifying: numbers(&terms.identifying[1]),
        })
    }

    fn decode(self, pair: impl Fn(Option<PairProto>) -> Result<Option<PairExpr>>) -> Result<Terms> {
        let join = Join::from_code(self.join).ok_or_else(|| broken("the kind of join is unknown"))?;
        let pick = Pick::from_code(self.pick).ok_or_else(|| broken("the choice of pairs is unknown"))?;
        let radius = match (self.radius_deg, pair(self.radius)?) {
            (Some(radius_deg), _) => Radius::Constant(radius_deg),
            (None, Some(radius)) => Radius::PerRow(radius),
            (None, None) => return Err(broken("the radius is missing")),
        };
        let condition = PairCondition {
            separation: pair(self.separation)?,
            bound: pair(self.bound)?.ok_or_else(|| broken("the bound is missing"))?,
            residual: pair(self.residual)?,
            whole: pair(self.whole)?.ok_or_else(|| broken("the condition is missing"))?,
        };
        Ok(Terms {
            spec: MatchSpec { join, pick },
            radius,
            condition,
            measured: self.measured,
            identifying: [columns(self.left_identifying)?, columns(self.right_identifying)?],
        })
    }
}

impl PairProto {
    fn columns(&self, [left, right]: &[SchemaRef; 2]) -> Result<(Vec<ColumnIndex>, Schema)> {
        let mut columns = Vec::with_capacity(self.index.len());
        let mut fields = Vec::with_capacity(self.index.len());
        for (&index, &side) in self.index.iter().zip(&self.side) {
            let index = small(index)?;
            let (side, schema) = match side {
                0 => (JoinSide::Left, left),
                1 => (JoinSide::Right, right),
                _ => {
                    let side = JoinSide::None;
                    columns.push(ColumnIndex { index, side });
                    fields.push(PairExpr::separation_field());
                    continue;
                }
            };
            let field = schema
                .fields()
                .get(index)
                .ok_or_else(|| broken("the condition reads a missing column"))?;
            fields.push(Arc::clone(field));
            columns.push(ColumnIndex { index, side });
        }
        Ok((columns, Schema::new(fields)))
    }
}

/// The columns of an input that a condition can read.
fn judged(input: &SchemaRef, with_coordinates: bool) -> SchemaRef {
    if !with_coordinates {
        return Arc::clone(input);
    }
    let coordinate = |name| Arc::new(Field::new(name, DataType::Float64, true));
    let fields = input.fields().iter().cloned();
    Arc::new(Schema::new(
        fields.chain([coordinate("lon"), coordinate("lat")]).collect::<Vec<_>>(),
    ))
}

fn side_code(side: JoinSide) -> u32 {
    match side {
        JoinSide::Left => 0,
        JoinSide::Right => 1,
        JoinSide::None => 2,
    }
}

impl From<&Mode> for ModeProto {
    fn from(mode: &Mode) -> Self {
        match mode {
            Mode::Aligned { units, estimate, role } => Self {
                partitions: units.iter().map(|units| units.as_slice().into()).collect(),
                holds_left: false,
                left_rows: estimate.left_rows,
                right_rows: estimate.right_rows,
                file_bytes: estimate.file_bytes,
                every_pair: false,
                pruned: None,
                retiled: None,
                role: role.code(),
            },
            Mode::Indexed {
                held,
                every_pair,
                pruned,
            } => Self {
                holds_left: *held == JoinSide::Left,
                every_pair: *every_pair,
                pruned: pruned.map(|pruned| pruned.partitions as u64),
                role: pruned.map_or(0, |pruned| pruned.role.code()),
                ..Self::default()
            },
            Mode::Retiled {
                held,
                order,
                partitions,
            } => Self {
                holds_left: *held == JoinSide::Left,
                retiled: Some(RetiledProto {
                    order: u32::from(*order),
                    partitions: *partitions as u64,
                }),
                ..Self::default()
            },
        }
    }
}

impl From<ModeProto> for Mode {
    fn from(proto: ModeProto) -> Self {
        let held = if proto.holds_left {
            JoinSide::Left
        } else {
            JoinSide::Right
        };
        if let Some(RetiledProto { order, partitions }) = proto.retiled {
            return Self::Retiled {
                held,
                order: u8::try_from(order).unwrap_or(0),
                partitions: usize::try_from(partitions).unwrap_or(1),
            };
        }
        if proto.partitions.is_empty() {
            return Self::Indexed {
                held,
                every_pair: proto.every_pair,
                pruned: proto.pruned.map(|partitions| Pruned {
                    partitions: usize::try_from(partitions).unwrap_or(1),
                    role: IndexRole::from_code(proto.role),
                }),
            };
        }
        let ModeProto {
            left_rows,
            right_rows,
            file_bytes,
            role,
            ..
        } = proto;
        Self::Aligned {
            units: proto.partitions.into_iter().map(Vec::from).collect(),
            estimate: Estimate {
                left_rows,
                right_rows,
                file_bytes,
            },
            role: IndexRole::from_code(role),
        }
    }
}

impl IndexRole {
    fn code(self) -> u32 {
        match self {
            Self::Proposes => 0,
            Self::Decides { may_suffice: false } => 1,
            Self::Decides { may_suffice: true } => 2,
            Self::Suffices => 3,
        }
    }

    fn from_code(code: u32) -> Self {
        match code {
            1 => Self::Decides { may_suffice: false },
            2 => Self::Decides { may_suffice: true },
            3 => Self::Suffices,
            // Proposals are always safe.
            _ => Self::Proposes,
        }
    }
}

impl From<&[CellRanges]> for UnitsProto {
    fn from(units: &[CellRanges]) -> Self {
        let bounds = |ranges: &CellRanges| ranges.iter().flat_map(|range| [range.start, range.end]).collect();
        Self {
            units: units.iter().map(|unit| RangesProto { bounds: bounds(unit) }).collect(),
        }
    }
}

impl From<UnitsProto> for Vec<CellRanges> {
    fn from(proto: UnitsProto) -> Self {
        let ranges = |unit: RangesProto| {
            let pairs = unit.bounds.chunks_exact(2).map(|pair| pair[0]..pair[1]);
            CellRanges::from_ranges(pairs.collect::<Vec<_>>())
        };
        proto.units.into_iter().map(ranges).collect()
    }
}

fn numbers(columns: &[usize]) -> Vec<u64> {
    columns.iter().map(|column| *column as u64).collect()
}

fn columns(numbers: Vec<u64>) -> Result<Vec<usize>> {
    numbers.into_iter().map(small).collect()
}

fn small(number: u64) -> Result<usize> {
    usize::try_from(number).map_err(|_| broken("a column number is too large"))
}

fn broken(what: &str) -> DataFusionError {
    DataFusionError::Internal(format!("an encoded CrossMatchExec cannot be read: {what}"))
}
