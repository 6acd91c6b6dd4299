//! The logical node on the wire: [`CrossMatch`] as bytes, its inputs encoded by whoever encodes the plan.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, DataFusionError, Result, TableReference, internal_err};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan};
use datafusion_proto::logical_plan::from_proto::parse_expr;
use datafusion_proto::logical_plan::to_proto::serialize_expr;
use datafusion_proto::logical_plan::{DefaultLogicalExtensionCodec, LogicalExtensionCodec};
use datafusion_proto::protobuf::LogicalExprNode;
use dreyer_tiling::SkyCoords;
use prost::Message;

use crate::node::{Condition, CrossMatch};
use crate::spec::{Join, MatchSpec, Pick, Radius};

/// Encodes and decodes [`CrossMatch`]; other nodes, and tables, are refused.
#[derive(Debug, Default)]
pub struct CrossMatchLogicalCodec;

#[derive(Clone, PartialEq, Message)]
struct CrossMatchProto {
    /// One expression (a POINT) or two (longitude, latitude).
    #[prost(message, repeated, tag = "1")]
    left_at: Vec<LogicalExprNode>,
    #[prost(message, repeated, tag = "2")]
    right_at: Vec<LogicalExprNode>,
    /// Without it the radius is an expression.
    #[prost(double, optional, tag = "3")]
    radius_deg: Option<f64>,
    #[prost(message, optional, tag = "4")]
    radius: Option<LogicalExprNode>,
    #[prost(message, optional, tag = "5")]
    separation: Option<LogicalExprNode>,
    #[prost(message, optional, tag = "6")]
    bound: Option<LogicalExprNode>,
    #[prost(message, optional, tag = "7")]
    residual: Option<LogicalExprNode>,
    #[prost(uint32, tag = "8")]
    join: u32,
    #[prost(int64, tag = "9")]
    pick: i64,
    #[prost(string, optional, tag = "10")]
    measured: Option<String>,
    #[prost(message, repeated, tag = "11")]
    left_identifying: Vec<LogicalExprNode>,
    #[prost(message, repeated, tag = "12")]
    right_identifying: Vec<LogicalExprNode>,
}

impl LogicalExtensionCodec for CrossMatchLogicalCodec {
    fn try_decode(&self, buf: &[u8], inputs: &[LogicalPlan], ctx: &TaskContext) -> Result<Extension> {
        let proto = CrossMatchProto::decode(buf).map_err(|error| broken(&error.to_string()))?;
        let [left, right] = inputs else {
            return internal_err!("CrossMatch has two inputs, got {}", inputs.len());
        };
        let expr = |node: &LogicalExprNode| -> Result<Expr> {
            parse_expr(node, ctx, self).map_err(|error| broken(&error.to_string()))
        };
        let coords = |nodes: &[LogicalExprNode]| -> Result<SkyCoords> {
            match nodes {
                [point] => Ok(SkyCoords::Point(expr(point)?)),
                [lon, lat] => Ok(SkyCoords::LonLat(expr(lon)?, expr(lat)?)),
                other => Err(broken(&format!("a position of {} expressions", other.len()))),
            }
        };
        let maybe = |node: &Option<LogicalExprNode>| node.as_ref().map(&expr).transpose();
        let join = Join::from_code(proto.join).ok_or_else(|| broken("the kind of join is unknown"))?;
        let pick = Pick::from_code(proto.pick).ok_or_else(|| broken("the choice of pairs is unknown"))?;
        let radius = match (proto.radius_deg, maybe(&proto.radius)?) {
            (Some(radius_deg), _) => Radius::Constant(radius_deg),
            (None, Some(radius)) => Radius::PerRow(radius),
            (None, None) => return Err(broken("no radius")),
        };
        let condition = Condition {
            left_at: coords(&proto.left_at)?,
            right_at: coords(&proto.right_at)?,
            radius,
            separation: maybe(&proto.separation)?,
            bound: maybe(&proto.bound)?.ok_or_else(|| broken("no bound"))?,
            residual: maybe(&proto.residual)?,
        };
        let (left, right, spec) = (left.clone(), right.clone(), MatchSpec { join, pick });
        let columns = |nodes: &[LogicalExprNode]| -> Result<Vec<Column>> {
            let column = |node| match expr(node)? {
                Expr::Column(column) => Ok(column),
                other => Err(broken(&format!("{other} identifies no row"))),
            };
            nodes.iter().map(column).collect()
        };
        let identifying = [columns(&proto.left_identifying)?, columns(&proto.right_identifying)?];
        let node = CrossMatch::with_measured(left, right, spec, condition, proto.measured)?.identified_by(identifying);
        Ok(Extension { node: Arc::new(node) })
    }

    fn try_encode(&self, node: &Extension, buf: &mut Vec<u8>) -> Result<()> {
        let Some(node) = node.node.as_any().downcast_ref::<CrossMatch>() else {
            return internal_err!("CrossMatchLogicalCodec does not know {}", node.node.name());
        };
        let expr = |expr: &Expr| serialize_expr(expr, self).map_err(|error| broken(&error.to_string()));
        let coords = |at: &SkyCoords| at.exprs().into_iter().map(expr).collect::<Result<Vec<_>>>();
        let maybe = |found: &Option<Expr>| found.as_ref().map(expr).transpose();
        let columns = |columns: &[Column]| -> Result<Vec<LogicalExprNode>> {
            columns
                .iter()
                .map(|column| expr(&Expr::Column(column.clone())))
                .collect()
        };
        let condition = node.condition();
        let radius = match &condition.radius {
            Radius::Constant(_) => None,
            Radius::PerRow(radius) => Some(expr(radius)?),
        };
        let proto = CrossMatchProto {
            left_at: coords(&condition.left_at)?,
            right_at: coords(&condition.right_at)?,
            radius_deg: condition.radius.constant(),
            radius,
            separation: maybe(&condition.separation)?,
            bound: Some(expr(&condition.bound)?),
            residual: maybe(&condition.residual)?,
            join: node.spec().join.code(),
            pick: node.spec().pick.code(),
            measured: node.measured().map(str::to_owned),
            left_identifying: columns(&node.identifying()[0])?,
            right_identifying: columns(&node.identifying()[1])?,
        };
        proto.encode(buf).map_err(|error| broken(&error.to_string()))
    }

    fn try_decode_table_provider(
        &self,
        buf: &[u8],
        table_ref: &TableReference,
        schema: SchemaRef,
        ctx: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        DefaultLogicalExtensionCodec {}.try_decode_table_provider(buf, table_ref, schema, ctx)
    }

    fn try_encode_table_provider(
        &self,
        table_ref: &TableReference,
        node: Arc<dyn TableProvider>,
        buf: &mut Vec<u8>,
    ) -> Result<()> {
        DefaultLogicalExtensionCodec {}.try_encode_table_provider(table_ref, node, buf)
    }
}

fn broken(what: &str) -> DataFusionError {
    DataFusionError::Internal(format!("an encoded CrossMatch cannot be read or written: {what}"))
}
