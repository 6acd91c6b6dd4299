//! Queries that must be accepted or refused, feature by feature, in `corpus/*.sql`.

use crate::{Error, Language, lower, parse, validate_strict};

/// One block of a corpus file: the query, and the message that is expected of it.
struct Case {
    sql: String,
    fault: Option<String>,
}

fn cases(text: &str) -> Vec<Case> {
    let blocks = text.split("\n\n").map(|block| {
        let fault = block
            .lines()
            .find_map(|line| line.strip_prefix("--! "))
            .map(str::to_owned);
        let sql: Vec<&str> = block.lines().filter(|line| !line.starts_with("--! ")).collect();
        Case {
            sql: sql.join("\n"),
            fault,
        }
    });
    let significant = |case: &Case| {
        case.sql
            .lines()
            .any(|line| !line.trim().is_empty() && !line.starts_with("--"))
    };
    blocks.filter(significant).collect()
}

fn understood(sql: &str) -> Result<String, Error> {
    let mut statements = parse(sql)?;
    for language in [Language::Postgres, Language::Adql] {
        for statement in &mut statements {
            lower(statement, language)?;
        }
    }
    Ok(statements
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; "))
}

/// All failures of a file at once.
fn report(text: &str, fault: impl Fn(&Case) -> Option<String>) {
    let cases = cases(text);
    assert!(cases.len() > 10, "the file is cut into blocks");
    let faults: Vec<String> = cases
        .iter()
        .filter_map(|case| fault(case).map(|fault| format!("{}\n  => {fault}", case.sql)))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

fn mismatch(result: Result<(), Error>, case: &Case) -> Option<String> {
    let wanted = case.fault.as_deref().unwrap_or("(no message given)");
    match result {
        Ok(()) => Some(format!("accepted, wanted: {wanted}")),
        Err(error) if !error.message.contains(wanted) => Some(format!("{}, wanted: {wanted}", error.message)),
        Err(error) if error.span.is_none() => Some(format!("{} has no place", error.message)),
        Err(_) => None,
    }
}

#[test]
fn pure() {
    report(include_str!("corpus/pure.sql"), |case| {
        let lowered = match understood(&case.sql) {
            Ok(lowered) => lowered,
            Err(error) => return Some(error.message),
        };
        // What was lowered is again SQL.
        parse(&lowered)
            .err()
            .map(|error| format!("{lowered}: {error}"))
            .or_else(|| validate_strict(&case.sql).err().map(|error| format!("strict: {error}")))
    });
}

#[test]
fn wider() {
    report(include_str!("corpus/wider.sql"), |case| match understood(&case.sql) {
        Ok(_) => validate_strict(&case.sql)
            .is_ok()
            .then(|| "is strictly valid".to_owned()),
        Err(error) => Some(error.message),
    });
}

#[test]
fn impure() {
    report(include_str!("corpus/impure.sql"), |case| {
        understood(&case.sql)
            .err()
            .map(|error| error.message)
            .or_else(|| mismatch(validate_strict(&case.sql), case))
    });
}

#[test]
fn wrong() {
    report(include_str!("corpus/wrong.sql"), |case| {
        mismatch(understood(&case.sql).map(drop), case)
    });
}
