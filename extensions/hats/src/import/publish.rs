//! What makes leaves a catalogue: schema files, list of tiles, properties; and its appearance, whole, under its name.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use chrono::Utc;
use datafusion::arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::{FileMetaData, ParquetMetaData, ParquetMetaDataWriter, RowGroupMetaData};

use super::ImportOptions;
use super::write::{self, Leaf};
use crate::catalog::SORTED_PROPERTY;
use crate::error::{HatsError, Result};
use crate::layout::{self, PartitionInfo};
use crate::properties::Properties;

/// A folder that nobody discovers, beside where its content shall appear. Removed if it never does.
pub(crate) struct HiddenFolder {
    path: PathBuf,
    published: bool,
}

impl HiddenFolder {
    /// Creates one beside `target`, on the same file system.
    pub(crate) fn beside(target: &Path) -> Result<Self> {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let parent = target
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(|error| HatsError::io(parent, error))?;
        let unique = Utc::now().timestamp_nanos_opt().unwrap_or_default();
        let path = parent.join(format!(".{name}.{}-{unique:x}.import", std::process::id()));
        fs::create_dir(&path).map_err(|error| HatsError::io(&path, error))?;
        Ok(Self { path, published: false })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the content appear at `target`, in one step.
    pub(crate) fn rename_to(mut self, target: &Path) -> Result<()> {
        if target.symlink_metadata().is_ok() {
            let fault = format!("must not exist yet, but it appeared meanwhile: {}", target.display());
            return Err(HatsError::Option {
                option: "target",
                fault,
            });
        }
        fs::rename(&self.path, target).map_err(|error| HatsError::io(target, error))?;
        self.published = true;
        // The name must outlive a crash as the content does; not every file system can sync a folder.
        let _ = target
            .parent()
            .map(File::open)
            .and_then(|folder| folder.ok()?.sync_all().ok());
        Ok(())
    }
}

impl Drop for HiddenFolder {
    fn drop(&mut self) {
        if !self.published {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Writes everything but the leaves.
pub(crate) fn write_metadata(
    folder: &Path,
    options: &ImportOptions,
    schema: &SchemaRef,
    leaves: &[Leaf],
) -> Result<()> {
    let dataset = folder.join(layout::DATASET_DIR);
    fs::create_dir_all(&dataset).map_err(|error| HatsError::io(&dataset, error))?;
    let mut empty = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(write::properties().build()))?;
    let common = empty.finish()?;
    write_file(&dataset.join("_common_metadata"), empty.inner())?;
    write_file(&dataset.join("_metadata"), &footers(&common, leaves)?)?;
    let tiles: Vec<_> = leaves
        .iter()
        .map(|leaf| PartitionInfo {
            cell: leaf.cell,
            rows: Some(leaf.rows),
        })
        .collect();
    write_file(
        &folder.join(layout::PARTITION_INFO_FILE),
        layout::render_partition_info(&tiles).as_bytes(),
    )?;
    let properties = properties(options, leaves).render();
    for name in layout::PROPERTIES_FILES {
        write_file(&folder.join(name), properties.as_bytes())?;
    }
    Ok(())
}

fn write_file(path: &Path, content: &[u8]) -> Result<()> {
    let fault = |error| HatsError::io(path, error);
    let mut file = File::create_new(path).map_err(fault)?;
    file.write_all(content).map_err(fault)?;
    file.sync_all().map_err(fault)
}

/// The `_metadata` file: the footers of all leaves, each row group with the path of its leaf.
fn footers(common: &ParquetMetaData, leaves: &[Leaf]) -> Result<Vec<u8>> {
    let mut row_groups = Vec::new();
    for leaf in leaves {
        let path = layout::leaf_path(leaf.cell, layout::DEFAULT_SUFFIX);
        for row_group in leaf.footer.row_groups() {
            row_groups.push(with_path(row_group, &path)?);
        }
    }
    let file = common.file_metadata();
    let rows = leaves
        .iter()
        .map(|leaf| i64::try_from(leaf.rows).unwrap_or(i64::MAX))
        .sum();
    let file = FileMetaData::new(
        file.version(),
        rows,
        file.created_by().map(str::to_owned),
        file.key_value_metadata().cloned(),
        file.schema_descr_ptr(),
        file.column_orders().cloned(),
    );
    let mut content = b"PAR1".to_vec();
    ParquetMetaDataWriter::new(&mut content, &ParquetMetaData::new(file, row_groups)).finish()?;
    Ok(content)
}

fn with_path(row_group: &RowGroupMetaData, path: &str) -> Result<RowGroupMetaData> {
    let columns = row_group
        .columns()
        .iter()
        .map(|column| column.clone().into_builder().set_file_path(path.to_owned()).build())
        .collect::<Result<Vec<_>, _>>()?;
    Ok(row_group.clone().into_builder().set_column_metadata(columns).build()?)
}

fn properties(options: &ImportOptions, leaves: &[Leaf]) -> Properties {
    let rows: u64 = leaves.iter().map(|leaf| leaf.rows).sum();
    let bytes: u64 = leaves.iter().map(|leaf| leaf.bytes).sum();
    let deepest = leaves.iter().map(|leaf| leaf.cell.order()).max().unwrap_or(0);
    let fraction: f64 = leaves
        .iter()
        .map(|leaf| 0.25_f64.powi(leaf.cell.order().into()) / 12.0)
        .sum();
    let mut properties = Properties::default();
    properties.set("obs_collection", options.catalog_name());
    properties.set("dataproduct_type", "object");
    properties.set("hats_nrows", rows);
    properties.set("hats_col_ra", &options.lon_column);
    properties.set("hats_col_dec", &options.lat_column);
    properties.set("hats_col_healpix", layout::INDEX_COLUMN);
    properties.set("hats_col_healpix_order", 29);
    properties.set("hats_npix_suffix", layout::DEFAULT_SUFFIX);
    properties.set("hats_order", deepest);
    properties.set("hats_max_rows", options.tile_rows);
    properties.set("hats_estsize", bytes.div_ceil(1024));
    properties.set("moc_sky_fraction", format!("{fraction:.5}"));
    properties.set("hats_builder", concat!("dreyer v", env!("CARGO_PKG_VERSION")));
    properties.set("hats_creation_date", Utc::now().format("%Y-%m-%dT%H:%MUTC"));
    properties.set("hats_version", "v1.0");
    properties.set("hats_frame", "icrs");
    properties.set(SORTED_PROPERTY, layout::INDEX_COLUMN);
    properties
}
