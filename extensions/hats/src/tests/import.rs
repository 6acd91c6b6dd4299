//! Import from Parquet and CSV: rows in and out, what is written, and what is refused.

use std::fs;
use std::path::{Path, PathBuf};

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding};
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::file::statistics::Statistics;

use super::sky::{Session, Sky, Star, batch, open, stars, write_parquet};
use crate::import::{ImportOptions, import};

async fn fault(options: ImportOptions) -> String {
    let told = import(&options).await.unwrap_err().to_string();
    assert!(!options.target.exists());
    let left: Vec<_> = fs::read_dir(options.target.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('.'))
        .collect();
    assert_eq!(left, Vec::<String>::new(), "nothing is left behind");
    told
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
    let hidden = fs::read_dir(sky.path())
        .unwrap()
        .any(|e| e.unwrap().file_name().to_string_lossy().starts_with('.'));
    assert!(!hidden, "no spill folder is left");
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
            // A row group with more is one cell of the order in which rows were counted.
            let bounds = group.column(0).statistics().map(|stats| match stats {
                Statistics::Int64(values) => (*values.min_opt().unwrap(), *values.max_opt().unwrap()),
                other => panic!("{other}"),
            });
            let (first, last) = bounds.unwrap();
            assert!(group.num_rows() <= 64 || first >> 38 == last >> 38);
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
        &["x,10.5,-3,1", "\"y,z\",359.99,90,2"],
    );
    let b = csv(&folder.path().join("b.csv"), header, &[",370.5,-3.0,2.5"]);
    let mut options = ImportOptions::new([a, b], folder.path().join("table"));
    options.lon_column = "RA".to_owned();
    options.lat_column = "decl".to_owned();
    assert_eq!(import(&options).await.unwrap().rows, 3);
    let session = Session::open(&options.target).await;
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
async fn parquet_files_may_differ_in_their_columns() {
    let folder = tempfile::tempdir().unwrap();
    let stars = stars(100);
    let (a, b) = (folder.path().join("a.parquet"), folder.path().join("b.parquet"));
    write_parquet(&a, &batch(&stars[..60]));
    write_parquet(&b, &batch(&stars[60..]).project(&[2, 1, 0]).unwrap());
    let options = ImportOptions::new([a, b], folder.path().join("table"));
    import(&options).await.unwrap();
    let session = Session::open(&options.target).await;
    assert_eq!(session.ids("SELECT id FROM sky").await, (0..100).collect::<Vec<_>>());
    assert_eq!(session.ids("SELECT count(name) FROM sky").await, [60]);
    // A catalogue's own leaves may be imported again.
    let again = ImportOptions {
        inputs: session
            .catalog
            .tiles()
            .iter()
            .map(|tile| Path::new("/").join(tile.files[0].location.as_ref()))
            .collect(),
        target: folder.path().join("again"),
        ..options
    };
    assert_eq!(import(&again).await.unwrap().rows, 100);
}

#[tokio::test]
async fn a_crowd_finer_than_the_first_count_is_split() {
    let folder = tempfile::tempdir().unwrap();
    let crowd: Vec<Star> = (0..2000)
        .map(|id| Star {
            id,
            ra: 10.0 + id as f64 * 1e-6,
            dec: 20.0 + (id % 7) as f64 * 1e-6,
        })
        .collect();
    let file = folder.path().join("crowd.parquet");
    write_parquet(&file, &batch(&crowd));
    let options = ImportOptions {
        tile_rows: 100,
        ..ImportOptions::new([file], folder.path().join("sky"))
    };
    let summary = import(&options).await.unwrap();
    assert!(summary.tiles >= 20);
    let catalog = open(&options.target).await.unwrap();
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
        tile_rows: 10_000,
        ..ImportOptions::new([file], target.clone())
    };
    let summary = import(&options).await.unwrap();
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
async fn rows_without_a_position_are_refused_by_name_and_number() {
    let folder = tempfile::tempdir().unwrap();
    let good = csv(&folder.path().join("good.csv"), "ra,dec", &["1,2"]);
    let bad = csv(
        &folder.path().join("bad.csv"),
        "ra,dec",
        &["1,2", ",3", "4,91", "NaN,1", "inf,2", "4.5,-90"],
    );
    let options = ImportOptions::new([good, bad.clone()], folder.path().join("table"));
    let told = fault(options).await;
    assert!(
        told.contains(&format!(
            "cannot import {}: 4 of its 6 rows have no usable position",
            bad.display()
        )),
        "{told}"
    );
}

#[tokio::test]
async fn wrong_inputs_and_options_say_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let a = csv(&at("a.csv"), "ra,dec", &["1,2"]);
    let target = || at("table");
    let told = async |inputs: Vec<PathBuf>| fault(ImportOptions::new(inputs, target())).await;
    assert!(told(vec![]).await.contains("inputs must name at least one file"));
    assert!(told(vec![at("absent.csv")]).await.contains("absent.csv"));
    assert!(
        told(vec![at("a.fits")])
            .await
            .contains("must end in .parquet, .csv or .tsv")
    );
    assert!(
        told(vec![a.clone(), at("b.parquet")])
            .await
            .contains("must be of one kind")
    );
    let b = csv(&at("b.csv"), "dec,ra", &["1,2"]);
    assert!(told(vec![a.clone(), b]).await.contains("its header differs"));
    let c = csv(&at("c.csv"), "ra,dec", &["1,two"]);
    assert!(told(vec![a.clone(), c]).await.contains("its column dec is"));
    let d = csv(&at("d.csv"), "ra,DE", &["1,2"]);
    assert!(told(vec![d]).await.contains("it has no column dec; it has ra, DE"));
    let zero = ImportOptions {
        tile_rows: 0,
        ..ImportOptions::new([a.clone()], target())
    };
    assert!(fault(zero).await.contains("tile_rows must be at least 1"));
    fs::create_dir(at("there")).unwrap();
    let there = import(&ImportOptions::new([a], at("there")))
        .await
        .unwrap_err()
        .to_string();
    assert!(there.contains("target must not exist yet"), "{there}");
}

/// Set `DREYER_DATA` to a folder with `gaia_dr3_bright.parquet` to run it.
#[tokio::test]
#[ignore = "needs the Gaia sample"]
async fn gaia_is_imported_in_seconds() {
    let data = PathBuf::from(std::env::var("DREYER_DATA").unwrap());
    let folder = tempfile::tempdir().unwrap();
    let start = std::time::Instant::now();
    let options = ImportOptions::new([data.join("gaia_dr3_bright.parquet")], folder.path().join("gaia"));
    let summary = import(&ImportOptions {
        tile_rows: 100_000,
        ..options
    })
    .await
    .unwrap();
    println!("{summary:?} in {:?}", start.elapsed());
    assert_eq!(summary.rows, 482_176);
}
