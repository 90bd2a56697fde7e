//! When and where a trace event happens: what the thread that tells of it is doing.
//!
//! Only kept up while something finer than warnings is traced, so that a machine without traces pays one load a slice.

use crate::clock::Clock;
use std::cell::RefCell;
use std::sync::Arc;
use tracing::level_filters::LevelFilter;

/// Guest time and core of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Guest time in nanoseconds, those of earlier power cycles included.
    pub time_ns: u64,
    /// The core that runs on this thread.
    pub core: Option<usize>,
}

struct Here {
    clock: Arc<Clock>,
    before_ns: u64,
    core: Option<usize>,
    /// Instructions that the core had retired in its slice at its last access to the bus.
    retired: u64,
}

thread_local! {
    static HERE: RefCell<Option<Here>> = const { RefCell::new(None) };
}

/// Now, on this thread, if it runs a machine. `retired`: instructions that the core has retired in its slice, if that is known.
pub fn moment(retired: Option<u64>) -> Option<Moment> {
    HERE.with_borrow(|here| {
        let Here { clock, before_ns, core, retired: known } = here.as_ref()?;
        let now = core.map_or_else(|| clock.now(), |core| clock.core_now(core, retired.unwrap_or(*known)));
        Some(Moment { time_ns: before_ns.saturating_add(now.0), core: *core })
    })
}

/// This thread runs a core of the machine, or, with no core, its devices.
#[inline]
pub(crate) fn enter(clock: &Arc<Clock>, before_ns: u64, core: Option<usize>) {
    if is_kept() {
        note(clock, before_ns, core);
    }
}

#[cold]
fn note(clock: &Arc<Clock>, before_ns: u64, core: Option<usize>) {
    HERE.with_borrow_mut(|here| match here {
        Some(here) if Arc::ptr_eq(&here.clock, clock) => (here.core, here.retired) = (core, 0),
        _ => *here = Some(Here { clock: Arc::clone(clock), before_ns, core, retired: 0 }),
    });
}

/// Something finer than warnings is traced.
#[inline(always)]
pub(crate) fn is_kept() -> bool {
    LevelFilter::current() > LevelFilter::WARN
}

/// The core of this thread accesses the bus after so many instructions of its slice.
#[cold]
pub(crate) fn access(retired: u64) {
    HERE.with_borrow_mut(|here| {
        if let Some(here) = here {
            here.retired = retired;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{ClockMode, GuestTime};

    #[test]
    fn a_core_s_time_is_its_slice_s_and_what_it_retired() {
        assert_eq!(moment(None), None);
        let clock = Arc::new(Clock::new(ClockMode::Deterministic));
        clock.set_now(GuestTime(50));
        clock.set_core_now(2, GuestTime(100));
        note(&clock, 1000, Some(2));
        assert_eq!(moment(Some(7)), Some(Moment { time_ns: 1107, core: Some(2) }));
        access(9);
        assert_eq!(moment(None).map(|moment| moment.time_ns), Some(1109));
        note(&clock, 1000, None);
        assert_eq!(moment(Some(7)), Some(Moment { time_ns: 1050, core: None }));
    }
}
