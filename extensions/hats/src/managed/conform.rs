//! Rows made to fit a table: columns picked by name, put in the table's order and cast where nothing is lost.
//!
//! The columns of a managed table may all be NULL, as those of PostgreSQL's `CREATE TABLE AS`: a query's word that a
//! column has no NULLs would otherwise bind every later INSERT. Strings are stored plain, whatever form the engine
//! holds them in.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use datafusion::arrow::compute::{CastOptions, can_cast_types, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::StreamExt;

use crate::error::{HatsError, Result};
use crate::import::Input;
use crate::layout;

/// The columns of a new table made of `input`, without the index, which is computed anew.
pub(crate) fn new_columns(input: &Input) -> Result<SchemaRef> {
    let mut fields: Vec<Field> = Vec::new();
    for field in input.plan.schema().fields() {
        if field.name() == layout::INDEX_COLUMN {
            continue;
        }
        if fields.iter().any(|before| before.name() == field.name()) {
            let fault = format!("it has two columns '{}'; give one another name", field.name());
            return Err(refused(input, fault));
        }
        fields.push(stored(field));
    }
    if fields.is_empty() {
        return Err(refused(input, "it has no columns".to_owned()));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// The columns that rows for an existing table must have: its own, without the index.
pub(crate) fn columns_of(table: &Schema) -> SchemaRef {
    let fields = table
        .fields()
        .iter()
        .filter(|field| field.name() != layout::INDEX_COLUMN);
    Arc::new(Schema::new(fields.map(|field| stored(field)).collect::<Vec<_>>()))
}

/// How a column is written.
fn stored(field: &Field) -> Field {
    let plain = match field.data_type() {
        // Of NULLs alone nothing follows; PostgreSQL takes them for text.
        DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Dictionary(_, value) => value.as_ref().clone(),
        other => other.clone(),
    };
    Field::new(field.name(), plain, true).with_metadata(field.metadata().clone())
}

fn refused(input: &Input, fault: String) -> HatsError {
    HatsError::Input {
        input: input.description.clone(),
        fault,
    }
}

/// `input` with exactly the `columns`. Those it lacks are NULL; those the table lacks are an error, as are values that
/// a cast would change.
pub(crate) fn conform(input: &Input, columns: &SchemaRef) -> Result<Input> {
    let given = input.plan.schema();
    if let Some(stranger) = given
        .fields()
        .iter()
        .find(|field| field.name() != layout::INDEX_COLUMN && columns.field_with_name(field.name()).is_err())
    {
        let fault = format!("the table has no column '{}'", stranger.name());
        return Err(refused(input, fault));
    }
    let source = |field: &Field| -> Result<Option<usize>> {
        let Some((at, from)) = given.column_with_name(field.name()) else {
            return Ok(None);
        };
        if can_cast_types(from.data_type(), field.data_type()) {
            return Ok(Some(at));
        }
        let (name, from, to) = (field.name(), from.data_type(), field.data_type());
        Err(refused(
            input,
            format!("column '{name}' is {from}; the table's is {to}"),
        ))
    };
    let sources = columns
        .fields()
        .iter()
        .map(|field| source(field))
        .collect::<Result<Arc<[Option<usize>]>>>()?;
    let partitions = (0..input.plan.output_partitioning().partition_count())
        .map(|partition| {
            let conformed = Conformed {
                plan: Arc::clone(&input.plan),
                partition,
                columns: Arc::clone(columns),
                sources: Arc::clone(&sources),
            };
            Arc::new(conformed) as Arc<dyn PartitionStream>
        })
        .collect();
    let plan = StreamingTableExec::try_new(Arc::clone(columns), partitions, None, [], false, None)?;
    Ok(Input {
        plan: Arc::new(plan),
        ..input.clone()
    })
}

/// One partition of the input, made to fit.
#[derive(Debug)]
struct Conformed {
    plan: Arc<dyn ExecutionPlan>,
    partition: usize,
    columns: SchemaRef,
    sources: Arc<[Option<usize>]>,
}

impl PartitionStream for Conformed {
    fn schema(&self) -> &SchemaRef {
        &self.columns
    }

    fn execute(&self, task: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (columns, sources) = (Arc::clone(&self.columns), Arc::clone(&self.sources));
        let fit = move |batch| fit(&batch, &columns, &sources);
        let rows = match self.plan.execute(self.partition, task) {
            Ok(rows) => rows.map(move |batch| batch.and_then(&fit)).left_stream(),
            Err(error) => futures::stream::iter([Err(error)]).right_stream(),
        };
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.columns), rows))
    }
}

fn fit(batch: &RecordBatch, columns: &SchemaRef, sources: &[Option<usize>]) -> Result<RecordBatch, DataFusionError> {
    let fitted = columns
        .fields()
        .iter()
        .zip(sources)
        .map(|(field, source)| match source {
            Some(at) => cast_lossless(batch.column(*at), field),
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        });
    let fitted = fitted.collect::<Result<Vec<_>, _>>()?;
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(columns), fitted, &rows)?)
}

/// `values` as the column's type; an error names the first value that would not come back.
fn cast_lossless(values: &ArrayRef, field: &Field) -> Result<ArrayRef, DataFusionError> {
    let (from, to) = (values.data_type(), field.data_type());
    if from == to {
        return Ok(Arc::clone(values));
    }
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let cast = cast_with_options(values, to, &strict)?;
    if !always_lossless(from, to) {
        let back = cast_with_options(&cast, from, &CastOptions::default())?;
        if let Some(row) = first_difference(values, &back) {
            let shown = datafusion::arrow::util::display::array_value_to_string(values, row)?;
            let fault = format!("column '{}' is {to}, which cannot hold {shown}", field.name());
            return Err(DataFusionError::Execution(fault));
        }
    }
    Ok(cast)
}

fn always_lossless(from: &DataType, to: &DataType) -> bool {
    let text = |kind: &DataType| matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let bytes = |kind: &DataType| matches!(kind, DataType::Binary | DataType::LargeBinary | DataType::BinaryView);
    let dictionary = matches!(from, DataType::Dictionary(_, value) if value.as_ref() == to);
    from.is_null() || dictionary || (text(from) && text(to)) || (bytes(from) && bytes(to))
}

/// The first row in which two arrays of one type differ.
fn first_difference(a: &ArrayRef, b: &ArrayRef) -> Option<usize> {
    if a.to_data() == b.to_data() {
        return None;
    }
    (0..a.len()).find(|row| a.slice(*row, 1).to_data() != b.slice(*row, 1).to_data())
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Float64Array, Int64Array, StringArray};

    use super::*;

    fn cast_to(values: impl Array + 'static, to: DataType) -> Result<ArrayRef, String> {
        let values: ArrayRef = Arc::new(values);
        cast_lossless(&values, &Field::new("c", to, true)).map_err(|error| error.to_string())
    }

    #[test]
    fn casts_keep_every_value_or_name_the_one_they_would_change() {
        let ints = || Int64Array::from(vec![Some(1), None, Some(300)]);
        assert!(cast_to(ints(), DataType::Int16).is_ok());
        assert!(cast_to(ints(), DataType::UInt8).is_err());
        assert!(cast_to(ints(), DataType::Float32).is_ok());
        let big = Int64Array::from(vec![1, (1 << 53) + 1]);
        let told = cast_to(big, DataType::Float64).unwrap_err();
        assert!(
            told.contains("'c' is Float64, which cannot hold 9007199254740993"),
            "{told}"
        );
        let floats = Float64Array::from(vec![Some(0.5), Some(f64::NAN), None, Some(-0.0)]);
        assert!(cast_to(floats, DataType::Float32).is_ok());
        assert!(cast_to(Float64Array::from(vec![0.1]), DataType::Float32).is_err());
        assert!(cast_to(Float64Array::from(vec![1.5]), DataType::Int32).is_err());
        assert!(cast_to(StringArray::from(vec!["a", "b"]), DataType::Utf8View).is_ok());
    }
}
