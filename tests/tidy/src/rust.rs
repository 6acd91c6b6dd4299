//! Just enough of Rust's lexical grammar to count braces: comments and literals are blanked, functions are found.
//! Not a parser: code that macros write is not seen.

use std::ops::Range;

/// The source with comments, strings and character literals turned to spaces; line breaks stay where they are.
pub fn blanked(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => line_end(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'*') => block_comment_end(bytes, at),
            b'"' => string_end(bytes, at),
            b'\'' => char_end(source, at),
            byte if byte == b'_' || byte.is_ascii_alphabetic() => match raw_string_end(bytes, at) {
                Some(end) => end,
                None => {
                    at = word_end(bytes, at);
                    continue;
                }
            },
            _ => at,
        };
        out[at..end]
            .iter_mut()
            .filter(|byte| **byte != b'\n')
            .for_each(|byte| *byte = b' ');
        at = end.max(at + 1);
    }
    // Blanking covers whole literals, and a literal begins and ends at ASCII bytes.
    String::from_utf8_lossy(&out).into_owned()
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..]
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(bytes.len(), |length| at + length)
}

/// Block comments nest.
fn block_comment_end(bytes: &[u8], at: usize) -> usize {
    let (mut end, mut depth) = (at, 0_usize);
    while end < bytes.len() {
        match bytes.get(end..end + 2) {
            Some(b"/*") => (depth, end) = (depth + 1, end + 2),
            Some(b"*/") => (depth, end) = (depth - 1, end + 2),
            _ => end += 1,
        }
        if depth == 0 {
            break;
        }
    }
    end.min(bytes.len())
}

fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != b'"' {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    (end + 1).min(bytes.len())
}

/// `'x'` and `'\n'` end at their second quote; a lifetime (`'a`) has none, and nothing of it is blanked.
fn char_end(source: &str, at: usize) -> usize {
    let mut rest = source[at + 1..].char_indices();
    match rest.next() {
        Some((_, '\\')) => {
            rest.next(); // The escaped character, which may itself be a quote.
            rest.find(|(_, c)| *c == '\'').map_or(at, |(length, _)| at + length + 2)
        }
        Some(_) => match rest.next() {
            Some((length, '\'')) => at + length + 2,
            _ => at,
        },
        None => at,
    }
}

/// The end of `r"…"`, `br#"…"#` and the like, if one begins here.
fn raw_string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let prefix = [&b"br"[..], b"cr", b"r"]
        .into_iter()
        .find(|prefix| bytes[at..].starts_with(prefix))?
        .len();
    let hashes = bytes[at + prefix..].iter().take_while(|byte| **byte == b'#').count();
    let open = at + prefix + hashes;
    (bytes.get(open) == Some(&b'"')).then_some(())?;
    let mut close = vec![b'"'];
    close.resize(hashes + 1, b'#');
    let length = bytes[open + 1..]
        .windows(close.len())
        .position(|window| window == close);
    Some(length.map_or(bytes.len(), |length| open + 1 + length + close.len()))
}

fn word_end(bytes: &[u8], at: usize) -> usize {
    let is_word = |byte: &u8| *byte == b'_' || byte.is_ascii_alphanumeric();
    bytes[at..]
        .iter()
        .position(|byte| !is_word(byte))
        .map_or(bytes.len(), |length| at + length)
}

/// The words of blanked source with the offset of each.
pub fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let bytes = code.as_bytes();
        while at < bytes.len() && !(bytes[at] == b'_' || bytes[at].is_ascii_alphanumeric()) {
            at += 1;
        }
        let (start, end) = (at, word_end(bytes, at.min(bytes.len())));
        at = end;
        (start < end).then(|| (start, &code[start..end]))
    })
}

/// The line, from 1, on which an offset stands.
pub fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}

/// A function with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name; a method's type is not part of it.
    pub name: String,
    /// Lines from the `fn` to the closing brace, both included.
    pub lines: Range<usize>,
}

/// Every `fn` item with a body, nested ones too, in order.
pub fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    let mut words = words(code).peekable();
    while let Some((offset, word)) = words.next() {
        if word != "fn" {
            continue;
        }
        // `fn(u8) -> u8` is a type: no name follows the word directly.
        let Some((name_at, name)) = words.peek().copied() else {
            break;
        };
        if code[offset + 2..name_at].trim().is_empty()
            && let Some(body) = body_of(code, name_at + name.len())
        {
            let lines = line_of(code, offset)..line_of(code, body.end - 1) + 1;
            found.push(Function {
                name: name.to_owned(),
                lines,
            });
        }
    }
    found
}

/// The braces after a signature, or `None` where a `;` ends it (a trait's method, a foreign function).
fn body_of(code: &str, signature: usize) -> Option<Range<usize>> {
    let (mut nested, mut braces, mut start) = (0_i64, 0_i64, signature);
    for (at, byte) in code.bytes().enumerate().skip(signature) {
        match byte {
            b'(' | b'[' if braces == 0 => nested += 1,
            b')' | b']' if braces == 0 => nested -= 1,
            b';' if braces == 0 && nested == 0 => return None,
            b'{' if nested == 0 => {
                if braces == 0 {
                    start = at;
                }
                braces += 1;
            }
            b'}' if nested == 0 => {
                braces -= 1;
                if braces == 0 {
                    return Some(start..at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// How many leading lines are not the inline tests: up to the first `#[cfg(test)]` that stands before a `mod`.
pub fn lines_before_tests(source: &str) -> usize {
    let lines: Vec<_> = source.lines().map(str::trim).collect();
    let opens_tests = |at: usize| {
        let item = lines[at + 1..]
            .iter()
            .find(|line| !line.starts_with("#[") && !line.starts_with("//"));
        lines[at] == "#[cfg(test)]"
            && item
                .is_some_and(|item| item.trim_start_matches("pub(crate) ").starts_with("mod ") && item.ends_with('{'))
    };
    (0..lines.len()).find(|at| opens_tests(*at)).unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_comments_are_blanked() {
        for (source, kept) in [
            ("a // {\nb", "a b"),
            ("a /* { /* } */ { */ b", "a b"),
            (r#"f("{\"}")"#, "f( )"),
            (r#"f("\\", '{')"#, "f( , )"),
            ("f(r#\"{ \" }\"#)", "f( )"),
            ("f(br\"{\")", "f( )"),
            ("'{' '\\'' '\\u{7d}' x", "x"),
            ("impl<'a> X<'a> { }", "impl<'a> X<'a> { }"),
            ("'é' }", "}"),
            ("r#type }", "r#type }"),
            ("\"é{", ""),
        ] {
            let got = blanked(source);
            assert_eq!(got.split_whitespace().collect::<Vec<_>>().join(" "), kept, "{source}");
            assert_eq!(got.len(), source.len(), "{source}");
        }
    }

    #[test]
    fn functions_are_found_with_their_lines() {
        let code = blanked(
            "trait T { fn none(&self); }\nconst F: fn(u8) -> u8 = g;\nfn g(x: [u8; 2]) -> u8 {\n  fn inner() {}\n  if x { 1 } else { 2 }\n}\n\
             async fn s(s: &str) where A: B {\n}\n",
        );
        let found: Vec<_> = functions(&code).into_iter().map(|f| (f.name, f.lines)).collect();
        assert_eq!(found, [("g".into(), 3..7), ("inner".into(), 4..5), ("s".into(), 7..9)]);
    }

    #[test]
    fn inline_tests_do_not_count() {
        assert_eq!(lines_before_tests("a\nb\n#[cfg(test)]\nmod tests {\n}\n"), 2);
        assert_eq!(lines_before_tests("a\n#[cfg(test)]\n#[expect(x)]\nmod tests {\n}\n"), 1);
        assert_eq!(lines_before_tests("a\n#[cfg(test)]\nuse b;\nc\n"), 4);
        assert_eq!(lines_before_tests("#[cfg(test)]\nmod oracle;\na\n"), 3);
        assert_eq!(lines_before_tests(""), 0);
    }
}
