//! Headers of FITS units: 80-byte cards in blocks of 2880, and the size of the data that follow. Not what the keywords
//! of a table mean.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};

use crate::{FormatError, Result};

/// Headers and data fill whole blocks of this many bytes.
pub(super) const BLOCK: u64 = 2880;
const CARD: usize = 80;
/// Headers of tables with a thousand columns hold ten thousand cards.
const MAX_CARDS: usize = 100_000;

/// One header, and where its data lie.
#[derive(Debug)]
pub(super) struct Header {
    cards: HashMap<String, Card>,
    /// Bytes of the file before this header.
    pub(super) start: u64,
    /// Bytes of the file before its data.
    pub(super) data: u64,
}

#[derive(Clone, Debug, PartialEq)]
struct Card {
    value: String,
    quoted: bool,
    comment: String,
}

impl Header {
    /// The header at `start`, or `None` where no header begins.
    pub(super) fn read(input: &mut (impl Read + Seek), start: u64, file_bytes: u64) -> Result<Option<Self>> {
        if start.checked_add(BLOCK).is_none_or(|end| end > file_bytes) && start > 0 {
            return Ok(None);
        }
        if file_bytes < BLOCK {
            let fault = format!("this is no FITS file: it has {file_bytes} bytes, a FITS header at least {BLOCK}");
            return Err(FormatError::byte(0, fault));
        }
        input.seek(SeekFrom::Start(start))?;
        let mut header = Self {
            cards: HashMap::new(),
            start,
            data: start,
        };
        let mut block = vec![0; usize::try_from(BLOCK).unwrap_or(CARD)];
        let (mut last, mut count) = (String::new(), 0);
        loop {
            if header.data + BLOCK > file_bytes {
                return Err(FormatError::byte(
                    header.data,
                    "the file ends within a header (no END card)",
                ));
            }
            input.read_exact(&mut block)?;
            if header.data == start && !begins_header(&block, start)? {
                return Ok(None);
            }
            header.data += BLOCK;
            for card in block.chunks_exact(CARD) {
                if card.starts_with(b"END     ") {
                    return Ok(Some(header));
                }
                header.take(card, &mut last);
                count += 1;
            }
            if count > MAX_CARDS {
                return Err(FormatError::byte(
                    start,
                    format!("a header of more than {MAX_CARDS} cards"),
                ));
            }
        }
    }

    fn take(&mut self, card: &[u8], last: &mut String) {
        let text = latin(card);
        let (Some(keyword), Some(rest)) = (text.get(..8), text.get(8..)) else {
            return self.take_latin(card, last);
        };
        self.keep(keyword.trim(), rest, last);
    }

    /// Cards with letters beyond ASCII: columns of characters are not columns of bytes.
    fn take_latin(&mut self, card: &[u8], last: &mut String) {
        let (keyword, rest) = card.split_at(card.len().min(8));
        self.keep(latin(keyword).trim(), &latin(rest), last);
    }

    fn keep(&mut self, keyword: &str, rest: &str, last: &mut String) {
        if keyword == "CONTINUE" {
            if let Some(card) = self.cards.get_mut(last.as_str())
                && card.quoted
                && card.value.ends_with('&')
                && let Some(more) = Card::parse(rest).filter(|more| more.quoted)
            {
                card.value.pop();
                card.value.push_str(&more.value);
            }
        } else if let Some(card) = rest.strip_prefix("= ").and_then(Card::parse) {
            // Where a keyword comes twice the first counts, as other readers have it.
            self.cards.entry(keyword.to_owned()).or_insert(card);
            keyword.clone_into(last);
        }
    }

    /// A value in quotes, without trailing blanks.
    pub(super) fn text(&self, keyword: &str) -> Option<&str> {
        self.cards.get(keyword).map(|card| card.value.as_str())
    }

    /// What stands behind the slash.
    pub(super) fn comment(&self, keyword: &str) -> Option<&str> {
        self.cards.get(keyword).map(|card| card.comment.as_str())
    }

    pub(super) fn is_true(&self, keyword: &str) -> bool {
        self.text(keyword) == Some("T")
    }

    /// An integer, or an error that names the keyword.
    pub(super) fn integer(&self, keyword: &str) -> Result<Option<i64>> {
        let parse = |text: &str| {
            let fault = || FormatError::byte(self.start, format!("{keyword} = {text:?} is no integer"));
            text.trim_start_matches('+').parse().map_err(|_| fault())
        };
        self.text(keyword).map(parse).transpose()
    }

    /// A real number, `D` exponents included.
    pub(super) fn real(&self, keyword: &str) -> Result<Option<f64>> {
        let parse = |text: &str| {
            let fault = || FormatError::byte(self.start, format!("{keyword} = {text:?} is no finite number"));
            let number: f64 = text.replace(['D', 'd'], "E").parse().map_err(|_| fault())?;
            number.is_finite().then_some(number).ok_or_else(fault)
        };
        self.text(keyword).map(parse).transpose()
    }

    /// A size: present unless `default` is given, and not negative.
    pub(super) fn size(&self, keyword: &str, default: Option<u64>) -> Result<u64> {
        match self.integer(keyword)? {
            Some(number) => u64::try_from(number)
                .map_err(|_| FormatError::byte(self.start, format!("{keyword} = {number} is negative"))),
            None => default.ok_or_else(|| FormatError::byte(self.start, format!("the header has no {keyword}"))),
        }
    }

    /// `XTENSION`, or `IMAGE` for the primary unit.
    pub(super) fn kind(&self) -> &str {
        self.text("XTENSION").unwrap_or("IMAGE")
    }

    /// `EXTNAME`, where it has one.
    pub(super) fn name(&self) -> Option<&str> {
        self.text("EXTNAME").filter(|name| !name.is_empty())
    }

    /// Bytes of data, without the filling of the last block.
    pub(super) fn data_bytes(&self) -> Result<u64> {
        let axes = self.size("NAXIS", Some(0))?;
        if axes == 0 {
            return Ok(0);
        }
        let fault = || FormatError::byte(self.start, "the header claims more data than a file can hold");
        let mut elements = 1_u64;
        for axis in 1..=axes.min(999) {
            let size = self.size(&format!("NAXIS{axis}"), None)?;
            // Random groups: a first axis of nothing stands for the groups.
            if axis == 1 && size == 0 && self.is_true("GROUPS") {
                continue;
            }
            elements = elements.checked_mul(size).ok_or_else(fault)?;
        }
        let bits = self.integer("BITPIX")?.unwrap_or(8).unsigned_abs();
        let groups = self.size("GCOUNT", Some(1))?;
        let elements = elements.checked_add(self.size("PCOUNT", Some(0))?).ok_or_else(fault)?;
        let bytes = elements.checked_mul(groups).and_then(|all| all.checked_mul(bits / 8));
        bytes.ok_or_else(fault)
    }

    /// Where the next header would begin.
    pub(super) fn next(&self) -> Result<u64> {
        let fault = || FormatError::byte(self.start, "the header claims more data than a file can hold");
        let bytes = self.data_bytes()?.checked_next_multiple_of(BLOCK).ok_or_else(fault)?;
        self.data.checked_add(bytes).ok_or_else(fault)
    }
}

fn begins_header(block: &[u8], start: u64) -> Result<bool> {
    // Behind the last unit anything may follow.
    if start > 0 {
        return Ok(block.starts_with(b"XTENSION="));
    }
    if block.starts_with(b"SIMPLE  =") {
        return Ok(true);
    }
    let hint = match block {
        [0x1f, 0x8b, ..] => ": it is compressed with gzip, decompress it first",
        _ => " (no SIMPLE card at its start)",
    };
    Err(FormatError::byte(0, format!("this is no FITS file{hint}")))
}

impl Card {
    /// What follows `= `: a text in quotes or a bare token, then a comment.
    fn parse(rest: &str) -> Option<Self> {
        let rest = rest.trim_start();
        if let Some(quoted) = rest.strip_prefix('\'') {
            let (value, comment) = quoted_value(quoted)?;
            return Some(Self {
                value,
                quoted: true,
                comment,
            });
        }
        let (value, comment) = rest.split_once('/').unwrap_or((rest, ""));
        Some(Self {
            value: value.trim().to_owned(),
            quoted: false,
            comment: comment.trim().to_owned(),
        })
    }
}

/// A doubled quote is a quote; trailing blanks do not count.
fn quoted_value(text: &str) -> Option<(String, String)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('\'')?;
        value.push_str(before);
        match after.strip_prefix('\'') {
            Some(more) => {
                value.push('\'');
                rest = more;
            }
            None => {
                value.truncate(value.trim_end().len());
                let comment = after.trim_start().strip_prefix('/').unwrap_or_default();
                return Some((value, comment.trim().to_owned()));
            }
        }
    }
}

fn latin(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn header(cards: &[&str]) -> Header {
        let mut text: String = ["SIMPLE  =                    T"]
            .iter()
            .chain(cards)
            .chain(&["END"])
            .map(|card| format!("{card}{:1$}", "", CARD - card.len()))
            .collect();
        text.push_str(&" ".repeat(2880 - text.len()));
        let length = text.len() as u64;
        Header::read(&mut Cursor::new(text), 0, length).unwrap().unwrap()
    }

    #[test]
    fn values_are_read_as_the_standard_has_them() {
        let header = header(&[
            "NAME    = 'O''Hara / x  '     / who / what",
            "EMPTY   = ''",
            "COUNT   =                  +42 / of things",
            "REAL    = 1.5D3",
            "LONG    = 'one, &'",
            "CONTINUE  'two, &'",
            "CONTINUE  'three' / end",
            "NAME    = 'second'",
            "COMMENT = 'not a value'",
            "UNIT    = 'é'",
        ]);
        assert_eq!(header.text("NAME"), Some("O'Hara / x"));
        assert_eq!(header.comment("NAME"), Some("who / what"));
        assert_eq!(header.text("EMPTY"), Some(""));
        assert_eq!(header.integer("COUNT").unwrap(), Some(42));
        assert_eq!(header.real("REAL").unwrap(), Some(1500.0));
        assert_eq!(header.text("LONG"), Some("one, two, three"));
        assert_eq!(header.text("UNIT"), Some("é"));
        assert!(header.integer("NAME").unwrap_err().to_string().contains("NAME"));
    }

    #[test]
    fn sizes_that_no_file_has_are_errors() {
        let huge = [
            "NAXIS   = 2",
            "NAXIS1  = 9223372036854775807",
            "NAXIS2  = 9223372036854775807",
        ];
        assert!(header(&huge).data_bytes().is_err());
        assert!(header(&["NAXIS   = 1", "NAXIS1  = 9223372036854775807"]).next().is_ok());
        assert!(header(&["NAXIS   = 1", "NAXIS1  = -1"]).data_bytes().is_err());
        assert!(header(&["NAXIS   = 1"]).data_bytes().is_err());
    }
}
