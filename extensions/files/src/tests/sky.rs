//! Pruning by the sky loses no row that the filters want, and does prune.

use datafusion::arrow::compute::{SortColumn, lexsort_to_indices, take_record_batch};
use dreyer_sphere::index29;

use super::*;

/// Stars with their index, in its order.
fn along_the_curve(count: i64, named: &str) -> RecordBatch {
    use datafusion::arrow::array::AsArray;
    use datafusion::arrow::datatypes::Float64Type;
    let stars = stars(count);
    let (ra, dec) = (
        stars.column(1).as_primitive::<Float64Type>(),
        stars.column(2).as_primitive::<Float64Type>(),
    );
    let index = ra
        .values()
        .iter()
        .zip(dec.values())
        .map(|(ra, dec)| index29(*ra, *dec).unwrap() as i64);
    let index: ArrayRef = Arc::new(Int64Array::from_iter_values(index));
    let order = [SortColumn {
        values: Arc::clone(&index),
        options: None,
    }];
    let order = lexsort_to_indices(&order, None).unwrap();
    let mut fields: Vec<Field> = stars
        .schema()
        .fields()
        .iter()
        .map(|field| field.as_ref().clone())
        .collect();
    let mut columns = stars.columns().to_vec();
    fields.push(Field::new(named, DataType::Int64, true));
    columns.push(index);
    let all = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    take_record_batch(&all, &order).unwrap()
}

/// `ra` counted from -180, as some do.
fn counted_from_minus_180(rows: &RecordBatch) -> RecordBatch {
    use datafusion::arrow::array::AsArray;
    use datafusion::arrow::datatypes::Float64Type;
    let ra = rows.column(1).as_primitive::<Float64Type>();
    let turned: Float64Array = ra.unary(|ra| if ra > 180.0 { ra - 360.0 } else { ra });
    let mut columns = rows.columns().to_vec();
    columns[1] = Arc::new(turned);
    RecordBatch::try_new(rows.schema(), columns).unwrap()
}

/// Longitude, latitude, radius.
const CONES: &[(f64, f64, f64)] = &[
    (0.0, 0.0, 3.0),
    (359.9, 30.0, 20.0),
    (180.0, -45.0, 1.0),
    (12.0, 89.5, 2.0),
    (200.0, -89.9, 70.0),
    (45.0, 41.81, 5.0),
];

async fn same_rows(context: &SessionContext, what: &str) {
    for (ra, dec, radius) in CONES {
        let condition = format!("WHERE distance(ra, dec, {ra}, {dec}) < {radius}");
        let expected = rows(context, &format!("SELECT id FROM oracle {condition}"))
            .await
            .unwrap();
        let found = rows(context, &format!("SELECT id FROM t {condition}")).await.unwrap();
        assert_eq!(found, expected, "{what}: {condition}");
    }
    let either = "WHERE distance(ra, dec, 1, 1) < 3 OR distance(ra, dec, 200, -70) < 4";
    let polygon = "WHERE contains(POINT(ra, dec), POLYGON(350.0, -5.0, 12.0, -5.0, 12.0, 9.0, 350.0, 9.0)) = 1";
    for condition in [either, polygon] {
        let expected = rows(context, &format!("SELECT id FROM oracle {condition}"))
            .await
            .unwrap();
        let found = rows(context, &format!("SELECT id FROM t {condition}")).await.unwrap();
        assert_eq!(found, expected, "{what}: {condition}");
        assert!(!found.is_empty());
    }
}

/// Row groups that statistics left, of all.
async fn groups_read(context: &SessionContext, condition: &str) -> (u32, u32) {
    let plan = analyzed(context, &format!("SELECT id FROM t {condition}")).await;
    let (_, after) = plan
        .split_once("row_groups_pruned_statistics=")
        .unwrap_or_else(|| panic!("{plan}"));
    let numbers: Vec<u32> = after
        .split(|c: char| !c.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .take(2)
        .map(|part| part.parse().unwrap())
        .collect();
    // "N total → M matched"
    (numbers[1], numbers[0])
}

#[tokio::test]
async fn rows_stay_and_row_groups_go() {
    let folder = tempfile::tempdir().unwrap();
    let curve = along_the_curve(2000, "_healpix_29");
    let unnamed = along_the_curve(2000, "position");
    let turned = counted_from_minus_180(&unnamed);
    for (what, table) in [("index", curve), ("boxes", unnamed), ("turned", turned)] {
        let context = with_oracle(&table);
        let path = folder.path().join(format!("{what}.parquet"));
        std::fs::write(&path, parquet(&table, 50)).unwrap();
        register(&context, "t", &path).await.unwrap();
        same_rows(&context, what).await;
        for (ra, dec) in [(0.0, 0.0), (180.0, -45.0), (90.0, 90.0)] {
            let (read, of) = groups_read(&context, &format!("WHERE distance(ra, dec, {ra}, {dec}) < 0.5")).await;
            assert!(of == 40 && read <= 12, "{what}: {ra} {dec}: {read} of {of}");
        }
    }
}

#[tokio::test]
async fn single_precision_and_missing_indexes_lose_nothing() {
    use datafusion::arrow::compute::cast;
    let folder = tempfile::tempdir().unwrap();
    let curve = along_the_curve(1500, "_healpix_29");
    // One file in single precision, and one whose index is unknown.
    let single = |rows: &RecordBatch| {
        let schema = rows.schema();
        let columns = rows.columns().iter().zip(schema.fields()).map(|(column, field)| {
            let column = match field.name().as_str() {
                "ra" | "dec" => cast(column, &DataType::Float32).unwrap(),
                _ => Arc::clone(column),
            };
            (field.name().clone(), column)
        });
        RecordBatch::try_from_iter(columns.collect::<Vec<_>>()).unwrap()
    };
    let narrow = single(&curve.project(&[0, 1, 2]).unwrap());
    let context = with_oracle(&narrow);
    let path = folder.path().join("narrow.parquet");
    std::fs::write(&path, parquet(&narrow, 50)).unwrap();
    register(&context, "t", &path).await.unwrap();
    same_rows(&context, "single precision").await;
    let (read, of) = groups_read(&context, "WHERE distance(ra, dec, 180, -45) < 0.5").await;
    assert!(read < of / 4, "{read} of {of}");

    let context = with_oracle(&curve);
    let place = folder.path().join("parts");
    std::fs::create_dir(&place).unwrap();
    let half = curve.slice(0, 700);
    let mut columns = half.columns().to_vec();
    columns[7] = Arc::new(Int64Array::new_null(700));
    let unknown = RecordBatch::try_new(half.schema(), columns).unwrap();
    std::fs::write(place.join("1.parquet"), parquet(&unknown.slice(0, 300), 50)).unwrap();
    let without = unknown.slice(300, 400).project(&[0, 1, 2, 3, 4, 5, 6]).unwrap();
    std::fs::write(place.join("2.parquet"), parquet(&without, 50)).unwrap();
    std::fs::write(place.join("3.parquet"), parquet(&curve.slice(700, 800), 50)).unwrap();
    register(&context, "t", &place).await.unwrap();
    same_rows(&context, "unknown indexes").await;
}
