//! How a SQL function is declared: a row of a table in, a DataFusion function out.
//!
//! ```text
//! FnSpec { name, overloads: [args, returns, kernel], examples, .. }
//!     --udf()-->      ScalarUDF       overloads, coercion, NULLs, constants, field metadata, errors
//!     --markdown()--> reference page
//!     --proof-->      every example run
//! ```
//!
//! There is one `ScalarUDFImpl` for all functions. A kernel sees typed columns of a batch and returns an array; which
//! Arrow layouts may arrive, where NULLs lie and which arguments are constant is settled before it is called.
//! This crate knows nothing of astronomy, and declares no function itself.
//!
//! ```
//! use dreyer_kernel::{Arg, Example, FnSpec, Kind, Overload, Returns, proof};
//!
//! static TABLE: &[FnSpec] = &[FnSpec {
//!     summary: "The mean of two numbers.",
//!     reference: "Arithmetic",
//!     examples: &[Example::new("mean2(1, 2.5)", "1.75")],
//!     ..FnSpec::new(
//!         "mean2",
//!         "Numbers",
//!         &[Overload::new(
//!             &[Arg::new("a", Kind::Number), Arg::new("b", Kind::Number)],
//!             Returns::new(Kind::Number),
//!             |call| {
//!                 let [a, b] = call.numbers()?;
//!                 call.fill_numbers(|row| Ok(0.5 * (a.get(row) + b.get(row))))
//!             },
//!         )],
//!     )
//! }];
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! assert_eq!(proof::failures(&[TABLE]).await, Vec::<String>::new());
//! # });
//! ```

mod call;
mod column;
mod error;
mod function;
mod kind;
pub mod nan;
pub mod proof;
pub mod reference;
mod resolve;
mod spec;
#[cfg(test)]
mod tests;

pub use call::{Call, Make, Prepared};
pub use column::{Booleans, Integers, Lists, Numbers, Texts};
pub use error::{Fault, FunctionError};
pub use function::{TableFunction, functions, spec_of};
pub use kind::Kind;
pub use spec::{Arg, Domain, Example, FnSpec, Kernel, Overload, Returns};
