//! Imports: rows in and out, what is written, and what is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::Int64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding};
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnPath;

use super::sky::{Session, Sky, Star, batch, input, input_of, open, stars};
use crate::import::{BadRows, ImportOptions, Input, Place, TileLimit, encoding, import};

/// Imports into the folder `table` of `folder`, which must fail and leave nothing.
async fn fault(folder: &Path, input: Input, options: &ImportOptions) -> String {
    let target = folder.join("table");
    let told = import(input, &Place::local(&target).unwrap(), options, &()).await;
    assert!(!target.exists());
    assert_eq!(hidden(folder), Vec::<String>::new(), "nothing is left behind");
    told.unwrap_err().to_string()
}

fn hidden(folder: &Path) -> Vec<String> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('.'))
        .collect()
}

fn csv(path: &Path, header: &str, lines: &[&str]) -> PathBuf {
    fs::write(path, format!("{header}\n{}\n", lines.join("\n"))).unwrap();
    path.to_owned()
}

#[tokio::test]
async fn an_import_tells_what_it_wrote() {
    let sky = Sky::new(3000, 200, 64).await;
    assert_eq!(sky.summary.rows, 3000);
    let catalog = open(&sky.path()).await.unwrap();
    assert_eq!(catalog.tiles().len(), sky.summary.tiles);
    assert_eq!(catalog.bytes(), sky.summary.bytes);
    assert_eq!(catalog.rows(), Some(3000));
    assert!(catalog.is_sorted());
    assert_eq!(catalog.position_columns(), Some(("ra", "dec")));
    assert_eq!(
        catalog.schema().field_with_name("ra").unwrap().metadata()["unit"],
        "deg"
    );
    assert!(catalog.tiles().iter().all(|tile| tile.rows.unwrap() <= 200));
    assert_eq!(hidden(&sky.path()), Vec::<String>::new(), "no spill folder is left");
    assert_eq!(hidden(sky.folder.path()), Vec::<String>::new(), "no lock is left");
}

#[test]
fn columns_of_noise_are_left_as_they_are() {
    let rows = 6000_i64;
    let noise = |row: i64| {
        let mixed = (row.cast_unsigned() + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        f64::from_bits(0x3FF0 << 48 | (mixed ^ mixed >> 27) >> 12)
    };
    let columns: [(&str, ArrayRef); 4] = [
        ("_healpix_29", Arc::new((0..rows).collect::<Int64Array>())),
        (
            "noise",
            Arc::new((0..rows).map(|row| Some(noise(row))).collect::<Float64Array>()),
        ),
        (
            "steady",
            Arc::new((0..rows).map(|row| Some((row / 500) as f64)).collect::<Float64Array>()),
        ),
        (
            "name",
            Arc::new(
                (0..rows)
                    .map(|row| Some(format!("star {row:06} of the survey")))
                    .collect::<StringArray>(),
            ),
        ),
    ];
    let rows = RecordBatch::try_from_iter(columns).unwrap();
    let usual = encoding::properties(&rows.schema(), &ImportOptions::default()).unwrap();
    let judged = encoding::judged(&usual, &rows).unwrap().unwrap();
    let compression = |name: &str| judged.compression(&ColumnPath::from(name));
    assert_eq!(compression("noise"), Compression::UNCOMPRESSED);
    assert_eq!(judged.encoding(&ColumnPath::from("noise")), Some(Encoding::PLAIN));
    for name in ["steady", "name"] {
        assert!(matches!(compression(name), Compression::ZSTD(_)), "{name}");
    }
    assert!(
        encoding::judged(&usual, &rows.slice(0, 1000)).unwrap().is_none(),
        "too few rows to tell"
    );
}

#[tokio::test]
async fn leaves_are_sorted_and_packed() {
    let sky = Sky::new(3000, 400, 64).await;
    let catalog = open(&sky.path()).await.unwrap();
    let mut row_groups = 0;
    for tile in catalog.tiles().iter() {
        let path = Path::new("/").join(tile.files[0].location.as_ref());
        let reader = SerializedFileReader::new(fs::File::open(&path).unwrap()).unwrap();
        for group in reader.metadata().row_groups() {
            row_groups += 1;
            assert!(group.num_rows() <= 64);
            let bounds = group.column(0).statistics().map(|stats| match stats {
                Statistics::Int64(values) => (*values.min_opt().unwrap(), *values.max_opt().unwrap()),
                other => panic!("{other}"),
            });
            assert!(bounds.unwrap().0 <= bounds.unwrap().1);
            let sorting = group.sorting_columns().unwrap();
            assert_eq!((sorting[0].column_idx, sorting[0].descending), (0, false));
            let index = group.column(0);
            assert_eq!(index.column_path().string(), "_healpix_29");
            assert!(matches!(index.compression(), Compression::ZSTD(_)));
            assert!(
                index
                    .encodings()
                    .any(|encoding| encoding == Encoding::DELTA_BINARY_PACKED)
            );
            assert!(index.column_index_offset().is_some() && index.offset_index_offset().is_some());
        }
        let rows = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(&path).unwrap())
            .unwrap()
            .build()
            .unwrap();
        let indexes: Vec<i64> = rows
            .flat_map(|batch| batch.unwrap().column(0).as_primitive::<Int64Type>().values().to_vec())
            .collect();
        assert!(indexes.is_sorted());
        assert!(indexes.iter().all(|index| tile.cell.range().contains(&(*index as u64))));
    }
    assert_eq!(row_groups, sky.summary.row_groups);
    assert!(row_groups > catalog.tiles().len());
}

#[tokio::test]
async fn the_metadata_file_holds_every_footer() {
    let sky = Sky::new(1000, 100, 50).await;
    let path = sky.path().join("dataset/_metadata");
    let footer = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
    let footer = footer.metadata();
    assert_eq!(footer.num_row_groups(), sky.summary.row_groups);
    assert_eq!(footer.file_metadata().num_rows(), 1000);
    for group in footer.row_groups() {
        let leaf = group.column(0).file_path().unwrap();
        assert!(sky.path().join("dataset").join(leaf).is_file(), "{leaf}");
    }
}

#[tokio::test]
async fn csv_files_become_a_catalogue() {
    let folder = tempfile::tempdir().unwrap();
    let header = "Name,RA,decl,mag";
    let a = csv(
        &folder.path().join("a b#1.csv"),
        header,
        &["x,10.5,-3.0,1.0", "\"y,z\",359.99,90,2"],
    );
    let b = csv(&folder.path().join("b.csv"), header, &[",370.5,-3.0,2.5"]);
    let options = ImportOptions {
        lon_column: "RA".to_owned(),
        lat_column: "decl".to_owned(),
        ..ImportOptions::new("table")
    };
    let target = folder.path().join("table");
    let summary = import(input(&[a, b]).await, &Place::local(&target).unwrap(), &options, &()).await;
    assert_eq!(summary.unwrap().rows, 3);
    let session = Session::open(&target).await;
    let text = session
        .text("SELECT \"Name\", \"RA\", decl, mag FROM sky ORDER BY mag")
        .await;
    let expected = "\
+------+--------+------+-----+
| Name | RA     | decl | mag |
+------+--------+------+-----+
| x    | 10.5   | -3.0 | 1.0 |
| y,z  | 359.99 | 90.0 | 2.0 |
|      | 370.5  | -3.0 | 2.5 |
+------+--------+------+-----+";
    assert_eq!(text, expected);
    // The same place, one turn apart.
    assert_eq!(
        session
            .ids("SELECT count(DISTINCT _healpix_29) FROM sky WHERE decl < 0")
            .await,
        [1]
    );
}

#[tokio::test]
async fn a_catalogues_own_leaves_may_be_imported_again() {
    let sky = Sky::new(500, 100, 50).await;
    let catalog = open(&sky.path()).await.unwrap();
    let leaves: Vec<PathBuf> = catalog
        .tiles()
        .iter()
        .map(|tile| Path::new("/").join(tile.files[0].location.as_ref()))
        .collect();
    let again = Place::local(sky.folder.path().join("again")).unwrap();
    let summary = import(input(&leaves).await, &again, &ImportOptions::new("again"), &()).await;
    assert_eq!(summary.unwrap().rows, 500);
    let session = Session::open(&sky.folder.path().join("again")).await;
    assert_eq!(session.ids("SELECT id FROM sky").await, (0..500).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_crowd_finer_than_the_first_count_is_split() {
    let crowd: Vec<Star> = (0..2000)
        .map(|id| Star {
            id,
            ra: 10.0 + id as f64 * 1e-6,
            dec: 20.0 + (id % 7) as f64 * 1e-6,
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let target = Place::local(folder.path().join("sky")).unwrap();
    let options = ImportOptions {
        tile: TileLimit::Rows(100),
        ..ImportOptions::new("sky")
    };
    let summary = import(input_of(vec![batch(&crowd)]).await, &target, &options, &())
        .await
        .unwrap();
    assert!(summary.tiles >= 20);
    let catalog = open(&folder.path().join("sky")).await.unwrap();
    assert!(catalog.tiles().iter().all(|tile| tile.rows.unwrap() <= 100));
    assert_eq!(catalog.tiles().iter().map(|tile| tile.rows.unwrap()).sum::<u64>(), 2000);
}

#[tokio::test]
async fn little_memory_spills_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let lines: Vec<String> = stars(40_000)
        .iter()
        .map(|star| format!("{},{},{},{:x>900}", star.id, star.ra, star.dec, star.id))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let file = csv(&folder.path().join("wide.csv"), "id,ra,dec,padding", &lines);
    let target = folder.path().join("sky");
    let options = ImportOptions {
        memory_bytes: 32 << 20,
        tile: TileLimit::Rows(10_000),
        ..ImportOptions::new("sky")
    };
    let summary = import(input(&[file]).await, &Place::local(&target).unwrap(), &options, &())
        .await
        .unwrap();
    assert!(summary.spilled_bytes > 0, "{summary:?}");
    assert_eq!(summary.rows, 40_000);
    let session = Session::open(&target).await;
    assert_eq!(
        session
            .ids("SELECT count(DISTINCT id) FROM sky WHERE length(padding) = 900")
            .await,
        [40_000]
    );
}

#[tokio::test]
async fn rows_without_a_position_are_counted_and_the_first_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let lines = ["1,2", ",3", "4,91", "NaN,1", "inf,2", "4.5,-90"];
    let bad = csv(&folder.path().join("bad.csv"), "ra,dec", &lines);
    let told = fault(folder.path(), input(&[&bad]).await, &ImportOptions::new("table")).await;
    let expected = format!(
        "cannot import {}: 4 of its 6 rows have no usable position",
        bad.display()
    );
    assert!(told.contains(&expected), "{told}");
    assert!(
        told.contains("the first: ra=NULL dec=3;") && told.contains("--bad-rows"),
        "{told}"
    );
}

#[tokio::test]
async fn bad_rows_are_put_aside_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let lines = ["1,2,a", ",3,b", "4,91,c", "NaN,1,d", "inf,2,e", "4.5,-90,f"];
    let file = csv(&folder.path().join("bad.csv"), "ra,dec,name", &lines);
    for ending in ["csv", "parquet"] {
        let aside = folder.path().join(format!("aside.{ending}"));
        let options = ImportOptions {
            bad_rows: BadRows::Aside(aside.clone()),
            ..ImportOptions::new("table")
        };
        let target = folder.path().join(ending);
        let summary = import(input(&[&file]).await, &Place::local(&target).unwrap(), &options, &()).await;
        let summary = summary.unwrap();
        assert_eq!((summary.rows, summary.bad_rows), (2, 4));
        let session = Session::open(&target).await;
        assert!(
            session
                .text("SELECT name FROM sky ORDER BY name")
                .await
                .contains("| a    |\n| f    |")
        );
        let rows = datafusion::physical_plan::collect(input(&[&aside]).await.plan, session.context.task_ctx());
        let names = datafusion::arrow::util::pretty::pretty_format_batches(&rows.await.unwrap())
            .unwrap()
            .to_string();
        for name in ["b", "c", "d", "e"] {
            assert!(names.contains(&format!("| {name}    |")), "{names}");
        }
        assert_eq!(hidden(folder.path()), Vec::<String>::new());
    }
}

#[tokio::test]
async fn wrong_inputs_and_options_say_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let a = csv(&folder.path().join("a.csv"), "ra,DE,name", &["1,2,x"]);
    let options = |dec: &str| ImportOptions {
        lat_column: dec.to_owned(),
        ..ImportOptions::new("table")
    };
    let told = async |options: ImportOptions| fault(folder.path(), input(&[&a]).await, &options).await;
    assert!(
        told(options("dec"))
            .await
            .contains("it has no column dec; it has ra, DE, name")
    );
    assert!(
        told(options("name"))
            .await
            .contains("its column name must hold degrees as numbers")
    );
    let zero = ImportOptions {
        tile: TileLimit::Rows(0),
        ..options("DE")
    };
    assert!(told(zero).await.contains("tile must be at least 1"));
    let kind = ImportOptions {
        kind: "margin".to_owned(),
        ..options("DE")
    };
    assert!(told(kind).await.contains("kind must be object or source"));
    let described = ImportOptions {
        columns: [("mag".to_owned(), Default::default())].into(),
        ..options("DE")
    };
    assert!(
        told(described)
            .await
            .contains("describes mag, which the input does not have")
    );
    let there = folder.path().join("there");
    fs::create_dir(&there).unwrap();
    let there = import(input(&[a]).await, &Place::local(there).unwrap(), &options("DE"), &()).await;
    let there = there.unwrap_err().to_string();
    assert!(there.contains("target must not exist yet"), "{there}");
}
