//! The cross-match join: two tables paired where their positions lie close together on the sky.
//!
//! It is an inner join like any other until the optimiser sees that its condition bounds a separation:
//!
//! ```text
//!  SQL   … FROM a JOIN b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1/3600. AND a.band = b.band
//!   │
//!  rule      CrossMatchRule        Join(filter)  ─►  CrossMatch { radius, the whole condition }
//!   │
//!  planner   CrossMatchPlanner     aligned ► indexed ► nested loop      (`None` = not mine)
//!   │
//!  exec      CrossMatchExec        candidates from sorted HEALPix indices ─► the condition judges each
//! ```
//!
//! | strategy | applies to | memory |
//! |---|---|---|
//! | aligned | two tiled scans joined on the columns that tile them | one unit's right rows per partition |
//! | indexed | anything; one side is held in memory, sorted on the sky | the smaller side |
//! | nested loop | anything; the engine's own operator, and the oracle in tests | the left side |
//!
//! The geometry only proposes candidates, a little generously; the condition as written decides every one of
//! them with the same functions that a nested loop would call. So all strategies give the same rows.

mod codec;
mod exec;
mod logical_codec;
mod node;
mod planner;
mod rule;
mod spec;
mod strategy;

pub use codec::CrossMatchCodec;
pub use exec::{CrossMatchExec, Estimate, IndexRole, Mode, PairCondition, PairExpr, Position, Side, Terms};
pub use logical_codec::CrossMatchLogicalCodec;
pub use node::{Condition, CrossMatch};
pub use planner::CrossMatchPlanner;
pub use rule::CrossMatchRule;
pub use spec::{Join, MatchSpec, Pick, Radius};
