//! The strategies, each in its file: given the inputs, an operator or `None`.

mod aligned;
mod indexed;
mod nested_loop;
mod retiled;
mod units;

pub(crate) use aligned::aligned;
pub(crate) use indexed::{indexed, pruned};
pub(crate) use nested_loop::nested_loop;
pub(crate) use retiled::retiled;
