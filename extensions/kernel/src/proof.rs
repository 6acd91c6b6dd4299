//! Proof that the tables keep their word: every function documented, every example run.
//!
//! One line in a test of the crate that owns the tables is enough:
//! `assert_eq!(dreyer_kernel::proof::failures(TABLES).await, Vec::<String>::new())`.

use datafusion::arrow::array::Array;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::Result;
use datafusion::prelude::SessionContext;

use crate::{FnSpec, functions};

/// What is wrong with the tables: missing documentation, repeated names, examples that fail or give something else.
pub async fn failures(tables: &[&'static [FnSpec]]) -> Vec<String> {
    let context = SessionContext::new();
    for function in functions(tables) {
        context.register_udf(function.as_ref().clone());
    }
    let mut failures = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for spec in tables.iter().flat_map(|table| table.iter()) {
        let name = spec.name;
        for (what, absent) in [
            ("overload", spec.overloads.is_empty()),
            ("summary", spec.summary.is_empty()),
            ("reference", spec.reference.is_empty()),
            ("example", spec.examples.is_empty()),
        ] {
            if absent {
                failures.push(format!("{name} has no {what}"));
            }
        }
        for name in std::iter::once(&spec.name).chain(spec.aliases) {
            if names.contains(name) {
                failures.push(format!("{name} is declared twice"));
            }
            names.push(name);
        }
        for example in spec.examples {
            match evaluate(&context, example.sql).await {
                Ok(result) if same(&result, example.result) => {}
                Ok(result) => {
                    failures.push(format!("{} gives {result}, not {}", example.sql, example.result));
                }
                Err(error) => failures.push(format!("{} fails: {error}", example.sql)),
            }
        }
    }
    failures
}

/// The value of an expression without columns, as text; `NULL` for NULL.
///
/// # Errors
/// The expression cannot be planned or computed.
pub async fn evaluate(context: &SessionContext, expression: &str) -> Result<String> {
    let plan = context
        .state()
        .create_logical_plan(&format!("SELECT {expression}"))
        .await?;
    let batches = context.execute_logical_plan(plan).await?.collect().await?;
    let options = FormatOptions::new().with_null("NULL");
    let mut rows = Vec::new();
    for batch in &batches {
        let column = batch.column(0);
        let formatter = ArrayFormatter::try_new(column, &options)?;
        for row in 0..column.len() {
            rows.push(formatter.value(row).to_string());
        }
    }
    Ok(rows.join("; "))
}

/// Whether two texts agree, numbers to as many decimals as `wanted` prints.
fn same(given: &str, wanted: &str) -> bool {
    let (given, wanted) = (pieces(given), pieces(wanted));
    given.len() == wanted.len()
        && given.iter().zip(&wanted).all(|(given, wanted)| {
            given == wanted
                || match (given.parse::<f64>(), wanted.parse::<f64>()) {
                    (Ok(value), Ok(stated)) => {
                        let decimals = wanted.split_once('.').map_or(0, |(_, after)| after.len());
                        let decimals = i32::try_from(decimals).unwrap_or(0);
                        let integers = !given.contains('.') && !wanted.contains('.');
                        !integers && (value - stated).abs() <= 0.500_001 * 10_f64.powi(-decimals)
                    }
                    _ => false,
                }
        })
}

/// `text` cut into numbers and what stands between them, without blanks.
fn pieces(text: &str) -> Vec<&str> {
    text.split(|c: char| c.is_whitespace() || "[],;()".contains(c))
        .filter(|p| !p.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn numbers_hold_to_the_decimals_printed() {
        assert!(same("[1.2345, 2.0]", "[1.23, 2.0]"));
        assert!(same("1.2399", "1.24"));
        assert!(!same("1.2345", "1.24"));
        assert!(!same("2", "1"));
        assert!(!same("[1.0, 2.0]", "[1.0]"));
        assert!(same("true", "true"));
        assert!(!same("NULL", "true"));
        assert!(same("1e-7", "0.000"));
    }
}
