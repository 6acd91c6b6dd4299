//! `TFORMn` and `TDIMn`: how a column of a binary table is stored. Not its scaling, nor its values.

use crate::wire::Wire;

/// A `TFORM`, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// Elements of a cell (bytes for text, bits for `X`); of descriptors for arrays in the heap.
    pub(super) repeat: usize,
    pub(super) code: Code,
}

/// What a cell holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    Element(Wire),
    Bits,
    /// Texts of a width of their own (`20A5`), where it says so.
    Text(Option<usize>),
    /// A descriptor of an array in the heap.
    Heap {
        wide: bool,
        element: HeapCode,
    },
}

/// What an array in the heap holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeapCode {
    Element(Wire),
    Bits,
    Text,
}

impl Form {
    /// `rTa`; `None` for what is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (repeat, code) = text.split_at(digits);
        let repeat = match repeat {
            "" => 1,
            digits => digits.parse().ok()?,
        };
        let mut letters = code.chars().map(|letter| letter.to_ascii_uppercase());
        let code = match letters.next()? {
            'X' => Code::Bits,
            'A' => Code::Text(
                code.get(1..)
                    .and_then(|width| width.trim().parse().ok())
                    .filter(|width| *width > 0),
            ),
            letter @ ('P' | 'Q') if repeat <= 1 => {
                let element = match letters.next()? {
                    'X' => HeapCode::Bits,
                    'A' => HeapCode::Text,
                    letter => HeapCode::Element(element(letter)?),
                };
                Code::Heap {
                    wide: letter == 'Q',
                    element,
                }
            }
            letter => Code::Element(element(letter)?),
        };
        Some(Self { repeat, code })
    }

    /// Bytes of a cell within the row, if there can be as many.
    pub(super) fn width(&self) -> Option<usize> {
        match self.code {
            Code::Element(wire) => self.repeat.checked_mul(wire.width()),
            Code::Bits => Some(self.repeat.div_ceil(8)),
            Code::Text(_) => Some(self.repeat),
            Code::Heap { wide, .. } => self.repeat.checked_mul(if wide { 16 } else { 8 }),
        }
    }
}

fn element(letter: char) -> Option<Wire> {
    Some(match letter {
        'L' => Wire::Logical,
        'B' => Wire::UInt8,
        'I' => Wire::Int16,
        'J' => Wire::Int32,
        'K' => Wire::Int64,
        'E' => Wire::Float32,
        'D' => Wire::Float64,
        'C' => Wire::Complex32,
        'M' => Wire::Complex64,
        _ => return None,
    })
}

/// `TDIM`: sizes, fastest first; `None` for what is none.
pub(super) fn dimensions(text: &str) -> Option<Vec<usize>> {
    let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
    let sizes: Option<Vec<usize>> = inner.split(',').map(|size| size.trim().parse().ok()).collect();
    sizes.filter(|sizes| !sizes.contains(&0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_taken_apart() {
        let element = |repeat, wire| {
            Some(Form {
                repeat,
                code: Code::Element(wire),
            })
        };
        assert_eq!(Form::parse("J"), element(1, Wire::Int32));
        assert_eq!(Form::parse(" 12E "), element(12, Wire::Float32));
        assert_eq!(Form::parse("0K"), element(0, Wire::Int64));
        assert_eq!(Form::parse("20A5").unwrap().code, Code::Text(Some(5)));
        assert_eq!(Form::parse("8A").unwrap().code, Code::Text(None));
        assert_eq!(Form::parse("9X").unwrap().width(), Some(2));
        let heap = Form::parse("1QM(300)").unwrap();
        assert_eq!(
            heap.code,
            Code::Heap {
                wide: true,
                element: HeapCode::Element(Wire::Complex64)
            }
        );
        assert_eq!(heap.width(), Some(16));
        for wrong in ["", "3", "Z", "P", "PP", "2PJ", "-1J", "99999999999999999999J", "é"] {
            assert_eq!(Form::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn dimensions_are_taken_apart() {
        assert_eq!(dimensions("(3, 4,5)"), Some(vec![3, 4, 5]));
        for wrong in ["", "3", "(0)", "()", "(a)", "(1,-2)"] {
            assert_eq!(dimensions(wrong), None, "{wrong:?}");
        }
    }
}
