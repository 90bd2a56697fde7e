//! The architectural state as names and values, for whoever compares two cores.

use crate::core::{Core, SLOT_SP};
use crate::sysreg::table::TABLE;
use std::sync::LazyLock;

/// Registers of the table that live elsewhere: what the table holds of them means nothing.
const ELSEWHERE: [&str; 8] = ["NZCV", "DAIF", "SPSEL", "FPCR", "FPSR", "SP_EL0", "SP_EL1", "SP_EL2"];

/// Names and indices of those that live in the table.
static STORED: LazyLock<Vec<(&str, u64)>> = LazyLock::new(|| {
    let names = TABLE.iter().map(|register| register.name).zip(0..);
    names.filter(|(name, _)| !ELSEWHERE.contains(name)).collect()
});

impl Core {
    /// Calls `visit` with each value of the architectural state: its name, its number among those of the name, and the value. Everything that a guest
    /// can see now or later is among them, but for memory; what only makes the core fast is not.
    pub fn inspect(&self, visit: &mut dyn FnMut(&'static str, usize, u64)) {
        for (n, &x) in self.x[..31].iter().enumerate() {
            visit("X", n, x);
        }
        self.inspect_pstate(visit);
        for (n, &v) in self.fp.v.iter().enumerate() {
            visit("V.low", n, v as u64);
            visit("V.high", n, (v >> 64) as u64);
        }
        visit("FPCR", 0, self.fp.fpcr.into());
        visit("FPSR", 0, self.fp.fpsr.into());
        for &(name, n) in STORED.iter() {
            visit(name, 0, self.sys.value(n));
        }
        self.sys.pmu.inspect(visit);
        self.inspect_monitor(visit);
        visit("event", 0, self.event.into());
        visit("sync pending", 0, self.sys.sync_pending.into());
        visit("retired", 0, self.retired);
    }

    /// The program counter, the stack pointers and PSTATE.
    fn inspect_pstate(&self, visit: &mut dyn FnMut(&'static str, usize, u64)) {
        let mut stacks = self.sys.sp;
        stacks[if self.spsel { usize::from(self.el & 3) } else { 0 }] = self.x[usize::from(SLOT_SP)];
        for (level, &sp) in stacks.iter().enumerate() {
            visit("SP_EL", level, sp);
        }
        visit("PC", 0, self.pc);
        visit("NZCV", 0, (self.nzcv & 0xf000_0000).into());
        visit("EL", 0, self.el.into());
        visit("SPSEL", 0, self.spsel.into());
        visit("DAIF", 0, self.daif.into());
        visit("PSTATE.SS", 0, self.sys.single_step.into());
        visit("stepped", 0, self.sys.stepped.map_or(0, |exclusive| 1 + u64::from(exclusive)));
    }

    /// The local monitor; what it watched before it was cleared means nothing.
    fn inspect_monitor(&self, visit: &mut dyn FnMut(&'static str, usize, u64)) {
        let monitor = &self.monitor;
        visit("monitor", 0, monitor.armed.into());
        if monitor.armed {
            visit("monitor address", 0, monitor.pa);
            visit("monitor size", 0, monitor.size.into());
            visit("monitor value", 0, monitor.value as u64);
            visit("monitor value", 1, (monitor.value >> 64) as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Guest;
    use std::collections::BTreeMap;

    fn state(guest: &Guest) -> BTreeMap<(&'static str, usize), u64> {
        let mut state = BTreeMap::new();
        guest.core.inspect(&mut |name, n, value| assert_eq!(state.insert((name, n), value), None, "{name} {n} twice"));
        state
    }

    #[test]
    fn what_an_instruction_changes_is_seen_and_nothing_else() {
        // add x3, x3, #5 ; ldxr x1, [x2] ; msr spsel, #0 ; add sp, sp, #16
        let mut guest = Guest::new(&[0x9100_1463, 0xc85f_7c41, 0xd500_40bf, 0x9100_43ff]);
        guest.core.x[2] = 0x1000;
        let changed = |guest: &mut Guest| {
            let before = state(guest);
            guest.run(1);
            let after = state(guest);
            let names = after.iter().filter(|(key, value)| before.get(*key) != Some(*value)).map(|(key, _)| *key);
            names.filter(|key| !matches!(key.0, "PC" | "retired" | "counted up to")).collect::<Vec<_>>()
        };
        assert_eq!(changed(&mut guest), [("X", 3)]);
        let monitor = changed(&mut guest);
        assert!(monitor.contains(&("monitor", 0)) && monitor.contains(&("monitor address", 0)));
        assert_eq!(changed(&mut guest), [("SPSEL", 0)]);
        assert_eq!(changed(&mut guest), [("SP_EL", 0)]);
    }
}
