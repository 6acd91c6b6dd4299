//! The example queries that the binary carries: one file each in `sql/examples/`, shown in the demonstration and the
//! documentation, and run by the tests.
//!
//! A file opens with its front matter:
//!
//! ```sql
//! -- title: Stars near Alcyone
//! -- description: A cone search around the brightest star of the Pleiades.
//! -- expect: 25 rows
//! SELECT ...
//! ```
//!
//! `expect` is what the query gives on the sample sky: `N rows`, or `value X` for the only value of the only row.

use include_dir::{Dir, include_dir};

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/sql/examples");

/// An example query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example {
    /// Name of the file, without its ending.
    pub name: &'static str,
    /// What it finds, as a heading.
    pub title: &'static str,
    /// What it shows, in a sentence or two.
    pub description: &'static str,
    /// What it gives on the sample sky.
    pub expect: Expect,
    /// The query alone.
    pub sql: &'static str,
}

/// What an example gives on the sample sky.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// So many rows.
    Rows(usize),
    /// One row of one column, with this value in it.
    Value(&'static str),
}

/// Every example, by name. A file whose front matter is incomplete is left out; a test sees to it that none is.
pub fn examples() -> Vec<Example> {
    let mut examples: Vec<Example> = FILES
        .files()
        .filter_map(|file| {
            let name = file.path().file_stem()?.to_str()?;
            read(name, file.contents_utf8()?)
        })
        .collect();
    examples.sort_unstable_by_key(|example| example.name);
    examples
}

/// The example of that name.
pub(crate) fn example(name: &str) -> Option<Example> {
    examples().into_iter().find(|example| example.name == name)
}

fn read(name: &'static str, text: &'static str) -> Option<Example> {
    let key = |key: &str| {
        text.lines()
            .find_map(|line| Some(line.strip_prefix("-- ")?.strip_prefix(key)?.strip_prefix(':')?.trim()))
    };
    let expect = key("expect")?;
    let expect = match (
        expect.strip_suffix(" rows").or(expect.strip_suffix(" row")),
        expect.strip_prefix("value "),
    ) {
        (Some(rows), _) => Expect::Rows(rows.parse().ok()?),
        (None, Some(value)) => Expect::Value(value),
        (None, None) => return None,
    };
    let body = text
        .lines()
        .take_while(|line| line.starts_with("-- "))
        .map(|line| line.len() + 1)
        .sum();
    Some(Example {
        name,
        title: key("title")?,
        description: key("description")?,
        expect,
        sql: text.get(body..)?.trim(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_an_example() {
        assert_eq!(examples().len(), FILES.files().count());
        assert!(!examples().is_empty());
    }

    #[test]
    fn front_matter_is_read_and_cut_off() {
        let text = "-- title: T\n-- description: D: d.\n-- expect: 3 rows\n-- not front matter, no\nSELECT 1\n";
        let example = read("x", text).unwrap();
        assert_eq!(
            (example.title, example.description, example.expect),
            ("T", "D: d.", Expect::Rows(3))
        );
        assert_eq!(example.sql, "SELECT 1");
        assert_eq!(read("x", "-- title: T\nSELECT 1\n"), None);
        assert_eq!(
            read("x", "-- title: T\n-- description: D\n-- expect: 12\nSELECT 1\n"),
            None
        );
    }
}
