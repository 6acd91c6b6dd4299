//! One user's conversation with the database: text in, rows out, settings and views of its own.
//!
//! A front door calls [`Session::parse`], then [`Session::plan`] and [`Session::execute`] for each statement; it may
//! look at the plan in between. [`Session::query`] does all three for one statement.

mod admission;
mod allow;
mod allowance;
pub(crate) mod builder;
mod cooperate;
mod cost;
mod ddl;
mod explain;
pub(crate) mod interrupt;
mod memberships;
mod names;
mod outcome;
mod own;
mod parse;
mod replan;
mod rights;
mod running;
mod scalars;
mod suggest;
mod views;
mod waves;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use datafusion::execution::{SendableRecordBatchStream, SessionState};
use datafusion::logical_expr::{LogicalPlan, Statement as Directive};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::{CopyToSource, Statement as Ast};
use datafusion::sql::sqlparser::ast;
use dreyer_adql::Language;
use dreyer_sky::tiling::{Dialect, Notices, sky_options};
use futures::FutureExt;

pub(crate) use admission::Admission;
pub(crate) use allowance::allowed;
pub use cost::Usage;
pub(crate) use cost::stored_bytes;
pub(crate) use ddl::{Intake, command};
pub use outcome::Outcome;
pub use parse::Statement;
pub(crate) use running::Running;
pub use running::{QueryEnd, QueryState, RunningQuery, WaveCount};

use crate::catalog::Handed;
use crate::state::Comments;
use crate::users::Sight;
use crate::{Access, DEFAULT_SCHEMA, Database, Error, ErrorKind, Principal, Result};

/// A session. Clones are the same session.
#[derive(Clone)]
pub struct Session {
    database: Arc<Database>,
    context: SessionContext,
    principal: Arc<Principal>,
    /// What its user may read.
    sight: Sight,
    handed: Arc<Handed>,
    owners: rights::Owners,
    /// The memory of tables that it made for itself.
    own: Arc<own::OwnTables>,
    /// What PREPARE has prepared: the right to read it may go before EXECUTE comes.
    prepared: Arc<Mutex<HashMap<String, LogicalPlan>>>,
    /// Schemas in which tables are looked for that are named without one.
    path: Arc<RwLock<Vec<String>>>,
    /// The connection that it is for, if it is for one.
    pid: Arc<OnceLock<i32>>,
}

impl Session {
    pub(crate) fn new(database: Arc<Database>, principal: Principal) -> Self {
        let principal = Arc::new(principal);
        let (sight, handed) = (database.sight_of(&principal), Arc::default());
        let others = Arc::clone(&database);
        let owners: rights::Owners = Arc::new(move |name| others.sight_of_name(name));
        let shared = builder::Shared {
            tables: database.tables(),
            views: database.state(),
            sight: &sight,
            handed: &handed,
            owners: &owners,
        };
        let context = builder::context(database.template(), &shared);
        let path = vec![principal.name().to_owned(), DEFAULT_SCHEMA.to_owned()];
        let limit = match database.config().access {
            Access::Full => 0,
            Access::ReadOnly => database.config().limits.session_table_bytes,
        };
        let own = own::OwnTables::new(limit, &context.runtime_env().memory_pool);
        Self {
            database,
            context,
            principal,
            sight,
            handed,
            owners,
            own: Arc::new(own),
            prepared: Arc::default(),
            path: Arc::new(RwLock::new(path)),
            pid: Arc::default(),
        }
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
        // Planning has a large future, which every caller up to the door would otherwise hold, and move, on its stack.
        let mut planned = Box::pin(self.plan_unlocated(statement.ast().clone())).await;
        if planned
            .as_ref()
            .is_err_and(|error| error.kind == ErrorKind::UndefinedTable)
        {
            // Not finding it had the roots looked at again: now it may be known, in whichever schema of the path.
            planned = Box::pin(self.plan_unlocated(statement.ast().clone())).await;
        }
        let checked = planned.and_then(|plan| self.check_rights(&plan).map(|()| plan));
        checked.map_err(|error| self.explain(error, statement))
    }

    async fn plan_unlocated(&self, mut ast: Ast) -> Result<LogicalPlan> {
        let state = self.context.state();
        if let Ast::Statement(statement) = &mut ast {
            plain_begin(statement);
        }
        lower(&mut ast, self.language())?;
        self.database.state().refresh().await?;
        ddl::with_query(&mut ast)?;
        let lasting = ddl::makes_lasting_view(self, &ast);
        let files = ddl::take_files(&mut ast);
        if files.is_empty() {
            return Box::pin(self.plan_over(&state, ast, lasting)).await;
        }
        let state = Box::pin(ddl::open_files(self, files, state, lasting)).await?;
        Box::pin(self.plan_over(&state, ast, lasting)).await
    }

    /// Plans over the tables of `state`.
    async fn plan_over(&self, state: &SessionState, mut ast: Ast, lasting: bool) -> Result<LogicalPlan> {
        let spelling = names::Spelling {
            path: &self.path(),
            in_full: lasting,
        };
        let new = ddl::name_of_new(&mut ast).cloned();
        names::resolve(&mut ast, state, spelling).await?;
        if let (Some(new), Some(name)) = (new, ddl::name_of_new(&mut ast)) {
            // What is to be made is not what is there under that name.
            *name = new;
        }
        ddl::plan(self, state, ast).await
    }

    /// Optimises and runs a plan that [`Session::plan`] gave.
    ///
    /// # Errors
    /// Those of the optimiser, which evaluates constants, and of the start of the execution; later ones come with the
    /// rows. Their place in the text is not known here: see [`Session::explain`].
    pub async fn execute(&self, plan: LogicalPlan) -> Result<Outcome> {
        self.check_rights(&plan)?;
        match ddl::command(&plan) {
            Some(command) => ddl::run(self, command).await,
            None => {
                // Deep, and its type no business of every caller up to the door.
                let runner = self.runner();
                outcome::run(&runner, plan).boxed().await
            }
        }
    }

    /// How far the query has come that this session runs, in words; `None` if it runs none.
    pub(crate) fn progress(&self) -> Option<String> {
        self.database.running().progress(&self.context.session_id())
    }

    /// Whether the user may read all that a plan reads, at this moment.
    fn check_rights(&self, plan: &LogicalPlan) -> Result<()> {
        rights::check(plan, &self.sight, &self.handed, &self.owners)?;
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        match plan {
            LogicalPlan::Statement(Directive::Prepare(prepare)) => {
                prepared.insert(prepare.name.clone(), (*prepare.input).clone());
                Ok(())
            }
            LogicalPlan::Statement(Directive::Execute(execute)) => match prepared.get(&execute.name) {
                Some(input) => rights::check(input, &self.sight, &self.handed, &self.owners),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// What planners had to say of the statements that were started since this was asked last.
    #[must_use]
    pub fn take_notices(&self) -> Vec<String> {
        Notices::of(&self.context.copied_config()).take()
    }

    /// Drops the tables and views that the session made for itself.
    pub(crate) fn discard_own(&self) -> Result<()> {
        ddl::drop_own(self)
    }

    fn runner(&self) -> replan::Runner {
        replan::Runner {
            context: self.context.clone(),
            database: Arc::clone(&self.database),
            user: self.principal.name().to_owned(),
            pid: self.pid.get().copied(),
            span: self.database.tracer().map(|tracer| Arc::new(tracer.begin("statement"))),
        }
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
            Outcome::Done { tag, .. } => Err(Error::new(ErrorKind::Invalid, format!("{tag} gives no rows"))),
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

    /// What was said of a table or view by `COMMENT ON`, apart from what its columns say of themselves.
    pub(crate) fn comments(&self, schema: &str, table: &str) -> Comments {
        let mut comments = self.database.state().comments(schema, table).unwrap_or_default();
        if let Some(kept) = self.database.tables().comment(schema, table) {
            comments.table = Some(kept);
        }
        comments
    }

    /// Says which connection the session is for: once, when it begins.
    pub(crate) fn is_of(&self, pid: i32) {
        // A second word on it changes nothing.
        let _ = self.pid.set(pid);
    }

    /// What the session's user may read.
    pub(crate) fn sight(&self) -> &Sight {
        &self.sight
    }

    /// Who the session acts as.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The schemas in which a table is looked for that is named without one, in that order.
    pub fn path(&self) -> Vec<String> {
        self.path.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same as `SET search_path`.
    pub fn set_path(&self, path: Vec<String>) {
        *self.path.write().unwrap_or_else(PoisonError::into_inner) = path;
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
