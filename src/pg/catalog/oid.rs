//! Object identifiers: a number for every name, the same in every session and every process, with nobody to hand it
//! out. It is the hash of the name.

use std::collections::HashSet;

/// The first number that PostgreSQL gives to objects of users.
const FIRST: u32 = 16_384;

/// One past the last: clients that read an oid as a signed number must not see it negative.
const END: u32 = i32::MAX as u32;

/// The kinds of object that have numbers of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Schema,
    Relation,
    Routine,
    Operator,
    Role,
}

/// Hands out numbers; two names of one hash get different ones, in the order they come.
#[derive(Debug, Default)]
pub(super) struct Oids {
    taken: HashSet<u32>,
}

impl Oids {
    pub(super) fn of(&mut self, kind: Kind, name: &[&str]) -> u32 {
        if let (Kind::Relation, ["pg_catalog", name]) = (kind, name)
            && let Some((_, oid)) = CATALOG.iter().find(|(known, _)| known == name)
        {
            return *oid;
        }
        let mut oid = FIRST + u32::try_from(hash(kind, name) % u64::from(END - FIRST)).unwrap_or_default();
        while !self.taken.insert(oid) {
            oid = if oid + 1 == END { FIRST } else { oid + 1 };
        }
        oid
    }
}

/// The number of a function of pg_catalog that types are said to have (`float8recv`).
pub(in crate::pg) fn routine_number(name: &str) -> u32 {
    FIRST + u32::try_from(hash(Kind::Routine, &["pg_catalog", name]) % u64::from(END - FIRST)).unwrap_or_default()
}

/// The number of a relation of pg_catalog: PostgreSQL's own for its tables, which clients know by heart.
pub(in crate::pg) fn number_of_catalog_relation(name: &str) -> u32 {
    number_of_relation("pg_catalog", name)
}

/// The number of a relation, but in the rare case that another one of the same hash comes before it.
pub(in crate::pg) fn number_of_relation(schema: &str, name: &str) -> u32 {
    Oids::default().of(Kind::Relation, &[schema, name])
}

/// Numbers that PostgreSQL 15 gives to its own tables.
const CATALOG: &[(&str, u32)] = &[
    ("pg_default_acl", 826),
    ("pg_tablespace", 1213),
    ("pg_shdepend", 1214),
    ("pg_type", 1247),
    ("pg_attribute", 1249),
    ("pg_proc", 1255),
    ("pg_class", 1259),
    ("pg_authid", 1260),
    ("pg_auth_members", 1261),
    ("pg_database", 1262),
    ("pg_foreign_server", 1417),
    ("pg_user_mapping", 1418),
    ("pg_sequence", 2224),
    ("pg_foreign_data_wrapper", 2328),
    ("pg_shdescription", 2396),
    ("pg_aggregate", 2600),
    ("pg_am", 2601),
    ("pg_amop", 2602),
    ("pg_amproc", 2603),
    ("pg_attrdef", 2604),
    ("pg_cast", 2605),
    ("pg_constraint", 2606),
    ("pg_conversion", 2607),
    ("pg_depend", 2608),
    ("pg_description", 2609),
    ("pg_index", 2610),
    ("pg_inherits", 2611),
    ("pg_language", 2612),
    ("pg_namespace", 2615),
    ("pg_opclass", 2616),
    ("pg_operator", 2617),
    ("pg_rewrite", 2618),
    ("pg_trigger", 2620),
    ("pg_opfamily", 2753),
    ("pg_db_role_setting", 2964),
    ("pg_largeobject_metadata", 2995),
    ("pg_extension", 3079),
    ("pg_foreign_table", 3118),
    ("pg_policy", 3256),
    ("pg_partitioned_table", 3350),
    ("pg_statistic_ext", 3381),
    ("pg_collation", 3456),
    ("pg_event_trigger", 3466),
    ("pg_enum", 3501),
    ("pg_range", 3541),
    ("pg_transform", 3576),
    ("pg_seclabel", 3596),
    ("pg_ts_dict", 3600),
    ("pg_ts_parser", 3601),
    ("pg_ts_config", 3602),
    ("pg_ts_template", 3764),
    ("pg_subscription", 6100),
    ("pg_publication", 6104),
    ("pg_publication_rel", 6106),
    ("pg_publication_namespace", 6237),
    ("pg_parameter_acl", 6243),
];

/// FNV-1a, whose values are the same everywhere and for ever.
fn hash(kind: Kind, name: &[&str]) -> u64 {
    // A byte that no name has keeps ("ab", "c") and ("a", "bc") apart.
    let parts = name.iter().flat_map(|part| part.bytes().chain([0xff]));
    [kind as u8]
        .into_iter()
        .chain(parts)
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_depend_on_nothing_but_the_name() {
        let mut oids = Oids::default();
        let stars = oids.of(Kind::Relation, &["public", "stars"]);
        assert_eq!(stars, Oids::default().of(Kind::Relation, &["public", "stars"]));
        assert!((FIRST..END).contains(&stars));
        assert_ne!(stars, oids.of(Kind::Schema, &["public", "stars"]));
        assert_ne!(
            oids.of(Kind::Relation, &["ab", "c"]),
            oids.of(Kind::Relation, &["a", "bc"])
        );
    }

    #[test]
    fn clashing_names_get_different_numbers() {
        let mut oids = Oids::default();
        assert_ne!(oids.of(Kind::Routine, &["same"]), oids.of(Kind::Routine, &["same"]));
    }
}
