//! An error on a terminal: the line of the text, a caret under the fault, the hint.

use super::Error;

/// Characters of a long line that are shown before and after the fault.
const BEFORE: usize = 60;
const AFTER: usize = 40;

pub(super) fn render(error: &Error, sql: &str) -> String {
    let mut out = format!("ERROR:  {}", error.message);
    if let Some(excerpt) = error.position.and_then(|position| excerpt(sql, position, error.width)) {
        out.push('\n');
        out.push_str(&excerpt);
    }
    for (label, text) in [
        ("DETAIL", error.detail.as_deref()),
        ("HINT", error.hint.as_deref()),
        ("CONTEXT", error.context()),
    ] {
        if let Some(text) = text {
            out.push_str(&format!("\n{label}:  {text}"));
        }
    }
    out
}

/// The line with the character at `position` (from 1) and a caret below it. A long line is cut around the fault.
fn excerpt(sql: &str, position: usize, width: Option<usize>) -> Option<String> {
    let fault = position.checked_sub(1)?;
    let (number, start, line) = line_at(sql, fault)?;
    let column = fault - start;
    let line: Vec<char> = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let first = if line.len() > BEFORE + AFTER {
        column.saturating_sub(BEFORE)
    } else {
        0
    };
    let last = if line.len() > first + BEFORE + AFTER {
        first + BEFORE + AFTER
    } else {
        line.len()
    };
    let (head, tail) = (
        if first > 0 { "..." } else { "" },
        if last < line.len() { "..." } else { "" },
    );

    let label = format!("LINE {number}: {head}");
    let shown: String = line.get(first..last)?.iter().collect();
    let caret = " ".repeat(label.chars().count() + column - first);
    let under = "~".repeat(width.unwrap_or(1).min(last.saturating_sub(column)).saturating_sub(1));
    Some(format!("{label}{shown}{tail}\n{caret}^{under}"))
}

/// Number (from 1), first character (from 0) and text of the line that holds character `at` (from 0). One past the
/// end belongs to the last line that has any text.
fn line_at(sql: &str, at: usize) -> Option<(usize, usize, &str)> {
    let mut start = 0;
    let mut found = None;
    for (index, line) in sql.split('\n').enumerate() {
        let length = line.chars().count();
        if start > at {
            break;
        }
        if at <= start + length {
            found = Some((index + 1, start, line));
        }
        start += length + 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn error(position: usize, width: Option<usize>) -> Error {
        Error {
            position: Some(position),
            width,
            ..Error::new(ErrorKind::Syntax, "wrong")
        }
    }

    #[test]
    fn caret_under_the_fault() {
        let text = render(&error(12, Some(3)).with_hint("Right."), "SELECT 1,\n\tfoo");
        assert_eq!(text, "ERROR:  wrong\nLINE 2:  foo\n         ^~~\nHINT:  Right.");
    }

    #[test]
    fn end_of_text_and_beyond() {
        assert_eq!(
            render(&error(7, None), "SELECT"),
            "ERROR:  wrong\nLINE 1: SELECT\n              ^"
        );
        assert_eq!(render(&error(70, None), "SELECT"), "ERROR:  wrong");
        assert_eq!(render(&error(1, None), ""), "ERROR:  wrong\nLINE 1: \n        ^");
    }

    #[test]
    fn long_lines_are_cut_around_the_fault() {
        let sql = format!("{}x{}", "a".repeat(300), "b".repeat(300));
        let text = render(&error(301, Some(1)), &sql);
        let lines: Vec<_> = text.lines().collect();
        assert!(
            lines[1].starts_with("LINE 1: ...aaa") && lines[1].ends_with("bbb..."),
            "{text}"
        );
        assert_eq!(lines[1].find('x'), lines[2].find('^'));
        assert!(lines[1].len() < 120);
    }

    #[test]
    fn letters_of_many_bytes_count_as_one() {
        let text = render(&error(9, Some(1)), "SELECT 'é");
        assert_eq!(text, "ERROR:  wrong\nLINE 1: SELECT 'é\n                ^");
    }
}
