//! The interactive shell: statements over several lines until a semicolon, a history that lasts, and a few commands
//! that begin with a backslash, named as psql names them.

mod describe;
mod meta;

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

use crate::command::{Failure, Runner};
use crate::{DEFAULT_CATALOG, Error, ErrorKind};

/// Lines of history that are kept.
const HISTORY: usize = 10_000;

/// Talks with the person at the terminal until they leave.
///
/// # Errors
/// The terminal cannot be used. Failures of statements are shown, and the conversation goes on.
pub(crate) async fn interact(mut runner: Runner) -> Result<(), Failure> {
    let history = history_file();
    let mut editor = editor(history.as_ref()).map_err(terminal)?;
    writeln!(
        io::stdout(),
        "dreyer {}. Type \\? for help, \\q to leave.",
        env!("CARGO_PKG_VERSION")
    )
    .map_err(Error::from)?;
    let mut text = String::new();
    loop {
        let prompt = if text.is_empty() {
            format!("{DEFAULT_CATALOG}=> ")
        } else {
            format!("{DEFAULT_CATALOG}-> ")
        };
        let line = match editor.readline(&prompt) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => {
                text.clear();
                continue;
            }
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(terminal(error)),
        };
        if text.is_empty() && line.trim_start().starts_with('\\') {
            let _ = editor.add_history_entry(line.trim());
            if show(meta::run(&mut runner, line.trim()).await) == Some(meta::Next::Leave) {
                break;
            }
            continue;
        }
        text.push_str(&line);
        text.push('\n');
        if is_complete(&text) {
            let statements = std::mem::take(&mut text);
            let _ = editor.add_history_entry(statements.trim());
            show(run(&runner, statements.trim()).await);
        }
    }
    if let Some(history) = history {
        let _ = editor.save_history(&history);
    }
    Ok(())
}

/// Runs statements; Ctrl-C stops them, not the shell.
async fn run(runner: &Runner, text: &str) -> Result<(), Failure> {
    let mut out = io::stdout();
    tokio::select! {
        done = runner.run(text, &mut out) => done,
        _ = tokio::signal::ctrl_c() => Err(Error::cancelled().into()),
    }
}

fn show<T>(result: Result<T, Failure>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(failure) => {
            let _ = writeln!(io::stderr(), "{failure}");
            None
        }
    }
}

/// Whether there is something to run: the last token that counts is a semicolon. Text that cannot be split, for want
/// of a closing quote say, is not complete.
fn is_complete(text: &str) -> bool {
    let trimmed = text.trim_end();
    let Ok(pieces) = dreyer_adql::split(text) else {
        return false;
    };
    let Some(last) = pieces.last() else {
        return trimmed.ends_with(';');
    };
    let end = last.byte_offset + last.text.len();
    text.get(end..)
        .is_some_and(|rest| rest.trim_start().starts_with(';') || has_semicolon(rest))
}

/// Whether a semicolon follows after nothing but comments.
fn has_semicolon(rest: &str) -> bool {
    rest.lines().any(|line| {
        line.split("--")
            .next()
            .is_some_and(|code| code.trim_start().starts_with(';'))
    })
}

fn editor(history: Option<&PathBuf>) -> rustyline::Result<DefaultEditor> {
    let config = rustyline::Config::builder()
        .max_history_size(HISTORY)?
        .history_ignore_dups(true)?
        .build();
    let mut editor = DefaultEditor::with_config(config)?;
    if let Some(history) = history {
        let _ = editor.load_history(history);
    }
    Ok(editor)
}

/// `$XDG_STATE_HOME/dreyer/history`, or the same under `~/.local/state`.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let folder = state
        .or_else(|| Some(std::env::home_dir()?.join(".local/state")))?
        .join("dreyer");
    fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}

fn terminal(error: ReadlineError) -> Failure {
    Error::new(ErrorKind::Io, format!("cannot use the terminal: {error}")).into()
}

#[cfg(test)]
mod tests {
    use super::is_complete;

    #[test]
    fn a_statement_ends_with_a_semicolon_that_counts() {
        for text in [
            "SELECT 1;\n",
            "SELECT 1 ; -- done\n",
            ";\n",
            "SELECT 1;\nSELECT 2;\n",
            "SELECT 1 -- a\n;\n",
        ] {
            assert!(is_complete(text), "{text:?}");
        }
        for text in [
            "SELECT 1\n",
            "SELECT 1 -- ;\n",
            "SELECT ';\n",
            "SELECT ';'\n",
            "SELECT 1; SELECT 2\n",
            "\n",
        ] {
            assert!(!is_complete(text), "{text:?}");
        }
    }
}
