//! Modules are named after their idea and open by saying what they are. Not about names inside a file.

use crate::{Fault, rust, tree::Tree};

/// Names that say nothing: whatever finds no home elsewhere drifts there.
const BANNED: &[&str] = &[
    "common", "commons", "helper", "helpers", "misc", "prelude", "shared", "stuff", "types", "util", "utils",
];

/// No file, folder or inline module has a name that says nothing.
pub fn modules(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, text) in tree.texts_ending(".rs") {
        let parts = path.trim_end_matches(".rs").split('/');
        let in_path = parts.filter(|part| is_banned(part)).map(|part| (0, part));
        let code = rust::blanked(text);
        let words: Vec<_> = rust::words(&code).collect();
        let inline = words
            .windows(2)
            .filter(|pair| pair[0].1 == "mod" && is_banned(pair[1].1));
        let inline = inline.map(|pair| (rust::line_of(&code, pair[1].0), pair[1].1));
        let message = |name| format!("module `{name}`: name the idea it holds");
        faults.extend(
            in_path
                .chain(inline)
                .map(|(line, name)| Fault::new(path, line, message(name))),
        );
    }
    faults
}

fn is_banned(name: &str) -> bool {
    let tail = name.rsplit('_').next().unwrap_or(name);
    BANNED.contains(&name) || ["util", "utils", "helper", "helpers"].contains(&tail)
}

/// Every Rust file opens with `//!`.
pub fn openings(tree: &Tree) -> Vec<Fault> {
    let silent = tree.texts_ending(".rs").filter(|(_, text)| {
        let opening = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        opening.strip_prefix("//!").is_none_or(|words| words.trim().len() < 12)
    });
    silent
        .map(|(path, _)| Fault::new(path, 1, "open with `//!`: what it is, and what it is not"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_names_are_faults() {
        let tree = Tree::made_up(&[
            ("src/utils.rs", ""),
            ("src/helpers/a.rs", ""),
            ("src/math_utils.rs", ""),
            ("src/b.rs", "// mod utils;\n\nmod misc {}\n"),
            ("src/utility.rs", "mod modern; mod typed;"),
        ]);
        let found: Vec<_> = modules(&tree)
            .into_iter()
            .map(|fault| (fault.path, fault.line))
            .collect();
        let expected = [
            ("src/b.rs", 3),
            ("src/helpers/a.rs", 0),
            ("src/math_utils.rs", 0),
            ("src/utils.rs", 0),
        ];
        assert_eq!(found, expected.map(|(path, line)| (path.to_owned(), line)));
    }

    #[test]
    fn a_silent_file_is_a_fault() {
        let tree = Tree::made_up(&[
            ("a.rs", "//! Says what it is for.\nuse b;\n"),
            ("b.rs", "use c;\n//! Too late to be heard.\n"),
            ("c.rs", "//! b\n"),
            ("d.rs", ""),
        ]);
        let found: Vec<_> = openings(&tree).into_iter().map(|fault| fault.path).collect();
        assert_eq!(found, ["b.rs", "c.rs", "d.rs"]);
    }
}
