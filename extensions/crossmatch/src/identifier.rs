//! What tells two rows at the same place apart.
//!
//! Of partners that are equally near, at the same place, a match that picks must keep the same ones whichever columns the
//! query reads. So it reads, besides those, the ones that say which object a row is.

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Column, DFSchema, TableReference};

/// The columns that say which object a row is, the best that are there of:
///
/// 1. the one that the catalogue marks as the main identifier (UCD `meta.id;meta.main`),
/// 2. those that it marks as identifiers (UCD `meta.id`),
/// 3. integers and strings whose name ends in `id`,
/// 4. the first integer or string,
/// 5. all columns.
///
/// Columns that only say where the row lies do not count.
pub(crate) fn identifying(schema: &DFSchema) -> Vec<Column> {
    let columns = |chosen: &dyn Fn(&FieldRef) -> bool| -> Vec<Column> {
        schema.iter().filter(|(_, field)| chosen(field)).map(column).collect()
    };
    let named = |field: &FieldRef| is_discrete(field) && !is_place(field.name());
    let choices: [&dyn Fn(&FieldRef) -> bool; 3] = [
        &|field| ucd(field).is_some_and(|ucd| ucd == "meta.id;meta.main"),
        &|field| ucd(field).is_some_and(|ucd| ucd.split(';').next() == Some("meta.id")),
        &|field| named(field) && field.name().to_ascii_lowercase().ends_with("id"),
    ];
    let best = choices.into_iter().map(columns).find(|found| !found.is_empty());
    best.or_else(|| {
        let first = schema.iter().find(|(_, field)| named(field));
        first.map(|found| vec![column(found)])
    })
    .unwrap_or_else(|| columns(&|_| true))
}

fn column((qualifier, field): (Option<&TableReference>, &FieldRef)) -> Column {
    Column::from((qualifier, field))
}

fn ucd(field: &FieldRef) -> Option<String> {
    let ucd = field.metadata().get("ucd")?;
    Some(ucd.split_whitespace().collect::<String>().to_ascii_lowercase())
}

fn is_discrete(field: &FieldRef) -> bool {
    let data_type = match field.data_type() {
        DataType::Dictionary(_, values) => values.as_ref(),
        data_type => data_type,
    };
    data_type.is_integer() || matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Whether a column of HATS says in which cell a row lies.
fn is_place(name: &str) -> bool {
    name.starts_with("_healpix_") || matches!(name, "Norder" | "Dir" | "Npix")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::datatypes::{Field, Schema};

    use super::*;

    fn names(fields: &[(&str, DataType, &str)]) -> String {
        let field = |(name, data_type, ucd): &(&str, DataType, &str)| {
            let says = [("ucd".to_owned(), (*ucd).to_owned())];
            Arc::new(Field::new(*name, data_type.clone(), true).with_metadata(says.into()))
        };
        let schema = Schema::new(fields.iter().map(field).collect::<Vec<_>>());
        let schema = DFSchema::try_from_qualified_schema("t", &schema).unwrap();
        let names: Vec<String> = identifying(&schema).into_iter().map(|column| column.name).collect();
        names.join(" ")
    }

    #[test]
    fn the_best_that_is_there() {
        let place = ("_healpix_29", DataType::Int64, "");
        let ra = ("ra", DataType::Float64, "pos.eq.ra;meta.main");
        let solution = ("solution_id", DataType::Int64, "");
        let band = ("band", DataType::Utf8View, "");
        let main = ("name", DataType::Utf8, "meta.id; meta.MAIN");
        let other = ("alias", DataType::Utf8, "meta.id;meta.cross");
        let source = ("SourceID", DataType::UInt64, "");
        for (fields, expected) in [
            (
                vec![place.clone(), ra.clone(), solution.clone(), other.clone(), main],
                "name",
            ),
            (vec![place.clone(), ra.clone(), solution.clone(), other], "alias"),
            (
                vec![place.clone(), band.clone(), ra.clone(), solution, source],
                "solution_id SourceID",
            ),
            (vec![place.clone(), ra.clone(), band], "band"),
            (vec![place.clone(), ra.clone()], "_healpix_29 ra"),
            (vec![], ""),
        ] {
            assert_eq!(names(&fields), expected);
        }
    }
}
