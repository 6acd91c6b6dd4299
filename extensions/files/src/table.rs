//! One table over one or many plain files of a kind.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Statistics;
use datafusion::common::config::TableParquetOptions;
use datafusion::common::stats::Precision;
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use dreyer_tiling::sky_options;
use futures::stream::{self, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::csv::{self, Dialect, Effort, Sample};
use crate::decode;
use crate::error::{FilesError, Result};
use crate::footers::{PinnedReaders, footer};
use crate::format::{Compression, FileFormat};
use crate::guard::GuardedSource;
use crate::object::{Object, is_same};
use crate::options::FileOptions;
use crate::source::PlainSource;
use crate::unpack::unpacked;
use crate::{blocking, columns, sky};

/// Files opened together.
const CONCURRENT: usize = 8;

/// Bytes of text looked at for the types of columns: of one file at most, of all files together at most, and of each
/// file at least.
const SAMPLE_FILE: u64 = 16 << 20;
const SAMPLE_TABLE: u64 = 256 << 20;
const SAMPLE_LEAST: u64 = 64 << 10;

/// Bytes of a value in a file, and how many times smaller a file is when it is packed: guesses.
const BYTES_OF_VALUE: u64 = 10;
const PACKED: u64 = 3;

/// A table over plain files.
#[derive(Debug)]
pub struct FileTable {
    store: Arc<dyn ObjectStore>,
    url: ObjectStoreUrl,
    format: FileFormat,
    options: Arc<FileOptions>,
    schema: SchemaRef,
    files: RwLock<Arc<Files>>,
}

/// The files of a table in one version each.
#[derive(Debug)]
struct Files {
    metas: Vec<ObjectMeta>,
    /// Rows of all files, where all of them tell.
    rows: Option<u64>,
}

impl FileTable {
    /// Opens the files, all of one format, of a store that sessions know as `url`. Columns are merged by name.
    ///
    /// # Errors
    /// No files, or of several formats; one that cannot be understood; columns whose types do not meet. The error names
    /// the file.
    pub async fn open(
        state: &dyn Session,
        store: Arc<dyn ObjectStore>,
        url: ObjectStoreUrl,
        files: Vec<ObjectMeta>,
        options: &FileOptions,
    ) -> Result<Self> {
        let format = common_format(&files, options)?;
        let options = Arc::new(options.clone());
        let (schema, rows) = match format {
            FileFormat::Parquet => of_footers(state, &store, &files).await?,
            FileFormat::Csv | FileFormat::Tsv => (of_texts(&store, &files, format, &options).await?, None),
            _ => of_descriptions(&store, &files, &options).await?,
        };
        let files = Files { metas: files, rows };
        Ok(Self {
            store,
            url,
            format,
            options,
            schema,
            files: RwLock::new(Arc::new(files)),
        })
    }

    /// The format of the files.
    pub fn format(&self) -> FileFormat {
        self.format
    }

    /// The files in the versions that a scan reads.
    pub fn files(&self) -> Vec<ObjectMeta> {
        self.held().metas.clone()
    }

    /// Whether every file is still the one that was opened: one HEAD a file.
    ///
    /// # Errors
    /// The store fails, also because a file is gone.
    pub async fn is_current(&self) -> Result<bool> {
        let files = self.held();
        Ok(self
            .metas_now(&files)
            .await?
            .iter()
            .zip(&files.metas)
            .all(|(now, then)| is_same(then, now)))
    }

    fn held(&self) -> Arc<Files> {
        Arc::clone(&self.files.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn metas_now(&self, files: &Files) -> Result<Vec<ObjectMeta>> {
        let paths: Vec<Path> = files.metas.iter().map(|file| file.location.clone()).collect();
        let heads = stream::iter(paths).map(|path| {
            let store = Arc::clone(&self.store);
            async move { store.head(&path).await }
        });
        Ok(heads.buffered(CONCURRENT).try_collect().await?)
    }

    /// The files as they are now: opened again if one was rewritten since, as long as the columns stay what they were.
    async fn current(&self, state: &dyn Session) -> Result<Arc<Files>> {
        let files = self.held();
        let now = self.metas_now(&files).await?;
        if now.iter().zip(&files.metas).all(|(now, then)| is_same(then, now)) {
            return Ok(files);
        }
        let again = Self::open(state, Arc::clone(&self.store), self.url.clone(), now, &self.options).await?;
        if again.schema != self.schema {
            let names: Vec<&str> = files.metas.iter().map(|file| file.location.as_ref()).take(3).collect();
            let fault = "rewritten with other columns since the table was opened; open the table again";
            return Err(FilesError::malformed(names.join(", "), fault));
        }
        let renewed = again.held();
        *self.files.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&renewed);
        Ok(renewed)
    }

    fn source(&self, state: &dyn Session, filters: &[Expr]) -> datafusion::error::Result<Arc<dyn FileSource>> {
        if self.format != FileFormat::Parquet {
            let (options, schema) = (Arc::clone(&self.options), Arc::clone(&self.schema));
            return Ok(Arc::new(PlainSource::new(self.format, options, schema)));
        }
        let options = TableParquetOptions {
            global: state.config_options().execution.parquet.clone(),
            ..Default::default()
        };
        let size_hint = options.global.metadata_size_hint;
        let readers = PinnedReaders::new(state.runtime_env(), &self.url)?;
        let mut parquet = ParquetSource::new(Arc::clone(&self.schema))
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(readers));
        if let Some(bytes) = size_hint {
            parquet = parquet.with_metadata_size_hint(bytes);
        }
        let max_ranges = sky_options(state.config()).max_sky_ranges;
        if let Some(predicate) = sky::predicate(&self.schema, filters, max_ranges) {
            parquet = parquet.with_predicate(predicate);
        }
        Ok(Arc::new(GuardedSource::new(Arc::new(parquet))))
    }

    /// About how many rows there are, where nobody tells: enough to know large from small.
    fn guessed_rows(&self, files: &[ObjectMeta]) -> u64 {
        let unpacked = |file: &ObjectMeta| match self.options.format_of(file.location.as_ref()) {
            Ok((_, Compression::Gzip | Compression::Zstd)) => file.size.saturating_mul(PACKED),
            _ => file.size,
        };
        let values = files.iter().map(unpacked).sum::<u64>() / BYTES_OF_VALUE;
        (values / (self.schema.fields().len() as u64).max(1)).max(1)
    }

    fn statistics_of(&self, files: &Files) -> Statistics {
        let exact = |n: u64| usize::try_from(n).map_or(Precision::Absent, Precision::Exact);
        let bytes: u64 = files.metas.iter().map(|file| file.size).sum();
        let guessed = || exact(self.guessed_rows(&files.metas)).to_inexact();
        Statistics {
            num_rows: files.rows.map_or_else(guessed, exact),
            total_byte_size: exact(bytes).to_inexact(),
            column_statistics: Statistics::unknown_column(&self.schema),
        }
    }
}

#[async_trait]
impl TableProvider for FileTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> datafusion::error::Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.statistics_of(&self.held()))
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        let files = self.current(state).await?;
        let parts = files.metas.iter().cloned().map(PartitionedFile::from).collect();
        let groups = FileGroup::new(parts).split_files(state.config().target_partitions().max(1));
        let config = FileScanConfigBuilder::new(self.url.clone(), self.source(state, filters)?)
            .with_file_groups(groups)
            .with_statistics(self.statistics_of(&files))
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

fn common_format(files: &[ObjectMeta], options: &FileOptions) -> Result<FileFormat> {
    let mut common: Option<(FileFormat, &ObjectMeta)> = None;
    for file in files {
        let (format, _) = options.format_of(file.location.as_ref())?;
        match common {
            Some((before, first)) if before != format => {
                let fault = format!(
                    "a {format} file, where {} is {before}: one table is of one format",
                    first.location
                );
                return Err(FilesError::unknown(&file.location, fault));
            }
            _ => common = Some((format, file)),
        }
    }
    common
        .map(|(format, _)| format)
        .ok_or_else(|| FilesError::nothing("a table", "no files to read"))
}

async fn of_footers(
    state: &dyn Session,
    store: &Arc<dyn ObjectStore>,
    files: &[ObjectMeta],
) -> Result<(SchemaRef, Option<u64>)> {
    let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
    let hint = state.config_options().execution.parquet.metadata_size_hint;
    let footers = stream::iter(files.to_vec()).map(|file| {
        let (store, cache) = (Arc::clone(store), Arc::clone(&cache));
        async move { footer(store.as_ref(), &file, cache, hint).await }
    });
    let footers: Vec<_> = footers.buffered(CONCURRENT).try_collect().await?;
    let schema = columns::merged(names(files).zip(footers.iter().map(|footer| &footer.schema)))?;
    Ok((schema, footers.iter().map(|footer| footer.rows).sum()))
}

async fn of_descriptions(
    store: &Arc<dyn ObjectStore>,
    files: &[ObjectMeta],
    options: &Arc<FileOptions>,
) -> Result<(SchemaRef, Option<u64>)> {
    let described = stream::iter(files.to_vec()).map(|file| {
        let (store, options) = (Arc::clone(store), Arc::clone(options));
        async move {
            let name = file.location.to_string();
            let (format, compression) = options.format_of(&name)?;
            let object = Object::open(store, file).await?;
            let describe = move || decode::describe(object, format, compression, &options);
            Ok::<_, FilesError>(blocking::run(name, describe).await?)
        }
    });
    let described: Vec<_> = described.buffered(CONCURRENT).try_collect().await?;
    let schemas = described.iter().map(|file| file.schema.as_ref());
    let schema = columns::merged(names(files).zip(schemas))?;
    Ok((schema, described.iter().map(|file| file.rows).sum()))
}

async fn of_texts(
    store: &Arc<dyn ObjectStore>,
    files: &[ObjectMeta],
    format: FileFormat,
    options: &Arc<FileOptions>,
) -> Result<SchemaRef> {
    let share = SAMPLE_TABLE / (files.len() as u64).max(1);
    let effort = Effort {
        rows: options.inference_rows,
        bytes: share.clamp(SAMPLE_LEAST, SAMPLE_FILE),
    };
    let dialect = Arc::new(Dialect::of(format, options));
    let samples = stream::iter(files.to_vec()).map(|file| {
        let (store, options, dialect) = (Arc::clone(store), Arc::clone(options), Arc::clone(&dialect));
        async move {
            let name = file.location.to_string();
            let (_, compression) = options.format_of(&name)?;
            let object = Object::open(store, file).await?;
            let look = move || look(object, compression, &dialect, effort);
            Ok::<_, FilesError>(blocking::run(name, look).await?)
        }
    });
    let samples: Vec<Sample> = samples.buffered(CONCURRENT).try_collect().await?;
    csv::column_types(&samples, &options.types)
}

/// Blocks.
fn look(
    object: Object,
    compression: Compression,
    dialect: &Dialect,
    effort: Effort,
) -> datafusion::error::Result<Sample> {
    let watch = object.watch;
    let anywhere = watch.is_open_file() && compression == Compression::None;
    let seekable = anywhere.then(|| watch.size());
    let sample = unpacked(object.source, compression)
        .map_err(csv::ReadFault::Io)
        .and_then(|source| csv::sample(source, seekable, dialect, effort));
    sample.map_err(|fault| csv::told(&watch, fault))
}

fn names(files: &[ObjectMeta]) -> impl Iterator<Item = &str> {
    files.iter().map(|file| file.location.as_ref())
}
