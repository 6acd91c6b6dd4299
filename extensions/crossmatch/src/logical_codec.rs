//! The logical node on the wire: [`CrossMatch`] as bytes, its inputs encoded by whoever encodes the plan.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::{DataFusionError, Result, TableReference, internal_err};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan};
use datafusion_proto::logical_plan::from_proto::parse_expr;
use datafusion_proto::logical_plan::to_proto::serialize_expr;
use datafusion_proto::logical_plan::{DefaultLogicalExtensionCodec, LogicalExtensionCodec};
use datafusion_proto::protobuf::LogicalExprNode;
use dreyer_tiling::SkyCoords;
use prost::Message;

use crate::node::CrossMatch;

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
    #[prost(double, tag = "3")]
    radius_deg: f64,
    #[prost(message, optional, tag = "4")]
    condition: Option<LogicalExprNode>,
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
        let condition = proto.condition.as_ref().ok_or_else(|| broken("no condition"))?;
        let node = CrossMatch::try_new(
            left.clone(),
            right.clone(),
            coords(&proto.left_at)?,
            coords(&proto.right_at)?,
            proto.radius_deg,
            expr(condition)?,
        )?;
        Ok(Extension { node: Arc::new(node) })
    }

    fn try_encode(&self, node: &Extension, buf: &mut Vec<u8>) -> Result<()> {
        let Some(node) = node.node.as_any().downcast_ref::<CrossMatch>() else {
            return internal_err!("CrossMatchLogicalCodec does not know {}", node.node.name());
        };
        let expr = |expr: &Expr| serialize_expr(expr, self).map_err(|error| broken(&error.to_string()));
        let coords = |at: &SkyCoords| at.exprs().into_iter().map(expr).collect::<Result<Vec<_>>>();
        let proto = CrossMatchProto {
            left_at: coords(node.left_at())?,
            right_at: coords(node.right_at())?,
            radius_deg: node.radius_deg(),
            condition: Some(expr(node.condition())?),
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
