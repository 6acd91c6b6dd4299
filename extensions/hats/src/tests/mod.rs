//! The crate from outside: catalogues written, foreign layouts read, rows and bytes counted against brute force.

mod codec;
mod discover;
mod formats;
mod import;
mod import_shapes;
mod import_stores;
mod pinned;
mod scan;
mod sky;
mod supplement;
mod tiling;
