//! Elements as text, one word each, gathered into Arrow arrays: VOTable's TABLEDATA and ECSV. Not the cells they make up.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBuilder, PrimitiveBuilder, StringBuilder};
use arrow::datatypes::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};

use crate::wire::Wire;

/// Gathers elements of one type. Complex numbers are two floats each.
#[derive(Debug)]
pub(crate) enum Elements {
    Truth(BooleanBuilder),
    Int8(PrimitiveBuilder<Int8Type>),
    UInt8(PrimitiveBuilder<UInt8Type>),
    Int16(PrimitiveBuilder<Int16Type>),
    UInt16(PrimitiveBuilder<UInt16Type>),
    Int32(PrimitiveBuilder<Int32Type>),
    UInt32(PrimitiveBuilder<UInt32Type>),
    Int64(PrimitiveBuilder<Int64Type>),
    UInt64(PrimitiveBuilder<UInt64Type>),
    Float32(PrimitiveBuilder<Float32Type>),
    Float64(PrimitiveBuilder<Float64Type>),
    Text(StringBuilder),
}

/// The same for every variant.
macro_rules! each {
    ($elements:expr, $builder:ident => $body:expr) => {
        match $elements {
            Elements::Truth($builder) => $body,
            Elements::Int8($builder) => $body,
            Elements::UInt8($builder) => $body,
            Elements::Int16($builder) => $body,
            Elements::UInt16($builder) => $body,
            Elements::Int32($builder) => $body,
            Elements::UInt32($builder) => $body,
            Elements::Int64($builder) => $body,
            Elements::UInt64($builder) => $body,
            Elements::Float32($builder) => $body,
            Elements::Float64($builder) => $body,
            Elements::Text($builder) => $body,
        }
    };
}

impl Elements {
    /// For elements that are stored so.
    pub(crate) fn of(wire: Wire) -> Self {
        match wire {
            Wire::Logical => Self::Truth(BooleanBuilder::new()),
            Wire::Int8 => Self::Int8(PrimitiveBuilder::new()),
            Wire::UInt8 => Self::UInt8(PrimitiveBuilder::new()),
            Wire::Int16 => Self::Int16(PrimitiveBuilder::new()),
            Wire::UInt16 => Self::UInt16(PrimitiveBuilder::new()),
            Wire::Int32 => Self::Int32(PrimitiveBuilder::new()),
            Wire::UInt32 => Self::UInt32(PrimitiveBuilder::new()),
            Wire::Int64 => Self::Int64(PrimitiveBuilder::new()),
            Wire::UInt64 => Self::UInt64(PrimitiveBuilder::new()),
            Wire::Float32 | Wire::Complex32 => Self::Float32(PrimitiveBuilder::new()),
            Wire::Float64 | Wire::Complex64 => Self::Float64(PrimitiveBuilder::new()),
        }
    }

    /// For texts.
    pub(crate) fn text() -> Self {
        Self::Text(StringBuilder::new())
    }

    pub(crate) fn push_null(&mut self) {
        each!(self, builder => builder.append_null());
    }

    /// Appends the element of a word. The error says what the word should have been.
    pub(crate) fn push(&mut self, word: &str) -> Result<(), String> {
        /// Integers may be written in hexadecimal.
        macro_rules! integer {
            ($builder:expr, $native:ty) => {
                match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
                    Some(digits) => $builder.append_value(
                        <$native>::from_str_radix(digits, 16).map_err(|_| fault(word, stringify!($native)))?,
                    ),
                    None => $builder.append_value(word.parse().map_err(|_| fault(word, stringify!($native)))?),
                }
            };
        }
        match self {
            Self::Truth(builder) => builder.append_option(truth(word).ok_or_else(|| fault(word, "truth value"))?),
            Self::Int8(builder) => integer!(builder, i8),
            Self::UInt8(builder) => integer!(builder, u8),
            Self::Int16(builder) => integer!(builder, i16),
            Self::UInt16(builder) => integer!(builder, u16),
            Self::Int32(builder) => integer!(builder, i32),
            Self::UInt32(builder) => integer!(builder, u32),
            Self::Int64(builder) => integer!(builder, i64),
            Self::UInt64(builder) => integer!(builder, u64),
            Self::Float32(builder) => builder.append_value(word.parse().map_err(|_| fault(word, "number"))?),
            Self::Float64(builder) => builder.append_value(word.parse().map_err(|_| fault(word, "number"))?),
            Self::Text(builder) => builder.append_value(word),
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self) -> ArrayRef {
        each!(self, builder => Arc::new(builder.finish()))
    }
}

/// What a word is not. Long words are cut: they come from foreign files.
fn fault(word: &str, wanted: &str) -> String {
    let wanted = match wanted.as_bytes() {
        [sign @ (b'i' | b'u'), bits @ ..] if bits.first().is_some_and(u8::is_ascii_digit) => {
            let sign = if *sign == b'u' { "unsigned " } else { "" };
            format!("{sign}integer of {} bits", String::from_utf8_lossy(bits))
        }
        _ => wanted.to_owned(),
    };
    format!("{:?} is no {wanted}", shortened(word))
}

/// The first characters of a text, for messages.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Truth as a word: outer `None` for a word that is none, inner `None` for NULL.
fn truth(word: &str) -> Option<Option<bool>> {
    let is = |words: [&str; 3]| words.iter().any(|other| word.eq_ignore_ascii_case(other));
    match word {
        _ if is(["true", "t", "1"]) => Some(Some(true)),
        _ if is(["false", "f", "0"]) => Some(Some(false)),
        "?" => Some(None),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, Int16Array, UInt8Array};

    use super::*;

    #[test]
    fn words_become_numbers_or_faults() {
        let mut elements = Elements::of(Wire::Int16);
        for word in ["-5", "+7", "0x7f"] {
            elements.push(word).unwrap();
        }
        elements.push_null();
        assert_eq!(
            elements.push("40000").unwrap_err(),
            "\"40000\" is no integer of 16 bits"
        );
        let expected = Int16Array::from(vec![Some(-5), Some(7), Some(127), None]);
        assert_eq!(elements.finish().as_ref(), &expected as &dyn Array);
        let mut bytes = Elements::of(Wire::UInt8);
        assert_eq!(bytes.push("-1").unwrap_err(), "\"-1\" is no unsigned integer of 8 bits");
        bytes.push("0XFF").unwrap();
        assert_eq!(bytes.finish().as_ref(), &UInt8Array::from(vec![255]) as &dyn Array);
    }
}
