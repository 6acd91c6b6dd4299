//! Markdown with one title, example queries with their front matter. Not a check of what they say.

use crate::{Fault, tree::Tree};

/// Keys that an example must give: `-- key: value` lines at its head.
pub const FRONT_MATTER: &[&str] = &["title", "description", "expect"];

/// One `# ` title per Markdown file, as its first line.
pub fn titles(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, text) in tree.texts_ending(".md") {
        let (mut fenced, mut titles) = (false, Vec::new());
        for (index, line) in text.lines().enumerate() {
            fenced ^= line.trim_start().starts_with("```");
            if line.starts_with("# ") && !fenced {
                titles.push(index + 1);
            }
        }
        match titles[..] {
            [1] => {}
            [] => faults.push(Fault::new(path, 1, "no title: begin with `# `")),
            [line] => faults.push(Fault::new(path, line, "the title comes first")),
            [_, second, ..] => faults.push(Fault::new(path, second, "a second title: use `## `")),
        }
    }
    faults
}

/// Every shipped example says what it shows: it is served, documented, tested and measured from the one file.
pub fn front_matter(tree: &Tree) -> Vec<Fault> {
    let examples = tree
        .texts_ending(".sql")
        .filter(|(path, _)| path.starts_with("sql/examples/"));
    examples.flat_map(|(path, text)| missing_keys(path, text)).collect()
}

fn missing_keys(path: &str, text: &str) -> Vec<Fault> {
    let head: Vec<_> = text
        .lines()
        .map_while(|line| line.strip_prefix("--"))
        .filter_map(|l| l.split_once(':'))
        .collect();
    let given = |key: &str| {
        head.iter()
            .any(|(name, value)| name.trim() == key && !value.trim().is_empty())
    };
    let missing = FRONT_MATTER.iter().filter(|key| !given(key));
    missing
        .map(|key| Fault::new(path, 1, format!("no `-- {key}: …` at the head")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_without_exactly_one_title_is_a_fault() {
        let tree = Tree::made_up(&[
            ("a.md", "# A\n```\n# a comment\n```\n## B\n"),
            ("b.md", "# A\n# B\n"),
            ("c.md", "text\n"),
            ("d.md", "text\n# A\n"),
        ]);
        let found: Vec<_> = titles(&tree)
            .into_iter()
            .map(|fault| (fault.path, fault.line))
            .collect();
        assert_eq!(found, [("b.md".into(), 2), ("c.md".into(), 1), ("d.md".into(), 2)]);
    }

    #[test]
    fn an_example_without_front_matter_is_a_fault() {
        let tree = Tree::made_up(&[
            (
                "sql/examples/a.sql",
                "-- title: A\n-- description: b: c\n-- expect: 1 rows\nSELECT 1;\n",
            ),
            ("sql/examples/b.sql", "SELECT 1;\n-- title: late\n"),
            (
                "sql/examples/c.sql",
                "-- title:\n-- description: b\n-- expect: 1 rows\nSELECT 1;\n",
            ),
            ("sql/views/d.sql", "SELECT 1;\n"),
        ]);
        let found: Vec<_> = front_matter(&tree).into_iter().map(|fault| fault.path).collect();
        assert_eq!(
            found,
            [
                "sql/examples/b.sql",
                "sql/examples/b.sql",
                "sql/examples/b.sql",
                "sql/examples/c.sql"
            ]
        );
    }
}
