//! Which partition each unit of the sky belongs to, as long as nobody knows how long they will take.
//!
//! Partitions take units from each other as they become free (`exec/queue.rs`), so this need not be even. Each
//! begins near the start of the curve, where all are left to be taken, and has its stretches of neighbours, which share
//! what is read.

/// Stretches of the curve that a partition owns, at most.
const STRETCHES_PER_PARTITION: usize = 6;

/// The owner of each unit, given their weights along the curve. Every partition owns a unit if there are so many.
pub(crate) fn owners(weights: &[u64], partitions: usize) -> Vec<usize> {
    let partitions = partitions.max(1);
    let mut work = vec![0_u64; partitions];
    let mut owners = Vec::with_capacity(weights.len());
    let (first, rest) = weights.split_at(partitions.min(weights.len()));
    for (partition, weight) in first.iter().enumerate() {
        work[partition] = *weight;
        owners.push(partition);
    }
    let together = rest.len().div_ceil(partitions * STRETCHES_PER_PARTITION).max(1);
    for stretch in rest.chunks(together) {
        let least = (0..partitions).min_by_key(|partition| work[*partition]).unwrap_or(0);
        work[least] += stretch.iter().sum::<u64>();
        owners.extend(stretch.iter().map(|_| least));
    }
    owners
}

/// Units of each partition, along the curve.
pub(crate) fn dealt<T>(units: Vec<(T, u64)>, partitions: usize) -> Vec<Vec<T>> {
    let weights: Vec<u64> = units.iter().map(|(_, weight)| *weight).collect();
    let mut dealt: Vec<Vec<T>> = (0..partitions.max(1)).map(|_| Vec::new()).collect();
    for ((unit, _), owner) in units.into_iter().zip(owners(&weights, partitions)) {
        dealt[owner].push(unit);
    }
    dealt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_begins_at_the_start_of_the_curve() {
        assert_eq!(owners(&[5; 7], 3), [0, 1, 2, 0, 1, 2, 0]);
        assert_eq!(owners(&[5; 2], 3), [0, 1]);
        assert_eq!(owners(&[], 3), [0_usize; 0]);
        assert_eq!(
            dealt(vec![('a', 1), ('b', 9), ('c', 1)], 2),
            [vec!['a', 'c'], vec!['b']]
        );
    }

    #[test]
    fn stretches_even_out() {
        let weights: Vec<u64> = (0..400).map(|unit| 1 + unit % 13).collect();
        let owners = owners(&weights, 4);
        let total: u64 = weights.iter().sum();
        for partition in 0..4 {
            let own: u64 = weights
                .iter()
                .zip(&owners)
                .filter(|(_, of)| **of == partition)
                .map(|(weight, _)| weight)
                .sum();
            assert!(own < total / 4 + total / 16, "{own} of {total}");
        }
        let borders = owners.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(borders <= 4 + 24, "{borders}");
    }
}
