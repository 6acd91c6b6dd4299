//! `dreyer import` as it is typed: inputs of all kinds, its options, and an object store at both ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use datafusion::arrow::util::pretty::pretty_format_batches;
use dreyer::{Access, Config, Database};
use futures::TryStreamExt;
use object_store::ObjectStoreExt;

use crate::support::seaweed::{self, KEY, S3Server, SECRET};

fn import(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dreyer"));
    command.arg("import").args(arguments).stdin(Stdio::null());
    command
        .env("AWS_ACCESS_KEY_ID", KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET);
    command
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "", "progress is for terminals");
    text(&output.stdout)
}

fn failed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn rows(config: Config, sql: &str) -> String {
    let session = Database::open(config).await.unwrap().session();
    let rows: Vec<_> = session.query(sql).await.unwrap().try_collect().await.unwrap();
    pretty_format_batches(&rows).unwrap().to_string()
}

fn root(folder: &Path) -> Config {
    Config {
        roots: vec![folder.to_str().unwrap().to_owned()],
        access: Access::Full,
        ..Config::default()
    }
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }
}

#[tokio::test]
async fn patterns_positions_sidecars_and_large_numbers() {
    let folder = Folder::new();
    folder.write(
        "in/a.csv",
        "ID,RAJ2000,DEJ2000,mag\n18446744073709551615,10.5,-5.5,1.5\n",
    );
    folder.write(
        "in/b.csv",
        "mag,ID,RAJ2000,DEJ2000\n2.5,9223372036854775808,20.0,90.0\n",
    );
    folder.write("in/notes.txt", "not a table");
    folder.write(
        "columns.csv",
        "name,unit,ucd,description\nmag,mag,phot.mag,\"Brightness, V\"\n",
    );
    let (pattern, into, columns) = (folder.at("in/*.csv"), folder.at("sky"), folder.at("columns.csv"));
    let arguments = [
        "--into",
        &into,
        "--name",
        "stars",
        "--columns",
        &columns,
        "--kind",
        "source",
    ];
    let told = said(
        &import(&[&[pattern.as_str()], &arguments[..]].concat())
            .output()
            .unwrap(),
    );
    assert!(told.contains("stars: 2 rows in 2 tiles"), "{told}");
    let found = rows(
        root(Path::new(&into)),
        "SELECT CAST(\"ID\" AS VARCHAR) AS id, mag FROM stars ORDER BY mag",
    )
    .await;
    assert!(found.contains("| 18446744073709551615 | 1.5 |"), "{found}");
    assert!(found.contains("| 9223372036854775808  | 2.5 |"), "{found}");
    let session = Database::open(root(Path::new(&into))).await.unwrap().session();
    let stream = session.query("SELECT mag FROM stars").await.unwrap();
    let metadata = stream.schema().field(0).metadata().clone();
    assert_eq!(metadata["unit"], "mag");
    assert_eq!(metadata["description"], "Brightness, V");
    let properties = fs::read_to_string(folder.at("sky/stars/hats.properties")).unwrap();
    assert!(properties.contains("dataproduct_type=source"), "{properties}");
}

#[tokio::test]
async fn bad_rows_are_told_or_put_aside() {
    let folder = Folder::new();
    let input = folder.write("stars.csv", "id,ra,dec\n1,10.5,5.5\n2,,5.5\n3,10.5,95.0\n");
    let (input, into, aside) = (input.to_str().unwrap(), folder.at("sky"), folder.at("bad.csv"));
    let told = failed(&import(&[input, "--into", &into, "--name", "stars"]).output().unwrap());
    assert!(told.contains("2 of its 3 rows have no usable position"), "{told}");
    assert!(
        told.contains("ra=NULL dec=5.5") && told.contains("--bad-rows"),
        "{told}"
    );
    assert!(!Path::new(&into).join("stars").exists());
    let arguments = [input, "--into", &into, "--name", "stars", "--bad-rows", &aside];
    let told = said(&import(&arguments).output().unwrap());
    assert!(
        told.contains("1 rows") && told.contains("2 rows without a usable position in"),
        "{told}"
    );
    let aside = fs::read_to_string(aside).unwrap();
    assert!(
        aside.starts_with("id,ra,dec\n2,,5.5") && aside.contains("\n3,10"),
        "{aside}"
    );
}

#[test]
fn wrong_arguments_say_what_to_do() {
    let folder = Folder::new();
    let input = folder.write("stars.csv", "id,lon,lat\n1,10,5\n");
    let (input, into) = (input.to_str().unwrap(), folder.at("sky"));
    let told = |more: &[&str]| {
        failed(
            &import(&[&[input, "--into", &into, "--name", "s"], more].concat())
                .output()
                .unwrap(),
        )
    };
    assert!(told(&[]).contains("--ra COL"), "{}", told(&[]));
    let absent = told(&["--ra", "lon", "--dec", "lat", "--index", "nope"]);
    assert!(absent.contains("names nope"), "{absent}");
    let option = told(&["--option", "delimeter=;"]);
    assert!(option.contains("delimeter"), "{option}");
    let nowhere = failed(
        &import(&[&folder.at("no*.csv"), "--into", &into, "--name", "s"])
            .output()
            .unwrap(),
    );
    assert!(nowhere.contains("no file matches"), "{nowhere}");
    let web = failed(
        &import(&[input, "--into", "https://host/x", "--name", "s"])
            .output()
            .unwrap(),
    );
    assert!(web.contains("cannot write to https://host/x"), "{web}");
}

/// One server for all of it: starting one takes seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_store_at_both_ends() {
    let server = S3Server::start().await;
    let mut text = "id,ra,dec\n".to_owned();
    for id in 0..500 {
        text.push_str(&format!(
            "{id},{},{}\n",
            f64::from(id) * 0.7,
            f64::from(id) * 0.3 - 75.0
        ));
    }
    server
        .store("raw")
        .put(&"in/stars.csv".into(), text.into())
        .await
        .unwrap();
    server.store("sky").put(&"ready".into(), "x".into()).await.unwrap();
    let place = |bucket: &str, path: &str| format!("s3://{bucket}/{path}?endpoint={}", server.endpoint());
    let (input, into) = (place("raw", "in/*.csv"), place("sky", "tables"));
    let arguments = [
        &input,
        "--into",
        &into,
        "--tile-rows",
        "50",
        "--margin",
        "5",
        "--index",
        "id",
        "--name",
    ];
    let named = |name: &'static str| import(&[&arguments[..], &[name]].concat());
    said(&named("stars").output().unwrap());
    let config = || seaweed::config(&server.endpoint(), "sky", "tables");
    let sql = "SELECT count(*) AS n, sum(id) AS s FROM stars";
    assert!(rows(config(), sql).await.contains("| 500 | 124750 |"));
    let again = failed(&named("stars").output().unwrap());
    assert!(again.contains("must not exist yet"), "{again}");
    // However far a killed one came, it is no table, and it is told from one that lives only by its age.
    for (name, share) in [("a", 100), ("b", 500), ("c", 1000)] {
        let mut child = named(name).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(share)).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let session = Database::open(config()).await.unwrap().session();
    for name in ["a", "b", "c"] {
        if let Ok(rows) = session.query(&format!("SELECT count(*) AS n FROM {name}")).await {
            let rows: Vec<_> = rows.try_collect().await.unwrap();
            assert!(
                pretty_format_batches(&rows).unwrap().to_string().contains("| 500 |"),
                "{name}"
            );
            continue;
        }
        // The second attempt works at once, and needs nobody to clear up: a process of this machine is known to be dead.
        said(&named(name).output().unwrap());
        assert!(
            rows(config(), &sql.replace("stars", name))
                .await
                .contains("| 500 | 124750 |"),
            "{name}"
        );
    }
    // Of another machine's nothing is known, but by its user.
    let bucket = server.store("sky");
    let marker = "tables/d/.dreyer-import".into();
    bucket
        .put(&marker, "process 7 on another since yesterday".into())
        .await
        .unwrap();
    bucket
        .put(&"tables/d/d/dataset/Norder=0/Dir=0/Npix=0.parquet".into(), "x".into())
        .await
        .unwrap();
    let told = failed(&named("d").output().unwrap());
    assert!(
        told.contains("process 7 on another") && told.contains("--restart"),
        "{told}"
    );
    said(
        &import(&[&arguments[..], &["d", "--restart"]].concat())
            .output()
            .unwrap(),
    );
    assert!(
        rows(config(), &sql.replace("stars", "d"))
            .await
            .contains("| 500 | 124750 |")
    );
    assert!(bucket.head(&marker).await.is_err(), "the marker is gone");
}
