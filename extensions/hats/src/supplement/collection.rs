//! `collection.properties`: what binds a catalogue with its margins and indexes.

use super::provenance;
use crate::Place;
use crate::error::{HatsError, Result};
use crate::layout;
use crate::properties::Properties;

/// Makes `place` a collection called `name`: of the catalogue in its folder `primary`, the margins in the folders of
/// `margins` with their thresholds in arcseconds, and the indexes, each a column and a folder. The widest margin is the
/// one that readers take by themselves, and the first index.
///
/// Of HATS's keys it uses those that every version of the format's library accepts; older ones refuse any other.
///
/// # Errors
/// A name that a list in a properties file cannot hold, or a fault of the store.
pub async fn write_collection(
    place: &Place,
    name: &str,
    primary: &str,
    margins: &[(String, f64)],
    indexes: &[(String, String)],
) -> Result<()> {
    let words = margins
        .iter()
        .map(|(folder, _)| folder)
        .chain(indexes.iter().flat_map(|(column, folder)| [column, folder]));
    if let Some(word) = words.into_iter().find(|word| !is_word(word)) {
        let fault = format!("cannot list '{word}': blanks, commas and semicolons separate its entries");
        return Err(HatsError::malformed(place.object(layout::COLLECTION_FILE), fault));
    }
    let mut properties = Properties::default();
    properties.set("obs_collection", name);
    properties.set("hats_primary_table_url", primary);
    if let Some((widest, _)) = margins.iter().max_by(|(_, a), (_, b)| a.total_cmp(b)) {
        let folders: Vec<&str> = margins.iter().map(|(folder, _)| folder.as_str()).collect();
        properties.set("all_margins", folders.join(" "));
        properties.set("default_margin", widest);
    }
    if let Some((column, _)) = indexes.first() {
        let pairs: Vec<String> = indexes
            .iter()
            .map(|(column, folder)| format!("{column} {folder}"))
            .collect();
        properties.set("all_indexes", pairs.join(" "));
        properties.set("default_index", column);
    }
    provenance::stamp(&mut properties);
    place.write(layout::COLLECTION_FILE, properties.render()).await
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| matches!(c, ';' | ',') || c.is_whitespace())
}
