//! The cross-match join: recognise, plan, execute
