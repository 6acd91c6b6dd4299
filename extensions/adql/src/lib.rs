//! The ADQL-flavoured SQL dialect: parse, validate, lower.
//!
//! One grammar for every door: the union of PostgreSQL, DataFusion's own SQL and ADQL 2.1. A text
//! is cut into statements ([`split`]), parsed in the dialect of this crate ([`dialect`]), and the
//! syntax tree is then *lowered*: numbered passes ([`lower()`]) turn what the stock planner of
//! DataFusion does not know into what it does. Where a word means different things to PostgreSQL
//! and to ADQL, the caller names the [`Language`].
//!
//! ```text
//! text ─ split ─► pieces ─ parser + dialect() ─► Statement ─ lower ─► Statement ─ resolve_names ─► planner
//!          └ validate_strict: is it pure ADQL 2.1?
//! ```
//!
//! What it is not: no planner, no functions, no catalogue, no DataFusion. Geometry stays a call of
//! functions that others register; names are matched against a [`NameScope`] that the caller fills.
//!
//! Standard: ADQL 2.1, IVOA Recommendation 2023-12-15.

mod arrow;
mod bounds;
mod call;
#[cfg(test)]
mod corpus;
mod dialect;
mod error;
mod join;
mod locate;
mod lower;
mod names;
mod parse;
mod prefix;
#[cfg(test)]
mod robustness;
mod source;
mod split;
mod strict;

pub use bounds::MAX_OPERATORS;
pub use dialect::{AdqlDialect, dialect};
pub use error::{Error, ErrorKind};
pub use locate::locate_call;
pub use lower::{Language, lower, lower_query};
pub use names::{NameScope, resolve_names, resolve_query_names};
pub use parse::parse;
pub use source::{caret, char_offset, location_at};
pub use split::{Piece, split};
pub use strict::validate_strict;
