//! A catalogue with all that lies beside its leaves; with a margin or indexes, a collection. What makes readers take it
//! for one comes last.

use std::sync::Arc;

use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::object_store::DefaultObjectStoreRegistry;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::SessionConfig;

use super::options::fault;
use super::sorting::SpillFolder;
use super::{ImportOptions, Input, Place, Progress, Stage, Written, finish, write_unpublished};
use crate::catalog::HatsCatalog;
use crate::error::Result;
use crate::properties::Properties;
use crate::supplement;

/// A catalogue or collection that only lacks what makes readers take it for one.
pub(crate) struct Whole {
    written: Written,
    primary: Place,
    properties: Properties,
}

impl Whole {
    /// Makes it a catalogue.
    pub(crate) async fn publish(self) -> Result<Written> {
        // Without the primary's properties a collection names nothing that opens.
        finish::publish(&self.primary, &self.properties).await?;
        Ok(self.written)
    }
}

/// Writes the catalogue or collection that `options` describe into the empty `place`, but for the properties.
pub(crate) async fn write_all(
    input: Input,
    place: &Place,
    options: &ImportOptions,
    progress: &dyn Progress,
) -> Result<Whole> {
    let is_collection = options.margin_arcsec.is_some() || !options.index_columns.is_empty();
    let name = options.name(place);
    let primary = if is_collection {
        place.child(&name)
    } else {
        place.clone()
    };
    let schema = input.plan.schema();
    if let Some(absent) = options.index_columns.iter().find(|name| schema.index_of(name).is_err()) {
        return Err(fault(
            "index_columns",
            format!("names {absent}, which the input does not have"),
        ));
    }
    if is_collection {
        place.claim_empty().await?;
    }
    let (written, mut properties) = write_unpublished(input, &primary, options, progress).await?;
    let steps = 3 + u64::from(options.margin_arcsec.is_some()) + options.index_columns.len() as u64;
    progress.stage(Stage::Supplement, Some(steps));
    let order = supplement::write_sky_maps(&primary, &written.histogram).await?;
    properties.set("hats_skymap_order", order);
    progress.advance(1);
    let spill = SpillFolder::create(place, options)?;
    let task = task(place, &spill, options)?;
    let catalog = open(&primary, properties.clone()).await?;
    supplement::write_thumbnail(&catalog, &task, &primary).await?;
    progress.advance(1);
    supplement::write_statistics(&catalog, &task, &primary).await?;
    progress.advance(1);
    if is_collection {
        write_collection(&catalog, &task, place, options, progress).await?;
    }
    drop(spill);
    Ok(Whole {
        written,
        primary,
        properties,
    })
}

async fn write_collection(
    catalog: &Arc<HatsCatalog>,
    task: &Arc<TaskContext>,
    place: &Place,
    options: &ImportOptions,
    progress: &dyn Progress,
) -> Result<()> {
    let name = options.name(place);
    let mut margins = Vec::new();
    if let Some(width) = options.margin_arcsec {
        let folder = format!("{name}_{width}arcs");
        supplement::write_margin(catalog, task, &place.child(&folder), width).await?;
        margins.push((folder, width));
        progress.advance(1);
    }
    let mut indexes = Vec::new();
    for column in &options.index_columns {
        let word: String = column
            .chars()
            .map(|c| if c.is_alphanumeric() { c } else { '_' })
            .collect();
        let folder = format!("{name}_{word}_index");
        supplement::write_index(catalog, task, &place.child(&folder), column).await?;
        indexes.push((column.clone(), folder));
        progress.advance(1);
    }
    supplement::write_collection(place, &name, &name, &margins, &indexes).await
}

/// The catalogue at `place`, which has no properties yet.
async fn open(place: &Place, properties: Properties) -> Result<Arc<HatsCatalog>> {
    let (store, url) = (Arc::clone(&place.store), place.url.clone());
    let catalog = HatsCatalog::open_unpublished(store, url, place.path.clone(), properties).await?;
    Ok(Arc::new(catalog))
}

/// A task that knows the store of `place`, whatever the input's task knows.
fn task(place: &Place, spill: &SpillFolder, options: &ImportOptions) -> Result<Arc<TaskContext>> {
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(options.memory_bytes / 8 * 5)))
        .with_disk_manager_builder(spill.disk())
        .with_object_store_registry(Arc::new(DefaultObjectStoreRegistry::new()))
        .build_arc()?;
    runtime.register_object_store(place.url.as_ref(), Arc::clone(&place.store));
    let config = SessionConfig::new().with_sort_spill_reservation_bytes(options.memory_bytes / 32);
    Ok(Arc::new(TaskContext::new(
        None,
        "import".to_owned(),
        config,
        Default::default(),
        Default::default(),
        Default::default(),
        Default::default(),
        runtime,
    )))
}
