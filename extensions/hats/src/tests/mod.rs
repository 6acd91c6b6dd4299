//! The crate from outside: catalogues written, foreign layouts read, rows and bytes counted against brute force.

mod codec;
mod discover;
mod economy;
mod exact;
mod formats;
mod import;
mod import_shapes;
mod import_stores;
mod indexes;
mod managed;
mod managed_bench;
mod managed_crash;
mod managed_store;
mod pinned;
mod scan;
mod sky;
mod supplement;
mod tiling;
