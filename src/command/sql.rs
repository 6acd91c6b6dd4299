//! `dreyer sql`: SQL on this machine, from the command line, a file, a pipe or a person.

use std::fs;
use std::io::{self, BufWriter, IsTerminal, Read};
use std::path::PathBuf;

use dreyer_adql::Language;

use super::{Failure, Runner};
use crate::{Access, Config, Database, Error, ErrorKind, Format, shell};

/// What `dreyer sql` is asked to do.
#[derive(Debug, Clone)]
pub struct SqlOptions {
    /// Directories with catalogues; none for the sample sky.
    pub roots: Vec<String>,
    /// Where tables are written that last; none: tables end with the session.
    pub writable: Option<String>,
    /// Where views and comments are kept that last.
    pub state: Option<String>,
    /// Where the statements come from.
    pub input: Input,
    /// How rows are written.
    pub format: Format,
    /// Whether words have their ADQL meaning.
    pub adql: bool,
}

/// Where statements come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// This text.
    Text(String),
    /// This file; `-` for the standard input.
    File(PathBuf),
    /// A person at the terminal, or else the standard input to its end.
    Terminal,
}

/// Runs the command.
///
/// # Errors
/// The first failure of a statement, or of opening a root; interactively, only the latter.
pub async fn sql(options: SqlOptions) -> Result<(), Failure> {
    let config = Config {
        roots: options.roots,
        writable: options.writable,
        state: options.state,
        access: Access::Full,
        ..Config::default()
    };
    let session = Database::open(config).await?.session();
    if options.adql {
        session.set_language(Language::Adql)?;
    }
    let runner = Runner {
        session,
        format: options.format,
        timing: false,
    };
    let text = match options.input {
        Input::Text(text) => text,
        Input::File(path) if path.as_os_str() != "-" => fs::read_to_string(&path)
            .map_err(|error| Error::new(ErrorKind::Io, format!("cannot read {}: {error}", path.display())))?,
        Input::Terminal if io::stdin().is_terminal() => return shell::interact(runner).await,
        Input::File(_) | Input::Terminal => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).map_err(Error::from)?;
            text
        }
    };
    let mut out = BufWriter::new(io::stdout().lock());
    runner.run(&text, &mut out).await
}
