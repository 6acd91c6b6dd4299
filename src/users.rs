//! Users, the roles they belong to, and what these may read: one JSON file of this machine, next to the state.
//!
//! ```text
//!  dreyer user add …    ──┐                    ┌──► pg/login   verifiers: who somebody is
//!  GRANT, REVOKE, ROLE  ──┴─► users.json ──────┴──► Sight      grants: what they see
//!                             0600, replaced whole, looked at again by whoever has it open
//! ```
//!
//! Passwords are not in it, only what SCRAM verifies them by. A role with a verifier is a user, as in PostgreSQL. While
//! there is no such file, whoever is on this machine may come in; once there is one, nobody comes in without a password.

mod document;
mod file;
mod reach;
mod verifier;

pub(crate) use document::{PUBLIC, READ_ALL, Role, Roles};
pub(crate) use file::Users;
pub(crate) use reach::Sight;
pub(crate) use verifier::Verifier;
