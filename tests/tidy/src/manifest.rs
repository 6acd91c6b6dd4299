//! The part of TOML that manifests use: sections, keys, values that may span lines. Not a TOML parser: it never
//! judges a file, since cargo has read it before.

/// One `key = value`, with the section above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// As between the brackets: `dependencies`, `target.'cfg(unix)'.dependencies`; empty at the top.
    pub section: String,
    /// As written, dots included.
    pub key: String,
    /// As written, line breaks turned to spaces.
    pub value: String,
    /// Line of the key, from 1.
    pub line: usize,
}

/// How a dependency is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Linked into the crate, or needed to build it.
    Code,
    /// For tests and benches only.
    Tests,
}

/// One dependency of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The name on the left.
    pub name: String,
    /// What it is for.
    pub used_by: Use,
    /// What stands behind the name, e.g. `workspace = true`.
    pub terms: String,
    /// Line of the key, from 1.
    pub line: usize,
}

/// Every entry of a manifest, in order.
pub fn entries(text: &str) -> Vec<Entry> {
    let (mut entries, mut section) = (Vec::new(), String::new());
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let line = uncommented(line);
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_start_matches('[').trim_end_matches(']').trim().to_owned();
        } else if let Some((key, value)) = line.split_once('=') {
            let mut value = value.trim().to_owned();
            while open_brackets(&value) > 0 {
                let Some((_, more)) = lines.next() else { break };
                value = format!("{value} {}", uncommented(more));
            }
            entries.push(Entry {
                section: section.clone(),
                key: key.trim().to_owned(),
                value,
                line: index + 1,
            });
        }
    }
    entries
}

/// The value of a key without its quotes, or `None`.
pub fn value(entries: &[Entry], section: &str, key: &str) -> Option<String> {
    let found = entries
        .iter()
        .find(|entry| entry.section == section && entry.key == key)?;
    Some(found.value.trim_matches('"').to_owned())
}

/// The strings of an array.
pub fn strings(array: &str) -> Vec<String> {
    array.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Every dependency, of every platform.
pub fn dependencies(entries: &[Entry]) -> Vec<Dependency> {
    let mut found: Vec<Dependency> = Vec::new();
    for entry in entries {
        let Some((used_by, table)) = dependency_section(&entry.section) else {
            continue;
        };
        // `a = ..`, `a.workspace = true` and `[dependencies.a]` say the same.
        let (name, attribute) = match (table, entry.key.split_once('.')) {
            (Some(name), _) => (name, Some(entry.key.as_str())),
            (None, Some((name, attribute))) => (name, Some(attribute)),
            (None, None) => (entry.key.as_str(), None),
        };
        let terms = attribute.map_or(entry.value.clone(), |attribute| {
            format!("{attribute} = {}", entry.value)
        });
        match found
            .last_mut()
            .filter(|last| last.name == name && last.used_by == used_by)
        {
            Some(last) => last.terms = format!("{}, {terms}", last.terms),
            None => found.push(Dependency {
                name: name.to_owned(),
                used_by,
                terms,
                line: entry.line,
            }),
        }
    }
    found
}

fn dependency_section(section: &str) -> Option<(Use, Option<&str>)> {
    if section.starts_with("workspace.") {
        return None;
    }
    let kinds = [
        ("dev-dependencies", Use::Tests),
        ("build-dependencies", Use::Code),
        ("dependencies", Use::Code),
    ];
    kinds.into_iter().find_map(|(word, used_by)| {
        let (before, after) = section.split_once(word)?;
        let whole = before.is_empty() || before.ends_with('.');
        whole.then_some((used_by, after.strip_prefix('.')))
    })
}

fn uncommented(line: &str) -> &str {
    let quotes = |at: usize| line[..at].matches('"').count();
    let comment = line
        .match_indices('#')
        .map(|(at, _)| at)
        .find(|at| quotes(*at) % 2 == 0);
    line[..comment.unwrap_or(line.len())].trim()
}

fn open_brackets(value: &str) -> i64 {
    let count = |wanted: [char; 2]| value.chars().filter(|c| wanted.contains(c)).count() as i64;
    count(['[', '{']) - count([']', '}'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_dependency_is_read() {
        let text = "[package]\nname = \"a\" # b\n[dependencies]\nb.workspace = true\nc = { version = \"1\", features = [\n  \"x\", # y\n  \"z\",\n] }\n\
                    [dev-dependencies.d]\nworkspace = true\nfeatures = [\"e\"]\n[target.'cfg(unix)'.dependencies]\nf = \"1\"\n\
                    [workspace.dependencies]\ng = \"1\"\n[build-dependencies]\nh = \"1\"\n";
        let entries = entries(text);
        assert_eq!(value(&entries, "package", "name").as_deref(), Some("a"));
        let found: Vec<_> = dependencies(&entries)
            .into_iter()
            .map(|d| (d.name, d.used_by, d.terms, d.line))
            .collect();
        let expected = [
            ("b", Use::Code, "workspace = true", 4),
            ("c", Use::Code, "{ version = \"1\", features = [ \"x\", \"z\", ] }", 5),
            ("d", Use::Tests, "workspace = true, features = [\"e\"]", 10),
            ("f", Use::Code, "\"1\"", 13),
            ("h", Use::Code, "\"1\"", 17),
        ];
        assert_eq!(
            found,
            expected.map(|(name, used_by, terms, line)| (name.into(), used_by, terms.into(), line))
        );
        assert_eq!(strings("[\"a\", \"b\"]"), ["a", "b"]);
    }
}
