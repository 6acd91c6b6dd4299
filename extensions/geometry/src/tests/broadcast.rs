//! However arguments arrive, as constants, columns, slices of columns or NULLs, in whatever layout, the result of a row
//! is the result of that row alone.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, Float32Array, Float64Array, Int32Array, Int64Array, StringArray, new_null_array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF};

const ROWS: usize = 7;

fn function(name: &str) -> Arc<ScalarUDF> {
    crate::functions()
        .into_iter()
        .find(|function| function.name() == name)
        .unwrap()
}

fn invoke(function: &ScalarUDF, args: &[ColumnarValue], rows: usize) -> Result<ColumnarValue> {
    let arg_fields: Vec<FieldRef> = args
        .iter()
        .map(|arg| Arc::new(Field::new("a", arg.data_type(), true)) as FieldRef)
        .collect();
    let scalars: Vec<Option<&ScalarValue>> = args
        .iter()
        .map(|arg| match arg {
            ColumnarValue::Scalar(value) => Some(value),
            ColumnarValue::Array(_) => None,
        })
        .collect();
    let return_field = function.return_field_from_args(ReturnFieldArgs {
        arg_fields: &arg_fields,
        scalar_arguments: &scalars,
    })?;
    function.invoke_with_args(ScalarFunctionArgs {
        args: args.to_vec(),
        arg_fields,
        number_rows: rows,
        return_field,
        config_options: Arc::new(ConfigOptions::default()),
    })
}

/// A column of numbers of which one is NULL, one NaN and one (if it is a latitude) beyond the pole.
fn numbers(seed: f64) -> ArrayRef {
    let value = |row: usize| (seed + 11.3 * row as f64).rem_euclid(90.0);
    let mut values: Vec<Option<f64>> = (0..ROWS).map(|row| Some(value(row))).collect();
    values[2] = None;
    values[4] = Some(f64::NAN);
    values[5] = Some(97.5);
    Arc::new(Float64Array::from(values))
}

fn geometry(constructor: &str, seed: f64, count: usize) -> ArrayRef {
    let mut args: Vec<ColumnarValue> = (0..count)
        .map(|at| ColumnarValue::Array(numbers(seed + at as f64)))
        .collect();
    if constructor != "point" {
        // Sizes small enough to be taken, so that rows differ in their centres.
        for arg in args.iter_mut().skip(2) {
            *arg = ColumnarValue::Scalar(ScalarValue::Float64(Some(40.0)));
        }
    }
    if constructor == "polygon" {
        let steps = [(0.0, 0.0), (20.0, 1.0), (10.0, 15.0)];
        args = steps
            .iter()
            .flat_map(|(lon, lat)| [seed + lon, seed / 2.0 + lat])
            .map(|start| {
                let column: Float64Array = (0..ROWS).map(|row| (row != 3).then_some(start + row as f64)).collect();
                ColumnarValue::Array(Arc::new(column))
            })
            .collect();
    }
    invoke(&function(constructor), &args, ROWS)
        .unwrap()
        .into_array(ROWS)
        .unwrap()
}

/// The functions, with a full set of column arguments for each overload.
fn calls() -> Vec<(&'static str, Vec<ArrayRef>)> {
    let n = |seed: f64| numbers(seed);
    let point = |seed| geometry("point", seed, 2);
    let circle = |seed| geometry("circle", seed, 3);
    let sky_box = |seed| geometry("box", seed, 4);
    let polygon = |seed| geometry("polygon", seed, 6);
    let orders: ArrayRef = Arc::new(Int32Array::from(vec![0, 3, 29, 30, -1, 11, 5]));
    let indices: ArrayRef = Arc::new(Int64Array::from(vec![
        Some(3),
        Some(100),
        None,
        Some(1),
        Some(2),
        Some(-4),
        Some(9),
    ]));
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![66714384142368256_i64; ROWS]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec![
        Some("12:30:00"),
        None,
        Some(""),
        Some("x12"),
        Some("7"),
        Some("1 2 3"),
        Some("12"),
    ]));
    let parts: ArrayRef = Arc::new(StringArray::from(vec![
        Some("30"),
        Some("a"),
        Some(""),
        Some("12"),
        Some("8"),
        None,
        Some("12"),
    ]));
    vec![
        ("point", vec![n(1.0), n(2.0)]),
        ("circle", vec![n(1.0), n(2.0), n(3.0)]),
        ("circle", vec![point(5.0), n(3.0)]),
        ("box", vec![n(1.0), n(2.0), n(3.0), n(4.0)]),
        ("box", vec![point(1.0), n(3.0), n(4.0)]),
        ("polygon", vec![n(1.0), n(20.0), n(13.0), n(34.0), n(45.0), n(50.0)]),
        ("polygon", vec![point(1.0), point(20.0), point(43.0), point(60.0)]),
        ("contains", vec![point(10.0), circle(30.0)]),
        ("contains", vec![circle(10.0), circle(12.0)]),
        ("contains", vec![point(10.0), polygon(5.0)]),
        ("contains", vec![texts.clone(), parts.clone()]),
        ("sky_contains", vec![point(10.0), sky_box(20.0)]),
        ("intersects", vec![circle(10.0), polygon(20.0)]),
        ("sky_intersects", vec![sky_box(10.0), point(20.0)]),
        ("distance", vec![n(1.0), n(12.0), n(33.0), n(44.0)]),
        ("distance", vec![point(10.0), point(20.0)]),
        ("distance", vec![point(10.0), circle(20.0)]),
        ("position_angle", vec![n(1.0), n(12.0), n(33.0), n(44.0)]),
        ("area", vec![polygon(1.0)]),
        ("centroid", vec![circle(1.0)]),
        ("coord1", vec![point(1.0)]),
        ("coord2", vec![point(1.0)]),
        ("coordsys", vec![point(1.0)]),
        ("ivo_healpix_index", vec![orders.clone(), n(1.0), n(2.0)]),
        ("ivo_healpix_index", vec![orders.clone(), point(2.0)]),
        ("ivo_healpix_center", vec![orders.clone(), indices.clone()]),
        ("gaia_healpix_index", vec![orders, ids]),
        ("ivo_epoch_prop_pos", (0..8).map(|at| n(7.0 * at as f64)).collect()),
        ("q3c_dist", vec![n(1.0), n(12.0), n(33.0), n(44.0)]),
        ("q3c_radial_query", vec![n(1.0), n(2.0), n(3.0), n(4.0), n(5.0)]),
        ("q3c_join", vec![n(1.0), n(2.0), n(3.0), n(4.0), n(5.0)]),
        ("ivo_hms_to_degrees", vec![texts.clone()]),
        ("ivo_dms_to_degrees", vec![texts]),
        ("truncate", vec![n(1.0)]),
        ("ceiling", vec![n(1.0)]),
        ("mod", vec![indices.clone(), indices]),
        ("mod", vec![n(1.0), n(4.0)]),
    ]
}

/// The result of one row, computed as constants; what is an error there is NULL among rows.
fn alone(function: &ScalarUDF, args: &[ArrayRef], row: usize) -> ScalarValue {
    let constants: Vec<ColumnarValue> = args
        .iter()
        .map(|arg| ColumnarValue::Scalar(ScalarValue::try_from_array(arg, row).unwrap()))
        .collect();
    match invoke(function, &constants, 1) {
        Ok(ColumnarValue::Scalar(value)) => value,
        Ok(ColumnarValue::Array(array)) => panic!("constants gave an array of {}", array.len()),
        Err(_) => {
            let types: Vec<DataType> = args.iter().map(|arg| arg.data_type().clone()).collect();
            ScalarValue::try_from(&function.return_type(&types).unwrap()).unwrap()
        }
    }
}

fn rows(value: ColumnarValue, rows: usize) -> Vec<ScalarValue> {
    let array = value.into_array(rows).unwrap();
    (0..array.len())
        .map(|row| ScalarValue::try_from_array(&array, row).unwrap())
        .collect()
}

fn columns(args: &[ArrayRef]) -> Vec<ColumnarValue> {
    args.iter().map(|arg| ColumnarValue::Array(Arc::clone(arg))).collect()
}

#[test]
fn columns_agree_with_rows_one_by_one() {
    for (name, args) in calls() {
        let function = function(name);
        let expected: Vec<ScalarValue> = (0..ROWS).map(|row| alone(&function, &args, row)).collect();
        let given = rows(invoke(&function, &columns(&args), ROWS).unwrap(), ROWS);
        assert_eq!(given, expected, "{name}");
        let known = expected.iter().filter(|value| !value.is_null()).count();
        assert!(known > 0, "{name}: a test of NULLs alone proves nothing");
    }
}

#[test]
fn slices_agree_with_what_they_were_cut_from() {
    for (name, args) in calls() {
        let function = function(name);
        let whole = rows(invoke(&function, &columns(&args), ROWS).unwrap(), ROWS);
        for (offset, len) in [(1, 5), (3, 4), (6, 1), (2, 0)] {
            let cut: Vec<ArrayRef> = args.iter().map(|arg| arg.slice(offset, len)).collect();
            let given = rows(invoke(&function, &columns(&cut), len).unwrap(), len);
            assert_eq!(
                given,
                whole[offset..offset + len],
                "{name} rows {offset}..{}",
                offset + len
            );
        }
    }
}

#[test]
fn every_mix_of_constants_and_columns_agrees() {
    for (name, args) in calls() {
        let function = function(name);
        // All subsets for few arguments, a spread of them for many.
        for mask in (0..1_u32 << args.len()).step_by(if args.len() > 5 { 37 } else { 1 }) {
            for constant_row in [0, 2, 6] {
                let is_constant = |at: usize| mask >> at & 1 == 1;
                let mixed: Vec<ColumnarValue> = args
                    .iter()
                    .enumerate()
                    .map(|(at, arg)| match is_constant(at) {
                        true => ColumnarValue::Scalar(ScalarValue::try_from_array(arg, constant_row).unwrap()),
                        false => ColumnarValue::Array(Arc::clone(arg)),
                    })
                    .collect();
                let expected: Vec<ScalarValue> = (0..ROWS)
                    .map(|row| {
                        let of_row: Vec<ArrayRef> = (0..args.len())
                            .map(|at| args[at].slice(if is_constant(at) { constant_row } else { row }, 1))
                            .collect();
                        alone(&function, &of_row, 0)
                    })
                    .collect();
                let given = match invoke(&function, &mixed, ROWS) {
                    Ok(value) => rows(value, ROWS),
                    // A constant without meaning: then no row has a result.
                    Err(_) => expected
                        .iter()
                        .map(|value| ScalarValue::try_from(&value.data_type()).unwrap())
                        .collect(),
                };
                assert_eq!(given, expected, "{name} mask {mask:b} row {constant_row}");
            }
        }
    }
}

#[test]
fn a_null_column_of_no_type_gives_nulls() {
    for (name, args) in calls() {
        if name == "ivo_epoch_prop_pos" {
            continue;
        }
        let function = function(name);
        for at in 0..args.len() {
            let mut args = args.clone();
            args[at] = new_null_array(&DataType::Null, ROWS);
            let given = rows(invoke(&function, &columns(&args), ROWS).unwrap(), ROWS);
            assert!(given.iter().all(ScalarValue::is_null), "{name} argument {at}");
        }
    }
}

#[test]
fn layouts_do_not_matter() -> Result<()> {
    let degrees: ArrayRef = Arc::new(Float64Array::from(vec![Some(10.0), None, Some(-3.0), Some(45.0)]));
    let distance = function("distance");
    let with = |column: &ArrayRef| -> Vec<ScalarValue> {
        let args = vec![
            ColumnarValue::Array(Arc::clone(column)),
            ColumnarValue::Array(Arc::clone(column)),
            ColumnarValue::Scalar(ScalarValue::Int8(Some(12))),
            ColumnarValue::Scalar(ScalarValue::Decimal128(Some(-225), 5, 1)),
        ];
        rows(invoke(&distance, &args, 4).unwrap(), 4)
    };
    let expected = with(&degrees);
    for layout in [
        DataType::Float32,
        DataType::Int16,
        DataType::Int64,
        DataType::Decimal128(12, 3),
        DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Float64)),
    ] {
        assert_eq!(with(&cast(&degrees, &layout)?), expected, "{layout}");
    }

    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("1:30"), None, Some("x")]));
    let read = function("ivo_dms_to_degrees");
    for layout in [
        DataType::Utf8View,
        DataType::LargeUtf8,
        DataType::Dictionary(Box::new(DataType::UInt8), Box::new(DataType::Utf8)),
    ] {
        let given = invoke(&read, &[ColumnarValue::Array(cast(&texts, &layout)?)], 3)?;
        assert_eq!(
            rows(given, 3),
            [Some(1.5), None, None].map(ScalarValue::Float64),
            "{layout}"
        );
    }

    // A point column of floats whose items are named as Parquet names them.
    let item = Arc::new(Field::new("element", DataType::Float32, true));
    let points: ArrayRef = Arc::new(datafusion::arrow::array::FixedSizeListArray::new(
        item,
        2,
        Arc::new(Float32Array::from(vec![
            Some(10.0),
            Some(20.0),
            None,
            Some(1.0),
            Some(359.0),
            Some(95.0),
        ])),
        None,
    ));
    let given = invoke(&function("coord2"), &[ColumnarValue::Array(points)], 3)?;
    assert_eq!(rows(given, 3), [Some(20.0), None, None].map(ScalarValue::Float64));
    Ok(())
}
