//! Parquet files below the folder of a catalogue, one at a time, and the two files that describe them together.

use datafusion::arrow::array::{RecordBatch, new_null_array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{Field, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use object_store::buffered::BufWriter;
use parquet::arrow::arrow_writer::ArrowWriter;
use parquet::arrow::{ArrowSchemaConverter, AsyncArrowWriter};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{ParquetMetaData, SortingColumn};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use crate::Place;
use crate::error::{HatsError, Result};
use crate::{footers, layout};

/// Rows of a row group.
const ROW_GROUP_ROWS: usize = 131_072;

/// How supplements are written: as leaves are, with ZSTD. Where a column of integers says how rows are sorted, it is
/// stored as small differences, and the footer says so.
pub(crate) fn properties(schema: &SchemaRef, sorted_by: Option<&str>) -> Result<WriterPropertiesBuilder> {
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("dreyer version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).unwrap_or_default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS));
    let columns = ArrowSchemaConverter::new().convert(schema)?;
    let place = sorted_by.and_then(|name| {
        columns
            .columns()
            .iter()
            .position(|column| column.path().string() == name)
    });
    if let Some((name, column_idx)) = sorted_by.zip(place.and_then(|at| i32::try_from(at).ok())) {
        properties = properties.set_sorting_columns(Some(vec![SortingColumn {
            column_idx,
            descending: false,
            nulls_first: false,
        }]));
        if schema
            .field_with_name(name)
            .is_ok_and(|field| field.data_type().is_integer())
        {
            let path = || ColumnPath::from(vec![name.to_owned()]);
            properties = properties
                .set_column_dictionary_enabled(path(), false)
                .set_column_encoding(path(), Encoding::DELTA_BINARY_PACKED);
        }
    }
    Ok(properties)
}

/// A Parquet file under way. Nothing is there until it is finished.
pub(crate) struct ParquetFile {
    relative: String,
    schema: SchemaRef,
    writer: AsyncArrowWriter<BufWriter>,
    rows: u64,
}

/// A Parquet file that has been written.
pub(crate) struct WrittenFile {
    relative: String,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    footer: ParquetMetaData,
}

impl ParquetFile {
    /// Begins the file of a name below `place`.
    pub(crate) fn create(
        place: &Place,
        relative: String,
        schema: &SchemaRef,
        properties: &WriterProperties,
    ) -> Result<Self> {
        let writer = BufWriter::new(place.store.clone(), place.object(&relative));
        Ok(Self {
            relative,
            schema: schema.clone(),
            writer: AsyncArrowWriter::try_new(writer, schema.clone(), Some(properties.clone()))?,
            rows: 0,
        })
    }

    /// Appends rows, whose columns are found by name.
    pub(crate) async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer
            .write(&conform(batch, &self.schema).map_err(DataFusionError::from)?)
            .await?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Makes the file appear in `place`, where it was begun.
    pub(crate) async fn finish(mut self, place: &Place) -> Result<WrittenFile> {
        let footer = self.writer.finish().await?;
        sync(place, &self.relative).await?;
        Ok(WrittenFile {
            relative: self.relative,
            rows: self.rows,
            bytes: self.writer.bytes_written() as u64,
            footer,
        })
    }
}

/// Brings a file to this machine's disk, so that it outlives a crash; other stores do so by themselves.
async fn sync(place: &Place, relative: &str) -> Result<()> {
    let Some(folder) = &place.local else {
        return Ok(());
    };
    let path = folder.join(relative);
    let synced = match tokio::fs::File::open(&path).await {
        Ok(file) => file.sync_all().await,
        Err(error) => Err(error),
    };
    synced.map_err(|error| HatsError::io(path, error))
}

/// The columns of `schema`, by name, in its types; NULL where the batch lacks one. Views of texts become texts of their
/// own, so that a few rows do not keep the pages of many in memory.
pub(crate) fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let column = |field: &Field| match batch.column_by_name(field.name()) {
        Some(column) if column.data_type() == field.data_type() => Ok(column.clone()),
        Some(column) => cast(column, field.data_type()),
        None => Ok(new_null_array(field.data_type(), batch.num_rows())),
    };
    let columns = schema
        .fields()
        .iter()
        .map(|field| column(field))
        .collect::<Result<_, _>>()?;
    RecordBatch::try_new(schema.clone(), columns)
}

/// The `dataset` folder of a catalogue, written file by file.
pub(crate) struct DatasetWriter {
    place: Place,
    schema: SchemaRef,
    properties: WriterProperties,
    open: Option<ParquetFile>,
    files: Vec<WrittenFile>,
}

impl DatasetWriter {
    pub(crate) fn new(catalog: &Place, schema: &SchemaRef, properties: WriterProperties) -> Self {
        Self {
            place: catalog.child(layout::DATASET_DIR),
            schema: schema.clone(),
            properties,
            open: None,
            files: Vec::new(),
        }
    }

    /// Ends the file that is open, if any, and begins another.
    pub(crate) async fn begin(&mut self, relative: String) -> Result<()> {
        self.end().await?;
        self.open = Some(ParquetFile::create(
            &self.place,
            relative,
            &self.schema,
            &self.properties,
        )?);
        Ok(())
    }

    /// Appends rows to the open file.
    pub(crate) async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match &mut self.open {
            Some(file) => file.write(batch).await,
            None => Ok(()),
        }
    }

    /// Rows of the open file.
    pub(crate) fn open_rows(&self) -> u64 {
        self.open.as_ref().map_or(0, |file| file.rows)
    }

    async fn end(&mut self) -> Result<()> {
        if let Some(file) = self.open.take() {
            self.files.push(file.finish(&self.place).await?);
        }
        Ok(())
    }

    /// Ends the last file and writes `_common_metadata` and `_metadata`. Gives the files.
    pub(crate) async fn finish(mut self) -> Result<Vec<WrittenFile>> {
        self.end().await?;
        let mut empty = ArrowWriter::try_new(Vec::new(), self.schema.clone(), Some(self.properties.clone()))?;
        let common = empty.finish()?;
        self.place.write("_common_metadata", empty.inner().clone()).await?;
        let files = self.files.iter().map(|file| (file.relative.as_str(), &file.footer));
        self.place
            .write(layout::METADATA_FILE, footers::together(&common, files)?)
            .await?;
        Ok(self.files)
    }
}
