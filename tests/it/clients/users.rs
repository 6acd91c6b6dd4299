//! Servers with users, and what these say.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dreyer::Config;
use tempfile::TempDir;

use super::{Server, text};

/// A server with a file of users.
pub(super) struct Guarded {
    pub(super) server: Server,
    pub(super) folder: TempDir,
}

/// Runs `dreyer user` with something on its standard input; what it says, and whether it was done.
pub(super) fn user(file: &Path, arguments: &[&str], input: &str) -> (bool, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dreyer"))
        .arg("user")
        .args(arguments)
        .arg("--users")
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (
        output.status.success(),
        format!("{}{}", text(&output.stdout), text(&output.stderr)),
    )
}

/// The same of something that must be done.
pub(super) fn told(file: &Path, arguments: &[&str], input: &str) -> String {
    let (done, said) = user(file, arguments, input);
    assert!(done, "{said}");
    said
}

impl Guarded {
    /// The sample sky, and as users: `root`, who may grant, and `ada`. Their passwords are their names and `-word`.
    pub(super) async fn start() -> Self {
        Self::with(Config::default()).await
    }

    pub(super) async fn with(config: Config) -> Self {
        let guarded = Self::without_users(config).await;
        guarded.add("root", &["--admin"]);
        guarded.add("ada", &[]);
        guarded
    }

    /// The same before there are users.
    pub(super) async fn without_users(mut config: Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        config.users_file = Some(folder.path().join("users.json"));
        config.pg.failed_login_delay_ms = config.pg.failed_login_delay_ms.min(1);
        let server = Server::with(config).await;
        Self { server, folder }
    }

    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join("users.json")
    }

    /// Adds a user.
    pub(super) fn add(&self, name: &str, options: &[&str]) {
        let arguments = [&["add", name, "--password-stdin"], options].concat();
        told(&self.file(), &arguments, &format!("{name}-word\n"));
    }

    /// What psql says as a user with that password.
    pub(super) async fn psql_with(&self, user: &str, password: &str, script: &str) -> String {
        self.psql_over("prefer", user, password, script).await
    }

    /// The same as a user with the right password.
    pub(super) async fn psql(&self, user: &str, script: &str) -> String {
        self.psql_with(user, &format!("{user}-word"), script).await
    }

    /// The same with what libpq is told of encryption: `require`, or `verify-full sslrootcert=FILE`.
    pub(super) async fn psql_over(&self, mode: &str, user: &str, password: &str, script: &str) -> String {
        let address = self.server.address;
        let line = format!(
            "host={} port={} user={user} dbname=dreyer sslmode={mode}",
            address.ip(),
            address.port()
        );
        let output = self
            .server
            .command("psql")
            .args(["-X", "-At", "-w", "-v", "VERBOSITY=verbose", "-d", &line, "-c", script])
            .env("PGPASSWORD", password)
            .output()
            .await
            .unwrap();
        format!("{}{}", text(&output.stdout), text(&output.stderr))
    }
}
