//! A text cut into pieces between records, so that each can be decoded by itself. Knows quotes and line ends, no
//! fields.

use std::io::{self, Read};

use super::{Dialect, LineFault};

/// Bytes of a chunk, unless a record is longer.
const CHUNK: usize = 2 << 20;

/// No record is longer than this. A quote that nobody closes would otherwise draw the whole file into memory.
const LONGEST_RECORD: usize = 32 << 20;

/// Whole records of a text.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) bytes: Vec<u8>,
    /// The line on which it begins, from 1.
    pub(crate) line: u64,
}

/// Why a text cannot be read on.
#[derive(Debug)]
pub(crate) enum ReadFault {
    Io(io::Error),
    Text(LineFault),
}

/// Cuts what `source` gives.
pub(crate) struct Chunks<'a, R> {
    source: R,
    dialect: &'a Dialect,
    size: usize,
    /// What was read behind the last whole record.
    carry: Vec<u8>,
    line: u64,
    at_end: bool,
}

impl<'a, R: Read> Chunks<'a, R> {
    pub(crate) fn new(source: R, dialect: &'a Dialect) -> Self {
        Self {
            source,
            dialect,
            size: CHUNK,
            carry: Vec::new(),
            line: 1,
            at_end: false,
        }
    }

    #[cfg(test)]
    pub(super) fn of_size(self, size: usize) -> Self {
        Self { size, ..self }
    }

    /// The next chunk, never an empty one.
    pub(crate) fn next_chunk(&mut self) -> Result<Option<Chunk>, ReadFault> {
        let mut bytes = std::mem::take(&mut self.carry);
        loop {
            if !self.at_end {
                let wanted = self.size as u64;
                let got = (&mut self.source).take(wanted).read_to_end(&mut bytes);
                self.at_end = (got.map_err(ReadFault::Io)? as u64) < wanted;
            }
            let (end, open) = ends(&bytes, self.dialect);
            if self.at_end {
                if let Some(at) = open {
                    return Err(self.unclosed(&bytes[..at], "is never closed"));
                }
                return Ok((!bytes.is_empty()).then(|| self.cut(bytes)));
            }
            if end > 0 {
                self.carry = bytes.split_off(end);
                return Ok(Some(self.cut(bytes)));
            }
            if bytes.len() > LONGEST_RECORD {
                let fault = format!("does not end within {} MiB", LONGEST_RECORD >> 20);
                return Err(self.unclosed(&bytes[..open.unwrap_or(0)], &fault));
            }
        }
    }

    fn cut(&mut self, bytes: Vec<u8>) -> Chunk {
        let line = self.line;
        self.line += lines(&bytes);
        Chunk { bytes, line }
    }

    fn unclosed(&self, before: &[u8], fault: &str) -> ReadFault {
        ReadFault::Text(LineFault {
            line: self.line + lines(before),
            fault: format!("a record or quoted value that begins here {fault}"),
        })
    }
}

/// Line ends in `bytes`.
pub(super) fn lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[derive(Clone, Copy, PartialEq)]
enum At {
    RecordStart,
    FieldStart,
    Field,
    Quoted,
    /// Behind a quote within a quoted value: its end, or the first of two that mean one.
    Quote,
    Comment,
}

/// Where the last whole record ends, and where the quoted value begins that is open at the end, if one is. `bytes` begins
/// with a record.
fn ends(bytes: &[u8], dialect: &Dialect) -> (usize, Option<usize>) {
    if !bytes.contains(&dialect.quote) {
        let end = bytes.iter().rposition(|byte| *byte == b'\n');
        return (end.map_or(0, |at| at + 1), None);
    }
    let (mut at, mut end, mut opened) = (At::RecordStart, 0, 0);
    for (index, byte) in bytes.iter().copied().enumerate() {
        at = match (at, byte) {
            (At::Quoted, byte) if byte == dialect.quote => At::Quote,
            (At::Quoted, _) => At::Quoted,
            (_, b'\n') => {
                end = index + 1;
                At::RecordStart
            }
            (At::Comment, _) => At::Comment,
            (_, b'\r') => At::RecordStart,
            (At::Quote, byte) if byte == dialect.quote => At::Quoted,
            (At::RecordStart, byte) if dialect.comment == Some(byte) => At::Comment,
            (At::RecordStart | At::FieldStart, byte) if byte == dialect.quote => {
                opened = index;
                At::Quoted
            }
            (_, byte) if byte == dialect.delimiter => At::FieldStart,
            _ => At::Field,
        };
    }
    (end, (at == At::Quoted).then_some(opened))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::FileFormat;
    use crate::options::FileOptions;

    fn chunks(text: &str, size: usize) -> Result<Vec<(String, u64)>, String> {
        let dialect = Dialect::of(FileFormat::Csv, &FileOptions::default());
        let mut chunks = Chunks::new(text.as_bytes(), &dialect).of_size(size);
        let mut all = Vec::new();
        loop {
            match chunks.next_chunk() {
                Ok(Some(chunk)) => all.push((String::from_utf8(chunk.bytes).unwrap(), chunk.line)),
                Ok(None) => return Ok(all),
                Err(ReadFault::Text(fault)) => return Err(fault.to_string()),
                Err(ReadFault::Io(error)) => return Err(error.to_string()),
            }
        }
    }

    #[test]
    fn cuts_lie_between_records() {
        let text = "a,b\n1,\"x\ny\"\n2,5\" tube\n3,\"a \"\"b\"\"\n\"\n4,z";
        for size in 1..text.len() + 2 {
            let chunks = chunks(text, size).unwrap();
            let joined: String = chunks.iter().map(|(text, _)| text.as_str()).collect();
            assert_eq!(joined, text);
            let mut line = 1;
            for (chunk, first) in &chunks {
                assert_eq!(*first, line, "size {size}");
                line += lines(chunk.as_bytes());
                assert!(
                    !chunk.starts_with("y\"") && !chunk.starts_with('"'),
                    "size {size}: {chunk}"
                );
            }
        }
        assert!(chunks("", 4).unwrap().is_empty());
    }

    #[test]
    fn an_open_quote_is_told_with_its_line() {
        let error = chunks("a,b\n1,2\n3,\"x\ny\nz\n", 4).unwrap_err();
        assert!(error.starts_with("line 3:"), "{error}");
    }
}
