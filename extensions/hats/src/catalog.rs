//! An opened catalogue: its properties, columns and tiles. It holds no rows and reads no leaf.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::execution::object_store::ObjectStoreUrl;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::collection::Collection;
use crate::error::{HatsError, Result};
use crate::import::Place;
use crate::index::HatsIndex;
use crate::layout::{self, PartitionInfo};
use crate::listing::{self, Listing, Tile};
use crate::properties::Properties;
use crate::schema;

/// The property by which this crate's writer vouches that every leaf is sorted by the named column.
/// Other writers know no such promise, so their leaves count as unsorted.
pub const SORTED_PROPERTY: &str = "dreyer_leaves_sorted_by";

/// The property by which this crate's writer vouches that it computed the index of every row itself, from the columns of
/// longitude and latitude that it names, joined by a comma, as they are stored.
pub const INDEX_IS_OF_PROPERTY: &str = "dreyer_index_is_of";

/// How the builder of a catalogue calls itself when it is this crate. Programs that derive catalogues carry properties
/// over that they do not know, but put their own name here: our promises hold for what we wrote.
const BUILDER: &str = "dreyer v";

/// A HATS catalogue, opened.
#[derive(Debug)]
pub struct HatsCatalog {
    url: ObjectStoreUrl,
    root: Path,
    name: String,
    properties: Properties,
    schema: SchemaRef,
    tiles: Arc<[Tile]>,
    index_column: Option<String>,
    indexes: Arc<[Arc<HatsIndex>]>,
}

impl HatsCatalog {
    /// Opens the catalogue at `path` of `store`, or the primary catalogue of the collection there.
    ///
    /// `url` is how the store is registered with the sessions that will read the catalogue. Costs one LIST and
    /// about three small GETs, whatever the number of tiles.
    pub async fn open(store: Arc<dyn ObjectStore>, url: ObjectStoreUrl, path: Path) -> Result<Self> {
        if let Some((file, properties)) = read_properties(&store, &path).await? {
            return Self::open_catalog(store, url, path, &file, properties).await;
        }
        let Some((file, properties)) = read_first(&store, &path, &[layout::COLLECTION_FILE]).await? else {
            return Err(HatsError::NotACatalog { path: path.to_string() });
        };
        let collection = Collection::from_properties(&properties, &file)?;
        let root = join(&path, &collection.primary);
        let Some((file, properties)) = read_properties(&store, &root).await? else {
            let fault = format!(
                "hats_primary_table_url names '{}', which is not a catalogue",
                collection.primary
            );
            return Err(HatsError::malformed(file, fault));
        };
        let mut catalog = Self::open_catalog(store, url, root, &file, properties).await?;
        if let Some(name) = collection.name {
            catalog.name = name;
        }
        let index = |(column, folder): (String, String)| HatsIndex::new(column, join(&path, &folder), &catalog);
        catalog.indexes = collection.indexes.into_iter().map(index).map(Arc::new).collect();
        Ok(catalog)
    }

    /// Opens a catalogue that has no properties file yet, as if it had these.
    pub(crate) async fn open_unpublished(
        store: Arc<dyn ObjectStore>,
        url: ObjectStoreUrl,
        path: Path,
        properties: Properties,
    ) -> Result<Self> {
        Self::open_catalog(store, url, path, layout::PROPERTIES_FILES[0], properties).await
    }

    async fn open_catalog(
        store: Arc<dyn ObjectStore>,
        url: ObjectStoreUrl,
        root: Path,
        properties_file: &str,
        properties: Properties,
    ) -> Result<Self> {
        properties.number("hats_nrows", properties_file)?;
        let suffix = properties.get("hats_npix_suffix").unwrap_or(layout::DEFAULT_SUFFIX);
        let dataset = root.clone().join(layout::DATASET_DIR);
        let (info, listing) =
            futures::try_join!(partition_info(&store, &root), listing::list(&store, &dataset, suffix))?;
        let (tiles, schema) = match listing {
            Some(listing) => {
                let known = schema_file(&listing).cloned();
                let tiles = listing::tiles(info, listing, &root)?;
                (tiles, known)
            }
            None => {
                let info = info.ok_or_else(|| {
                    HatsError::malformed(
                        &root,
                        "has no partition_info.csv, and its store cannot list files instead",
                    )
                })?;
                (
                    listing::tiles_by_name(&store, info, &root, suffix).await?,
                    head_schema_file(&store, &dataset).await?,
                )
            }
        };
        let file = schema
            .or_else(|| tiles.first()?.files.first().cloned())
            .ok_or_else(|| {
                HatsError::malformed(
                    &root,
                    "has no columns: neither _common_metadata, _metadata nor a leaf file was found",
                )
            })?;
        let schema = schema::read(&store, &file).await?;
        let name = properties
            .get("obs_collection")
            .or(root.filename())
            .unwrap_or("catalog")
            .to_owned();
        let index_column = schema::index_column(&schema, &properties);
        Ok(Self {
            url,
            root,
            name,
            properties,
            schema,
            tiles: tiles.into(),
            index_column,
            indexes: Arc::default(),
        })
    }

    /// A catalogue whose tiles are known from elsewhere.
    pub(crate) fn of_tiles(place: &Place, properties: Properties, schema: SchemaRef, tiles: Vec<Tile>) -> Self {
        let index_column = schema::index_column(&schema, &properties);
        let name = properties
            .get("obs_collection")
            .or(place.path.filename())
            .unwrap_or("catalog");
        Self {
            url: place.url.clone(),
            root: place.path.clone(),
            name: name.to_owned(),
            properties,
            schema,
            tiles: tiles.into(),
            index_column,
            indexes: Arc::default(),
        }
    }

    /// The name it gives itself, else that of its folder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How its store is registered.
    pub fn store_url(&self) -> &ObjectStoreUrl {
        &self.url
    }

    /// Its folder within the store.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// All that its properties file says.
    pub fn properties(&self) -> &Properties {
        &self.properties
    }

    /// Its columns, hive columns hidden.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Its tiles in order along the HEALPix curve; disjoint.
    pub fn tiles(&self) -> &Arc<[Tile]> {
        &self.tiles
    }

    /// `dataproduct_type`; `object` where absent.
    pub fn kind(&self) -> &str {
        self.properties.get("dataproduct_type").unwrap_or("object")
    }

    /// Names of the longitude and latitude columns (degrees, ICRS).
    pub fn position_columns(&self) -> Option<(&str, &str)> {
        let column = |key| {
            self.properties
                .get(key)
                .filter(|name| self.schema.field_with_name(name).is_ok())
        };
        column("hats_col_ra").zip(column("hats_col_dec"))
    }

    /// Name of the HEALPix index column of order 29, if the leaves hold one.
    pub fn index_column(&self) -> Option<&str> {
        self.index_column.as_deref()
    }

    /// The indexes of its columns, which its collection lists. Opened when a query first asks them.
    pub fn indexes(&self) -> &Arc<[Arc<HatsIndex>]> {
        &self.indexes
    }

    /// Whether every leaf is stored in the order of the index, and every tile is one leaf.
    pub fn is_sorted(&self) -> bool {
        let promised = self.properties.get(SORTED_PROPERTY);
        promised.is_some() && promised == self.index_column() && self.tiles.iter().all(|tile| tile.files.len() == 1)
    }

    /// Whether the index column holds, in every row, exactly the cell of order 29 that the row's position columns lie in,
    /// both `Float64`: no other program's index, and none of a position that was rounded when it was stored.
    pub fn index_exact(&self) -> bool {
        let Some((lon, lat)) = self.position_columns() else {
            return false;
        };
        let ours = self
            .properties
            .get("hats_builder")
            .is_some_and(|by| by.starts_with(BUILDER));
        let promised = self.properties.get(INDEX_IS_OF_PROPERTY) == Some(&index_is_of(lon, lat));
        ours && promised && self.index_column() == Some(layout::INDEX_COLUMN) && are_doubles(&self.schema, lon, lat)
    }

    /// Rows of the catalogue; `None` where nobody says, or where its files contradict each other.
    pub fn rows(&self) -> Option<u64> {
        let stated: Option<u64> = self.properties.get("hats_nrows").and_then(|rows| rows.parse().ok());
        let counted: Option<u64> = self.tiles.iter().map(|tile| tile.rows).sum();
        match (stated, counted) {
            (Some(stated), Some(counted)) if stated != counted => None,
            (stated, counted) => counted.or(stated),
        }
    }

    /// Stored bytes of all leaves.
    pub fn bytes(&self) -> u64 {
        self.tiles.iter().map(Tile::bytes).sum()
    }
}

/// The value of [`INDEX_IS_OF_PROPERTY`].
pub(crate) fn index_is_of(lon: &str, lat: &str) -> String {
    format!("{lon},{lat}")
}

/// Whether both columns are stored as they were when the index was computed: any other number is cast for that.
pub(crate) fn are_doubles(schema: &Schema, lon: &str, lat: &str) -> bool {
    let is_double = |name| matches!(schema.field_with_name(name), Ok(field) if *field.data_type() == DataType::Float64);
    is_double(lon) && is_double(lat)
}

fn join(root: &Path, relative: &str) -> Path {
    relative
        .split('/')
        .filter(|part| !part.is_empty())
        .fold(root.clone(), |path, part| path.join(part))
}

pub(crate) async fn read_properties(store: &Arc<dyn ObjectStore>, root: &Path) -> Result<Option<(String, Properties)>> {
    read_first(store, root, &layout::PROPERTIES_FILES).await
}

/// The first of `names` that exists in `root`, and its path.
async fn read_first(store: &Arc<dyn ObjectStore>, root: &Path, names: &[&str]) -> Result<Option<(String, Properties)>> {
    for name in names {
        let file = root.clone().join(*name);
        if let Some(text) = read_text(store, &file).await? {
            return Ok(Some((file.to_string(), Properties::parse(&text))));
        }
    }
    Ok(None)
}

async fn partition_info(store: &Arc<dyn ObjectStore>, root: &Path) -> Result<Option<Vec<PartitionInfo>>> {
    let file = root.clone().join(layout::PARTITION_INFO_FILE);
    let Some(text) = read_text(store, &file).await? else {
        return Ok(None);
    };
    layout::parse_partition_info(&text, file.as_ref()).map(Some)
}

async fn read_text(store: &Arc<dyn ObjectStore>, file: &Path) -> Result<Option<String>> {
    let bytes = match store.get(file).await {
        Ok(found) => found.bytes().await?,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match String::from_utf8(bytes.into()) {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(HatsError::malformed(file, "is not UTF-8 text")),
    }
}

fn schema_file(listing: &Listing) -> Option<&object_store::ObjectMeta> {
    layout::SCHEMA_FILES.iter().find_map(|name| listing.metadata.get(name))
}

pub(crate) async fn head_schema_file(
    store: &Arc<dyn ObjectStore>,
    dataset: &Path,
) -> Result<Option<object_store::ObjectMeta>> {
    for name in layout::SCHEMA_FILES {
        match store.head(&dataset.clone().join(name)).await {
            Ok(found) => return Ok(Some(found)),
            Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}
