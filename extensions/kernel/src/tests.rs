//! What the one implementation promises to every row of a table, shown on rows that have nothing to do with the sky.

use std::sync::Arc;

use crate::{
    Arg, Call, Example, Fault, FnSpec, FunctionError, Kind, Overload, Returns, functions, proof, reference, spec_of,
};
use datafusion::arrow::array::{Float64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::error::Result;
use datafusion::logical_expr::{ScalarUDF, Volatility};
use datafusion::prelude::{SessionConfig, SessionContext};

const X: Arg = Arg::new("x", Kind::Number);
const NUMBER: Returns = Returns::new(Kind::Number).unit("m");
const PAIR: Kind = Kind::Tuple { name: "PAIR", len: 2 };
const SERIES: Kind = Kind::Series {
    name: "SERIES",
    least: 3,
};

static TABLE: &[FnSpec] = &[
    FnSpec {
        aliases: &["plus_or"],
        role: Some("sum"),
        summary: "The sum of two numbers.",
        reference: "Arithmetic",
        examples: &[Example::new("add_or(1, NULL)", "1.0")],
        ..FnSpec::new(
            "add_or",
            "Numbers",
            &[Overload::new(
                &[
                    X.finite(),
                    Arg::new("y", Kind::Number)
                        .within(-1.0, 1.0)
                        .nullable("0")
                        .hint("stay near 0"),
                ],
                NUMBER,
                |call| {
                    let [x, y] = call.numbers()?;
                    call.fill_numbers(|row| Ok(x.get(row) + y.known(row).unwrap_or(0.0)))
                },
            )],
        )
    },
    // The overload says which kinds arrived.
    FnSpec::new(
        "which",
        "Kinds",
        &[
            Overload::new(&[Arg::new("n", Kind::BigInt)], Returns::new(Kind::Text), |call| {
                call.fill_texts(|_| Ok("int"))
            }),
            Overload::new(&[X], Returns::new(Kind::Text), |call| call.fill_texts(|_| Ok("number"))),
            Overload::new(&[Arg::new("t", Kind::Text)], Returns::new(Kind::Text), |call| {
                call.fill_texts(|_| Ok("text"))
            }),
            Overload::new(&[Arg::new("b", Kind::Boolean)], Returns::new(Kind::Text), |call| {
                call.fill_texts(|_| Ok("truth"))
            }),
            Overload::new(
                &[Arg::new(
                    "list",
                    Kind::Either {
                        name: "LIST",
                        of: &[PAIR, SERIES],
                    },
                )],
                Returns::new(Kind::Text),
                |call| {
                    let kind = call.kind(0)?;
                    call.fill_texts(|_| Ok(kind.name()))
                },
            ),
        ],
    ),
    FnSpec::new(
        "sum_all",
        "Numbers",
        &[Overload::new(&[X], NUMBER, |call| {
            let numbers = (0..call.arguments())
                .map(|at| call.number(at))
                .collect::<Result<Vec<_>, _>>()?;
            call.fill_numbers(|row| Ok(numbers.iter().map(|number| number.get(row)).sum()))
        })
        .followed_by(&[Arg::new("y", Kind::Number), Arg::new("z", Kind::Number)])],
    ),
    FnSpec::new(
        "half_even",
        "Numbers",
        &[Overload::new(
            &[Arg::new("n", Kind::BigInt)],
            Returns::new(Kind::BigInt),
            |call| {
                let numbers = call.bigint(0)?;
                call.fill_bigints(|row| {
                    if numbers.get(row) % 2 == 0 {
                        Ok(numbers.get(row) / 2)
                    } else {
                        Err(Fault::silent())
                    }
                })
            },
        )],
    ),
    FnSpec::new(
        "broken",
        "Numbers",
        &[Overload::new(&[X], Returns::new(Kind::Text), |call| {
            call.fill_numbers(|_| Ok(1.0))
        })],
    ),
    FnSpec {
        volatility: Volatility::Volatile,
        ..FnSpec::new("rows", "Numbers", &[Overload::new(&[X], NUMBER, count_rows)])
    },
];

fn count_rows(call: &Call<'_>) -> Result<datafusion::arrow::array::ArrayRef, Fault> {
    call.fill_numbers(|_| Ok(call.rows() as f64))
}

fn context() -> SessionContext {
    let context = SessionContext::new_with_config(SessionConfig::new().with_information_schema(true));
    for function in functions(&[TABLE]) {
        context.register_udf(function.as_ref().clone());
    }
    let schema = Schema::new(vec![
        Field::new("x", DataType::Float64, true),
        Field::new("t", DataType::Utf8, true),
    ]);
    let x = Float64Array::from(vec![Some(1.0), None, Some(3.0), Some(f64::INFINITY)]);
    let t = StringArray::from(vec![Some("a"), Some("b"), None, Some("d")]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(x), Arc::new(t)]).unwrap();
    context.register_batch("v", batch).unwrap();
    context
}

async fn error(expression: &str) -> FunctionError {
    let error = proof::evaluate(&context(), expression).await.unwrap_err();
    FunctionError::find(&error)
        .unwrap_or_else(|| panic!("{error:?}"))
        .clone()
}

#[tokio::test]
async fn results() -> Result<()> {
    let context = context();
    for (expression, result) in [
        ("which(1)", "int"),
        ("which(1.5)", "number"),
        ("which('1')", "text"),
        ("which(true)", "truth"),
        ("which([1, 2, 3])", "SERIES"),
        ("which(arrow_cast([1.0, 2.0], 'FixedSizeList(2, Float64)'))", "PAIR"),
        ("which(arrow_cast([1, 2, 3, 4], 'FixedSizeList(4, Int32)'))", "SERIES"),
        ("plus_or(1, 0.5)", "1.5"),
        ("add_or(NULL, 0.5)", "NULL"),
        ("sum_all(1)", "1.0"),
        ("sum_all(1, 2, 3, 4, 5)", "15.0"),
        ("half_even(6)", "3"),
        ("half_even(5)", "NULL"),
        ("rows(1) FROM v", "4.0; 4.0; 4.0; 4.0"),
        ("add_or(x, x - 1) FROM v", "1.0; NULL; NULL; NULL"),
        ("add_or(1, x - 1) FROM v", "1.0; 1.0; NULL; NULL"),
        ("add_or(x, NULL) FROM v", "1.0; NULL; 3.0; NULL"),
        ("which(t) FROM v", "text; text; NULL; text"),
    ] {
        assert_eq!(proof::evaluate(&context, expression).await?, result, "{expression}");
    }
    Ok(())
}

#[tokio::test]
async fn errors() {
    let outside = error("add_or(x, 2) FROM v").await;
    assert_eq!(outside.to_string(), "add_or y must lie in [-1, 1], got 2");
    assert_eq!(
        (outside.function(), outside.argument(), outside.hint()),
        ("add_or", Some(1), Some("stay near 0"))
    );
    assert_eq!(
        error("add_or(CAST('inf' AS DOUBLE), 0)").await.to_string(),
        "add_or x must be finite, got inf"
    );

    let count = error("sum_all(1, 2)").await;
    assert_eq!(count.to_string(), "sum_all cannot be called with 2 arguments");
    assert_eq!((count.argument(), count.hint()), (None, Some("use sum_all(x, ...)")));
    let kind = error("sum_all(1, 2, 'c')").await;
    assert_eq!(
        (kind.to_string().as_str(), kind.argument()),
        ("sum_all cannot take TEXT as argument 3", Some(2))
    );

    assert!(matches!(error("broken(1)").await, FunctionError::Broken { .. }));
}

/// A constant is judged while the query is planned.
#[tokio::test]
async fn the_error_comes_before_any_row_is_read() {
    let context = context();
    let plan = context
        .state()
        .create_logical_plan("SELECT add_or(x, 2) FROM v")
        .await
        .unwrap();
    let error = context.state().optimize(&plan).unwrap_err();
    assert!(FunctionError::find(&error).is_some(), "{error:?}");
}

#[tokio::test]
async fn equal_calls_are_equal() -> Result<()> {
    let context = context();
    let expression = "add_or(x, 0) AS s FROM v WHERE add_or(x, 0) > 0 GROUP BY add_or(x, 0) ORDER BY add_or(x, 0)";
    assert_eq!(proof::evaluate(&context, expression).await?, "1.0; 3.0");
    Ok(())
}

#[tokio::test]
async fn the_table_documents_itself() -> Result<()> {
    let failures = proof::failures(&[&TABLE[..1]]).await;
    assert_eq!(failures, Vec::<String>::new());
    let bare = proof::failures(&[&TABLE[1..2]]).await;
    assert_eq!(
        bare,
        ["which has no summary", "which has no reference", "which has no example"]
    );
    let twice = proof::failures(&[&TABLE[..1], &TABLE[..1]]).await;
    assert_eq!(twice, ["add_or is declared twice", "plus_or is declared twice"]);

    let page = reference::markdown(&[&TABLE[..1]]).unwrap();
    assert!(
        page.contains("## Numbers\n\n### add_or\n\n```sql\nadd_or(x, y) -> DOUBLE [m]\n```\n\nThe sum of two numbers."),
        "{page}"
    );
    assert!(page.contains("| `y` | DOUBLE | -1 to 1; NULL: 0 |"), "{page}");
    assert!(page.contains("SELECT add_or(1, NULL);  -- 1.0"), "{page}");

    let context = context();
    let sql = "SHOW FUNCTIONS LIKE 'add_or'";
    let plan = context.state().create_logical_plan(sql).await?;
    let batches = context.execute_logical_plan(plan).await?.collect().await?;
    let text = datafusion::arrow::util::pretty::pretty_format_batches(&batches)?.to_string();
    assert!(
        text.contains("The sum of two numbers.") && text.contains("[Float64, Float64]"),
        "{text}"
    );
    Ok(())
}

#[test]
fn planners_find_the_row() {
    let function = TABLE[0].udf();
    assert_eq!(spec_of(&function).and_then(|spec| spec.role), Some("sum"));
    assert_eq!(function.aliases(), ["plus_or"]);
    assert!(!function.is_strict() && TABLE[1].udf().is_strict());
    let foreign: Arc<ScalarUDF> = datafusion::functions::math::abs();
    assert!(spec_of(&foreign).is_none());
}
