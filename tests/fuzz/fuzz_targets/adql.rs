//! The ADQL front must survive any text: split, parse, validate, lower, resolve names, and point at the fault.
//!
//! Beyond "no panic" it holds to: pieces lie where they say; lowering twice is lowering once; an error points into
//! the text. Not a check of meaning: the tests of the crate do that.

#![no_main]

use dreyer_adql::{
    Error, Language, NameScope, caret, char_offset, locate_call, lower, parse, resolve_names, split, validate_strict,
};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|text: &str| -> Corpus {
    let accepted = pieces(text);
    if let Err(error) = validate_strict(text) {
        points_into(text, &error);
    }
    for argument in [None, Some(0), Some(3)] {
        if let Some(span) = locate_call(text, "circle", argument) {
            let _ = caret(text, span);
        }
    }
    for language in [Language::Postgres, Language::Adql] {
        lowered(text, language);
    }
    // Texts that are not even tokens teach the mutator little; let it forget most of them.
    if accepted || text.len() < 64 {
        Corpus::Keep
    } else {
        Corpus::Reject
    }
});

/// Every table exists, under upper-case names, with columns that differ from one another in case only.
struct Sky;

impl NameScope for Sky {
    fn tables(&self, name: &[String]) -> Option<Vec<String>> {
        let table = name.last()?;
        (*table == table.to_ascii_uppercase())
            .then(|| ["a", "Ra", "DEC", "mag", "Mag", "x"].map(str::to_owned).to_vec())
    }

    fn candidates(&self, name: &[String]) -> Vec<Vec<String>> {
        vec![name.iter().map(|part| part.to_ascii_uppercase()).collect()]
    }
}

fn pieces(text: &str) -> bool {
    let found = match split(text) {
        Ok(found) => found,
        Err(error) => {
            points_into(text, &error);
            return false;
        }
    };
    for piece in &found {
        assert!(
            text[piece.byte_offset..].starts_with(piece.text),
            "a piece lies where it says"
        );
        assert_eq!(
            text[..piece.byte_offset].chars().count(),
            piece.offset,
            "both offsets mean one place"
        );
        assert!(!piece.text.trim().is_empty(), "empty statements are dropped");
    }
    true
}

fn lowered(text: &str, language: Language) {
    let statements = match parse(text) {
        Ok(statements) => statements,
        Err(error) => return points_into(text, &error),
    };
    for mut statement in statements {
        match lower(&mut statement, language) {
            Err(error) => points_into(text, &error),
            Ok(()) => {
                let once = statement.to_string();
                // A second time finds nothing to do: what passes write, no pass rewrites.
                if lower(&mut statement, language).is_ok() {
                    assert_eq!(once, statement.to_string(), "lowering is idempotent");
                }
                if let Err(error) = resolve_names(&mut statement, &Sky) {
                    points_into(text, &error);
                }
            }
        }
    }
}

fn points_into(text: &str, error: &Error) {
    assert!(!error.message.is_empty(), "an error says what is wrong");
    if let Some(span) = error.span {
        let end = text.chars().count() + 1;
        assert!(
            (1..=end).contains(&char_offset(text, span.start)),
            "{error} lies outside the text"
        );
        let _ = caret(text, span);
    }
}
