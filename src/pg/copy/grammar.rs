//! The grammar of COPY with the client: options in brackets, and as PostgreSQL had them before version 9.

use datafusion::sql::sqlparser::ast::{Ident, ObjectName};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::super::utility::Words;
use super::options::{Argument, Given, Options};
use crate::{Error, ErrorKind, Result};

/// A COPY with the client.
#[derive(Debug, Clone)]
pub(in crate::pg) enum Copy {
    /// The rows of a query go out.
    Out {
        query: String,
        /// Characters of the statement before the query; `None` where the query was made of a table's name.
        offset: Option<usize>,
        options: Options,
    },
    /// Rows for a table come in.
    In {
        table: ObjectName,
        columns: Vec<Ident>,
        options: Options,
    },
}

/// What is copied.
enum Source {
    Query { text: String, offset: usize },
    Table { name: ObjectName, columns: Vec<Ident> },
}

/// Reads a statement if it is a COPY with the client; `None` leaves it to the engine.
pub(in crate::pg) fn parse(text: &str) -> Result<Option<Copy>> {
    let Some(mut words) = Words::of(text) else {
        return Ok(None);
    };
    if !words.take("copy") {
        return Ok(None);
    }
    statement(&mut words, text).map_err(|error| error.located(text, 0))
}

fn statement(words: &mut Words, text: &str) -> Result<Option<Copy>> {
    let binary = words.take("binary");
    let Ok(source) = source(words, text) else {
        return Ok(None);
    };
    let out = words.take("to");
    if !out && !words.take("from") {
        return Ok(None);
    }
    // PostgreSQL takes either word for either direction.
    if !words.take("stdout") && !words.take("stdin") {
        return Ok(None);
    }
    let mut given = Vec::new();
    if binary {
        given.push(Given::new("format", Argument::Text("binary".to_owned())));
    }
    read_options(words, &mut given)?;
    if !words.at_end() {
        if !out && words.take("where") {
            let message = "COPY FROM … WHERE is not supported";
            return Err(Error::new(ErrorKind::NotSupported, message)
                .with_hint("Copy into a temporary table, and INSERT … SELECT … WHERE from there."));
        }
        return Err(words.unexpected());
    }
    let options = Options::read(&given, out)?;
    Ok(Some(match (source, out) {
        (Source::Query { text, offset }, true) => Copy::Out {
            query: text,
            offset: Some(offset),
            options,
        },
        (Source::Table { name, columns }, true) => Copy::Out {
            query: all_rows(&name, &columns),
            offset: None,
            options,
        },
        (Source::Table { name, columns }, false) => Copy::In {
            table: name,
            columns,
            options,
        },
        (Source::Query { .. }, false) => {
            return Err(Error::new(ErrorKind::Syntax, "syntax error at or near \"from\""));
        }
    }))
}

fn source(words: &mut Words, text: &str) -> Result<Source> {
    if words.take_token(&Token::LParen) {
        let (offset, start) = words.offset(text);
        words.pass_brackets()?;
        let (_, end) = words.offset(text);
        words.take_token(&Token::RParen);
        let text = text.get(start..end).unwrap_or_default().trim_end().to_owned();
        return Ok(Source::Query { text, offset });
    }
    let mut parts = vec![words.ident()?];
    while words.take_token(&Token::Period) {
        parts.push(words.ident()?);
    }
    let mut columns = Vec::new();
    if words.take_token(&Token::LParen) {
        columns.push(words.ident()?);
        while words.take_token(&Token::Comma) {
            columns.push(words.ident()?);
        }
        if !words.take_token(&Token::RParen) {
            return Err(words.unexpected());
        }
    }
    Ok(Source::Table {
        name: ObjectName::from(parts),
        columns,
    })
}

fn all_rows(table: &ObjectName, columns: &[Ident]) -> String {
    let columns = match columns {
        [] => "*".to_owned(),
        columns => columns.iter().map(Ident::to_string).collect::<Vec<_>>().join(", "),
    };
    format!("SELECT {columns} FROM {table}")
}

fn read_options(words: &mut Words, given: &mut Vec<Given>) -> Result<()> {
    words.take("with");
    if !words.take_token(&Token::LParen) {
        while !words.at_end()
            && !matches!(words.peek(), Some(Token::Word(word)) if word.value.eq_ignore_ascii_case("where"))
        {
            given.push(legacy(words)?);
        }
        return Ok(());
    }
    loop {
        let name = words.name()?;
        let argument = argument(words)?;
        given.push(Given { name, argument });
        if words.take_token(&Token::RParen) {
            return Ok(());
        }
        if !words.take_token(&Token::Comma) {
            return Err(words.unexpected());
        }
    }
}

/// What follows the name of an option in brackets.
fn argument(words: &mut Words) -> Result<Argument> {
    if matches!(words.peek(), Some(Token::Comma | Token::RParen) | None) {
        return Ok(Argument::None);
    }
    if words.take_token(&Token::Mul) {
        return Ok(Argument::All);
    }
    if words.take_token(&Token::LParen) {
        let columns = names(words)?;
        return if words.take_token(&Token::RParen) {
            Ok(Argument::Columns(columns))
        } else {
            Err(words.unexpected())
        };
    }
    words.value().map(Argument::Text)
}

fn names(words: &mut Words) -> Result<Vec<String>> {
    let mut names = vec![words.name()?];
    while words.take_token(&Token::Comma) {
        names.push(words.name()?);
    }
    Ok(names)
}

/// One option of the old spelling.
fn legacy(words: &mut Words) -> Result<Given> {
    for (name, option) in [("binary", "binary"), ("csv", "csv")] {
        if words.take(name) {
            return Ok(Given::new("format", Argument::Text(option.to_owned())));
        }
    }
    for name in ["header", "freeze"] {
        if words.take(name) {
            return Ok(Given::new(name, Argument::None));
        }
    }
    words.take("using");
    for (word, name) in [
        ("delimiter", "delimiter"),
        ("delimiters", "delimiter"),
        ("null", "null"),
        ("quote", "quote"),
        ("escape", "escape"),
        ("encoding", "encoding"),
    ] {
        if words.take(word) {
            words.take("as");
            return Ok(Given::new(name, Argument::Text(words.literal()?)));
        }
    }
    words.expect("force")?;
    let name = if words.take("quote") {
        "force_quote"
    } else if words.take_all(&["not", "null"]) {
        "force_not_null"
    } else {
        words.expect("null")?;
        "force_null"
    };
    let argument = if words.take_token(&Token::Mul) {
        Argument::All
    } else {
        Argument::Columns(names(words)?)
    };
    Ok(Given::new(name, argument))
}

#[cfg(test)]
mod tests {
    use super::super::options::{Force, Format, Header};
    use super::*;

    fn out(text: &str) -> (String, Option<usize>, Options) {
        match parse(text).unwrap() {
            Some(Copy::Out { query, offset, options }) => (query, offset, options),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn queries_and_tables_go_out() {
        let (query, offset, options) = out("COPY ( SELECT ')', (1) ) TO STDOUT");
        assert_eq!((query.as_str(), offset), ("SELECT ')', (1)", Some(7)));
        assert_eq!(options.format, Format::Text);
        let (query, offset, _) = out("copy Public.\"T t\" (a, \"B\") to stdout with binary");
        assert_eq!((query.as_str(), offset), ("SELECT a, \"B\" FROM Public.\"T t\"", None));
    }

    #[test]
    fn old_and_new_spellings_mean_the_same() {
        let (_, _, new) =
            out("COPY t TO STDOUT (FORMAT csv, HEADER, DELIMITER ';', NULL 'x', QUOTE '''', FORCE_QUOTE (a, B))");
        let (_, _, old) = out("COPY t TO STDOUT DELIMITER AS ';' NULL 'x' CSV HEADER QUOTE '''' FORCE QUOTE a, B");
        assert_eq!(new, old);
        assert_eq!(new.header, Header::Line);
        assert_eq!(new.force_quote, Force::Columns(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!((new.delimiter, new.quote, new.escape), (b';', b'\'', b'\''));
    }

    #[test]
    fn rows_come_in() {
        let Some(Copy::In {
            table,
            columns,
            options,
        }) = parse("COPY t (a) FROM STDIN WITH (FORMAT 'csv', HEADER match)").unwrap()
        else {
            panic!()
        };
        assert_eq!((table.to_string().as_str(), columns.len()), ("t", 1));
        assert_eq!(options.header, Header::Match);
        assert!(parse("COPY (SELECT 1) FROM STDIN").is_err());
    }

    #[test]
    fn files_are_left_to_the_engine() {
        for text in [
            "COPY t TO 'a.csv'",
            "COPY (SELECT 1) TO 'a.parquet' STORED AS PARQUET",
            "COPY t FROM 'a.csv'",
            "SELECT 1",
        ] {
            assert!(parse(text).unwrap().is_none(), "{text}");
        }
    }
}
