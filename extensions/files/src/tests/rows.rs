//! Every format gives the rows that were written, whole and in part.

use super::*;

/// Queries whose rows a table must share with the oracle.
const QUERIES: &[&str] = &[
    "SELECT id, ra, dec, mag, seen, variable, name FROM t",
    "SELECT name, id FROM t WHERE ra < 100 AND mag IS NOT NULL",
    "SELECT count(*) FROM t",
    "SELECT count(*), count(mag), count(name), sum(seen), min(id), max(id) FROM t",
    "SELECT dec + 1, ra FROM t WHERE name LIKE '%\"%'",
    "SELECT variable, count(*) FROM t GROUP BY variable",
];

async fn agrees(context: &SessionContext, what: &str, queries: &[&str]) {
    for query in queries {
        let expected = rows(context, &query.replace("FROM t", "FROM oracle")).await.unwrap();
        let found = rows(context, query)
            .await
            .unwrap_or_else(|error| panic!("{what}: {query}: {error}"));
        assert!(
            found == expected,
            "{what}: {query}: {} rows for {}: {:?} for {:?}",
            found.len(),
            expected.len(),
            found.first(),
            expected.first()
        );
    }
}

#[tokio::test]
async fn every_format_gives_the_rows_that_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let stars = stars(600);
    let context = with_oracle(&stars);
    let text = csv(&stars, b',');
    let files = [
        ("a.parquet", parquet(&stars, 150)),
        ("a.pq", parquet(&stars, 5000)),
        ("a.csv", text.clone()),
        ("b.csv.gz", gzip(&text)),
        ("c.CSV.zst", zstd(&text)),
        ("a.tsv", csv(&stars, b'\t')),
        ("a.arrow", arrow_file(&stars)),
        ("b.ipc", arrow_stream(&stars)),
        ("a.vot", votable(&stars, Serialization::TableData)),
        ("b.xml.gz", gzip(&votable(&stars, Serialization::Binary2))),
    ];
    for (name, bytes) in &files {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        register(&context, "t", &path).await.unwrap();
        agrees(&context, name, QUERIES).await;
    }
}

#[tokio::test]
async fn fits_tables_give_their_rows() {
    let folder = tempfile::tempdir().unwrap();
    let stars = stars(700).project(&[0, 1, 2]).unwrap();
    let context = with_oracle(&stars);
    for (name, bytes) in [
        ("a.fits", fits(&stars)),
        ("a.fits.gz", gzip(&fits(&stars))),
        ("b.fit.zst", zstd(&fits(&stars))),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        register(&context, "t", &path).await.unwrap();
        agrees(
            &context,
            name,
            &[
                "SELECT count(ra), min(id), max(id), sum(id % 1000) FROM t",
                "SELECT * FROM t",
                "SELECT dec FROM t WHERE ra > 300",
                "SELECT count(*) FROM t",
            ],
        )
        .await;
    }
}

/// Rows of one size: a FITS file that is not compressed is read in parts.
#[tokio::test]
async fn large_fits_tables_are_read_in_parts() {
    let folder = tempfile::tempdir().unwrap();
    let stars = stars(20_000).project(&[0, 1]).unwrap();
    let context = with_oracle(&stars);
    for (name, bytes, parts) in [
        ("a.fits", fits(&stars), "3 groups"),
        ("b.fits.zst", zstd(&fits(&stars)), "1 group"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        register(&context, "t", &path).await.unwrap();
        let query = "SELECT count(ra), count(DISTINCT id), sum(id % 1000) FROM t";
        agrees(&context, name, &[query]).await;
        let plan = analyzed(&context, query).await;
        assert!(plan.contains(parts), "{name}: {plan}");
    }
}

#[tokio::test]
async fn ecsv_tables_give_their_rows() {
    let folder = tempfile::tempdir().unwrap();
    let stars = stars(700);
    let context = with_oracle(&stars);
    let text = ecsv(&stars);
    for (name, bytes) in [("a.ecsv", text.clone()), ("a.ecsv.gz", gzip(&text))] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        register(&context, "t", &path).await.unwrap();
        let queries = [
            "SELECT id, ra, dec, name FROM t",
            "SELECT name FROM t WHERE ra > 300",
            "SELECT count(*) FROM t",
        ];
        agrees(&context, name, &queries).await;
    }
}

#[tokio::test]
async fn metadata_of_columns_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let stars = stars(10);
    let context = session();
    for (name, bytes) in [
        ("a.parquet", parquet(&stars, 500)),
        ("a.arrow", arrow_file(&stars)),
        ("a.fits", fits(&stars)),
        ("a.vot", votable(&stars, Serialization::TableData)),
        ("a.ecsv", ecsv(&stars)),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let table = crate::open_path(&context.state(), path.to_str().unwrap())
            .await
            .unwrap();
        let ra = table.schema().field_with_name("ra").unwrap().metadata().clone();
        assert_eq!(ra.get("unit").map(String::as_str), Some("deg"), "{name}");
        if !["a.fits", "a.ecsv"].contains(&name) {
            assert_eq!(ra["ucd"], "pos.eq.ra;meta.main", "{name}");
        }
        // The rows say the same as the table.
        let frame = context.read_table(table).unwrap().select_columns(&["ra"]).unwrap();
        let batch = frame.collect().await.unwrap().remove(0);
        assert_eq!(batch.schema().field(0).metadata()["unit"], "deg", "{name}");
    }
}

#[tokio::test]
async fn files_of_a_folder_are_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let stars = stars(900);
    let context = with_oracle(&stars);
    for (format, write) in [
        ("parquet", (|rows| parquet(rows, 100)) as fn(&RecordBatch) -> Vec<u8>),
        ("csv", |rows| csv(rows, b',')),
        ("arrow", arrow_file),
    ] {
        let place = folder.path().join(format);
        std::fs::create_dir_all(place.join("deeper/_hidden")).unwrap();
        std::fs::write(place.join("deeper/_hidden").join(format!("x.{format}")), "broken").unwrap();
        for part in 0..3 {
            let rows = stars.slice(part * 300, 300);
            std::fs::write(place.join("deeper").join(format!("{part}.{format}")), write(&rows)).unwrap();
        }
        register(&context, "t", &place).await.unwrap();
        agrees(&context, format, QUERIES).await;
        register(&context, "t", &place.join("*").join(format!("[0-2].{format}")))
            .await
            .unwrap();
        agrees(&context, format, QUERIES).await;
    }
}

#[tokio::test]
async fn columns_are_merged_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let context = session();
    let ints: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![0.5]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["x", "y"]));
    let first = RecordBatch::try_from_iter([("v", Arc::clone(&ints)), ("only_first", Arc::clone(&ints))]).unwrap();
    let second = RecordBatch::try_from_iter([("only_second", Arc::clone(&floats)), ("v", floats)]).unwrap();
    let third = RecordBatch::try_from_iter([("v", texts)]).unwrap();
    for (format, write) in [
        ("parquet", (|rows| parquet(rows, 100)) as fn(&RecordBatch) -> Vec<u8>),
        ("csv", |rows| csv(rows, b',')),
        ("arrow", arrow_file),
    ] {
        let place = folder.path().join(format);
        std::fs::create_dir_all(&place).unwrap();
        for (name, rows) in [("1", &first), ("2", &second)] {
            std::fs::write(place.join(format!("{name}.{format}")), write(rows)).unwrap();
        }
        register(&context, "t", &place).await.unwrap();
        let found = rows(&context, "SELECT v, only_first, only_second FROM t")
            .await
            .unwrap();
        assert_eq!(found, ["|0.5||0.5|", "|1.0|1||", "|2.0|2||"], "{format}");
        let found = rows(&context, "SELECT v FROM t WHERE only_first > 1").await.unwrap();
        assert_eq!(found, ["|2.0|"], "{format}");
        std::fs::write(place.join(format!("3.{format}")), write(&third)).unwrap();
        let refused = register(&context, "t", &place).await;
        if format == "csv" {
            // Texts hold whatever numbers look like.
            refused.unwrap();
            let found = rows(&context, "SELECT v FROM t").await.unwrap();
            assert_eq!(found, ["|0.5|", "|1|", "|2|", "|x|", "|y|"]);
        } else {
            let error = refused.unwrap_err();
            assert!(error.contains(&format!("3.{format}: column 'v'")), "{error}");
        }
    }
}

#[tokio::test]
async fn limits_end_early_and_empty_tables_are_tables() {
    let folder = tempfile::tempdir().unwrap();
    let stars = stars(5000);
    let context = session();
    let none = stars.slice(0, 0);
    for (name, full, empty) in [
        ("a.parquet", parquet(&stars, 500), parquet(&none, 500)),
        ("a.csv", csv(&stars, b','), b"id,ra\n".to_vec()),
        ("a.arrow", arrow_file(&stars), arrow_stream(&none)),
        ("a.fits", fits(&stars), fits(&none)),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, full).unwrap();
        register(&context, "t", &path).await.unwrap();
        assert_eq!(
            rows(&context, "SELECT id FROM t LIMIT 7").await.unwrap().len(),
            7,
            "{name}"
        );
        std::fs::write(&path, empty).unwrap();
        register(&context, "t", &path).await.unwrap();
        assert!(
            rows(&context, "SELECT id, ra FROM t").await.unwrap().is_empty(),
            "{name}"
        );
        assert_eq!(
            rows(&context, "SELECT count(*) FROM t").await.unwrap(),
            ["|0|"],
            "{name}"
        );
    }
}

/// To the engine alone NaNs with their sign bit set are below every number, others greater than the usual one, and row
/// groups are pruned by statistics that leave all of them out.
#[tokio::test]
async fn every_nan_of_a_file_is_the_greatest_number() {
    let other = f64::from_bits(f64::NAN.to_bits() | 1);
    let x: ArrayRef = Arc::new(Float64Array::from(vec![
        -f64::NAN,
        f64::NAN,
        other,
        5.0,
        7.0,
        -f64::NAN,
    ]));
    let id: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 4, 5, 6]));
    let table = RecordBatch::try_from_iter([("id", id), ("x", x)]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nan.parquet");
    std::fs::write(&path, parquet(&table, 2)).unwrap();
    let context = session();
    register(&context, "t", &path).await.unwrap();
    for (condition, expected) in [
        ("x < 6", vec![4]),
        ("x > 20", vec![1, 2, 3, 6]),
        ("x > 6", vec![1, 2, 3, 5, 6]),
        ("x > 6 AND x < 100", vec![5]),
        ("x = 'NaN'", vec![1, 2, 3, 6]),
        ("x <> 5", vec![1, 2, 3, 5, 6]),
        ("NOT x < 6", vec![1, 2, 3, 5, 6]),
    ] {
        let found = rows(&context, &format!("SELECT id FROM t WHERE {condition}"))
            .await
            .unwrap();
        let expected: Vec<String> = expected.iter().map(|id: &i64| format!("|{id}|")).collect();
        assert_eq!(found, expected, "{condition}");
    }
}
