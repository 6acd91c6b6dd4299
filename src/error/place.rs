//! Where a fault lies, in the words of whoever found it, and how that becomes characters of the text.

use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token, Tokenizer};

/// A place in a statement's text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Place {
    /// From one line and column to another, both from 1.
    Span(Span),
    /// At a line and column, from 1, where it should read so; empty if how far it goes is not known.
    Point { line: u64, column: u64, text: String },
    /// Behind the last character.
    End,
    /// The first identifier that reads so, upper and lower case alike.
    Word(String),
    /// The call of a function, or one argument of it, counted from 0.
    Call { function: String, argument: Option<usize> },
}

impl Place {
    /// The same, where it reads so.
    pub(crate) fn reading(self, found: &str) -> Self {
        match self {
            Self::Point { line, column, .. } => Self::Point {
                line,
                column,
                text: found.to_owned(),
            },
            other => other,
        }
    }

    /// The first character of the place in `text`, from 1, and the number of characters, where known.
    pub(crate) fn find(&self, text: &str) -> Option<(usize, Option<usize>)> {
        match self {
            Self::Span(span) => from_span(text, *span),
            Self::Point {
                line,
                column,
                text: reads,
            } => {
                let position = position(
                    text,
                    Location {
                        line: *line,
                        column: *column,
                    },
                )?;
                let length = reads.chars().count();
                let there = length > 0 && text.chars().skip(position - 1).take(length).eq(reads.chars());
                Some((position, there.then_some(length)))
            }
            Self::End => Some((text.chars().count() + 1, None)),
            Self::Word(word) => from_span(text, word_span(text, word)?),
            Self::Call { function, argument } => {
                let argument = argument.map(|number| number + usize::from(names_system(text, function)));
                let span = dreyer_adql::locate_call(text, function, argument)
                    .or_else(|| dreyer_adql::locate_call(text, function, None))?;
                from_span(text, span)
            }
        }
    }
}

/// Whether the call begins with a coordinate system, which is no argument any more when the call is evaluated.
fn names_system(text: &str, function: &str) -> bool {
    let geometry = ["point", "circle", "box", "polygon"]
        .iter()
        .any(|name| name.eq_ignore_ascii_case(function));
    let first = dreyer_adql::locate_call(text, function, Some(0)).and_then(|span| position(text, span.start));
    geometry && first.is_some_and(|first| text.chars().nth(first - 1) == Some('\''))
}

fn from_span(text: &str, span: Span) -> Option<(usize, Option<usize>)> {
    let start = position(text, span.start)?;
    let end = position(text, span.end).filter(|end| *end > start);
    Some((start, end.map(|end| end - start)))
}

/// The place of a line and column among all characters; `None` for the parser's "nowhere", which is line 0.
fn position(text: &str, location: Location) -> Option<usize> {
    (location.line > 0 && location.column > 0).then(|| dreyer_adql::char_offset(text, location))
}

fn word_span(text: &str, word: &str) -> Option<Span> {
    let tokens = Tokenizer::new(dreyer_adql::dialect(), text)
        .tokenize_with_location()
        .ok()?;
    tokens.into_iter().find_map(|token| match token.token {
        Token::Word(found) if found.value.eq_ignore_ascii_case(word) => Some(token.span),
        _ => None,
    })
}
