//! Work that can be dealt to several machines.
//!
//! A scan is a list of tiles, a cross-match a list of units of the sky. Whoever spreads a plan asks for the pieces, deals
//! them, and gets a plan for each share; no row goes through two of them, and none through none.

use std::fmt::Debug;
use std::sync::Arc;

use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::FileGroup;
use datafusion::error::Result;
use datafusion::physical_plan::ExecutionPlan;

/// A plan whose work falls into pieces that can be done apart from each other.
pub trait Divisible: Debug + Send + Sync {
    /// The pieces, along the HEALPix curve.
    fn pieces(&self) -> &[Piece];

    /// The plan that does those pieces alone for which `taken` is true, in exactly `partitions` partitions.
    ///
    /// # Errors
    /// The plan cannot be rebuilt, which would be a fault of the program.
    fn share(&self, taken: &dyn Fn(usize) -> bool, partitions: usize) -> Result<Arc<dyn ExecutionPlan>>;
}

/// A part of the work, as whoever deals it sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// The same for the same stored data, whatever the query: who has read it before has it at hand.
    pub key: u64,
    /// How much work it is: stored bytes, or an estimate in proportion to them.
    pub weight: u64,
}

/// Deals consecutive weights to `groups` groups of about equal weight: the group of each, never falling.
pub fn in_stretches(weights: &[u64], groups: usize) -> Vec<usize> {
    let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    let groups = groups.max(1);
    let mut before = 0_u128;
    let group = |weight: &u64| {
        // Where the middle of it falls.
        let middle = before + u128::from(*weight) / 2;
        before += u128::from(*weight);
        let group = (middle * groups as u128).checked_div(total).unwrap_or(0);
        usize::try_from(group).unwrap_or(groups).min(groups - 1)
    };
    weights.iter().map(group).collect()
}

/// The byte of a file at which a scan of it begins.
pub fn start(file: &PartitionedFile) -> i64 {
    file.range.as_ref().map_or(0, |range| range.start)
}

/// A file in stretches of at most `most` bytes, which together are the file.
pub fn stretches(file: PartitionedFile, most: u64) -> Vec<PartitionedFile> {
    let parts = file.effective_size().div_ceil(most.max(1)).max(1);
    if parts == 1 {
        return vec![file];
    }
    let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let (from, length) = (start(&file), u128::from(file.effective_size()));
    let at = |part: u64| {
        let bytes = length.saturating_mul(part.into()) / u128::from(parts);
        from + signed(u64::try_from(bytes).unwrap_or(u64::MAX))
    };
    (0..parts)
        .map(|part| file.clone().with_range(at(part), at(part + 1)))
        .collect()
}

/// Files and stretches of them in exactly `partitions` groups of consecutive ones, of about equal size.
pub fn in_groups(files: Vec<PartitionedFile>, partitions: usize) -> Vec<FileGroup> {
    let weights: Vec<u64> = files.iter().map(PartitionedFile::effective_size).collect();
    let mut groups = vec![Vec::new(); partitions.max(1)];
    for (file, group) in files.into_iter().zip(in_stretches(&weights, partitions)) {
        groups[group].push(file);
    }
    groups.into_iter().map(FileGroup::new).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_weights_fall_into_equal_stretches() {
        assert_eq!(in_stretches(&[5; 6], 3), [0, 0, 1, 1, 2, 2]);
        assert_eq!(in_stretches(&[0, 0], 4), [0, 0]);
        assert_eq!(in_stretches(&[], 4), [0_usize; 0]);
    }

    proptest! {
        #[test]
        fn stretches_are_the_file(size in 1_u64..5_000_000_000, most in 1_u64..5_000_000_000) {
            prop_assume!(size / most < 1000);
            let parts = stretches(PartitionedFile::new("f", size), most);
            let edges: Vec<(i64, i64)> = match parts.as_slice() {
                [whole] => vec![(0, i64::try_from(whole.effective_size()).unwrap())],
                parts => parts.iter().filter_map(|part| part.range.as_ref()).map(|range| (range.start, range.end)).collect(),
            };
            prop_assert_eq!(edges.len(), parts.len());
            prop_assert_eq!((edges[0].0, edges[edges.len() - 1].1), (0, i64::try_from(size).unwrap()));
            prop_assert!(edges.windows(2).all(|pair| pair[0].1 == pair[1].0));
            prop_assert!(edges.iter().all(|(from, to)| to - from <= i64::try_from(most).unwrap()));
        }

        #[test]
        fn no_group_is_much_heavier_than_its_share(weights in prop::collection::vec(0_u64..1000, 1..200), groups in 1_usize..9) {
            let dealt = in_stretches(&weights, groups);
            prop_assert!(dealt.is_sorted() && dealt.iter().all(|group| *group < groups));
            let share = weights.iter().sum::<u64>() / groups as u64;
            for group in 0..groups {
                let sum: u64 = weights.iter().zip(&dealt).filter(|(_, of)| **of == group).map(|(weight, _)| weight).sum();
                prop_assert!(sum <= share + 1000, "{sum} of {share}");
            }
        }
    }
}
