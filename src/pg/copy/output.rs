//! Rows as PostgreSQL's COPY writes them: one message a row, in text, csv or binary.

use std::ops::Range;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::error::ArrowError;
use pgwire::api::Type;
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::copy::CopyOutResponse;

use super::super::describe::Column as Described;
use super::super::encode::{Column, Counts, RowEncoder, Style, WireFormat, framed};
use super::options::{Force, Format, Header, Options};
use crate::{Error, ErrorKind, Result};

/// What a copy in binary begins with: a signature, no flags, no more of a header.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What it ends with, in the place of the number of fields.
const TRAILER: i16 = -1;

/// Writes the rows of one copy.
#[derive(Debug, Clone)]
pub(in crate::pg) struct CopyEncoder {
    encoder: RowEncoder,
    options: Arc<Options>,
    columns: Arc<[Rule]>,
}

/// How the values of a column are treated.
#[derive(Debug, Clone, Copy)]
struct Rule {
    /// Whether every value gets quotes.
    quoted: bool,
    /// Whether no value can hold anything that means something in the text around it.
    harmless: bool,
}

/// A batch that is ready to be written.
pub(in crate::pg) struct CopyBatch {
    columns: Vec<Column>,
    options: Arc<Options>,
    rules: Arc<[Rule]>,
}

impl CopyEncoder {
    /// For rows of these columns.
    ///
    /// # Errors
    /// `FORCE_QUOTE` names a column that there is not.
    pub(in crate::pg) fn new(columns: &[Described], options: &Arc<Options>, style: Style) -> Result<Self> {
        let format = if options.is_binary() {
            WireFormat::Binary
        } else {
            WireFormat::Text
        };
        if let Force::Columns(names) = &options.force_quote
            && let Some(unknown) = names
                .iter()
                .find(|name| !columns.iter().any(|column| column.name == **name))
        {
            let message = format!("column \"{unknown}\" does not exist");
            return Err(Error::new(ErrorKind::UndefinedColumn, message));
        }
        let tame = tame(options);
        let rules = columns.iter().map(|column| Rule {
            quoted: match &options.force_quote {
                Force::None => false,
                Force::All => true,
                Force::Columns(names) => names.contains(&column.name),
            },
            harmless: tame && numeric(&column.kind),
        });
        Ok(Self {
            encoder: RowEncoder::new(columns.iter().map(|column| (column.kind.clone(), format)), style),
            options: Arc::clone(options),
            columns: rules.collect(),
        })
    }

    /// What a client is told before the first row.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "as many columns as a row description has at most"
    )]
    pub(in crate::pg) fn response(&self) -> PgWireBackendMessage {
        let code = i16::from(self.options.is_binary());
        let formats = vec![code; self.columns.len()];
        PgWireBackendMessage::CopyOutResponse(CopyOutResponse::new(code as i8, formats.len() as i16, formats))
    }

    /// The line with the names of the columns, if it was asked for.
    pub(in crate::pg) fn header(&self, columns: &[Described], out: &mut BytesMut) {
        if self.options.header == Header::None {
            return;
        }
        let mut scratch = Vec::new();
        message(out, |out| {
            for (at, column) in columns.iter().enumerate() {
                if at > 0 {
                    out.put_u8(self.options.delimiter);
                }
                let start = out.len();
                out.put_slice(column.name.as_bytes());
                self.options.dress(start, false, columns.len() == 1, &mut scratch, out);
            }
            out.put_u8(b'\n');
        });
    }

    /// Prepares one batch.
    pub(in crate::pg) fn open(&self, batch: &RecordBatch) -> Result<CopyBatch, ArrowError> {
        Ok(CopyBatch {
            columns: self.encoder.columns(batch)?,
            options: Arc::clone(&self.options),
            rules: Arc::clone(&self.columns),
        })
    }

    /// What comes behind the last row. `empty`: there was none.
    pub(in crate::pg) fn finish(&self, empty: bool, out: &mut BytesMut) {
        if !self.options.is_binary() {
            return;
        }
        message(out, |out| {
            if empty {
                out.put_slice(SIGNATURE);
            }
            out.put_i16(TRAILER);
        });
    }
}

impl CopyBatch {
    /// Appends a message for each row of the range. `first`: they are the first of all.
    pub(in crate::pg) fn write(&self, rows: Range<usize>, first: bool, out: &mut BytesMut) {
        let start = rows.start;
        let mut scratch = Vec::new();
        for row in rows {
            match self.options.format {
                // Clients expect the signature and the first row in one message, as PostgreSQL sends them.
                Format::Binary => self.put_binary(row, first && row == start, out),
                Format::Text | Format::Csv => self.put_text(row, &mut scratch, out),
            }
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "as many columns as a row description has at most"
    )]
    fn put_binary(&self, row: usize, first: bool, out: &mut BytesMut) {
        message(out, |out| {
            if first {
                out.put_slice(SIGNATURE);
            }
            out.put_u16(self.columns.len() as u16);
            for column in &self.columns {
                column.write(row, out);
            }
        });
    }

    fn put_text(&self, row: usize, scratch: &mut Vec<u8>, out: &mut BytesMut) {
        let options = &*self.options;
        let alone = self.columns.len() == 1;
        message(out, |out| {
            for (at, (column, rule)) in self.columns.iter().zip(self.rules.iter()).enumerate() {
                if at > 0 {
                    out.put_u8(options.delimiter);
                }
                if column.is_null(row) {
                    out.put_slice(options.null.as_bytes());
                    continue;
                }
                let start = out.len();
                column.put(row, out);
                if !rule.harmless || rule.quoted {
                    options.dress(start, rule.quoted, alone, scratch, out);
                }
            }
            out.put_u8(b'\n');
        });
    }
}

impl Options {
    /// Makes what was written from `start` on safe in the text around it.
    fn dress(&self, start: usize, quoted: bool, alone: bool, scratch: &mut Vec<u8>, out: &mut BytesMut) {
        let value = out.get(start..).unwrap_or_default();
        if self.format == Format::Csv {
            let special = |byte: &u8| [self.delimiter, self.quote, b'\n', b'\r'].contains(byte);
            let needed =
                quoted || value == self.null.as_bytes() || (alone && value == b"\\.") || value.iter().any(special);
            if !needed {
                return;
            }
        } else if !value
            .iter()
            .any(|byte| *byte < 0x20 || *byte == b'\\' || *byte == self.delimiter)
        {
            return;
        }
        scratch.clear();
        scratch.extend_from_slice(value);
        out.truncate(start);
        if self.format == Format::Csv {
            self.put_quoted(scratch, out);
        } else {
            self.put_escaped(scratch, out);
        }
    }

    fn put_quoted(&self, value: &[u8], out: &mut BytesMut) {
        out.put_u8(self.quote);
        for byte in value {
            if *byte == self.quote || *byte == self.escape {
                out.put_u8(self.escape);
            }
            out.put_u8(*byte);
        }
        out.put_u8(self.quote);
    }

    fn put_escaped(&self, value: &[u8], out: &mut BytesMut) {
        for byte in value {
            let letter = match byte {
                0x08 => b'b',
                0x0c => b'f',
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                0x0b => b'v',
                byte if *byte == b'\\' || *byte == self.delimiter => *byte,
                byte => {
                    out.put_u8(*byte);
                    continue;
                }
            };
            out.put_slice(&[b'\\', letter]);
        }
    }
}

/// A message of a copy, around what `body` appends.
fn message(out: &mut BytesMut, body: impl FnOnce(&mut BytesMut)) {
    out.put_u8(b'd');
    framed(out, Counts::Itself, body);
}

/// Whether the options are such that no number needs quotes or a backslash.
fn tame(options: &Options) -> bool {
    b"\t,;|!~^&#@".contains(&options.delimiter)
        && (options.format != Format::Csv || b"\"'".contains(&options.quote))
        && ["", "\\N", "NULL", "null"].contains(&options.null.as_str())
}

fn numeric(kind: &Type) -> bool {
    matches!(
        *kind,
        Type::BOOL | Type::INT2 | Type::INT4 | Type::INT8 | Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC | Type::OID
    )
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Float64Array, Int64Array, StringArray};
    use datafusion::arrow::datatypes::Schema;
    use datafusion::arrow::datatypes::{DataType, Field};

    use super::super::options::{Argument, Given};
    use super::*;

    fn batch() -> (RecordBatch, Vec<Described>) {
        let texts = [
            Some("plain"),
            Some("tab\tnew\nline\r\\ \u{8}\u{b}\u{c}\u{1}"),
            Some(""),
            None,
            Some("\\N"),
            Some("a,b"),
            Some("say \"hi\""),
            Some("\\."),
            Some("é' x"),
        ];
        let numbers = (0..texts.len()).map(|at| (at != 2).then_some(at as i64 - 1));
        let floats = (0..texts.len()).map(|at| (at != 4).then_some(at as f64 / 2.0));
        let schema = Schema::new(vec![
            Field::new("n", DataType::Int64, true),
            Field::new("t, u", DataType::Utf8, true),
            Field::new("x", DataType::Float64, true),
        ]);
        let batch = RecordBatch::try_new(
            Arc::new(schema),
            vec![
                Arc::new(numbers.collect::<Int64Array>()),
                Arc::new(StringArray::from(texts.to_vec())),
                Arc::new(floats.collect::<Float64Array>()),
            ],
        )
        .unwrap();
        let described = [("n", Type::INT8), ("t, u", Type::TEXT), ("x", Type::FLOAT8)];
        let described = described.into_iter().map(|(name, kind)| Described {
            name: name.to_owned(),
            kind,
            modifier: -1,
            origin: None,
        });
        (batch, described.collect())
    }

    /// The bytes of a copy without the heads of its messages.
    fn copied(given: &[(&str, Argument)]) -> Vec<u8> {
        let (batch, described) = batch();
        let given: Vec<_> = given
            .iter()
            .map(|(name, argument)| Given::new(name, argument.clone()))
            .collect();
        let options = Arc::new(Options::read(&given, true).unwrap());
        let style = Style {
            time_zone: None,
            extra_float_digits: 1,
        };
        let encoder = CopyEncoder::new(&described, &options, style).unwrap();
        let mut out = BytesMut::new();
        encoder.header(&described, &mut out);
        let rows = batch.num_rows();
        let open = encoder.open(&batch).unwrap();
        open.write(0..2, true, &mut out);
        open.write(2..rows, false, &mut out);
        encoder.finish(false, &mut out);
        let (mut bytes, mut rest) = (Vec::new(), &out[..]);
        while let [b'd', a, b, c, d, ..] = rest {
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            bytes.extend_from_slice(&rest[5..=length]);
            rest = &rest[length + 1..];
        }
        assert!(rest.is_empty());
        bytes
    }

    fn text(given: &[(&str, &str)]) -> String {
        let given: Vec<_> = given
            .iter()
            .map(|(name, value)| (*name, Argument::Text((*value).to_owned())))
            .collect();
        String::from_utf8(copied(&given)).unwrap()
    }

    /// As a PostgreSQL 15 writes the same rows.
    #[test]
    fn text_is_escaped() {
        assert_eq!(
            text(&[]),
            "-1\tplain\t0\n0\ttab\\tnew\\nline\\r\\\\ \\b\\v\\f\u{1}\t0.5\n\\N\t\t1\n2\t\\N\t1.5\n3\t\\\\N\t\\N\n\
             4\ta,b\t2.5\n5\tsay \"hi\"\t3\n6\t\\\\.\t3.5\n7\té' x\t4\n"
        );
    }

    #[test]
    fn csv_is_quoted_where_it_must_be() {
        assert_eq!(
            text(&[("format", "csv"), ("header", "true")]),
            "n,\"t, u\",x\n-1,plain,0\n0,\"tab\tnew\nline\r\\ \u{8}\u{b}\u{c}\u{1}\",0.5\n,\"\",1\n2,,1.5\n3,\\N,\n\
             4,\"a,b\",2.5\n5,\"say \"\"hi\"\"\",3\n6,\\.,3.5\n7,é' x,4\n"
        );
        let quoted = text(&[
            ("format", "csv"),
            ("delimiter", "-"),
            ("quote", "'"),
            ("escape", "\\"),
            ("null", "0"),
        ]);
        assert!(
            quoted.starts_with("'-1'-plain-'0'\n'0'-'tab\tnew\nline\r\\\\ "),
            "{quoted}"
        );
        assert!(quoted.ends_with("7-'é\\' x'-4\n"), "{quoted}");
        let all = copied(&[
            ("format", Argument::Text("csv".to_owned())),
            ("force_quote", Argument::All),
        ]);
        assert!(all.starts_with(b"\"-1\",\"plain\",\"0\"\n"));
    }

    #[test]
    fn binary_has_a_head_and_a_tail() {
        let bytes = copied(&[("format", Argument::Text("binary".to_owned()))]);
        assert!(bytes.starts_with(
            b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\x03\0\0\0\x08\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\x05plain"
        ));
        assert!(bytes.ends_with(&[0xff, 0xff]));
        assert_eq!(bytes.windows(7).filter(|window| window == b"PGCOPY\n").count(), 1);
    }
}
