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
}

/// Hands out numbers; two names of one hash get different ones, in the order they come.
#[derive(Debug, Default)]
pub(super) struct Oids {
    taken: HashSet<u32>,
}

impl Oids {
    pub(super) fn of(&mut self, kind: Kind, name: &[&str]) -> u32 {
        let mut oid = FIRST + u32::try_from(hash(kind, name) % u64::from(END - FIRST)).unwrap_or_default();
        while !self.taken.insert(oid) {
            oid = if oid + 1 == END { FIRST } else { oid + 1 };
        }
        oid
    }
}

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
