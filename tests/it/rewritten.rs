//! Catalogues that change while they are open: queries see one version, the next ones the new version.

use std::fs;
use std::path::Path;
use std::time::Duration;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use dreyer::{Access, Config, Database, Session};
use futures::TryStreamExt;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sql/sample");

/// Copies a catalogue so that it lies under `to` at once: new names for all its files.
pub(crate) fn publish(from: &Path, to: &Path) {
    let hidden = to.with_file_name(".new");
    copy(from, &hidden);
    if to.exists() {
        fs::rename(to, to.with_file_name(".old")).unwrap();
    }
    fs::rename(&hidden, to).unwrap();
    let _ = fs::remove_dir_all(to.with_file_name(".old"));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

async fn open(root: &Path) -> Session {
    let config = Config {
        roots: vec![root.display().to_string()],
        access: Access::ReadOnly,
        ..Config::default()
    };
    Database::open(config).await.unwrap().session()
}

async fn number(session: &Session, sql: &str) -> dreyer::Result<i64> {
    let batches: Vec<_> = session.query(sql).await?.try_collect().await?;
    Ok(batches[0].column(0).as_primitive::<Int64Type>().value(0))
}

/// A sum needs the rows; a count would be answered from what the catalogue says of itself.
const COUNT: &str = "SELECT count(*) FROM stars WHERE ra >= 0";

#[tokio::test]
async fn a_rewritten_catalogue_is_planned_again() {
    let folder = tempfile::tempdir().unwrap();
    let stars = folder.path().join("stars");
    let sample = Path::new(SAMPLE);
    publish(&sample.join("gaia_bright"), &stars);
    let session = open(folder.path()).await;
    let statement = session.parse(COUNT).unwrap().remove(0);
    assert_eq!(number(&session, COUNT).await.unwrap(), 56_483);

    let before = session.plan(&statement).await.unwrap();
    publish(&sample.join("gaia_bright"), &stars);
    let dreyer::Outcome::Rows(rows) = session.execute(before).await.unwrap() else {
        panic!("a query gives rows")
    };
    let batches: Vec<_> = rows.try_collect().await.unwrap();
    assert_eq!(batches[0].column(0).as_primitive::<Int64Type>().value(0), 56_483);

    // Other columns under the same name: the plan does not fit any more.
    let before = session.plan(&statement).await.unwrap();
    publish(&sample.join("hipparcos"), &stars);
    let error = match session.execute(before).await {
        Ok(dreyer::Outcome::Rows(rows)) => dreyer::Error::from(rows.try_collect::<Vec<_>>().await.unwrap_err()),
        Ok(done) => panic!("{done:?}"),
        Err(error) => error,
    };
    assert_eq!(error.sqlstate(), "40001", "{error}");
    assert_eq!(number(&session, COUNT).await.unwrap(), 117_955);
}

#[tokio::test]
async fn a_new_catalogue_is_found_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let sample = Path::new(SAMPLE);
    publish(&sample.join("hipparcos"), &folder.path().join("hipparcos"));
    let session = open(folder.path()).await;
    assert_eq!(number(&session, COUNT).await.unwrap_err().sqlstate(), "42P01");
    publish(&sample.join("gaia_bright"), &folder.path().join("stars"));
    // Names nobody knows are looked for again, but not all the time.
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(number(&session, COUNT).await.unwrap(), 56_483);
}

#[tokio::test]
async fn plain_files_under_a_root_are_tables() {
    let folder = tempfile::tempdir().unwrap();
    let sample = Path::new(SAMPLE);
    publish(&sample.join("hipparcos"), &folder.path().join("hipparcos"));
    fs::create_dir(folder.path().join("mine")).unwrap();
    fs::write(folder.path().join("stars.csv"), "ra,dec,name\n1,2,a\n3,4,b\n").unwrap();
    fs::write(folder.path().join("mine/more.csv"), "x\n7\n").unwrap();
    // A catalogue comes before a file of its name, and a file that is none keeps nothing else from being opened.
    fs::write(folder.path().join("hipparcos.csv"), "x\n1\n").unwrap();
    fs::write(folder.path().join("torn.parquet"), "PAR1 and no more").unwrap();
    let session = open(folder.path()).await;
    assert_eq!(
        number(&session, "SELECT count(*) FROM stars WHERE DISTANCE(ra, dec, 1, 2) < 1")
            .await
            .unwrap(),
        1
    );
    assert_eq!(number(&session, "SELECT sum(x) FROM mine.more").await.unwrap(), 7);
    assert_eq!(
        number(&session, "SELECT count(*) FROM hipparcos WHERE ra >= 0")
            .await
            .unwrap(),
        117_955
    );
    let error = number(&session, "SELECT count(*) FROM torn").await.unwrap_err();
    assert_eq!(error.sqlstate(), "58030", "{error}");
    assert!(error.message.contains("torn.parquet"), "{error}");

    // One that is written anew is read anew.
    fs::write(folder.path().join("new"), "ra,dec,name\n1,2,a\n3,4,b\n5,6,c\n").unwrap();
    fs::rename(folder.path().join("new"), folder.path().join("stars.csv")).unwrap();
    assert_eq!(
        number(&session, "SELECT count(*) FROM stars WHERE ra > 0")
            .await
            .unwrap(),
        3
    );
}
