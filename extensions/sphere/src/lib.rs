//! Positions, regions, HEALPix cells and epochs on the celestial sphere.
//!
//! The geometry under everything else: pure functions of `f64` and `u64`, in degrees at the surface, with longitude
//! before latitude. It knows one sphere and one frame; it is *not* a place for Arrow arrays, SQL types, files or
//! frame conversions.
//!
//! ```text
//! LonLat ─► Vector ─► separation · position angle · destination
//!    └────► Region (Circle | Polygon | SkyBox) ─► contains · intersects · area ─► cover ─┐
//!    └────► index29 ─► Cell ─► CellRanges ◄──────────────────────────────────────────────┘
//! ```
//!
//! # Example
//!
//! ```
//! use dreyer_sphere::{Circle, LonLat, Region, index29};
//!
//! let pleiades = LonLat::new(56.601, 24.114)?;
//! let cone = Region::from(Circle::new(pleiades, 0.5)?);
//! let ranges = cone.cover(64);
//! let alcyone = LonLat::new(56.871_2, 24.105_1)?;
//! assert!(cone.contains(alcyone));
//! assert!(index29(alcyone.lon_deg(), alcyone.lat_deg()).is_some_and(|index| ranges.contains(index)));
//! # Ok::<(), dreyer_sphere::SphereError>(())
//! ```

mod angle;
mod epoch;
mod error;
mod healpix;
mod lonlat;
mod region;
#[cfg(test)]
mod sample;
mod separation;
mod vector;

pub use epoch::Astrometry;
pub use error::SphereError;
pub use healpix::{
    Cell, CellRanges, IndexSearch, InnerTest, MAX_ORDER, PairTest, Verdict, finest_order_wider_than, index29,
};
pub use lonlat::LonLat;
pub use region::{Circle, Polygon, Region, SkyBox};
pub use separation::{destination, position_angle_deg, separation_deg};
pub use vector::Vector;
