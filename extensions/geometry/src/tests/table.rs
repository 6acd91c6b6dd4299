//! The table keeps its word: every example gives its result, constants are judged, rows are not.

use std::sync::Arc;

use datafusion::arrow::array::{Float64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::prelude::{ParquetReadOptions, SessionContext};
use dreyer_kernel::{FunctionError, proof, reference, spec_of};

/// A session that knows the functions and a table `t` with good and bad positions.
fn context() -> SessionContext {
    let context =
        SessionContext::new_with_config(datafusion::prelude::SessionConfig::new().with_information_schema(true));
    for function in crate::functions() {
        context.register_udf(function.as_ref().clone());
    }
    let schema = Arc::new(Schema::new(vec![
        Field::new("ra", DataType::Float64, true),
        Field::new("dec", DataType::Float64, true),
        Field::new("r", DataType::Float64, true),
    ]));
    let batch = RecordBatch::try_new(
        schema,
        vec![
            Arc::new(Float64Array::from(vec![
                Some(10.0),
                Some(10.0),
                Some(f64::NAN),
                None,
                Some(-350.0),
            ])),
            Arc::new(Float64Array::from(vec![
                Some(20.0),
                Some(95.0),
                Some(20.0),
                Some(20.0),
                Some(20.5),
            ])),
            Arc::new(Float64Array::from(vec![
                Some(1.0),
                Some(1.0),
                Some(1.0),
                Some(1.0),
                Some(-1.0),
            ])),
        ],
    )
    .unwrap();
    context.register_batch("t", batch).unwrap();
    context
}

async fn fails(sql: &str) -> FunctionError {
    let error: DataFusionError = match proof::evaluate(&context(), sql).await {
        Ok(result) => panic!("{sql} gives {result}"),
        Err(error) => error,
    };
    FunctionError::find(&error)
        .unwrap_or_else(|| panic!("{sql}: {error:?}"))
        .clone()
}

#[tokio::test]
async fn every_example_gives_its_result() {
    assert_eq!(proof::failures(crate::specs()).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_planner_shows_every_function() -> Result<()> {
    let context = context();
    let plan = context.state().create_logical_plan("SHOW FUNCTIONS").await?;
    let batches = context.execute_logical_plan(plan).await?.collect().await?;
    let text = datafusion::arrow::util::pretty::pretty_format_batches(&batches)?.to_string();
    for spec in crate::specs().iter().flat_map(|table| table.iter()) {
        assert!(
            text.contains(&format!("| {} ", spec.name)),
            "{} is not shown",
            spec.name
        );
    }
    let page = reference::markdown(crate::specs()).unwrap();
    assert!(
        page.contains("### CIRCLE\n\n```sql\nCIRCLE(lon, lat, radius) -> CIRCLE [deg]\n"),
        "{page}"
    );
    Ok(())
}

#[tokio::test]
async fn a_bad_constant_is_an_error_that_names_it() {
    for (sql, argument, message) in [
        (
            "circle(10, 20, 3600)",
            Some(2),
            "CIRCLE radius must lie in [0, 180] degrees, got 3600",
        ),
        (
            "circle(10, 20, 60*60)",
            Some(2),
            "CIRCLE radius must lie in [0, 180] degrees, got 3600",
        ),
        (
            "point(10, 95)",
            Some(1),
            "POINT lat must lie in [-90, 90] degrees, got 95",
        ),
        (
            "point(CAST('NaN' AS DOUBLE), 5)",
            Some(0),
            "POINT lon must be finite, got NaN",
        ),
        (
            "distance(1, 2, 3, -91)",
            Some(3),
            "DISTANCE lat2 must lie in [-90, 90] degrees, got -91",
        ),
        (
            "polygon(1, 2, 1, 2, 3, 4)",
            None,
            "POLYGON needs at least 3 distinct vertices, got 2",
        ),
        (
            "box(1, 2, 3, 180)",
            Some(3),
            "BOX height must be at least 0 and less than 180 degrees, got 180",
        ),
        (
            "ivo_healpix_index(30, 1, 2)",
            Some(0),
            "ivo_healpix_index order must lie in [0, 29], got 30",
        ),
        (
            "ivo_healpix_center(0, 12)",
            Some(1),
            "ivo_healpix_center: HEALPix order 0 has cells 0 to 11, got 12",
        ),
        (
            "ivo_healpix_center(0, -1)",
            Some(1),
            "ivo_healpix_center index must not be negative, got -1",
        ),
        ("mod(1, 0)", Some(1), "MOD y must not be 0"),
        // Inside a query over rows, and over none.
        (
            "count(*) FROM t WHERE distance(ra, dec, 10, 95) < 1",
            Some(3),
            "DISTANCE lat2 must lie in [-90, 90] degrees, got 95",
        ),
        (
            "ra FROM t WHERE contains(point(ra, dec), circle(10, 20, 3600)) = 1",
            Some(2),
            "CIRCLE radius must lie in [0, 180] degrees, got 3600",
        ),
        (
            "ra FROM t WHERE q3c_radial_query(ra, dec, 1, 2, 200) LIMIT 0",
            Some(4),
            "q3c_radial_query radius must lie in [0, 180] degrees, got 200",
        ),
        (
            "circle(ra, dec, -1) FROM t WHERE ra > 1000",
            Some(2),
            "CIRCLE radius must lie in [0, 180] degrees, got -1",
        ),
    ] {
        let error = fails(sql).await;
        assert_eq!(error.to_string(), message, "{sql}");
        assert_eq!(error.argument(), argument, "{sql}");
        assert!(matches!(error, FunctionError::Argument { .. }), "{sql}");
    }
    assert_eq!(fails("circle(10, 20, 3600)").await.hint(), Some("1 arcsec is 1/3600."));
}

#[tokio::test]
async fn an_unfit_type_is_an_error_that_names_it() {
    for (sql, argument, message) in [
        (
            "distance(1, 2, 3, 'x')",
            Some(3),
            "DISTANCE cannot take TEXT as argument 4",
        ),
        ("distance(1, 2, 3)", None, "DISTANCE cannot be called with 3 arguments"),
        ("area()", None, "AREA cannot be called with 0 arguments"),
        (
            "area(point(1, 2))",
            Some(0),
            "AREA cannot take 2 x DOUBLE as argument 1",
        ),
        (
            "polygon(1, 2, 3, 4, 5, 6, 7)",
            None,
            "POLYGON cannot be called with 7 arguments",
        ),
        (
            "contains(circle(1, 2, 3), point(1, 2))",
            Some(1),
            "CONTAINS cannot take 2 x DOUBLE as argument 2",
        ),
        (
            "count(*) FROM t WHERE distance(ra, dec, 'a', 2) < 1",
            Some(2),
            "DISTANCE cannot take TEXT as argument 3",
        ),
    ] {
        let error = fails(sql).await;
        assert_eq!(error.to_string(), message, "{sql}");
        assert_eq!(error.argument(), argument, "{sql}");
        assert!(
            error.hint().is_some_and(|hint| hint.starts_with("use ")),
            "{sql}: {:?}",
            error.hint()
        );
    }
}

#[tokio::test]
async fn a_bad_row_is_null_and_no_error() -> Result<()> {
    let context = context();
    for (sql, result) in [
        (
            "round(distance(ra, dec, 10, 20), 9) FROM t",
            "0.0; NULL; NULL; NULL; 0.5",
        ),
        ("point(ra, dec) FROM t", "[10.0, 20.0]; NULL; NULL; NULL; [10.0, 20.5]"),
        (
            "circle(point(ra, dec), r) FROM t",
            "[10.0, 20.0, 1.0]; NULL; NULL; NULL; NULL",
        ),
        (
            "contains(point(ra, dec), circle(10, 20, 0.5)) FROM t",
            "1; NULL; NULL; NULL; 1",
        ),
        (
            "sky_contains(point(10, 20), circle(ra, dec, r)) FROM t",
            "true; NULL; NULL; NULL; NULL",
        ),
        (
            "sky_contains(point(10, 20), polygon(ra, dec, 11, 20, 10, 21)) FROM t",
            "true; NULL; NULL; NULL; false",
        ),
        ("count(*) FROM t WHERE q3c_radial_query(ra, dec, 10, 20, r)", "1"),
        ("mod(ra, r - 1) FROM t WHERE dec <> 20.5", "NULL; NULL; NULL; NULL"),
        ("mod(ra, r - 3) FROM t WHERE dec = 20.5", "-2.0"),
        ("ivo_healpix_index(0, ra, dec) FROM t", "4; NULL; NULL; NULL; 4"),
        (
            "ivo_epoch_prop_pos(ra, dec, NULL, r, NULL, NULL, 2000, 2000) FROM t",
            "[10.0, 20.0]; NULL; NULL; NULL; [10.0, 20.5]",
        ),
    ] {
        let given = proof::evaluate(&context, sql).await?;
        assert_eq!(given, result, "{sql}");
    }
    Ok(())
}

/// The Parquet reader replaces a column whose statistics show a single value by a constant.
#[tokio::test]
async fn a_file_of_one_bad_value_is_null_and_no_error() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("bad.parquet");
    let path = path.to_str().unwrap();
    let context = context();
    let sql = "SELECT CAST(10 AS DOUBLE) AS ra, CAST(-99 AS DOUBLE) AS dec FROM t";
    let plan = context.state().create_logical_plan(sql).await?;
    let rows = context.execute_logical_plan(plan).await?;
    rows.write_parquet(path, DataFrameWriteOptions::new(), None).await?;
    context
        .register_parquet("bad", path, ParquetReadOptions::default())
        .await?;

    let count = proof::evaluate(&context, "count(*) FROM bad WHERE distance(ra, dec, 10, 20) < 1").await?;
    assert_eq!(count, "0");
    let given = proof::evaluate(&context, "point(ra, dec) FROM bad LIMIT 2").await?;
    assert_eq!(given, "NULL; NULL");
    Ok(())
}

#[tokio::test]
async fn null_constants_give_null() -> Result<()> {
    let context = context();
    for sql in [
        "distance(NULL, 1, 2, 3)",
        "point(1, NULL)",
        "contains(NULL, circle(1, 2, 3))",
        "contains(point(1, 2), NULL)",
        "area(NULL)",
        "polygon(1, 2, 3, 4, 5, NULL)",
        "coordsys(point(1, NULL))",
        "ivo_epoch_prop_pos(1, 2, 3, 4, 5, 6, 7, NULL)",
        "ivo_hms_to_degrees(NULL)",
    ] {
        assert_eq!(proof::evaluate(&context, sql).await?, "NULL", "{sql}");
        let column = format!("{sql} FROM t LIMIT 2");
        assert_eq!(proof::evaluate(&context, &column).await?, "NULL; NULL", "{column}");
    }
    Ok(())
}

#[tokio::test]
async fn constants_fold_and_columns_stay_bare() -> Result<()> {
    let context = context();
    let sql = "SELECT ra FROM t WHERE contains(point(ra, dec), circle(10, 20, 1/3600.)) = 1";
    let plan = context.state().create_logical_plan(sql).await?;
    let plan = context.state().optimize(&plan)?.display_indent().to_string();
    assert!(plan.contains("contains(point(t.ra, t.dec), FixedSizeList("), "{plan}");
    Ok(())
}

#[tokio::test]
async fn results_say_their_units() -> Result<()> {
    let context = context();
    let sql = "SELECT distance(ra, dec, 1, 2) AS d, point(ra, dec) AS p, area(circle(1, 2, 3)) AS a FROM t";
    let plan = context.state().create_logical_plan(sql).await?;
    let batches = context.execute_logical_plan(plan).await?.collect().await?;
    let schema = batches[0].schema();
    let said = |column: &str, key: &str| schema.field_with_name(column).unwrap().metadata().get(key).cloned();
    assert_eq!(said("d", "unit").as_deref(), Some("deg"));
    assert_eq!(said("d", "ucd").as_deref(), Some("pos.angDistance"));
    assert_eq!(said("p", "xtype").as_deref(), Some("point"));
    assert_eq!(
        said("a", "unit").as_deref(),
        Some("deg**2"),
        "kept through constant folding"
    );
    Ok(())
}

#[test]
fn planners_find_the_roles() {
    let roles: Vec<(&str, &str)> = crate::functions()
        .iter()
        .filter_map(|function| spec_of(function))
        .filter_map(|spec| Some((spec.name, spec.role?)))
        .collect();
    assert_eq!(
        roles,
        [
            ("point", "point"),
            ("circle", "circle"),
            ("box", "box"),
            ("polygon", "polygon"),
            ("contains", "contains"),
            ("sky_contains", "contains"),
            ("intersects", "intersects"),
            ("sky_intersects", "intersects"),
            ("distance", "separation"),
            ("separation_arcsec", "separation_arcsec"),
            ("in_ellipse", "ellipse"),
            ("q3c_ellipse_join", "ellipse"),
            ("xmatch", "crossmatch"),
            ("q3c_dist", "separation"),
            ("q3c_radial_query", "within"),
            ("q3c_join", "within"),
        ]
    );
}
