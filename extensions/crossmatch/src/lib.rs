//! The cross-match join: two tables paired where their positions lie close together on the sky.
//!
//! It is a join like any other until the optimiser sees that its condition bounds a separation:
//!
//! ```text
//!  SQL   … FROM a JOIN b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1/3600. AND a.band = b.band
//!   │
//!  rule      CrossMatchRule        Join(filter)  ─►  CrossMatch { radius, the whole condition }
//!   │
//!  planner   CrossMatchPlanner     aligned ► retiled ► indexed ► nested loop   (`None` = not mine)
//!   │
//!  exec      CrossMatchExec        candidates from sorted HEALPix indices ─► the condition judges each
//! ```
//!
//! | what is asked | how it is written |
//! |---|---|
//! | all pairs | `JOIN b ON DISTANCE(..) < r`, `CONTAINS(POINT, CIRCLE)`, `q3c_join(..)`, `XMATCH(radius_arcsec => 1)` |
//! | nearest, k nearest | `XMATCH(.., mode => 'nearest')`, `XMATCH(.., k => 3)`; of each row of the side that is kept |
//! | symmetric best | `XMATCH(.., mode => 'best')` |
//! | a ring | `XMATCH(.., min_radius_arcsec => 0.1)`, `DISTANCE(..) < r AND DISTANCE(..) >= q` |
//! | outer | `LEFT`, `RIGHT`, `FULL JOIN` |
//! | with or without a partner | `EXISTS (SELECT ..)`, `NOT EXISTS (SELECT ..)` |
//! | a radius per row | `DISTANCE(..) < a.error`, `DISTANCE(..) < 3 * SQRT(a.e * a.e + b.e * b.e)`, `DISTANCE(..) / SQRT(..) < 3` |
//! | an ellipse | `in_ellipse(..)`, `q3c_ellipse_join(..)` |
//! | at an epoch | `ivo_epoch_prop_pos(..)` in place of a position |
//! | several catalogues | `a JOIN b ON DISTANCE(a, b) < r JOIN c ON DISTANCE(a, c) < r [AND DISTANCE(b, c) < r]` |
//! | how far apart | `DISTANCE(..)`, `separation_arcsec(..)` selected: read off the match, computed once |
//!
//! A radius that is NULL or NaN matches nothing, nor does a position that is NULL, NaN or outside the sky; outer and anti
//! joins keep such rows. Equally near partners are told apart by HEALPix index; at the same place by the columns that say
//! which object a row is (`identifier.rs`), which are read for it; and if these are equal too, by the other columns read.
//!
//! | strategy | applies to | memory |
//! |---|---|---|
//! | pruned | a few rows against a tiled scan, which is read only where they can have partners | the few rows |
//! | aligned | two tiled scans joined on the columns that tile them | blocks of right rows, as many as there is room for |
//! | indexed | anything; one side is held in memory, sorted on the sky | the smaller side |
//! | retiled | one radius; when the side that would be held does not fit into memory | a bucket of that side per core; the rest on disk |
//! | nested loop | anything; the engine's own operator, and the oracle in tests | the left side |
//!
//! An aligned match gives its rows in the order of the left side's index, and declares it; it can itself be a side of an
//! aligned match.
//!
//! The geometry only proposes candidates, a little generously; the condition as written decides every one of
//! them with the same functions that a nested loop would call. So all strategies give the same rows.
//!
//! Aligned scans whose HEALPix index is known to be exactly that of their coordinates are spared most of that (`index=`
//! in EXPLAIN): the indexes decide all pairs but those within a milliarcsecond of the radius, and where only the number of
//! rows is asked, coordinates are read of those pairs alone. So are those of a large side that is read around a few rows,
//! whatever is asked of it, unless they are to come out.

mod codec;
mod deal;
mod exec;
mod identifier;
mod logical_codec;
mod node;
mod planner;
mod review;
mod rule;
mod share;
mod spec;
mod strategy;

pub use codec::CrossMatchCodec;
pub use exec::{CrossMatchExec, Estimate, IndexRole, Mode, PairCondition, PairExpr, Position, Pruned, Side, Terms};
pub use logical_codec::CrossMatchLogicalCodec;
pub use node::{Condition, CrossMatch};
pub use planner::CrossMatchPlanner;
pub use review::review;
pub use rule::{CrossMatchFilterRule, CrossMatchRule, MeasureRule, XMatchRule, with_rules};
pub use share::divide;
pub use spec::{Join, MatchSpec, Pick, Radius};
