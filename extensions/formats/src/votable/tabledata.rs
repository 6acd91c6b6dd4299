//! Rows of TABLEDATA: TR and TD elements to columns. Not the document around them.

use std::io::BufRead;

use arrow::array::{ArrayRef, BooleanBufferBuilder};
use arrow::buffer::NullBuffer;

use super::field::{Column, Kind};
use super::xml::{Document, Mark};
use crate::elements::{Elements, shortened};
use crate::layout::{self, Shape};
use crate::wire::Wire;
use crate::{BATCH_BYTES, FormatError, Result};

/// Reads the rows of a TABLEDATA element, batch by batch.
#[derive(Debug)]
pub(super) struct TableData {
    /// One for each field; `None` for fields that are not wanted.
    columns: Vec<Option<Cells>>,
    names: Vec<String>,
    /// Rows read so far.
    rows: u64,
    cell: String,
}

impl TableData {
    pub(super) fn new(columns: &[Column], wanted: &[usize]) -> Self {
        let cells = |(index, column)| wanted.contains(&index).then(|| Cells::new(column));
        Self {
            columns: columns.iter().enumerate().map(cells).collect(),
            names: columns.iter().map(|column| column.field.name().clone()).collect(),
            rows: 0,
            cell: String::new(),
        }
    }

    /// Up to so many rows: an array for each field that is wanted, in the order of the fields, the number of rows, and
    /// whether the data have ended.
    pub(super) fn batch<R: BufRead>(
        &mut self,
        document: &mut Document<R>,
        limit: usize,
    ) -> Result<(Vec<Option<ArrayRef>>, usize, bool)> {
        let (mut rows, mut ended) = (0, false);
        let start = document.byte();
        while rows < limit {
            // Arrays may take more room than their text: an empty cell of a fixed array is as large as any.
            let room: usize = self.columns.iter().flatten().map(|cells| cells.padding).sum();
            if document.byte() - start > BATCH_BYTES as u64 || room > BATCH_BYTES {
                break;
            }
            if !self.row(document)? {
                ended = true;
                break;
            }
            rows += 1;
        }
        let finish = |cells: &mut Option<Cells>| cells.as_mut().map(Cells::finish).transpose();
        let arrays: Result<Vec<_>> = self.columns.iter_mut().map(finish).collect();
        Ok((arrays?, rows, ended))
    }

    /// The next row, or `false` at the end of the data.
    fn row<R: BufRead>(&mut self, document: &mut Document<R>) -> Result<bool> {
        loop {
            match document.next()? {
                Mark::Open(tag) if tag.name() == b"TR" => break,
                Mark::Empty(tag) if tag.name() == b"TR" => return self.end_of_row(0),
                Mark::Close => return Ok(false),
                Mark::Text(text) if text.trim().is_empty() => {}
                Mark::Nothing => {}
                _ => return Err(self.unexpected(document, "a TR")),
            }
        }
        let mut number = 0;
        loop {
            match document.next()? {
                Mark::Open(tag) if tag.name() == b"TD" => {
                    if tag.has_attributes() && tag.attributes()?.iter().any(|(key, _)| key == "encoding") {
                        return Err(FormatError::unsupported(
                            "cells with an encoding of their own (TD encoding)",
                        ));
                    }
                    self.read_cell(document)?;
                    self.take(number)?;
                    number += 1;
                }
                Mark::Empty(tag) if tag.name() == b"TD" => {
                    self.cell.clear();
                    self.take(number)?;
                    number += 1;
                }
                Mark::Close => return self.end_of_row(number),
                Mark::Text(text) if text.trim().is_empty() => {}
                Mark::Nothing => {}
                _ => return Err(self.unexpected(document, "a TD")),
            }
        }
    }

    fn end_of_row(&mut self, cells: usize) -> Result<bool> {
        self.rows += 1;
        match self.names.get(cells) {
            None => Ok(true),
            Some(missing) => Err(FormatError::cell(
                self.rows,
                missing,
                format!("the row has only {cells} cells (TD)"),
            )),
        }
    }

    fn read_cell<R: BufRead>(&mut self, document: &mut Document<R>) -> Result<()> {
        self.cell.clear();
        loop {
            match document.next()? {
                Mark::Text(text) => self.cell.push_str(&text),
                Mark::Close => return Ok(()),
                Mark::Nothing => {}
                _ => return Err(self.unexpected(document, "text")),
            }
            if self.cell.len() > BATCH_BYTES {
                return Err(self.unexpected(document, "the end of a long cell"));
            }
        }
    }

    fn take(&mut self, number: usize) -> Result<()> {
        let row = self.rows + 1;
        match self.columns.get_mut(number) {
            Some(Some(cells)) => {
                let fault = |fault| FormatError::cell(row, &self.names[number], fault);
                cells.push(&self.cell).map_err(fault)
            }
            Some(None) => Ok(()),
            None => {
                let fault = format!(
                    "row {row} has more cells (TD) than the table has fields, {}",
                    self.names.len()
                );
                Err(FormatError::Absent(fault))
            }
        }
    }

    fn unexpected<R: BufRead>(&self, document: &Document<R>, wanted: &str) -> FormatError {
        let fault = format!(
            "row {}: expected {wanted}, found another tag, text or the end",
            self.rows + 1
        );
        FormatError::byte(document.byte(), fault)
    }
}

/// Gathers the cells of one column.
#[derive(Debug)]
struct Cells {
    elements: Elements,
    kind: Kind,
    shape: Shape,
    null: Option<Null>,
    /// Entries of each cell, of arrays of variable size.
    lengths: Vec<usize>,
    valid: BooleanBufferBuilder,
    /// Bytes of elements that no text stands for.
    padding: usize,
}

/// What means NULL: a word, and the number it stands for.
#[derive(Debug)]
struct Null {
    word: String,
    number: Option<i64>,
}

impl Cells {
    fn new(column: &Column) -> Self {
        let (elements, is_integer) = match column.kind {
            Kind::Number(wire) => (
                Elements::of(wire),
                matches!(wire, Wire::UInt8 | Wire::Int16 | Wire::Int32 | Wire::Int64),
            ),
            Kind::Bit => (Elements::of(Wire::Logical), false),
            Kind::Text { .. } => (Elements::text(), false),
        };
        let null = column.null.as_deref().map(|word| Null {
            word: word.trim().to_owned(),
            number: word.trim().parse().ok().filter(|_| is_integer),
        });
        Self {
            elements,
            kind: column.kind,
            shape: column.shape.clone(),
            null,
            lengths: Vec::new(),
            valid: BooleanBufferBuilder::new(0),
            padding: 0,
        }
    }

    /// Elements of the builder for one of the cell's: complex numbers have two.
    fn parts(&self) -> usize {
        match self.kind {
            Kind::Number(Wire::Complex32 | Wire::Complex64) => 2,
            _ => 1,
        }
    }

    fn push(&mut self, cell: &str) -> Result<(), String> {
        let is_text = matches!(self.kind, Kind::Text { .. });
        let absent = if is_text {
            cell.is_empty()
        } else {
            cell.trim().is_empty()
        };
        if absent || self.is_null(cell) && self.shape == Shape::Scalar {
            self.push_null();
            return Ok(());
        }
        self.valid.append(true);
        let count = match self.kind {
            Kind::Text { length, .. } => self.push_texts(cell, length)?,
            Kind::Bit => self.push_words(
                cell.char_indices()
                    .filter(|(_, letter)| !letter.is_whitespace())
                    .map(|(at, letter)| &cell[at..at + letter.len_utf8()]),
            )?,
            Kind::Number(_) if self.shape == Shape::Scalar && self.parts() == 1 => {
                self.push_word(cell.trim())?;
                1
            }
            Kind::Number(_) => self.push_words(cell.split_ascii_whitespace())?,
        };
        self.close(count / self.parts(), count % self.parts() == 0)
    }

    /// Holds the number of elements against the shape.
    fn close(&mut self, count: usize, is_whole: bool) -> Result<(), String> {
        let entry = self.shape.elements().unwrap_or(usize::MAX).max(1);
        if self.shape.is_variable() && is_whole && count.is_multiple_of(entry) {
            self.lengths.push(count / entry);
            return Ok(());
        }
        if !self.shape.is_variable() && is_whole && count == entry {
            return Ok(());
        }
        let several = if self.shape.is_variable() { "a multiple of " } else { "" };
        Err(format!("an array of {count} elements, not {several}{entry}"))
    }

    fn is_null(&self, word: &str) -> bool {
        let word = word.trim();
        self.null
            .as_ref()
            .is_some_and(|null| word == null.word || null.number.is_some_and(|number| word.parse() == Ok(number)))
    }

    fn push_null(&mut self) {
        self.valid.append(false);
        if self.shape.is_variable() {
            self.lengths.push(0);
            return;
        }
        let count = self.shape.elements().unwrap_or(1) * self.parts();
        for _ in 0..count {
            self.elements.push_null();
        }
        self.padding += count.saturating_mul(16);
    }

    fn push_words<'a>(&mut self, words: impl Iterator<Item = &'a str>) -> Result<usize, String> {
        let mut count = 0;
        for word in words {
            self.push_word(word)?;
            count += 1;
        }
        Ok(count)
    }

    fn push_word(&mut self, word: &str) -> Result<(), String> {
        let is_nan = matches!(self.elements, Elements::Float32(_) | Elements::Float64(_))
            && word.trim_start_matches(['+', '-']).eq_ignore_ascii_case("nan");
        if is_nan || self.is_null(word) {
            self.elements.push_null();
            return Ok(());
        }
        self.elements.push(word)
    }

    /// Arrays of texts are texts of one length after the other.
    fn push_texts(&mut self, cell: &str, length: Option<usize>) -> Result<usize, String> {
        let Some(length) = length.filter(|_| self.shape != Shape::Scalar) else {
            self.elements.push(cell)?;
            return Ok(1);
        };
        if length == 0 {
            return Err(format!("texts of no length in {:?}", shortened(cell)));
        }
        let (mut rest, mut count) = (cell, 0);
        while !rest.is_empty() {
            let end = rest.char_indices().nth(length).map_or(rest.len(), |(end, _)| end);
            let (text, after) = rest.split_at(end);
            self.elements.push(text.trim_end_matches(['\0', ' ']))?;
            rest = after;
            count += 1;
        }
        // The last ones may be left out where they are blank.
        if let Shape::Fixed(_) = self.shape {
            let all = self.shape.elements().unwrap_or(count);
            while count < all {
                self.elements.push("")?;
                count += 1;
            }
        }
        Ok(count)
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        self.padding = 0;
        let mut array = self.elements.finish();
        let nulls = NullBuffer::new(self.valid.finish());
        if self.parts() == 2 {
            let nulls = (self.shape == Shape::Scalar).then(|| nulls.clone());
            array = layout::fixed(array, &[2], nulls)?;
        }
        let lengths = std::mem::take(&mut self.lengths);
        Ok(match &self.shape {
            Shape::Scalar => array,
            Shape::Fixed(sizes) => layout::fixed(array, sizes, Some(nulls))?,
            Shape::Variable(sizes) => layout::variable(layout::fixed(array, sizes, None)?, lengths, Some(nulls))?,
        })
    }
}
