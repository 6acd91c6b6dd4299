//! The columns of a catalogue: from a schema-only file where there is one, else from the first leaf.
//!
//! Field metadata (`unit`, `ucd`, `description`, …) stays with each column; what belongs to a whole file
//! (the `pandas` entry and its like) is dropped, since it says nothing of a query's result.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use object_store::{ObjectMeta, ObjectStore};
use parquet::arrow::parquet_to_arrow_schema;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use crate::catalog::{self, HatsCatalog};
use crate::error::Result;
use crate::layout;
use crate::properties::Properties;
use crate::reader;

/// Reads the schema of one Parquet file, leaf or schema-only.
pub(crate) async fn read(store: &dyn ObjectStore, file: &ObjectMeta) -> Result<SchemaRef> {
    Ok(table_schema(&file_schema(store, file).await?))
}

/// The footer of a Parquet file, without its page index.
pub(crate) async fn footer(store: &dyn ObjectStore, file: &ObjectMeta) -> Result<Arc<ParquetMetaData>> {
    Ok(Arc::new(reader::read_once(store, file).await?))
}

async fn file_schema(store: &dyn ObjectStore, file: &ObjectMeta) -> Result<Schema> {
    arrow_schema(footer(store, file).await?.as_ref())
}

/// The columns that a footer describes. The library panics where the Arrow schema kept in a damaged footer makes no sense.
fn arrow_schema(footer: &ParquetMetaData) -> Result<Schema> {
    let footer = footer.file_metadata();
    let read = || parquet_to_arrow_schema(footer.schema_descr(), footer.key_value_metadata());
    let damaged = |_| Err(ParquetError::General("its Arrow schema is damaged".to_owned()));
    Ok(catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(damaged)?)
}

/// The columns of a catalogue in the types and with the metadata of its files, hive columns left out: what files that
/// belong to it are written with.
pub(crate) async fn stored(store: &Arc<dyn ObjectStore>, catalog: &HatsCatalog) -> Result<SchemaRef> {
    let dataset = catalog.path().clone().join(layout::DATASET_DIR);
    let leaf = || catalog.tiles().first()?.files.first().cloned();
    let file = catalog::head_schema_file(store, &dataset).await?.or_else(leaf);
    let Some(file) = file else {
        return Ok(Arc::clone(catalog.schema()));
    };
    let schema = file_schema(store, &file).await?;
    let kept = |field: &&Arc<Field>| !layout::HIVE_COLUMNS.contains(&field.name().as_str());
    let fields: Vec<_> = schema.fields().iter().filter(kept).cloned().collect();
    Ok(Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone())))
}

/// Reads the schema of one Parquet file that has been fetched whole.
pub(crate) fn of_bytes(file: &Bytes) -> Result<SchemaRef> {
    let footer = ParquetMetaDataReader::new().parse_and_finish(file)?;
    Ok(table_schema(&arrow_schema(&footer)?))
}

/// The schema of the table: hive columns hidden, strings and bytes as views, which the engine reads without a copy.
fn table_schema(file: &Schema) -> SchemaRef {
    let fields: Vec<Field> = file
        .fields()
        .iter()
        .filter(|field| !layout::HIVE_COLUMNS.contains(&field.name().as_str()))
        .map(|field| {
            let view = match field.data_type() {
                DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
                DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
                other => other.clone(),
            };
            field.as_ref().clone().with_data_type(view)
        })
        .collect();
    Arc::new(Schema::new(fields))
}

/// The name of the column that holds the HEALPix index of order 29. An index of another order, or of another
/// type than `int64`, is an ordinary column.
pub(crate) fn index_column(schema: &Schema, properties: &Properties) -> Option<String> {
    let is_index =
        |name: &str| matches!(schema.field_with_name(name), Ok(field) if *field.data_type() == DataType::Int64);
    let order_is_29 = properties
        .get("hats_col_healpix_order")
        .is_none_or(|order| order == "29");
    let named = properties.get("hats_col_healpix").filter(|_| order_is_29);
    let name = named
        .into_iter()
        .chain([layout::INDEX_COLUMN])
        .find(|name| is_index(name))?;
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(fields: &[(&str, DataType)]) -> Schema {
        Schema::new(
            fields
                .iter()
                .map(|(name, kind)| Field::new(*name, kind.clone(), true))
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn hive_columns_are_hidden_and_metadata_kept() {
        let field =
            Field::new("mag", DataType::Float32, true).with_metadata([("unit".to_owned(), "mag".to_owned())].into());
        let file = Schema::new(vec![
            Field::new("Norder", DataType::UInt8, true),
            field.clone(),
            Field::new("name", DataType::LargeUtf8, true),
            Field::new("Npix", DataType::UInt64, true),
            Field::new("Dir", DataType::UInt64, true),
        ]);
        let table = table_schema(&file);
        assert_eq!(table.fields().len(), 2);
        assert_eq!(table.field(0), &field);
        assert_eq!(table.field(1).data_type(), &DataType::Utf8View);
    }

    #[test]
    fn the_index_is_found_by_property_then_by_name() {
        let columns = schema(&[
            ("hp", DataType::Int64),
            ("id", DataType::Int32),
            ("_healpix_29", DataType::Int64),
        ]);
        let named = |text| index_column(&columns, &Properties::parse(text));
        assert_eq!(named("").as_deref(), Some("_healpix_29"));
        assert_eq!(named("hats_col_healpix=hp").as_deref(), Some("hp"));
        assert_eq!(
            named("hats_col_healpix=hp\nhats_col_healpix_order=29").as_deref(),
            Some("hp")
        );
        assert_eq!(
            named("hats_col_healpix=hp\nhats_col_healpix_order=13").as_deref(),
            Some("_healpix_29")
        );
        assert_eq!(named("hats_col_healpix=id").as_deref(), Some("_healpix_29"));
        let unsigned = schema(&[("_healpix_29", DataType::UInt64)]);
        assert_eq!(index_column(&unsigned, &Properties::default()), None);
    }
}
