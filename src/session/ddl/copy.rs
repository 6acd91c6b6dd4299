//! `COPY (query) TO 'file'`, in the engine's spelling and in PostgreSQL's.

use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::{CopyToSource, CopyToStatement, Statement as Ast};
use datafusion::sql::sqlparser::ast::{
    CopyLegacyCsvOption, CopyLegacyOption, CopyOption, CopySource, CopyTarget, Ident, ObjectName, Query, Statement,
    Value,
};
use datafusion::sql::sqlparser::parser::Parser;

use super::node::Command;
use super::sink::{self, FileFormat};
use super::{Planned, check_writes, done, location, tables};
use crate::session::{Outcome, Session};
use crate::{Access, Error, ErrorKind, Result};

/// A file to be made of the rows of a query.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CopyTo {
    target: String,
    format: FileFormat,
}

/// What the options of a COPY say.
#[derive(Debug, Default)]
struct Options {
    format: Option<String>,
    header: Option<bool>,
    separator: Option<char>,
}

/// A table to be copied becomes the query of all its rows, so that its name is looked up as in any other.
pub(in crate::session) fn with_query(ast: &mut Ast) -> Result<()> {
    match ast {
        Ast::CopyTo(copy) => {
            if let CopyToSource::Relation(name) = &copy.source {
                copy.source = CopyToSource::Query(all_rows(name, &[])?);
            }
        }
        Ast::Statement(statement) => {
            if let Statement::Copy { source, to: true, .. } = &mut **statement
                && let CopySource::Table { table_name, columns } = source
            {
                *source = CopySource::Query(all_rows(table_name, columns)?);
            }
        }
        Ast::Explain(explain) => with_query(&mut explain.statement)?,
        Ast::CreateExternalTable(_) | Ast::Reset(_) => {}
    }
    Ok(())
}

fn all_rows(table: &ObjectName, columns: &[Ident]) -> Result<Box<Query>> {
    let columns = match columns {
        [] => "*".to_owned(),
        columns => columns.iter().map(Ident::to_string).collect::<Vec<_>>().join(", "),
    };
    let fault =
        |error: datafusion::sql::sqlparser::parser::ParserError| Error::new(ErrorKind::Syntax, error.to_string());
    let text = format!("SELECT {columns} FROM {table}");
    let mut parser = Parser::new(dreyer_adql::dialect()).try_with_sql(&text).map_err(fault)?;
    parser.parse_query().map_err(fault)
}

/// The engine's spelling: `COPY … TO '…' STORED AS … OPTIONS (…)`.
pub(super) async fn plan(session: &Session, state: &SessionState, copy: CopyToStatement) -> Result<Planned> {
    check_writes(session, "COPY")?;
    let mut options = Options {
        format: copy.stored_as.clone(),
        ..Options::default()
    };
    let plain = copy.options.iter().all(|(key, value)| options.read(key, value));
    let known = options.format(&copy.target);
    let full = session.database().config().access == Access::Full;
    if full && (!plain || !copy.partitioned_by.is_empty() || known.is_err()) {
        // Options of the engine's own writers, folders of many files, formats that it alone knows.
        return Ok(Planned::Engine(Box::new(Ast::CopyTo(copy))));
    }
    if !copy.partitioned_by.is_empty() {
        return Err(Error::new(
            ErrorKind::NotSupported,
            "COPY … PARTITIONED BY is not supported on a server",
        ));
    }
    if !plain {
        return Err(unknown_option(copy.options.first().map_or("", |(key, _)| key)));
    }
    let CopyToSource::Query(query) = copy.source else {
        return Err(Error::new(
            ErrorKind::Internal,
            "a table to be copied was not made a query",
        ));
    };
    of_query(session, state, query, &copy.target, known?).await
}

/// PostgreSQL's: `COPY … TO '…' (FORMAT …)`.
pub(super) async fn plan_postgres(session: &Session, state: &SessionState, statement: Statement) -> Result<Planned> {
    let Statement::Copy {
        source,
        to,
        target,
        options: given,
        legacy_options,
        ..
    } = statement
    else {
        return Ok(Planned::engine(statement));
    };
    let unsupported = |what: &str, hint: &str| {
        Err(Error::new(ErrorKind::NotSupported, format!("{what} is not supported")).with_hint(hint))
    };
    let file = match (to, target) {
        (true, CopyTarget::File { filename }) => filename,
        (true, CopyTarget::Stdout) => return unsupported("COPY TO STDOUT", "SELECT gives the same rows."),
        (true, _) => return unsupported("COPY TO PROGRAM", "COPY … TO 'file' writes a file."),
        (false, _) => {
            let hint = "CREATE EXTERNAL TABLE reads a file where it lies; INSERT INTO … SELECT copies its rows.";
            return unsupported("COPY FROM", hint);
        }
    };
    check_writes(session, "COPY")?;
    let mut options = Options::default();
    for option in &given {
        options.postgres(option)?;
    }
    for option in &legacy_options {
        options.legacy(option)?;
    }
    let CopySource::Query(query) = source else {
        return Err(Error::new(
            ErrorKind::Internal,
            "a table to be copied was not made a query",
        ));
    };
    let format = options.format(&file)?;
    of_query(session, state, query, &file, format).await
}

async fn of_query(
    session: &Session,
    state: &SessionState,
    query: Box<Query>,
    target: &str,
    format: FileFormat,
) -> Result<Planned> {
    location::to_write(session, target)?;
    let input = state
        .statement_to_plan(Ast::Statement(Box::new(Statement::Query(query))))
        .await?;
    let copy = CopyTo {
        target: target.to_owned(),
        format,
    };
    Ok(Planned::command(Command::Copy(copy), Some(input)))
}

fn unknown_option(name: &str) -> Error {
    Error::new(ErrorKind::NotSupported, format!("COPY does not know the option {name}"))
        .with_hint("FORMAT, HEADER and DELIMITER are what it knows.")
}

impl Options {
    /// Takes an option of the engine's spelling; false if it is none of ours.
    fn read(&mut self, key: &str, value: &Value) -> bool {
        let text = match value {
            Value::SingleQuotedString(text) | Value::Number(text, _) => text.clone(),
            Value::Boolean(value) => value.to_string(),
            _ => return false,
        };
        match (key.to_lowercase().trim_start_matches("format."), text.as_str()) {
            ("has_header" | "header", "true") => self.header = Some(true),
            ("has_header" | "header", "false") => self.header = Some(false),
            ("delimiter", text) if text.chars().count() == 1 => self.separator = text.chars().next(),
            ("format", text) => self.format = Some(text.to_owned()),
            _ => return false,
        }
        true
    }

    fn postgres(&mut self, option: &CopyOption) -> Result<()> {
        match option {
            CopyOption::Format(format) => self.format = Some(format.value.clone()),
            CopyOption::Header(header) => self.header = Some(*header),
            CopyOption::Delimiter(separator) => self.separator = Some(*separator),
            CopyOption::Encoding(name) if name.eq_ignore_ascii_case("utf8") || name.eq_ignore_ascii_case("utf-8") => {}
            other => return Err(unknown_option(other.to_string().split(' ').next().unwrap_or_default())),
        }
        Ok(())
    }

    fn legacy(&mut self, option: &CopyLegacyOption) -> Result<()> {
        match option {
            CopyLegacyOption::Csv(inner) => {
                self.format = Some("csv".to_owned());
                self.header = Some(false);
                for option in inner {
                    match option {
                        CopyLegacyCsvOption::Header => self.header = Some(true),
                        other => return Err(unknown_option(&other.to_string())),
                    }
                }
            }
            CopyLegacyOption::Header => self.header = Some(true),
            CopyLegacyOption::Delimiter(separator) => self.separator = Some(*separator),
            other => return Err(unknown_option(&other.to_string())),
        }
        Ok(())
    }

    /// The format that was asked for, else that of the file's ending.
    fn format(&self, target: &str) -> Result<FileFormat> {
        let format = match &self.format {
            Some(name) => FileFormat::named(name).ok_or_else(|| format!("COPY does not write the format {name}")),
            None => FileFormat::of_file(target).ok_or_else(|| format!("the name {target} does not tell a format")),
        };
        let format = format.map_err(|message| {
            Error::new(ErrorKind::NotSupported, message).with_hint(format!(
                "FORMAT, or the ending of the name, is one of {}.",
                FileFormat::names()
            ))
        })?;
        Ok(match format {
            FileFormat::Text { separator, header } => FileFormat::Text {
                separator: self.separator.unwrap_or(separator),
                header: self.header.unwrap_or(header),
            },
            other => other,
        })
    }
}

pub(super) async fn run(session: &Session, copy: &CopyTo, query: &LogicalPlan) -> Result<Outcome> {
    let rows = session.runner().to_write(query.clone()).await?;
    let (location, format) = (location::to_write(session, &copy.target)?, copy.format);
    let at_once = session.database().template().config().target_partitions();
    let rows = tables::on_engine(
        session,
        async move { sink::write(rows, format, &location, at_once).await },
    )
    .await?;
    Ok(done(format!("COPY {rows}")))
}
