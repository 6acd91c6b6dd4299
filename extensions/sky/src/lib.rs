//! The umbrella: every astronomical extension in one call. No logic of its own.
//!
//! ```
//! use datafusion::execution::SessionStateBuilder;
//! use dreyer_sky::SkyExt;
//!
//! let state = SessionStateBuilder::new().with_default_features().with_sky().build();
//! assert!(state.scalar_functions().contains_key("distance"));
//! ```
//!
//! A coordinator and a worker that both call [`SkyExt::with_sky`] and use [`codecs`] cannot drift apart.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::Result;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};
use datafusion_proto::physical_plan::PhysicalExtensionCodec;
use dreyer_tiling::{SkyOptions, TilingSources};

pub use dreyer_crossmatch as crossmatch;
pub use dreyer_files as files;
pub use dreyer_geometry as geometry;
pub use dreyer_hats as hats;
pub use dreyer_kernel as kernel;
pub use dreyer_tiling as tiling;

/// Adds every astronomical extension to a session.
pub trait SkyExt {
    /// Functions, optimiser rule, planner, tiling sources, formats of plain files and the `dreyer.*` options. Call it
    /// after `with_default_features`, whose functions, rules and formats ours join or replace by name.
    #[must_use]
    fn with_sky(self) -> Self;
}

impl SkyExt for SessionStateBuilder {
    fn with_sky(mut self) -> Self {
        let config = self.config().take().unwrap_or_default();
        let config = config
            .with_option_extension(SkyOptions::default())
            .with_extension(Arc::new(TilingSources(vec![Arc::new(hats::HatsTilingSource)])));
        let mut functions = self.scalar_functions().take().unwrap_or_default();
        functions.extend(geometry::functions());
        functions.push(kernel::nan::canonical());
        let words = files::FileFormat::all().map(|format| format.word().to_ascii_uppercase());
        self.table_factories()
            .get_or_insert_default()
            .extend(words.map(|word| (word, Arc::new(files::FileTableFactory) as _)));
        let rules = self.optimizer().take().unwrap_or_default().rules;
        self.with_optimizer_rules(crossmatch::with_rules(rules))
            .with_config(config)
            .with_scalar_functions(functions)
            .with_query_planner(Arc::new(SkyQueryPlanner))
    }
}

/// The codecs of all plan nodes that the extensions add.
pub fn codecs() -> Vec<Arc<dyn PhysicalExtensionCodec>> {
    vec![
        Arc::new(hats::HatsCodec),
        Arc::new(files::FilesCodec),
        Arc::new(crossmatch::CrossMatchCodec),
    ]
}

/// The plan as work that can be dealt to several machines, in about `wanted` pieces or more; `None` if it is not a scan
/// or match of a kind that we know how to cut.
pub fn divide(
    plan: &Arc<dyn ExecutionPlan>,
    sources: &TilingSources,
    wanted: usize,
) -> Option<Arc<dyn tiling::Divisible>> {
    crossmatch::divide(plan, sources, &|input| divide(input, sources, wanted))
        .or_else(|| hats::divide(plan, wanted))
        .or_else(|| files::divide(plan, wanted))
}

/// The extension planners, in the order in which they are asked.
pub fn extension_planners() -> Vec<Arc<dyn ExtensionPlanner + Send + Sync>> {
    vec![Arc::new(crossmatch::CrossMatchPlanner)]
}

#[derive(Debug)]
struct SkyQueryPlanner;

#[async_trait]
impl QueryPlanner for SkyQueryPlanner {
    async fn create_physical_plan(
        &self,
        logical_plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let planner = DefaultPhysicalPlanner::with_extension_planners(extension_planners());
        let logical_plan = kernel::nan::total_order(logical_plan.clone())?;
        let plan = planner.create_physical_plan(&logical_plan, session).await?;
        crossmatch::review(&plan, session)?;
        Ok(plan)
    }
}
