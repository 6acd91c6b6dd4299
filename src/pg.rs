//! The PostgreSQL door: psql, drivers and everything built on them talk to the database as to a PostgreSQL.
//!
//! The messages and their codec are `pgwire`'s; the conversation is held here, so that rows leave as they are made,
//! memory stays bounded whatever the client asks for, and a cancel reaches the scan.
//!
//! ```text
//! arrival     encryption, the first packet       tls        certificates        login, throttle   SCRAM, and patience
//! server      accepts, counts, drains            protocol/  start-up, simple and extended query, cancel
//! wire        a socket with two buffers          portal     a bound statement and how far its rows have been sent
//! control     what stops a statement from outside audit, redact  who asked what, without secrets
//! cursor      DECLARE, FETCH, MOVE                prepared   PREPARE, EXECUTE
//! describe, origin  what columns a result has, and of which tables
//! statement   text → plan                        compat/    constructs of PostgreSQL that the engine lacks, rewritten
//! utility/    SET, SHOW, BEGIN, DISCARD, …       encode/ decode/  Arrow to wire values and back
//! settings/   what SET sets                      catalog/   pg_catalog and information_schema
//! copy/       COPY to and from the client        rows       rows on their way, and how far they have come
//! ```
//!
//! Nothing here knows astronomy, and nothing looks at the text of a query to guess which client sent it.

mod arrival;
mod audit;
mod catalog;
mod compat;
mod connection;
mod control;
mod copy;
mod cursor;
mod decode;
mod describe;
mod door;
mod encode;
mod exposed;
mod functions;
mod infer;
mod login;
mod origin;
mod portal;
mod prepared;
mod protocol;
mod redact;
mod registry;
mod report;
mod rows;
mod server;
mod settings;
mod shape;
mod statement;
mod throttle;
mod tls;
mod transaction;
mod utility;
mod wire;

pub(crate) use functions::of_values as value_functions;
pub(crate) use server::Server;
pub use server::serve;
