//! Strict
use crate::Error;
/// x
pub fn validate_strict(_sql: &str) -> Result<(), Error> { Ok(()) }
