//! NaN that is one value: equal to itself and greater than all others, as in PostgreSQL. And one zero.
//!
//! The engine compares floating-point numbers by the total order of IEEE 754, where a NaN with its sign bit set comes
//! before all numbers, and one with other bits in its fraction is another value. Processors make such NaNs (0/0 on x86)
//! and catalogues are full of them: what `log10` of a negative flux gave is below every magnitude. Likewise -0 comes
//! before 0, and the least and greatest values that files state leave NaN out.
//!
//! ```text
//! rows of files  ──► of_batch       every NaN becomes the one, and -0 becomes 0
//! logical plan   ──► total_order    so does what is computed, before it is compared, sorted or grouped; a comparison
//!                                   with 0 is written so that statistics of -0 do not mislead it
//! predicates     ──► push_down      "x > 5" holds for NaN, so no statistics may say that it holds nowhere
//! ```

mod array;
mod function;
mod plan;
mod pruning;

pub use array::{of_array, of_batch};
pub use function::canonical;
pub use plan::total_order;
pub use pruning::push_down;
