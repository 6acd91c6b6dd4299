//! Any text gets an answer: no panic, no endless loop, errors that point into the text.

use proptest::prelude::*;

use crate::{
    Error, Language, NameScope, caret, char_offset, locate_call, lower, parse, resolve_names, split, validate_strict,
};

const CORPUS: [&str; 4] = [
    include_str!("corpus/pure.sql"),
    include_str!("corpus/wider.sql"),
    include_str!("corpus/wrong.sql"),
    include_str!("corpus/impure.sql"),
];

/// A sky in which every table exists, with columns that differ from what is written in case only.
struct Mirror;

impl NameScope for Mirror {
    fn tables(&self, name: &[String]) -> Option<Vec<String>> {
        let upper = name
            .last()
            .is_some_and(|table| table.chars().all(|ch| !ch.is_ascii_lowercase()));
        upper.then(|| ["A", "Ra", "DEC", "mag", "Mag", "x"].map(str::to_owned).to_vec())
    }

    fn candidates(&self, name: &[String]) -> Vec<Vec<String>> {
        vec![name.iter().map(|part| part.to_ascii_uppercase()).collect()]
    }
}

fn points_into(sql: &str, error: &Error) {
    assert!(!error.message.is_empty());
    if let Some(span) = error.span {
        assert!((1..=sql.chars().count() + 1).contains(&char_offset(sql, span.start)));
        assert_eq!(caret(sql, span).lines().count(), 2, "{sql:?} {span:?}");
    }
}

/// Everything that this crate does to a text.
fn survive(sql: &str) {
    match split(sql) {
        Ok(pieces) => {
            for piece in pieces {
                assert!(sql[piece.byte_offset..].starts_with(piece.text));
                assert_eq!(sql[..piece.byte_offset].chars().count(), piece.offset);
            }
        }
        Err(error) => points_into(sql, &error),
    }
    if let Err(error) = validate_strict(sql) {
        points_into(sql, &error);
    }
    for function in ["circle", "f"] {
        if let Some(span) = locate_call(sql, function, Some(1)) {
            assert!(!caret(sql, span).is_empty());
        }
    }
    for language in [Language::Postgres, Language::Adql] {
        match parse(sql) {
            Err(error) => points_into(sql, &error),
            Ok(statements) => {
                for mut statement in statements {
                    if let Err(error) = resolve_names(&mut statement, &Mirror) {
                        points_into(sql, &error);
                        continue;
                    }
                    if let Err(error) = lower(&mut statement, language) {
                        points_into(sql, &error);
                        continue;
                    }
                    let once = statement.clone();
                    assert!(lower(&mut statement, language).is_ok(), "{sql}");
                    assert_eq!(once, statement, "lowering twice is lowering once: {sql}");
                }
            }
        }
    }
}

/// Pieces of queries, cut at white space and punctuation.
fn words() -> Vec<String> {
    let mut words: Vec<String> = CORPUS
        .iter()
        .flat_map(|text| text.split_inclusive([' ', '\n', ',', '(', ')', '.', '\'', '"', ';']))
        .map(str::to_owned)
        .collect();
    words.sort();
    words.dedup();
    words
}

fn queries() -> Vec<&'static str> {
    CORPUS.iter().flat_map(|text| text.split("\n\n")).collect()
}

proptest! {
    #[test]
    fn any_characters(sql in any::<String>()) {
        survive(&sql);
    }

    #[test]
    fn characters_that_mean_something(sql in r#"[ \n\tSELCTFROMabx019.,;:'"$()\[\]{}<>=!*/+%|&^~@#?\\éαU-]{0,60}"#) {
        survive(&sql);
    }

    #[test]
    fn any_words(words in prop::collection::vec(prop::sample::select(words()), 0..30)) {
        survive(&words.concat());
        survive(&format!("SELECT {} FROM t", words.join(" ")));
    }

    #[test]
    fn damaged_queries(query in prop::sample::select(queries()), other in prop::sample::select(queries()), from in 0..1000_usize, to in 0..1000_usize, at in 0..1000_usize) {
        let cut = |text: &str, permille: usize| text.char_indices().nth(permille * text.chars().count() / 1000).map_or(text.len(), |(at, _)| at);
        let (from, to) = (from.min(to), from.max(to));
        let deleted = format!("{}{}", &query[..cut(query, from)], &query[cut(query, to)..]);
        survive(&deleted);
        let spliced = format!("{}{}{}", &query[..cut(query, at)], &other[cut(other, from)..cut(other, to)], &query[cut(query, at)..]);
        survive(&spliced);
    }
}
