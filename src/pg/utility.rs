//! Statements about the session itself: transactions, settings, prepared statements, cursors.
//!
//! They begin with words that no query begins with, so they are told from queries by the first word, and read by a
//! small grammar of their own: PostgreSQL's spellings of them are many, and the engine's parser knows few.

mod cursor;
mod parse;
mod prepare;
mod run;
mod words;

pub(super) use cursor::{Declaration, declaration};
pub(super) use parse::parse;
pub(super) use prepare::{Execute, execute, prepare};
pub(super) use run::Reply;
pub(super) use words::Words;

use super::rows::Direction;

/// One such statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Utility {
    /// BEGIN, START TRANSACTION. The settings are those of its modes.
    Begin {
        tag: &'static str,
        modes: Modes,
    },
    /// COMMIT, END. `chain` opens the next block at once.
    Commit {
        chain: bool,
    },
    /// ROLLBACK, ABORT.
    Rollback {
        chain: bool,
    },
    Savepoint(String),
    Release(String),
    RollbackTo(String),
    /// SET; no value is DEFAULT.
    Set {
        name: String,
        value: Option<String>,
        local: bool,
    },
    /// SET TRANSACTION, and SET SESSION CHARACTERISTICS with the names of the defaults.
    SetModes(Modes),
    Show(String),
    ShowAll,
    Reset(String),
    ResetAll,
    /// DISCARD ALL, and its parts that do something here.
    Discard {
        all: bool,
        plans: bool,
    },
    /// DEALLOCATE; no name is ALL.
    Deallocate(Option<String>),
    /// FETCH, and MOVE, which gives no rows.
    Fetch {
        name: String,
        direction: Direction,
        moves: bool,
    },
    /// CLOSE; no name is ALL.
    Close(Option<String>),
    /// Statements that need nothing done: the command tag is all there is.
    Nothing(&'static str),
}

/// Settings that transaction modes stand for.
pub(super) type Modes = Vec<(&'static str, String)>;

impl Utility {
    /// The word of the command tag before the number of rows; `None` if it has none.
    pub(super) fn verb(&self) -> Option<&'static str> {
        matches!(self, Self::Fetch { .. }).then_some("FETCH")
    }

    /// Whether the statement may run in a transaction block that has failed.
    pub(super) fn ends_failure(&self) -> bool {
        matches!(self, Self::Commit { .. } | Self::Rollback { .. } | Self::RollbackTo(_))
    }

    /// Names of the columns that it gives rows of, where these are text. Those of FETCH are the cursor's.
    pub(super) fn columns(&self) -> Option<Vec<String>> {
        match self {
            Self::Show(name) => Some(vec![super::settings::canonical(name).to_owned()]),
            Self::ShowAll => Some(["name", "setting", "description"].map(str::to_owned).to_vec()),
            _ => None,
        }
    }
}
