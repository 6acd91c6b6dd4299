//! The grammar of PREPARE and EXECUTE.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::words::Words;
use crate::Result;

/// `PREPARE name (types) AS statement`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pg) struct Prepare<'a> {
    pub(in crate::pg) name: String,
    /// The types of the parameters, as they are spelt.
    pub(in crate::pg) types: Vec<&'a str>,
    pub(in crate::pg) statement: &'a str,
    /// Characters before the statement.
    pub(in crate::pg) offset: usize,
}

/// `EXECUTE name (values)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pg) struct Execute<'a> {
    pub(in crate::pg) name: String,
    /// The values, as they are spelt, with commas between them.
    pub(in crate::pg) values: &'a str,
    /// Characters before the values.
    pub(in crate::pg) offset: usize,
}

/// Reads a PREPARE.
pub(in crate::pg) fn prepare(text: &str) -> Result<Option<Prepare<'_>>> {
    read(text, "prepare", prepared)
}

/// Reads an EXECUTE.
pub(in crate::pg) fn execute(text: &str) -> Result<Option<Execute<'_>>> {
    read(text, "execute", executed)
}

fn read<'a, T>(text: &'a str, word: &str, rest: fn(&mut Words, &'a str) -> Result<T>) -> Result<Option<T>> {
    let Some(mut words) = Words::of(text) else {
        return Ok(None);
    };
    if !words.take(word) {
        return Ok(None);
    }
    rest(&mut words, text).map(Some).map_err(|error| error.located(text, 0))
}

fn prepared<'a>(words: &mut Words, text: &'a str) -> Result<Prepare<'a>> {
    let name = words.name()?;
    let mut types = Vec::new();
    if words.take_token(&Token::LParen) {
        loop {
            let (_, start) = words.offset(text);
            loop {
                match words.peek() {
                    Some(Token::Comma | Token::RParen) => break,
                    Some(Token::LParen) => {
                        words.next += 1;
                        words.pass_brackets()?;
                    }
                    Some(_) => {}
                    None => return Err(words.unexpected()),
                }
                words.next += 1;
            }
            let (_, end) = words.offset(text);
            types.push(text.get(start..end).unwrap_or_default().trim());
            if words.take_token(&Token::RParen) {
                break;
            }
            words.take_token(&Token::Comma);
        }
    }
    words.expect("as")?;
    let (offset, start) = words.offset(text);
    Ok(Prepare {
        name,
        types,
        statement: text.get(start..).unwrap_or_default(),
        offset,
    })
}

fn executed<'a>(words: &mut Words, text: &'a str) -> Result<Execute<'a>> {
    let name = words.name()?;
    let (mut offset, mut values) = (0, "");
    if words.take_token(&Token::LParen) {
        let (characters, start) = words.offset(text);
        words.pass_brackets()?;
        let (_, end) = words.offset(text);
        words.take_token(&Token::RParen);
        (offset, values) = (characters, text.get(start..end).unwrap_or_default());
    }
    if !words.at_end() {
        return Err(words.unexpected());
    }
    Ok(Execute { name, values, offset })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_and_values_are_cut_out() {
        let read = prepare("PREPARE p (int, numeric(10, 2), text[]) AS SELECT $1")
            .unwrap()
            .unwrap();
        assert_eq!(
            (read.name.as_str(), read.statement, read.offset),
            ("p", "SELECT $1", 43)
        );
        assert_eq!(read.types, ["int", "numeric(10, 2)", "text[]"]);
        assert_eq!(
            prepare("PREPARE \"P\" AS VALUES (1)").unwrap().unwrap().types,
            Vec::<&str>::new()
        );
        let read = execute("EXECUTE p (1, f(2, 3), ')')").unwrap().unwrap();
        assert_eq!(
            (read.name.as_str(), read.values, read.offset),
            ("p", "1, f(2, 3), ')'", 11)
        );
        assert_eq!(execute("EXECUTE p").unwrap().unwrap().values, "");
        assert!(prepare("PREPARE p SELECT 1").is_err() && execute("EXECUTE p (1) 2").is_err());
    }
}
