//! Roles, as everybody who is logged in may see them: that they exist, not what they may read.

use super::oid::{Kind, Oids};
use crate::pg::door::Door;
use crate::users::PUBLIC;

/// The number of one's own role, which is that of PostgreSQL's first.
const OWN: u32 = 10;

/// A role.
#[derive(Debug)]
pub(in crate::pg) struct KnownRole {
    pub(in crate::pg) oid: u32,
    pub(in crate::pg) name: String,
    /// Whether it is a user.
    pub(in crate::pg) logs_in: bool,
    pub(in crate::pg) admin: bool,
    /// The numbers of those that it is a member of.
    pub(in crate::pg) member_of: Vec<u32>,
}

/// All roles; one's own alone where there are no users.
pub(in crate::pg) fn all(door: &Door) -> Vec<KnownRole> {
    let own = || KnownRole {
        oid: OWN,
        name: door.user.clone(),
        logs_in: true,
        admin: false,
        member_of: Vec::new(),
    };
    let Some(roles) = door.database.users().and_then(|users| users.now()) else {
        return vec![own()];
    };
    let mut oids = Oids::default();
    let numbered = roles
        .roles
        .iter()
        .filter(|(name, _)| *name != PUBLIC)
        .map(|(name, role)| {
            let oid = oids.of(Kind::Role, &[name]);
            (if *name == door.user { OWN } else { oid }, name, role)
        });
    let numbered: Vec<_> = numbered.collect();
    let number = |wanted: &String| {
        numbered
            .iter()
            .find(|(_, name, _)| *name == wanted)
            .map(|(oid, ..)| *oid)
    };
    let known = numbered.iter().map(|(oid, name, role)| KnownRole {
        oid: *oid,
        name: (*name).clone(),
        logs_in: role.verifier.is_some(),
        admin: role.admin,
        member_of: role.member_of.iter().filter_map(number).collect(),
    });
    let mut known: Vec<_> = known.collect();
    if known.iter().all(|role| role.oid != OWN) {
        // Dropped while logged in.
        known.push(own());
    }
    known
}
