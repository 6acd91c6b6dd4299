//! The commands of the program, one file each. `main` reads the command line and calls them; nothing else does.

mod doctor;
mod import;
mod run;
mod secret;
mod serve;
mod sql;
mod user;
mod vacuum;
mod worker;

use std::fmt;

pub use crate::demo::demo;
pub use doctor::{DoctorArgs, doctor};
pub use import::{ImportArgs, import};
pub(crate) use serve::psql_line;
pub use serve::{ServeArgs, serve};
pub use sql::{Input, SqlOptions, sql};
pub use user::{UserArgs, user};
pub use vacuum::{VacuumArgs, vacuum};
pub use worker::{WorkerArgs, worker};

pub(crate) use run::{Runner, print, seconds};

use crate::{Error, ErrorKind};

/// Why a command failed, as the terminal shows it.
#[derive(Debug)]
pub struct Failure {
    error: Error,
    /// The SQL in which the error has its place.
    text: String,
}

impl Failure {
    pub(crate) fn new(error: Error, text: &str) -> Self {
        Self {
            error,
            text: text.to_owned(),
        }
    }

    /// Whether it was the reader of the output who left first, as `head` does: nothing to tell anybody.
    pub fn is_closed_output(&self) -> bool {
        self.error.kind == ErrorKind::Closed
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(error, "")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error.render(&self.text))
    }
}
