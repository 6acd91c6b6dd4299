//! The PostgreSQL door: psql, drivers and everything built on them talk to the database as to a PostgreSQL.
//!
//! The messages and their codec are `pgwire`'s; the conversation is held here, so that rows leave as they are made,
//! memory stays bounded whatever the client asks for, and a cancel reaches the scan.
//!
//! ```text
//! server      accepts, counts, drains            protocol/  start-up, simple and extended query, cancel
//! wire        a socket with two buffers          portal     a bound statement and how far its rows have been sent
//! control     what stops a statement from outside
//! statement   text → plan                        compat/    constructs of PostgreSQL that the engine lacks, rewritten
//! utility/    SET, SHOW, BEGIN, DISCARD, …       encode/ decode/  Arrow to wire values and back
//! settings/   what SET sets                      catalog/   pg_catalog and information_schema
//! ```
//!
//! Nothing here knows astronomy, and nothing looks at the text of a query to guess which client sent it.

mod catalog;
mod compat;
mod connection;
mod control;
mod decode;
mod describe;
mod door;
mod encode;
mod functions;
mod infer;
mod portal;
mod protocol;
mod registry;
mod report;
mod server;
mod settings;
mod shape;
mod statement;
mod transaction;
mod utility;
mod wire;

pub use server::serve;
