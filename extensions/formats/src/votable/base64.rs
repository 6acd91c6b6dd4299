//! The bytes of a STREAM: base64 text, decoded as it is needed. Not what the bytes mean.

use std::io::BufRead;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::xml::Document;
use crate::{FormatError, Result};

/// Some writers leave out the filling at the end.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Bytes that have been decoded and not yet been used up.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    bytes: Vec<u8>,
    /// Letters that wait for the rest of their group of four.
    letters: Vec<u8>,
    /// The text has ended.
    ended: bool,
    /// The last group was not a whole one.
    filled: bool,
}

impl Decoded {
    /// Decodes until so many bytes are there; `false` if the text ends before.
    pub(super) fn reach<R: BufRead>(&mut self, document: &mut Document<R>, length: usize) -> Result<bool> {
        while self.bytes.len() < length {
            if self.ended {
                return Ok(false);
            }
            self.more(document)?;
        }
        Ok(true)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes so many bytes off the front.
    pub(super) fn split(&mut self, length: usize) -> Vec<u8> {
        let rest = self.bytes.split_off(length.min(self.bytes.len()));
        std::mem::replace(&mut self.bytes, rest)
    }

    fn more<R: BufRead>(&mut self, document: &mut Document<R>) -> Result<()> {
        let start = document.byte();
        let mut text = document.raw_text();
        let some = text.some()?;
        let length = some.len();
        self.letters
            .extend(some.iter().filter(|byte| !byte.is_ascii_whitespace()));
        text.consume(length);
        self.ended = length == 0;
        let whole = match self.ended {
            true => self.letters.len(),
            false => self.letters.len() / 4 * 4,
        };
        if whole == 0 {
            return Ok(());
        }
        if self.filled {
            return Err(FormatError::byte(start, "base64 goes on behind its end"));
        }
        let before = self.bytes.len();
        let decoded = ENGINE.decode_vec(&self.letters[..whole], &mut self.bytes);
        decoded.map_err(|error| FormatError::byte(start, format!("the STREAM is not base64: {error}")))?;
        self.filled = self.bytes.len() - before < whole / 4 * 3;
        self.letters.drain(..whole);
        Ok(())
    }
}
