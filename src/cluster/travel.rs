//! What can leave this process: a plan of which every node and function is known to a worker by name.

use std::sync::Arc;

use datafusion::common::{Result, not_impl_err, plan_err};
use datafusion::execution::{SessionState, TaskContext};
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::bytes::physical_plan_to_bytes_with_extension_codec;
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};

/// Writes `plan` down as it would be sent.
///
/// # Errors
/// Why it cannot be sent: a node that has no encoding, or a function that this session has and a worker does not.
pub(super) fn check(plan: &Arc<dyn ExecutionPlan>, known: &SessionState) -> Result<()> {
    if find(plan, &|plan| plan.name() == "ScalarSubqueryExec") {
        // Its result is handed on within one process.
        return plan_err!("a subquery that gives one value");
    }
    let codec = Probe {
        codecs: dreyer_sky::codecs(),
        known: known.clone(),
    };
    physical_plan_to_bytes_with_extension_codec(Arc::clone(plan), &codec).map(drop)
}

fn find(plan: &Arc<dyn ExecutionPlan>, test: &dyn Fn(&Arc<dyn ExecutionPlan>) -> bool) -> bool {
    test(plan) || plan.children().into_iter().any(|child| find(child, test))
}

/// Our codecs, with an eye on functions.
struct Probe {
    codecs: Vec<Arc<dyn PhysicalExtensionCodec>>,
    known: SessionState,
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probe").finish_non_exhaustive()
    }
}

impl Probe {
    fn knows(known: bool, name: &str) -> Result<()> {
        if known {
            Ok(())
        } else {
            plan_err!("the function {name}, which is of this process alone")
        }
    }
}

impl PhysicalExtensionCodec for Probe {
    fn try_decode(
        &self,
        _: &[u8],
        _: &[Arc<dyn ExecutionPlan>],
        _: &TaskContext,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        not_impl_err!("this codec only writes")
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buffer: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let before = buffer.len();
        for codec in &self.codecs {
            buffer.truncate(before);
            if codec.try_encode(Arc::clone(&node), buffer, converter).is_ok() {
                return Ok(());
            }
        }
        plan_err!("{}, which has no encoding", node.name())
    }

    fn try_encode_udf(&self, function: &ScalarUDF, _: &mut Vec<u8>) -> Result<()> {
        let known = self.known.scalar_functions().get(function.name());
        Self::knows(known.is_some_and(|known| known.as_ref() == function), function.name())
    }

    fn try_encode_udaf(&self, function: &AggregateUDF, _: &mut Vec<u8>) -> Result<()> {
        let known = self.known.aggregate_functions().get(function.name());
        Self::knows(known.is_some_and(|known| known.as_ref() == function), function.name())
    }

    fn try_encode_udwf(&self, function: &WindowUDF, _: &mut Vec<u8>) -> Result<()> {
        let known = self.known.window_functions().get(function.name());
        Self::knows(known.is_some_and(|known| known.as_ref() == function), function.name())
    }
}
