//! Rows in PostgreSQL's binary format: a signature, then for each row a count and values with their lengths.

use bytes::Buf;

use super::columns::Columns;
use crate::{Error, ErrorKind, Result};

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// Longest row, in bytes.
const LONGEST: usize = 256 << 20;

/// Reads binary.
pub(super) struct BinaryReader {
    bytes: Vec<u8>,
    begun: bool,
    over: bool,
    row: u64,
    columns: Columns,
}

/// A fault of the format.
fn bad(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::BadCopy, message)
}

impl BinaryReader {
    pub(super) fn new(columns: Columns) -> Self {
        Self {
            bytes: Vec::new(),
            begun: false,
            over: false,
            row: 0,
            columns,
        }
    }

    pub(super) fn columns(&mut self) -> &mut Columns {
        &mut self.columns
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<()> {
        if self.over && !bytes.is_empty() {
            return Err(self.within(bad("received copy data after EOF marker")));
        }
        if self.bytes.len() + bytes.len() > LONGEST {
            let message = format!("a row is longer than {LONGEST} bytes");
            return Err(self.within(Error::new(ErrorKind::LimitExceeded, message)));
        }
        let mut held = std::mem::take(&mut self.bytes);
        held.extend_from_slice(bytes);
        let mut rest = held.as_slice();
        if !self.begun {
            self.begun = Self::head(&mut rest)?;
        }
        while self.begun && !self.over {
            let mut ahead = rest;
            if self.take_row(&mut ahead)?.is_none() {
                break;
            }
            rest = ahead;
        }
        if self.over && !rest.is_empty() {
            return Err(self.within(bad("received copy data after EOF marker")));
        }
        let read = held.len() - rest.len();
        held.drain(..read);
        self.bytes = held;
        Ok(())
    }

    pub(super) fn finish(&mut self) -> Result<()> {
        if !self.begun {
            return Err(bad("COPY file signature not recognized"));
        }
        // PostgreSQL takes half a count for none.
        let Some(row) = self.bytes.get(2..) else {
            return Ok(());
        };
        self.row += 1;
        let at = self.cut_off(row)?.unwrap_or(0);
        Err(self.in_column(bad("unexpected EOF in COPY data"), at))
    }

    /// The head, if all of it is there.
    fn head(bytes: &mut &[u8]) -> Result<bool> {
        let known = bytes.len().min(SIGNATURE.len());
        if bytes.get(..known) != SIGNATURE.get(..known) {
            return Err(bad("COPY file signature not recognized"));
        }
        let Some(mut rest) = bytes.get(SIGNATURE.len()..) else {
            return Ok(false);
        };
        let (Ok(flags), Ok(more)) = (rest.try_get_u32(), rest.try_get_i32()) else {
            return Ok(false);
        };
        if flags & (1 << 16) != 0 {
            return Err(bad("invalid COPY file header (WITH OIDS)"));
        }
        if flags >> 16 != 0 {
            return Err(bad("unrecognized critical flags in COPY file header"));
        }
        let Ok(more) = usize::try_from(more) else {
            return Err(bad("invalid COPY file header (missing length)"));
        };
        match rest.get(more..) {
            None => Ok(false),
            Some(rest) => {
                *bytes = rest;
                Ok(true)
            }
        }
    }

    /// One row, if all of it is there.
    fn take_row(&mut self, bytes: &mut &[u8]) -> Result<Option<()>> {
        let Ok(count) = bytes.try_get_i16() else {
            return Ok(None);
        };
        self.row += 1;
        if count == -1 {
            self.over = true;
            return Ok(Some(()));
        }
        let needed = self.columns.len();
        if usize::try_from(count) != Ok(needed) {
            return Err(self.within(bad(format!("row field count is {count}, expected {needed}"))));
        }
        if self.cut_off(bytes)?.is_some() {
            self.row -= 1;
            return Ok(None);
        }
        for at in 0..needed {
            let value = usize::try_from(bytes.try_get_i32().unwrap_or(-1)).ok();
            let value = value.and_then(|length| bytes.split_off(..length));
            if value.is_none()
                && let Some(fault) = self.columns.null_fault(at)
            {
                return Err(self.within(fault));
            }
            if let Err(error) = self.columns.binary(at, value) {
                return Err(self.in_column(error, at));
            }
        }
        self.columns.end_row();
        Ok(Some(()))
    }

    /// The column in which the bytes of a row end too early.
    fn cut_off(&self, mut bytes: &[u8]) -> Result<Option<usize>> {
        for at in 0..self.columns.len() {
            let Ok(length) = bytes.try_get_i32() else {
                return Ok(Some(at));
            };
            match usize::try_from(length) {
                Ok(length) if length > LONGEST => {
                    let message = format!("a value is longer than {LONGEST} bytes");
                    return Err(self.in_column(Error::new(ErrorKind::LimitExceeded, message), at));
                }
                Ok(length) => match bytes.get(length..) {
                    Some(rest) => bytes = rest,
                    None => return Ok(Some(at)),
                },
                Err(_) if length == -1 => {}
                Err(_) => return Err(self.in_column(bad("invalid field size"), at)),
            }
        }
        Ok(None)
    }

    fn place(&self) -> String {
        format!("COPY {}, line {}", self.columns.table, self.row)
    }

    fn within(&self, error: Error) -> Error {
        error.with_context(self.place())
    }

    fn in_column(&self, error: Error, at: usize) -> Error {
        error.with_context(format!("{}, column {}", self.place(), self.columns.name(at)))
    }
}
