//! Programs that run, and what they say.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// Lines after which each command is at work.
const AT_WORK: [(&str, &str); 2] = [("serve", "listening on "), ("worker", "working on ")];

/// A `dreyer` that serves or works. It is killed when dropped.
pub(super) struct Process {
    pub(super) child: Child,
    lines: Vec<String>,
    /// Where its temporary files lie, and nobody else's.
    scratch: TempDir,
}

impl Process {
    pub(super) async fn start(arguments: &[&str]) -> Self {
        Self::of(env!("CARGO_BIN_EXE_dreyer"), arguments).await
    }

    /// The same for another file.
    pub(super) async fn of(program: &str, arguments: &[&str]) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let mut child = Command::new(program)
            .args(arguments)
            .env("TMPDIR", scratch.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let last = AT_WORK.iter().find(|(command, _)| *command == arguments[0]).unwrap().1;
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut lines = Vec::new();
        while !lines.iter().any(|line: &String| line.starts_with(last)) {
            let line = tokio::time::timeout(Duration::from_secs(60), output.next_line());
            let line = line.await.expect("it said nothing for a minute").unwrap();
            lines.push(line.unwrap_or_else(|| panic!("{arguments:?} ended after {lines:?}")));
        }
        // What it says later goes nowhere; a closed pipe would be an error of its own.
        tokio::spawn(async move { while let Ok(Some(_)) = output.next_line().await {} });
        Self { child, lines, scratch }
    }

    /// The folder of its temporary files.
    pub(super) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// The address that it said after these words.
    pub(super) fn said(&self, words: &str) -> String {
        let line = self.lines.iter().find_map(|line| line.strip_prefix(words)).unwrap();
        line.split([' ', ';']).next().unwrap().to_owned()
    }

    pub(super) fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(
            std::process::Command::new("kill")
                .args([name, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Status and body of a page of those who watch.
    pub(super) async fn page(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.said("watched on ")).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// A figure among those for Prometheus: `name` or `name{label="value"}`.
    pub(super) async fn metric(&self, name: &str) -> u64 {
        let (status, body) = self.page("/metrics").await;
        assert_eq!(status, 200);
        let line = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {body}")).parse().unwrap()
    }
}

/// A psql that talks to a server.
#[derive(Clone)]
pub(super) struct Psql {
    host: String,
    port: String,
}

/// What psql said: rows, and errors with notices.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) rows: String,
    pub(super) errors: String,
}

impl Psql {
    pub(super) fn to(address: &str) -> Self {
        let (host, port) = address.rsplit_once(':').unwrap();
        Self {
            host: host.to_owned(),
            port: port.to_owned(),
        }
    }

    pub(super) fn command(&self, sql: &str) -> Command {
        let mut command = Command::new("psql");
        command
            .args([
                "-X", "-At", "-h", &self.host, "-p", &self.port, "-U", "dreyer", "dreyer",
            ])
            .args(["-v", "VERBOSITY=verbose", "-c", sql])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs one statement in a session with `dreyer.compute` at its default.
    pub(super) async fn run(&self, sql: &str) -> Said {
        let output = self.command(sql).output().await.unwrap();
        Said {
            rows: String::from_utf8(output.stdout).unwrap(),
            errors: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs one statement, dealt to the workers.
    pub(super) async fn dealt(&self, sql: &str) -> Said {
        self.with("distributed", sql).await
    }

    pub(super) async fn with(&self, compute: &str, sql: &str) -> Said {
        let mut command = self.command(&format!("SET dreyer.compute = '{compute}'"));
        let output = command.args(["-c", sql]).output().await.unwrap();
        let rows = String::from_utf8(output.stdout).unwrap();
        Said {
            rows: rows.strip_prefix("SET\n").unwrap_or(&rows).to_owned(),
            errors: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
