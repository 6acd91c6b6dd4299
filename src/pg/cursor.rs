//! Cursors of SQL: portals with a name that FETCH and MOVE read from. A portal that a driver opened by Bind is one too.
//!
//! A cursor's query begins with DECLARE, and is computed as far as its rows are fetched, a batch ahead. One that is
//! declared WITH HOLD goes on like that after its block.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::EmptyRecordBatchStream;
use tokio::sync::OwnedMutexGuard;

use super::connection::Connection;
use super::control::Control;
use super::describe::Column;
use super::door::OpenPortal;
use super::portal::{Cursor, Portal, Progress, Work};
use super::report::Failure;
use super::rows::{Direction, Rows, fetch};
use super::utility::{Declaration, Reply};
use crate::{Error, ErrorKind, Result};

/// Time in which a FETCH that was stopped lets go of its cursor.
const LETTING_GO: Duration = Duration::from_secs(2);

/// The error for a cursor that is not there.
pub(super) fn no_cursor(name: &str) -> Error {
    Error::new(ErrorKind::UndefinedPortal, format!("cursor \"{name}\" does not exist"))
}

impl Connection {
    /// Refuses a DECLARE whose cursor could not be used, or whose name is taken.
    pub(super) fn may_declare(&self, declaration: &Declaration) -> Result<()> {
        let name = &declaration.name;
        if !declaration.holdable && !self.transaction.is_open() && !self.together {
            let message = "DECLARE CURSOR can only be used in transaction blocks";
            return Err(Error::new(ErrorKind::NoTransaction, message)
                .with_hint("BEGIN first, or declare the cursor WITH HOLD."));
        }
        if self.portals.contains_key(name) {
            let message = format!("cursor \"{name}\" already exists");
            return Err(Error::new(ErrorKind::DuplicateCursor, message));
        }
        Ok(())
    }

    /// Keeps the rows of a query under the name of a cursor. `portal` is that of the DECLARE.
    pub(super) fn declared(
        &mut self,
        portal: &Portal,
        declaration: &Declaration,
        stream: SendableRecordBatchStream,
        columns: &[Column],
    ) {
        let rows = if declaration.scrolls {
            Rows::scrolling(stream, &self.session.context().runtime_env().memory_pool)
        } else {
            Rows::new(stream)
        };
        let cursor = Cursor {
            declared: true,
            holdable: declaration.holdable,
            binary: declaration.binary,
            scrolls: declaration.scrolls,
            since: SystemTime::now(),
            born: self.transaction.tick(),
        };
        let mut kept = Portal {
            prepared: Arc::clone(&portal.prepared),
            plan: None,
            formats: Vec::new(),
            progress: Progress::Done,
            cursor,
        };
        kept.progress = Progress::Sending(kept.sending(rows, columns, self.door.settings().style()));
        self.portals.insert(declaration.name.clone(), kept);
    }

    /// FETCH and MOVE.
    pub(super) async fn fetch(
        &mut self,
        name: &str,
        direction: Direction,
        moves: bool,
        control: &Control,
    ) -> Result<Reply, Failure> {
        let rows = self.cursor_rows(name, control).await?;
        let Some(mut rows) = rows else {
            return Ok(self.nothing(name, moves));
        };
        let engine = self.shared.database.engine().clone();
        let work = async move {
            let work = engine.spawn(async move {
                let step = rows.seek(direction).await?;
                if moves {
                    let passed = rows.pass(step).await?;
                    return Ok(Reply::Done(format!("MOVE {passed}")));
                }
                Ok(Reply::Rows(fetch(rows, step)))
            });
            let work = tokio_util::task::AbortOnDropHandle::new(work);
            work.await.unwrap_or_else(|error| {
                let message = format!("a task of the statement ended: {error}");
                Err(Error::new(ErrorKind::Internal, message))
            })
        };
        control.watch(&mut self.wire, work).await
    }

    /// The rows of a cursor, which nobody else reads meanwhile. `None`: it has given all it had.
    async fn cursor_rows(&mut self, name: &str, control: &Control) -> Result<Option<OwnedMutexGuard<Rows>>, Failure> {
        let Some(mut portal) = self.portals.remove(name) else {
            return Err(no_cursor(name).into());
        };
        if matches!(portal.progress, Progress::Bound) {
            let rows = matches!(portal.prepared.work, Work::Query(_)) && portal.prepared.columns().is_some();
            if !rows {
                let message = format!("portal \"{name}\" cannot be run");
                return Err(Error::new(ErrorKind::WrongState, message).into());
            }
            portal.progress = Box::pin(self.begin_portal(&mut portal, control)).await?;
        }
        let rows = match &portal.progress {
            Progress::Sending(sending) => Some(sending.rows()),
            Progress::Bound | Progress::Done => None,
        };
        self.portals.insert(name.to_owned(), portal);
        let Some(rows) = rows else { return Ok(None) };
        match tokio::time::timeout(LETTING_GO, rows.lock_owned()).await {
            Ok(guard) => Ok(Some(guard)),
            Err(_) => {
                let message = format!("cursor \"{name}\" is being read by another statement");
                Err(Error::new(ErrorKind::WrongState, message).into())
            }
        }
    }

    /// FETCH or MOVE where there is nothing left.
    fn nothing(&self, name: &str, moves: bool) -> Reply {
        if moves {
            return Reply::Done("MOVE 0".to_owned());
        }
        let columns = self.portals.get(name).and_then(Portal::columns).unwrap_or_default();
        let fields: Vec<_> = columns
            .iter()
            .map(|column| {
                let data_type = super::encode::arrow_type(&column.kind);
                datafusion::arrow::datatypes::Field::new(&column.name, data_type, true)
            })
            .collect();
        let schema = Arc::new(datafusion::arrow::datatypes::Schema::new(fields));
        Reply::Rows(Box::pin(EmptyRecordBatchStream::new(schema)))
    }

    /// The block has ended, or there was none: of the portals those stay that were declared to.
    pub(super) fn keep_held(&mut self) {
        self.portals.retain(|_, portal| portal.cursor.holdable);
    }

    /// Tells the catalogue which portals and prepared statements there are.
    pub(super) fn publish_portals(&self) {
        let open = self.portals.iter().filter(|(name, _)| !name.is_empty());
        let mut open: Vec<OpenPortal> = open
            .map(|(name, portal)| OpenPortal {
                name: name.clone(),
                statement: portal.prepared.text.clone(),
                cursor: portal.cursor.clone(),
            })
            .collect();
        open.sort_by(|a, b| a.name.cmp(&b.name));
        self.door.set_portals(open);
    }
}
