//! What a column is about, kept in Arrow field metadata: the keys, and names that are unique. Not the data types.

use std::collections::{HashMap, HashSet};

use arrow::datatypes::{DataType, Field};

/// The unit, as the file spells it.
pub const UNIT: &str = "unit";
/// The Unified Content Descriptor: what kind of quantity.
pub const UCD: &str = "ucd";
/// The role in a data model.
pub const UTYPE: &str = "utype";
/// A sentence for people.
pub const DESCRIPTION: &str = "description";
/// How VOTable text or an array is to be understood: `timestamp`, `point`, `moc`, …
pub const XTYPE: &str = "xtype";
/// The VOTable `arraysize`, as written.
pub const ARRAYSIZE: &str = "arraysize";
/// How FITS would print a value (`TDISP`).
pub const DISPLAY: &str = "display";
/// The VOTable data type, where Arrow's does not tell: `unicodeChar`.
pub const DATATYPE: &str = "datatype";

/// The metadata of one column while it is gathered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes(HashMap<String, String>);

impl Notes {
    /// Blank values say nothing and are left out.
    pub(crate) fn note(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value.map(str::trim).filter(|value| !value.is_empty()) {
            self.0.insert(key.to_owned(), value.to_owned());
        }
    }

    pub(crate) fn field(self, name: &str, data_type: DataType) -> Field {
        Field::new(name, data_type, true).with_metadata(self.0)
    }
}

/// Names for columns: one that is blank becomes `colN` (from 1), one that came before gets a number behind it.
pub(crate) fn unique_names(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut unique = Vec::new();
    for (index, name) in names.into_iter().enumerate() {
        let name = match name.trim() {
            "" => format!("col{}", index + 1),
            name => name.to_owned(),
        };
        let mut candidate = name.clone();
        let mut number = 1;
        while !taken.insert(candidate.clone()) {
            number += 1;
            candidate = format!("{name}_{number}");
        }
        unique.push(candidate);
    }
    unique
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_unique() {
        let names = ["a", "", "a", "a_2", " a ", "col2"].map(str::to_owned);
        assert_eq!(unique_names(names), ["a", "col2", "a_2", "a_2_2", "a_3", "col2_2"]);
    }
}
