//! Rows that a front door reads from its client, for a table: an INSERT whose rows come from outside.
//!
//! They become rows of the table when the last has come, and only then: a stream that ends in an error leaves nothing.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::{ScalarValue, TableReference, exec_datafusion_err};
use datafusion::datasource::provider_as_source;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, ident, lit};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::sql::sqlparser::ast::{Ident, ObjectName};
use futures::stream;

use super::create::{MADE_COLUMNS, without_made};
use super::name::{self, Found, TableName};
use super::{check_writes, own, tables};
use crate::error::Place;
use crate::session::{Session, outcome};
use crate::{Error, ErrorKind, Result};

/// The name under which the rows are a table of the plan.
const ROWS: &str = "rows from the client";

/// A table that rows are meant for, and the columns that they have.
#[derive(Debug)]
pub(crate) struct Intake {
    table: TableName,
    own: bool,
    provider: Arc<dyn TableProvider>,
    columns: Vec<FieldRef>,
}

impl Intake {
    /// All columns of a table of the session's own.
    pub(super) fn whole(table: TableName, provider: Arc<dyn TableProvider>) -> Self {
        let columns = provider.schema().fields().iter().cloned().collect();
        Self {
            table,
            own: true,
            provider,
            columns,
        }
    }

    /// Whether the table is the session's own.
    pub(crate) fn is_own(&self) -> bool {
        self.own
    }

    /// The table's name, without its schema.
    pub(crate) fn table(&self) -> &str {
        &self.table.name
    }

    /// The columns that a row gives, in this order.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.columns.clone()))
    }
}

impl Session {
    /// The table of that name, to be filled with rows of these columns: none are all that it does not make itself.
    ///
    /// # Errors
    /// There is no such table or column, or the user may not write there.
    pub(crate) async fn intake(&self, name: &ObjectName, columns: &[Ident]) -> Result<Intake> {
        self.database().state().refresh().await?;
        let state = self.context().state();
        let Some((table, found)) = name::find(self, &state, name).await? else {
            let (schema, table) = name::parts(name)?;
            let full = schema.map_or_else(|| table.clone(), |schema| format!("{schema}.{table}"));
            return Err(name::undefined(&full, &table));
        };
        let own = match found {
            Found::Own => true,
            Found::Shared => {
                check_writes(self, "COPY FROM")?;
                false
            }
            Found::View(_) => {
                let message = format!("cannot copy to view \"{}\"", table.name);
                return Err(Error::new(ErrorKind::WrongObjectType, message));
            }
        };
        let provider = if own {
            own::provider(self, &table).await?
        } else {
            self.principal().check_write(&table.schema)?;
            tables::open_to_write(self, &table).await?;
            let provider = self.database().tables().table(&table.schema, &table.name).await?;
            provider.ok_or_else(|| table.undefined())?
        };
        let columns = chosen(&provider.schema(), columns, &table, own)?;
        check_missing(&provider.schema(), &columns, &table)?;
        Ok(Intake {
            table,
            own,
            provider,
            columns,
        })
    }

    /// Adds the rows to the table, all of them or none; gives their number.
    ///
    /// # Errors
    /// That of the rows; those of the store, and of others who wrote at the same time.
    pub(crate) async fn take_in(&self, intake: &Intake, rows: SendableRecordBatchStream) -> Result<u64> {
        if intake.own {
            let (rows, share) = self.own.counted(rows);
            let input = intake.plan(rows)?;
            let source = provider_as_source(Arc::clone(&intake.provider));
            let target = own::reference(&intake.table);
            let insert = LogicalPlanBuilder::insert_into(input, target, source, InsertOp::Append)?.build()?;
            let added = outcome::count(self.runner().once(insert).await?).await?;
            self.own.keep(&intake.table.schema, &intake.table.name, share);
            return Ok(added);
        }
        let input = intake.plan(rows)?;
        let (input, mut guard) = tables::input(self, &without_made(&input)?).await?;
        let managed = tables::open_to_write(self, &intake.table).await?;
        let before = managed.rows();
        let appended = tables::on_engine(self, async move { Ok(managed.append(input).await?) }).await;
        let appended = guard.settled(appended)?;
        tables::forget(self, &intake.table).await;
        Ok(appended.rows().saturating_sub(before))
    }
}

/// The columns that a list means.
fn chosen(schema: &SchemaRef, list: &[Ident], table: &TableName, own: bool) -> Result<Vec<FieldRef>> {
    if list.is_empty() {
        let made = |field: &&FieldRef| !own && MADE_COLUMNS.contains(&field.name().as_str());
        return Ok(schema.fields().iter().filter(|field| !made(field)).cloned().collect());
    }
    let mut columns: Vec<FieldRef> = Vec::with_capacity(list.len());
    for name in list {
        let folded = match name.quote_style {
            Some(_) => name.value.clone(),
            None => name.value.to_lowercase(),
        };
        let exact = schema.fields().iter().find(|field| *field.name() == folded);
        let alike = || {
            let mut alike = schema
                .fields()
                .iter()
                .filter(|field| field.name().to_lowercase() == folded);
            alike
                .next()
                .filter(|_| alike.next().is_none() && name.quote_style.is_none())
        };
        let Some(field) = exact.or_else(alike) else {
            let message = format!("column \"{folded}\" of relation \"{}\" does not exist", table.name);
            return Err(Error::new(ErrorKind::UndefinedColumn, message).at(Place::Word(name.value.clone())));
        };
        if columns.iter().any(|column| column.name() == field.name()) {
            let message = format!("column \"{folded}\" specified more than once");
            return Err(Error::new(ErrorKind::DuplicateColumn, message));
        }
        columns.push(Arc::clone(field));
    }
    Ok(columns)
}

/// A column that is left out gets NULL, which it must take.
fn check_missing(schema: &SchemaRef, columns: &[FieldRef], table: &TableName) -> Result<()> {
    let missing = |field: &&FieldRef| {
        let name = field.name();
        let given = columns.iter().any(|column| column.name() == name);
        !given && !field.is_nullable() && !MADE_COLUMNS.contains(&name.as_str())
    };
    match schema.fields().iter().find(missing) {
        None => Ok(()),
        Some(field) => Err(Error::new(
            ErrorKind::NotNull,
            format!(
                "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
                field.name(),
                table.name
            ),
        )
        .with_hint("Name the column in the list of those that are copied.")),
    }
}

impl Intake {
    /// The rows with the columns of the table, those that were not given being NULL.
    fn plan(&self, rows: SendableRecordBatchStream) -> Result<LogicalPlan> {
        let schema = rows.schema();
        let source = Once {
            schema: Arc::clone(&schema),
            rows: Mutex::new(Some(rows)),
        };
        let source = StreamingTable::try_new(schema, vec![Arc::new(source)])?;
        let target = self.provider.schema();
        let mut columns = Vec::with_capacity(target.fields().len());
        for field in target.fields() {
            let given = self.columns.iter().any(|column| column.name() == field.name());
            let value = if given {
                ident(field.name())
            } else {
                lit(ScalarValue::try_from(field.data_type())?)
            };
            columns.push(value.alias(field.name()));
        }
        let plan = LogicalPlanBuilder::scan(TableReference::bare(ROWS), provider_as_source(Arc::new(source)), None)?;
        Ok(plan.project(columns)?.build()?)
    }
}

/// Rows that can be read once.
struct Once {
    schema: SchemaRef,
    rows: Mutex<Option<SendableRecordBatchStream>>,
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl PartitionStream for Once {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner).take();
        rows.unwrap_or_else(|| {
            let error = exec_datafusion_err!("the rows of a client were read twice");
            Box::pin(RecordBatchStreamAdapter::new(
                Arc::clone(&self.schema),
                stream::iter([Err(error)]),
            ))
        })
    }
}
