//! The grammar of utility statements, over the tokens of the one dialect.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::words::Words;
use super::{Modes, Utility, cursor};
use crate::{Error, ErrorKind, Result};

/// Reads a statement if its first words say that it is about the session; `None` leaves it to the engine.
pub(in crate::pg) fn parse(text: &str) -> Result<Option<Utility>> {
    let Some(mut words) = Words::of(text) else {
        return Ok(None);
    };
    let utility = statement(&mut words).map_err(|error| error.located(text, 0))?;
    if utility.is_some() && !words.at_end() {
        return Err(words.unexpected().located(text, 0));
    }
    Ok(utility)
}

fn statement(words: &mut Words) -> Result<Option<Utility>> {
    let utility = if words.take("begin") {
        let _ = words.take("work") || words.take("transaction");
        Utility::Begin {
            tag: "BEGIN",
            modes: modes(words, "transaction")?,
        }
    } else if words.take_all(&["start", "transaction"]) {
        Utility::Begin {
            tag: "START TRANSACTION",
            modes: modes(words, "transaction")?,
        }
    } else if words.take("commit") || words.take("end") {
        Utility::Commit { chain: words.chain()? }
    } else if words.take("rollback") || words.take("abort") {
        let chain = words.chain()?;
        if words.take("to") {
            words.take("savepoint");
            Utility::RollbackTo(words.name()?)
        } else {
            Utility::Rollback { chain }
        }
    } else if words.take("savepoint") {
        Utility::Savepoint(words.name()?)
    } else if words.take("release") {
        words.take("savepoint");
        Utility::Release(words.name()?)
    } else if words.take("set") {
        set(words)?
    } else if words.take("show") {
        return show(words);
    } else if words.take("reset") {
        reset(words)?
    } else if words.take("discard") {
        discard(words)?
    } else if words.take("deallocate") {
        words.take("prepare");
        Utility::Deallocate(all_or_name(words)?)
    } else if words.take("fetch") {
        cursor::fetch(words, false)?
    } else if words.take("move") {
        cursor::fetch(words, true)?
    } else if words.take("close") {
        Utility::Close(all_or_name(words)?)
    } else if words.take("listen") {
        // Nobody can notify, so there is nothing to hear.
        words.name()?;
        Utility::Nothing("LISTEN")
    } else if words.take("unlisten") {
        if !words.take_token(&Token::Mul) {
            words.name()?;
        }
        Utility::Nothing("UNLISTEN")
    } else {
        return Ok(None);
    };
    Ok(Some(utility))
}

fn all_or_name(words: &mut Words) -> Result<Option<String>> {
    if words.take("all") {
        Ok(None)
    } else {
        words.name().map(Some)
    }
}

/// ISOLATION LEVEL …, READ ONLY | WRITE, [NOT] DEFERRABLE, with or without commas.
fn modes(words: &mut Words, prefix: &str) -> Result<Modes> {
    let defaults = prefix != "transaction";
    let pick = |name: &'static str, default: &'static str| if defaults { default } else { name };
    let mut modes = Modes::new();
    while words.peek().is_some() {
        let _ = words.take_token(&Token::Comma);
        if words.take_all(&["isolation", "level"]) {
            let level = if words.take_all(&["repeatable", "read"]) {
                "repeatable read"
            } else if words.take_all(&["read", "committed"]) {
                "read committed"
            } else if words.take_all(&["read", "uncommitted"]) {
                "read uncommitted"
            } else {
                words.expect("serializable")?;
                "serializable"
            };
            modes.push((
                pick("transaction_isolation", "default_transaction_isolation"),
                level.to_owned(),
            ));
        } else if words.take("read") {
            let only = words.take("only");
            if !only {
                words.expect("write")?;
            }
            let value = if only { "on" } else { "off" };
            modes.push((
                pick("transaction_read_only", "default_transaction_read_only"),
                value.to_owned(),
            ));
        } else {
            let value = if words.take("not") { "off" } else { "on" };
            words.expect("deferrable")?;
            modes.push((
                pick("transaction_deferrable", "default_transaction_deferrable"),
                value.to_owned(),
            ));
        }
    }
    Ok(modes)
}

fn set(words: &mut Words) -> Result<Utility> {
    if words.take_all(&["session", "characteristics", "as", "transaction"]) {
        return Ok(Utility::SetModes(modes(words, "default_transaction")?));
    }
    let local = words.take("local");
    if !local
        && matches!(
            words.tokens.get(words.next + 1).map(|token| &token.token),
            Some(Token::Word(_))
        )
    {
        words.take("session");
    }
    if words.take("transaction") {
        return Ok(Utility::SetModes(modes(words, "transaction")?));
    }
    if words.take_all(&["time", "zone"]) {
        return Ok(Utility::Set {
            name: "TimeZone".to_owned(),
            value: set_value(words)?,
            local,
        });
    }
    if words.take("names") {
        let value = if words.peek().is_some() {
            set_value(words)?
        } else {
            None
        };
        return Ok(Utility::Set {
            name: "client_encoding".to_owned(),
            value,
            local,
        });
    }
    if words.take("authorization") || words.take("role") {
        let value = set_value(words)?.unwrap_or_default();
        if ["", "none"].contains(&value.as_str()) {
            return Ok(Utility::Nothing("SET"));
        }
        return Err(Error::new(ErrorKind::NotSupported, "a session cannot change its user"));
    }
    let name = words.setting()?;
    if !words.take("to") && !words.take_token(&Token::Eq) {
        return Err(words.unexpected());
    }
    Ok(Utility::Set {
        name,
        value: set_value(words)?,
        local,
    })
}

/// DEFAULT, or values joined as PostgreSQL keeps lists.
fn set_value(words: &mut Words) -> Result<Option<String>> {
    if words.take("default") {
        return Ok(None);
    }
    let mut list = words.value()?;
    while words.take_token(&Token::Comma) {
        list = format!("{list}, {}", words.value()?);
    }
    Ok(Some(list))
}

/// SHOW of a setting; the engine's own (SHOW TABLES, SHOW FUNCTIONS, …) are not ours.
fn show(words: &mut Words) -> Result<Option<Utility>> {
    if words.take_all(&["time", "zone"]) {
        return Ok(Some(Utility::Show("TimeZone".to_owned())));
    }
    if words.take_all(&["transaction", "isolation", "level"]) {
        return Ok(Some(Utility::Show("transaction_isolation".to_owned())));
    }
    if words.take_all(&["session", "authorization"]) {
        return Ok(Some(Utility::Show("session_authorization".to_owned())));
    }
    let start = words.next;
    for engine in [
        "tables",
        "columns",
        "functions",
        "create",
        "schemas",
        "databases",
        "fields",
        "views",
    ] {
        if words.take(engine) {
            words.next = start;
            return Ok(None);
        }
    }
    if words.take("all") {
        return Ok(Some(Utility::ShowAll));
    }
    Ok(Some(Utility::Show(words.setting()?)))
}

fn reset(words: &mut Words) -> Result<Utility> {
    if words.take("all") {
        return Ok(Utility::ResetAll);
    }
    if words.take_all(&["time", "zone"]) {
        return Ok(Utility::Reset("TimeZone".to_owned()));
    }
    if words.take_all(&["transaction", "isolation", "level"]) {
        return Ok(Utility::Reset("transaction_isolation".to_owned()));
    }
    if words.take_all(&["session", "authorization"]) || words.take("role") {
        return Ok(Utility::Nothing("RESET"));
    }
    Ok(Utility::Reset(words.setting()?))
}

fn discard(words: &mut Words) -> Result<Utility> {
    if words.take("all") {
        return Ok(Utility::Discard { all: true, plans: true });
    }
    if words.take("plans") {
        return Ok(Utility::Discard {
            all: false,
            plans: true,
        });
    }
    if words.take("sequences") || words.take("temp") || words.take("temporary") {
        return Ok(Utility::Discard {
            all: false,
            plans: false,
        });
    }
    Err(words.unexpected())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Utility {
        parse(text)
            .unwrap()
            .unwrap_or_else(|| panic!("{text} is not read as a utility statement"))
    }

    fn set(name: &str, value: Option<&str>, local: bool) -> Utility {
        Utility::Set {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            local,
        }
    }

    #[test]
    fn the_many_spellings_of_set() {
        for (text, expected) in [
            ("SET DateStyle='ISO'", set("datestyle", Some("ISO"), false)),
            (
                "set session statement_timeout to 100",
                set("statement_timeout", Some("100"), false),
            ),
            (
                "SET LOCAL extra_float_digits = -3",
                set("extra_float_digits", Some("-3"), true),
            ),
            (
                "SET search_path TO gaia, public",
                set("search_path", Some("gaia, public"), false),
            ),
            (
                "SET TIME ZONE 'Europe/Berlin'",
                set("TimeZone", Some("Europe/Berlin"), false),
            ),
            ("SET TIME ZONE DEFAULT", set("TimeZone", None, false)),
            ("SET NAMES 'utf8'", set("client_encoding", Some("utf8"), false)),
            (
                "SET dreyer.dialect = 'adql'",
                set("dreyer.dialect", Some("adql"), false),
            ),
            ("SET ROLE none", Utility::Nothing("SET")),
            (
                "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, ISOLATION LEVEL SERIALIZABLE",
                Utility::SetModes(vec![
                    ("default_transaction_read_only", "on".to_owned()),
                    ("default_transaction_isolation", "serializable".to_owned()),
                ]),
            ),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn transactions() {
        let modes = vec![
            ("transaction_isolation", "repeatable read".to_owned()),
            ("transaction_read_only", "on".to_owned()),
        ];
        assert_eq!(
            read("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
            Utility::Begin { tag: "BEGIN", modes }
        );
        assert_eq!(read("END"), Utility::Commit { chain: false });
        assert_eq!(read("COMMIT WORK AND CHAIN"), Utility::Commit { chain: true });
        assert_eq!(read("ROLLBACK AND NO CHAIN"), Utility::Rollback { chain: false });
        assert_eq!(
            read("ROLLBACK TO SAVEPOINT \"S p\""),
            Utility::RollbackTo("S p".to_owned())
        );
        assert_eq!(read("release s1"), Utility::Release("s1".to_owned()));
    }

    #[test]
    fn the_rest() {
        assert_eq!(
            read("SHOW transaction isolation level"),
            Utility::Show("transaction_isolation".to_owned())
        );
        assert_eq!(read("SHOW ALL"), Utility::ShowAll);
        assert_eq!(read("RESET ALL"), Utility::ResetAll);
        assert_eq!(read("DISCARD ALL"), Utility::Discard { all: true, plans: true });
        assert_eq!(read("DEALLOCATE PREPARE p"), Utility::Deallocate(Some("p".to_owned())));
        assert_eq!(read("DEALLOCATE ALL"), Utility::Deallocate(None));
        assert_eq!(read("UNLISTEN *"), Utility::Nothing("UNLISTEN"));
    }

    #[test]
    fn queries_and_the_engines_own_statements_are_left_alone() {
        for text in [
            "SELECT 1",
            "SHOW TABLES",
            "SHOW FUNCTIONS LIKE 'q3c%'",
            "EXPLAIN SELECT 1",
            "(SELECT 1)",
            "'x",
        ] {
            assert_eq!(parse(text).unwrap(), None, "{text}");
        }
    }

    #[test]
    fn faults_have_a_place() {
        let error = parse("SET a").unwrap_err();
        assert_eq!(
            (error.sqlstate(), error.message.as_str()),
            ("42601", "syntax error at end of input")
        );
        let error = parse("BEGIN NONSENSE").unwrap_err();
        assert_eq!(error.position, Some(7));
        assert_eq!(parse("COMMIT COMMIT").unwrap_err().position, Some(8));
    }
}
