//! Statements as they may be written down: what looks like a secret becomes `'***'`.
//!
//! A literal is one if a word before it, or a literal that names it, says so (`PASSWORD 'x'`,
//! `OPTIONS ('aws.secret_access_key' 'x')`), or if it is an address that carries one. Rather too much is hidden than too
//! little.

use std::borrow::Cow;

/// Words, or parts of them, after which a secret comes.
const SIGNS: [&str; 9] = [
    "password",
    "passwd",
    "secret",
    "token",
    "credential",
    "access_key",
    "private_key",
    "api_key",
    "scram-sha-256$",
];

const MASK: &str = "'***'";

/// The text without its secrets.
pub(super) fn redact(text: &str) -> Cow<'_, str> {
    if !says_secret(text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // Whether the next literal is a secret.
    let mut armed = false;
    while let Some(first) = rest.chars().next() {
        let (piece, literal) = piece(rest, first);
        rest = rest.get(piece.len()..).unwrap_or_default();
        match literal {
            true if armed || is_secret(piece) => {
                out.push_str(MASK);
                armed = false;
            }
            true => {
                out.push_str(piece);
                armed = says_secret(piece);
            }
            false => {
                out.push_str(piece);
                armed = match first {
                    ',' | ';' => false,
                    _ => armed || says_secret(piece),
                };
            }
        }
    }
    Cow::Owned(out)
}

fn says_secret(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    SIGNS.iter().any(|sign| lower.contains(sign))
}

/// Whether a literal holds a secret beside what says so: `s3://b?secret=x`, `password=x`, a verifier.
fn is_secret(literal: &str) -> bool {
    says_secret(literal) && literal.contains(['=', '?', '$', ' '])
}

/// The next piece of a text, and whether it is a literal: one that does not end goes to the end.
fn piece(text: &str, first: char) -> (&str, bool) {
    match first {
        '\'' => (quoted(text, 1), true),
        'e' | 'E' if text.get(1..2) == Some("'") => (escaped(text), true),
        '$' => match dollar(text) {
            Some(piece) => (piece, true),
            None => (&text[..1], false),
        },
        '"' => (until(text, 1, "\""), false),
        '-' if text.starts_with("--") => (until(text, 2, "\n"), false),
        '/' if text.starts_with("/*") => (until(text, 2, "*/"), false),
        c if is_word(c) => {
            let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
            (&text[..end], false)
        }
        c => (&text[..c.len_utf8()], false),
    }
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || ['_', '.'].contains(&letter)
}

/// Up to and with `end`, looked for from `from`.
fn until<'a>(text: &'a str, from: usize, end: &str) -> &'a str {
    let found = text.get(from..).and_then(|rest| rest.find(end));
    found.map_or(text, |at| &text[..from + at + end.len()])
}

/// A literal in single quotes, in which two mean one.
fn quoted(text: &str, from: usize) -> &str {
    let mut at = from;
    loop {
        let piece = until(text, at, "'");
        if piece.len() == text.len() || text.as_bytes().get(piece.len()) != Some(&b'\'') {
            return piece;
        }
        at = piece.len() + 1;
    }
}

/// A literal in which a backslash takes the next letter along.
fn escaped(text: &str) -> &str {
    let mut letters = text.char_indices().skip(2).peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => drop(letters.next()),
            '\'' if letters.peek().is_none_or(|(_, next)| *next != '\'') => return &text[..=at],
            '\'' => drop(letters.next()),
            _ => {}
        }
    }
    text
}

/// A literal between `$tag$` and `$tag$`.
fn dollar(text: &str) -> Option<&str> {
    let end = text.get(1..)?.find('$')? + 2;
    let tag = &text[..end];
    let name = &tag[1..tag.len() - 1];
    let named = name.chars().all(is_word) && !name.starts_with(|c: char| c.is_ascii_digit());
    named.then(|| until(text, end, tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_however_they_are_spelt() {
        for (text, shown) in [
            ("ALTER USER ada PASSWORD 'Canary'", "ALTER USER ada PASSWORD '***'"),
            (
                "alter role ada with password E'Ca\\'nary'' x' valid",
                "alter role ada with password '***' valid",
            ),
            (
                "CREATE USER a PASSWORD $x$Can'ary$x$; SELECT 1",
                "CREATE USER a PASSWORD '***'; SELECT 1",
            ),
            (
                "OPTIONS ('aws.access_key_id' 'Canary', 'aws.secret_access_key' 'Canary', 'region' 'eu')",
                "OPTIONS ('aws.access_key_id' '***', 'aws.secret_access_key' '***', 'region' 'eu')",
            ),
            ("SET x.token = 'Canary'", "SET x.token = '***'"),
            ("SELECT * FROM 's3://b/c?secret=Canary'", "SELECT * FROM '***'"),
            ("PASSWORD /* a, */ 'Canary", "PASSWORD /* a, */ '***'"),
            ("SELECT 'password' , 'stars'", "SELECT 'password' , 'stars'"),
            (
                "ALTER USER a PASSWORD 'SCRAM-SHA-256$4096:x$y:z'",
                "ALTER USER a PASSWORD '***'",
            ),
        ] {
            assert_eq!(redact(text), shown);
        }
    }

    #[test]
    fn other_texts_stay_as_they_are() {
        for text in [
            "SELECT 'it''s', $1, $2 FROM \"t\" -- '\n",
            "SELECT 'é' || $$x$$",
            "",
            "'",
            "$",
            "E'",
            "\"",
            "/*",
        ] {
            assert_eq!(redact(text), text);
            let marked = format!("password, {text}");
            assert!(redact(&marked).starts_with("password, "), "{text}");
        }
    }
}
