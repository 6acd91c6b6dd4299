//! A command as a plan, so that it can be prepared, given parameters and run like any other.

use std::cmp::Ordering;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use datafusion::common::{DFSchema, DFSchemaRef, Result, internal_err};
use datafusion::logical_expr::{CreateExternalTable, Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore};

use super::comment::CommentOn;
use super::copy::CopyTo;
use super::create::CreateTable;
use super::grants::RoleChange;
use super::name::TableName;
use super::own::CreateOwn;
use super::remove::Drop;
use super::view::CreateView;
use crate::Error;

/// What is to be done. Rights were checked when it was planned.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Command {
    CreateTable(CreateTable),
    CreateOwn(Box<CreateOwn>),
    Insert(TableName),
    InsertOwn(TableName),
    Copy(CopyTo),
    CreateView(CreateView),
    DropTables(Drop),
    DropViews(Drop),
    Rename {
        from: TableName,
        to: TableName,
    },
    Comment(CommentOn),
    /// Of one table, or of all that the user may write.
    Vacuum(Option<TableName>),
    CreateExternal(Box<CreateExternalTable>),
    /// Who reads what.
    Roles(RoleChange),
}

/// A command, and the query whose rows it writes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CommandNode {
    pub(super) command: Command,
    input: Option<LogicalPlan>,
    /// Of no column: a command gives no rows.
    schema: DFSchemaRef,
}

impl CommandNode {
    pub(super) fn new(command: Command, input: Option<LogicalPlan>) -> Self {
        Self {
            command,
            input,
            schema: Arc::new(DFSchema::empty()),
        }
    }

    pub(super) fn into_plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(self) })
    }

    /// The query whose rows are written.
    pub(super) fn input(&self) -> crate::Result<&LogicalPlan> {
        self.input
            .as_ref()
            .ok_or_else(|| Error::new(crate::ErrorKind::Internal, "a command that writes rows has no query"))
    }

    /// The first word of PostgreSQL's command tag.
    pub(crate) fn verb(&self) -> &'static str {
        match &self.command {
            Command::CreateTable(_) | Command::CreateOwn(_) => "SELECT",
            Command::Insert(_) | Command::InsertOwn(_) => "INSERT",
            Command::Copy(_) => "COPY",
            Command::CreateView(_) => "CREATE VIEW",
            Command::DropTables(_) => "DROP TABLE",
            Command::DropViews(_) => "DROP VIEW",
            Command::Rename { .. } => "ALTER TABLE",
            Command::Comment(_) => "COMMENT",
            Command::Vacuum(_) => "VACUUM",
            Command::CreateExternal(_) => "CREATE EXTERNAL TABLE",
            Command::Roles(change) => change.verb(),
        }
    }

    /// Whether it changes nothing but what this session alone sees.
    pub(crate) fn is_own(&self) -> bool {
        match &self.command {
            Command::CreateOwn(_) | Command::InsertOwn(_) => true,
            Command::DropTables(drop) => drop.names.is_empty(),
            _ => false,
        }
    }

    /// Whether it changes what users may, and no data.
    pub(crate) fn is_of_roles(&self) -> bool {
        matches!(self.command, Command::Roles(_))
    }
}

/// The command that a plan is, if it is one.
pub(crate) fn command(plan: &LogicalPlan) -> Option<&CommandNode> {
    match plan {
        LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref(),
        _ => None,
    }
}

impl PartialOrd for CommandNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for CommandNode {
    fn name(&self) -> &str {
        "Command"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        self.input.iter().collect()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command: {}", self.verb())
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        if inputs.len() != self.inputs().len() {
            return internal_err!("a command has {} inputs, got {}", self.inputs().len(), inputs.len());
        }
        Ok(Self::new(self.command.clone(), inputs.pop()))
    }
}
