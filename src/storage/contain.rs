//! Symbolic links that lead out of the roots lead nowhere.
//!
//! A path is resolved by the system and must then lie under a resolved root. Between that look and the read a link may
//! be changed; whoever can do that can write into a root, and so could put the file there in the first place.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use object_store::ObjectMeta;
use object_store::local::LocalFileSystem;
use object_store::path::Path;

/// The folders that paths must lie in once their links are resolved.
#[derive(Debug, Clone)]
pub(super) struct Contained {
    /// Resolved.
    roots: Vec<PathBuf>,
}

/// What becomes of a look at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leads {
    Inside,
    Outside,
}

impl Contained {
    pub(super) fn new(roots: Vec<PathBuf>) -> Self {
        Self { roots }
    }

    /// Where `location` leads. A path that does not exist leads where its nearest existing folder does.
    pub(super) fn look(&self, location: &Path) -> Leads {
        let Ok(path) = LocalFileSystem::new().path_to_filesystem(location) else {
            return Leads::Outside;
        };
        for ancestor in path.ancestors() {
            match ancestor.canonicalize() {
                Ok(resolved) if self.roots.iter().any(|root| resolved.starts_with(root)) => return Leads::Inside,
                Ok(_) => return Leads::Outside,
                // A link to nothing exists and resolves to nothing: a write through it would make what it names.
                Err(error) if error.kind() == io::ErrorKind::NotFound && !ancestor.is_symlink() => {}
                Err(_) => return Leads::Outside,
            }
        }
        Leads::Outside
    }

    /// Answers for the files of a listing, of which many lie in one folder.
    pub(super) fn for_listing(&self) -> impl FnMut(&ObjectMeta) -> bool + Send + use<> {
        let contained = self.clone();
        let mut folders: HashMap<String, Leads> = HashMap::new();
        move |object| {
            let (folder, _) = object.location.as_ref().rsplit_once('/').unwrap_or_default();
            let leads = folders
                .entry(folder.to_owned())
                .or_insert_with(|| Path::parse(folder).map_or(Leads::Outside, |folder| contained.look(&folder)));
            let link = LocalFileSystem::new()
                .path_to_filesystem(&object.location)
                .is_ok_and(|path| path.is_symlink());
            *leads == Leads::Inside && (!link || contained.look(&object.location) == Leads::Inside)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_that_leave_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("root");
        let outside = folder.path().canonicalize().unwrap().join("outside");
        for path in [&root, &outside] {
            fs::create_dir(path).unwrap();
            fs::write(path.join("file"), "x").unwrap();
        }
        symlink(&outside, root.join("out")).unwrap();
        symlink(outside.join("file"), root.join("out_file")).unwrap();
        symlink(outside.join("new"), root.join("dangling")).unwrap();
        symlink(root.join("file"), root.join("in_file")).unwrap();
        let contained = Contained::new(vec![root.clone()]);
        let look = |path: &str| contained.look(&Path::from_absolute_path(root.join(path)).unwrap());
        for inside in ["", "file", "in_file", "not/yet/there"] {
            assert_eq!(look(inside), Leads::Inside, "{inside}");
        }
        for leaving in ["out", "out/file", "out/new/file", "out_file", "dangling"] {
            assert_eq!(look(leaving), Leads::Outside, "{leaving}");
        }
        assert_eq!(contained.look(&Path::from("etc/passwd")), Leads::Outside);

        let mut shown = contained.for_listing();
        let meta = |path: &str| ObjectMeta {
            location: Path::from_absolute_path(root.join(path)).unwrap(),
            last_modified: chrono::Utc::now(),
            size: 1,
            e_tag: None,
            version: None,
        };
        let seen: Vec<_> = ["file", "in_file", "out/file", "out_file"]
            .into_iter()
            .filter(|path| shown(&meta(path)))
            .collect();
        assert_eq!(seen, ["file", "in_file"]);
    }
}
