//! Cells that hold arrays, written as JSON, to nested Arrow lists. Not JSON in general: no objects.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBufferBuilder};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field};

use super::header::Column;
use crate::elements::{Elements, shortened};
use crate::layout;
use crate::wire::Wire;

/// Elements of an array of known size: a NULL takes their room too.
const MAX_FIXED_ELEMENTS: usize = 1 << 22;
const MAX_LEVELS: usize = 16;

/// Sizes of nested arrays, outermost first; `None` where it varies from cell to cell. Empty for single values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Levels(Vec<Option<usize>>);

impl Levels {
    /// `2,null`.
    pub(super) fn parse(sizes: &str) -> Option<Self> {
        let size = |size: &str| match size.trim() {
            "null" => Some(None),
            number => number.parse().ok().filter(|number| *number > 0).map(Some),
        };
        let sizes: Vec<_> = sizes.split(',').map(size).collect::<Option<_>>()?;
        let fixed: Vec<usize> = sizes.iter().copied().flatten().collect();
        let is_small = layout::product(&fixed).is_some_and(|elements| elements <= MAX_FIXED_ELEMENTS);
        (is_small && sizes.len() <= MAX_LEVELS).then_some(Self(sizes))
    }

    pub(super) fn data_type(&self, element: DataType) -> Result<DataType, String> {
        self.0.iter().rev().try_fold(element, |inner, size| {
            let field = Arc::new(Field::new_list_field(inner, true));
            Ok(match size {
                Some(size) => DataType::FixedSizeList(field, i32::try_from(*size).map_err(|error| error.to_string())?),
                None => DataType::List(field),
            })
        })
    }
}

/// Gathers the cells of one column.
#[derive(Debug)]
pub(super) struct Cells {
    elements: Elements,
    levels: Levels,
    /// Elements of the builder for one of the cell's: complex numbers have two.
    parts: usize,
    /// Entries of each array of a level.
    lengths: Vec<Vec<usize>>,
    valid: BooleanBufferBuilder,
    /// Bytes of elements that no text stands for.
    pub(super) padding: usize,
}

impl Cells {
    pub(super) fn new(column: &Column) -> Self {
        Self {
            elements: column.element.map_or_else(Elements::text, Elements::of),
            lengths: vec![Vec::new(); column.levels.0.len()],
            levels: column.levels.clone(),
            parts: match column.element {
                Some(Wire::Complex32 | Wire::Complex64) => 2,
                _ => 1,
            },
            valid: BooleanBufferBuilder::new(0),
            padding: 0,
        }
    }

    pub(super) fn push(&mut self, cell: &str) -> Result<(), String> {
        self.valid.append(!cell.is_empty());
        if cell.is_empty() {
            self.pad(0);
        } else if self.levels.0.is_empty() {
            self.push_word(cell)?;
        } else {
            let mut text = Text(cell);
            self.push_array(&mut text, 0)?;
            if !text.0.trim_start().is_empty() {
                return Err(format!("text behind the array: {:?}", shortened(text.0)));
            }
        }
        Ok(())
    }

    fn pad(&mut self, level: usize) {
        match self.levels.0.get(level) {
            Some(None) => self.lengths[level].push(0),
            Some(Some(size)) => (0..*size).for_each(|_| self.pad(level + 1)),
            None => {
                self.padding += 16;
                (0..self.parts).for_each(|_| self.elements.push_null());
            }
        }
    }

    fn push_array(&mut self, text: &mut Text<'_>, level: usize) -> Result<(), String> {
        let Some(size) = self.levels.0.get(level).copied() else {
            return match text.word()? {
                None => {
                    (0..self.parts).for_each(|_| self.elements.push_null());
                    Ok(())
                }
                Some(word) => self.push_word(&word),
            };
        };
        text.expect('[')?;
        let mut count = 0;
        if !text.skip(']') {
            loop {
                self.push_array(text, level + 1)?;
                count += 1;
                if text.skip(']') {
                    break;
                }
                text.expect(',')?;
            }
        }
        match size {
            None => self.lengths[level].push(count),
            Some(size) if size == count => {}
            Some(size) => return Err(format!("an array of {count} entries, not {size}")),
        }
        Ok(())
    }

    fn push_word(&mut self, word: &str) -> Result<(), String> {
        if self.parts == 1 {
            return self.elements.push(word);
        }
        let (real, imaginary) = complex(word).ok_or_else(|| format!("{:?} is no complex number", shortened(word)))?;
        self.elements.push(real)?;
        self.elements.push(imaginary)
    }

    pub(super) fn finish(&mut self) -> crate::Result<ArrayRef> {
        self.padding = 0;
        let mut array = self.elements.finish();
        let nulls = NullBuffer::new(self.valid.finish());
        if self.parts == 2 {
            let nulls = self.levels.0.is_empty().then(|| nulls.clone());
            array = layout::fixed(array, &[2], nulls)?;
        }
        for (level, size) in self.levels.0.iter().enumerate().rev() {
            let nulls = (level == 0).then(|| nulls.clone());
            array = match size {
                Some(size) => layout::fixed(array, &[*size], nulls)?,
                None => layout::variable(array, std::mem::take(&mut self.lengths[level]), nulls)?,
            };
        }
        Ok(array)
    }
}

/// `(1.5-2j)`, `2j`: the parts.
fn complex(word: &str) -> Option<(&str, &str)> {
    let word = word.trim();
    let word = word
        .strip_prefix('(')
        .and_then(|inner| inner.strip_suffix(')'))
        .unwrap_or(word);
    let Some(parts) = word.strip_suffix('j') else {
        return Some((word, "0"));
    };
    // The last sign that is not an exponent's.
    let bytes = parts.as_bytes();
    let sign = (1..bytes.len())
        .rev()
        .find(|at| b"+-".contains(&bytes[*at]) && !b"eE".contains(&bytes[at - 1]));
    Some(sign.map_or(("0", parts), |at| parts.split_at(at)))
}

/// What is left of a cell.
struct Text<'a>(&'a str);

impl Text<'_> {
    fn skip(&mut self, wanted: char) -> bool {
        let rest = self.0.trim_start().strip_prefix(wanted);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        match self.skip(wanted) {
            true => Ok(()),
            false => Err(format!("expected {wanted:?} at {:?}", shortened(self.0))),
        }
    }

    /// A number, a truth value or a text; `None` for null.
    fn word(&mut self) -> Result<Option<String>, String> {
        if self.skip('"') {
            return self.quoted().map(Some);
        }
        self.0 = self.0.trim_start();
        let end = self.0.find([',', ']', '[']).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        Ok(Some(word.trim().to_owned()).filter(|word| word != "null"))
    }

    fn quoted(&mut self) -> Result<String, String> {
        let mut text = String::new();
        let mut letters = self.0.chars();
        loop {
            match letters.next() {
                Some('"') => break,
                Some('\\') => match letters.next() {
                    Some('u') => text.push_str(&unicode(&mut letters)?),
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('r') => text.push('\r'),
                    Some('b') => text.push('\u{8}'),
                    Some('f') => text.push('\u{c}'),
                    Some(other) => text.push(other),
                    None => return Err("a text without end".to_owned()),
                },
                Some(letter) => text.push(letter),
                None => return Err("a text without end".to_owned()),
            }
        }
        self.0 = letters.as_str();
        Ok(text)
    }
}

/// Four hexadecimal digits behind `\u`, and those of the second half of a pair.
fn unicode(letters: &mut std::str::Chars<'_>) -> Result<String, String> {
    let mut unit = || {
        let digits: String = letters.by_ref().take(4).collect();
        u16::from_str_radix(&digits, 16).map_err(|_| format!("\\u{digits} is no character"))
    };
    let first = unit()?;
    let mut units = vec![first];
    if (0xd800..0xdc00).contains(&first) {
        let digits = letters.as_str().strip_prefix("\\u").and_then(|rest| rest.get(..4));
        if let Some(second) = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()) {
            letters.by_ref().take(6).for_each(drop);
            units.push(second);
        }
    }
    Ok(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complex_numbers_have_two_parts() {
        for (word, expected) in [
            ("(1.5-2j)", ("1.5", "-2")),
            ("1e-5+2e+3j", ("1e-5", "+2e+3")),
            ("-2j", ("0", "-2")),
            ("3", ("3", "0")),
            ("nan+infj", ("nan", "+inf")),
        ] {
            assert_eq!(complex(word), Some(expected), "{word}");
        }
    }

    #[test]
    fn texts_in_arrays_are_unescaped() {
        let mut text = Text(r#" "a\"\\\u00e9\ud83d\ude00\n", null, 1.5]"#);
        assert_eq!(text.word().unwrap().unwrap(), "a\"\\é😀\n");
        text.expect(',').unwrap();
        assert_eq!(text.word().unwrap(), None);
        text.expect(',').unwrap();
        assert_eq!(text.word().unwrap().unwrap(), "1.5");
        assert!(text.expect(',').is_err());
        assert!(Text("\"abc").word().is_err());
        assert!(Text("\"\\u12").word().is_err());
    }
}
