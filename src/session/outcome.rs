//! Running a plan: rows that stream, or a word that it is done.

use std::fmt;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::UInt64Type;
use datafusion::common::config::ExtensionOptions;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{DdlStatement, LogicalPlan, SetVariable, Statement, TransactionConclusion, WriteOp};
use dreyer_sky::tiling::SkyOptions;
use futures::TryStreamExt;

use super::replan::Runner;
use crate::Result;

/// What a statement gives.
pub enum Outcome {
    /// Rows, none of which has been computed yet. Dropping the stream stops the work.
    Rows(SendableRecordBatchStream),
    /// Nothing but the fact that it was done, in the words of PostgreSQL's command tag.
    Done {
        /// `SET`, `CREATE VIEW`, `INSERT 0 5`, ...
        tag: String,
        /// What the user should know of it: that there was nothing to do, say.
        notices: Vec<String>,
    },
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows(rows) => f.debug_tuple("Rows").field(&rows.schema()).finish(),
            Self::Done { tag, notices } => f
                .debug_struct("Done")
                .field("tag", tag)
                .field("notices", notices)
                .finish(),
        }
    }
}

/// What `plan` does besides giving rows.
enum Effect {
    None,
    /// Done by the engine's session; gives no rows.
    Session(&'static str),
    /// Nothing to do: there are no transactions to begin or end, since nothing is written.
    Nothing(&'static str),
    /// A write whose plan gives the number of rows written.
    Write(&'static str),
}

fn effect(plan: &LogicalPlan) -> Effect {
    match plan {
        LogicalPlan::Ddl(ddl) => Effect::Session(ddl_tag(ddl)),
        LogicalPlan::Statement(statement) => match statement {
            Statement::SetVariable(_) => Effect::Session("SET"),
            Statement::ResetVariable(_) => Effect::Session("RESET"),
            Statement::Prepare(_) => Effect::Session("PREPARE"),
            Statement::Deallocate(_) => Effect::Session("DEALLOCATE"),
            Statement::Execute(_) => Effect::None,
            Statement::TransactionStart(_) => Effect::Nothing("BEGIN"),
            Statement::TransactionEnd(end) => Effect::Nothing(match end.conclusion {
                TransactionConclusion::Commit => "COMMIT",
                TransactionConclusion::Rollback => "ROLLBACK",
            }),
        },
        LogicalPlan::Copy(_) => Effect::Write("COPY"),
        LogicalPlan::Dml(dml) => Effect::Write(write_tag(&dml.op)),
        _ => Effect::None,
    }
}

/// PostgreSQL's words for a statement that defines something.
pub(super) fn ddl_tag(ddl: &DdlStatement) -> &'static str {
    match ddl {
        DdlStatement::CreateExternalTable(_) => "CREATE EXTERNAL TABLE",
        DdlStatement::CreateMemoryTable(_) => "CREATE TABLE",
        DdlStatement::CreateView(_) => "CREATE VIEW",
        DdlStatement::CreateCatalogSchema(_) => "CREATE SCHEMA",
        DdlStatement::CreateCatalog(_) => "CREATE DATABASE",
        DdlStatement::CreateIndex(_) => "CREATE INDEX",
        DdlStatement::DropTable(_) => "DROP TABLE",
        DdlStatement::DropView(_) => "DROP VIEW",
        DdlStatement::DropCatalogSchema(_) => "DROP SCHEMA",
        DdlStatement::CreateFunction(_) => "CREATE FUNCTION",
        DdlStatement::DropFunction(_) => "DROP FUNCTION",
    }
}

/// PostgreSQL's words for a statement that changes rows.
pub(super) fn write_tag(operation: &WriteOp) -> &'static str {
    match operation {
        WriteOp::Insert(_) | WriteOp::Ctas => "INSERT",
        WriteOp::Delete => "DELETE",
        WriteOp::Update => "UPDATE",
        WriteOp::Truncate => "TRUNCATE",
        WriteOp::MergeInto(_) => "MERGE",
        _ => "WRITE",
    }
}

/// Optimises and runs `plan`.
pub(super) async fn run(runner: &Runner, plan: LogicalPlan) -> Result<Outcome> {
    match effect(&plan) {
        Effect::Nothing(tag) => Ok(done(tag)),
        Effect::Session(tag) => {
            runner.context.execute_logical_plan(reset_of_ours(plan)).await?;
            Ok(done(tag))
        }
        Effect::None => Ok(Outcome::Rows(runner.rows(plan).await?)),
        Effect::Write(tag) => {
            let rows = count(runner.once(plan).await?).await?;
            // PostgreSQL puts the object identifier that rows once had before the number.
            let zero = if tag == "INSERT" { "0 " } else { "" };
            Ok(done(&format!("{tag} {zero}{rows}")))
        }
    }
}

fn done(tag: &str) -> Outcome {
    Outcome::Done {
        tag: tag.to_owned(),
        notices: Vec::new(),
    }
}

/// The engine resets its own settings only; one of ours is set to its default instead.
fn reset_of_ours(plan: LogicalPlan) -> LogicalPlan {
    if let LogicalPlan::Statement(Statement::ResetVariable(reset)) = &plan {
        let default = SkyOptions::default()
            .entries()
            .into_iter()
            .find(|entry| entry.key == reset.variable);
        if let Some(value) = default.and_then(|entry| entry.value) {
            let variable = reset.variable.clone();
            return LogicalPlan::Statement(Statement::SetVariable(SetVariable { variable, value }));
        }
    }
    plan
}

/// The number of rows written, which a writing plan gives as its only column.
pub(super) async fn count(mut rows: SendableRecordBatchStream) -> Result<u64> {
    let mut total = 0;
    while let Some(batch) = rows.try_next().await? {
        if let Some(counts) = batch
            .columns()
            .first()
            .and_then(|column| column.as_primitive_opt::<UInt64Type>())
        {
            total += (0..counts.len()).map(|row| counts.value(row)).sum::<u64>();
        }
    }
    Ok(total)
}
