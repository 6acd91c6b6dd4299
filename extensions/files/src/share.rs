//! A scan of plain files as work that can be dealt: files, and parts of those whose format can be read from anywhere.

use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::physical_plan::ExecutionPlan;
use dreyer_tiling::{Divisible, Piece, in_groups, start, stretches};

use crate::guard::GuardedSource;
use crate::source::PlainSource;

/// The source of a scan of plain files.
pub(crate) enum Source<'a> {
    /// Of Parquet files.
    Parquet(&'a ParquetSource),
    /// Of files of any other format.
    Plain(&'a PlainSource),
}

impl<'a> Source<'a> {
    /// The scan of plain files that `plan` is, if it is one, with its configuration.
    pub(crate) fn of(plan: &'a Arc<dyn ExecutionPlan>) -> Option<(&'a FileScanConfig, Self)> {
        let exec = plan.downcast_ref::<DataSourceExec>()?;
        let config = exec.data_source().downcast_ref::<FileScanConfig>()?;
        if let Some(guarded) = config.file_source.downcast_ref::<GuardedSource>() {
            return Some((config, Self::Parquet(guarded.inner().downcast_ref()?)));
        }
        Some((config, Self::Plain(config.file_source.downcast_ref()?)))
    }

    fn can_be_cut(&self, file: &PartitionedFile) -> bool {
        match self {
            Self::Parquet(_) => true,
            Self::Plain(source) => source.can_be_cut(file),
        }
    }
}

/// The scan of plain files that `plan` is, if it is one, in about `wanted` pieces or more, where the format allows it.
pub fn divide(plan: &Arc<dyn ExecutionPlan>, wanted: usize) -> Option<Arc<dyn Divisible>> {
    let (config, source) = Source::of(plan)?;
    let mut files: Vec<PartitionedFile> = config.file_groups.iter().flat_map(FileGroup::iter).cloned().collect();
    files.sort_by_key(|file| (file.object_meta.location.clone(), start(file)));
    let total: u64 = files.iter().map(PartitionedFile::effective_size).sum();
    let most = (total / wanted.max(1) as u64).max(1);
    let cut = |file: PartitionedFile| {
        if source.can_be_cut(&file) {
            stretches(file, most)
        } else {
            vec![file]
        }
    };
    let files: Vec<_> = files.into_iter().flat_map(cut).collect();
    let piece = |file: &PartitionedFile| Piece {
        key: key(file),
        weight: file.effective_size(),
    };
    Some(Arc::new(DividedFiles {
        pieces: files.iter().map(piece).collect(),
        config: config.clone(),
        files,
    }))
}

/// Why a scan of plain files is one piece of work, where it is.
pub fn undivided(plan: &Arc<dyn ExecutionPlan>) -> Option<String> {
    let (config, source) = Source::of(plan)?;
    let mut files = config.file_groups.iter().flat_map(FileGroup::iter);
    let (file, None) = (files.next()?, files.next()) else {
        return None;
    };
    let mut told = format!("{} is one file", file.object_meta.location);
    if !source.can_be_cut(file) {
        let format = config.file_source.file_type();
        let _ = write!(
            told,
            ", and what such a file ({format}) holds can only be read from its beginning"
        );
    }
    Some(told)
}

/// The same for all parts of a file.
fn key(file: &PartitionedFile) -> u64 {
    let mut hasher = DefaultHasher::new();
    file.object_meta.location.hash(&mut hasher);
    hasher.finish()
}

#[derive(Debug)]
struct DividedFiles {
    config: FileScanConfig,
    files: Vec<PartitionedFile>,
    pieces: Vec<Piece>,
}

impl Divisible for DividedFiles {
    fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    fn share(&self, taken: &dyn Fn(usize) -> bool, partitions: usize) -> Result<Arc<dyn ExecutionPlan>> {
        let own = self.files.iter().enumerate().filter(|(piece, _)| taken(*piece));
        let own = own.map(|(_, file)| file.clone()).collect();
        let config = FileScanConfigBuilder::from(self.config.clone())
            .with_file_groups(in_groups(own, partitions))
            .with_statistics(self.config.statistics().to_inexact())
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}
