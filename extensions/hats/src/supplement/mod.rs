//! What lies beside the leaves of a catalogue: maps of the sky, a thumbnail, statistics, margins, indexes, and the
//! collection that binds them.
//!
//! ```text
//! <collection>/collection.properties                       [`write_collection`]
//! <collection>/<catalogue>/skymap.fits, point_map.fits     [`write_sky_maps`]
//! <collection>/<catalogue>/data_thumbnail.parquet          [`write_thumbnail`]
//! <collection>/<catalogue>/per_partition_statistics.parquet[`write_statistics`]
//! <collection>/<margin>/…                                  [`write_margin`], a catalogue of its own
//! <collection>/<index>/dataset/index/part.N.parquet        [`write_index`]
//! ```
//!
//! All are made from an opened catalogue or from counts, whoever wrote the leaves. This crate reads no margin: it reads
//! ranges of neighbouring tiles instead. They are for readers that want them.

mod border;
mod collection;
mod dataset;
mod index;
mod margin;
mod provenance;
mod sky_maps;
mod statistics;
mod thumbnail;
mod tiles;

pub use collection::write_collection;
pub use index::write_index;
pub use margin::write_margin;
pub use sky_maps::{SkyHistogram, write_sky_maps};
pub use statistics::write_statistics;
pub use thumbnail::write_thumbnail;
