//! The manifest of a managed table: one JSON object that says which files are the table.
//!
//! ```text
//! {"dreyer_manifest":1, "version":7, "commit":"…", "state":"live", "kind":"hats",
//!  "snapshot":{"folder":"s-…", "rows":…, "properties":{…}, "schema":[…], "leaves":[[order,npix,rows,bytes,"etag",µs],…]},
//!  "increments":[…], "retired":[{"folder":"s-…","since":ms}], "comment":…, "column_comments":{…}, "settings":{…}}
//! ```
//!
//! A leaf is one array whose path follows from its cell, so that a table of 100 000 leaves needs some 8 MB. Here is
//! the text and what it must hold to; how it is replaced is told in `ledger`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use dreyer_sphere::Cell;
use object_store::ObjectMeta;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::error::{HatsError, Result};
use crate::layout;
use crate::managed::settings::Settings;

/// The format that this build writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// What the rows of a managed table are stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Rows with a position: HATS catalogues.
    Hats,
    /// Rows without one: plain Parquet files.
    Parquet,
}

/// One version of a managed table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    #[serde(rename = "dreyer_manifest")]
    pub(crate) format: u32,
    /// Counts the commits at this place, tombstones included.
    pub(crate) version: u64,
    /// Names this commit among all commits anywhere.
    pub(crate) commit: String,
    #[serde(flatten)]
    pub(crate) state: State,
    pub(crate) kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) comment: Option<String>,
    /// Comments by column; `None` hides the description that the column was created with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) column_comments: BTreeMap<String, Option<String>>,
    #[serde(default)]
    pub(crate) settings: Settings,
    /// Absent from a tombstone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) snapshot: Option<Part>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) increments: Vec<Part>,
    /// Folders that are no longer of the table, but that running queries may still read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) retired: Vec<Retired>,
    /// The table is being moved here; it is here once the tombstone there says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) moved_from: Option<Move>,
}

/// Whether there is a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub(crate) enum State {
    Live,
    /// A tombstone: the table was dropped, or moved elsewhere.
    Dropped {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        moved_to: Option<Move>,
    },
}

/// The other end of a move: a folder of the same store, and the commit there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Move {
    pub(crate) path: String,
    pub(crate) commit: String,
}

/// A folder to be deleted once no query can be reading it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Retired {
    pub(crate) folder: String,
    /// When it stopped being of the table, milliseconds of the Unix epoch.
    pub(crate) since: i64,
}

/// A folder that was written in one go: the snapshot or an increment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) folder: String,
    pub(crate) rows: u64,
    /// HATS properties of the snapshot; an increment has the same but for its numbers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) properties: BTreeMap<String, String>,
    /// The schema-only file.
    pub(crate) schema: Leaf,
    pub(crate) leaves: Vec<Leaf>,
}

/// One file as it was when it was committed; never changed since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Row", into = "Row")]
pub(crate) struct Leaf {
    /// The tile it belongs to, or is part of.
    pub(crate) cell: Option<Cell>,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) etag: Option<String>,
    /// Microseconds of the Unix epoch.
    pub(crate) modified: i64,
    /// Path within the part's folder, where it does not follow from the cell.
    pub(crate) path: Option<String>,
}

/// `[order, npix, rows, bytes, etag, modified, path]`.
#[derive(Serialize, Deserialize)]
struct Row(Option<u8>, Option<u64>, u64, u64, Option<String>, i64, Option<String>);

impl From<Row> for Leaf {
    fn from(row: Row) -> Self {
        Self {
            cell: row.0.zip(row.1).and_then(|(order, npix)| Cell::new(order, npix).ok()),
            rows: row.2,
            bytes: row.3,
            etag: row.4,
            modified: row.5,
            path: row.6,
        }
    }
}

impl From<Leaf> for Row {
    fn from(leaf: Leaf) -> Self {
        let (order, npix) = leaf.cell.map(|cell| (cell.order(), cell.index())).unzip();
        Self(order, npix, leaf.rows, leaf.bytes, leaf.etag, leaf.modified, leaf.path)
    }
}

impl Leaf {
    /// The file `meta` within `folder`.
    pub(crate) fn new(cell: Option<Cell>, rows: u64, meta: &ObjectMeta, folder: &Path) -> Result<Self> {
        let within = meta
            .location
            .as_ref()
            .strip_prefix(folder.as_ref())
            .and_then(|path| path.strip_prefix('/'))
            .ok_or_else(|| HatsError::malformed(&meta.location, format!("does not lie in {folder}")))?;
        Ok(Self {
            cell,
            rows,
            bytes: meta.size,
            etag: meta.e_tag.clone(),
            modified: meta.last_modified.timestamp_micros(),
            path: (cell.map(path_of) != Some(within.to_owned())).then(|| within.to_owned()),
        })
    }

    /// Its path within the part's folder.
    pub(crate) fn path_within(&self) -> String {
        match (&self.path, self.cell) {
            (Some(path), _) => path.clone(),
            (None, Some(cell)) => path_of(cell),
            (None, None) => String::new(),
        }
    }

    /// The object, where `folder` is the part's.
    pub(crate) fn meta(&self, folder: &Path) -> ObjectMeta {
        let location = Path::from_iter(
            folder
                .parts()
                .map(|part| part.as_ref().to_owned())
                .chain(self.path_within().split('/').map(str::to_owned)),
        );
        ObjectMeta {
            location,
            last_modified: DateTime::from_timestamp_micros(self.modified).unwrap_or(DateTime::UNIX_EPOCH),
            size: self.bytes,
            e_tag: self.etag.clone(),
            version: None,
        }
    }
}

fn path_of(cell: Cell) -> String {
    format!(
        "{}/{}",
        layout::DATASET_DIR,
        layout::leaf_file(cell, layout::DEFAULT_SUFFIX)
    )
}

impl Part {
    /// Bytes of the leaves.
    pub(crate) fn bytes(&self) -> u64 {
        self.leaves.iter().map(|leaf| leaf.bytes).sum()
    }

    fn fault(&self, kind: Kind) -> Option<String> {
        if part_folder(&self.folder).is_none() {
            return Some(format!("'{}' is no folder of a snapshot or an increment", self.folder));
        }
        if self.leaves.iter().map(|leaf| leaf.rows).sum::<u64>() != self.rows {
            return Some(format!("the leaves of {} do not add up to its rows", self.folder));
        }
        let outside = |path: &str| path.is_empty() || path.split('/').any(|part| matches!(part, "" | "." | ".."));
        for leaf in self.leaves.iter().chain([&self.schema]) {
            let path = leaf.path_within();
            if outside(&path) {
                return Some(format!("'{path}' is no file of {}", self.folder));
            }
        }
        if kind == Kind::Hats && self.leaves.iter().any(|leaf| leaf.cell.is_none()) {
            return Some(format!("a leaf of {} belongs to no tile", self.folder));
        }
        None
    }
}

impl Manifest {
    /// The first version of a table.
    pub(crate) fn new(kind: Kind, settings: Settings, snapshot: Part) -> Self {
        Self {
            format: FORMAT,
            version: 1,
            commit: fresh_id(),
            state: State::Live,
            kind,
            comment: None,
            column_comments: BTreeMap::new(),
            settings,
            snapshot: Some(snapshot),
            increments: Vec::new(),
            retired: Vec::new(),
            moved_from: None,
        }
    }

    /// The next version, with the same content so far. What is committed over a live table is not pending any more.
    pub(crate) fn next(&self) -> Self {
        Self {
            format: FORMAT,
            version: self.version + 1,
            commit: fresh_id(),
            moved_from: None,
            ..self.clone()
        }
    }

    /// The next version, in which there is no table. All its folders are retired.
    pub(crate) fn tombstone(&self, moved_to: Option<Move>) -> Self {
        let mut next = self.next();
        next.retire_parts();
        next.state = State::Dropped { moved_to };
        next.comment = None;
        next.column_comments.clear();
        next
    }

    /// Snapshot and increments.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.snapshot.iter().chain(&self.increments)
    }

    /// All folders that must not be swept.
    pub(crate) fn folders(&self) -> impl Iterator<Item = &str> {
        self.parts()
            .map(|part| part.folder.as_str())
            .chain(self.retired.iter().map(|retired| retired.folder.as_str()))
    }

    /// Takes snapshot and increments from the table.
    pub(crate) fn retire_parts(&mut self) {
        let since = Utc::now().timestamp_millis();
        let parts = self.snapshot.take().into_iter().chain(self.increments.drain(..));
        self.retired.extend(parts.map(|part| Retired {
            folder: part.folder,
            since,
        }));
    }

    /// Reads a manifest; `file` names it in errors.
    pub(crate) fn parse(bytes: &[u8], file: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Format {
            dreyer_manifest: u32,
        }
        let unreadable = |error: serde_json::Error| HatsError::malformed(file, format!("is no manifest: {error}"));
        let Format { dreyer_manifest } = serde_json::from_slice(bytes).map_err(unreadable)?;
        if dreyer_manifest > FORMAT {
            let fault = format!(
                "is a manifest of format {dreyer_manifest}, written by a newer version; this one reads up to {FORMAT}"
            );
            return Err(HatsError::malformed(file, fault));
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(unreadable)?;
        match manifest.fault() {
            Some(fault) => Err(HatsError::malformed(file, fault)),
            None => Ok(manifest),
        }
    }

    fn fault(&self) -> Option<String> {
        if self.state == State::Live && self.snapshot.is_none() {
            return Some("names no snapshot".to_owned());
        }
        if let Some(retired) = self.retired.iter().find(|it| part_folder(&it.folder).is_none()) {
            return Some(format!("'{}' is no folder of this table", retired.folder));
        }
        self.parts().find_map(|part| part.fault(self.kind))
    }

    /// The text of the file.
    pub(crate) fn render(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| HatsError::malformed(layout::MANIFEST_FILE, error.to_string()))
    }
}

/// An identifier that nobody else has: the time, for people who look, and 64 random bits.
pub(crate) fn fresh_id() -> String {
    let millis = Utc::now().timestamp_millis();
    format!("{millis:012x}{:016x}", rand::random::<u64>())
}

/// Length of what [`fresh_id`] gives.
const ID_LENGTH: usize = 28;

/// The identifier within the name of a snapshot's or increment's folder; `None`: it is neither.
pub(crate) fn part_folder(name: &str) -> Option<&str> {
    let id = name.strip_prefix("s-").or_else(|| name.strip_prefix("i-"))?;
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (id.len() == ID_LENGTH && id.bytes().all(hex)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(order: u8, index: u64, rows: u64) -> Leaf {
        Leaf {
            cell: Some(Cell::new(order, index).unwrap()),
            rows,
            bytes: 4096,
            etag: Some("\"a1b2\"".to_owned()),
            modified: 1_700_000_000_000_000,
            path: None,
        }
    }

    fn manifest() -> Manifest {
        let schema = Leaf {
            cell: None,
            rows: 0,
            path: Some("dataset/_common_metadata".to_owned()),
            ..leaf(0, 0, 0)
        };
        let part = Part {
            folder: format!("s-{}", fresh_id()),
            rows: 30,
            properties: BTreeMap::from([("hats_col_ra".to_owned(), "ra".to_owned())]),
            schema,
            leaves: vec![leaf(1, 44, 10), leaf(2, 17, 20)],
        };
        Manifest::new(Kind::Hats, Settings::default(), part)
    }

    #[test]
    fn a_manifest_reads_back() {
        let mut first = manifest();
        first.comment = Some("naïve \"quotes\"".to_owned());
        first.column_comments.insert("ra".to_owned(), None);
        let text = first.render().unwrap();
        assert_eq!(Manifest::parse(&text, "m").unwrap(), first);
        let gone = first.tombstone(Some(Move {
            path: "b".to_owned(),
            commit: "c".to_owned(),
        }));
        assert_eq!((gone.version, gone.retired.len()), (2, 1));
        assert_ne!(gone.commit, first.commit);
        assert_eq!(Manifest::parse(&gone.render().unwrap(), "m").unwrap(), gone);
    }

    #[test]
    fn a_leaf_of_a_catalogue_is_a_short_row() {
        let row = serde_json::to_string(&leaf(1, 44, 10)).unwrap();
        assert_eq!(row, r#"[1,44,10,4096,"\"a1b2\"",1700000000000000,null]"#);
        let meta = leaf(1, 44, 10).meta(&Path::from("a b/t"));
        assert_eq!(meta.location.as_ref(), "a b/t/dataset/Norder=1/Dir=0/Npix=44.parquet");
        let back = Leaf::new(leaf(1, 44, 10).cell, 10, &meta, &Path::from("a b/t")).unwrap();
        assert_eq!(back, leaf(1, 44, 10));
    }

    #[test]
    fn a_hundred_thousand_leaves_are_a_few_megabytes() {
        let mut large = manifest();
        if let Some(snapshot) = &mut large.snapshot {
            snapshot.leaves = (0..100_000).map(|index| leaf(7, index, 1_000_000)).collect();
            snapshot.rows = 100_000 * 1_000_000;
        }
        let text = large.render().unwrap();
        assert!(text.len() < 8 << 20, "{}", text.len());
        assert_eq!(Manifest::parse(&text, "m").unwrap(), large);
    }

    #[test]
    fn manifests_that_lie_are_refused_by_name() {
        let text = String::from_utf8(manifest().render().unwrap()).unwrap();
        let fault = |text: &str| Manifest::parse(text.as_bytes(), "t/m.json").unwrap_err().to_string();
        assert!(fault("{}").starts_with("t/m.json: is no manifest"));
        assert!(fault(&text[..text.len() / 2]).contains("is no manifest"));
        assert!(fault(&text.replace("\"dreyer_manifest\":1", "\"dreyer_manifest\":2")).contains("newer version"));
        assert!(fault(&text.replace("\"rows\":30", "\"rows\":31")).contains("add up"));
        assert!(fault(&text.replace("dataset/_common", "../_common")).contains("is no file of"));
        assert!(fault(&text.replace("\"folder\":\"s-", "\"folder\":\"../s-")).contains("is no folder"));
        assert!(fault(&text.replace("[1,44,", "[1,999,")).contains("is no file of"));
    }

    #[test]
    fn only_our_own_names_are_parts() {
        assert!(part_folder(&format!("s-{}", fresh_id())).is_some());
        assert!(part_folder(&format!("i-{}", fresh_id())).is_some());
        for name in [
            "s-",
            "s-0123",
            "x-0123456789ab0123456789abcdef",
            "s-stars",
            "i-0123456789AB0123456789ABCDEF",
        ] {
            assert_eq!(part_folder(name), None, "{name}");
        }
    }
}
