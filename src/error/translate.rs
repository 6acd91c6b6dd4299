//! The engine's errors become ours: class, words, place.
//!
//! The engine tells its classes apart by enum variant where it can, and by the wording of the message where it
//! cannot; the wordings are the table [`WORDINGS`]. Errors of the extensions arrive as `External` and speak for
//! themselves.

use std::error::Error as StdError;
use std::sync::Arc;

use datafusion::arrow::error::ArrowError;
use datafusion::common::{DataFusionError, Diagnostic, SchemaError};
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Location, Span};

use super::extension;
use super::{Error, ErrorKind, Place, nearest};

/// Words by which a message of the engine is known for its class. The first row that matches counts.
const WORDINGS: &[(&str, ErrorKind)] = &[
    (
        "Failed to coerce arguments to satisfy a call to",
        ErrorKind::UndefinedFunction,
    ),
    ("failed to match any signature", ErrorKind::UndefinedFunction),
    ("Cannot infer common", ErrorKind::DatatypeMismatch),
    ("Cannot coerce", ErrorKind::DatatypeMismatch),
    ("Unsupported CAST", ErrorKind::DatatypeMismatch),
    ("Prepared statement '", ErrorKind::UndefinedStatement),
    ("failed to resolve catalog", ErrorKind::UndefinedCatalog),
    ("already exists", ErrorKind::DuplicateTable),
    ("ivide by zero", ErrorKind::DivisionByZero),
    ("division by zero", ErrorKind::DivisionByZero),
    ("verflow", ErrorKind::OutOfRange),
    ("more than one row", ErrorKind::Cardinality),
    ("spilling process has exceeded", ErrorKind::DiskFull),
    ("functions are not allowed in the WHERE clause", ErrorKind::Grouping),
    ("LIMIT must be >= 0", ErrorKind::InvalidLimit),
    ("queries have different number of columns", ErrorKind::Syntax),
];

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        translate(&error, None)
    }
}

/// The same for an error that stays where it is.
pub(super) fn by_reference(error: &DataFusionError) -> Error {
    translate(error, None)
}

/// Ours inside the engine's: comes out again as it went in.
impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        Self::External(Box::new(error))
    }
}

/// `diagnostic` is the outermost one met on the way in: it holds the place in the text.
fn translate(error: &DataFusionError, diagnostic: Option<&Diagnostic>) -> Error {
    use DataFusionError as E;
    match error {
        E::Context(said, inner) => {
            let error = translate(inner, diagnostic);
            // Whoever ran out of memory knows best what to do.
            match error.kind {
                ErrorKind::OutOfMemory => error.with_hint(said.clone()),
                _ => error,
            }
        }
        E::Shared(inner) => translate(inner, diagnostic),
        E::Diagnostic(found, inner) => translate(inner, diagnostic.or(Some(found))),
        E::Collection(errors) => match errors.first() {
            Some(first) => translate(first, diagnostic),
            None => Error::new(ErrorKind::Internal, "an empty collection of errors"),
        },
        E::External(inner) => external(inner.as_ref(), diagnostic),
        E::SQL(parser, _) => syntax(parser),
        E::SchemaError(schema, _) => placed(schema_error(schema), diagnostic),
        E::ArrowError(arrow, _) => placed(arrow_error(arrow, diagnostic), diagnostic),
        E::Plan(text) => placed(told(ErrorKind::Invalid, text), diagnostic),
        E::Configuration(text) => told(ErrorKind::InvalidParameter, text),
        E::NotImplemented(text) => placed(told(ErrorKind::NotSupported, text), diagnostic),
        E::ResourcesExhausted(text) => exhausted(text),
        E::Execution(text) => placed(told(ErrorKind::Data, text), diagnostic),
        E::ObjectStore(store) => super::store::translate(store),
        E::IoError(io) => Error::new(ErrorKind::Io, io.to_string()),
        E::ParquetError(parquet) => parquet_error(parquet, diagnostic),
        E::ExecutionJoin(join) => Error::new(ErrorKind::Internal, format!("a task of the query ended: {join}")),
        E::Internal(text) | E::Substrait(text) | E::Ffi(text) => Error::new(ErrorKind::Internal, text.clone()),
    }
}

fn placed(error: Error, diagnostic: Option<&Diagnostic>) -> Error {
    let Some(span) = diagnostic.and_then(|diagnostic| diagnostic.span) else {
        return error;
    };
    let location = |place: datafusion::common::Location| Location {
        line: place.line,
        column: place.column,
    };
    error.at(Place::Span(Span {
        start: location(span.start),
        end: location(span.end),
    }))
}

/// An error of somebody else's type: one of the extensions', or one of the engine's libraries' in disguise.
fn external(error: &(dyn StdError + Send + Sync + 'static), diagnostic: Option<&Diagnostic>) -> Error {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(ours) = error.downcast_ref::<Error>() {
            return ours.clone();
        }
        if let Some(engine) = error.downcast_ref::<DataFusionError>() {
            return translate(engine, diagnostic);
        }
        if let Some(engine) = error.downcast_ref::<Arc<DataFusionError>>() {
            return translate(engine, diagnostic);
        }
        if let Some(arrow) = error.downcast_ref::<ArrowError>() {
            return arrow_error(arrow, diagnostic);
        }
        if let Some(store) = error.downcast_ref::<object_store::Error>() {
            return super::store::translate(store);
        }
        if let Some(told) = extension::translate(error) {
            return told;
        }
        next = error.source();
    }
    Error::new(ErrorKind::Internal, error.to_string())
}

/// A message whose class only its words tell; `otherwise` if they do not.
fn worded(otherwise: ErrorKind, text: &str) -> Error {
    let kind = WORDINGS
        .iter()
        .find(|(words, _)| text.contains(words))
        .map_or(otherwise, |(_, kind)| *kind);
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let error = Error::new(kind, first.trim_end_matches('.'));
    if rest.trim().is_empty() {
        error
    } else {
        error.with_detail(rest.trim().replace('\t', ""))
    }
}

/// A message that names what it is about: the words before the name, those after it, and what it becomes.
type Named = (&'static str, &'static str, fn(&str) -> Error);

/// Messages that name what they are about. The first row that matches counts.
const NAMED: &[Named] = &[
    ("table function '", "' not found", |name| {
        missing(ErrorKind::UndefinedFunction, "table function", name)
    }),
    ("table '", "' not found", undefined_table),
    ("Table '", "' doesn't exist", undefined_table),
    ("View '", "' doesn't exist", undefined_table),
    ("Invalid function '", "'", |name| {
        missing(ErrorKind::UndefinedFunction, "function", name)
    }),
    ("failed to resolve schema: ", "", |name| {
        missing(ErrorKind::UndefinedSchema, "schema", name)
    }),
    ("Prepared statement '", "' does not exist", |name| {
        missing(ErrorKind::UndefinedStatement, "prepared statement", name)
    }),
    ("Config value \"", "\" not found on", undefined_setting),
    ("Could not find config namespace \"", "\"", undefined_setting),
    ("Unsupported SQL type ", "", |name| {
        Error::new(ErrorKind::UndefinedObject, format!("type \"{name}\" does not exist"))
            .at(Place::Word(name.to_owned()))
    }),
    (
        "'",
        "' is not a variable which can be viewed with 'SHOW'",
        undefined_setting,
    ),
    (
        "No function matches the given name and argument types '",
        "'",
        no_such_call,
    ),
];

fn named(text: &str) -> Option<Error> {
    NAMED
        .iter()
        .find_map(|(before, after, error)| between(text, before, after).map(error))
}

fn missing(kind: ErrorKind, what: &str, name: &str) -> Error {
    Error::new(kind, format!("{what} {name} does not exist")).at(Place::Word(name.to_owned()))
}

fn undefined_setting(name: &str) -> Error {
    let message = format!("unrecognized configuration parameter \"{name}\"");
    let last = name.rsplit('.').next().unwrap_or(name).to_owned();
    Error::new(ErrorKind::UndefinedObject, message).at(Place::Word(last))
}

/// `call` is the function with the types it was given, as in `abs(Utf8, Int64)`.
fn no_such_call(call: &str) -> Error {
    let function = call.split('(').next().unwrap_or(call).to_owned();
    Error::new(ErrorKind::UndefinedFunction, format!("function {call} does not exist"))
        .with_hint("No form of the function takes these arguments; a cast may help.")
        .at(Place::Call {
            function,
            argument: None,
        })
}

/// A planning or run-time message of the engine.
fn told(otherwise: ErrorKind, text: &str) -> Error {
    if text.contains("must appear in the GROUP BY clause") {
        return grouping(text);
    }
    match (named(text), text.split_once("Candidate functions:")) {
        (Some(error), Some((_, candidates))) => {
            let candidates: Vec<_> = candidates.split_whitespace().collect();
            error.with_detail(format!("Its forms: {}.", candidates.join(" ")))
        }
        (Some(error), None) => error,
        (None, _) => worded(otherwise, text),
    }
}

fn grouping(text: &str) -> Error {
    let rule = "must appear in the GROUP BY clause or be used in an aggregate function";
    match between(text, "column \"", "\"") {
        Some(column) => Error::new(ErrorKind::Grouping, format!("column \"{column}\" {rule}")),
        None => worded(ErrorKind::Grouping, text),
    }
}

/// `name` as the engine resolved it; the parts that were filled in are taken off again.
fn undefined_table(name: &str) -> Error {
    let default = format!("{}.", crate::DEFAULT_CATALOG);
    let name = name.strip_prefix(&default).unwrap_or(name);
    let default = format!("{}.", crate::DEFAULT_SCHEMA);
    let name = name.strip_prefix(&default).unwrap_or(name).replace('"', "");
    let word = name.rsplit('.').next().unwrap_or(&name).to_owned();
    Error::new(ErrorKind::UndefinedTable, format!("relation \"{name}\" does not exist")).at(Place::Word(word))
}

fn schema_error(error: &SchemaError) -> Error {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let name = field.name();
            if let Some(table) = &field.relation
                && !valid_fields.is_empty()
                && !valid_fields.iter().any(|field| {
                    field
                        .relation
                        .as_ref()
                        .is_some_and(|known| known.table() == table.table())
                })
            {
                return missing_table(table.table());
            }
            let message = match &field.relation {
                Some(relation) => format!("column {}.{name} does not exist", relation.table()),
                None => format!("column \"{name}\" does not exist"),
            };
            let error = Error::new(ErrorKind::UndefinedColumn, message).at(Place::Word(name.to_owned()));
            match nearest(name, valid_fields.iter().map(|field| field.name())) {
                Some(near) => error.with_hint(format!("Did you mean \"{near}\"?")),
                None => error,
            }
        }
        SchemaError::AmbiguousReference { field } => {
            let name = field.name();
            Error::new(
                ErrorKind::AmbiguousColumn,
                format!("column reference \"{name}\" is ambiguous"),
            )
            .with_hint(format!("Say whose it is, as in a.{name}."))
            .at(Place::Word(name.to_owned()))
        }
        SchemaError::DuplicateQualifiedField { qualifier, .. } => Error::new(
            ErrorKind::DuplicateAlias,
            format!("table name \"{}\" specified more than once", qualifier.table()),
        )
        .with_hint("Give one of the two another name with AS.")
        .at(Place::Word(qualifier.table().to_owned())),
        SchemaError::DuplicateUnqualifiedField { name } => {
            Error::new(ErrorKind::DuplicateColumn, format!("column \"{name}\" is there twice"))
                .with_hint("Give one of the two a name of its own with AS.")
                .at(Place::Word(name.clone()))
        }
    }
}

/// A column of a table that FROM does not have.
fn missing_table(table: &str) -> Error {
    let message = format!("missing FROM-clause entry for table \"{table}\"");
    Error::new(ErrorKind::UndefinedTable, message).at(Place::Word(table.to_owned()))
}

fn arrow_error(error: &ArrowError, diagnostic: Option<&Diagnostic>) -> Error {
    match error {
        ArrowError::DivideByZero => Error::new(ErrorKind::DivisionByZero, "division by zero"),
        ArrowError::ArithmeticOverflow(text) => Error::new(ErrorKind::OutOfRange, text.clone()),
        ArrowError::CastError(text) if text.starts_with("Can't cast value") => {
            Error::new(ErrorKind::OutOfRange, text.clone())
        }
        ArrowError::CastError(text) | ArrowError::ParseError(text) => Error::new(ErrorKind::InvalidText, text.clone()),
        ArrowError::ExternalError(inner) => external(inner.as_ref(), diagnostic),
        ArrowError::IoError(text, _) => Error::new(ErrorKind::Io, text.clone()),
        ArrowError::NotYetImplemented(text) => Error::new(ErrorKind::NotSupported, text.clone()),
        other => worded(ErrorKind::Data, &other.to_string()),
    }
}

fn parquet_error(error: &parquet::errors::ParquetError, diagnostic: Option<&Diagnostic>) -> Error {
    match error {
        parquet::errors::ParquetError::External(inner) => match external(inner.as_ref(), diagnostic) {
            told if told.kind == ErrorKind::Internal => Error::new(ErrorKind::Io, error.to_string()),
            told => told,
        },
        other => super::store::from_words(&other.to_string()),
    }
}

fn exhausted(text: &str) -> Error {
    let error = worded(ErrorKind::OutOfMemory, text);
    match error.kind {
        ErrorKind::DiskFull => error.with_hint("Raise limits.spill_bytes."),
        _ => error.with_hint("Raise limits.memory_bytes, or ask for fewer rows or columns at once."),
    }
}

/// `Expected: end of statement, found: FRM at Line: 1, Column: 10` in PostgreSQL's words.
fn syntax(error: &ParserError) -> Error {
    let text = match error {
        ParserError::RecursionLimitExceeded => {
            return Error::new(ErrorKind::LimitExceeded, "the statement is nested too deeply")
                .with_hint("Raise datafusion.sql_parser.recursion_limit, or flatten the statement.");
        }
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => text,
    };
    let (text, place) = split_place(text);
    let error = match between(text, "found: ", "") {
        Some("EOF") => Error::new(ErrorKind::Syntax, "syntax error at end of input").at(Place::End),
        Some(found) => {
            let error = Error::new(ErrorKind::Syntax, format!("syntax error at or near \"{found}\""));
            with_place(error, place.map(|place| place.reading(found)))
        }
        None => with_place(Error::new(ErrorKind::Syntax, text), place),
    };
    match between(text, "Expected: ", ", found: ") {
        Some(expected) => error.with_detail(format!("Expected {expected}.")),
        None => error,
    }
}

fn with_place(error: Error, place: Option<Place>) -> Error {
    match place {
        Some(place) => error.at(place),
        None => error,
    }
}

/// Takes ` at Line: 1, Column: 10` off the end of a message.
fn split_place(text: &str) -> (&str, Option<Place>) {
    let Some((head, tail)) = text.rsplit_once(" at Line: ") else {
        return (text, None);
    };
    let mut numbers = tail
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|word| word.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(line), Some(column)) => (
            head,
            Some(Place::Point {
                line,
                column,
                text: String::new(),
            }),
        ),
        _ => (text, None),
    }
}

/// What stands after `before` and ahead of `after` (to the end if that is empty).
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = text.split_once(before)?.1;
    if after.is_empty() {
        Some(rest)
    } else {
        rest.split_once(after).map(|(found, _)| found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parser_errors_speak_postgres() {
        let parser =
            ParserError::ParserError("Expected: end of statement, found: FRM at Line: 1, Column: 10".to_owned());
        let error = syntax(&parser);
        assert_eq!(error.message, "syntax error at or near \"FRM\"");
        assert_eq!(error.detail.as_deref(), Some("Expected end of statement."));
        assert_eq!(error.located("SELECT 1 FRM", 0).position, Some(10));

        let lexer = ParserError::TokenizerError("Unterminated string literal at Line: 2, Column: 3".to_owned());
        let error = syntax(&lexer);
        assert_eq!(error.message, "Unterminated string literal");
        assert_eq!(error.located("SELECT\n  'a", 5).position, Some(15));
    }

    #[test]
    fn wrappers_are_taken_off() {
        let core = DataFusionError::ArrowError(Box::new(ArrowError::DivideByZero), None);
        let wrapped = DataFusionError::Shared(Arc::new(core.context("Optimizer rule 'x' failed")));
        let disguised = DataFusionError::External(Box::new(ArrowError::ExternalError(Box::new(wrapped))));
        assert_eq!(Error::from(disguised).sqlstate(), "22012");
    }

    #[test]
    fn names_that_were_filled_in_are_taken_off() {
        let error = Error::from(DataFusionError::Plan(
            "table 'dreyer.public.stars' not found".to_owned(),
        ));
        assert_eq!(error.message, "relation \"stars\" does not exist");
        assert_eq!(error.sqlstate(), "42P01");
        let error = Error::from(DataFusionError::Plan("table 'dreyer.gaia.stars' not found".to_owned()));
        assert_eq!(error.message, "relation \"gaia.stars\" does not exist");
    }
}
