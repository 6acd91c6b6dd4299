//! Which partition matches which unit: all partitions of one execution take from one queue along the curve, whoever is free
//! the next unit, so that they end together however uneven the sky is.
//!
//! ```text
//!   curve ──►  │ 0 │ 1 │ 2 │ 3 │ 4 │ 5 │ 6 │7│8│9│      owners, as planned:  0 1 0 0 1 1 0 …
//!    taken by    a   b   a   b   b   a   b  a b a        each partition goes along the curve
//! ```
//!
//! Nobody knows beforehand which partitions of an operator will be read, when, and in which process. So each unit has an
//! owner from when the plan was made, and only units of partitions that are being read are in the queue:
//!
//! - A partition that is read late, alone, elsewhere or never finds its units where the plan has them, or leaves them there.
//! - An owner passes none of its own units: it enters at the start of the curve, and takes the first that is left. So all
//!   units of whoever reads to the end are matched, each once.
//! - Executions are told apart by their contexts, and by partitions that are there already. Where two run at once in one
//!   context, nobody can tell whose partition is whose; each then matches its own units alone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use datafusion::execution::TaskContext;
use dreyer_sphere::CellRanges;

/// The executions of an operator that are under way, each with what its partitions share.
#[derive(Debug)]
pub(crate) struct Executions<T>(Mutex<Vec<UnderWay<T>>>);

#[derive(Debug)]
struct UnderWay<T> {
    execution: Weak<Execution<T>>,
    /// Held for partitions that nobody has asked for yet, where what is shared cannot be made again.
    kept: Option<Arc<Execution<T>>>,
}

/// One execution of an operator.
#[derive(Debug)]
pub(crate) struct Execution<T> {
    context: Arc<TaskContext>,
    /// All units in the order of the curve.
    units: Arc<[CellRanges]>,
    /// The partition that each belongs to.
    owners: Vec<usize>,
    pub(crate) shared: T,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    taken: Vec<bool>,
    /// Whether each partition matches its own units only.
    apart: bool,
    partitions: Vec<Standing>,
}

/// How far a partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nobody asked for it.
    Absent,
    /// It may be read.
    Asked,
    /// It is being read.
    Read,
    /// It is read no longer; what it left is nobody's.
    Gone,
}

/// A partition's part in an execution.
#[derive(Debug)]
pub(crate) struct Turn<T> {
    execution: Arc<Execution<T>>,
    partition: usize,
    /// The first unit behind the last one taken.
    next: usize,
}

impl<T> Default for Executions<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Executions<T> {
    /// A partition takes part: in an execution under way in the same context where it is still missing, or in a new one.
    /// `units` are those of each partition; what is shared is `kept` until all have been asked for.
    pub(crate) fn join(
        &self,
        partition: usize,
        units: &[Vec<CellRanges>],
        context: &Arc<TaskContext>,
        kept: bool,
        shared: impl FnOnce(&Arc<[CellRanges]>) -> T,
    ) -> Turn<T> {
        let mut executions = held(&self.0);
        executions.retain(|execution| execution.kept.is_some() || execution.execution.strong_count() > 0);
        let under_way: Vec<_> = executions
            .iter()
            .filter_map(|execution| execution.execution.upgrade())
            .filter(|execution| Arc::ptr_eq(&execution.context, context))
            .collect();
        let known = under_way.iter().find(|execution| execution.admits(partition)).cloned();
        let execution = known.unwrap_or_else(|| {
            let execution = Arc::new(Execution::new(partition, units, Arc::clone(context), shared));
            executions.push(UnderWay {
                execution: Arc::downgrade(&execution),
                kept: kept.then(|| Arc::clone(&execution)),
            });
            if !under_way.is_empty() {
                let all = under_way.iter().chain([&execution]);
                all.for_each(|execution| held(&execution.state).apart = true);
            }
            execution
        });
        if execution.has_all() {
            let own = |other: &&mut UnderWay<T>| Weak::ptr_eq(&other.execution, &Arc::downgrade(&execution));
            executions.iter_mut().filter(own).for_each(|own| own.kept = None);
        }
        drop(executions);
        Turn {
            execution,
            partition,
            next: 0,
        }
    }
}

impl<T> Execution<T> {
    fn new(
        partition: usize,
        units: &[Vec<CellRanges>],
        context: Arc<TaskContext>,
        shared: impl FnOnce(&Arc<[CellRanges]>) -> T,
    ) -> Self {
        let all = along_the_curve(units);
        let partitions = units.len().max(partition + 1);
        let (owners, units): (Vec<usize>, Vec<CellRanges>) =
            all.into_iter().map(|(owner, unit)| (owner, unit.clone())).unzip();
        let units = Arc::from(units);
        let execution = Self {
            shared: shared(&units),
            context,
            state: Mutex::new(State {
                taken: vec![false; owners.len()],
                apart: false,
                partitions: vec![Standing::Absent; partitions],
            }),
            owners,
            units,
        };
        execution.admits(partition);
        execution
    }

    fn has_all(&self) -> bool {
        !held(&self.state).partitions.contains(&Standing::Absent)
    }

    /// Takes note of a partition, if it is not there yet.
    fn admits(&self, partition: usize) -> bool {
        let mut state = held(&self.state);
        if state.partitions.len() <= partition {
            state.partitions.resize(partition + 1, Standing::Absent);
        }
        let missing = state.partitions[partition] == Standing::Absent;
        if missing {
            state.partitions[partition] = Standing::Asked;
        }
        missing
    }
}

impl<T> Turn<T> {
    /// What the partitions share.
    pub(crate) fn shared(&self) -> &T {
        &self.execution.shared
    }

    /// The next unit to match: its number, and where it lies.
    pub(crate) fn next(&mut self) -> Option<(usize, CellRanges)> {
        // The first one is the partition's own: until it is matched, all partitions of an execution have come, and another
        // execution in this context is known.
        let mut state = held(&self.execution.state);
        let apart = self.next == 0 || state.apart;
        state.partitions[self.partition] = Standing::Read;
        let unit = (self.next..self.execution.units.len()).find(|unit| {
            let owner = self.execution.owners[*unit];
            let may = owner == self.partition || (!apart && state.partitions[owner] == Standing::Read);
            may && !state.taken[*unit]
        })?;
        state.taken[unit] = true;
        self.next = unit + 1;
        Some((unit, self.execution.units[unit].clone()))
    }
}

impl<T> Drop for Turn<T> {
    fn drop(&mut self) {
        held(&self.execution.state).partitions[self.partition] = Standing::Gone;
    }
}

/// The units of all partitions with their owners, in the order of the curve.
pub(crate) fn along_the_curve(units: &[Vec<CellRanges>]) -> Vec<(usize, &CellRanges)> {
    let mut all = Vec::new();
    for (owner, units) in units.iter().enumerate() {
        all.extend(units.iter().map(|unit| (owner, unit)));
    }
    all.sort_by_key(|(_, unit)| unit.iter().next().map_or(0, |range| range.start));
    all
}

/// No lock is held over a panic that could leave anything half changed.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::deal::{dealt, owners};

    fn unit(number: usize) -> CellRanges {
        CellRanges::of_range(10 * number as u64..10 * number as u64 + 10)
    }

    /// Units numbered along the curve, by owner.
    fn owned(owners: &[usize], partitions: usize) -> Vec<Vec<CellRanges>> {
        let own = |partition| (0..owners.len()).filter(move |unit| owners[*unit] == partition);
        (0..partitions)
            .map(|partition| own(partition).map(unit).collect())
            .collect()
    }

    struct Operator {
        executions: Arc<Executions<()>>,
        units: Vec<Vec<CellRanges>>,
        kept: bool,
    }

    impl Operator {
        fn new(owners: &[usize], partitions: usize) -> Self {
            Self {
                executions: Arc::default(),
                units: owned(owners, partitions),
                kept: false,
            }
        }

        fn execute(&self, partition: usize, context: &Arc<TaskContext>) -> Turn<()> {
            self.executions.join(partition, &self.units, context, self.kept, |_| ())
        }
    }

    fn rest(turn: &mut Turn<()>) -> Vec<usize> {
        std::iter::from_fn(|| turn.next().map(|(number, _)| number)).collect()
    }

    fn sorted(mut units: Vec<usize>) -> Vec<usize> {
        units.sort_unstable();
        units
    }

    fn all(number: usize) -> Vec<usize> {
        (0..number).collect()
    }

    #[test]
    fn a_partition_that_is_free_takes_what_is_left() {
        let operator = Operator::new(&[0, 1, 0, 0, 1, 1, 0, 0], 2);
        let context = Arc::default();
        let (mut slow, mut fast) = (operator.execute(0, &context), operator.execute(1, &context));
        assert_eq!(slow.next(), Some((0, unit(0))));
        assert_eq!(rest(&mut fast), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(rest(&mut slow), [0; 0]);
    }

    /// Whenever a partition is read, and whatever has become of the others: what was read to the end is whole.
    #[test]
    fn partitions_may_come_late_or_never() {
        let operator = Operator::new(&[0, 1, 0, 1, 1, 0], 2);
        let context = Arc::default();
        // One after the other, the first being gone.
        assert_eq!(rest(&mut operator.execute(0, &context)), [0, 2, 5]);
        assert_eq!(rest(&mut operator.execute(1, &context)), [1, 3, 4]);
        // One that is asked for and not read.
        let mut first = operator.execute(0, &context);
        let mut second = operator.execute(1, &context);
        assert_eq!(rest(&mut first), [0, 2, 5]);
        assert_eq!(rest(&mut second), [1, 3, 4]);
        drop((first, second));
        // One that is given up, and its rest with it.
        let (mut first, mut second) = (operator.execute(0, &context), operator.execute(1, &context));
        assert_eq!((first.next(), second.next()), (Some((0, unit(0))), Some((1, unit(1)))));
        drop(second);
        assert_eq!(rest(&mut first), [2, 5]);
        // One that comes when the other has gone along: its own units wait for it.
        drop(first);
        let mut first = operator.execute(0, &context);
        assert_eq!(first.next(), Some((0, unit(0))));
        assert_eq!(first.next(), Some((2, unit(2))));
        let mut second = operator.execute(1, &context);
        assert_eq!(second.next(), Some((1, unit(1))));
        assert_eq!(first.next(), Some((3, unit(3))));
        assert_eq!(rest(&mut second), [4, 5]);
        assert_eq!(rest(&mut first), [0; 0]);
    }

    #[test]
    fn executions_are_told_apart() {
        let operator = Operator::new(&[0, 1, 0, 1, 1, 0, 0, 1], 2);
        // In two contexts, interleaved.
        let (one, other) = (Arc::default(), Arc::default());
        let mut turns = [(0, &one), (1, &other), (0, &other), (1, &one)]
            .map(|(partition, context)| operator.execute(partition, context));
        let mut taken = vec![Vec::new(); 4];
        for _ in 0..9 {
            for (turn, taken) in turns.iter_mut().zip(&mut taken) {
                taken.extend(turn.next().map(|(number, _)| number));
            }
        }
        assert_eq!(sorted([taken[0].clone(), taken[3].clone()].concat()), all(8));
        assert_eq!(sorted([taken[1].clone(), taken[2].clone()].concat()), all(8));
        assert!(
            taken[0].contains(&4) && taken[2].contains(&3),
            "nothing was shared: {taken:?}"
        );
        // In one context, at once: any two partitions are whole together.
        drop(turns);
        let mut turns = [0, 1, 1, 0].map(|partition| operator.execute(partition, &one));
        let taken = turns.each_mut().map(rest);
        for (zero, one) in [(0, 1), (0, 2), (3, 1), (3, 2)] {
            assert_eq!(sorted([taken[zero].clone(), taken[one].clone()].concat()), all(8));
        }
    }

    /// What cannot be made again outlives the partitions that are read before the others are asked for.
    #[test]
    fn what_is_shared_is_kept_for_those_to_come() {
        let operator = Operator {
            kept: true,
            ..Operator::new(&[0, 1, 2], 3)
        };
        let context = Arc::default();
        let mut known = Weak::new();
        for partition in 0..3 {
            let mut turn = operator.execute(partition, &context);
            assert_eq!(rest(&mut turn), [partition]);
            assert!(partition == 0 || Weak::ptr_eq(&known, &Arc::downgrade(&turn.execution)));
            known = Arc::downgrade(&turn.execution);
        }
        assert_eq!(known.strong_count(), 0);
        let turn = operator.execute(0, &context);
        assert!(!Weak::ptr_eq(&known, &Arc::downgrade(&turn.execution)));
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Execute(usize),
        Take(usize),
    }

    fn step(partitions: usize) -> impl Strategy<Value = Step> {
        prop_oneof![
            1 => (0..partitions).prop_map(Step::Execute),
            4 => (0..partitions).prop_map(Step::Take),
        ]
    }

    proptest! {
        #[test]
        fn whoever_reads_to_the_end_has_every_unit_once(
            (partitions, owners, steps, asked) in (1_usize..5).prop_flat_map(|partitions| (
                Just(partitions),
                prop::collection::vec(0..partitions, 0..30),
                prop::collection::vec(step(partitions), 0..60),
                prop::collection::vec(any::<bool>(), partitions),
            ))
        ) {
            let operator = Operator::new(&owners, partitions);
            let context = Arc::default();
            let mut turns: Vec<Option<Turn<()>>> = (0..partitions).map(|_| None).collect();
            let mut taken = vec![Vec::new(); partitions];
            for step in steps {
                match step {
                    Step::Execute(partition) if turns[partition].is_none() && asked[partition] => {
                        turns[partition] = Some(operator.execute(partition, &context));
                    }
                    Step::Take(partition) => {
                        let next = turns[partition].as_mut().and_then(Turn::next);
                        taken[partition].extend(next.map(|(number, _)| number));
                    }
                    Step::Execute(_) => {}
                }
            }
            for partition in 0..partitions {
                if asked[partition] {
                    let turn = turns[partition].get_or_insert_with(|| operator.execute(partition, &context));
                    taken[partition].extend(rest(turn));
                    turns[partition] = None;
                }
            }
            for taken in &taken {
                prop_assert!(taken.is_sorted());
            }
            let wanted: Vec<usize> = (0..owners.len()).filter(|unit| asked[owners[*unit]]).collect();
            prop_assert_eq!(sorted(taken.concat()), wanted);
        }

        /// Estimates that are wrong by a factor of ten leave nobody idle.
        #[test]
        fn partitions_end_together(
            times in prop::collection::vec(prop_oneof![3 => 1_u64..10, 1 => 50_u64..100], 300..400), partitions in 2_usize..5
        ) {
            let owners = owners(&vec![1; times.len()], partitions);
            let operator = Operator::new(&owners, partitions);
            let context = Arc::default();
            let mut turns: Vec<Turn<()>> = (0..partitions).map(|partition| operator.execute(partition, &context)).collect();
            let mut clock = vec![(0, true); partitions];
            while let Some(partition) = (0..partitions).filter(|p| clock[*p].1).min_by_key(|p| clock[*p].0) {
                match turns[partition].next() {
                    Some((number, _)) => clock[partition].0 += times[number],
                    None => clock[partition].1 = false,
                }
            }
            let most = clock.iter().map(|(time, _)| *time).max().unwrap();
            let mean = times.iter().sum::<u64>() / partitions as u64;
            prop_assert!(most <= mean + mean / 5, "{most} of {mean}");
        }
    }

    #[test]
    fn shares_of_a_plan_begin_at_once() {
        let units: Vec<(CellRanges, u64)> = (0..9).map(|number| (unit(number), 5)).collect();
        let operator = Operator {
            executions: Arc::default(),
            units: dealt(units, 3),
            kept: false,
        };
        let context = Arc::default();
        let mut turns = [0, 1, 2].map(|partition| operator.execute(partition, &context));
        let first = turns.each_mut().map(|turn| turn.next().map(|(number, _)| number));
        assert_eq!(first, [Some(0), Some(1), Some(2)]);
    }
}
