//! Places in a query text: the parser counts lines and columns in characters, PostgreSQL clients
//! want one character offset, Rust wants bytes, and people want a caret under the fault.

use sqlparser::tokenizer::{Location, Span};

/// The widest piece of a line that [`caret`] shows, in characters.
const WINDOW: usize = 100;

/// The 1-based character offset of a location, as PostgreSQL's `P` error field wants it.
///
/// A location outside the text is moved to the nearest place inside it.
pub fn char_offset(sql: &str, location: Location) -> usize {
    let mut offset = 1;
    let mut lines = sql.split('\n');
    for _ in 1..location.line.max(1) {
        match lines.next() {
            Some(line) => offset += line.chars().count() + 1,
            None => break,
        }
    }
    let width = lines.next().map_or(0, |line| line.chars().count());
    let column = usize::try_from(location.column.max(1)).unwrap_or(usize::MAX) - 1;
    (offset + column.min(width)).min(sql.chars().count() + 1)
}

/// The location of a 1-based character offset; the reverse of [`char_offset`].
pub fn location_at(sql: &str, offset: usize) -> Location {
    let mut location = Location::new(1, 1);
    for ch in sql.chars().take(offset.saturating_sub(1)) {
        if ch == '\n' {
            location = Location::new(location.line + 1, 1);
        } else {
            location.column += 1;
        }
    }
    location
}

/// Two lines: the line of the text where `span` starts, and a `^~~~` under it.
///
/// A span over several lines is underlined to the end of its first; a long line is cut around the
/// fault. Returns an empty text for an empty span.
///
/// ```
/// use sqlparser::tokenizer::{Location, Span};
/// let span = Span::new(Location::new(1, 8), Location::new(1, 11));
/// assert_eq!(dreyer_adql::caret("SELECT rab FROM gaia", span), "LINE 1: SELECT rab FROM gaia\n               ^~~");
/// ```
pub fn caret(sql: &str, span: Span) -> String {
    if span == Span::empty() {
        return String::new();
    }
    let line_number = span.start.line.max(1);
    let index = usize::try_from(line_number - 1).unwrap_or(usize::MAX);
    let Some(line) = sql.split('\n').nth(index) else {
        return String::new();
    };
    let shown: Vec<char> = line
        .trim_end_matches('\r')
        .chars()
        .map(|ch| if ch.is_control() { ' ' } else { ch })
        .collect();
    let start = usize::try_from(span.start.column.max(1) - 1)
        .unwrap_or(usize::MAX)
        .min(shown.len());
    let end = if span.end.line == span.start.line {
        usize::try_from(span.end.column.max(1) - 1).unwrap_or(usize::MAX)
    } else {
        shown.len()
    };
    let width = end.min(shown.len()).saturating_sub(start).max(1);

    let from = if shown.len() <= WINDOW {
        0
    } else {
        start.saturating_sub(WINDOW / 2).min(shown.len() - WINDOW)
    };
    let to = (from + WINDOW).min(shown.len());
    let (before, after) = (
        if from > 0 { "..." } else { "" },
        if to < shown.len() { "..." } else { "" },
    );
    let text: String = shown.iter().skip(from).take(to - from).collect();
    let head = format!("LINE {line_number}: {before}");
    let width = width.min((to + 1).saturating_sub(start).max(1));
    format!(
        "{head}{text}{after}\n{}^{}",
        " ".repeat(head.len() + start - from),
        "~".repeat(width - 1)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(l1: u64, c1: u64, l2: u64, c2: u64) -> Span {
        Span::new(Location::new(l1, c1), Location::new(l2, c2))
    }

    #[test]
    fn offsets_count_characters() {
        let sql = "SELECT 'é'\nFROM t\r\nWHERE x";
        assert_eq!(char_offset(sql, Location::new(1, 1)), 1);
        assert_eq!(char_offset(sql, Location::new(1, 9)), 9);
        assert_eq!(char_offset(sql, Location::new(2, 1)), 12);
        assert_eq!(char_offset(sql, Location::new(3, 7)), 26);
        assert_eq!(char_offset(sql, Location::new(9, 9)), sql.chars().count() + 1);
        assert_eq!(char_offset(sql, Location::new(0, 0)), 1);
        for offset in 1..=sql.chars().count() {
            assert_eq!(char_offset(sql, location_at(sql, offset)), offset);
        }
    }

    #[test]
    fn carets() {
        assert_eq!(caret("a\n\tbcd e", span(2, 2, 2, 5)), "LINE 2:  bcd e\n         ^~~");
        assert_eq!(caret("abc", span(1, 4, 1, 5)), "LINE 1: abc\n           ^");
        assert_eq!(caret("abc\ndef", span(1, 2, 2, 2)), "LINE 1: abc\n         ^~");
        assert_eq!(caret("abc", Span::empty()), "");
        assert_eq!(caret("abc", span(7, 1, 7, 2)), "");
        let long = format!("{}X{}", "a".repeat(300), "b".repeat(300));
        let shown = caret(&long, span(1, 301, 1, 302));
        let (line, mark) = shown.split_once('\n').unwrap();
        assert_eq!(line.chars().nth(mark.find('^').unwrap()), Some('X'));
        assert!(line.len() < 120 && line.ends_with("..."));
    }
}
