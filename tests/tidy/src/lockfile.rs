//! `Cargo.lock`: one version of the engine, every crate from the one public registry. Licences are in
//! [`crate::licences`], since the lock file does not know them.

use std::collections::BTreeMap;

use crate::{Fault, manifest, tree::Tree};

/// Families of which a second version would mean types that do not fit together, or a second long build.
pub const SINGLE: &[&str] = &[
    "arrow",
    "datafusion",
    "object_store",
    "parquet",
    "pgwire",
    "sqlparser",
    "tokio",
];

const LOCK: &str = "Cargo.lock";
const FUZZ_LOCK: &str = "tests/fuzz/Cargo.lock";

fn packages(tree: &Tree, lock: &str) -> Vec<BTreeMap<String, String>> {
    let text = tree.text(lock).unwrap_or_default();
    let blocks = text.split("[[package]]").skip(1);
    let read = |block| {
        manifest::entries(block)
            .into_iter()
            .map(|e| (e.key, e.value.trim_matches('"').to_owned()))
    };
    blocks.map(|block| read(block).collect()).collect()
}

/// No crate of a single family is locked twice, and members of a family share their version.
pub fn one_version(tree: &Tree) -> Vec<Fault> {
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages(tree, LOCK) {
        if let (Some(name), Some(version)) = (package.get("name"), package.get("version")) {
            versions.entry(name.clone()).or_default().push(version.clone());
        }
    }
    let single = |name: &str| {
        SINGLE
            .iter()
            .any(|family| name == *family || name.starts_with(&format!("{family}-")))
    };
    let twice = versions
        .iter()
        .filter(|(name, versions)| single(name) && versions.len() > 1);
    let message = |name: &str, versions: &[String]| format!("{name} is locked at {}: keep one", versions.join(" and "));
    let mut faults: Vec<_> = twice
        .map(|(name, versions)| Fault::new(LOCK, 0, message(name, versions)))
        .collect();
    let missing = SINGLE.iter().filter(|family| !versions.contains_key(**family));
    faults.extend(missing.map(|family| Fault::new(LOCK, 0, format!("{family} is not locked: correct SINGLE"))));
    faults
}

/// The fuzz targets, which have a lock file of their own, run the parser that ships.
pub fn same_parser(tree: &Tree) -> Vec<Fault> {
    let parser = |lock| {
        let packages = packages(tree, lock);
        packages
            .into_iter()
            .find(|p| p.get("name").is_some_and(|name| name == "sqlparser"))?
            .remove("version")
    };
    let (ours, fuzzed) = (parser(LOCK), parser(FUZZ_LOCK));
    let message = format!("sqlparser is {fuzzed:?} here and {ours:?} in the workspace: cargo update --precise");
    (ours.is_none() || ours != fuzzed)
        .then(|| Fault::new(FUZZ_LOCK, 0, message))
        .into_iter()
        .collect()
}

/// Every crate is ours or comes from the public registry: no git branch that can vanish.
pub fn sources(tree: &Tree) -> Vec<Fault> {
    let packages = packages(tree, LOCK);
    let foreign = packages
        .iter()
        .filter(|package| package.get("source").is_some_and(|source| !is_public(source)));
    let message = |p: &BTreeMap<String, String>| format!("{} comes from {}", p["name"], p["source"]);
    foreign.map(|package| Fault::new(LOCK, 0, message(package))).collect()
}

fn is_public(source: &str) -> bool {
    source.starts_with("registry+") && source.ends_with("/crates.io-index")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(packages: &[(&str, &str, &str)]) -> Tree {
        Tree::made_up(&[(LOCK, &text(packages))])
    }

    fn text(packages: &[(&str, &str, &str)]) -> String {
        let block = |(name, version, source): &(&str, &str, &str)| {
            format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"{source}\"\n\n")
        };
        packages.iter().map(block).collect()
    }

    const REGISTRY: &str = "registry+https://example.org/crates.io-index";

    #[test]
    fn a_second_version_is_a_fault() {
        let mut packages: Vec<_> = SINGLE.iter().map(|name| (*name, "1.0.0", REGISTRY)).collect();
        packages.extend([("rand", "0.8.0", REGISTRY), ("rand", "0.9.0", REGISTRY)]);
        assert_eq!(one_version(&lock(&packages)), []);
        packages.extend([("arrow-array", "1.0.0", REGISTRY), ("arrow-array", "2.0.0", REGISTRY)]);
        let faults = one_version(&lock(&packages));
        assert_eq!(
            faults,
            [Fault::new(
                LOCK,
                0,
                "arrow-array is locked at 1.0.0 and 2.0.0: keep one"
            )]
        );
        assert_eq!(one_version(&lock(&packages[1..])).len(), 2);
    }

    #[test]
    fn another_parser_under_the_fuzzer_is_a_fault() {
        let [old, new] = ["0.61.0", "0.62.0"].map(|version| text(&[("sqlparser", version, REGISTRY)]));
        assert_eq!(same_parser(&Tree::made_up(&[(LOCK, &new), (FUZZ_LOCK, &new)])), []);
        assert_eq!(same_parser(&Tree::made_up(&[(LOCK, &new), (FUZZ_LOCK, &old)])).len(), 1);
        assert_eq!(same_parser(&Tree::made_up(&[(LOCK, &new)])).len(), 1);
    }

    #[test]
    fn a_git_branch_is_a_fault() {
        let tree = lock(&[("a", "1.0.0", REGISTRY), ("b", "1.0.0", "git+https://example.org/b#1")]);
        assert_eq!(
            sources(&tree),
            [Fault::new(LOCK, 0, "b comes from git+https://example.org/b#1")]
        );
    }
}
