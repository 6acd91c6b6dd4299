//! Collections: a folder that binds a primary catalogue with its margins and indexes.

use crate::error::{HatsError, Result};
use crate::properties::Properties;

/// What `collection.properties` says. Folder names are relative to the collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// Name of the collection.
    pub name: Option<String>,
    /// Folder of the primary catalogue: the table.
    pub primary: String,
    /// Folders of the margin catalogues.
    pub margins: Vec<String>,
    /// Indexed column and folder of each index catalogue.
    pub indexes: Vec<(String, String)>,
}

impl Collection {
    /// Reads the entries of a `collection.properties`; `file` names it in errors.
    pub fn from_properties(properties: &Properties, file: &str) -> Result<Self> {
        let primary = properties.get("hats_primary_table_url").ok_or_else(|| {
            HatsError::malformed(
                file,
                "hats_primary_table_url is missing; it names the folder of the primary catalogue",
            )
        })?;
        let words = properties.list("all_indexes");
        if !words.len().is_multiple_of(2) {
            return Err(HatsError::malformed(
                file,
                "all_indexes must list pairs of a column and a folder",
            ));
        }
        let indexes = words
            .chunks_exact(2)
            .map(|pair| (pair[0].to_owned(), pair[1].to_owned()))
            .collect();
        Ok(Self {
            name: properties.get("obs_collection").map(str::to_owned),
            primary: primary.trim_matches('/').to_owned(),
            margins: properties.list("all_margins").into_iter().map(str::to_owned).collect(),
            indexes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_names_its_parts() {
        let text = "obs_collection=small_sky_o1_collection\nhats_primary_table_url=small_sky_o1\n\
                    all_margins=small_sky_o1_margin small_sky_o1_margin_10arcs\nall_indexes=id small_sky_o1_id_index\n";
        let read = Collection::from_properties(&Properties::parse(text), "c").unwrap();
        assert_eq!(read.primary, "small_sky_o1");
        assert_eq!(read.margins.len(), 2);
        assert_eq!(read.indexes, [("id".to_owned(), "small_sky_o1_id_index".to_owned())]);
    }

    #[test]
    fn a_collection_without_a_primary_is_refused() {
        let read = Collection::from_properties(&Properties::parse("obs_collection=x"), "c/collection.properties");
        assert!(
            read.unwrap_err()
                .to_string()
                .starts_with("c/collection.properties: hats_primary_table_url")
        );
    }
}
