//! The table as its users meet it: through the engine, and as columns.

mod broadcast;
mod table;
