//! Licences of what the binary and its tests are built from, held to the lists in `deny.toml`. Not a reading of
//! licence texts: a crate is taken at its word.

use std::process::Command;

use crate::{Fault, manifest, tree::Tree};

const RULES: &str = "deny.toml";

/// The licences that `deny.toml` allows.
#[derive(Clone, Debug, Default)]
struct Rules {
    allowed: Vec<String>,
    /// One crate and a licence that it alone may have.
    exceptions: Vec<(String, String)>,
}

impl Rules {
    fn read(text: &str) -> Self {
        let entries = manifest::entries(text);
        let list = |key| manifest::value(&entries, "licenses", key).unwrap_or_default();
        let exceptions = list("exceptions");
        let exception = |row: &str| {
            let words = manifest::strings(row);
            words
                .split_first()
                .map(|(name, allowed)| (name.clone(), allowed.first().cloned().unwrap_or_default()))
        };
        Self {
            allowed: manifest::strings(&list("allow")),
            exceptions: exceptions.split('}').filter_map(exception).collect(),
        }
    }

    fn allow(&self, name: &str, licence: &str) -> bool {
        let is_exception = |(of, allowed): &(String, String)| of == name && allowed == licence;
        self.allowed.iter().any(|allowed| allowed == licence) || self.exceptions.iter().any(is_exception)
    }
}

/// Every crate that is built here has an allowed licence.
pub fn permissive(tree: &Tree) -> Vec<Fault> {
    let rules = Rules::read(tree.text(RULES).unwrap_or_default());
    match listed(tree) {
        Ok(crates) => faults(&rules, &crates),
        Err(message) => vec![Fault::new(RULES, 0, message)],
    }
}

fn faults(rules: &Rules, crates: &[(String, String)]) -> Vec<Fault> {
    let mut faults: Vec<_> = crates
        .iter()
        .filter(|(name, expression)| !satisfied(expression, &|licence| rules.allow(name, licence)))
        .map(|(name, expression)| Fault::new(RULES, 0, format!("{name}: `{expression}` is not on the list")))
        .collect();
    let unused = rules
        .exceptions
        .iter()
        .filter(|(of, _)| !crates.iter().any(|(name, _)| name == of));
    faults.extend(unused.map(|(of, _)| Fault::new(RULES, 0, format!("{of} is gone: drop its exception"))));
    faults
}

/// Name and licence expression of every crate for this platform, from cargo itself.
fn listed(tree: &Tree) -> Result<Vec<(String, String)>, String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--locked", "--prefix=none", "--format={p}|{l}"])
        .arg("--edges=normal,build,dev")
        .current_dir(tree.root().ok_or("a made-up tree has no crates")?)
        .output()
        .map_err(|error| format!("cargo tree did not start: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = |line: &str| {
        let (package, licence) = line.split_once('|')?;
        // A repeated crate is marked with `(*)` at the end of its line.
        let licence = licence.trim_end_matches("(*)").trim();
        Some((package.split_whitespace().next()?.to_owned(), licence.to_owned()))
    };
    let mut crates: Vec<_> = text.lines().filter_map(line).collect();
    crates.sort();
    crates.dedup();
    if output.status.success() && !crates.is_empty() {
        Ok(crates)
    } else {
        Err(format!(
            "cargo tree failed: {}",
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}

/// Whether an SPDX expression can be satisfied: `OR` (or the old `/`) binds weaker than `AND`.
fn satisfied(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    if let Some((left, right)) = split_outside(expression, &[" OR ", "/"]) {
        return satisfied(left, allowed) || satisfied(right, allowed);
    }
    if let Some((left, right)) = split_outside(expression, &[" AND "]) {
        return satisfied(left, allowed) && satisfied(right, allowed);
    }
    let term = expression.trim();
    match term.strip_prefix('(').and_then(|term| term.strip_suffix(')')) {
        Some(inner) => satisfied(inner, allowed),
        None => allowed(term),
    }
}

/// Splits at the first operator that stands outside parentheses.
fn split_outside<'a>(expression: &'a str, operators: &[&str]) -> Option<(&'a str, &'a str)> {
    let depth = |at: usize| expression[..at].matches('(').count() - expression[..at].matches(')').count();
    operators.iter().find_map(|operator| {
        let (at, _) = expression.match_indices(operator).find(|(at, _)| depth(*at) == 0)?;
        Some((&expression[..at], &expression[at + operator.len()..]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[licenses]\n# b\nallow = [\n  \"MIT\", # a\n  \"ISC\",\n  \"A WITH B\",\n]\nexceptions = [{ crate = \"x\", allow = [\"MPL\"] }]\n";

    #[test]
    fn expressions_are_read() {
        let rules = Rules::read(TEXT);
        let allowed = |licence: &str| rules.allow("a", licence);
        for good in [
            "MIT",
            "GPL OR MIT",
            "GPL/MIT",
            "(GPL OR MIT) AND ISC",
            "A WITH B OR GPL",
            "GPL AND X OR MIT",
        ] {
            assert!(satisfied(good, &allowed), "{good}");
        }
        for bad in [
            "",
            "GPL",
            "MIT AND GPL",
            "(GPL AND MIT) OR X",
            "A",
            "MIT AND (GPL OR X)",
            "MPL",
        ] {
            assert!(!satisfied(bad, &allowed), "{bad}");
        }
    }

    #[test]
    fn a_foreign_licence_and_a_stale_exception_are_faults() {
        let rules = Rules::read(TEXT);
        let crates = |rows: &[(&str, &str)]| rows.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect::<Vec<_>>();
        assert_eq!(faults(&rules, &crates(&[("a", "MIT"), ("x", "MPL")])), []);
        let found = faults(&rules, &crates(&[("a", "MPL"), ("b", "")]));
        let messages = [
            "a: `MPL` is not on the list",
            "b: `` is not on the list",
            "x is gone: drop its exception",
        ];
        assert_eq!(found, messages.map(|message| Fault::new(RULES, 0, message)));
    }

    #[test]
    fn the_rules_of_this_repository_are_read() {
        let tree = Tree::of_this_repository();
        let rules = Rules::read(tree.text(RULES).unwrap());
        assert!(rules.allowed.len() > 5 && rules.allow("any", "MIT") && !rules.allow("any", "GPL-3.0"));
        assert!(
            listed(&tree)
                .unwrap()
                .iter()
                .any(|(name, licence)| name == "datafusion" && licence == "Apache-2.0")
        );
    }
}
