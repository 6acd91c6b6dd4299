//! What a file beside the data says of its columns: units, UCDs, descriptions.
//!
//! ```toml
//! [ra]
//! unit = "deg"
//! ucd = "pos.eq.ra;meta.main"
//! description = "Right ascension, ICRS"
//! ```
//!
//! or the same as CSV with the columns `name`, `unit`, `ucd`, `description` and whatever else.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::csv::ReaderBuilder;
use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, Schema};

use crate::{Error, ErrorKind, Result};

type Columns = BTreeMap<String, HashMap<String, String>>;

/// Reads the file, as CSV if its name ends in `.csv`, else as TOML.
///
/// # Errors
/// It cannot be read or understood.
pub(super) fn read(file: &Path) -> Result<Columns> {
    let fault = |kind, fault: &dyn std::fmt::Display| Error::new(kind, format!("{}: {fault}", file.display()));
    let text = fs::read_to_string(file).map_err(|error| fault(ErrorKind::Io, &error))?;
    let is_csv = file
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    match is_csv {
        true => of_csv(&text).map_err(|error| fault(ErrorKind::InvalidParameter, &error)),
        false => toml::from_str(&text).map_err(|error| fault(ErrorKind::InvalidParameter, &error.message())),
    }
}

fn of_csv(text: &str) -> Result<Columns, arrow::error::ArrowError> {
    let format = Format::default().with_header(true);
    let (named, _) = format.infer_schema(text.as_bytes(), Some(1))?;
    if named.index_of("name").is_err() {
        let told = "its first line must name the columns name, unit, ucd, description";
        return Err(arrow::error::ArrowError::CsvError(told.to_owned()));
    }
    let texts = named
        .fields()
        .iter()
        .map(|field| Field::new(field.name(), DataType::Utf8, true));
    let schema = Arc::new(Schema::new(texts.collect::<Vec<_>>()));
    let mut columns = Columns::new();
    for batch in ReaderBuilder::new(Arc::clone(&schema))
        .with_format(format)
        .build(text.as_bytes())?
    {
        let batch = batch?;
        for row in 0..batch.num_rows() {
            let mut said: HashMap<String, String> = HashMap::new();
            for (field, column) in schema.fields().iter().zip(batch.columns()) {
                let column = column.as_string::<i32>();
                if column.is_valid(row) && !column.value(row).trim().is_empty() {
                    said.insert(field.name().clone(), column.value(row).trim().to_owned());
                }
            }
            if let Some(name) = said.remove("name") {
                columns.insert(name, said);
            }
        }
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_and_csv_say_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let toml = folder.path().join("columns.toml");
        fs::write(
            &toml,
            "[ra]\nunit = \"deg\"\ndescription = \"a, b\"\n[mag]\nucd = \"phot.mag\"\n",
        )
        .unwrap();
        let csv = folder.path().join("columns.csv");
        fs::write(&csv, "name,unit,ucd,description\nra,deg,,\"a, b\"\nmag,,phot.mag,\n").unwrap();
        let columns = read(&toml).unwrap();
        assert_eq!(columns["ra"]["unit"], "deg");
        assert_eq!(columns["ra"]["description"], "a, b");
        assert_eq!(columns, read(&csv).unwrap());
    }

    #[test]
    fn a_file_that_is_neither_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("x.toml", "ra ="),
            ("x.csv", "column,unit\nra,deg\n"),
            ("y.toml", "ra = 1"),
        ] {
            let file = folder.path().join(name);
            fs::write(&file, text).unwrap();
            let told = read(&file).unwrap_err().to_string();
            assert!(told.contains(name), "{told}");
        }
    }
}
