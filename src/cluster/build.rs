//! Which program this is. Plans are written down in the words of one build of the engine; a worker of another build may
//! read them wrongly, so it is not used.

use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io::Read;
use std::sync::OnceLock;

/// Version and fingerprint of the running executable: the same in all processes that run the same file.
pub(super) fn id() -> &'static str {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(|| format!("{} {:016x}", env!("CARGO_PKG_VERSION"), fingerprint().unwrap_or(0)))
}

fn fingerprint() -> std::io::Result<u64> {
    // The file of this process even after it was replaced on disk.
    let mut file = File::open("/proc/self/exe").or_else(|_| File::open(std::env::current_exe()?))?;
    let mut hasher = DefaultHasher::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            read => hasher.write(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_program_knows_itself() {
        assert_eq!(super::id(), super::id());
        assert!(!super::id().ends_with(" 0000000000000000"), "{}", super::id());
    }
}
