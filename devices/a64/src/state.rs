//! The state of a core between runs, to be saved and taken over by another core.
//!
//! All that a guest can see now or later is in it, but for memory. What is not: decoded blocks, translations, cached walks; what belongs to a debugger; the trail of the last
//! branches, counters and what was reported, which are for people.

use crate::block::NO_LINK;
use crate::core::{Core, SLOT_SP, SLOT_ZR, Stop};
use crate::sysreg::SavedRegs;
use serde::{Deserialize, Serialize};

/// General registers, zero and the stack pointer in use; what is behind them means nothing.
const SAVED_SLOTS: usize = SLOT_SP as usize + 1;

/// The state of a core: an opaque value.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CoreState {
    x: Vec<u64>,
    pc: u64,
    nzcv: u32,
    el: u8,
    spsel: bool,
    daif: u8,
    v: [u128; 32],
    fpcr: u32,
    fpsr: u32,
    sys: SavedRegs,
    event: bool,
    retired: u64,
    monitor: Option<SavedMonitor>,
}

/// The armed exclusive monitor.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct SavedMonitor {
    /// Physical address.
    address: u64,
    /// Bytes.
    size: u8,
    value: u128,
}

impl Core {
    /// The core's state, between runs.
    pub fn state(&self) -> CoreState {
        let monitor = &self.monitor;
        CoreState {
            x: self.x[..SAVED_SLOTS].to_vec(),
            pc: self.pc,
            nzcv: self.nzcv,
            el: self.el,
            spsel: self.spsel,
            daif: self.daif,
            v: self.fp.v,
            fpcr: self.fp.fpcr,
            fpsr: self.fp.fpsr,
            sys: self.sys.saved(),
            event: self.event,
            retired: self.retired,
            monitor: monitor.armed.then(|| SavedMonitor { address: self.monitored_address(), size: monitor.size, value: monitor.value }),
        }
    }

    /// Takes over the state of a core that was built as this one, between runs; all that is cached is dropped. `None` if no core can be in such a state.
    pub fn set_state(&mut self, state: CoreState) -> Option<()> {
        let CoreState { x, pc, nzcv, el, spsel, daif, v, fpcr, fpsr, sys, event, retired, monitor } = state;
        let size_is_right = monitor.is_none_or(|monitor| monitor.size.is_power_of_two() && monitor.size <= 16);
        if el > 3 || daif > 0xf || !size_is_right {
            return None;
        }
        let x: [u64; SAVED_SLOTS] = x.try_into().ok()?;
        self.sys.restore(sys)?;
        self.x[..SAVED_SLOTS].copy_from_slice(&x);
        (self.pc, self.nzcv, self.el, self.spsel, self.daif) = (pc, nzcv, el, spsel, daif);
        self.x[usize::from(SLOT_ZR)] = 0;
        (self.fp.v, self.fp.fpcr, self.fp.fpsr) = (v, fpcr, fpsr);
        (self.event, self.retired) = (event, retired);
        self.monitor.armed = monitor.is_some();
        if let Some(SavedMonitor { address, size, value }) = monitor {
            (self.monitor.at, self.monitor.size, self.monitor.value) = (self.monitored(address, size), size, value);
        }
        (self.stop, self.ends, self.link) = (Stop::Budget, 0, NO_LINK);
        self.debug_changed();
        self.flush_tlb();
        self.trim();
        self.context_changed();
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Guest, START};

    /// Counts x0 up by what an exclusive pair stores and loads.
    const LOOP: [u32; 8] = [
        0xc85f_7c41, // 1: ldxr x1, [x2]
        0x9100_0421, // add x1, x1, #1
        0xc803_7c41, // stxr w3, x1, [x2]
        0x35ff_ffa3, // cbnz w3, 1b
        0x8b01_0000, // add x0, x0, x1
        0x4ea1_8400, // add v0.4s, v0.4s, v1.4s
        0xd503_201f, // nop
        0x17ff_fff9, // b 1b
    ];

    fn guest() -> Guest {
        let mut guest = Guest::new(&LOOP);
        (guest.core.x[2], guest.core.fp.v[1]) = (START + 0x1000, 0x0000_0001_0000_0002_0000_0003_ffff_ffff);
        guest
    }

    fn seen(guest: &Guest) -> Vec<(&'static str, usize, u64)> {
        let mut seen = Vec::new();
        guest.core.inspect(&mut |name, n, value| seen.push((name, n, value)));
        seen
    }

    #[test]
    fn a_core_goes_on_from_another_one_s_state() {
        let mut straight = guest();
        straight.run(500);
        for first in 0..40 {
            let mut before = guest();
            before.run(first);
            let mut after = guest();
            after.run(123);
            after.core.set_state(before.core.state()).expect("a core's state");
            after.ram.write_u64(START + 0x1000, before.ram.read_u64(START + 0x1000).expect("in RAM"));
            assert_eq!(seen(&after), seen(&before));
            after.run(500 - first);
            assert_eq!(seen(&after), seen(&straight), "from {first} on");
        }
    }

    #[test]
    fn states_of_no_core_are_refused() {
        let mut guest = guest();
        guest.run(1);
        let state = guest.core.state();
        let refused = |change: &dyn Fn(&mut super::CoreState)| {
            let mut state = state.clone();
            change(&mut state);
            self::guest().core.set_state(state).is_none()
        };
        assert!(!refused(&|_| {}));
        assert!(refused(&|state| state.el = 4) && refused(&|state| _ = state.x.pop()));
        assert!(refused(&|state| state.monitor.as_mut().expect("armed").size = 3));
    }
}
