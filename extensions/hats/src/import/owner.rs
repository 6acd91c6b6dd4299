//! Who runs an import, as its lock or marker tells others: words for people, and, where the system can tell, what lets
//! another process of the same machine know for certain that it is dead.

use std::fs;

use chrono::Utc;

/// Who we are, for those whom we keep waiting.
pub(crate) fn words() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let now = Utc::now().format("%Y-%m-%dT%H:%M:%SZ");
    format!("process {} on {} since {now}", std::process::id(), host.trim())
}

/// The text of a marker: words, then a name that no other run has, then the process.
pub(crate) fn signature() -> String {
    let process = Process::current().map(|process| process.line()).unwrap_or_default();
    format!("{}\nrun {:032x}\n{process}\n", words(), rand::random::<u128>())
}

/// The words of a marker, for an error.
pub(crate) fn shown(signature: &str) -> &str {
    signature.lines().next().unwrap_or_default().trim()
}

/// Whether whoever signed is known to run no more: it was a process of this machine, as we see them, and there is none of
/// its number that was started then. Of other machines nothing is known.
pub(crate) fn is_dead(signature: &str) -> bool {
    let signed = signature.lines().find_map(Process::of_line);
    let (Some(signed), Some(here)) = (signed, Process::current()) else {
        return false;
    };
    signed.machine == here.machine && signed.is_over()
}

/// Whether this very process signed.
pub(crate) fn is_ours(signature: &str) -> bool {
    match (signature.lines().find_map(Process::of_line), Process::current()) {
        (Some(signed), Some(here)) => signed == here,
        _ => signature.starts_with(&format!("process {} on ", std::process::id())),
    }
}

/// One process among all that ever were on any machine.
#[derive(Debug, PartialEq, Eq)]
struct Process {
    /// This start of this machine, and the world of process numbers within it: containers have one of their own.
    machine: String,
    id: String,
    /// When it was started, in ticks of the machine's clock.
    start: String,
}

impl Process {
    /// This one, where the system tells.
    fn current() -> Option<Self> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let world = fs::read_link("/proc/self/ns/pid").ok()?;
        let id = std::process::id().to_string();
        let (_, start) = state_and_start(&fs::read_to_string("/proc/self/stat").ok()?)?;
        Some(Self {
            machine: format!("{}/{}", boot.trim(), world.display()),
            id,
            start,
        })
    }

    fn line(&self) -> String {
        format!("machine {} process {} started {}", self.machine, self.id, self.start)
    }

    fn of_line(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let ["machine", machine, "process", id, "started", start] = words[..] else {
            return None;
        };
        let is_number = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| Self {
            machine: machine.to_owned(),
            id: id.to_owned(),
            start: start.to_owned(),
        })
    }

    /// Whether a process of this machine has ended. One that has, and that nobody has asked for yet, has ended.
    fn is_over(&self) -> bool {
        match fs::read_to_string(format!("/proc/{}/stat", self.id)) {
            Ok(stat) => state_and_start(&stat)
                .is_some_and(|(state, start)| start != self.start || ["Z", "X"].contains(&state.as_str())),
            // Where other users' processes are hidden, not seeing one tells nothing.
            Err(error) => error.kind() == std::io::ErrorKind::NotFound && fs::metadata("/proc/1/stat").is_ok(),
        }
    }
}

/// State and start of a process as `/proc/N/stat` tells them, behind its name, which may hold anything.
fn state_and_start(stat: &str) -> Option<(String, String)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.to_owned();
    Some((state, fields.nth(18)?.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_signature_is_of_one_run_of_one_process() {
        let (one, two) = (signature(), signature());
        assert_ne!(one, two);
        assert!(is_ours(&one) && is_ours(&two));
        assert!(!is_dead(&one));
        assert!(shown(&one).starts_with(&format!("process {} on ", std::process::id())));
        for foreign in [
            "",
            "somebody",
            "machine x process ../1 started 5",
            "process 1 on other since ever",
        ] {
            assert!(!is_dead(foreign) && !is_ours(foreign), "{foreign}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_dead_are_known_on_their_own_machine_only() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        let here = Process::current().unwrap();
        let process = Process {
            machine: here.machine,
            id: child.id().to_string(),
            start: state_and_start(&stat).unwrap().1,
        };
        let text = format!("somebody\n{}\n", process.line());
        assert!(!is_dead(&text));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(is_dead(&text));
        let elsewhere = Process {
            machine: "another".to_owned(),
            ..process
        };
        assert!(!is_dead(&elsewhere.line()));
        // Another process that got our number is not us.
        let reused = signature().replace("started ", "started 1");
        assert!(is_dead(&reused) && !is_ours(&reused));
    }

    #[test]
    fn names_of_processes_may_hold_anything() {
        let stat = format!(
            "12 (a ) R 1) S {} 777 9",
            (0..18).map(|n| n.to_string()).collect::<Vec<_>>().join(" ")
        );
        assert_eq!(state_and_start(&stat), Some(("S".to_owned(), "777".to_owned())));
        assert_eq!(state_and_start("garbage"), None);
    }
}
