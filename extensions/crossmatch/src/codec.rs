//! [`CrossMatchExec`] on the wire, so that any pod can run a part of it.

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
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

use crate::exec::{CrossMatchExec, Estimate, Mode, Position, Side};

/// Encodes and decodes [`CrossMatchExec`]; other nodes are refused, so that codecs can be tried in turn.
#[derive(Debug, Default)]
pub struct CrossMatchCodec;

#[derive(Clone, PartialEq, Message)]
struct CrossMatchProto {
    #[prost(message, optional, tag = "1")]
    left: Option<SideProto>,
    #[prost(message, optional, tag = "2")]
    right: Option<SideProto>,
    #[prost(double, tag = "3")]
    radius_deg: f64,
    #[prost(message, optional, tag = "4")]
    condition: Option<ConditionProto>,
    #[prost(message, optional, tag = "5")]
    mode: Option<ModeProto>,
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

/// The condition reads its own small schema: column `i` of it is column `index[i]` of the left or right input.
#[derive(Clone, PartialEq, Message)]
struct ConditionProto {
    #[prost(message, optional, tag = "1")]
    expression: Option<protobuf::PhysicalExprNode>,
    #[prost(uint64, repeated, tag = "2")]
    index: Vec<u64>,
    #[prost(bool, repeated, tag = "3")]
    left: Vec<bool>,
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
        let condition = proto.condition.ok_or_else(|| broken("the condition is missing"))?;
        let (columns, schema) = condition.columns(left, right)?;
        let expression = condition.expression.ok_or_else(|| broken("the condition is empty"))?;
        let condition = JoinFilter::new(expr(&expression, &schema)?, columns, Arc::new(schema));
        let mode = proto.mode.ok_or_else(|| broken("the strategy is missing"))?.into();
        let inputs = [Arc::clone(left), Arc::clone(right)];
        Ok(Arc::new(CrossMatchExec::new(
            inputs,
            sides,
            proto.radius_deg,
            condition,
            mode,
        )))
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
        let columns = exec.condition().column_indices();
        let proto = CrossMatchProto {
            left: Some(side(left)?),
            right: Some(side(right)?),
            radius_deg: exec.radius_deg(),
            condition: Some(ConditionProto {
                expression: Some(expr(exec.condition().expression())?),
                index: columns.iter().map(|column| column.index as u64).collect(),
                left: columns.iter().map(|column| column.side == JoinSide::Left).collect(),
            }),
            mode: Some(exec.mode().into()),
        };
        proto.encode(buf).map_err(|error| broken(&error.to_string()))
    }
}

impl ConditionProto {
    fn columns(
        &self,
        left: &Arc<dyn ExecutionPlan>,
        right: &Arc<dyn ExecutionPlan>,
    ) -> Result<(Vec<ColumnIndex>, Schema)> {
        let mut columns = Vec::with_capacity(self.index.len());
        let mut fields = Vec::with_capacity(self.index.len());
        for (&index, &is_left) in self.index.iter().zip(&self.left) {
            let index = small(index)?;
            let (side, schema) = if is_left {
                (JoinSide::Left, left.schema())
            } else {
                (JoinSide::Right, right.schema())
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

impl From<&Mode> for ModeProto {
    fn from(mode: &Mode) -> Self {
        match mode {
            Mode::Aligned { units, estimate } => Self {
                partitions: units.iter().map(|units| units.as_slice().into()).collect(),
                holds_left: false,
                left_rows: estimate.left_rows,
                right_rows: estimate.right_rows,
                file_bytes: estimate.file_bytes,
            },
            Mode::Indexed { held } => Self {
                holds_left: *held == JoinSide::Left,
                ..Self::default()
            },
        }
    }
}

impl From<ModeProto> for Mode {
    fn from(proto: ModeProto) -> Self {
        if proto.partitions.is_empty() {
            return Self::Indexed {
                held: if proto.holds_left {
                    JoinSide::Left
                } else {
                    JoinSide::Right
                },
            };
        }
        let ModeProto {
            left_rows,
            right_rows,
            file_bytes,
            ..
        } = proto;
        Self::Aligned {
            units: proto.partitions.into_iter().map(Vec::from).collect(),
            estimate: Estimate {
                left_rows,
                right_rows,
                file_bytes,
            },
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

fn small(number: u64) -> Result<usize> {
    usize::try_from(number).map_err(|_| broken("a column number is too large"))
}

fn broken(what: &str) -> DataFusionError {
    DataFusionError::Internal(format!("an encoded CrossMatchExec cannot be read: {what}"))
}
