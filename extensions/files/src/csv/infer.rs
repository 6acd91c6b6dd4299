//! The types of columns, from some of the rows: those at the beginning, and where a file lies open, a few from its middle
//! and its end.

use std::collections::HashMap;
use std::io::{Read, SeekFrom};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::Dialect;
use super::chunks::{Chunk, Chunks, ReadFault};
use super::evidence::Evidence;
use super::head::Head;
use super::records::Records;
use crate::error::{FilesError, Result};
use crate::object::Source;

/// Bytes that are looked at in the middle of a file, and at its end.
const ELSEWHERE: u64 = 128 << 10;

/// How much of a file to look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) rows: usize,
    pub(crate) bytes: u64,
}

/// What some rows of a file say.
#[derive(Debug)]
pub(crate) struct Sample {
    names: Vec<String>,
    evidence: Vec<Evidence>,
}

/// Looks at a file. `seekable`: other places than the beginning are had at no cost.
pub(crate) fn sample(
    mut source: Box<dyn Source>,
    seekable: Option<u64>,
    dialect: &Dialect,
    effort: Effort,
) -> Result<Sample, ReadFault> {
    let (mut sample, looked_at) = beginning(&mut source, dialect, effort)?;
    let size = seekable.unwrap_or(0);
    if size > looked_at.saturating_add(2 * ELSEWHERE) {
        for start in [size / 2, size - ELSEWHERE] {
            source.seek(SeekFrom::Start(start)).map_err(ReadFault::Io)?;
            let mut bytes = Vec::new();
            (&mut source)
                .take(ELSEWHERE)
                .read_to_end(&mut bytes)
                .map_err(ReadFault::Io)?;
            sample.elsewhere(bytes, start + ELSEWHERE >= size, dialect);
        }
    }
    Ok(sample)
}

/// What the first rows say, and how many bytes hold them.
fn beginning(source: &mut dyn Source, dialect: &Dialect, effort: Effort) -> Result<(Sample, u64), ReadFault> {
    let mut chunks = Chunks::new(source, dialect);
    let first = chunks.next_chunk()?.unwrap_or(Chunk {
        bytes: Vec::new(),
        line: 1,
    });
    let head = Head::of(&first, dialect).map_err(ReadFault::Text)?;
    let mut sample = Sample {
        evidence: vec![Evidence::default(); head.names.len()],
        names: head.names,
    };
    let mut chunk = first.without(head.bytes);
    let (mut rows, mut bytes) = (0, 0);
    loop {
        bytes += chunk.bytes.len() as u64;
        let records = Records::read(&chunk, dialect, sample.names.len()).map_err(ReadFault::Text)?;
        let taken = records.len().min(effort.rows - rows);
        sample.add(&records, taken, dialect);
        rows += taken;
        if rows >= effort.rows || bytes >= effort.bytes {
            return Ok((sample, bytes));
        }
        match chunks.next_chunk()? {
            Some(next) => chunk = next,
            None => return Ok((sample, bytes)),
        }
    }
}

impl Sample {
    fn add(&mut self, records: &Records<'_>, rows: usize, dialect: &Dialect) {
        for (column, evidence) in self.evidence.iter_mut().enumerate() {
            for record in 0..rows {
                if evidence.is_text() {
                    break;
                }
                let value = records.field(record, column).trim();
                if !dialect.is_null(value) {
                    *evidence |= Evidence::of(value);
                }
            }
        }
    }

    /// Whole lines from anywhere in the file; only where no quotes could make them something else than records, and
    /// silently: what is wrong there is told when it is read.
    fn elsewhere(&mut self, bytes: Vec<u8>, to_the_end: bool, dialect: &Dialect) {
        let line_ends = |byte: &u8| *byte == b'\n';
        let Some(start) = bytes.iter().position(line_ends) else {
            return;
        };
        let end = if to_the_end {
            bytes.len()
        } else {
            bytes.iter().rposition(line_ends).map_or(start, |at| at + 1)
        };
        if bytes.contains(&dialect.quote) || start + 1 >= end {
            return;
        }
        let chunk = Chunk {
            bytes: bytes[start + 1..end].to_vec(),
            line: 1,
        };
        if let Ok(records) = Records::read(&chunk, dialect, self.names.len()) {
            self.add(&records, records.len(), dialect);
        }
    }
}

/// The columns of a table over files with these samples, by name, all nullable. `declared` types come before any
/// evidence.
///
/// # Errors
/// A declared column is in no file.
pub(crate) fn column_types<'a>(
    samples: impl IntoIterator<Item = &'a Sample>,
    declared: &HashMap<String, DataType>,
) -> Result<SchemaRef> {
    let mut names: Vec<&str> = Vec::new();
    let mut seen: HashMap<&str, Evidence> = HashMap::new();
    for sample in samples {
        for (name, evidence) in sample.names.iter().zip(&sample.evidence) {
            let known = seen.entry(name).or_insert_with(|| {
                names.push(name);
                Evidence::default()
            });
            *known |= *evidence;
        }
    }
    let mut missing: Vec<&str> = declared
        .keys()
        .map(String::as_str)
        .filter(|name| !seen.contains_key(name))
        .collect();
    missing.sort_unstable();
    if !missing.is_empty() {
        let fault = format!(
            "no file has a column {}; there are {}",
            missing.join(", "),
            names.join(", ")
        );
        return Err(FilesError::option("types", fault));
    }
    let fields = names.into_iter().map(|name| {
        let evidence = seen.get(name).copied().unwrap_or_default();
        let data_type = declared.get(name).cloned().unwrap_or_else(|| evidence.data_type());
        Field::new(name, data_type, true)
    });
    Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
}

impl Chunk {
    /// The chunk without its first bytes, which are whole lines.
    pub(super) fn without(mut self, bytes: usize) -> Self {
        let rest = self.bytes.split_off(bytes);
        Self {
            line: self.line + super::chunks::lines(&self.bytes),
            bytes: rest,
        }
    }
}
