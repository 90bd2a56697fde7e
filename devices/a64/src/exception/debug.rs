//! Hardware breakpoints and watchpoints (ARM ARM D2.9, D2.10): six breakpoints, the last two of which compare contexts, and four watchpoints.
//!
//! They cost nothing while MDSCR_EL1.MDE is clear. With breakpoints, the run loop looks at each block's address, and cuts blocks in front of
//! them. With watchpoints, the pages that they watch stay out of the software TLB, so that accesses to them come to the slow paths, which ask here.

use super::interrupt::MASK_D;
use super::{Class, Exception};
use crate::core::Core;
use crate::mmu::Kind;
use crate::sysreg::{MDSCR_KDE, MDSCR_MDE, Reg};

/// Fault status of a debug event, in IFSC and DFSC.
const DEBUG_EVENT: u32 = 0x22;
/// ISS.WnR of a watchpoint exception.
const WNR: u32 = 1 << 6;
/// Bits of an address that DBGBVR and DBGWVR compare, but for those below their granule.
const COMPARED: u64 = (1 << 49) - 1;
/// Breakpoints that compare contexts.
const CONTEXT_AWARE: std::ops::Range<usize> = 4..6;

/// DBGBVRn_EL1 and DBGBCRn_EL1.
const BREAKPOINTS: [(Reg, Reg); 6] = [
    (Reg::DBGBVR0_EL1, Reg::DBGBCR0_EL1),
    (Reg::DBGBVR1_EL1, Reg::DBGBCR1_EL1),
    (Reg::DBGBVR2_EL1, Reg::DBGBCR2_EL1),
    (Reg::DBGBVR3_EL1, Reg::DBGBCR3_EL1),
    (Reg::DBGBVR4_EL1, Reg::DBGBCR4_EL1),
    (Reg::DBGBVR5_EL1, Reg::DBGBCR5_EL1),
];
/// DBGWVRn_EL1 and DBGWCRn_EL1.
const WATCHPOINTS: [(Reg, Reg); 4] = [
    (Reg::DBGWVR0_EL1, Reg::DBGWCR0_EL1),
    (Reg::DBGWVR1_EL1, Reg::DBGWCR1_EL1),
    (Reg::DBGWVR2_EL1, Reg::DBGWCR2_EL1),
    (Reg::DBGWVR3_EL1, Reg::DBGWCR3_EL1),
];

/// A control register, DBGBCRn_EL1 or DBGWCRn_EL1, which have their fields in common.
#[derive(Clone, Copy)]
struct Control(u64);

impl Control {
    fn enabled(self) -> bool {
        self.0 & 1 != 0
    }
    fn field(self, high: u32, low: u32) -> u64 {
        self.0 >> low & ((2 << (high - low)) - 1)
    }
    /// DBGBCR.BT.
    fn kind(self) -> u64 {
        self.field(23, 20)
    }
    /// DBGWCR.WT.
    fn linked_watch(self) -> bool {
        self.field(20, 20) != 0
    }
    /// LBN: the breakpoint that compares the context for this one.
    fn link(self) -> usize {
        self.field(19, 16) as usize
    }
}

/// The bytes that a watchpoint watches: a power of two with a mask, or some bytes of a doubleword (or word).
struct Watched {
    start: u64,
    len: u64,
    /// One bit a byte, for at most eight.
    select: u64,
}

impl Watched {
    /// `None` for reserved masks, which watch nothing.
    fn new(value: u64, control: Control) -> Option<Self> {
        let value = value & COMPARED;
        match control.field(28, 24) {
            0 => {
                // A word-aligned value has four select bits.
                let len = if value & 4 != 0 { 4 } else { 8 };
                Some(Self { start: value & !(len - 1), len, select: control.field(12, 5) })
            }
            1 | 2 => None,
            mask => Some(Self { start: value >> mask << mask, len: 1 << mask, select: u64::MAX }),
        }
    }

    /// The first byte of an access that is watched.
    fn first(&self, va: u64, len: u64) -> Option<u64> {
        let begin = va & COMPARED;
        let (from, to) = (begin.max(self.start), (begin + len).min(self.start + self.len));
        let mut watched = (from..to).filter(|at| self.len > 8 || self.select >> (at - self.start) & 1 != 0);
        watched.next().map(|at| va.wrapping_add(at - begin))
    }

    fn touches(&self, start: u64, len: u64) -> bool {
        let start = start & COMPARED;
        start < self.start + self.len && self.start < start + len
    }
}

impl Core {
    /// True if debug exceptions other than BRK come from the current level (ARM ARM D2.4).
    pub(super) fn debug_enabled(&self) -> bool {
        if self.debug_locked() {
            return false;
        }
        let target = self.debug_target();
        if self.secure() && self.el != 0 && self.el < 3 && self.sys[Reg::MDCR_EL3] >> 16 & 1 != 0 {
            return false;
        }
        self.el < target || (self.el == target && self.sys[Reg::MDSCR_EL1] & MDSCR_KDE != 0 && self.daif & MASK_D == 0)
    }

    /// To be called after a write of a debug register: whether there is anything to look for, and the software TLB without what is watched.
    pub(crate) fn debug_changed(&mut self) {
        let on = self.sys[Reg::MDSCR_EL1] & MDSCR_MDE != 0 && !self.debug_locked();
        let any = |pairs: &[(Reg, Reg)]| on && pairs.iter().any(|(_, control)| Control(self.sys[*control]).enabled());
        let (breaking, watching) = (any(&BREAKPOINTS), any(&WATCHPOINTS));
        if watching || self.sys.watching {
            self.flush_tlb();
        }
        (self.sys.breaking, self.sys.watching) = (breaking, watching || self.debugger.watches());
        self.sys.guest_watching = watching;
        self.check_interrupts = true;
    }

    /// True while each block must be looked at.
    pub(crate) fn breaks(&self) -> bool {
        self.sys.breaking && self.debug_enabled()
    }

    /// Instructions from the current address up to the next breakpoint, if it is near; 0 if there is one here.
    pub(crate) fn breakpoint_ahead(&self) -> Option<u64> {
        if !self.breaks() {
            return None;
        }
        (0..BREAKPOINTS.len()).filter_map(|n| self.distance(n)).min()
    }

    fn breakpoint(&self, n: usize) -> (u64, Control) {
        let (value, control) = BREAKPOINTS[n];
        (self.sys[value], Control(self.sys[control]))
    }

    fn distance(&self, n: usize) -> Option<u64> {
        const ADDRESS: u64 = 0b0000;
        const LINKED_ADDRESS: u64 = 0b0001;
        let (value, control) = self.breakpoint(n);
        if !control.enabled() || !self.state_matches(control, false) {
            return None;
        }
        match control.kind() {
            ADDRESS | LINKED_ADDRESS => {
                let linked = control.kind() == ADDRESS || self.link_matches(control.link());
                // BAS selects halfwords for AArch32; an A64 instruction is found by its first byte.
                let selected = control.field(8, 5) & 1 != 0;
                let ahead = (value & COMPARED & !3).checked_sub(self.pc & COMPARED)?;
                (linked && selected && ahead < 4 * crate::block::MAX_OPS).then_some(ahead / 4)
            }
            kind if kind & 1 == 0 => self.context_matches(n).then_some(0),
            _ => None,
        }
    }

    /// A linked context breakpoint, on behalf of what links to it.
    fn link_matches(&self, n: usize) -> bool {
        n < BREAKPOINTS.len() && {
            let (_, control) = self.breakpoint(n);
            control.enabled() && control.kind() & 1 != 0 && self.context_matches(n)
        }
    }

    /// The context that breakpoint `n` compares: CONTEXTIDR_EL1, the VMID, or both. Others than the last two compare none.
    fn context_matches(&self, n: usize) -> bool {
        let (value, control) = self.breakpoint(n);
        let kind = control.kind() >> 1;
        let id = || value as u32 == self.sys[Reg::CONTEXTIDR_EL1] as u32;
        let vmid = || !self.secure() && value >> 32 & 0xff == self.sys[Reg::VTTBR_EL2] >> 48 & 0xff;
        CONTEXT_AWARE.contains(&n)
            && self.el < 2
            && match kind {
                0b001 => id(),
                0b100 => vmid(),
                0b101 => id() && vmid(),
                _ => false,
            }
    }

    /// PMC or PAC, HMC and SSC against the current state (ARM ARM D2.9.4). `unprivileged`: an access with EL0's rights.
    fn state_matches(&self, control: Control, unprivileged: bool) -> bool {
        let (state, higher, levels) = (control.field(15, 14), control.field(13, 13) != 0, control.field(2, 1));
        let level = match self.el {
            _ if unprivileged => levels & 2 != 0,
            0 => levels & 2 != 0,
            1 => levels & 1 != 0,
            2 => higher && !(state == 2 && levels == 0) || state == 3,
            _ => higher && state & 1 == 0,
        };
        let security = match state {
            1 => !self.secure(),
            2 => self.secure(),
            _ => true,
        };
        level && security
    }

    /// The breakpoint exception.
    pub(crate) fn breakpoint_exception() -> Exception {
        Exception { class: Class::Breakpoint, iss: DEBUG_EVENT, far: None }
    }

    /// True if a page of virtual memory must stay out of the software TLB.
    pub(crate) fn is_watched_page(&self, va: u64) -> bool {
        const PAGE: u64 = 4096;
        if !self.sys.watching {
            return false;
        }
        let guest = self.sys.guest_watching
            && WATCHPOINTS.iter().any(|&(value, control)| {
                let control = Control(self.sys[control]);
                control.enabled() && Watched::new(self.sys[value], control).is_some_and(|watched| watched.touches(va & !(PAGE - 1), PAGE))
            });
        guest || self.is_debugger_page(va)
    }

    /// Checks an access that would be made against the watchpoints. `el` is whose rights it has.
    ///
    /// # Errors
    /// The watchpoint exception.
    #[inline]
    pub(crate) fn watch(&mut self, va: u64, len: u64, kind: Kind, el: u8) -> Result<(), Exception> {
        if self.sys.watching { self.watch_all(va, len, kind, el) } else { Ok(()) }
    }

    #[cold]
    fn watch_all(&mut self, va: u64, len: u64, kind: Kind, el: u8) -> Result<(), Exception> {
        self.watch_for_debugger(va, len, kind)?;
        if !self.sys.guest_watching || !self.debug_enabled() {
            return Ok(());
        }
        let write = kind == Kind::Write;
        let hit = WATCHPOINTS.iter().find_map(|&(value, control)| {
            let control = Control(self.sys[control]);
            let wanted = control.field(4, 3) & if write { 2 } else { 1 } != 0;
            let linked = !control.linked_watch() || self.link_matches(control.link());
            let matches = control.enabled() && wanted && linked && self.state_matches(control, el == 0 && self.el != 0);
            matches.then(|| Watched::new(self.sys[value], control)?.first(va, len)).flatten()
        });
        match hit {
            Some(far) => Err(Exception { class: Class::Watchpoint, iss: DEBUG_EVENT | if write { WNR } else { 0 }, far: Some(far) }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Stop;
    use crate::testing::{Guest, START};

    const VBAR: u64 = 0x1000;
    const DATA: u64 = START + 0x4000;
    const ADD: u32 = 0x9100_0400; // add x0, x0, #1
    const STAY: u32 = 0x1400_0000; // b .
    /// E, PMC EL1 and EL0, all bytes.
    const BREAK: u64 = 1 | 3 << 1 | 0xf << 5;
    /// E, PAC EL1 and EL0, loads and stores, all bytes.
    const WATCH: u64 = 1 | 3 << 1 | 3 << 3 | 0xff << 5;

    /// A guest in EL1 that may debug itself: MDE and KDE are set, the OS lock is not.
    fn guest(words: &[u32]) -> Guest {
        let mut guest = Guest::new(words);
        let core = &mut guest.core;
        core.sys[Reg::SCR_EL3] = 0x531;
        core.sys[Reg::HCR_EL2] = 1 << 31;
        core.sys[Reg::VBAR_EL1] = VBAR;
        core.sys[Reg::OSLSR_EL1] = 8;
        core.sys[Reg::MDSCR_EL1] = MDSCR_MDE | MDSCR_KDE;
        core.switch_sp(1, true);
        core.daif = 0;
        core.context_changed();
        for vector in [0x200, 0x400] {
            guest.write(VBAR + vector, &[STAY]);
        }
        guest
    }

    fn set(guest: &mut Guest, registers: &[(Reg, u64)]) {
        for &(register, value) in registers {
            guest.core.sys[register] = value;
        }
        guest.core.debug_changed();
    }

    /// Runs to the vector: where it came from, the syndrome and FAR. `None` if nothing was raised.
    fn caught(guest: &mut Guest, budget: u64) -> Option<(u64, u64, u64)> {
        let run = guest.run(budget);
        assert_eq!(run.stop, Stop::Budget);
        let core = &guest.core;
        let at_vector = core.pc == VBAR + 0x200 || core.pc == VBAR + 0x400;
        at_vector.then(|| (core.sys[Reg::ELR_EL1], core.sys[Reg::ESR_EL1], core.sys[Reg::FAR_EL1]))
    }

    #[test]
    fn a_breakpoint_stops_in_front_of_its_instruction_wherever_it_lies_in_a_block() {
        for at in 0..5 {
            for registers in BREAKPOINTS {
                let mut guest = guest(&[ADD, ADD, ADD, ADD, ADD, STAY]);
                guest.run(3);
                assert_eq!(guest.core.x[0], 3, "nothing is set yet");
                (guest.core.pc, guest.core.x[0]) = (START, 0);
                set(&mut guest, &[(registers.0, START + 4 * at), (registers.1, BREAK)]);
                assert_eq!(caught(&mut guest, 20), Some((START + 4 * at, 0x31 << 26 | 1 << 25 | 0x22, 0)));
                assert_eq!(guest.core.x[0], at);
            }
        }
    }

    #[test]
    fn what_must_hold_for_a_breakpoint() {
        let hit = |registers: &[(Reg, u64)], daif: u8, el: u8| {
            let mut guest = guest(&[ADD, ADD, STAY]);
            guest.core.switch_sp(el, el > 0);
            guest.core.daif = daif;
            guest.core.context_changed();
            set(&mut guest, &[(Reg::DBGBVR0_EL1, START + 4), (Reg::DBGBCR0_EL1, BREAK)]);
            set(&mut guest, registers);
            caught(&mut guest, 10).map(|(_, esr, _)| esr >> 26)
        };
        assert_eq!(hit(&[], 0, 1), Some(0x31));
        assert_eq!(hit(&[], 0, 0), Some(0x30), "from EL0");
        assert_eq!(hit(&[], MASK_D, 0), Some(0x30), "the mask counts at the target level alone");
        assert_eq!(hit(&[], MASK_D, 1), None, "masked");
        assert_eq!(hit(&[(Reg::MDSCR_EL1, MDSCR_MDE)], 0, 1), None, "KDE is clear");
        assert_eq!(hit(&[(Reg::MDSCR_EL1, MDSCR_MDE)], 0, 0), Some(0x30));
        assert_eq!(hit(&[(Reg::MDSCR_EL1, MDSCR_KDE)], 0, 1), None, "MDE is clear");
        assert_eq!(hit(&[(Reg::OSLSR_EL1, 0xa)], 0, 1), None, "OS lock");
        assert_eq!(hit(&[(Reg::OSDLR_EL1, 1)], 0, 1), None, "OS double lock");
        assert_eq!(hit(&[(Reg::DBGBCR0_EL1, BREAK & !1)], 0, 1), None, "disabled");
        assert_eq!(hit(&[(Reg::DBGBCR0_EL1, BREAK & !2)], 0, 1), None, "EL0 only");
        assert_eq!(hit(&[(Reg::DBGBCR0_EL1, BREAK & !4)], 0, 0), None, "EL1 only");
        assert_eq!(hit(&[(Reg::DBGBCR0_EL1, BREAK | 1 << 14)], 0, 1), Some(0x31), "Non-secure only");
        assert_eq!(hit(&[(Reg::DBGBCR0_EL1, BREAK | 2 << 14)], 0, 1), None, "Secure only");
        assert_eq!(hit(&[(Reg::DBGBVR0_EL1, START + 0x100)], 0, 1), None, "elsewhere");
    }

    #[test]
    fn contexts_break_alone_or_for_others() {
        let id = |n: usize, kind: u64| [(BREAKPOINTS[n].0, 0x1235), (BREAKPOINTS[n].1, BREAK | kind << 20)];
        let hit = |registers: &[(Reg, u64)], context: u64| {
            let mut guest = guest(&[ADD, ADD, STAY]);
            guest.core.sys[Reg::CONTEXTIDR_EL1] = context;
            guest.core.sys[Reg::VTTBR_EL2] = 7 << 48;
            set(&mut guest, registers);
            caught(&mut guest, 10).map(|(elr, ..)| elr - START)
        };
        assert_eq!((hit(&id(4, 2), 0x1235), hit(&id(4, 2), 0x1234)), (Some(0), None));
        assert_eq!(hit(&id(3, 2), 0x1235), None, "not context-aware");
        assert_eq!(hit(&id(5, 3), 0x1235), None, "linked, but nothing links to it");
        let linked = [(Reg::DBGBVR0_EL1, START + 4), (Reg::DBGBCR0_EL1, BREAK | 1 << 20 | 5 << 16)];
        let both = [linked, id(5, 3)].concat();
        assert_eq!((hit(&both, 0x1235), hit(&both, 0)), (Some(4), None));
        let vmid = |vmid: u64| [(Reg::DBGBVR4_EL1, vmid << 32 | 0x1235), (Reg::DBGBCR4_EL1, BREAK | 10 << 20)];
        assert_eq!((hit(&vmid(7), 0x1235), hit(&vmid(6), 0x1235)), (Some(0), None));
    }

    #[test]
    fn a_watchpoint_catches_accesses_of_its_bytes_and_tells_the_first() {
        // ldr x3, [x1] ; str x3, [x1] ; ldrb w3, [x1] ; strb w3, [x1] ; ldp x3, x4, [x1] ; stp x3, x4, [x1] ; ldr q0, [x1] ; str q0, [x1] ;
        // ldxr x3, [x1] ; ldar x3, [x1] ; stlr x3, [x1]
        for (word, size, write) in [
            (0xf940_0023u32, 8, false),
            (0xf900_0023, 8, true),
            (0x3940_0023, 1, false),
            (0x3900_0023, 1, true),
            (0xa940_1023, 16, false),
            (0xa900_1023, 16, true),
            (0x3dc0_0020, 16, false),
            (0x3d80_0020, 16, true),
            (0xc85f_7c23, 8, false),
            (0xc8df_fc23, 8, false),
            (0xc89f_fc23, 8, true),
        ] {
            for (offset, control) in [(0, WATCH), (8, WATCH), (0, WATCH & !(3 << 3) | 1 << 3), (0, WATCH & !(3 << 3) | 2 << 3)] {
                let mut guest = guest(&[word, ADD, STAY]);
                guest.core.x[1] = DATA;
                guest.core.sys[Reg::CPACR_EL1] = 3 << 20;
                guest.core.context_changed();
                // The page is in the table before it is watched.
                guest.run(2);
                (guest.core.pc, guest.core.x[0]) = (START, 0);
                set(&mut guest, &[(Reg::DBGWVR2_EL1, DATA + offset), (Reg::DBGWCR2_EL1, control)]);
                let wanted = offset < size && control >> 3 & if write { 2 } else { 1 } != 0;
                let syndrome = 0x35 << 26 | 1 << 25 | 0x22 | u64::from(write) << 6;
                let expected = wanted.then_some((START, syndrome, DATA + offset));
                assert_eq!(caught(&mut guest, 5), expected, "{word:#x}, watched at {offset}, control {control:#x}");
                assert_eq!(guest.core.x[0], u64::from(!wanted));
            }
        }
    }

    #[test]
    fn what_a_watchpoint_selects() {
        // ldrb w3, [x1]
        let hit = |va: u64, value: u64, control: u64| {
            let mut guest = guest(&[0x3940_0023, STAY]);
            guest.core.x[1] = va;
            set(&mut guest, &[(Reg::DBGWVR0_EL1, value), (Reg::DBGWCR0_EL1, control)]);
            caught(&mut guest, 5).is_some()
        };
        let bytes = |select: u64| WATCH & !(0xff << 5) | select << 5;
        assert!(hit(DATA + 3, DATA, bytes(8)) && !hit(DATA + 2, DATA, bytes(8)));
        assert!(hit(DATA + 5, DATA + 4, bytes(2)) && !hit(DATA + 1, DATA + 4, bytes(2)) && !hit(DATA + 5, DATA + 4, bytes(0x20)));
        assert!(hit(DATA + 0xfff, DATA, WATCH | 12 << 24) && !hit(DATA + 0x1000, DATA, WATCH | 12 << 24));
        assert!(!hit(DATA, DATA, WATCH | 2 << 24), "a reserved mask");
        assert!(!hit(DATA, DATA, WATCH & !2), "EL0 only");
        // ldtrb w3, [x1] has the rights of EL0.
        let mut guest = guest(&[0x3840_0823, STAY]);
        guest.core.x[1] = DATA;
        set(&mut guest, &[(Reg::DBGWVR0_EL1, DATA), (Reg::DBGWCR0_EL1, WATCH & !2)]);
        assert!(caught(&mut guest, 5).is_some());
    }

    #[test]
    fn a_step_comes_before_a_breakpoint_and_both_are_taken() {
        // From EL0, so that neither is masked: the step of the first ADD ends at the breakpoint's address.
        let mut guest = guest(&[ADD, ADD, STAY]);
        guest.core.switch_sp(0, false);
        guest.core.context_changed();
        guest.core.sys.single_step = true;
        set(&mut guest, &[(Reg::MDSCR_EL1, MDSCR_MDE | 1), (Reg::DBGBVR0_EL1, START + 4), (Reg::DBGBCR0_EL1, BREAK)]);
        guest.write(VBAR + 0x400, &[0xd69f_03e0]); // eret
        guest.run(1);
        assert_eq!(guest.core.x[0], 1);
        guest.run(1);
        assert_eq!((guest.core.sys[Reg::ESR_EL1] >> 26, guest.core.sys[Reg::ELR_EL1]), (0x32, START + 4));
        guest.core.sys[Reg::SPSR_EL1] |= 1 << 21;
        guest.run(2);
        assert_eq!((guest.core.sys[Reg::ESR_EL1] >> 26, guest.core.sys[Reg::ELR_EL1]), (0x30, START + 4));
        assert_eq!(guest.core.x[0], 1);
    }
}
