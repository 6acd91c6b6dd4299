//! Tables over generated files, held against the same rows in memory.
