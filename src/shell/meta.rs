//! The commands that begin with a backslash: one table, from which the help is printed too.

use std::io::{self, Write};

use dreyer_adql::Language;

use super::describe;
use crate::command::{Failure, Runner};
use crate::{Error, ErrorKind};

/// Whether the conversation goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Go,
    Leave,
}

/// What a command is called, what it takes, and what it does.
const COMMANDS: &[(&str, &str, &str)] = &[
    ("\\d", "[NAME]", "the tables, or the columns of one"),
    ("\\dt", "", "the tables"),
    ("\\df", "[PATTERN]", "the functions; * and ? stand for other letters"),
    (
        "\\dialect",
        "[postgres|adql]",
        "whose meaning words have where the two differ",
    ),
    ("\\timing", "", "print how long each statement takes, or stop doing so"),
    ("\\?", "", "this help"),
    ("\\q", "", "leave"),
];

/// Runs one line.
pub(super) async fn run(runner: &mut Runner, line: &str) -> Result<Next, Failure> {
    let line = line.trim_end_matches(';').trim_end();
    let (command, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let argument = argument.trim();
    let mut out = io::stdout();
    match (command, argument) {
        ("\\d" | "\\dt", "") => describe::tables(&runner.session, &mut out).await?,
        ("\\d" | "\\dt", name) => describe::table(&runner.session, name, &mut out).await?,
        ("\\df", pattern) => describe::functions(&runner.session, pattern, &mut out).await?,
        ("\\dialect", name) => dialect(runner, name, &mut out)?,
        ("\\timing", _) => {
            runner.timing = !runner.timing;
            say(
                &mut out,
                if runner.timing {
                    "Timing is on."
                } else {
                    "Timing is off."
                },
            )?;
        }
        ("\\?", _) => help(&mut out)?,
        ("\\q", _) => return Ok(Next::Leave),
        _ => {
            let message = format!("there is no command {command}");
            return Err(Error::new(ErrorKind::Syntax, message)
                .with_hint("\\? lists the commands.")
                .into());
        }
    }
    Ok(Next::Go)
}

fn dialect(runner: &Runner, name: &str, out: &mut dyn Write) -> crate::Result<()> {
    match name.to_ascii_lowercase().as_str() {
        "" => {}
        "adql" => runner.session.set_language(Language::Adql)?,
        "postgres" => runner.session.set_language(Language::Postgres)?,
        other => {
            let message = format!("the dialect is postgres or adql, got {other}");
            return Err(Error::new(ErrorKind::InvalidParameter, message));
        }
    }
    say(
        out,
        match runner.session.language() {
            Language::Adql => "Words have their ADQL meaning.",
            _ => "Words have their PostgreSQL meaning.",
        },
    )
}

fn help(out: &mut dyn Write) -> crate::Result<()> {
    for (command, argument, meaning) in COMMANDS {
        say(out, &format!("  {:<26} {meaning}", format!("{command} {argument}")))?;
    }
    say(
        out,
        "  Statements end with ; and may take several lines. Ctrl-C stops one.",
    )
}

fn say(out: &mut dyn Write, text: &str) -> crate::Result<()> {
    Ok(writeln!(out, "{text}")?)
}
