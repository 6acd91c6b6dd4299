//! The files under test: this repository, or a made-up tree. Not a general directory walker: what git ignores is
//! not part of the tree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files by their path from the root, `/` between the parts.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    root: Option<PathBuf>,
    files: BTreeMap<String, Vec<u8>>,
}

impl Tree {
    /// A tree that exists only in a test.
    pub fn made_up(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
            .collect();
        Self { root: None, files }
    }

    /// The repository that this crate stands in: tracked files, and new ones that git does not ignore.
    pub fn of_this_repository() -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.ancestors().nth(2).unwrap_or(here).to_path_buf();
        let paths = listed_by_git(&root).unwrap_or_else(|| walked(&root, &root));
        // A path that git lists and the disk lacks was deleted and not yet committed.
        let read = |path: String| std::fs::read(root.join(&path)).ok().map(|bytes| (path, bytes));
        let files: BTreeMap<_, _> = paths.into_iter().filter_map(read).collect();
        Self {
            root: Some(root),
            files,
        }
    }

    /// Where the tree lies on disk, if it does.
    pub fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    /// Every path, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Every path with its size in bytes.
    pub fn sizes(&self) -> impl Iterator<Item = (&str, usize)> {
        self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.len()))
    }

    /// The text of one file; `None` if it is missing or is not UTF-8.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// Every text file (UTF-8 without NUL).
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, bytes)| {
            let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))?;
            Some((path.as_str(), text))
        })
    }

    /// The text files whose name ends so.
    pub fn texts_ending<'a>(&'a self, ending: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.texts().filter(move |(path, _)| path.ends_with(ending))
    }
}

fn listed_by_git(root: &Path) -> Option<Vec<String>> {
    let listing = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let paths: Vec<_> = String::from_utf8(listing.stdout)
        .ok()?
        .split_terminator('\0')
        .map(str::to_owned)
        .collect();
    (!paths.is_empty()).then_some(paths)
}

/// For a source archive, which has no `.git`.
fn walked(root: &Path, folder: &Path) -> Vec<String> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            if name != ".git" && name != "target" {
                paths.extend(walked(root, &path));
            }
        } else if let Some(path) = path.strip_prefix(root).ok().and_then(Path::to_str) {
            paths.push(path.replace('\\', "/"));
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_and_the_walk_agree_on_what_matters() {
        let tree = Tree::of_this_repository();
        let root = tree.root().unwrap();
        let walk = walked(root, root);
        for path in tree.paths() {
            assert!(walk.iter().any(|walked| walked == path), "the walk missed {path}");
        }
    }
}
