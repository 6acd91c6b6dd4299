//! The crate from outside: catalogues written, foreign layouts read, rows and bytes counted against brute force.

mod codec;
mod discover;
mod economy;
mod formats;
mod import;
mod indexes;
mod pinned;
mod scan;
mod sky;
mod tiling;
