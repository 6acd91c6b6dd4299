//! What stands before the records of a text: a mark of its encoding, comments, and the names of the columns.

use std::collections::HashSet;

use super::chunks::{Chunk, lines};
use super::records::first_record;
use super::{Dialect, LineFault};

/// What the beginning of a text says.
#[derive(Debug, PartialEq)]
pub(crate) struct Head {
    /// Names of the columns, in their order.
    pub(crate) names: Vec<String>,
    /// Bytes of the first chunk before its first record of values.
    pub(crate) bytes: usize,
}

impl Head {
    /// Reads the head of the text that begins with `chunk`.
    ///
    /// Lines that begin with `#` before the names are skipped, unless the last of them has as many fields as the line
    /// behind it: then it is the line of names.
    pub(crate) fn of(chunk: &Chunk, dialect: &Dialect) -> Result<Self, LineFault> {
        let fault = |fault: &str| LineFault {
            line: 1,
            fault: fault.to_owned(),
        };
        let text = chunk.bytes.as_slice();
        if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
            return Err(fault("this is UTF-16; convert the file to UTF-8"));
        }
        let mark = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let text = &text[mark..];
        if text.starts_with(b"# %ECSV") {
            return Err(fault(
                "this is ECSV; give it the ending .ecsv or read it with the format ecsv",
            ));
        }
        let (comments, last) = comments(text);
        let body = &text[comments..];
        let behind = first_record(body, dialect);
        let count = behind.as_ref().map(|(fields, _)| fields.len());
        if let Some(last) = last.filter(|_| dialect.header) {
            let line = last.strip_prefix(b"#").unwrap_or(last);
            let named = first_record(line, dialect).filter(|(names, _)| names.len() > 1 && Some(names.len()) == count);
            if let Some((names, _)) = named {
                return Self::checked(names, mark + comments, chunk);
            }
        }
        let Some((fields, taken)) = behind else {
            return Err(fault("the file is empty; it has no line that names its columns"));
        };
        if dialect.header {
            return Self::checked(fields, mark + comments + taken, chunk);
        }
        let names = (1..=fields.len()).map(|number| format!("column_{number}")).collect();
        let bytes = mark + comments;
        Ok(Self { names, bytes })
    }

    fn checked(names: Vec<String>, bytes: usize, chunk: &Chunk) -> Result<Self, LineFault> {
        let mut names: Vec<String> = names.into_iter().map(|name| name.trim().to_owned()).collect();
        // An index without a name, as some programs write it.
        if let [first, _, ..] = names.as_mut_slice()
            && first.is_empty()
        {
            "column_1".clone_into(first);
        }
        let mut seen = HashSet::new();
        let fault = names.iter().enumerate().find_map(|(at, name)| {
            let column = at + 1;
            if name.is_empty() {
                Some(format!(
                    "column {column} has no name; without a line of names, say header false"
                ))
            } else {
                (!seen.insert(name)).then(|| format!("column {column}: there is another one named '{name}'"))
            }
        });
        match fault {
            Some(fault) => Err(LineFault {
                line: lines(&chunk.bytes[..bytes]).max(1),
                fault,
            }),
            None => Ok(Self { names, bytes }),
        }
    }
}

/// Bytes of the lines that begin with `#`, and the last of them.
fn comments(text: &[u8]) -> (usize, Option<&[u8]>) {
    let (mut bytes, mut last) = (0, None);
    while let Some(b'#') = text.get(bytes) {
        let rest = &text[bytes..];
        let end = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(rest.len(), |at| at + 1);
        last = Some(&rest[..end]);
        bytes += end;
    }
    (bytes, last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::FileFormat;
    use crate::options::FileOptions;

    fn head(text: &str) -> Result<(Vec<String>, String), String> {
        let dialect = Dialect::of(FileFormat::Csv, &FileOptions::default());
        let chunk = Chunk {
            bytes: text.as_bytes().to_vec(),
            line: 1,
        };
        let head = Head::of(&chunk, &dialect).map_err(|fault| fault.to_string())?;
        Ok((head.names, text[head.bytes..].to_owned()))
    }

    #[test]
    fn names_and_where_the_values_begin() {
        for text in [
            "a,b\n1,2\n",
            "\u{feff}a,b\r\n1,2\n",
            "# made by hand, at night\n# twice\na, b\n1,2\n",
            "#a,b\n1,2\n",
            "# about\n# a,\"b\"\n1,2\n",
        ] {
            let (names, rest) = head(text).unwrap();
            assert_eq!(
                (names, rest.trim()),
                (vec!["a".to_owned(), "b".to_owned()], "1,2"),
                "{text:?}"
            );
        }
        assert_eq!(head(",b\n1,2").unwrap().0, ["column_1", "b"]);
    }

    #[test]
    fn heads_that_name_nothing_are_faults() {
        for (text, expected) in [
            ("", "empty"),
            ("# x\n", "empty"),
            ("a,a\n", "named 'a'"),
            ("# 1\na,,c\n", "line 2: column 2 has no name"),
            ("# %ECSV 1.0\n", "ECSV"),
        ] {
            let fault = head(text).unwrap_err();
            assert!(fault.contains(expected), "{text:?}: {fault}");
        }
    }
}
