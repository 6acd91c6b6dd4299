//! The umbrella: every astronomical extension in one call
