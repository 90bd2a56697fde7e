//! Where a core came from: the last blocks of code that it entered, so that a report can list the last branches.
//!
//! The run loop notes each block and each entry to translated code; what happens within translated code is one step. Two stores a block.

/// Steps that are kept.
const STEPS: usize = 64;

/// Entry to a block, or to translated code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Step {
    /// Where; bit 0: translated code.
    pc: u64,
    /// Instructions retired in the current run before it.
    retired: u64,
}

/// The last steps.
#[derive(Clone, Debug)]
pub(crate) struct Trail {
    steps: [Step; STEPS],
    next: usize,
    /// The trail as it was when a chain of faults began, its end, and where the core went then.
    kept: Option<Box<([Step; STEPS], usize)>>,
}

/// A branch that was taken (an exception is one too), or a stretch of translated code and where it led.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The instruction that branched, where it is known.
    pub from: Option<u64>,
    /// It is somewhere in translated code, which was entered here.
    pub translated: Option<u64>,
    /// Instructions that retired on the way, where they are known.
    pub instructions: Option<u64>,
    /// Where to.
    pub to: u64,
}

impl Default for Trail {
    fn default() -> Self {
        Self { steps: [Step::default(); STEPS], next: 0, kept: None }
    }
}

impl Trail {
    /// The core enters a block at `pc`.
    #[inline(always)]
    pub(crate) fn enter(&mut self, pc: u64, retired: u64) {
        self.steps[self.next % STEPS] = Step { pc, retired };
        self.next = self.next.wrapping_add(1);
    }

    /// The core enters translated code at `pc`.
    #[inline(always)]
    pub(crate) fn enter_translated(&mut self, pc: u64, retired: u64) {
        self.enter(pc | 1, retired);
    }

    /// Keeps the trail as it is: what comes may go round for long.
    #[cold]
    pub(crate) fn keep(&mut self) {
        self.kept = Some(Box::new((self.steps, self.next)));
    }

    /// The last branches, the oldest first: `kept` as they were when the trail was kept, if it was. `here` and `retired`: where the core is now.
    pub(crate) fn branches(&self, kept: bool, here: u64, retired: u64) -> Vec<Branch> {
        let (steps, next, last) = match self.kept.as_deref().filter(|_| kept) {
            Some((steps, next)) => (steps, *next, None),
            None => (&self.steps, self.next, Some(Step { pc: here, retired })),
        };
        let order: Vec<Step> = (next.saturating_sub(STEPS)..next).map(|at| steps[at % STEPS]).chain(last).collect();
        let pairs = order.windows(2).map(|pair| (pair[0], pair[1]));
        pairs.filter_map(|(from, to)| step(from, to)).collect()
    }
}

/// What lies between two steps: `None` if it is no branch.
fn step(from: Step, to: Step) -> Option<Branch> {
    let (start, to_pc) = (from.pc & !1, to.pc & !1);
    // A smaller count is that of a new run.
    let instructions = to.retired.checked_sub(from.retired);
    if from.pc & 1 != 0 {
        return Some(Branch { from: None, translated: Some(start), instructions, to: to_pc });
    }
    let last = instructions.and_then(|ran| ran.checked_sub(1)).map(|before| start.wrapping_add(4 * before));
    let falls_through = last.is_some_and(|last| last.wrapping_add(4) == to_pc);
    (!falls_through).then_some(Branch { from: last, translated: None, instructions, to: to_pc })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Guest, START};

    #[test]
    fn branches_are_listed_with_where_they_were() {
        // nop ; b +8 ; nop ; nop ; cbz x0, +8 ; nop ; bl -24 (back to the start)
        let words = [0xd503_201f, 0x1400_0002, 0xd503_201f, 0xd503_201f, 0xb400_0040, 0xd503_201f, 0x97ff_fffa];
        let mut guest = Guest::new(&words);
        guest.run(8);
        let branches = guest.core.trail.branches(false, guest.core.pc, guest.core.run_retired);
        let taken: Vec<_> = branches.iter().map(|branch| (branch.from.map(|from| from - START), branch.to - START)).collect();
        if guest.core.jit.is_none() {
            assert_eq!(taken, [(Some(4), 12), (Some(16), 24), (Some(24), 0), (Some(4), 12)]);
        }
    }

    #[test]
    fn code_that_runs_on_into_the_next_block_is_no_branch() {
        let step = |from: (u64, u64), to: (u64, u64)| super::step(Step { pc: from.0, retired: from.1 }, Step { pc: to.0, retired: to.1 });
        assert_eq!(step((0x1000, 10), (0x1010, 14)), None);
        assert_eq!(step((0x1000, 10), (0x1014, 14)).map(|branch| branch.from), Some(Some(0x100c)));
        assert_eq!(step((0x1000, 10), (0x1014, 2)).map(|branch| branch.from), Some(None), "a new run");
        assert_eq!(
            step((0x1001, 10), (0x2000, 1010)),
            Some(Branch { from: None, translated: Some(0x1000), instructions: Some(1000), to: 0x2000 })
        );
    }

    #[test]
    fn only_the_last_are_kept_and_they_can_be_set_aside() {
        let mut trail = Trail::default();
        for n in 0..1000 {
            trail.enter(0x1000 * n, n);
        }
        trail.keep();
        (0..1000).for_each(|n| trail.enter(4, 1000 + n));
        let kept = trail.branches(true, 4, 2000);
        assert_eq!((kept.len(), kept.last().map(|branch| branch.to)), (STEPS - 1, Some(0x1000 * 999)));
        assert!(trail.branches(false, 4, 2000).iter().all(|branch| branch.to == 4));
    }
}
