//! Plain files read by workers: the rows are those of one process, whatever the format, the number of workers and the
//! store, alone and beside a catalogue; and never rows of two versions of a file.

use std::fs;
use std::path::Path;
use std::time::Duration;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::csv::WriterBuilder;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use datafusion::arrow::ipc::writer::FileWriter;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;
use dreyer::{Access, Config, Database, Session};
use dreyer_formats::votable::{Serialization, VotableWriter};
use object_store::ObjectStoreExt;
use object_store::path::Path as StorePath;
use tokio_util::sync::CancellationToken;

use super::stores::dealing;
use crate::support::seaweed::{S3Server, config};
use crate::{batches, outcome, table, value};

/// Formats, and whether parts of their files can be read.
const FORMATS: [(&str, bool); 7] = [
    ("parquet", true),
    ("arrow", true),
    ("fits", true),
    ("csv", false),
    ("tsv", false),
    ("vot", false),
    ("ecsv", false),
];

const COUNT: &str = "SELECT count(*) FROM t";

/// What is asked of a table `t` of stars beside the catalogue.
const QUERIES: [&str; 13] = [
    "SELECT count(ra), sum(hip), min(dec), max(ra) FROM t WHERE ra > 100",
    "SELECT floor(dec / 30) AS zone, count(*), min(hip) FROM t GROUP BY zone ORDER BY zone",
    "SELECT hip, ra FROM t WHERE dec > 60 ORDER BY hip LIMIT 30",
    COUNT,
    "SELECT sum(n) FROM (SELECT hip % 2 AS odd, count(*) AS n FROM (SELECT hip FROM t LIMIT 10) AS ten GROUP BY odd) AS x",
    "SELECT count(*), sum(t.hip), min(h.hpmag) FROM t JOIN hipparcos h ON t.hip = h.hip WHERE h.hpmag < 8",
    "SELECT count(*), count(t.hip) FROM hipparcos h LEFT JOIN t ON t.hip = h.hip AND h.hpmag < 7",
    "SELECT count(*), sum(hip) FROM (SELECT hip FROM t UNION ALL SELECT hip FROM hipparcos) AS both_of_them",
    "SELECT count(*), sum(t.hip), sum(h.hip) FROM t JOIN hipparcos h ON DISTANCE(t.ra, t.dec, h.ra, h.dec) < 0.2",
    "SELECT count(*), count(h.hip), sum(t.hip) FROM t LEFT JOIN hipparcos h \
     ON DISTANCE(t.ra, t.dec, h.ra, h.dec) < 0.1 AND h.hip <> t.hip",
    "SELECT count(*), sum(h.hip) FROM hipparcos h WHERE NOT EXISTS \
     (SELECT 1 FROM t WHERE DISTANCE(t.ra, t.dec, h.ra, h.dec) < 0.5)",
    "SELECT count(*), sum(t.hip), sum(h.hip) FROM hipparcos h JOIN t \
     ON XMATCH(h.ra, h.dec, t.ra, t.dec, radius_arcsec => 2000, mode => 'nearest')",
    "SELECT count(*), sum(t.hip), sum(h.hip) FROM (SELECT * FROM t WHERE hip % 97 = 0) AS t JOIN hipparcos h \
     ON XMATCH(t.ra, t.dec, h.ra, h.dec, radius_arcsec => 3000, mode => 'best')",
];

async fn stars(condition: &str) -> RecordBatch {
    let session = Database::open(Config::default()).await.unwrap().session();
    let sql = format!("SELECT CAST(hip AS BIGINT) AS hip, ra, dec FROM hipparcos WHERE {condition} ORDER BY hip");
    let batches = batches(&session, &sql).await;
    concat_batches(&batches[0].schema(), &batches).unwrap()
}

/// The stars as a file of that format.
fn bytes(stars: &RecordBatch, format: &str) -> Vec<u8> {
    let text = |delimiter: u8| {
        let mut bytes = Vec::new();
        let mut writer = WriterBuilder::new().with_delimiter(delimiter).build(&mut bytes);
        writer.write(stars).unwrap();
        drop(writer);
        if bytes.is_empty() {
            // Of no rows the writer says nothing at all.
            bytes = ["hip", "ra", "dec\n"]
                .join(&String::from(char::from(delimiter)))
                .into_bytes();
        }
        bytes
    };
    match format {
        "parquet" => {
            let properties = WriterProperties::builder().set_max_row_group_row_count(Some(700));
            let mut writer = ArrowWriter::try_new(Vec::new(), stars.schema(), Some(properties.build())).unwrap();
            writer.write(stars).unwrap();
            writer.into_inner().unwrap()
        }
        "arrow" => {
            let mut writer = FileWriter::try_new(Vec::new(), &stars.schema()).unwrap();
            for start in (0..stars.num_rows()).step_by(500) {
                writer
                    .write(&stars.slice(start, 500.min(stars.num_rows() - start)))
                    .unwrap();
            }
            writer.into_inner().unwrap()
        }
        "fits" => fits(stars),
        "csv" => text(b','),
        "tsv" => text(b'\t'),
        "vot" => {
            let mut writer = VotableWriter::new(Vec::new(), stars.schema(), Serialization::Binary2, None, None);
            writer.write(stars).unwrap();
            writer.finish().unwrap()
        }
        _ => {
            let head = "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: hip, datatype: int64}\n\
                        # - {name: ra, datatype: float64}\n# - {name: dec, datatype: float64}\n# delimiter: ','\n";
            [head.as_bytes(), &text(b',')].concat()
        }
    }
}

/// A binary table of FITS, big-endian rows in blocks of 2880 bytes.
fn fits(stars: &RecordBatch) -> Vec<u8> {
    let card = |text: String| format!("{text:<80}").into_bytes();
    let block = |bytes: &mut Vec<u8>, fill: u8| bytes.resize(bytes.len().div_ceil(2880) * 2880, fill);
    let mut bytes = Vec::new();
    for line in [
        "SIMPLE  =                    T",
        "BITPIX  =                    8",
        "NAXIS   =                    0",
        "END",
    ] {
        bytes.extend(card(line.to_owned()));
    }
    block(&mut bytes, b' ');
    bytes.extend(card("XTENSION= 'BINTABLE'".to_owned()));
    let numbers = [
        ("BITPIX", 8),
        ("NAXIS", 2),
        ("NAXIS1", 24),
        ("NAXIS2", stars.num_rows()),
        ("PCOUNT", 0),
        ("GCOUNT", 1),
        ("TFIELDS", 3),
    ];
    for (key, number) in numbers {
        bytes.extend(card(format!("{key:<8}= {number:>20}")));
    }
    for (at, (name, form)) in [("hip", "K"), ("ra", "D"), ("dec", "D")].into_iter().enumerate() {
        bytes.extend(card(format!("TTYPE{:<3}= '{name}'", at + 1)));
        bytes.extend(card(format!("TFORM{:<3}= '{form}'", at + 1)));
    }
    bytes.extend(card("END".to_owned()));
    block(&mut bytes, b' ');
    let hip = stars.column(0);
    for row in 0..stars.num_rows() {
        let hip = match hip.data_type() {
            DataType::Int32 => hip.as_primitive::<Int32Type>().value(row).into(),
            _ => hip.as_primitive::<Int64Type>().value(row),
        };
        bytes.extend(hip.to_be_bytes());
        for column in [1, 2] {
            bytes.extend(
                stars
                    .column(column)
                    .as_primitive::<Float64Type>()
                    .value(row)
                    .to_be_bytes(),
            );
        }
    }
    block(&mut bytes, 0);
    bytes
}

/// A root with the catalogue, and the stars in each format: all, a few, and none.
async fn root() -> (tempfile::TempDir, Config) {
    let folder = tempfile::tempdir().unwrap();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/sample");
    crate::rewritten::publish(&sample.join("hipparcos"), &folder.path().join("hipparcos"));
    for (name, condition) in [
        ("all", "hip < 12000"),
        ("few", "hip < 40"),
        ("none", "hip < 0 OR hip IS NULL"),
    ] {
        let stars = match name {
            "none" => stars("hip = 1").await.slice(0, 0),
            _ => stars(condition).await,
        };
        for (format, _) in FORMATS {
            fs::write(
                folder.path().join(format!("{name}_{format}.{format}")),
                bytes(&stars, format),
            )
            .unwrap();
        }
    }
    let config = Config {
        roots: vec![folder.path().to_string_lossy().into_owned()],
        access: Access::ReadOnly,
        ..Config::default()
    };
    (folder, config)
}

fn of(sql: &str, table: &str) -> String {
    sql.replace("FROM t", &format!("FROM {table} AS t"))
        .replace("JOIN t", &format!("JOIN {table} AS t"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_gives_the_rows_of_one_process() {
    let (_folder, config) = root().await;
    let here = Database::open(config.clone()).await.unwrap().session();
    let mut expected = Vec::new();
    for size in ["all", "few", "none"] {
        for sql in QUERIES {
            expected.push((size, sql, table(&here, &of(sql, &format!("{size}_fits"))).await));
        }
    }
    for number in [0, 1, 2, 3] {
        let (session, _workers, _stop) = dealing(config.clone(), number).await;
        for (format, _) in FORMATS {
            for (size, sql, expected) in &expected {
                // Once is enough for what does not depend on the number of workers.
                // Of no rows a text does not tell the types of its columns.
                let untyped = *size == "none" && matches!(format, "csv" | "tsv") && *sql != COUNT;
                if untyped || (number == 0 && *size != "all") {
                    continue;
                }
                let sql = of(sql, &format!("{size}_{format}"));
                assert_eq!(&table(&session, &sql).await, expected, "{number} workers: {sql}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_files_are_dealt_and_explain_says_what_is_not() {
    let (folder, config) = root().await;
    let (session, _workers, _stop) = dealing(config, 2).await;
    for (format, can_be_cut) in FORMATS {
        let shown = table(
            &session,
            &format!("EXPLAIN SELECT sum(hip) FROM all_{format} WHERE ra > 1"),
        )
        .await;
        assert_eq!(shown.contains("tasks=2"), can_be_cut, "{shown}");
        let whole = format!("none: {}", folder.path().display().to_string().trim_start_matches('/'));
        assert_eq!(
            shown.contains(&whole) && shown.contains("only be read from its beginning"),
            !can_be_cut,
            "{shown}"
        );
        // Beside a catalogue a file goes to all who match, and the tiles are dealt.
        for size in ["all", "few"] {
            let matched = format!(
                "EXPLAIN SELECT count(*) FROM {size}_{format} AS t JOIN hipparcos h \
                 ON DISTANCE(t.ra, t.dec, h.ra, h.dec) < 0.1"
            );
            let shown = table(&session, &matched).await;
            assert!(shown.contains("tasks=2") && shown.contains("t1: "), "{shown}");
        }
    }
    for (setting, why) in [
        ("SET dreyer.compute = 'local'", "none: dreyer.compute is 'local'"),
        ("SET dreyer.compute = 'auto'", "fewer than cluster.min_scan_bytes"),
    ] {
        crate::done(&session, setting).await;
        for explain in ["EXPLAIN", "EXPLAIN ANALYZE"] {
            let shown = table(
                &session,
                &format!("{explain} SELECT sum(hip) FROM all_parquet WHERE ra > 1"),
            )
            .await;
            assert!(shown.contains(why), "{shown}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tiles_of_a_catalogue_are_dealt_evenly_beside_a_small_file() {
    let (_folder, config) = root().await;
    let (session, _workers, _stop) = dealing(config, 2).await;
    let sql = "EXPLAIN SELECT count(*) FROM all_csv AS t JOIN hipparcos h ON DISTANCE(t.ra, t.dec, h.ra, h.dec) < 0.1";
    let shown = table(&session, sql).await;
    assert!(shown.contains("held=left") && !shown.contains("pruned"), "{shown}");
    // Some tiles are parted between the two.
    let scans = shown.lines().filter(|line| line.contains("catalog=hipparcos"));
    let tiles: Vec<u64> = scans
        .filter_map(|line| line.split("tiles=").nth(1)?.split('/').next()?.parse().ok())
        .collect();
    assert!(
        tiles.len() == 2 && tiles.iter().all(|tiles| (5..10).contains(tiles)),
        "{tiles:?} {shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_in_s3_give_the_same_rows() {
    let server = S3Server::start().await;
    server.upload_sample("sky", "catalogues").await;
    let stars = stars("hip < 6000").await;
    for (format, _) in FORMATS {
        let place = StorePath::from(format!("catalogues/all_{format}.{format}"));
        server
            .store("sky")
            .put(&place, bytes(&stars, format).into())
            .await
            .unwrap();
    }
    let config = config(&server.endpoint(), "sky", "catalogues");
    let here = Database::open(config.clone()).await.unwrap().session();
    for number in [1, 3] {
        let (session, _workers, _stop) = dealing(config.clone(), number).await;
        for (format, _) in FORMATS {
            for sql in [QUERIES[0], QUERIES[5], QUERIES[8], QUERIES[9]] {
                let sql = of(sql, &format!("all_{format}"));
                assert_eq!(
                    table(&session, &sql).await,
                    table(&here, &sql).await,
                    "{number} workers: {sql}"
                );
            }
        }
    }
}

/// Rows that are to be written are read in waves, also from plain files.
#[tokio::test(flavor = "multi_thread")]
async fn waves_of_a_plain_file_are_the_file() {
    let (_folder, mut config) = root().await;
    let tables = tempfile::tempdir().unwrap();
    config.access = Access::Full;
    config.writable = Some(tables.path().display().to_string());
    config.cluster.wave_bytes = 40_000;
    let (session, _workers, _stop) = dealing(config, 2).await;
    for (format, _) in FORMATS {
        crate::done(
            &session,
            &format!("CREATE TABLE copy_{format} AS SELECT * FROM all_{format} WHERE dec < 50"),
        )
        .await;
        let sql = "SELECT count(*), sum(hip) FROM t WHERE dec < 50";
        let (copy, file) = (format!("copy_{format}"), format!("all_{format}"));
        assert_eq!(
            table(&session, &of(sql, &copy)).await,
            table(&session, &of(sql, &file)).await,
            "{format}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_lies_under_no_root_stays() {
    let (_folder, mut config) = root().await;
    config.access = Access::Full;
    let (session, _workers, _stop) = dealing(config, 2).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("mine.parquet");
    fs::write(&path, bytes(&stars("hip < 3000").await, "parquet")).unwrap();
    let sql = format!("SELECT count(*) FROM '{}' WHERE ra >= 0", path.display());
    assert_eq!(
        value(&session, &sql).await,
        value(&session, "SELECT count(*) FROM hipparcos WHERE hip < 3000").await
    );
    let shown = table(&session, &format!("EXPLAIN {sql}")).await;
    assert!(shown.contains("lies under no root"), "{shown}");
}

/// A few rows matched with a catalogue that is read only around them, within plans that are dealt for another reason.
#[tokio::test(flavor = "multi_thread")]
async fn matches_that_read_around_a_few_rows_find_their_scan() {
    let (_folder, config) = root().await;
    let here = Database::open(config.clone()).await.unwrap().session();
    let few = "(SELECT ra, dec FROM few_fits) AS f";
    let queries = [
        format!("SELECT count(*), sum(h.hip) FROM {few} JOIN hipparcos h ON DISTANCE(f.ra, f.dec, h.ra, h.dec) < 1"),
        format!(
            "SELECT sum(hip), count(*) FROM (SELECT h.hip FROM {few} JOIN hipparcos h \
             ON DISTANCE(f.ra, f.dec, h.ra, h.dec) < 1 UNION ALL SELECT hip FROM hipparcos) AS x"
        ),
        // Which held row is whose nearest is known when all have passed: not dealt, beside something that is.
        format!(
            "SELECT sum(hip), count(*) FROM (SELECT h.hip FROM {few} JOIN hipparcos h \
             ON XMATCH(f.ra, f.dec, h.ra, h.dec, radius_arcsec => 3600, mode => 'nearest') \
             UNION ALL SELECT hip FROM hipparcos) AS x"
        ),
        format!(
            "SELECT count(*), sum(a.hip), sum(b.hip) FROM hipparcos a JOIN hipparcos b \
             ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.2 JOIN {few} ON DISTANCE(a.ra, a.dec, f.ra, f.dec) < 2"
        ),
        "SELECT count(*), sum(h.hip) FROM (SELECT * FROM few_fits ORDER BY hip LIMIT 5) AS f JOIN hipparcos h \
         ON DISTANCE(f.ra, f.dec, h.ra, h.dec) < 1"
            .to_owned(),
    ];
    for number in [1, 2, 3] {
        let (session, _workers, _stop) = dealing(config.clone(), number).await;
        for sql in &queries {
            assert_eq!(
                table(&session, sql).await,
                table(&here, sql).await,
                "{number} workers: {sql}"
            );
        }
        let shown = table(&session, &format!("EXPLAIN {}", queries[0])).await;
        assert!(
            shown.contains("pruned=by footprint") && shown.contains("t1: CrossMatchExec"),
            "{shown}"
        );
        // Without its coordinates, but for pairs too close to call.
        crate::crossmatch::run(&session, "SET dreyer.crossmatch_index_trust = 'all'").await;
        let shown = table(&session, &format!("EXPLAIN {}", queries[0])).await;
        assert!(shown.contains("pruned=by footprint, index=suffices"), "{shown}");
        assert_eq!(table(&session, &queries[0]).await, table(&here, &queries[0]).await);
    }
}

/// Files replaced again and again under queries: the rows of one version, or the stated error.
#[tokio::test(flavor = "multi_thread")]
async fn no_query_mixes_versions() {
    let (folder, config) = root().await;
    let versions = [stars("hip < 12000").await, stars("hip < 9000 AND ra > 2").await];
    let (session, _workers, _stop) = dealing(config, 3).await;
    for format in ["parquet", "fits", "arrow", "csv"] {
        let name = format!("all_{format}");
        let queries = [QUERIES[0], QUERIES[5], QUERIES[8]].map(|sql| of(sql, &name));
        let path = folder.path().join(format!("{name}.{format}"));
        let files = [bytes(&versions[0], format), bytes(&versions[1], format)];
        let put = |version: usize| replace(&path, &files[version]);
        let mut right = [Vec::new(), Vec::new()];
        for version in [1, 0] {
            put(version);
            for sql in &queries {
                right[version].push(table(&session, sql).await);
            }
        }
        let stop = CancellationToken::new();
        let writer = tokio::spawn({
            let (stop, path, files) = (stop.clone(), path.clone(), files.clone());
            async move {
                // Sometimes longer than a query takes, sometimes not.
                let pauses = [30, 900, 200, 2000].into_iter().cycle();
                for (version, pause) in (0..2).cycle().zip(pauses) {
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                    if stop.is_cancelled() {
                        return;
                    }
                    replace(&path, &files[version]);
                }
            }
        });
        let (mut whole, mut stated) = (0, 0);
        for turn in 0..24 {
            let sql = &queries[turn % 3];
            match shown(&session, sql).await {
                Ok(shown) => {
                    assert!(
                        right.iter().any(|right| right[turn % 3] == shown),
                        "{format}: {sql}: {shown}"
                    );
                    whole += 1;
                }
                Err(error) => {
                    assert_eq!(error.sqlstate(), "40001", "{format}: {sql}: {error}");
                    stated += 1;
                }
            }
        }
        stop.cancel();
        writer.await.unwrap();
        assert!(whole > 0, "{format}: {whole} whole, {stated} not");
        put(0);
        assert_eq!(
            table(&session, &queries[0]).await,
            right[0][0],
            "{format}: all is well again"
        );
    }
}

fn replace(path: &Path, bytes: &[u8]) {
    let hidden = path.with_file_name(".new");
    fs::write(&hidden, bytes).unwrap();
    fs::rename(&hidden, path).unwrap();
}

async fn shown(session: &Session, sql: &str) -> dreyer::Result<String> {
    let dreyer::Outcome::Rows(rows) = outcome(session, sql).await? else {
        panic!("a query gives rows")
    };
    let batches: Vec<RecordBatch> = futures::TryStreamExt::try_collect(rows)
        .await
        .map_err(dreyer::Error::from)?;
    Ok(datafusion::arrow::util::pretty::pretty_format_batches(&batches)
        .unwrap()
        .to_string())
}
