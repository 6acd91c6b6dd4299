//! A password from whoever sits at the terminal, without showing it; or from a pipe.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::os::fd::AsFd;

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

use crate::{Error, ErrorKind, Result};

/// Longest password, in bytes.
const MOST_BYTES: u64 = 1024;

/// A new password: the first line of the standard input if `piped`, else asked for twice.
///
/// # Errors
/// There is no terminal to ask at, the two differ, or nothing was given.
pub(super) fn new_password(user: &str, piped: bool) -> Result<String> {
    if piped {
        let line = line(io::stdin().lock())?;
        return line.ok_or_else(|| Error::new(ErrorKind::Invalid, "the standard input holds no password"));
    }
    let (once, again) = (ask(&format!("Password for {user}: "))?, ask("The same again: ")?);
    if once == again {
        Ok(once)
    } else {
        Err(Error::new(ErrorKind::Invalid, "the two differ; nothing was changed"))
    }
}

fn ask(question: &str) -> Result<String> {
    let nobody = || {
        Error::new(ErrorKind::Invalid, "there is no terminal to ask for a password at")
            .with_hint("--password-stdin takes the first line of the standard input.")
    };
    let mut terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .map_err(|_| nobody())?;
    if !terminal.is_terminal() {
        return Err(nobody());
    }
    write!(terminal, "{question}").map_err(Error::from)?;
    let answer = {
        let _quiet = Quiet::new(&terminal)?;
        line(BufReader::new(&terminal))
    };
    writeln!(terminal).map_err(Error::from)?;
    answer?.ok_or_else(|| Error::new(ErrorKind::Invalid, "no password was given"))
}

/// The first line, without its end; `None` if there is none.
fn line(input: impl BufRead) -> Result<Option<String>> {
    let mut line = String::new();
    input.take(MOST_BYTES + 1).read_line(&mut line).map_err(Error::from)?;
    if line.len() as u64 > MOST_BYTES {
        return Err(Error::new(
            ErrorKind::LimitExceeded,
            format!("a password has at most {MOST_BYTES} bytes"),
        ));
    }
    let password = line.strip_suffix('\n').unwrap_or(&line);
    let password = password.strip_suffix('\r').unwrap_or(password);
    Ok((!password.is_empty()).then(|| password.to_owned()))
}

/// A terminal that does not show what is typed, until this is dropped.
struct Quiet<'a, T: AsFd> {
    terminal: &'a T,
    before: Termios,
}

impl<'a, T: AsFd> Quiet<'a, T> {
    fn new(terminal: &'a T) -> Result<Self> {
        let fault = |error| Error::from(io::Error::from(error));
        let before = tcgetattr(terminal).map_err(fault)?;
        let mut quiet = before.clone();
        quiet.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(terminal, SetArg::TCSAFLUSH, &quiet).map_err(fault)?;
        Ok(Self { terminal, before })
    }
}

impl<T: AsFd> Drop for Quiet<'_, T> {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing.
        let _ = tcsetattr(self.terminal, SetArg::TCSAFLUSH, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_whatever_is_in_it() {
        for (text, password) in [
            ("Halley\n", Some("Halley")),
            ("Hal ley \r\nmore\n", Some("Hal ley ")),
            ("Halley", Some("Halley")),
            ("", None),
            ("\n", None),
        ] {
            assert_eq!(line(text.as_bytes()).unwrap().as_deref(), password, "{text:?}");
        }
        assert!(line("x".repeat(2000).as_bytes()).is_err());
    }
}
