//! Where HATS keeps its files, and the list of tiles in `partition_info.csv`.
//!
//! ```text
//! <catalogue>/hats.properties, properties, partition_info.csv
//! <catalogue>/dataset/_common_metadata, _metadata
//! <catalogue>/dataset/Norder=k/Dir=d/Npix=p.parquet          d = p / 10000 * 10000
//! <catalogue>/dataset/Norder=k/Dir=d/Npix=p/*.parquet        where hats_npix_suffix is "/"
//! ```

use dreyer_sphere::Cell;

use crate::error::{HatsError, Result};

/// Properties of a catalogue, the current name first.
pub(crate) const PROPERTIES_FILES: [&str; 2] = ["hats.properties", "properties"];
/// Properties of a collection.
pub(crate) const COLLECTION_FILE: &str = "collection.properties";
/// What a table that SQL may write consists of.
pub(crate) const MANIFEST_FILE: &str = "dreyer.manifest.json";
/// The list of tiles.
pub(crate) const PARTITION_INFO_FILE: &str = "partition_info.csv";
/// The folder of the leaf files.
pub(crate) const DATASET_DIR: &str = "dataset";
/// All footers of a dataset in one file; lies in [`DATASET_DIR`].
pub(crate) const METADATA_FILE: &str = "_metadata";
/// Schema-only Parquet files, the smaller first; both lie in [`DATASET_DIR`].
pub(crate) const SCHEMA_FILES: [&str; 2] = ["_common_metadata", "_metadata"];
/// Columns of early catalogues that repeat what the path says; hidden from the table.
pub(crate) const HIVE_COLUMNS: [&str; 3] = ["Norder", "Dir", "Npix"];
/// The name that HATS gives the HEALPix index of order 29.
pub(crate) const INDEX_COLUMN: &str = "_healpix_29";
/// The suffix where the properties name none.
pub(crate) const DEFAULT_SUFFIX: &str = ".parquet";

/// The path of a tile's leaf below [`DATASET_DIR`]; for the suffix `/`, its folder with a trailing slash.
pub(crate) fn leaf_path(cell: Cell, suffix: &str) -> String {
    let dir = cell.index() / 10_000 * 10_000;
    format!("Norder={}/Dir={dir}/Npix={}{suffix}", cell.order(), cell.index())
}

/// The suffix of our own leaves.
pub(crate) fn suffix(leaf_folders: bool) -> &'static str {
    if leaf_folders { "/" } else { DEFAULT_SUFFIX }
}

/// The path of a tile's first file below [`DATASET_DIR`].
pub(crate) fn leaf_file(cell: Cell, suffix: &str) -> String {
    let mut path = leaf_path(cell, suffix);
    if suffix == "/" {
        path.push_str("part0.parquet");
    }
    path
}

/// The tile that a path below [`DATASET_DIR`] belongs to, if it is a leaf with that suffix.
pub(crate) fn cell_of_leaf(path: &str, suffix: &str) -> Option<Cell> {
    let path = path.replace("%3D", "=");
    let mut parts = path.split('/');
    let order = parts.find_map(|part| part.strip_prefix("Norder="))?.parse().ok()?;
    let npix = parts.find_map(|part| part.strip_prefix("Npix="))?;
    let digits = npix.len() - npix.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (index, tail) = npix.split_at(digits);
    let file = parts.next();
    let is_leaf = match (suffix, file) {
        ("/", Some(name)) => tail.is_empty() && parts.next().is_none() && !name.starts_with(['_', '.']),
        (_, None) => tail == suffix,
        _ => false,
    };
    if !is_leaf {
        return None;
    }
    Cell::new(order, index.parse().ok()?).ok()
}

/// One line of `partition_info.csv`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartitionInfo {
    pub(crate) cell: Cell,
    /// Rows of the tile, where the file has a column that says so.
    pub(crate) rows: Option<u64>,
}

/// Reads `partition_info.csv`. Columns are found by name and unknown ones skipped.
pub(crate) fn parse_partition_info(text: &str, file: &str) -> Result<Vec<PartitionInfo>> {
    let mut lines = text
        .lines()
        .map(str::trim)
        .enumerate()
        .filter(|(_, line)| !line.is_empty());
    let Some((_, header)) = lines.next() else {
        return Err(HatsError::malformed(
            file,
            "is empty; its first line must name the columns Norder and Npix",
        ));
    };
    let names: Vec<&str> = header.split(',').map(clean).collect();
    let column = |wanted: &[&str]| names.iter().position(|name| wanted.contains(name));
    let (Some(order_at), Some(index_at)) = (column(&["Norder", "order"]), column(&["Npix", "pixel"])) else {
        return Err(HatsError::malformed(
            file,
            format!("lacks a column Norder or Npix, its header is '{header}'"),
        ));
    };
    let rows_at = column(&["num_rows"]);
    lines
        .map(|(at, line)| {
            let fields: Vec<&str> = line.split(',').map(clean).collect();
            let field = |at: usize| fields.get(at).copied().unwrap_or_default();
            let cell = field(order_at).parse().ok().zip(field(index_at).parse().ok());
            let cell = cell
                .and_then(|(order, index)| Cell::new(order, index).ok())
                .ok_or_else(|| {
                    HatsError::malformed(file, format!("line {} names no HEALPix cell: '{line}'", at + 1))
                })?;
            Ok(PartitionInfo {
                cell,
                rows: rows_at.and_then(|at| field(at).parse().ok()),
            })
        })
        .collect()
}

/// Writes `partition_info.csv` with a count of rows that other readers skip.
pub(crate) fn render_partition_info(tiles: &[PartitionInfo]) -> String {
    let mut text = String::from("Norder,Npix,num_rows\n");
    for tile in tiles {
        let rows = tile.rows.map(|rows| rows.to_string()).unwrap_or_default();
        text.push_str(&format!("{},{},{rows}\n", tile.cell.order(), tile.cell.index()));
    }
    text
}

fn clean(field: &str) -> &str {
    field.trim().trim_matches('"')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cell(order: u8, index: u64) -> Cell {
        Cell::new(order, index).unwrap()
    }

    #[test]
    fn leaves_lie_in_folders_of_ten_thousand() {
        assert_eq!(
            leaf_path(cell(6, 45_678), ".parquet"),
            "Norder=6/Dir=40000/Npix=45678.parquet"
        );
        assert_eq!(leaf_path(cell(0, 11), "/"), "Norder=0/Dir=0/Npix=11/");
    }

    #[test]
    fn only_leaves_of_the_suffix_are_leaves() {
        let found = |path, suffix| cell_of_leaf(path, suffix);
        assert_eq!(found("Norder=1/Dir=0/Npix=44.parquet", ".parquet"), Some(cell(1, 44)));
        assert_eq!(
            found("Norder%3D1/Dir%3D0/Npix%3D44.parquet", ".parquet"),
            Some(cell(1, 44))
        );
        assert_eq!(found("Norder=1/Dir=0/Npix=44.parq", ".parquet"), None);
        assert_eq!(
            found("Norder=1/Dir=0/Npix=44.snappy.parquet", ".snappy.parquet"),
            Some(cell(1, 44))
        );
        assert_eq!(found("Norder=1/Dir=0/Npix=44/part0.parquet", "/"), Some(cell(1, 44)));
        assert_eq!(found("Norder=1/Dir=0/Npix=44/_SUCCESS", "/"), None);
        assert_eq!(found("Norder=1/Dir=0/Npix=44/part0.parquet", ".parquet"), None);
        assert_eq!(found("Norder=1/Npix=44.parquet", ".parquet"), Some(cell(1, 44)));
        assert_eq!(
            found("Norder=1/Dir=0/Npix=48.parquet", ".parquet"),
            None,
            "order 1 has 48 cells"
        );
        assert_eq!(found("_metadata", ".parquet"), None);
    }

    #[test]
    fn partition_info_tolerates_other_columns_and_old_names() {
        let read = |text| parse_partition_info(text, "p.csv").unwrap();
        let expected = [PartitionInfo {
            cell: cell(1, 44),
            rows: None,
        }];
        assert_eq!(read("Norder,Npix\n1,44\n"), expected);
        assert_eq!(read("Norder,Dir,Npix,x\r\n1,0,44,7\r\n\n"), expected);
        assert_eq!(read("\"order\",\"pixel\"\n1,44"), expected);
        assert_eq!(read("Norder,Npix,num_rows\n1,44,131\n")[0].rows, Some(131));
        assert_eq!(read("Norder,Npix\n"), []);
    }

    #[test]
    fn a_wrong_partition_info_says_where() {
        let fault = |text| parse_partition_info(text, "p.csv").unwrap_err().to_string();
        assert_eq!(
            fault("Norder,Npix\n0,11\n0,12\n"),
            "p.csv: line 3 names no HEALPix cell: '0,12'"
        );
        assert!(fault("a,b\n").contains("lacks a column Norder or Npix"));
        assert!(fault("").contains("is empty"));
    }

    proptest! {
        #[test]
        fn paths_and_lists_come_back(order in 0_u8..=12, seed in any::<u64>(), rows in prop::option::of(any::<u64>())) {
            let cell = cell(order, seed % (12 << (2 * u32::from(order))));
            for suffix in [".parquet", ".parq"] {
                prop_assert_eq!(cell_of_leaf(&leaf_path(cell, suffix), suffix), Some(cell));
            }
            prop_assert_eq!(cell_of_leaf(&(leaf_path(cell, "/") + "a.parquet"), "/"), Some(cell));
            let tiles = [PartitionInfo { cell, rows }];
            prop_assert_eq!(parse_partition_info(&render_partition_info(&tiles), "p").unwrap(), tiles);
        }
    }
}
