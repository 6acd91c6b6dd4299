//! What utility statements do.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;

use super::super::connection::Connection;
use super::super::control::Control;
use super::super::cursor::no_cursor;
use super::super::prepared::no_statement;
use super::super::report::{self, Failure};
use super::super::settings;
use super::super::transaction::Ended;
use super::{Modes, Utility};
use crate::{ErrorKind, Outcome, Result};

/// What comes of a utility statement.
pub(in crate::pg) enum Reply {
    /// Done: the command tag.
    Done(String),
    Rows(SendableRecordBatchStream),
}

fn done(tag: &str) -> Result<Reply, Failure> {
    Ok(Reply::Done(tag.to_owned()))
}

impl Connection {
    pub(in crate::pg) async fn run_utility(&mut self, utility: &Utility, control: &Control) -> Result<Reply, Failure> {
        if !utility.ends_failure() {
            self.transaction.check()?;
        }
        match utility {
            Utility::Begin { tag, modes } => {
                if !self.transaction.begin() {
                    let warning = "there is already a transaction in progress";
                    self.wire.queue(&report::warning(ErrorKind::ActiveTransaction, warning));
                }
                self.set_modes(modes)?;
                done(tag)
            }
            Utility::Commit { chain } => done(self.end_block(Ended::Committed, *chain)),
            Utility::Rollback { chain } => done(self.end_block(Ended::RolledBack, *chain)),
            Utility::Savepoint(name) => {
                self.transaction.savepoint(name)?;
                done("SAVEPOINT")
            }
            Utility::Release(name) => {
                self.transaction.release(name)?;
                done("RELEASE")
            }
            Utility::RollbackTo(name) => {
                let time = self.transaction.roll_back_to(name)?;
                self.portals.retain(|_, portal| portal.cursor.born <= time);
                done("ROLLBACK")
            }
            Utility::Set { name, value, local } => {
                self.set(name, value.as_deref(), *local, control).await?;
                done("SET")
            }
            Utility::SetModes(modes) => {
                self.set_modes(modes)?;
                done("SET")
            }
            Utility::Show(name) => Ok(Reply::Rows(self.show(name)?)),
            Utility::ShowAll => Ok(Reply::Rows(self.show_all()?)),
            Utility::Reset(name) => {
                self.set(name, None, false, control).await?;
                done("RESET")
            }
            Utility::ResetAll => {
                self.reset_all();
                done("RESET")
            }
            Utility::Discard { all, plans } => self.discard(*all, *plans),
            Utility::Deallocate(None) => {
                self.statements.retain(|name, _| name.is_empty());
                done("DEALLOCATE ALL")
            }
            Utility::Deallocate(Some(name)) => match self.statements.remove(name) {
                Some(_) => done("DEALLOCATE"),
                None => Err(no_statement(name).into()),
            },
            Utility::Fetch { name, direction, moves } => self.fetch(name, *direction, *moves, control).await,
            Utility::Close(None) => {
                self.portals.clear();
                done("CLOSE CURSOR ALL")
            }
            Utility::Close(Some(name)) => match self.portals.remove(name) {
                Some(_) => done("CLOSE CURSOR"),
                None => Err(no_cursor(name).into()),
            },
            Utility::Nothing(tag) => done(tag),
        }
    }

    /// Ends the transaction block and what ends with it; gives the command tag.
    fn end_block(&mut self, wanted: Ended, chain: bool) -> &'static str {
        let wrote = self.transaction.has_written();
        let ended = self.transaction.end(wanted);
        if wrote && ended == Some(Ended::RolledBack) {
            let warning = "what statements of this block wrote is written: each commits by itself";
            self.wire.queue(&report::warning(ErrorKind::NotSupported, warning));
        }
        if ended.is_none() {
            let warning = "there is no transaction in progress";
            self.wire.queue(&report::warning(ErrorKind::NoTransaction, warning));
        }
        self.door.settings_mut().end_block(ended == Some(Ended::Committed));
        self.door.apply(&self.session);
        if ended == Some(Ended::RolledBack) {
            let began = self.transaction.began();
            self.portals.retain(|_, portal| portal.cursor.born < began);
        }
        self.keep_held();
        if chain && ended.is_some() {
            self.transaction.begin();
        }
        match ended.unwrap_or(wanted) {
            Ended::Committed => "COMMIT",
            Ended::RolledBack => "ROLLBACK",
        }
    }

    fn set_modes(&mut self, modes: &Modes) -> Result<()> {
        let block = self.transaction.is_open();
        for (name, value) in modes {
            let local = !name.starts_with("default_");
            self.door.settings_mut().set(name, Some(value), block, local)?;
        }
        Ok(())
    }

    /// SET and RESET. A name with a dot is the engine's.
    async fn set(&mut self, name: &str, value: Option<&str>, local: bool, control: &Control) -> Result<(), Failure> {
        if !name.contains('.') || self.door.settings().get(name).is_some() {
            let block = self.transaction.is_open();
            if local && !block {
                let warning = "SET LOCAL can only be used in transaction blocks";
                self.wire.queue(&report::warning(ErrorKind::NoTransaction, warning));
            }
            self.door.settings_mut().set(name, value, block, local)?;
            self.door.apply(&self.session);
            return Ok(());
        }
        let text = match value {
            Some(value) => format!("SET {name} = '{}'", value.replace('\'', "''")),
            None => format!("RESET {name}"),
        };
        self.engine(&text, control).await
    }

    /// Lets the engine run a statement that gives no rows.
    async fn engine(&mut self, text: &str, control: &Control) -> Result<(), Failure> {
        let (session, text) = (self.session.clone(), text.to_owned());
        let work = async move {
            for statement in session.parse(&text)? {
                let plan = session.plan(&statement).await.map_err(|mut error| {
                    error.position = None;
                    error
                })?;
                match session.execute(plan).await? {
                    Outcome::Done { .. } | Outcome::Rows(_) => {}
                }
            }
            Ok::<(), crate::Error>(())
        };
        control.watch(&mut self.wire, work).await
    }

    fn show(&self, name: &str) -> Result<SendableRecordBatchStream> {
        rows(&[(settings::canonical(name), vec![self.value_of(name)?])])
    }

    /// The value of a setting.
    ///
    /// # Errors
    /// There is none of that name.
    pub(in crate::pg) fn value_of(&self, name: &str) -> Result<String> {
        if let Some(value) = self.door.settings().get(name) {
            return Ok(value.to_owned());
        }
        let config = self.session.context().copied_config();
        let entry = config.options().entries().into_iter().find(|entry| entry.key == name);
        let entry = entry.ok_or_else(|| settings::unknown(name))?;
        Ok(entry.value.unwrap_or_default())
    }

    fn show_all(&self) -> Result<SendableRecordBatchStream> {
        let settings = self.door.settings();
        let (mut names, mut values, mut descriptions) = (Vec::new(), Vec::new(), Vec::new());
        for (name, value, description) in settings.all() {
            names.push(name.to_owned());
            values.push(value.to_owned());
            descriptions.push(description.to_owned());
        }
        rows(&[("name", names), ("setting", values), ("description", descriptions)])
    }

    fn reset_all(&mut self) {
        self.door.settings_mut().reset_all();
        self.door.apply(&self.session);
    }

    /// DISCARD ALL leaves a session as it was when it began.
    fn discard(&mut self, all: bool, plans: bool) -> Result<Reply, Failure> {
        if all && self.transaction.is_open() {
            let message = "DISCARD ALL cannot run inside a transaction block";
            return Err(crate::Error::new(ErrorKind::ActiveTransaction, message).into());
        }
        if all {
            self.portals.clear();
            self.statements.clear();
            self.reset_all();
            self.session.set_language(dreyer_adql::Language::Postgres)?;
        }
        if all || !plans {
            self.session.discard_own()?;
        }
        match (all, plans) {
            (true, _) => done("DISCARD ALL"),
            (false, true) => done("DISCARD PLANS"),
            (false, false) => done("DISCARD TEMP"),
        }
    }
}

/// Rows of text that are there already.
fn rows(columns: &[(&str, Vec<String>)]) -> Result<SendableRecordBatchStream> {
    let fields: Vec<_> = columns
        .iter()
        .map(|(name, _)| Field::new(*name, DataType::Utf8, true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let arrays = columns
        .iter()
        .map(|(_, values)| Arc::new(StringArray::from(values.clone())) as ArrayRef);
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays.collect())
        .map_err(datafusion::error::DataFusionError::from)?;
    Ok(Box::pin(RecordBatchStreamAdapter::new(
        schema,
        futures::stream::iter([Ok(batch)]),
    )))
}
