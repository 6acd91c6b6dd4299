//! dreyer.
