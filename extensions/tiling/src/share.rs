//! Work that can be dealt to several machines.
//!
//! A scan is a list of tiles, a cross-match a list of units of the sky. Whoever spreads a plan asks for the pieces, deals
//! them, and gets a plan for each share; no row goes through two of them, and none through none.

use std::fmt::Debug;
use std::sync::Arc;

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
