//! Leftovers that work on one machine or for one afternoon: debugging macros, stray whitespace, absolute paths,
//! registry hosts. Not a spelling checker.

use crate::{Fault, rust, tree::Tree};

/// Macros that say "not finished"; `rust::blanked` keeps this list, and comments, from counting.
const LEFTOVERS: &[&str] = &["dbg", "todo", "unimplemented"];

// Cut in two, so that this file does not hold what it looks for.
const MACHINE_PATHS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/tm", "p/"),
    concat!("/ho", "me/"),
];
const REGISTRY_HOSTS: &[&str] = &[
    concat!("index.cra", "tes.io"),
    concat!("static.cra", "tes.io"),
    concat!("py", "pi.org"),
    concat!("python", "hosted.org"),
    concat!("deb.deb", "ian.org"),
    concat!("registry.npm", "js.org"),
];

/// Files that may name a path of a machine, and why.
const MACHINE_PATHS_ALLOWED: &[(&str, &str)] = &[];

/// No `todo!` and its kin, tests included.
pub fn leftovers(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, text) in tree.texts_ending(".rs") {
        let code = rust::blanked(text);
        let hits = rust::words(&code).filter(|(at, word)| {
            let called = code[at + word.len()..].starts_with('!') && !code[at + word.len()..].starts_with("!=");
            called && LEFTOVERS.contains(word)
        });
        let fault = |(at, word)| Fault::new(path, rust::line_of(&code, at), format!("{word}! is left over"));
        faults.extend(hits.map(fault));
    }
    faults
}

/// No trailing blanks, no tabs (SQL may hold some to test with) and a line break at the end, in what people write.
pub fn whitespace(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, text) in tree.texts() {
        if !["rs", "toml", "sql", "sh", "yml"]
            .iter()
            .any(|ending| path.ends_with(&format!(".{ending}")))
        {
            continue;
        }
        for (index, line) in text.lines().enumerate() {
            if line.ends_with(char::is_whitespace) {
                faults.push(Fault::new(path, index + 1, "trailing whitespace"));
            }
            if line.contains('\t') && !path.ends_with(".sql") {
                faults.push(Fault::new(
                    path,
                    index + 1,
                    "a tab: indent with spaces, write \\t in literals",
                ));
            }
        }
        if !text.is_empty() && !text.ends_with('\n') {
            faults.push(Fault::new(path, text.lines().count(), "no line break at the end"));
        }
    }
    faults
}

/// No absolute path of somebody's machine.
pub fn machine_paths(tree: &Tree) -> Vec<Fault> {
    let checked = tree
        .texts()
        .filter(|(path, _)| !MACHINE_PATHS_ALLOWED.iter().any(|(allowed, _)| allowed == path));
    holding(checked, MACHINE_PATHS, |path| {
        format!("{path} is a path of one machine: use a temporary or relative one")
    })
}

/// No host of a package registry: clients know theirs, and another site has another mirror.
pub fn registry_hosts(tree: &Tree) -> Vec<Fault> {
    holding(tree.texts(), REGISTRY_HOSTS, |host| {
        format!("{host} is a registry host: leave the choice to the client")
    })
}

fn holding<'a>(
    texts: impl Iterator<Item = (&'a str, &'a str)>,
    needles: &[&str],
    message: impl Fn(&str) -> String,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, text) in texts {
        for (index, line) in text.lines().enumerate() {
            let hits = needles.iter().filter(|needle| begins_a_word(line, needle));
            faults.extend(hits.map(|needle| Fault::new(path, index + 1, message(needle))));
        }
    }
    faults
}

/// A needle in the middle of a longer path is not the absolute path: nothing of a path may stand before it.
fn begins_a_word(line: &str, needle: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || "_-.>}$*)".contains(c);
    line.match_indices(needle).any(|(at, _)| !line[..at].ends_with(inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(faults: Vec<Fault>) -> Vec<usize> {
        faults.into_iter().map(|fault| fault.line).collect()
    }

    #[test]
    fn leftover_macros_are_faults() {
        let text = "// todo!()\nfn f() { todo!() }\nlet s = \"dbg!\";\ndbg!(s);\nlet t = todo != s;\nmy_todo!();\n";
        assert_eq!(
            lines(leftovers(&Tree::made_up(&[("a.rs", text), ("b.md", "todo!()")]))),
            [2, 4]
        );
    }

    #[test]
    fn stray_whitespace_is_a_fault() {
        let tree = Tree::made_up(&[
            ("a.rs", "a\nb \n\tc\n"),
            ("b.toml", "a"),
            ("c.md", "a  \n\tb"),
            ("d.sql", ""),
        ]);
        assert_eq!(lines(whitespace(&tree)), [2, 3, 1]);
    }

    #[test]
    fn machine_paths_are_faults() {
        let [work, root, tmp, home] = [MACHINE_PATHS[0], MACHINE_PATHS[1], MACHINE_PATHS[2], MACHINE_PATHS[3]];
        let text = format!("cd {work}x\nnet{work}x\nfile://{tmp}x\n\"{root}\"\n({home}me\n$HOME{work}\n");
        assert_eq!(lines(machine_paths(&Tree::made_up(&[("a.md", &text)]))), [1, 3, 4, 5]);
    }

    #[test]
    fn registry_hosts_are_faults() {
        for host in REGISTRY_HOSTS {
            let tree = Tree::made_up(&[("tests/run", &format!("a\nget https://{host}/x"))]);
            assert_eq!(lines(registry_hosts(&tree)), [2], "{host}");
        }
    }
}
