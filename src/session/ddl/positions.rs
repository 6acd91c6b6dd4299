//! Which columns of a new table are its positions: those the statement names, else those whose UCD says so, else those
//! with a usual name.

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::sql::sqlparser::ast::{CreateTableOptions, Expr, SqlOption, Value};

use crate::error::Place;
use crate::{Error, ErrorKind, Result};

/// The main position's words, as VOTable and VOParquet have them.
const UCDS: [&str; 2] = ["pos.eq.ra;meta.main", "pos.eq.dec;meta.main"];

/// Pairs of names that mean ICRS degrees wherever they are met, in lower case. The first pair that is there counts.
const NAMES: &[(&str, &str)] = &[
    ("ra", "dec"),
    ("ra", "de"),
    ("ra_icrs", "dec_icrs"),
    ("ra_icrs", "de_icrs"),
    ("radeg", "dedeg"),
    ("radeg", "decdeg"),
    ("ra_deg", "dec_deg"),
    ("raj2000", "dej2000"),
    ("raj2000", "decj2000"),
    ("_raj2000", "_dej2000"),
    ("ra_j2000", "dec_j2000"),
    ("ra2000", "dec2000"),
    ("ramean", "decmean"),
    ("right_ascension", "declination"),
];

/// The options of `WITH (…)` that say where positions are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    lon: Option<String>,
    lat: Option<String>,
    /// `positions = false`: none, whatever the columns are called.
    none: bool,
}

/// Two columns of a table: right ascension and declination, degrees.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Positions {
    pub(super) lon: String,
    pub(super) lat: String,
}

impl Wanted {
    /// Reads `WITH (ra = 'x', dec = 'y')` or `WITH (positions = false)`.
    ///
    /// # Errors
    /// Another option, one without the other, or a value of another type.
    pub(super) fn read(options: &CreateTableOptions) -> Result<Self> {
        let options = match options {
            CreateTableOptions::None => return Ok(Self::default()),
            CreateTableOptions::With(options) | CreateTableOptions::Options(options) => options,
            _ => return Err(unknown("these table options")),
        };
        let mut wanted = Self::default();
        for option in options {
            let SqlOption::KeyValue { key, value } = option else {
                return Err(unknown(&format!("the option {option}")));
            };
            match (key.value.to_lowercase().as_str(), text(value)) {
                ("ra" | "lon", Some(column)) => wanted.lon = Some(column),
                ("dec" | "lat", Some(column)) => wanted.lat = Some(column),
                ("positions", Some(value)) if ["false", "none", "off"].contains(&value.as_str()) => wanted.none = true,
                ("positions", Some(value)) if ["true", "on"].contains(&value.as_str()) => {}
                _ => return Err(unknown(&format!("the option {option}")).at(Place::Word(key.value.clone()))),
            }
        }
        if wanted.lon.is_some() != wanted.lat.is_some() || (wanted.none && wanted.lon.is_some()) {
            let message = "WITH names both columns of the position, or neither";
            return Err(Error::new(ErrorKind::InvalidParameter, message).with_hint("WITH (ra = 'x', dec = 'y')"));
        }
        Ok(wanted)
    }

    /// The columns of `schema` that are its positions.
    ///
    /// # Errors
    /// A column that was asked for is not there or holds no numbers.
    pub(super) fn among(&self, schema: &Schema) -> Result<Option<Positions>> {
        if self.none {
            return Ok(None);
        }
        if let (Some(lon), Some(lat)) = (&self.lon, &self.lat) {
            let (lon, lat) = (named(schema, lon)?, named(schema, lat)?);
            return Ok(Some(Positions { lon, lat }));
        }
        Ok(by_ucd(schema).or_else(|| by_name(schema)))
    }
}

fn unknown(what: &str) -> Error {
    Error::new(ErrorKind::NotSupported, format!("CREATE TABLE does not know {what}"))
        .with_hint("WITH (ra = 'x', dec = 'y') names the columns of the position, WITH (positions = false) says that there are none.")
}

fn text(value: &Expr) -> Option<String> {
    match value {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.clone()),
            Value::Boolean(value) => Some(value.to_string()),
            _ => None,
        },
        Expr::Identifier(ident) => Some(match ident.quote_style {
            Some(_) => ident.value.clone(),
            None => ident.value.to_lowercase(),
        }),
        _ => None,
    }
}

fn named(schema: &Schema, name: &str) -> Result<String> {
    let mut fitting = schema
        .fields()
        .iter()
        .filter(|field| field.name().eq_ignore_ascii_case(name));
    let exact = schema.fields().iter().find(|field| field.name() == name);
    match exact.or_else(|| fitting.next()) {
        Some(field) if is_number(field) => Ok(field.name().clone()),
        Some(field) => {
            let message = format!(
                "a position is a number of degrees; column \"{name}\" is {}",
                field.data_type()
            );
            Err(Error::new(ErrorKind::DatatypeMismatch, message).at(Place::Word(name.to_owned())))
        }
        None => Err(
            Error::new(ErrorKind::UndefinedColumn, format!("column \"{name}\" does not exist"))
                .at(Place::Word(name.to_owned())),
        ),
    }
}

fn by_ucd(schema: &Schema) -> Option<Positions> {
    let of = |ucd: &str| {
        let fields = schema.fields().iter();
        let mut fitting = fields.filter(|field| {
            let said = field.metadata().get("ucd").map(|said| said.trim().to_lowercase());
            said.as_deref() == Some(ucd) && is_angle(field)
        });
        fitting.next().map(|field| field.name().clone())
    };
    Some(Positions {
        lon: of(UCDS[0])?,
        lat: of(UCDS[1])?,
    })
}

fn by_name(schema: &Schema) -> Option<Positions> {
    let of = |name: &str| {
        let mut fields = schema.fields().iter();
        fields
            .find(|field| field.name().eq_ignore_ascii_case(name) && is_angle(field))
            .map(|field| field.name().clone())
    };
    NAMES.iter().find_map(|(lon, lat)| {
        Some(Positions {
            lon: of(lon)?,
            lat: of(lat)?,
        })
    })
}

fn is_number(field: &Field) -> bool {
    field.data_type().is_numeric()
}

/// Whether a column may hold degrees: floating point, and of no other unit.
fn is_angle(field: &Field) -> bool {
    let degrees = field
        .metadata()
        .get("unit")
        .is_none_or(|unit| ["deg", "degree", "degrees", ""].contains(&unit.trim()));
    degrees && matches!(field.data_type(), DataType::Float64 | DataType::Float32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, type and metadata of a column.
    type Column<'a> = (&'a str, DataType, &'a [(&'a str, &'a str)]);

    fn schema(fields: &[Column<'_>]) -> Schema {
        let field = |(name, data_type, metadata): &Column<'_>| {
            let metadata = metadata
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            Field::new(*name, data_type.clone(), true).with_metadata(metadata.collect())
        };
        Schema::new(fields.iter().map(field).collect::<Vec<_>>())
    }

    fn among(fields: &[Column<'_>]) -> Option<(String, String)> {
        let found = Wanted::default().among(&schema(fields)).unwrap();
        found.map(|found| (found.lon, found.lat))
    }

    fn pair(lon: &str, lat: &str) -> Option<(String, String)> {
        Some((lon.to_owned(), lat.to_owned()))
    }

    const F: DataType = DataType::Float64;

    #[test]
    fn names_are_known_in_any_case_if_they_can_be_degrees() {
        assert_eq!(among(&[("RA", F, &[]), ("Dec", F, &[])]), pair("RA", "Dec"));
        assert_eq!(
            among(&[("RAJ2000", F, &[]), ("DEJ2000", F, &[])]),
            pair("RAJ2000", "DEJ2000")
        );
        assert_eq!(among(&[("ra", DataType::Utf8, &[]), ("dec", F, &[])]), None);
        assert_eq!(among(&[("ra", F, &[("unit", "rad")]), ("dec", F, &[])]), None);
        assert_eq!(among(&[("n", DataType::Int64, &[])]), None);
    }

    #[test]
    fn a_ucd_says_more_than_a_name() {
        let (lon, lat) = (&[("ucd", UCDS[0])][..], &[("ucd", "POS.EQ.DEC;META.MAIN")][..]);
        let fields = [
            ("ra", F, &[][..]),
            ("dec", F, &[]),
            ("alpha", F, lon),
            ("delta", F, lat),
            ("alpha_2", F, lon),
        ];
        assert_eq!(among(&fields), pair("alpha", "delta"));
        assert_eq!(among(&fields[..3]), pair("ra", "dec"));
    }

    #[test]
    fn what_the_statement_says_counts_most() {
        let schema = schema(&[
            ("ra", F, &[]),
            ("dec", F, &[]),
            ("L", F, &[]),
            ("name", DataType::Utf8, &[]),
        ]);
        let wanted = |lon: &str, lat: &str| Wanted {
            lon: Some(lon.to_owned()),
            lat: Some(lat.to_owned()),
            none: false,
        };
        let found = wanted("l", "dec").among(&schema).unwrap().unwrap();
        assert_eq!((found.lon.as_str(), found.lat.as_str()), ("L", "dec"));
        assert_eq!(wanted("x", "dec").among(&schema).unwrap_err().sqlstate(), "42703");
        assert_eq!(wanted("name", "dec").among(&schema).unwrap_err().sqlstate(), "42804");
        let none = Wanted {
            none: true,
            ..Wanted::default()
        };
        assert_eq!(none.among(&schema).unwrap(), None);
    }
}
