//! ADQL geometry, IVOA and Q3C functions as one table.
//!
//! ```text
//! TABLES ─► functions() ─► SessionContext / SessionStateBuilder
//!    ├────► specs()     ─► reference page, capabilities
//!    └────► proof       ─► every example run
//! ```
//!
//! Here are the rows; how a row becomes a function is `dreyer_kernel`'s business, and what an angle or a region is
//! `dreyer_sphere`'s. Nothing here plans: planners of tiles and cross-matches read the `role` of a row.
//!
//! # Bad input
//!
//! A constant without meaning (a radius of 3600 degrees, a declination of 95) is an error that names the function, the
//! argument and the value. The same number in a row makes the result of that row NULL, as do NULL and NaN: a scan must
//! not die of one bad row.
//!
//! # Example
//!
//! ```
//! use datafusion::prelude::SessionContext;
//!
//! let context = SessionContext::new();
//! for function in dreyer_geometry::functions() {
//!     context.register_udf(function.as_ref().clone());
//! }
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let angle = dreyer_kernel::proof::evaluate(&context, "distance(359.5, 0, 0.5, 0)").await?;
//! assert_eq!(angle, "1.0");
//! # Ok::<(), datafusion::error::DataFusionError>(())
//! # }).unwrap();
//! ```

mod arguments;
mod constructors;
mod crossmatch;
mod ellipse;
mod epoch;
mod healpix;
mod measures;
mod numbers;
mod predicates;
mod q3c;
mod sexagesimal;
mod shape;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;
use dreyer_kernel::FnSpec;

pub use shape::{BOX, CIRCLE, GEOMETRY, POINT, POLYGON, REGION};

static TABLES: &[&[FnSpec]] = &[
    constructors::TABLE,
    predicates::TABLE,
    measures::TABLE,
    healpix::TABLE,
    epoch::TABLE,
    ellipse::TABLE,
    crossmatch::TABLE,
    q3c::TABLE,
    sexagesimal::TABLE,
    numbers::TABLE,
];

/// All functions, to be registered. `contains` replaces the engine's own, whose meaning for texts it keeps.
#[must_use]
pub fn functions() -> Vec<Arc<ScalarUDF>> {
    dreyer_kernel::functions(TABLES)
}

/// The rows behind [`functions`], family by family.
#[must_use]
pub fn specs() -> &'static [&'static [FnSpec]] {
    TABLES
}
