//! Which program this is. Plans are written down in the words of one build of the engine; a worker of another build may
//! read them wrongly, so it is not used.

/// Version, and a fingerprint of what the program was built from.
pub(super) const ID: &str = concat!(env!("CARGO_PKG_VERSION"), " ", env!("DREYER_BUILD"));
