//! Tables over generated files, held against the same rows in memory.

mod broken;
mod dealt;
mod finding;
mod pinned;
mod rows;
mod sky;
mod text;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int16Array, Int64Array, RecordBatch, StringArray,
};
use datafusion::arrow::csv::WriterBuilder;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::ipc::writer::{FileWriter, StreamWriter};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use datafusion::execution::SessionStateBuilder;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::prelude::{SessionConfig, SessionContext};
use dreyer_formats::votable::{Serialization, VotableWriter};
use dreyer_tiling::SkyOptions;

/// A session that knows the sky, with three partitions.
fn session() -> SessionContext {
    let config = SessionConfig::new()
        .with_target_partitions(3)
        .with_repartition_file_min_size(1)
        .with_option_extension(SkyOptions::default());
    let state = SessionStateBuilder::new().with_config(config).with_default_features();
    let context = SessionContext::new_with_state(state.build());
    for function in dreyer_geometry::functions() {
        context.register_udf(function.as_ref().clone());
    }
    context
}

/// Rows of a query in an order of their own, as text.
async fn rows(context: &SessionContext, sql: &str) -> Result<Vec<String>, String> {
    let state = context.state();
    let plan = state
        .create_logical_plan(sql)
        .await
        .map_err(|error| error.to_string())?;
    let frame = context
        .execute_logical_plan(plan)
        .await
        .map_err(|error| error.to_string())?;
    let batches = frame.collect().await.map_err(|error| error.to_string())?;
    let text = pretty_format_batches(&batches)
        .map_err(|error| error.to_string())?
        .to_string();
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| line.starts_with('|'))
        .skip(1)
        .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>().join("|"))
        .collect();
    lines.sort();
    Ok(lines)
}

/// The text of a query's plan once it ran.
async fn analyzed(context: &SessionContext, sql: &str) -> String {
    rows(context, &format!("EXPLAIN ANALYZE {sql}"))
        .await
        .unwrap()
        .join("\n")
}

fn field(name: &str, kind: DataType, unit: &str, ucd: &str) -> Field {
    let entries = [("unit", unit), ("ucd", ucd), ("description", name)];
    let metadata = entries
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
    Field::new(name, kind, true).with_metadata(metadata.collect())
}

/// Stars along a spiral over the whole sky, with NULLs, identifiers beyond 2^53 and a name with all that text makes hard.
fn stars(count: i64) -> RecordBatch {
    let schema = Schema::new(vec![
        field("id", DataType::Int64, "", "meta.id;meta.main"),
        field("ra", DataType::Float64, "deg", "pos.eq.ra;meta.main"),
        field("dec", DataType::Float64, "deg", "pos.eq.dec;meta.main"),
        field("mag", DataType::Float32, "mag", "phot.mag"),
        field("seen", DataType::Int16, "", ""),
        field("variable", DataType::Boolean, "", ""),
        field("name", DataType::Utf8, "", "meta.id"),
    ]);
    let every = |n: i64, star: i64| star % n != 0;
    let spiral = |star: i64| (star as f64 + 0.5) / count as f64;
    let names = [
        "plain",
        "with, comma",
        "with \"quotes\"",
        "two\nlines",
        "Ångström",
        "12",
    ];
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(
            (0..count).map(|star| 1_234_567_890_123_456_789 + star),
        )),
        Arc::new(Float64Array::from_iter_values(
            (0..count).map(|star| (spiral(star) * 360.0 * 19.0) % 360.0),
        )),
        Arc::new(Float64Array::from_iter_values(
            (0..count).map(|star| (2.0 * spiral(star) - 1.0).asin().to_degrees()),
        )),
        Arc::new(
            (0..count)
                .map(|star| every(7, star).then_some(star as f32 / 8.0))
                .collect::<Float32Array>(),
        ),
        Arc::new(
            (0..count)
                .map(|star| every(5, star).then_some((star % 1000) as i16))
                .collect::<Int16Array>(),
        ),
        Arc::new(
            (0..count)
                .map(|star| every(11, star).then_some(star % 2 == 0))
                .collect::<BooleanArray>(),
        ),
        Arc::new(
            (0..count)
                .map(|star| every(3, star).then_some(names[usize::try_from(star % 6).unwrap()]))
                .collect::<StringArray>(),
        ),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

/// A session in which `oracle` has the rows in memory.
fn with_oracle(rows: &RecordBatch) -> SessionContext {
    let context = session();
    let table = MemTable::try_new(rows.schema(), vec![vec![rows.clone()]]).unwrap();
    context.register_table("oracle", Arc::new(table)).unwrap();
    context
}

async fn register(context: &SessionContext, name: &str, path: &Path) -> Result<(), String> {
    let table = crate::open_path(&context.state(), path.to_str().unwrap()).await;
    let table = table.map_err(|error| error.to_string())?;
    context.deregister_table(name).unwrap();
    context.register_table(name, table).unwrap();
    Ok(())
}

fn parquet(rows: &RecordBatch, group_rows: usize) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(group_rows))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(properties)).unwrap();
    writer.write(rows).unwrap();
    writer.into_inner().unwrap()
}

fn csv(rows: &RecordBatch, delimiter: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = WriterBuilder::new().with_delimiter(delimiter).build(&mut bytes);
    writer.write(rows).unwrap();
    drop(writer);
    bytes
}

fn arrow_file(rows: &RecordBatch) -> Vec<u8> {
    let mut writer = FileWriter::try_new(Vec::new(), &rows.schema()).unwrap();
    for start in (0..rows.num_rows()).step_by(300) {
        writer
            .write(&rows.slice(start, 300.min(rows.num_rows() - start)))
            .unwrap();
    }
    writer.into_inner().unwrap()
}

fn arrow_stream(rows: &RecordBatch) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &rows.schema()).unwrap();
    writer.write(rows).unwrap();
    writer.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// A FITS file with one binary table: the numbers of `rows`, whose NULLs become NaN, and its texts in 20 bytes.
fn fits(rows: &RecordBatch) -> Vec<u8> {
    use datafusion::arrow::array::{Array, AsArray};
    use datafusion::arrow::datatypes::{Float32Type, Float64Type, Int64Type};
    let mut cards = Vec::new();
    let mut cells: Vec<Box<dyn Fn(usize) -> Vec<u8>>> = Vec::new();
    let mut width = 0;
    for (column, field) in rows.columns().iter().zip(rows.schema().fields()) {
        let column = Arc::clone(column);
        let (form, size): (&str, usize) = match column.data_type() {
            DataType::Int64 => ("K", 8),
            DataType::Float64 => ("D", 8),
            DataType::Float32 => ("E", 4),
            DataType::Utf8 => ("20A", 20),
            _ => continue,
        };
        width += size;
        cells.push(Box::new(move |row| match column.data_type() {
            DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_be_bytes().to_vec(),
            DataType::Float64 => column.as_primitive::<Float64Type>().value(row).to_be_bytes().to_vec(),
            DataType::Float32 if column.is_null(row) => f32::NAN.to_be_bytes().to_vec(),
            DataType::Float32 => column.as_primitive::<Float32Type>().value(row).to_be_bytes().to_vec(),
            _ if column.is_null(row) => vec![0; 20],
            _ => {
                let mut text = column.as_string::<i32>().value(row).as_bytes().to_vec();
                text.resize(20, 0);
                text
            }
        }));
        let number = cells.len();
        cards.push(format!("TTYPE{number:<3}= '{}'", field.name()));
        cards.push(format!("TFORM{number:<3}= '{form}'"));
        if let Some(unit) = field.metadata().get("unit") {
            cards.push(format!("TUNIT{number:<3}= '{unit}'"));
        }
    }
    let primary = [
        "SIMPLE  =                    T",
        "BITPIX  =                    8",
        "NAXIS   =                    0",
        "END",
    ];
    let mut table: Vec<String> = vec![
        "XTENSION= 'BINTABLE'".to_owned(),
        format!("BITPIX  = {:>20}", 8),
        format!("NAXIS   = {:>20}", 2),
        format!("NAXIS1  = {width:>20}"),
        format!("NAXIS2  = {:>20}", rows.num_rows()),
        format!("PCOUNT  = {:>20}", 0),
        format!("GCOUNT  = {:>20}", 1),
        format!("TFIELDS = {:>20}", cells.len()),
    ];
    table.extend(cards);
    table.push("END".to_owned());
    let mut bytes = Vec::new();
    let block = |bytes: &mut Vec<u8>, fill: u8| bytes.resize(bytes.len().div_ceil(2880) * 2880, fill);
    primary
        .iter()
        .for_each(|card| bytes.extend(format!("{card:<80}").bytes()));
    block(&mut bytes, b' ');
    table
        .iter()
        .for_each(|card| bytes.extend(format!("{card:<80}").bytes()));
    block(&mut bytes, b' ');
    (0..rows.num_rows()).for_each(|row| cells.iter().for_each(|cell| bytes.extend(cell(row))));
    block(&mut bytes, 0);
    bytes
}

fn votable(rows: &RecordBatch, serialization: Serialization) -> Vec<u8> {
    let mut writer = VotableWriter::new(Vec::new(), rows.schema(), serialization, Some("stars"), None);
    writer.write(rows).unwrap();
    writer.finish().unwrap()
}

/// Identifiers, positions and names as ECSV.
fn ecsv(rows: &RecordBatch) -> Vec<u8> {
    let mut text = "# %ECSV 1.0\n# ---\n# datatype:\n".to_owned();
    for (name, kind, unit) in [
        ("id", "int64", ""),
        ("ra", "float64", "deg"),
        ("dec", "float64", "deg"),
        ("name", "string", ""),
    ] {
        let unit = if unit.is_empty() {
            String::new()
        } else {
            format!(", unit: {unit}")
        };
        text.push_str(&format!("# - {{name: {name}{unit}, datatype: {kind}}}\n"));
    }
    text.push_str("# delimiter: ','\n# schema: astropy-2.0\n");
    let body = csv(&rows.project(&[0, 1, 2, 6]).unwrap(), b',');
    [text.into_bytes(), body].concat()
}
