//! House rules as a test: which crate may import which, how long a file or a function may grow, which names and
//! words stay out of the tree. Not a linter of Rust (clippy is) nor of layout (rustfmt is): only what they cannot see.
//!
//! It has no dependencies, so `cargo test -p tidy` answers in seconds on a machine that has built nothing yet. Each
//! check is a function from the tree to its faults, is run on this repository below, and is shown by the tests of
//! its own module to fail on a made-up tree. A limit moves only by a line, with its reason, in the list beside it.
//!
//! | module | what it holds to |
//! |---|---|
//! | [`layers`] | a crate imports lower layers only; versions and features are chosen once, at the root |
//! | [`sizes`] | files and functions short enough to read in one sitting, blobs small enough to clone |
//! | [`names`] | modules are named after their idea and open by saying what they are |
//! | [`words`] | no leftovers: debugging macros, stray whitespace, paths of one machine, registry hosts |
//! | [`documents`] | Markdown with one title, example queries with their front matter |
//! | [`lockfile`] | one version of the engine, crates of one registry |
//! | [`licences`] | permissive ones |

pub mod documents;
pub mod layers;
pub mod licences;
pub mod lockfile;
pub mod manifest;
pub mod names;
pub mod rust;
pub mod sizes;
pub mod tree;
pub mod words;

/// One broken rule: where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Path from the root of the repository.
    pub path: String,
    /// Line, counted from 1; 0 speaks of the whole file.
    pub line: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Fault {
    /// A fault at a line, or at the whole file if `line` is 0.
    pub fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            message: message.into(),
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, documents, layers, licences, lockfile, names, sizes, tree::Tree, words};

    /// Runs a check on this repository and prints every fault, not only the first.
    fn holds(check: fn(&Tree) -> Vec<Fault>) {
        let faults = check(&Tree::of_this_repository());
        let listed: String = faults.iter().map(|fault| format!("\n  {fault}")).collect();
        assert!(faults.is_empty(), "{} fault(s):{listed}", faults.len());
    }

    macro_rules! holds {
        ($($name:ident: $check:path;)*) => { $(#[test] fn $name() { holds($check); })* };
    }

    holds! {
        crates_import_lower_layers_only: layers::edges;
        members_take_versions_from_the_root: layers::one_feature_set;
        members_take_lints_from_the_root: layers::shared_lints;
        front_doors_do_not_import_each_other: layers::doors;
        files_are_short: sizes::files;
        functions_are_short: sizes::functions;
        blobs_are_small: sizes::blobs;
        modules_are_named_after_their_idea: names::modules;
        files_open_by_saying_what_they_are: names::openings;
        no_leftover_macros: words::leftovers;
        no_stray_whitespace: words::whitespace;
        no_paths_of_one_machine: words::machine_paths;
        no_registry_hosts: words::registry_hosts;
        markdown_has_one_title: documents::titles;
        examples_have_front_matter: documents::front_matter;
        one_version_of_the_engine: lockfile::one_version;
        the_fuzzer_runs_the_parser_that_ships: lockfile::same_parser;
        crates_of_one_registry: lockfile::sources;
        licences_are_permissive: licences::permissive;
    }

    #[test]
    fn the_tree_is_the_repository() {
        let tree = Tree::of_this_repository();
        for path in [
            "Cargo.toml",
            "Cargo.lock",
            "src/lib.rs",
            "tests/tidy/src/lib.rs",
            "extensions/sphere/src/lib.rs",
        ] {
            assert!(
                tree.text(path).is_some_and(|text| !text.is_empty()),
                "{path} was not read"
            );
        }
        assert!(
            !tree
                .paths()
                .any(|path| path.starts_with(".git/") || path.starts_with("target/"))
        );
    }
}
