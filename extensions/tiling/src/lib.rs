//! How a table is cut on the sky, and which predicates say where to look.
//!
//! Six ideas that several extensions share, and nothing else:
//!
//! - [`SpatialPredicate`]: a Boolean expression read as geometry, whatever its spelling
//!   (`DISTANCE(..) < r`, `1 = CONTAINS(POINT, CIRCLE)`, `q3c_join(..)`). Table providers turn one
//!   side's predicate into a region to prune by; the cross-match turns a join's into a radius.
//! - [`TilingSource`]: what an execution plan's leaf can say about its [`Tiling`], and how to read only
//!   a part of it.
//! - [`Divisible`]: work that can be dealt to several machines, and [`FileVersion`]: which version of a file they read.
//! - [`Notices`]: what a planner has to tell the user.
//! - [`SkyOptions`]: the session options (`SET dreyer.…`) of all extensions.
//!
//! It reads no files and executes nothing.

mod density;
mod notices;
mod options;
mod predicate;
mod region;
mod role;
mod separation;
mod share;
mod source;
mod version;

pub use density::{Density, Run};
pub use notices::Notices;
pub use options::{Compute, CrossMatchStrategy, Dialect, IndexTrust, SkyOptions};
pub use predicate::{Bound, SkyCoords, SpatialPredicate};
pub use region::{constant_region, sky_cover};
pub use role::{Role, role_of};
pub use separation::Separation;
pub use share::{Divisible, Piece, in_groups, in_stretches, start, stretches};
pub use source::{QueryMemory, TileStats, Tiling, TilingSource, TilingSources, sky_options};
pub use version::{FileVersion, pinned};
