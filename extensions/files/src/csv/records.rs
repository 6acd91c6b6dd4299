//! The fields of one chunk.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::chunks::{Chunk, lines};
use super::{Dialect, LineFault};

/// The fields of whole records, unquoted.
pub(crate) struct Records<'a> {
    chunk: &'a Chunk,
    dialect: &'a Dialect,
    text: String,
    /// Where each field ends within `text`, record after record.
    ends: Vec<usize>,
    columns: usize,
}

impl<'a> Records<'a> {
    /// Reads a chunk whose records all must have `columns` fields; at least one.
    pub(crate) fn read(chunk: &'a Chunk, dialect: &'a Dialect, columns: usize) -> Result<Self, LineFault> {
        let fault = |record, fault: String| LineFault {
            line: line_of(chunk, dialect, record),
            fault,
        };
        let mut reader = reader(dialect);
        let mut fields = Fields::new(chunk.bytes.len());
        let mut rest = chunk.bytes.as_slice();
        let mut record = 0;
        while fields.next(&mut reader, &mut rest) {
            let found = fields.ends.len() - record * columns;
            if found != columns {
                let (s, has) = (if found == 1 { "" } else { "s" }, columns);
                return Err(fault(
                    record,
                    format!("{found} field{s}, where the first line has {has}"),
                ));
            }
            record += 1;
        }
        let text = String::from_utf8(fields.bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let record = fields.ends.partition_point(|end| *end <= at) / columns.max(1);
            fault(record, "bytes that are not UTF-8; convert the file to UTF-8".to_owned())
        })?;
        Ok(Self {
            chunk,
            dialect,
            text,
            ends: fields.ends,
            columns,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len() / self.columns.max(1)
    }

    /// A field as it stands in the text. A character that is spread over two fields is the end of neither: empty.
    pub(crate) fn field(&self, record: usize, column: usize) -> &str {
        let at = record * self.columns + column;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text.get(start..self.ends[at]).unwrap_or_default()
    }

    pub(crate) fn fault(&self, record: usize, fault: String) -> LineFault {
        LineFault {
            line: line_of(self.chunk, self.dialect, record),
            fault,
        }
    }
}

/// The fields of the first record in `bytes`, and how many bytes it and what stands before it take. `None`: there is
/// none.
pub(super) fn first_record(bytes: &[u8], dialect: &Dialect) -> Option<(Vec<String>, usize)> {
    let mut reader = reader(dialect);
    let mut fields = Fields::new(bytes.len());
    let mut rest = bytes;
    if !fields.next(&mut reader, &mut rest) {
        return None;
    }
    let mut start = 0;
    let names = fields.ends.iter().map(|end| {
        let field = String::from_utf8_lossy(&fields.bytes[start..*end]).into_owned();
        start = *end;
        field
    });
    let names = names.collect();
    let mut taken = bytes.len() - rest.len();
    // The second half of a line end.
    if bytes[..taken].ends_with(b"\r") && bytes.get(taken) == Some(&b'\n') {
        taken += 1;
    }
    Some((names, taken))
}

fn reader(dialect: &Dialect) -> Reader {
    ReaderBuilder::new()
        .delimiter(dialect.delimiter)
        .quote(dialect.quote)
        .comment(dialect.comment)
        .build()
}

struct Fields {
    /// Bytes of all fields, without what stands between them.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    room: Vec<u8>,
    end_room: Vec<usize>,
}

impl Fields {
    /// For texts of at most `bytes` bytes.
    fn new(bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            ends: Vec::new(),
            room: vec![0; 64 << 10],
            end_room: vec![0; 1 << 10],
        }
    }

    /// Reads one record from `rest`; `false`: there is none any more.
    fn next(&mut self, reader: &mut Reader, rest: &mut &[u8]) -> bool {
        let base = self.bytes.len();
        loop {
            // An empty input means the end to the reader, which then closes the last record.
            let (result, read, written, ends) = reader.read_record(rest, &mut self.room, &mut self.end_room);
            *rest = rest.get(read..).unwrap_or_default();
            self.bytes.extend_from_slice(&self.room[..written]);
            self.ends.extend(self.end_room[..ends].iter().map(|end| base + end));
            match result {
                ReadRecordResult::Record => return true,
                ReadRecordResult::End => return false,
                ReadRecordResult::InputEmpty | ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {}
            }
        }
    }
}

/// The line on which a record of the chunk begins. Reads the chunk again: for faults only.
fn line_of(chunk: &Chunk, dialect: &Dialect, record: usize) -> u64 {
    let mut reader = reader(dialect);
    let mut fields = Fields::new(0);
    let mut rest = chunk.bytes.as_slice();
    for _ in 0..record {
        if !fields.next(&mut reader, &mut rest) {
            break;
        }
        fields.bytes.clear();
        fields.ends.clear();
    }
    let read = chunk.bytes.len() - rest.len();
    let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    chunk.line + lines(&chunk.bytes[..read + blank])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::FileFormat;
    use crate::options::FileOptions;

    fn dialect() -> Dialect {
        Dialect::of(FileFormat::Csv, &FileOptions::default())
    }

    fn chunk(text: &[u8]) -> Chunk {
        let bytes = text.to_vec();
        Chunk { bytes, line: 10 }
    }

    #[test]
    fn fields_are_unquoted() {
        let (chunk, dialect) = (chunk(b"1,\"a,\"\"b\"\"\nc\",\r\n\r\n2,,x"), dialect());
        let records = Records::read(&chunk, &dialect, 3).unwrap();
        let fields: Vec<_> = (0..records.len())
            .flat_map(|record| (0..3).map(move |column| (record, column)))
            .map(|(record, column)| records.field(record, column))
            .collect();
        assert_eq!(fields, ["1", "a,\"b\"\nc", "", "2", "", "x"]);
    }

    #[test]
    fn faults_name_the_line() {
        let fault = |text: &[u8]| Records::read(&chunk(text), &dialect(), 2).err().unwrap();
        assert_eq!(fault(b"1,2\r\n\"x\ny\",3\r\n4\r\n").line, 13);
        assert_eq!(fault(b"1,2\n3,4,5\n").line, 11);
        assert_eq!(fault(b"1,2\n\n\n3,\xff\n").line, 13);
    }

    #[test]
    fn a_wide_record_is_counted_whole() {
        let wide = vec!["7"; 5000].join(",");
        let (names, taken) = first_record(wide.as_bytes(), &dialect()).unwrap();
        assert_eq!((names.len(), taken), (5000, wide.len()));
    }
}
