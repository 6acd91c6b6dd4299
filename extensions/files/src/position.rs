//! Which columns of a file are positions on the sky: told by UCDs, else guessed from names that are in common use.

use datafusion::arrow::datatypes::{DataType, Field, Schema};

/// Name of the column that holds the HEALPix index of order 29, wherever it comes from.
const INDEX_COLUMN: &str = "_healpix_29";

/// Names of longitude and latitude that belong together, in the order of preference.
const NAMES: &[(&str, &str)] = &[
    ("ra", "dec"),
    ("ra_deg", "dec_deg"),
    ("ra_icrs", "de_icrs"),
    ("ra_icrs", "dec_icrs"),
    ("raj2000", "dej2000"),
    ("raj2000", "decj2000"),
    ("_raj2000", "_dej2000"),
    ("_ra", "_dec"),
    ("_ra", "_de"),
    ("_ra_icrs", "_de_icrs"),
    ("ra_2000", "dec_2000"),
    ("ra_j2000", "dec_j2000"),
    ("alpha_j2000", "delta_j2000"),
    ("coord_ra", "coord_dec"),
    ("s_ra", "s_dec"),
    ("ramean", "decmean"),
    ("meanra", "meandec"),
    ("right_ascension", "declination"),
];

/// Pairs of UCDs that belong together.
const UCDS: &[(&str, &str)] = &[
    ("pos.eq.ra;meta.main", "pos.eq.dec;meta.main"),
    ("pos.eq.ra", "pos.eq.dec"),
];

/// The columns of longitude and latitude in degrees: the main ones first, each pair once.
pub fn positions(schema: &Schema) -> Vec<(String, String)> {
    let by_ucd = UCDS.iter().filter_map(|(lon, lat)| {
        let find = |ucd: &str| {
            only(schema, |field| {
                ucd_of(field).is_some_and(|own| own.eq_ignore_ascii_case(ucd))
            })
        };
        find(lon).zip(find(lat))
    });
    let by_name = NAMES.iter().filter_map(|(lon, lat)| {
        let find = |name: &str| only(schema, |field| field.name().eq_ignore_ascii_case(name));
        find(lon).zip(find(lat))
    });
    let mut pairs = Vec::new();
    for (lon, lat) in by_ucd.chain(by_name) {
        let pair = (lon.name().clone(), lat.name().clone());
        if !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    pairs
}

/// The column that holds the HEALPix index of order 29, if there is one.
pub(crate) fn index_column(schema: &Schema) -> Option<&str> {
    let field = schema.field_with_name(INDEX_COLUMN).ok()?;
    (*field.data_type() == DataType::Int64).then_some(INDEX_COLUMN)
}

fn only(schema: &Schema, fits: impl Fn(&Field) -> bool) -> Option<&Field> {
    let mut fitting = schema
        .fields()
        .iter()
        .map(AsRef::as_ref)
        .filter(|field| is_degrees(field) && fits(field));
    let first = fitting.next()?;
    fitting.next().is_none().then_some(first)
}

fn is_degrees(field: &Field) -> bool {
    let unit = field.metadata().get("unit").map(String::as_str).unwrap_or_default();
    let degrees = ["", "deg", "degree", "degrees", "degree_angle"];
    matches!(field.data_type(), DataType::Float64 | DataType::Float32)
        && degrees.iter().any(|word| word.eq_ignore_ascii_case(unit.trim()))
}

fn ucd_of(field: &Field) -> Option<&str> {
    field.metadata().get("ucd").map(|ucd| ucd.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, unit: &str, ucd: &str) -> Field {
        let metadata = [("unit".to_owned(), unit.to_owned()), ("ucd".to_owned(), ucd.to_owned())];
        Field::new(name, DataType::Float64, true).with_metadata(metadata.into())
    }

    fn pairs(fields: Vec<Field>) -> Vec<(String, String)> {
        positions(&Schema::new(fields))
    }

    fn names(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(lon, lat)| ((*lon).to_owned(), (*lat).to_owned()))
            .collect()
    }

    #[test]
    fn ucds_come_before_names() {
        let fields = vec![
            field("ra", "deg", ""),
            field("dec", "deg", ""),
            field("x", "deg", "POS.EQ.RA;meta.main"),
            field("y", "", "pos.eq.dec;meta.main"),
        ];
        assert_eq!(pairs(fields), names(&[("x", "y"), ("ra", "dec")]));
    }

    #[test]
    fn names_are_found_whatever_their_case() {
        assert_eq!(
            pairs(vec![field("RAJ2000", "", ""), field("DEJ2000", "", "")]),
            names(&[("RAJ2000", "DEJ2000")])
        );
        assert!(pairs(vec![field("ra", "rad", ""), field("dec", "rad", "")]).is_empty());
        // Which of the two is meant cannot be told.
        assert!(pairs(vec![field("ra", "", ""), field("RA", "", ""), field("dec", "", "")]).is_empty());
        let texts = Schema::new(vec![
            Field::new("ra", DataType::Utf8, true),
            Field::new("dec", DataType::Utf8, true),
        ]);
        assert!(positions(&texts).is_empty());
    }
}
