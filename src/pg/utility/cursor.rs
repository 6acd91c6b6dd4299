//! The grammar of cursors: DECLARE, FETCH, MOVE.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::super::rows::Direction;
use super::Utility;
use super::words::Words;
use crate::{Error, ErrorKind, Result};

/// What DECLARE says of a cursor, and the query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pg) struct Declaration {
    pub(in crate::pg) name: String,
    pub(in crate::pg) binary: bool,
    pub(in crate::pg) scrolls: bool,
    pub(in crate::pg) holdable: bool,
}

/// Reads a DECLARE: the declaration, the text of the query, and the characters of the statement before that.
pub(in crate::pg) fn declaration(text: &str) -> Result<Option<(Declaration, &str, usize)>> {
    let Some(mut words) = Words::of(text) else {
        return Ok(None);
    };
    if !words.take("declare") {
        return Ok(None);
    }
    declared(&mut words, text)
        .map(Some)
        .map_err(|error| error.located(text, 0))
}

fn declared<'a>(words: &mut Words, text: &'a str) -> Result<(Declaration, &'a str, usize)> {
    let name = words.name()?;
    let (mut binary, mut scroll, mut no_scroll) = (false, false, false);
    loop {
        if words.take("binary") {
            binary = true;
        } else if words.take_all(&["no", "scroll"]) {
            no_scroll = true;
        } else if words.take("scroll") {
            scroll = true;
        } else if !words.take("insensitive") && !words.take("asensitive") {
            break;
        }
    }
    words.expect("cursor")?;
    if scroll && no_scroll {
        let message = "cannot specify both SCROLL and NO SCROLL";
        return Err(Error::new(ErrorKind::InvalidCursor, message));
    }
    let holdable = words.take_all(&["with", "hold"]);
    words.take_all(&["without", "hold"]);
    words.expect("for")?;
    let (characters, bytes) = words.offset(text);
    let declaration = Declaration {
        name,
        binary,
        scrolls: scroll,
        holdable,
    };
    Ok((declaration, text.get(bytes..).unwrap_or_default(), characters))
}

/// What stands behind FETCH or MOVE.
pub(super) fn fetch(words: &mut Words, moves: bool) -> Result<Utility> {
    let direction = direction(words)?;
    let _ = words.take("from") || words.take("in");
    Ok(Utility::Fetch {
        name: words.name()?,
        direction,
        moves,
    })
}

fn direction(words: &mut Words) -> Result<Direction> {
    // A cursor may have the name of a direction; it stands last.
    if words.is_last() {
        return Ok(Direction::Forward(Some(1)));
    }
    let all = |words: &mut Words| -> Result<Option<i64>> {
        if words.take("all") {
            return Ok(None);
        }
        let number = matches!(words.peek(), Some(Token::Number(..) | Token::Minus | Token::Plus));
        if number { words.whole().map(Some) } else { Ok(Some(1)) }
    };
    Ok(if words.take("next") {
        Direction::Forward(Some(1))
    } else if words.take("prior") {
        Direction::Backward(Some(1))
    } else if words.take("first") {
        Direction::Absolute(1)
    } else if words.take("last") {
        Direction::Absolute(-1)
    } else if words.take("absolute") {
        Direction::Absolute(words.whole()?)
    } else if words.take("relative") {
        Direction::Relative(words.whole()?)
    } else if words.take("forward") {
        Direction::Forward(all(words)?)
    } else if words.take("backward") {
        Direction::Backward(all(words)?)
    } else {
        Direction::Forward(all(words)?)
    })
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn declarations() {
        let text = "DECLARE \"C\" BINARY NO SCROLL CURSOR WITH HOLD FOR\nSELECT 1";
        let (declaration, query, offset) = declaration(text).unwrap().unwrap();
        assert_eq!((query, offset), ("SELECT 1", 50));
        assert_eq!(
            declaration,
            Declaration {
                name: "C".to_owned(),
                binary: true,
                scrolls: false,
                holdable: true
            }
        );
        let error = super::declaration("DECLARE c SCROLL NO SCROLL CURSOR FOR SELECT 1").unwrap_err();
        assert_eq!(error.sqlstate(), "42P11");
        assert_eq!(
            super::declaration("DECLARE c FOR SELECT 1").unwrap_err().position,
            Some(11)
        );
    }

    #[test]
    fn directions() {
        use Direction::{Absolute, Backward, Forward, Relative};
        for (text, direction) in [
            ("FETCH c", Forward(Some(1))),
            ("FETCH FROM c", Forward(Some(1))),
            ("FETCH NEXT IN c", Forward(Some(1))),
            ("FETCH next", Forward(Some(1))),
            ("FETCH 7 c", Forward(Some(7))),
            ("FETCH -7 FROM c", Forward(Some(-7))),
            ("FETCH ALL FROM c", Forward(None)),
            ("FETCH FORWARD c", Forward(Some(1))),
            ("FETCH FORWARD 100 FROM c", Forward(Some(100))),
            ("FETCH FORWARD ALL c", Forward(None)),
            ("FETCH PRIOR FROM c", Backward(Some(1))),
            ("FETCH BACKWARD 3 c", Backward(Some(3))),
            ("FETCH BACKWARD ALL c", Backward(None)),
            ("FETCH FIRST c", Absolute(1)),
            ("FETCH LAST c", Absolute(-1)),
            ("FETCH ABSOLUTE -2 FROM c", Absolute(-2)),
            ("FETCH RELATIVE 0 c", Relative(0)),
        ] {
            let name = text.rsplit(' ').next().unwrap().to_owned();
            let read = parse(text).unwrap().unwrap();
            let moves = false;
            assert_eq!(read, Utility::Fetch { name, direction, moves }, "{text}");
        }
        assert!(parse("FETCH").is_err() && parse("MOVE ABSOLUTE x FROM c").is_err());
    }
}
