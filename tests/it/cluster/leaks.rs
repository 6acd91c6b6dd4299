//! What a process holds of its machine: open files, sockets and temporary files. After whatever happened it holds no more
//! than it did before.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::process::Process;

/// Time in which a process lets go of what it no longer needs: as long as it takes to notice that a line is dead.
const SETTLED: Duration = Duration::from_secs(20);

/// What a process holds, by kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Held(BTreeMap<String, Vec<String>>);

impl Held {
    pub(super) fn by(process: &Process) -> Self {
        let id = process.child.id().unwrap();
        let addresses = addresses(id);
        let mut held = Self::default();
        for entry in fs::read_dir(format!("/proc/{id}/fd")).unwrap().flatten() {
            // It may be closed by now.
            let Ok(link) = fs::read_link(entry.path()) else {
                continue;
            };
            let link = link.display().to_string();
            let kind = link.split(':').next().unwrap_or_default();
            match kind {
                "socket" => held.add("socket", addresses.get(&link).unwrap_or(&link)),
                "pipe" | "anon_inode" => held.add(kind, &link),
                _ => held.add(&link, &link),
            }
        }
        files(process.scratch(), &mut held);
        held
    }

    fn add(&mut self, kind: &str, what: &str) {
        self.0.entry(kind.to_owned()).or_default().push(what.to_owned());
    }

    /// What is more than there was.
    fn beyond(&self, before: &Self) -> Vec<String> {
        let mut more = Vec::new();
        for (kind, now) in &self.0 {
            let then = before.0.get(kind).cloned().unwrap_or_default();
            if now.len() > then.len() {
                more.push(format!(
                    "{kind}: {} where there were {}: {now:?}, before {then:?}",
                    now.len(),
                    then.len()
                ));
            }
        }
        more
    }
}

/// Waits until a process holds no more than it did.
pub(super) async fn none(of: &Process, before: &Held, when: &str) {
    let began = Instant::now();
    loop {
        let more = Held::by(of).beyond(before);
        if more.is_empty() {
            return;
        }
        assert!(began.elapsed() < SETTLED, "{when}: not let go of: {more:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn files(folder: &Path, held: &mut Held) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files(&entry.path(), held),
            _ => held.add("temporary file", &entry.path().display().to_string()),
        }
    }
}

/// From where to where the sockets of a process lead, as the kernel writes it, by the link that stands for each.
fn addresses(id: u32) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for table in ["tcp", "tcp6"] {
        let text = fs::read_to_string(format!("/proc/{id}/net/{table}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let [_, local, remote, state, _, _, _, _, _, inode, ..] = words.as_slice() {
                found.insert(
                    format!("socket:[{inode}]"),
                    format!("{local} to {remote}, state {state}"),
                );
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_open_is_seen() {
    let process = super::worker().await;
    let before = Held::by(&process);
    assert!(before.0["socket"].len() >= 2, "it listens: {before:?}");
    none(&process, &before, "at rest").await;
    let address = process.said("working on ");
    let line = tokio::net::TcpStream::connect(&address).await.unwrap();
    let seen = async || Held::by(&process).beyond(&before).len() == 1;
    super::until("a connection more", Duration::from_secs(5), seen).await;
    drop(line);
    none(&process, &before, "after it was closed").await;
    fs::write(process.scratch().join("spilled"), "rows").unwrap();
    let more = Held::by(&process).beyond(&before);
    assert!(more.len() == 1 && more[0].contains("spilled"), "{more:?}");
}
