//! Dealing pieces to workers: each to the one that had it last time, but none much more than the others.
//!
//! Rendezvous hashing (Thaler & Ravishankar 1998): every worker draws a number for every piece, the highest takes it. A
//! worker that comes or goes moves only its own pieces. A bound on the load of each keeps them even.

use std::hash::{DefaultHasher, Hash, Hasher};

use dreyer_sky::tiling::Piece;
use url::Url;

/// How much more than its share a worker may get, in 64ths.
const SLACK_64THS: u128 = 3;

/// The worker of each piece.
pub(super) fn deal(pieces: &[Piece], workers: &[Url]) -> Vec<usize> {
    let total: u128 = pieces.iter().map(|piece| u128::from(piece.weight)).sum();
    let share = total / workers.len().max(1) as u128;
    let bound = share + share * SLACK_64THS / 64;
    let mut heaviest_first: Vec<usize> = (0..pieces.len()).collect();
    heaviest_first.sort_by_key(|piece| (std::cmp::Reverse(pieces[*piece].weight), *piece));
    let mut load = vec![0_u128; workers.len()];
    let mut dealt = vec![0; pieces.len()];
    for piece in heaviest_first {
        let weight = u128::from(pieces[piece].weight);
        let order = by_score(pieces[piece].key, workers);
        let fits = order.into_iter().find(|worker| load[*worker] + weight <= bound);
        let lightest = || (0..workers.len()).min_by_key(|worker| load[*worker]).unwrap_or(0);
        let worker = fits.unwrap_or_else(lightest);
        if let Some(load) = load.get_mut(worker) {
            *load += weight;
        }
        dealt[piece] = worker;
    }
    dealt
}

/// The `number` workers that draw highest for a key, in the order of the list.
pub(super) fn choose(key: u64, workers: &[Url], number: usize) -> Vec<Url> {
    let mut chosen: Vec<usize> = by_score(key, workers).into_iter().take(number).collect();
    chosen.sort_unstable();
    chosen.into_iter().map(|worker| workers[worker].clone()).collect()
}

fn by_score(key: u64, workers: &[Url]) -> Vec<usize> {
    let score = |worker: usize| {
        let mut hasher = DefaultHasher::new();
        (key, workers[worker].as_str()).hash(&mut hasher);
        hasher.finish()
    };
    let mut order: Vec<usize> = (0..workers.len()).collect();
    order.sort_by_cached_key(|worker| std::cmp::Reverse(score(*worker)));
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn workers(number: usize) -> Vec<Url> {
        (0..number)
            .map(|port| Url::parse(&format!("http://w{port}:50051")).unwrap())
            .collect()
    }

    fn even(number: u64) -> Vec<Piece> {
        (0..number)
            .map(|key| Piece {
                key,
                weight: 100 + key % 50,
            })
            .collect()
    }

    #[test]
    fn a_worker_that_goes_moves_few_pieces_of_the_others() {
        let pieces = even(400);
        let (all, fewer) = (workers(5), workers(4));
        let (before, after) = (deal(&pieces, &all), deal(&pieces, &fewer));
        let stayed = before.iter().zip(&after).filter(|(before, _)| **before < 4);
        let (kept, of) = stayed.fold((0, 0), |(kept, of), (before, after)| {
            (kept + usize::from(before == after), of + 1)
        });
        assert!(kept * 10 > of * 7, "{kept} of {of} stayed where they were");
    }

    #[test]
    fn the_same_pieces_go_to_the_same_workers_whatever_else_is_asked() {
        let (pieces, workers) = (even(300), workers(3));
        let all = deal(&pieces, &workers);
        let part = deal(&pieces[100..200], &workers);
        let same = all[100..200]
            .iter()
            .zip(&part)
            .filter(|(all, part)| all == part)
            .count();
        assert!(same > 80, "{same} of 100");
    }

    proptest! {
        #[test]
        fn nobody_gets_much_more_than_its_share(
            weights in prop::collection::vec(1_u64..1_000_000, 1..300),
            number in 1_usize..9,
        ) {
            let pieces: Vec<Piece> = weights.iter().enumerate().map(|(key, weight)| Piece { key: key as u64, weight: *weight }).collect();
            let dealt = deal(&pieces, &workers(number));
            let heaviest = *weights.iter().max().unwrap();
            let share = weights.iter().sum::<u64>() / number as u64;
            for worker in 0..number {
                let load: u64 = weights.iter().zip(&dealt).filter(|(_, of)| **of == worker).map(|(weight, _)| weight).sum();
                prop_assert!(load <= share + share / 21 + heaviest, "{load} of {share}");
            }
        }
    }
}
