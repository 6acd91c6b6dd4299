//! The audit log: who came in, and what they asked, a line of JSON each.
//!
//! A thread of its own writes. What cannot be taken at once is not waited for: it is lost, and the log says how much was.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use super::redact::redact;
use crate::config::AuditConfig;
use crate::{DEFAULT_CATALOG, Error, ErrorKind, Result};

/// Lines that may wait to be written.
const QUEUE: usize = 8192;

/// Longest text of a statement that is written down, in bytes.
const STATEMENT_BYTES: usize = 8192;

/// A log that is being written.
#[derive(Debug)]
pub(super) struct Audit {
    /// `None` only while the last lines are written.
    lines: Option<SyncSender<String>>,
    lost: Arc<AtomicU64>,
    writer: Option<JoinHandle<()>>,
}

/// One line.
#[derive(Debug, Serialize)]
struct Line<'a> {
    time: String,
    event: &'static str,
    user: &'a str,
    address: SocketAddr,
    database: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    statement: Option<&'a str>,
    /// SQLSTATE: 00000 if all went well.
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    seconds: f64,
}

/// Who a line is about.
#[derive(Debug, Clone)]
pub(super) struct Who {
    pub(super) user: String,
    pub(super) address: SocketAddr,
    pub(super) pid: Option<i32>,
}

impl Audit {
    /// The log that the configuration asks for.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(super) fn configured(config: &AuditConfig) -> Result<Option<Self>> {
        let Some(path) = &config.file else { return Ok(None) };
        let log = Log::open(path, config.max_bytes).map_err(|error| {
            let message = format!("cannot write the audit log {}: {error}", path.display());
            Error::new(ErrorKind::Configuration, message)
        })?;
        let (lines, queue) = sync_channel(QUEUE);
        let lost = Arc::<AtomicU64>::default();
        let missing = Arc::clone(&lost);
        let writer = std::thread::Builder::new().name("dreyer-audit".to_owned());
        let writer = writer.spawn(move || log.run(&queue, &missing)).map_err(Error::from)?;
        Ok(Some(Self {
            lines: Some(lines),
            lost,
            writer: Some(writer),
        }))
    }

    /// Somebody came in, or did not.
    pub(super) fn login(&self, who: &Who, outcome: &str, took: Duration) {
        self.write(&line("login", who, outcome, took));
    }

    fn write(&self, line: &Line<'_>) {
        let sent = match (serde_json::to_string(line), &self.lines) {
            (Ok(text), Some(lines)) => lines.try_send(text).is_ok(),
            _ => false,
        };
        if !sent {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        // The writer ends with what is queued.
        self.lines = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

fn now() -> String {
    DateTime::<Utc>::from(std::time::SystemTime::now()).to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn line<'a>(event: &'static str, who: &'a Who, outcome: &'a str, took: Duration) -> Line<'a> {
    Line {
        time: now(),
        event,
        user: &who.user,
        address: who.address,
        database: DEFAULT_CATALOG,
        pid: who.pid,
        statement: None,
        outcome,
        rows: None,
        seconds: (took.as_secs_f64() * 1e6).round() / 1e6,
    }
}

/// The statement of one connection that is under way.
#[derive(Debug, Default)]
pub(super) struct Trail {
    now: Mutex<Option<Step>>,
}

#[derive(Debug)]
struct Step {
    text: String,
    since: Instant,
    /// Whether it was run, not just prepared.
    ran: bool,
    rows: Option<u64>,
}

impl Trail {
    /// A statement begins.
    pub(super) fn begin(&self, text: &str) {
        let mut end = text.len().min(STATEMENT_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        // Cut afterwards, so that no secret is cut off from what says that it is one.
        let shown = redact(&text[..end]).into_owned();
        *self.step() = Some(Step {
            text: if end < text.len() {
                format!("{shown} …")
            } else {
                shown
            },
            since: Instant::now(),
            ran: false,
            rows: None,
        });
    }

    /// It is run.
    pub(super) fn run(&self) {
        self.with(|step| step.ran = true);
    }

    /// It gave so many rows, and may give more.
    pub(super) fn rows(&self, rows: usize) {
        self.with(|step| step.rows = Some(rows as u64));
    }

    /// It was done: the last word of the command tag says how many rows there were.
    pub(super) fn done(&self, tag: &str) {
        self.with(|step| step.rows = tag.rsplit(' ').next().and_then(|word| word.parse().ok()));
    }

    /// It has ended: a line of the log, if it was run or has failed.
    pub(super) fn end(&self, audit: &Audit, who: &Who, outcome: &str) {
        let Some(step) = self.step().take() else { return };
        if step.ran || outcome != "00000" {
            let written = Line {
                statement: Some(&step.text),
                rows: step.rows,
                ..line("statement", who, outcome, step.since.elapsed())
            };
            audit.write(&written);
        }
    }

    fn with(&self, change: impl FnOnce(&mut Step)) {
        self.step().as_mut().map(change).unwrap_or_default();
    }

    fn step(&self) -> std::sync::MutexGuard<'_, Option<Step>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The file.
struct Log {
    path: PathBuf,
    most: u64,
    file: BufWriter<File>,
    length: u64,
    /// Whether the last write failed, which is complained of once.
    failing: bool,
}

impl Log {
    fn open(path: &Path, most: u64) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        Ok(Self {
            path: path.to_owned(),
            most,
            length: file.metadata()?.len(),
            file: BufWriter::new(file),
            failing: false,
        })
    }

    /// Writes what comes, until nobody is left who sends.
    fn run(mut self, lines: &Receiver<String>, lost: &AtomicU64) {
        while let Ok(first) = lines.recv() {
            let mut next = Some(first);
            let mut done = Ok(());
            while let Some(line) = next {
                let missing = lost.swap(0, Ordering::Relaxed);
                if missing > 0 {
                    let word = format!("{{\"time\":\"{}\",\"event\":\"lost\",\"lines\":{missing}}}", now());
                    done = done.and_then(|()| self.write(&word));
                }
                done = done.and_then(|()| self.write(&line));
                next = lines.try_recv().ok();
            }
            match done.and_then(|()| self.file.flush()) {
                Ok(()) => self.failing = false,
                Err(error) if !self.failing => {
                    tracing::error!(%error, path = %self.path.display(), "the audit log cannot be written");
                    self.failing = true;
                }
                Err(_) => {}
            }
        }
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        let bytes = line.len() as u64 + 1;
        if self.length > 0 && self.length + bytes > self.most {
            self.file.flush()?;
            let mut old = self.path.as_os_str().to_owned();
            old.push(".1");
            fs::rename(&self.path, old)?;
            *self = Self::open(&self.path, self.most)?;
        }
        self.file.write_all(line.as_bytes())?;
        self.file.write_all(b"\n")?;
        self.length += bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who() -> Who {
        Who {
            user: "ada".to_owned(),
            address: ([127, 0, 0, 1], 7).into(),
            pid: Some(3),
        }
    }

    fn audit(path: &Path, max_bytes: u64) -> Audit {
        let file = Some(path.to_owned());
        Audit::configured(&AuditConfig { file, max_bytes }).unwrap().unwrap()
    }

    #[test]
    fn what_was_run_or_failed_is_written_down() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let (log, trail) = (audit(&path, 1 << 20), Trail::default());
        trail.begin("SELECT 1");
        trail.run();
        trail.done("SELECT 7");
        trail.end(&log, &who(), "00000");
        trail.end(&log, &who(), "00000");
        trail.begin("SELECT prepared");
        trail.end(&log, &who(), "00000");
        trail.begin("ALTER USER a PASSWORD 'Canary'");
        trail.end(&log, &who(), "0A000");
        log.login(&who(), "28P01", Duration::from_millis(250));
        drop(log);
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!((&lines[0]["rows"], &lines[0]["outcome"]), (&7.into(), &"00000".into()));
        assert_eq!(lines[1]["statement"], "ALTER USER a PASSWORD '***'");
        assert_eq!(
            (&lines[2]["event"], &lines[2]["seconds"]),
            (&"login".into(), &0.25.into())
        );
        assert!(!text.contains("Canary"));
    }

    #[test]
    fn the_file_does_not_grow_for_ever_and_loss_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let log = audit(&path, 2000);
        log.lost.fetch_add(5, Ordering::Relaxed);
        for _ in 0..100 {
            log.login(&who(), "00000", Duration::ZERO);
        }
        drop(log);
        let old = folder.path().join("audit.jsonl.1");
        assert!(fs::metadata(&path).unwrap().len() <= 2000 && fs::metadata(&old).unwrap().len() <= 2000);
        let log = audit(&path, 1 << 20);
        log.lost.fetch_add(5, Ordering::Relaxed);
        log.login(&who(), "00000", Duration::ZERO);
        drop(log);
        assert!(
            fs::read_to_string(&path)
                .unwrap()
                .contains("\"event\":\"lost\",\"lines\":5")
        );
        assert!(
            Audit::configured(&AuditConfig {
                file: Some("/nowhere/x".into()),
                max_bytes: 1
            })
            .is_err()
        );
    }

    #[test]
    fn nobody_waits_for_a_slow_disk() {
        let (lines, queue) = sync_channel(1);
        let log = Audit {
            lines: Some(lines),
            lost: Arc::default(),
            writer: None,
        };
        let began = Instant::now();
        for _ in 0..1000 {
            log.login(&who(), "00000", Duration::ZERO);
        }
        assert!(began.elapsed() < Duration::from_secs(1));
        assert_eq!(log.lost.load(Ordering::Relaxed), 999);
        drop(queue);
    }
}
