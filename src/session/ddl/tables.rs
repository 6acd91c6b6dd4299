//! Tables that last, as this program finds them: their place under the writable root, and the manifest there.

use std::sync::Arc;
use std::time::Duration;

use datafusion::logical_expr::LogicalPlan;
use dreyer_sky::hats::Place;
use dreyer_sky::hats::import::{ImportOptions, Input};
use dreyer_sky::hats::managed::ManagedTable;
use tokio_util::task::AbortOnDropHandle;

use super::super::{Session, interrupt};
use super::name::TableName;
use super::positions::Positions;
use crate::{Error, ErrorKind, Result};

/// Memory of one writing statement, in bytes: no less, whatever the limits say, and no more, for it spills.
const LEAST_MEMORY: usize = 64 << 20;
const MOST_MEMORY: usize = 1 << 30;

/// The place of a table under the writable root.
///
/// # Errors
/// There is no writable root.
pub(super) fn place(session: &Session, table: &TableName) -> Result<Place> {
    session.database().tables().place_for(&table.schema, &table.name)
}

/// The table, if SQL can write it.
///
/// # Errors
/// There is no writable root; the manifest cannot be read.
pub(super) async fn open(session: &Session, table: &TableName) -> Result<Option<ManagedTable>> {
    let found = ManagedTable::open(place(session, table)?).await?;
    Ok(found.map(|found| found.with_resources(&options(session, None))))
}

/// The table, which SQL must be able to write.
///
/// # Errors
/// It has no manifest: it was imported, or made by somebody else.
pub(super) async fn open_to_write(session: &Session, table: &TableName) -> Result<ManagedTable> {
    open(session, table).await?.ok_or_else(|| {
        let message = format!("relation \"{table}\" was not made by SQL, and SQL does not change it");
        let hint = format!(
            "CREATE TABLE {} AS SELECT * FROM {table} makes one that can be changed.",
            table.name
        );
        Error::new(ErrorKind::ReadOnly, message).with_hint(hint)
    })
}

/// The catalogue looks at the table again at once.
pub(super) async fn forget(session: &Session, table: &TableName) {
    session.database().tables().forget(&table.schema, &table.name).await;
}

/// The rows of a query, ready to be written, and the query in the book of those that run. They stop when the guard is dropped.
///
/// # Errors
/// Those of the optimiser and the planner.
pub(super) async fn input(session: &Session, query: &LogicalPlan) -> Result<(Input, interrupt::Guard)> {
    input_of(session, query, true).await
}

/// The same; `listed` is false for one who has a line in the book already.
pub(super) async fn input_of(
    session: &Session,
    query: &LogicalPlan,
    listed: bool,
) -> Result<(Input, interrupt::Guard)> {
    // The statement may have been prepared long ago.
    let runner = session.runner();
    let query = runner.with_tables_of_now(query.clone(), false).await?;
    let (plan, task) = runner.planned(query).await?;
    let pass = runner.admit(&plan).await?;
    let task = Arc::new(task);
    let waves = runner.waves(&plan, &task).await?;
    // Waves have a line in the book of those that run.
    let ticket = (listed && waves.is_none()).then(|| runner.enters(&plan, &task, 0));
    let (plan, guard) = interrupt::guarded(waves.unwrap_or(plan))?;
    if let Some(ticket) = &ticket {
        ticket.runs(&plan);
    }
    let input = Input {
        plan,
        task,
        description: "the query".to_owned(),
    };
    Ok((input, guard.with(pass, ticket)))
}

/// Does work on the engine's threads; dropped, the work ends.
///
/// # Errors
/// Those of the work.
pub(super) async fn on_engine<T: Send + 'static>(
    session: &Session,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let task = AbortOnDropHandle::new(session.database().engine().spawn(work));
    match task.await {
        Ok(done) => done,
        Err(error) => Err(Error::new(
            ErrorKind::Internal,
            format!("a task of the statement ended: {error}"),
        )),
    }
}

/// How a table is written.
pub(super) fn options(session: &Session, positions: Option<&Positions>) -> ImportOptions {
    let limits = &session.database().config().limits;
    let mut options = ImportOptions::default();
    if let Some(positions) = positions {
        options.lon_column.clone_from(&positions.lon);
        options.lat_column.clone_from(&positions.lat);
    }
    // Beside what the query itself may hold, and with room for other writers.
    options.memory_bytes = (limits.memory_bytes / 4).clamp(LEAST_MEMORY, MOST_MEMORY);
    options.spill_dir.clone_from(&limits.spill_dir);
    options
}

/// Time after which a file that no version names is deleted: longer than any query that may still read it.
pub(super) fn grace(session: &Session) -> Duration {
    session.database().config().limits.vacuum_grace()
}
