//! Transaction blocks. Each statement that writes commits by itself, in a block as outside, so a block has no effect on
//! data; who rolls one back in which something was written is told so. What a block does have is a state that clients
//! rely on: after an error nothing runs until the block ends, and savepoints lead back out of that.

use pgwire::messages::response::TransactionStatus;

use crate::{Error, ErrorKind, Result};

/// Where a session stands between BEGIN and COMMIT.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    state: State,
    /// Names, and when they were set.
    savepoints: Vec<(String, u64)>,
    /// Whether a statement of the block has written.
    wrote: bool,
    /// Counts blocks, savepoints and what is made between them.
    clock: u64,
    /// When the block began.
    began: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    None,
    Active,
    Failed,
}

/// How a block came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Committed,
    RolledBack,
}

impl Transaction {
    /// The time, as far as it matters here: of two things one was first.
    pub(super) fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// When the block began that is open, or the last one.
    pub(super) fn began(&self) -> u64 {
        self.began
    }

    pub(super) fn status(&self) -> TransactionStatus {
        match self.state {
            State::None => TransactionStatus::Idle,
            State::Active => TransactionStatus::Transaction,
            State::Failed => TransactionStatus::Error,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.state != State::None
    }

    /// Refuses whatever is not on its way out of a failed block.
    pub(super) fn check(&self) -> Result<()> {
        if self.state != State::Failed {
            return Ok(());
        }
        let message = "current transaction is aborted, commands ignored until end of transaction block";
        Err(Error::new(ErrorKind::FailedTransaction, message))
    }

    /// A statement failed.
    pub(super) fn fail(&mut self) {
        if self.is_open() {
            self.state = State::Failed;
        }
    }

    /// A statement was done; `writes` says that it wrote.
    pub(super) fn wrote(&mut self, writes: bool) {
        self.wrote |= writes && self.is_open();
    }

    /// Whether something was written in the open block.
    pub(super) fn has_written(&self) -> bool {
        self.wrote
    }

    /// Opens a block; false if one is open already.
    pub(super) fn begin(&mut self) -> bool {
        let fresh = !self.is_open();
        if fresh {
            self.state = State::Active;
            self.began = self.tick();
        }
        fresh
    }

    /// Ends the block: a failed one rolls back whatever was asked for. `None` if there is no block.
    pub(super) fn end(&mut self, wanted: Ended) -> Option<Ended> {
        let before = std::mem::take(&mut self.state);
        self.savepoints.clear();
        self.wrote = false;
        match before {
            State::None => None,
            State::Active => Some(wanted),
            State::Failed => Some(Ended::RolledBack),
        }
    }

    pub(super) fn savepoint(&mut self, name: &str) -> Result<()> {
        self.only_in_block("SAVEPOINT")?;
        let now = self.tick();
        self.savepoints.push((name.to_owned(), now));
        Ok(())
    }

    pub(super) fn release(&mut self, name: &str) -> Result<()> {
        self.only_in_block("RELEASE SAVEPOINT")?;
        let at = self.find(name)?;
        self.savepoints.truncate(at);
        Ok(())
    }

    /// Back to the state at a savepoint, which stays; gives its time.
    pub(super) fn roll_back_to(&mut self, name: &str) -> Result<u64> {
        self.only_in_block("ROLLBACK TO SAVEPOINT")?;
        let at = self.find(name)?;
        self.savepoints.truncate(at + 1);
        self.state = State::Active;
        Ok(self.savepoints.last().map_or(0, |(_, time)| *time))
    }

    fn find(&self, name: &str) -> Result<usize> {
        self.savepoints
            .iter()
            .rposition(|(savepoint, _)| savepoint == name)
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::UndefinedSavepoint,
                    format!("savepoint \"{name}\" does not exist"),
                )
            })
    }

    fn only_in_block(&self, statement: &str) -> Result<()> {
        if self.is_open() {
            return Ok(());
        }
        let message = format!("{statement} can only be used in transaction blocks");
        Err(Error::new(ErrorKind::NoTransaction, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_block_runs_nothing_until_it_ends() {
        let mut transaction = Transaction::default();
        transaction.fail();
        assert!(
            transaction.check().is_ok(),
            "an error outside a block has no lasting effect"
        );
        assert!(transaction.begin() && !transaction.begin());
        transaction.fail();
        assert_eq!(transaction.check().unwrap_err().sqlstate(), "25P02");
        assert_eq!(transaction.end(Ended::Committed), Some(Ended::RolledBack));
        assert!(transaction.check().is_ok() && !transaction.is_open());
        assert_eq!(transaction.end(Ended::Committed), None);
    }

    #[test]
    fn savepoints_lead_out_of_a_failure() {
        let mut transaction = Transaction::default();
        assert_eq!(transaction.savepoint("a").unwrap_err().sqlstate(), "25P01");
        transaction.begin();
        transaction.savepoint("a").unwrap();
        transaction.savepoint("b").unwrap();
        transaction.fail();
        transaction.roll_back_to("a").unwrap();
        assert!(transaction.check().is_ok());
        assert_eq!(transaction.roll_back_to("b").unwrap_err().sqlstate(), "3B001");
        transaction.release("a").unwrap();
        assert!(transaction.roll_back_to("a").is_err());
    }
}
