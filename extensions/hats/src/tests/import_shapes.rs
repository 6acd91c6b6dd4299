//! Imports of rows of odd shapes: light curves, no rows at all, poles; tiles cut by bytes and kept as folders.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray, Float64Array, Float64Builder, Int64Array, ListBuilder, RecordBatch, StructBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Int64Type};
use dreyer_sphere::index29;

use super::sky::{Session, batch, input_of, open, stars};
use crate::import::{ImportOptions, Place, TileLimit, import};

/// Points of the light curve of a row.
fn points(id: i64) -> usize {
    if id % 50 == 0 {
        2000
    } else {
        usize::try_from(id % 5).unwrap()
    }
}

/// Stars with light curves as lists of structs, of very different lengths.
fn curves(count: usize) -> RecordBatch {
    let fields = vec![
        Field::new("mjd", DataType::Float64, true),
        Field::new("mag", DataType::Float64, true),
    ];
    let columns = || -> Vec<Box<dyn datafusion::arrow::array::ArrayBuilder>> {
        vec![Box::new(Float64Builder::new()), Box::new(Float64Builder::new())]
    };
    let mut lists = ListBuilder::new(StructBuilder::new(fields, columns()));
    for id in 0..count as i64 {
        for point in 0..points(id) {
            let item = lists.values();
            item.field_builder::<Float64Builder>(0)
                .unwrap()
                .append_value(point as f64);
            item.field_builder::<Float64Builder>(1).unwrap().append_value(id as f64);
            item.append(true);
        }
        lists.append(true);
    }
    let lists: ArrayRef = Arc::new(lists.finish());
    let stars = batch(&stars(count));
    let columns = [
        ("id", stars.column(0)),
        ("ra", stars.column(1)),
        ("dec", stars.column(2)),
        ("lc", &lists),
    ];
    RecordBatch::try_from_iter(columns.map(|(name, column)| (name, ArrayRef::clone(column)))).unwrap()
}

#[tokio::test]
async fn light_curves_become_structs_of_lists_and_tiles_are_cut_by_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("sky");
    let options = ImportOptions {
        tile: TileLimit::Bytes(200_000),
        row_group_bytes: 100_000,
        ..ImportOptions::new("sky")
    };
    let input = input_of(vec![curves(700), curves(700).slice(0, 0)]).await;
    let summary = import(input, &Place::local(&target).unwrap(), &options, &())
        .await
        .unwrap();
    assert_eq!(summary.rows, 700);
    let catalog = open(&target).await.unwrap();
    let curve = catalog.schema().field_with_name("lc").unwrap().data_type().clone();
    let DataType::Struct(fields) = curve else {
        panic!("{curve}")
    };
    assert!(
        fields
            .iter()
            .all(|field| matches!(field.data_type(), DataType::List(_)))
    );

    let session = Session::open(&target).await;
    let mut seen = 0;
    for tile in catalog.tiles().iter() {
        let range = tile.cell.range();
        let sql = format!(
            "SELECT id, lc FROM sky WHERE _healpix_29 >= {} AND _healpix_29 < {}",
            range.start, range.end
        );
        let mut bytes = 0;
        for rows in session.query(&sql).await.unwrap() {
            let lc = rows.column(1).as_struct();
            for (row, id) in rows.column(0).as_primitive::<Int64Type>().values().iter().enumerate() {
                seen += 1;
                bytes += 16 * points(*id);
                for (column, expected) in [(0, None), (1, Some(*id as f64))] {
                    let values = lc.column(column).as_list::<i32>().value(row);
                    let values = values.as_primitive::<Float64Type>();
                    assert_eq!(values.len(), points(*id));
                    let right = |(point, value): (usize, &f64)| *value == expected.unwrap_or(point as f64);
                    assert!(values.values().iter().enumerate().all(right), "{id}");
                }
            }
        }
        assert!(bytes <= 200_000, "{:?} holds {bytes}", tile.cell);
    }
    assert_eq!(seen, 700);
    assert!(catalog.tiles().len() > 2);
}

#[tokio::test]
async fn no_rows_make_an_empty_catalogue() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("sky");
    let input = input_of(vec![batch(&[])]).await;
    let summary = import(input, &Place::local(&target).unwrap(), &ImportOptions::new("sky"), &())
        .await
        .unwrap();
    assert_eq!((summary.rows, summary.tiles), (0, 0));
    let session = Session::open(&target).await;
    assert_eq!(session.ids("SELECT count(*) FROM sky").await, [0]);
    assert_eq!(session.catalog.schema().fields().len(), 5);
}

#[tokio::test]
async fn poles_and_the_seam_have_the_index_of_their_position() {
    let places = [
        (0.0, 90.0),
        (123.0, 90.0),
        (360.0, -90.0),
        (-0.0, -90.0),
        (0.0, 0.0),
        (360.0, 0.0),
        (-360.0, 0.0),
        (359.999_999_999, 41.8),
        (45.0, 41.810_314_895_778_6),
    ];
    let column = |values: Vec<f64>| Arc::new(Float64Array::from(values)) as ArrayRef;
    let rows = RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from_iter_values(0..9)) as ArrayRef),
        ("ra", column(places.iter().map(|place| place.0).collect())),
        ("dec", column(places.iter().map(|place| place.1).collect())),
    ])
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("sky");
    let options = ImportOptions {
        leaf_folders: true,
        tile: TileLimit::Rows(2),
        ..ImportOptions::new("sky")
    };
    import(
        input_of(vec![rows]).await,
        &Place::local(&target).unwrap(),
        &options,
        &(),
    )
    .await
    .unwrap();
    let session = Session::open(&target).await;
    for tile in session.catalog.tiles().iter() {
        assert!(tile.files[0].location.as_ref().ends_with("/part0.parquet"));
    }
    let rows = session.query("SELECT _healpix_29, ra, dec FROM sky").await.unwrap();
    let mut count = 0;
    for batch in rows {
        let number = |column: usize| batch.column(column).as_primitive::<Float64Type>().values().to_vec();
        for ((index, ra), dec) in batch
            .column(0)
            .as_primitive::<Int64Type>()
            .values()
            .iter()
            .zip(number(1))
            .zip(number(2))
        {
            assert_eq!(Some(index.unsigned_abs()), index29(ra, dec));
            count += 1;
        }
    }
    assert_eq!(count, 9);
}
