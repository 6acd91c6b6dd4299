//! The PostgreSQL door, knocked at by real clients: psql, psycopg, and messages made by hand.

mod audit;
mod catalog;
mod copy;
mod cursors;
mod drain;
mod encryption;
mod grants;
pub(crate) mod knock;
mod limits;
mod login;
mod matrix;
mod protocol;
mod psql;
mod psycopg;
mod q3c;
mod storm;
mod stream;
mod users;
mod writes;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Output, Stdio};

use dreyer::{Config, Database};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A server in this process, on a port of its own.
struct Server {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<dreyer::Result<()>>,
}

impl Server {
    /// Serves the sample sky.
    async fn start() -> Self {
        Self::with(Config::default()).await
    }

    async fn with(config: Config) -> Self {
        let database = Database::open(config).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(dreyer::pg::serve(database, listener, shutdown.clone()));
        Self {
            address,
            shutdown,
            task,
        }
    }

    /// A command that finds the server by libpq's environment variables.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env("PGHOST", self.address.ip().to_string())
            .env("PGPORT", self.address.port().to_string())
            .env("PGUSER", "dreyer")
            .env("PGDATABASE", "dreyer")
            .env("PGCONNECT_TIMEOUT", "10")
            .env_remove("PGOPTIONS")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// What psql says to a script on its standard input: output and errors in one, as on a terminal.
    async fn psql(&self, options: &[&str], script: &str) -> String {
        let mut child = self
            .command("psql")
            .args(["-X", "-P", "pager=off"])
            .args(options)
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(script.as_bytes()).await.unwrap();
        drop(input);
        let output = child.wait_with_output().await.unwrap();
        format!("{}{}", text(&output.stdout), text(&output.stderr))
    }

    /// Runs a Python script of this folder; its failure is the test's.
    async fn python(&self, script: &str) -> String {
        self.python_with(script, &[]).await
    }

    /// The same with more variables in its environment.
    async fn python_with(&self, script: &str, variables: &[(&str, &str)]) -> String {
        let python = std::env::var("DREYER_TEST_PYTHON")
            .expect("DREYER_TEST_PYTHON must name a Python with psycopg 3; tests/run makes one");
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/clients");
        let mut command = self.command(python);
        command.arg(here.join(script)).envs(variables.iter().copied());
        let output: Output = command.output().await.unwrap();
        assert!(
            output.status.success(),
            "{}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.cancel();
        self.task.abort();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
