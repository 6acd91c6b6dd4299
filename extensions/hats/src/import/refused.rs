//! Rows without a usable position: counted, the first one kept for the error, or all of them written to a file.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::csv;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::util::display::array_value_to_string;
use parquet::arrow::ArrowWriter;

use super::options::{BadRows, fault};
use crate::error::{HatsError, Result};

/// Columns of the first bad row that an error shows.
const SHOWN_COLUMNS: usize = 8;

/// The rows that cannot be imported.
pub(crate) struct Refused {
    pub(crate) count: u64,
    /// The first of them, as `column=value` words.
    pub(crate) example: Option<String>,
    aside: Option<Aside>,
}

impl Refused {
    pub(crate) fn new(policy: &BadRows, schema: &SchemaRef) -> Result<Self> {
        let aside = match policy {
            BadRows::Refuse => None,
            BadRows::Aside(path) => Some(Aside::create(path, schema)?),
        };
        Ok(Self {
            count: 0,
            example: None,
            aside,
        })
    }

    /// Takes rows; `position` are their position columns, which the example names first.
    pub(crate) fn add(&mut self, rows: &RecordBatch, position: (usize, usize)) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        self.count += rows.num_rows() as u64;
        if self.example.is_none() {
            self.example = Some(example(rows, position));
        }
        match &mut self.aside {
            Some(aside) => aside.write(rows),
            None => Ok(()),
        }
    }

    /// Ends the file, which then stands under its name.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.aside.take().map_or(Ok(()), Aside::finish)
    }
}

fn example(rows: &RecordBatch, (lon, lat): (usize, usize)) -> String {
    let others = (0..rows.num_columns()).filter(|at| *at != lon && *at != lat);
    let shown: Vec<usize> = [lon, lat].into_iter().chain(others).take(SHOWN_COLUMNS).collect();
    let word = |at: &usize| {
        let column = rows.column(*at);
        let value = match column.is_null(0) {
            true => "NULL".to_owned(),
            false => array_value_to_string(column, 0).unwrap_or_else(|_| "?".to_owned()),
        };
        let short: String = value.chars().take(40).collect();
        format!("{}={short}", rows.schema_ref().field(*at).name())
    };
    let mut words: Vec<String> = shown.iter().map(word).collect();
    if shown.len() < rows.num_columns() {
        words.push("…".to_owned());
    }
    words.join(" ")
}

/// A file that grows under a hidden name.
struct Aside {
    path: PathBuf,
    hidden: PathBuf,
    writer: Option<Writer>,
}

enum Writer {
    Csv(Box<csv::Writer<File>>),
    Parquet(Box<ArrowWriter<File>>),
}

impl Aside {
    fn create(path: &Path, schema: &SchemaRef) -> Result<Self> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let Some(name) = name else {
            return Err(fault("bad_rows", format!("must name a file, got {}", path.display())));
        };
        let hidden = path.with_file_name(format!(".{name}.part"));
        let is_csv = name.to_ascii_lowercase().ends_with(".csv");
        if let Some(field) = schema
            .fields()
            .iter()
            .find(|field| is_csv && field.data_type().is_nested())
        {
            let told = format!(
                "must end in .parquet: a CSV file cannot hold the lists of column {}",
                field.name()
            );
            return Err(fault("bad_rows", told));
        }
        let file = File::create(&hidden).map_err(|error| HatsError::io(&hidden, error))?;
        let mut aside = Self {
            path: path.to_owned(),
            hidden,
            writer: None,
        };
        aside.writer = Some(match is_csv {
            true => {
                let mut writer = csv::Writer::new(file);
                writer.write(&RecordBatch::new_empty(schema.clone())).map_err(engine)?;
                Writer::Csv(Box::new(writer))
            }
            false => Writer::Parquet(Box::new(ArrowWriter::try_new(file, schema.clone(), None)?)),
        });
        Ok(aside)
    }

    fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        match &mut self.writer {
            Some(Writer::Csv(writer)) => writer.write(rows).map_err(engine),
            Some(Writer::Parquet(writer)) => Ok(writer.write(rows)?),
            None => Ok(()),
        }
    }

    fn finish(mut self) -> Result<()> {
        let file = match self.writer.take() {
            Some(Writer::Csv(writer)) => writer.into_inner(),
            Some(Writer::Parquet(writer)) => writer.into_inner()?,
            None => return Ok(()),
        };
        let done = file.sync_all().and_then(|()| fs::rename(&self.hidden, &self.path));
        done.map_err(|error| HatsError::io(&self.path, error))
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // Once renamed it is no longer there under this name.
        let _ = fs::remove_file(&self.hidden);
    }
}

fn engine(error: datafusion::arrow::error::ArrowError) -> HatsError {
    HatsError::Engine(error.into())
}
