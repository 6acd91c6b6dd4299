//! A scan as work that can be dealt: tiles, and stretches of those that are large. A row group belongs to the stretch in
//! which it begins.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::physical_plan::ExecutionPlan;
use dreyer_tiling::{Divisible, Piece, in_groups, start, stretches};
use object_store::path::Path;

use crate::listing::Tile;
use crate::source::HatsSource;

/// The HATS scan that `plan` is, if it is one, in about `wanted` pieces or more.
pub fn divide(plan: &Arc<dyn ExecutionPlan>, wanted: usize) -> Option<Arc<dyn Divisible>> {
    let (config, source) = HatsSource::of(plan)?;
    let places: HashMap<&Path, usize> = source
        .tiles
        .iter()
        .enumerate()
        .flat_map(|(place, tile)| tile.files.iter().map(move |file| (&file.location, place)))
        .collect();
    let mut files = Vec::new();
    for file in config.file_groups.iter().flat_map(FileGroup::iter) {
        // A file of no known tile has no place on the sky; none is to be lost.
        files.push((*places.get(&file.object_meta.location)?, file.clone()));
    }
    files.sort_by_key(|(place, file)| (*place, file.object_meta.location.clone(), start(file)));
    let total: u64 = files.iter().map(|(_, file)| file.effective_size()).sum();
    let most = (total / wanted.max(1) as u64).max(1);
    let files: Vec<_> = files
        .into_iter()
        .flat_map(|(place, file)| stretches(file, most).into_iter().map(move |file| (place, file)))
        .collect();
    let piece = |(place, file): &(usize, PartitionedFile)| Piece {
        key: source.tiles[*place].cell.range().start,
        weight: file.effective_size(),
    };
    Some(Arc::new(DividedScan {
        pieces: files.iter().map(piece).collect(),
        config: config.clone(),
        source: source.clone(),
        files,
    }))
}

#[derive(Debug)]
struct DividedScan {
    config: FileScanConfig,
    source: HatsSource,
    /// Files or stretches of them, each with the place of its tile, along the curve.
    files: Vec<(usize, PartitionedFile)>,
    pieces: Vec<Piece>,
}

impl Divisible for DividedScan {
    fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    fn share(&self, taken: &dyn Fn(usize) -> bool, partitions: usize) -> Result<Arc<dyn ExecutionPlan>> {
        let own: Vec<_> = self
            .files
            .iter()
            .enumerate()
            .filter(|(piece, _)| taken(*piece))
            .collect();
        let mut places: Vec<usize> = own.iter().map(|(_, (place, _))| *place).collect();
        places.dedup();
        let tiles: Arc<[Tile]> = places
            .into_iter()
            .map(|place| self.source.tiles[place].clone())
            .collect();
        let files = own.iter().map(|(_, (_, file))| file.clone()).collect();
        let source = HatsSource {
            tiles,
            ..self.source.clone()
        };
        let config = FileScanConfigBuilder::from(self.config.clone())
            .with_file_groups(in_groups(files, partitions))
            .with_source(Arc::new(source))
            .with_statistics(self.config.statistics().to_inexact())
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}
