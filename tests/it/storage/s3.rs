//! A real S3 server, which checks signatures: reading as from disk, keys, conditions, uploads, and the program itself.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::execution::object_store::ObjectStoreUrl;
use dreyer::{Config, Credentials, Database, Outcome, Session};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{
    Error, GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion, WriteMultipart,
};

use super::{QUERIES, all_rows, right_rows, rows, shown};
use crate::support::seaweed::{self, KEY, PUBLIC, S3Server, SECRET};

/// One server for all of it: starting one takes seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_s3_server_is_read_and_written() {
    let server = S3Server::start().await;
    server.upload_sample("sky", "catalogues/all").await;
    server.upload_sample(PUBLIC, "hats").await;
    rows_are_those_of_the_disk(&server).await;
    keys_are_checked_and_never_shown(&server).await;
    the_bucket_ends_at_the_root(&server).await;
    conditions_and_uploads_work(&server).await;
    a_rewritten_object_is_noticed(&server).await;
    the_program_serves_a_bucket(&server);
}

async fn rows_are_those_of_the_disk(server: &S3Server) {
    let right = right_rows().await;
    let database = Database::open(seaweed::config(&server.endpoint(), "sky", "catalogues/all"))
        .await
        .unwrap();
    assert_eq!(all_rows(&database.session()).await, right);
    let metrics = database.storage_metrics().remove(0);
    assert_eq!(metrics.store, "s3://sky");
    assert!(
        metrics.lists > 0 && metrics.gets > 12 && metrics.bytes_read > 100_000,
        "{metrics:?}"
    );
    assert_eq!((metrics.puts, metrics.failures), (0, 0), "{metrics:?}");
    let shown = format!(
        "{database:?} {:?}",
        database.session().context().runtime_env().object_store_registry
    );
    assert!(!shown.contains(SECRET) && !shown.contains(KEY), "{shown}");

    // Without keys, where the bucket is for everybody.
    let mut config = seaweed::config(&server.endpoint(), PUBLIC, "hats");
    config.storage.credentials.clear();
    config.roots[0] += "&anonymous=true";
    assert_eq!(all_rows(&Database::open(config).await.unwrap().session()).await, right);
}

async fn keys_are_checked_and_never_shown(server: &S3Server) {
    let good = seaweed::config(&server.endpoint(), "sky", "catalogues/all");
    let with = |key: &str, secret: &str| {
        let mut config = good.clone();
        config
            .storage
            .credentials
            .insert("s3://sky".to_owned(), Credentials::new(key, secret));
        config
    };
    let mut anonymous = good.clone();
    anonymous.storage.credentials.clear();
    anonymous.roots[0] += "&anonymous=true";
    for (config, what) in [
        (with(KEY, "hush-wrong-secret"), "a wrong secret"),
        (with("AKIANOBODY", SECRET), "a wrong key"),
        (anonymous, "no key"),
    ] {
        let from = Instant::now();
        let error = Database::open(config).await.unwrap_err();
        assert_eq!(error.sqlstate(), "42501", "{what}: {error:?}");
        assert!(
            error.message.contains("s3://sky/catalogues/all") && error.message.contains("403"),
            "{error:?}"
        );
        assert!(from.elapsed() < Duration::from_secs(5), "{what} is not tried again");
        let shown = shown(&error);
        assert!(
            !["hush", "AKIA", "Signature="].iter().any(|word| shown.contains(word)),
            "{what}: {shown}"
        );
    }
}

/// The store that statements reach.
fn store(session: &Session) -> Arc<dyn ObjectStore> {
    let url = ObjectStoreUrl::parse("s3://sky").unwrap();
    session.context().runtime_env().object_store(url).unwrap()
}

async fn the_bucket_ends_at_the_root(server: &S3Server) {
    server
        .store("sky")
        .put(
            &Path::from("catalogues/other/a.csv"),
            PutPayload::from_static(b"a\n1\n"),
        )
        .await
        .unwrap();
    let session = Database::open(seaweed::config(&server.endpoint(), "sky", "catalogues/all"))
        .await
        .unwrap()
        .session();
    let store = store(&session);
    assert!(
        store
            .head(&Path::from("catalogues/all/hipparcos/properties"))
            .await
            .is_ok()
    );
    for path in ["catalogues/other/a.csv", "catalogues/allx/a.csv", "catalogues"] {
        let path = Path::from(path);
        for error in [
            store.get(&path).await.map(drop).unwrap_err(),
            store.head(&path).await.map(drop).unwrap_err(),
            store
                .list(Some(&path))
                .try_collect::<Vec<_>>()
                .await
                .map(drop)
                .unwrap_err(),
            store.list_with_delimiter(Some(&path)).await.map(drop).unwrap_err(),
        ] {
            assert!(matches!(error, Error::PermissionDenied { .. }), "{path}: {error}");
        }
    }
    let inside = Path::from("catalogues/all/new");
    assert!(matches!(
        store.put(&inside, PutPayload::new()).await,
        Err(Error::PermissionDenied { .. })
    ));
    assert!(
        store
            .delete(&Path::from("catalogues/all/hipparcos/properties"))
            .await
            .is_err()
    );
    for url in ["s3://other", "http://169.254.169.254", "file://"] {
        let url = ObjectStoreUrl::parse(url).unwrap();
        let error = session.context().runtime_env().object_store(&url).unwrap_err();
        assert_eq!(dreyer::Error::from(error).sqlstate(), "42501");
    }
}

async fn conditions_and_uploads_work(server: &S3Server) {
    let mut config = seaweed::config(&server.endpoint(), "sky", "catalogues/all");
    config.writable = Some(config.roots[0].replace("catalogues/all", "mine"));
    let database = Database::open(config).await.unwrap();
    let store = store(&database.session());
    let (path, text) = (Path::from("mine/manifest"), PutPayload::from_static);
    let create = PutOptions::from(PutMode::Create);
    let first = store.put_opts(&path, text(b"one"), create.clone()).await.unwrap();
    let again = store.put_opts(&path, text(b"two"), create).await.unwrap_err();
    assert!(matches!(again, Error::AlreadyExists { .. }), "{again}");
    let update = |etag: &Option<String>| {
        PutOptions::from(PutMode::Update(UpdateVersion {
            e_tag: etag.clone(),
            version: None,
        }))
    };
    let second = store.put_opts(&path, text(b"two"), update(&first.e_tag)).await.unwrap();
    let stale = store
        .put_opts(&path, text(b"three"), update(&first.e_tag))
        .await
        .unwrap_err();
    assert!(matches!(stale, Error::Precondition { .. }), "{stale}");
    assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "two");
    let old = GetOptions {
        if_match: first.e_tag.clone(),
        ..GetOptions::default()
    };
    assert!(matches!(
        store.get_opts(&path, old).await,
        Err(Error::Precondition { .. })
    ));
    let known = GetOptions {
        if_none_match: second.e_tag.clone(),
        ..GetOptions::default()
    };
    assert!(matches!(
        store.get_opts(&path, known).await,
        Err(Error::NotModified { .. })
    ));

    // Parts of more than 5 MiB, which is what S3 asks for, and a body of several stretches when it comes back.
    let bytes: Vec<u8> = (0..12_000_000_u32)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let large = Path::from("mine/large");
    let mut upload = WriteMultipart::new_with_chunk_size(store.put_multipart(&large).await.unwrap(), 5_500_000);
    upload.write(&bytes);
    upload.finish().await.unwrap();
    assert!(
        store.get(&large).await.unwrap().bytes().await.unwrap() == bytes,
        "not what was written"
    );
    let ranges = store
        .get_ranges(&large, &[5..10, 11_999_990..12_000_000])
        .await
        .unwrap();
    assert_eq!((&ranges[0][..], &ranges[1][..]), (&bytes[5..10], &bytes[11_999_990..]));
    assert!(
        store.get_ranges(&large, &[0..1, 11_999_990..12_000_001]).await.is_err(),
        "a range that is not all there"
    );
    let empty = Path::from("mine/empty");
    store.put(&empty, PutPayload::new()).await.unwrap();
    assert!(store.get(&empty).await.unwrap().bytes().await.unwrap().is_empty());
    let names: Vec<_> = store
        .list(Some(&Path::from("mine")))
        .map_ok(|object| object.location)
        .try_collect()
        .await
        .unwrap();
    assert_eq!(names, [empty, large.clone(), path]);
    store.delete(&large).await.unwrap();
    assert!(matches!(store.head(&large).await, Err(Error::NotFound { .. })));
    let metrics = database.storage_metrics().remove(0);
    assert!(
        metrics.puts >= 8 && metrics.deletes == 1 && metrics.bytes_written > 12_000_000,
        "{metrics:?}"
    );
}

/// Other bytes in a leaf after planning: the rows of the new version, or an error that says so.
async fn a_rewritten_object_is_noticed(server: &S3Server) {
    server.upload_sample("sky", "moving").await;
    let session = Database::open(seaweed::config(&server.endpoint(), "sky", "moving"))
        .await
        .unwrap()
        .session();
    let right = rows(&session, QUERIES[0]).await.unwrap();
    let leaf = "moving/hipparcos/dataset/Norder=0/Dir=0/Npix=0.parquet";
    let (admin, leaf) = (server.store("sky"), Path::from(leaf));
    let bytes = admin.get(&leaf).await.unwrap().bytes().await.unwrap();
    let statement = session.parse(QUERIES[0]).unwrap().remove(0);
    let plan = session.plan(&statement).await.unwrap();
    // A Parquet file is read from its end, so bytes before it change the version and nothing else.
    let mut other = bytes.to_vec();
    other.splice(4..4, []);
    admin.put(&leaf, [&other[..], &[]].concat().into()).await.unwrap();
    let Outcome::Rows(again) = session.execute(plan).await.unwrap() else {
        panic!("a query gives rows")
    };
    let again: Vec<_> = again.try_collect().await.unwrap();
    let drawn = datafusion::arrow::util::pretty::pretty_format_batches(&again)
        .unwrap()
        .to_string();
    assert_eq!(drawn, right);

    // What is no longer a Parquet file fails, and says which.
    admin
        .put(&leaf, PutPayload::from_static(b"PAR1 once, and now something else"))
        .await
        .unwrap();
    let plan = session.plan(&statement).await.unwrap();
    let error = match session.execute(plan).await {
        Ok(Outcome::Rows(rows)) => dreyer::Error::from(rows.try_collect::<Vec<_>>().await.unwrap_err()),
        Ok(done) => panic!("{done:?}"),
        Err(error) => error,
    };
    assert!(["58030", "40001"].contains(&error.sqlstate()), "{error:?}");
}

fn the_program_serves_a_bucket(server: &S3Server) {
    let root = format!("s3://sky/catalogues/all?endpoint={}", server.endpoint());
    let mut child = Command::new(env!("CARGO_BIN_EXE_dreyer"))
        .args(["serve", "--pg", "127.0.0.1:0", &root])
        .env("AWS_ACCESS_KEY_ID", KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .env("AWS_REGION", "us-east-1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let port = line
        .split_whitespace()
        .skip_while(|word| *word != "-p")
        .nth(1)
        .unwrap()
        .to_owned();
    let output = Command::new("psql")
        .args([
            "-X",
            "-A",
            "-t",
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-U",
            "dreyer",
            "dreyer",
            "-c",
        ])
        .arg("SELECT count(*), sum(hip) FROM hipparcos WHERE ra >= 0")
        .args(["-c", "SELECT store, gets > 12, puts, failures FROM pg_stat_storage"])
        .output()
        .unwrap();
    let killed = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success() && child.wait().unwrap().success());
    assert!(
        String::from_utf8_lossy(&output.stdout).starts_with("117955|"),
        "{output:?}"
    );
}

#[tokio::test]
async fn without_any_keys_the_error_says_what_to_set() {
    if std::env::vars().any(|(name, _)| name.starts_with("AWS_")) {
        return; // The machine has keys of its own.
    }
    let mut config = Config {
        roots: vec!["s3://sky/x?endpoint=http://127.0.0.1:1".to_owned()],
        ..Config::default()
    };
    config.storage.timeout_s = 0.2;
    config.storage.retries = 0;
    let error = Database::open(config).await.unwrap_err();
    assert!(["42501", "58030"].contains(&error.sqlstate()), "{error:?}");
}
