//! One user's conversation with the database: text in, rows out, settings and views of its own.
//!
//! A front door calls [`Session::parse`], then [`Session::plan`] and [`Session::execute`] for each statement; it may
//! look at the plan in between. [`Session::query`] does all three for one statement.

mod allow;
pub(crate) mod builder;
mod cooperate;
mod interrupt;
mod names;
mod outcome;
mod parse;
mod replan;
mod suggest;

use std::fmt;
use std::sync::Arc;

use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::{CopyToSource, Statement as Ast};
use datafusion::sql::sqlparser::ast;
use dreyer_adql::Language;
use dreyer_sky::tiling::{Dialect, sky_options};

pub use outcome::Outcome;
pub use parse::Statement;

use crate::{Access, Database, Error, ErrorKind, Result};

/// A session. Clones are the same session.
#[derive(Clone)]
pub struct Session {
    database: Arc<Database>,
    context: SessionContext,
}

impl Session {
    pub(crate) fn new(database: Arc<Database>) -> Self {
        let context = builder::context(database.template(), database.tables());
        Self { database, context }
    }

    /// The statements of a text. No statement, no error: the vector is empty.
    ///
    /// # Errors
    /// The text is too long, or not SQL; the position is that of the whole text.
    pub fn parse(&self, sql: &str) -> Result<Vec<Statement>> {
        let most = self.database.config().limits.max_statement_bytes;
        if sql.len() > most {
            let message = format!(
                "the text of {} bytes is longer than the {most} bytes allowed",
                sql.len()
            );
            return Err(Error::new(ErrorKind::LimitExceeded, message)
                .with_hint("Raise limits.max_statement_bytes, or put the values into a table and join it."));
        }
        let recursion_limit = self.context.copied_config().options().sql_parser.recursion_limit.get();
        parse::parse(sql, recursion_limit)
    }

    /// The logical plan of a statement, checked against what this session may do.
    ///
    /// # Errors
    /// Names that do not exist, types that do not fit, a statement that is not allowed here; the position is that of
    /// the text that was parsed.
    pub async fn plan(&self, statement: &Statement) -> Result<LogicalPlan> {
        let planned = self.plan_unlocated(statement.ast().clone()).await;
        planned.map_err(|error| self.explain(error, statement))
    }

    async fn plan_unlocated(&self, mut ast: Ast) -> Result<LogicalPlan> {
        let state = self.context.state();
        if let Ast::Statement(statement) = &mut ast {
            plain_begin(statement);
        }
        lower(&mut ast, self.language())?;
        names::resolve(&mut ast, &state).await?;
        let plan = state.statement_to_plan(ast).await?;
        if self.database.config().access == Access::ReadOnly {
            allow::check_read_only(&plan)?;
        }
        allow::check_shared(&plan, &state)?;
        allow::check_places(&plan, self.database.stores())?;
        Ok(plan)
    }

    /// Optimises and runs a plan that [`Session::plan`] gave.
    ///
    /// # Errors
    /// Those of the optimiser, which evaluates constants, and of the start of the execution; later ones come with the
    /// rows. Their place in the text is not known here: see [`Session::explain`].
    pub async fn execute(&self, plan: LogicalPlan) -> Result<Outcome> {
        let runner = replan::Runner {
            context: self.context.clone(),
            tables: Arc::clone(self.database.tables()),
            engine: self.database.engine().clone(),
        };
        outcome::run(&runner, plan).await
    }

    /// The rows of exactly one statement.
    ///
    /// # Errors
    /// Those of [`Session::parse`], [`Session::plan`] and [`Session::execute`]; or the text is not one statement that
    /// gives rows.
    pub async fn query(&self, sql: &str) -> Result<SendableRecordBatchStream> {
        let mut statements = self.parse(sql)?;
        let (Some(statement), true) = (statements.pop(), statements.is_empty()) else {
            return Err(Error::new(ErrorKind::Syntax, "expected exactly one statement"));
        };
        let plan = self.plan(&statement).await?;
        match self
            .execute(plan)
            .await
            .map_err(|error| self.explain(error, &statement))?
        {
            Outcome::Rows(rows) => Ok(rows),
            Outcome::Done { tag } => Err(Error::new(ErrorKind::Invalid, format!("{tag} gives no rows"))),
        }
    }

    /// An error met while `statement` was planned or run, with its place in the text and, where a name was not found,
    /// the nearest that exists.
    #[must_use]
    pub fn explain(&self, error: impl Into<Error>, statement: &Statement) -> Error {
        suggest::hint(error.into(), &self.context).located(&statement.text, statement.offset)
    }

    /// Which language gives a word its meaning where PostgreSQL and ADQL differ.
    pub fn language(&self) -> Language {
        match sky_options(&self.context.copied_config()).dialect {
            Dialect::Postgres => Language::Postgres,
            Dialect::Adql => Language::Adql,
        }
    }

    /// The same as `SET dreyer.dialect`.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn set_language(&self, language: Language) -> Result<()> {
        let dialect = match language {
            Language::Adql => Dialect::Adql,
            _ => Dialect::Postgres,
        };
        let state = self.context.state_ref();
        let mut state = state.write();
        state
            .config_mut()
            .options_mut()
            .set("dreyer.dialect", &dialect.to_string())?;
        Ok(())
    }

    /// The engine's session, for catalogue look-ups.
    pub fn context(&self) -> SessionContext {
        self.context.clone()
    }

    /// The database that the session belongs to.
    pub fn database(&self) -> &Arc<Database> {
        &self.database
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.context.session_id())
            .finish_non_exhaustive()
    }
}

/// `BEGIN` and its spellings are `START TRANSACTION`, the one that the engine knows.
fn plain_begin(statement: &mut ast::Statement) {
    if let ast::Statement::StartTransaction { begin, transaction, .. } = statement {
        *begin = false;
        *transaction = None;
    }
}

/// ADQL's own forms become those that the engine's planner knows.
fn lower(ast: &mut Ast, language: Language) -> Result<()> {
    match ast {
        Ast::Statement(statement) => Ok(dreyer_adql::lower(statement, language)?),
        Ast::Explain(explain) => lower(&mut explain.statement, language),
        Ast::CopyTo(copy) => match &mut copy.source {
            CopyToSource::Query(query) => Ok(dreyer_adql::lower_query(query, language)?),
            CopyToSource::Relation(_) => Ok(()),
        },
        Ast::CreateExternalTable(_) | Ast::Reset(_) => Ok(()),
    }
}
