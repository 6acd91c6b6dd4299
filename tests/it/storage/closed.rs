//! What a statement can name and must not reach: files outside the roots, other servers, the cloud's own addresses.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::execution::object_store::ObjectStoreUrl;
use dreyer::{Access, Config, Database, Outcome, Session};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::support::web::{WebServer, sample_files};

/// Statements that name a location. A new kind of statement is a new line here.
const STATEMENTS: [&str; 10] = [
    "SELECT * FROM '{}'",
    "SELECT * FROM \"{}\"",
    "EXPLAIN ANALYZE SELECT * FROM '{}'",
    "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '{}'",
    "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '{}'",
    "CREATE EXTERNAL TABLE t (a INT) STORED AS CSV LOCATION '{}'",
    "CREATE EXTERNAL TABLE t STORED AS HATS LOCATION '{}'",
    "COPY (SELECT 1 AS a) TO '{}' STORED AS CSV",
    "COPY hipparcos TO '{}' STORED AS PARQUET",
    "EXPLAIN ANALYZE COPY (SELECT 1 AS a) TO '{}' STORED AS CSV",
];

/// Classes of a refusal: no such relation, not allowed here, no such statement, outside the roots.
const REFUSALS: [&str; 6] = ["25006", "42501", "42P01", "42000", "42601", "0A000"];

/// What lies outside the root and must not be seen.
const SECRET: &str = "TOP-SECRET";

/// A root with ways out of it, a secret beside it, and a server that nobody may ask.
struct Place {
    folder: TempDir,
    root: PathBuf,
    web: WebServer,
    asked: Arc<AtomicUsize>,
    forbidden: u16,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let (root, outside) = (base.join("root"), base.join("outside"));
        for (name, bytes) in sample_files() {
            if let Some(name) = name.strip_prefix("hipparcos/") {
                let path = root.join("hipparcos").join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
        }
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret.csv"), format!("a\n{SECRET}\n")).unwrap();
        symlink(&outside, root.join("gate")).unwrap();
        symlink(outside.join("secret.csv"), root.join("gate.csv")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let forbidden = listener.local_addr().unwrap().port();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self {
            folder,
            root,
            web: WebServer::start(sample_files(), true).await,
            asked,
            forbidden,
        }
    }

    async fn session(&self, access: Access) -> Session {
        let config = Config {
            roots: vec![
                self.root.display().to_string(),
                format!("http://{}/gaia_bright", self.web.address),
            ],
            access,
            ..Config::default()
        };
        Database::open(config).await.unwrap().session()
    }

    /// Locations on this machine's disk.
    fn files(&self) -> Vec<String> {
        let root = self.root.display();
        [
            "file:///etc/passwd".to_owned(),
            "/etc/passwd".to_owned(),
            "../../../../../../../../etc/passwd".to_owned(),
            format!("{root}/../outside/secret.csv"),
            format!("file://{root}/../outside/secret.csv"),
            format!("file://{root}/%2e%2e/outside/secret.csv"),
            format!("file://{root}/..%2foutside/secret.csv"),
            format!("{root}/gate/secret.csv"),
            format!("{root}/gate.csv"),
            format!("{root}/gate/new.csv"),
            format!("{root}/hipparcos/new.csv"),
        ]
        .into()
    }

    /// Locations over the network.
    fn addresses(&self) -> Vec<String> {
        let (port, web) = (self.forbidden, self.web.address);
        [
            "http://169.254.169.254/latest/meta-data/iam/x.csv".to_owned(),
            format!("http://127.0.0.1:{port}/x.csv"),
            format!("http://localhost:{port}/x.csv"),
            format!("http://[::ffff:127.0.0.1]:{port}/x.csv"),
            format!("http://{web}/hipparcos/partition_info.csv"),
            format!("http://{web}/gaia_bright/../hipparcos/partition_info.csv"),
            format!("http://{web}/gaia_bright/%2e%2e/hipparcos/partition_info.csv"),
            format!("http://{web}@127.0.0.1:{port}/x.csv"),
            "s3://other/x.csv".to_owned(),
            "gs://other/x.csv".to_owned(),
            "az://other/x.csv".to_owned(),
        ]
        .into()
    }
}

/// The error of a statement, or its rows as text if there is none.
async fn refusal(session: &Session, sql: &str) -> Result<dreyer::Error, String> {
    let run = async {
        let statement = session.parse(sql)?.remove(0);
        let plan = session.plan(&statement).await?;
        match session.execute(plan).await? {
            Outcome::Rows(rows) => Ok(format!("{:?}", rows.try_collect::<Vec<_>>().await?)),
            // A table whose columns were given is not read before it is asked for.
            Outcome::Done { tag, .. } if tag == "CREATE EXTERNAL TABLE" => {
                let read = async { session.query("SELECT * FROM t").await?.try_collect::<Vec<_>>().await };
                let read = read.await;
                session.query("DROP TABLE t").await.map(drop).unwrap_err();
                Ok(format!("{:?}", read?))
            }
            Outcome::Done { tag, .. } => Ok(tag),
        }
    };
    match run.await {
        Ok(rows) => Err(rows),
        Err::<_, dreyer::Error>(error) => Ok(error),
    }
}

async fn check(session: &Session, locations: &[String]) {
    for location in locations {
        for statement in STATEMENTS {
            let sql = statement.replace("{}", location);
            match refusal(session, &sql).await {
                Ok(error) => {
                    assert!(REFUSALS.contains(&error.sqlstate()), "{sql}: {error:?}");
                    assert!(!format!("{error:?}").contains(SECRET), "{sql}: {error:?}");
                }
                Err(rows) => panic!("{sql} gives {rows}"),
            }
        }
    }
}

#[tokio::test]
async fn statements_on_a_server_reach_nothing_but_the_roots() {
    let place = Place::new().await;
    let session = place.session(Access::ReadOnly).await;
    check(&session, &place.files()).await;
    check(&session, &place.addresses()).await;
    assert_eq!(place.asked.load(Ordering::Relaxed), 0, "somebody was asked");
    let outside: Vec<_> = fs::read_dir(place.folder.path().join("outside")).unwrap().collect();
    assert_eq!(outside.len(), 1, "something was written");
}

/// Nor do those on a server where tables may be written.
#[tokio::test]
async fn statements_where_tables_are_written_reach_nothing_but_the_roots() {
    let place = Place::new().await;
    let config = Config {
        roots: vec![
            place.root.display().to_string(),
            format!("http://{}/gaia_bright", place.web.address),
        ],
        writable: Some(place.folder.path().join("mine").display().to_string()),
        ..Config::default()
    };
    let session = Database::open(config).await.unwrap().session();
    let mut files = place.files();
    files.retain(|file| !file.ends_with("hipparcos/new.csv"));
    check(&session, &files).await;
    check(&session, &place.addresses()).await;
    assert_eq!(place.asked.load(Ordering::Relaxed), 0, "somebody was asked");
    let outside: Vec<_> = fs::read_dir(place.folder.path().join("outside")).unwrap().collect();
    assert_eq!(outside.len(), 1, "something was written");
}

/// One's own machine is one's own; the network is still the roots only.
#[tokio::test]
async fn statements_in_a_shell_reach_no_other_server() {
    let place = Place::new().await;
    let session = place.session(Access::Full).await;
    check(&session, &place.addresses()).await;
    assert_eq!(place.asked.load(Ordering::Relaxed), 0, "somebody was asked");
}

/// What any statement to come would go through.
#[tokio::test]
async fn the_stores_themselves_end_at_the_roots() {
    let place = Place::new().await;
    let session = place.session(Access::ReadOnly).await;
    let runtime = session.context().runtime_env();
    let disk = runtime.object_store(ObjectStoreUrl::local_filesystem()).unwrap();
    let root = place.root.display().to_string();
    let inside = Path::parse(format!("{root}/hipparcos/properties")).unwrap();
    assert!(disk.get(&inside).await.is_ok());
    for path in [
        "/etc/passwd".to_owned(),
        format!("{root}/gate/secret.csv"),
        format!("{root}/gate.csv"),
        root.replace("/root", "/outside"),
    ] {
        let path = Path::parse(path).unwrap();
        assert!(
            disk.get(&path).await.is_err() && disk.head(&path).await.is_err(),
            "{path}"
        );
        assert!(disk.get_ranges(&path, &[0..1, 1..2]).await.is_err(), "{path}");
        assert!(disk.put(&path, PutPayload::new()).await.is_err(), "{path}");
    }
    // Dots are names like any other to the store, and no folder is called so.
    for path in [
        format!("{root}/%2e%2e/outside/secret.csv"),
        format!("{root}/../outside/secret.csv"),
    ] {
        assert!(disk.get(&Path::from(path)).await.is_err());
    }
    let listed: Vec<_> = disk
        .list(Some(&Path::parse(&root).unwrap()))
        .try_collect()
        .await
        .unwrap();
    assert!(
        listed.iter().all(|object| !object.location.as_ref().contains("gate")),
        "{listed:?}"
    );
    let web = ObjectStoreUrl::parse(format!("http://{}", place.web.address)).unwrap();
    let web = runtime.object_store(web).unwrap();
    assert!(web.get(&Path::from("gaia_bright/properties")).await.is_ok());
    assert!(web.get(&Path::from("hipparcos/properties")).await.is_err());
    for other in [
        "http://169.254.169.254",
        "http://localhost:80",
        "s3://bucket",
        "sample://sky",
    ] {
        assert!(
            runtime.object_store(ObjectStoreUrl::parse(other).unwrap()).is_err(),
            "{other}"
        );
    }
}
