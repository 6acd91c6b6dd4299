//! The layer law: a crate imports lower layers only, siblings never import each other. Not about third parties,
//! except that the lowest layer stays free of the engine.

use crate::manifest::{self, Dependency, Use};
use crate::{Fault, rust, tree::Tree};

/// One member: its package, its layer, and the members that it may import.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Package name.
    pub name: &'static str,
    /// 0 is the lowest.
    pub layer: u8,
    /// The allowed edges; each must lead to a lower layer.
    pub imports: &'static [&'static str],
}

const fn member(name: &'static str, layer: u8, imports: &'static [&'static str]) -> Member {
    Member { name, layer, imports }
}

/// The house, floor by floor. A new crate or a new edge is a line here first.
pub const MEMBERS: &[Member] = &[
    member("dreyer-sphere", 0, &[]),
    member("dreyer-adql", 0, &[]),
    member("tidy", 0, &[]),
    member("dreyer-kernel", 1, &[]),
    member("dreyer-formats", 1, &[]),
    member("dreyer-guard", 1, &[]),
    member("dreyer-tiling", 2, &["dreyer-sphere", "dreyer-kernel"]),
    member(
        "dreyer-geometry",
        3,
        &["dreyer-sphere", "dreyer-kernel", "dreyer-tiling"],
    ),
    member(
        "dreyer-hats",
        3,
        &[
            "dreyer-sphere",
            "dreyer-formats",
            "dreyer-guard",
            "dreyer-kernel",
            "dreyer-tiling",
        ],
    ),
    member(
        "dreyer-files",
        3,
        &[
            "dreyer-sphere",
            "dreyer-formats",
            "dreyer-guard",
            "dreyer-kernel",
            "dreyer-tiling",
        ],
    ),
    member(
        "dreyer-crossmatch",
        3,
        &["dreyer-sphere", "dreyer-kernel", "dreyer-tiling"],
    ),
    member(
        "dreyer-sky",
        4,
        &[
            "dreyer-kernel",
            "dreyer-tiling",
            "dreyer-geometry",
            "dreyer-hats",
            "dreyer-files",
            "dreyer-crossmatch",
        ],
    ),
    member(
        "dreyer",
        5,
        &[
            "dreyer-sphere",
            "dreyer-adql",
            "dreyer-formats",
            "dreyer-kernel",
            "dreyer-tiling",
            "dreyer-hats",
            "dreyer-sky",
        ],
    ),
];

/// Edges that only tests have, and why they may lead sideways.
pub const TEST_EDGES: &[(&str, &str, &str)] = &[
    (
        "dreyer-crossmatch",
        "dreyer-geometry",
        "its oracle is the distance function, evaluated by the nested loop",
    ),
    (
        "dreyer-crossmatch",
        "dreyer-hats",
        "the aligned strategy is tested on written catalogues",
    ),
    (
        "dreyer-files",
        "dreyer-geometry",
        "pruning is tested through the predicates that users write",
    ),
    (
        "dreyer-hats",
        "dreyer-geometry",
        "pruning is tested through the predicates that users write",
    ),
];

/// The engine, which a crate of layer 0 must not pull in.
const ENGINE: &[&str] = &["datafusion", "arrow", "parquet"];

/// Rooms of the root package that must not know each other: the text that would betray it.
const CLOSED_DOORS: &[(&str, &str, &str)] = &[
    (
        "src/pg/",
        "crate::tap",
        "the front doors meet in Session, not in each other",
    ),
    (
        "src/tap/",
        "crate::pg",
        "the front doors meet in Session, not in each other",
    ),
    ("src/session/", "crate::pg", "a session does not know who asks"),
    ("src/catalog/", "crate::pg", "a catalogue does not know who asks"),
];

fn manifests(tree: &Tree) -> Vec<(&str, Vec<manifest::Entry>)> {
    let of_member =
        |path: &str| path == "Cargo.toml" || path.ends_with("/Cargo.toml") && !path.starts_with("tests/fuzz");
    tree.texts()
        .filter(|(path, _)| of_member(path))
        .map(|(path, text)| (path, manifest::entries(text)))
        .collect()
}

/// Every edge between members is in the table, and every line of the table obeys the law.
pub fn edges(tree: &Tree) -> Vec<Fault> {
    let mut faults = table_faults(MEMBERS);
    for (path, entries) in manifests(tree) {
        let Some(name) = manifest::value(&entries, "package", "name") else {
            continue;
        };
        let Some(member) = MEMBERS.iter().find(|member| member.name == name) else {
            faults.push(Fault::new(
                path,
                0,
                format!("{name} has no layer: add it to MEMBERS in tests/tidy"),
            ));
            continue;
        };
        let dependencies = manifest::dependencies(&entries);
        faults.extend(
            dependencies
                .iter()
                .filter_map(|to| Some(Fault::new(path, to.line, edge_fault(member, to)?))),
        );
    }
    faults
}

fn table_faults(members: &[Member]) -> Vec<Fault> {
    let layer = |name: &str| {
        members
            .iter()
            .find(|member| member.name == name)
            .map(|member| member.layer)
    };
    let edges = members
        .iter()
        .flat_map(|from| from.imports.iter().map(move |to| (from, *to)));
    let unlawful = edges.filter(|(from, to)| layer(to).is_none_or(|layer| layer >= from.layer));
    let message = |from: &Member, to: &str| format!("{} may not import {to}: it is no lower layer", from.name);
    unlawful
        .map(|(from, to)| Fault::new("tests/tidy/src/layers.rs", 0, message(from, to)))
        .collect()
}

fn edge_fault(from: &Member, to: &Dependency) -> Option<String> {
    if from.layer == 0
        && ENGINE
            .iter()
            .any(|engine| to.name == *engine || to.name.starts_with(&format!("{engine}-")))
    {
        return Some(format!("{} is of layer 0 and stays free of {}", from.name, to.name));
    }
    let target = MEMBERS.iter().find(|member| member.name == to.name)?;
    let allowed = match to.used_by {
        Use::Code => from.imports.contains(&target.name),
        Use::Tests => {
            target.layer < from.layer || TEST_EDGES.iter().any(|(a, b, _)| *a == from.name && *b == target.name)
        }
    };
    (!allowed).then(|| {
        let (low, high) = (from.layer, target.layer);
        format!(
            "{} (layer {low}) may not import {} (layer {high}): see MEMBERS in tests/tidy",
            from.name, target.name
        )
    })
}

/// Versions and features stand in `[workspace.dependencies]` alone: otherwise `-p x` and the whole workspace build
/// the engine twice.
pub fn one_feature_set(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, entries) in manifests(tree) {
        for dependency in manifest::dependencies(&entries) {
            let inherited = dependency.terms.contains("workspace = true");
            let own = ["version", "features", "path", "git"]
                .iter()
                .find(|word| dependency.terms.contains(*word));
            if !inherited || own.is_some() {
                let message = format!(
                    "{}: write `workspace = true` and choose the rest at the root",
                    dependency.name
                );
                faults.push(Fault::new(path, dependency.line, message));
            }
        }
    }
    faults
}

/// Every member takes the lints of the workspace.
pub fn shared_lints(tree: &Tree) -> Vec<Fault> {
    let without =
        |entries: &[manifest::Entry]| manifest::value(entries, "lints", "workspace").as_deref() != Some("true");
    let faulty = manifests(tree).into_iter().filter(|(_, entries)| without(entries));
    faulty
        .map(|(path, _)| Fault::new(path, 0, "add `[lints] workspace = true`"))
        .collect()
}

/// Rooms that must not know each other do not.
pub fn doors(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, text) in tree.texts_ending(".rs") {
        for (_, word, reason) in CLOSED_DOORS.iter().filter(|(room, _, _)| path.starts_with(room)) {
            let code = rust::blanked(text);
            let hits = code
                .match_indices(word)
                .filter(|(at, _)| !continues(&code[at + word.len()..]));
            faults.extend(hits.map(|(at, _)| {
                Fault::new(
                    path,
                    rust::line_of(text, at),
                    format!("{word} is out of bounds here: {reason}"),
                )
            }));
        }
    }
    faults
}

fn continues(rest: &str) -> bool {
    rest.starts_with(|c: char| c == '_' || c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(faults: Vec<Fault>) -> Vec<String> {
        faults.into_iter().map(|fault| fault.to_string()).collect()
    }

    #[test]
    fn a_sibling_a_higher_layer_and_an_unknown_crate_are_faults() {
        let tree = Tree::made_up(&[
            (
                "extensions/hats/Cargo.toml",
                "[package]\nname = \"dreyer-hats\"\n[dependencies]\ndreyer-geometry.workspace = true\ndreyer-sphere.workspace = true\n",
            ),
            (
                "extensions/kernel/Cargo.toml",
                "[package]\nname = \"dreyer-kernel\"\n[target.'cfg(unix)'.dependencies]\ndreyer-sky = { workspace = true }\n",
            ),
            ("extensions/nova/Cargo.toml", "[package]\nname = \"dreyer-nova\"\n"),
            (
                "extensions/adql/Cargo.toml",
                "[package]\nname = \"dreyer-adql\"\n[dependencies]\ndatafusion-common.workspace = true\n",
            ),
            (
                "Cargo.toml",
                "[package]\nname = \"dreyer\"\n[dependencies]\ndreyer-sky.workspace = true\n",
            ),
        ]);
        assert_eq!(
            messages(edges(&tree)),
            [
                "extensions/adql/Cargo.toml:4: dreyer-adql is of layer 0 and stays free of datafusion-common",
                "extensions/hats/Cargo.toml:4: dreyer-hats (layer 3) may not import dreyer-geometry (layer 3): see MEMBERS in tests/tidy",
                "extensions/kernel/Cargo.toml:4: dreyer-kernel (layer 1) may not import dreyer-sky (layer 4): see MEMBERS in tests/tidy",
                "extensions/nova/Cargo.toml: dreyer-nova has no layer: add it to MEMBERS in tests/tidy",
            ]
        );
    }

    #[test]
    fn tests_may_go_down_and_along_the_listed_edges_only() {
        let manifest =
            |name: &str, to: &str| format!("[package]\nname = \"{name}\"\n[dev-dependencies]\n{to}.workspace = true\n");
        let faults = |name: &str, to: &str| edges(&Tree::made_up(&[("Cargo.toml", &manifest(name, to))])).len();
        assert_eq!(faults("dreyer-crossmatch", "dreyer-geometry"), 0);
        assert_eq!(faults("dreyer-kernel", "dreyer-sphere"), 0);
        assert_eq!(faults("dreyer-geometry", "dreyer-crossmatch"), 1);
        assert_eq!(faults("dreyer-hats", "dreyer-sky"), 1);
    }

    #[test]
    fn the_table_itself_must_obey() {
        assert!(table_faults(MEMBERS).is_empty());
        assert_eq!(table_faults(&[member("a", 0, &[]), member("b", 0, &["a"])]).len(), 1);
        assert_eq!(table_faults(&[member("a", 3, &["gone"])]).len(), 1);
        for (from, to, _) in TEST_EDGES {
            assert!(
                MEMBERS.iter().any(|member| member.name == *from) && MEMBERS.iter().any(|member| member.name == *to)
            );
        }
    }

    #[test]
    fn own_versions_features_and_lints_are_faults() {
        let text = "[package]\nname = \"a\"\n[dependencies]\nb = \"1\"\nc = { workspace = true, features = [\"x\"] }\nd.workspace = true\n";
        let tree = Tree::made_up(&[("Cargo.toml", text)]);
        let lines: Vec<_> = one_feature_set(&tree).into_iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [4, 5]);
        assert_eq!(shared_lints(&tree).len(), 1);
        assert!(shared_lints(&Tree::made_up(&[("Cargo.toml", "[lints]\nworkspace = true\n")])).is_empty());
    }

    #[test]
    fn doors_that_meet_are_faults() {
        let tree = Tree::made_up(&[
            (
                "src/pg/door.rs",
                "use crate::tap::Job;\n// crate::tap in a comment\nuse crate::tape;\n",
            ),
            ("src/session/x.rs", "\nfn f() { crate::pg::g() }\n"),
            ("src/main.rs", "use crate::pg;\n"),
        ]);
        let found: Vec<_> = doors(&tree).into_iter().map(|fault| (fault.path, fault.line)).collect();
        assert_eq!(found, [("src/pg/door.rs".into(), 1), ("src/session/x.rs".into(), 2)]);
    }
}
