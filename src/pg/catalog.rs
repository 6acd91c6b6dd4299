//! `pg_catalog` and `information_schema`: what exists, in the shape that clients of PostgreSQL look for it.
//!
//! A [`Snapshot`] of the session's catalogue is taken before a statement that asks for it. A few relations made from
//! the snapshot ([`source`]) are all that Rust knows; everything clients see are views over them, in
//! `sql/pg_catalog/*.sql` and `sql/information_schema/*.sql`, and relations that are always empty here, in
//! `empty.sql`. They lie in schemas of their own, where no table of a user can be.

mod names;
mod oid;
mod operators;
pub(super) mod roles;
mod routines;
mod snapshot;
mod source;
mod system;
mod typenames;

pub(super) use names::{is_always_empty, is_catalog_schema, is_pg_catalog_function, is_pg_catalog_relation};
pub(super) use oid::{number_of_catalog_relation, number_of_relation, routine_number};
pub(super) use snapshot::{Relation, Routine, Snapshot};
pub(super) use source::is_source;
pub(super) use system::System;
pub(super) use typenames::{format_type, named_type, type_name};
