//! `FROM 'file.parquet'`: files of this machine as tables of the local shell, and of no server.

use std::fs;
use std::process::Command;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::pretty::pretty_format_batches;
use dreyer::{Access, Config, Database, Error, Outcome, Session};
use futures::TryStreamExt;

async fn session(access: Access, folder: &tempfile::TempDir) -> Session {
    let config = Config {
        access,
        state: Some(folder.path().join("state").display().to_string()),
        ..Config::default()
    };
    Database::open(config).await.unwrap().session()
}

async fn run(session: &Session, sql: &str) -> Result<String, Error> {
    let statement = session.parse(sql)?.remove(0);
    let explain = |error: Error| session.explain(error, &statement);
    match session
        .execute(session.plan(&statement).await?)
        .await
        .map_err(explain)?
    {
        Outcome::Done { tag, .. } => Ok(tag),
        Outcome::Rows(rows) => {
            let rows: Vec<RecordBatch> = rows.try_collect().await.map_err(|error| explain(error.into()))?;
            let table = pretty_format_batches(&rows).unwrap().to_string();
            let lines = table.lines().skip(3).filter(|line| !line.starts_with('+'));
            let cells = lines.map(|line| line.split('|').map(str::trim).collect::<Vec<_>>().join("|"));
            Ok(cells.collect::<Vec<_>>().join("\n"))
        }
    }
}

#[tokio::test]
async fn every_plain_format_is_a_table_by_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(Access::Full, &folder).await;
    let at = |name: &str| folder.path().join(name).display().to_string();
    for name in ["s.parquet", "s.csv", "s.tsv", "s.arrow"] {
        let copy = format!(
            "COPY (SELECT hip, ra, dec, hpmag FROM hipparcos WHERE hpmag < 3) TO '{}'",
            at(name)
        );
        run(&session, &copy).await.unwrap();
    }
    for (name, text) in [
        ("s.vot", VOTABLE),
        (
            "s.ecsv",
            "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: hip, datatype: int64}\nhip\n1\n2\n",
        ),
    ] {
        fs::write(at(name), text).unwrap();
    }
    let number = async |sql: String| run(&session, &sql).await.unwrap();
    let truth = number("SELECT count(*), sum(hip) FROM hipparcos WHERE hpmag < 3".to_owned()).await;
    for name in ["s.parquet", "s.csv", "s.tsv", "s.arrow"] {
        assert_eq!(
            number(format!("SELECT count(*), sum(hip) FROM '{}'", at(name))).await,
            truth,
            "{name}"
        );
    }
    for name in ["s.vot", "s.ecsv"] {
        assert_eq!(
            number(format!("SELECT sum(hip) FROM '{}'", at(name))).await,
            "|3|",
            "{name}"
        );
    }

    // The file's name is the table's, unless it gets another; several files of one pattern are one table.
    let by_name = format!(
        "SELECT count(*) FROM '{}' WHERE s.hpmag < 0 AND S.HIP > 0",
        at("s.parquet")
    );
    let aliased = format!("SELECT count(*) FROM '{}' AS t WHERE t.hpmag < 0", at("s.parquet"));
    assert_eq!(number(by_name).await, number(aliased).await);
    fs::copy(at("s.csv"), at("s2.csv")).unwrap();
    let twice = format!(
        "SELECT count(*) / 2, CAST(sum(hip) / 2 AS BIGINT) FROM '{}'",
        at("s*.csv")
    );
    assert_eq!(number(twice).await, truth);

    // A region prunes by the statistics of row groups; a cross-match takes it as any table.
    let matched = format!(
        "SELECT count(*) FROM '{}' AS a JOIN hipparcos AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1e-9 AND a.hip = b.hip",
        at("s.parquet")
    );
    assert!(truth.starts_with(&number(matched).await), "{truth}");
    let joined = format!(
        "SELECT count(*) FROM '{0}' JOIN '{1}' AS c ON s.hip = c.hip",
        at("s.parquet"),
        at("s.csv")
    );
    assert!(truth.starts_with(&number(joined).await), "{truth}");
    let plan = number(format!(
        "EXPLAIN SELECT hip FROM '{}' WHERE DISTANCE(ra, dec, 1, 2) < 1",
        at("s.parquet")
    ))
    .await;
    assert!(plan.contains("DataSourceExec"), "{plan}");

    // It may fill a table, be copied and be seen through a view of the session.
    number(format!("CREATE TABLE mine AS SELECT * FROM '{}'", at("s.csv"))).await;
    assert_eq!(number("SELECT count(*), sum(hip) FROM mine".to_owned()).await, truth);
    number(format!(
        "COPY (SELECT hip FROM '{}') TO '{}'",
        at("s.csv"),
        at("copy.csv")
    ))
    .await;
    number(format!("CREATE TEMP VIEW seen AS SELECT * FROM '{}'", at("copy.csv"))).await;
    assert!(
        truth.ends_with(&number("SELECT sum(hip) FROM seen".to_owned()).await[1..]),
        "{truth}"
    );
    assert!(
        !run(&session, "SHOW TABLES")
            .await
            .unwrap()
            .contains("files of this machine")
    );
}

const VOTABLE: &str = r#"<VOTABLE version="1.4"><RESOURCE><TABLE><FIELD name="hip" datatype="long"/><DATA><TABLEDATA>
<TR><TD>1</TD></TR><TR><TD>2</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"#;

#[tokio::test]
async fn what_cannot_be_read_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(Access::Full, &folder).await;
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(at("torn.parquet"), "PAR1 and no more").unwrap();
    fs::write(at("notes.txt.bak"), "x").unwrap();
    for name in ["absent.csv", "torn.parquet", "notes.txt.bak"] {
        let sql = format!("SELECT * FROM '{}'", at(name));
        let error = run(&session, &sql).await.unwrap_err();
        assert!(error.message.contains(name), "{error}");
    }
    let lasting = format!("CREATE VIEW dreyer.v AS SELECT * FROM '{}'", at("torn.parquet"));
    let error = run(&session, &lasting).await.unwrap_err();
    assert_eq!(error.sqlstate(), "0A000", "{error}");
    // In double quotes it is a table's name, as it always was.
    let error = run(&session, &format!("SELECT * FROM \"{}\"", at("torn.parquet")))
        .await
        .unwrap_err();
    assert_eq!(error.sqlstate(), "42P01", "{error}");
}

#[tokio::test]
async fn a_server_reads_no_files_of_its_machine() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("stars.csv"), "ra,dec\n1,2\n").unwrap();
    let config = Config {
        roots: vec![root.display().to_string()],
        access: Access::ReadOnly,
        ..Config::default()
    };
    let session = Database::open(config).await.unwrap().session();
    let inside = root.join("stars.csv").display().to_string();
    for file in [
        "/etc/passwd",
        "../x.csv",
        "x.csv",
        "file:///etc/passwd",
        "s3://other/x.parquet",
        &inside,
    ] {
        for sql in [
            format!("SELECT * FROM '{file}'"),
            format!("SELECT 1 WHERE EXISTS (SELECT * FROM '{file}' AS t)"),
            format!("EXPLAIN SELECT * FROM '{file}'"),
            format!("WITH a AS (SELECT * FROM '{file}') SELECT * FROM a"),
        ] {
            let error = run(&session, &sql).await.unwrap_err();
            assert_eq!(error.sqlstate(), "42501", "{sql}: {error}");
            assert!(!error.message.contains("No such file"), "{error}");
        }
    }
    assert_eq!(run(&session, "SELECT ra FROM stars").await.unwrap(), "|1|");
}

#[test]
fn the_shell_reads_files_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("stars.csv"), "id,ra,dec\n1,10,20\n2,30,40\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_dreyer"))
        .current_dir(folder.path())
        .args([
            "sql",
            "--format",
            "csv",
            "-c",
            "SELECT id FROM 'stars.csv' WHERE DISTANCE(stars.ra, dec, 10, 20) < 1",
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "id\n1\n");
}
