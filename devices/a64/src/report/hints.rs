//! What to look at: the classics among a kernel's mistakes, recognised by what the core holds.

use super::Report;
use crate::exception::{Taken, words};
use crate::sysreg::sctlr;

/// Below this, an address is a null pointer and an offset.
const NULL_PAGE: u64 = 0x1000;
/// Where device registers are (BCM2837 and its local peripherals).
const DEVICES: std::ops::Range<u64> = 0x3f00_0000..0x4004_0000;
/// The boot code's spin table: a slot of 8 bytes a core.
const SPIN_TABLE: u64 = 0xd8;
/// Distance from the stack pointer to code that ran below it, at most, where they are taken to have met.
const MET: u64 = 0x1000;

impl Report<'_> {
    /// The hints, the most telling first.
    pub(super) fn hints(&self) -> Vec<String> {
        let mut hints = Vec::new();
        if self.core.first_fault().is_some() {
            self.of_the_fault(&mut hints);
            hints.extend(self.of_the_stack());
            hints.extend(self.of_the_vector());
            hints.extend(self.of_the_spin_table());
        }
        if hints.is_empty() {
            hints.push("nothing that is known: see the first of the last faults, and the branches that led to it".into());
        }
        hints
    }

    fn mmu_is_on(&self) -> bool {
        self.core.sctlr_of(self.el) & sctlr::M != 0
    }

    fn of_the_fault(&self, hints: &mut Vec<String>) {
        let Taken { pc, esr, far, .. } = self.first;
        let (ec, status, el) = ((esr >> 26) as u32 & 0x3f, esr as u32 & 0x3f, self.el);
        match ec {
            0x00 => hints.extend(self.of_undefined(pc)),
            0x07 => hints.push(self.of_fp()),
            0x0e => hints.push(self.of_illegal_state()),
            0x18 => hints.push(format!("EL{el} may not use that register or instruction here: {}", words::syndrome(esr))),
            0x20 | 0x21 => hints.extend(self.of_fetch(pc, status)),
            0x22 => {
                hints.push(format!("PC {pc:#x} is no multiple of 4: a function pointer or return address was overwritten, or is no code"))
            }
            0x24 | 0x25 => hints.extend(self.of_data(far.unwrap_or(0), status)),
            0x26 => hints.push(format!("SP {:#x} is no multiple of 16: loads and stores by SP need that (SCTLR_EL{el}.SA)", self.first.sp)),
            _ => {}
        }
    }

    fn of_undefined(&self, pc: u64) -> Vec<String> {
        match self.instruction(pc) {
            Some(0) => vec![format!(
                "execution ran into zeroed memory at {pc:#x}: a call through a bad pointer, a function without a return, or code that was not \
                 loaded (is it all in the image?); the branches say from where"
            )],
            Some(word) if crate::decode(word).allocated => {
                vec![format!("the instruction {word:#010x} at {pc:#x} exists, but not at EL{}, or not with these controls", self.el)]
            }
            Some(word) => {
                vec![format!("{word:#010x} at {pc:#x} is no instruction of a Cortex-A53: data run as code, or code for another processor")]
            }
            None => vec![format!("there is no RAM at PC {pc:#x}")],
        }
    }

    fn of_fp(&self) -> String {
        let fpen = self.register("CPACR_EL1") >> 20 & 3;
        if self.el <= 1 && fpen != 3 {
            return format!(
                "FP and SIMD are off (CPACR_EL1.FPEN = {fpen}): set CPACR_EL1 bits 21:20 to 3 and ISB before any code that the compiler made, which uses \
                 SIMD registers for copies too, or compile with -mgeneral-regs-only"
            );
        }
        "FP and SIMD are trapped by a higher level: clear CPTR_EL2.TFP and CPTR_EL3.TFP".into()
    }

    fn of_illegal_state(&self) -> String {
        let level = self.core.el.max(1);
        let spsr = self.register(&format!("SPSR_EL{level}"));
        let (rw2, rw3) = (self.register("HCR_EL2") >> 31 & 1, self.register("SCR_EL3") >> 10 & 1);
        format!(
            "ERET with an SPSR that this level cannot return to: SPSR_EL{level}.M asks for {} (HCR_EL2.RW = {rw2}, SCR_EL3.RW = {rw3}): for EL1 with its \
             own stack set SPSR to 0x3c5, with HCR_EL2.RW = 1",
            words::mode(spsr)
        )
    }

    fn of_fetch(&self, pc: u64, status: u32) -> Vec<String> {
        let mut hints = Vec::new();
        let lr = self.first.lr;
        if pc < NULL_PAGE {
            hints.push(format!("a call through a null pointer (PC {pc:#x}); LR {lr:#x} is behind the call if it was BLR"));
        } else if !self.mmu_is_on() && pc >> 40 != 0 {
            hints.push(format!(
                "PC {pc:#x} is a virtual address, but the MMU is off: code that is linked high must run by relative addresses until the MMU is on"
            ));
        } else if self.mmu_is_on() && status <= 0x07 && self.in_ram(pc) {
            hints.push(format!(
                "the MMU is on, but {pc:#x}, where there is RAM, is not mapped: code that enables the MMU must be mapped at its own address (identity \
                 map), with the access flag set"
            ));
        } else if (0x0c..=0x0f).contains(&status) {
            hints.push(format!(
                "{pc:#x} is mapped, but not to be executed at EL{}: PXN, UXN, WXN, or EL0 may write to it (then EL1 never executes it)",
                self.el
            ));
        } else {
            hints.push(format!("a jump to nowhere: there is no RAM at {pc:#x} (LR {lr:#x}); the branches say from where"));
        }
        hints.extend((0x08..=0x0b).contains(&status).then(|| Self::access_flag().to_owned()));
        hints
    }

    fn access_flag() -> &'static str {
        "the page's entry has no access flag: set bit 10 of every block and page entry"
    }

    fn of_data(&self, far: u64, status: u32) -> Vec<String> {
        let mut hints = Vec::new();
        match status {
            0x21 if !self.mmu_is_on() => hints.push(format!(
                "unaligned access to {far:#x} with the MMU off: all data is Device memory then, where unaligned accesses fault; compile with -mstrict-align, or \
                 enable the MMU with Normal memory"
            )),
            0x21 => hints.push(format!("unaligned access to {far:#x}: it is Device memory, or an exclusive or ordered access, or SCTLR.A is set")),
            0x10 => hints.push(format!("nothing answers at {far:#x}: an address beyond RAM and devices")),
            0x08..=0x0b => hints.push(Self::access_flag().into()),
            0x0c..=0x0f => hints.push(format!("{far:#x} is mapped, but not for this access at EL{}: read-only, or not for EL0", self.el)),
            0x00..=0x07 if !self.mmu_is_on() => hints.push(format!("{far:#x} is no physical address: is it a virtual one, used before the MMU is on?")),
            0x00..=0x07 if far >= NULL_PAGE && DEVICES.contains(&(far & 0xffff_ffff)) => {
                hints.push(format!("the device registers at {far:#x} are not mapped: map 0x3f000000 to 0x40040000 as Device memory"));
            }
            _ => {}
        }
        if far < NULL_PAGE && self.mmu_is_on() {
            hints.push(format!("a null pointer, and an offset of {far:#x}"));
        }
        hints
    }

    fn of_the_stack(&self) -> Option<String> {
        let (sp, el) = (self.first.sp, self.el);
        let below = sp.wrapping_sub(16);
        if sp == 0 {
            return Some(format!(
                "the stack pointer of EL{el} was never set (SP is 0): set it before the first call, on each core and for each level"
            ));
        }
        if self.read(below).is_none() && self.read(sp).is_none() {
            return Some(format!("the stack pointer {sp:#x} points to no RAM: never set on this core or level, or the stack ran over"));
        }
        let branches = self.core.trail.branches(self.core.sys.progress.goes_round(), self.core.pc, self.core.run_retired);
        // Stacks grow down: what ran just below is overwritten next. Code above may well be where the stack began.
        let met = branches.iter().map(|branch| branch.to).find(|&to| to != 0 && to <= sp && sp - to < MET)?;
        Some(format!("the stack pointer {sp:#x} is where code is ({met:#x} was run): the stack overflowed into it, or was set there"))
    }

    fn of_the_vector(&self) -> Option<String> {
        let level = self.core.el.max(1);
        let name = format!("VBAR_EL{level}");
        let base = self.register(&name);
        // The first fault found its vector: was there anything?
        let kind = if self.first.levels.0 < level { 0x400 } else { 0x200 };
        let vector = base.wrapping_add(kind);
        let word = self.core.translate(vector, crate::mmu::Kind::Execute, level).ok().filter(|found| self.in_ram(found.pa));
        let word = word.and_then(|found| self.core.config.ram.read_u32(found.pa & !3));
        match word {
            Some(word) if word != 0 && crate::decode(word).allocated => None,
            _ if base == 0 => {
                Some(format!("{name} was never set, so that no exception finds a handler: the first fault above is what to mend"))
            }
            None => {
                Some(format!("no code can be fetched at the vector {vector:#x} ({name} {base:#x}): is it mapped, and a virtual address?"))
            }
            Some(word) => Some(format!(
                "there is no code at the vector {vector:#x} ({name} {base:#x}), but {word:#010x}: the table must be aligned to 2 KiB (bits 10:0 of {name} do \
                 not count), with 16 entries of 128 bytes"
            )),
        }
    }

    fn of_the_spin_table(&self) -> Option<String> {
        let id = u64::from(self.core.config.id);
        let slot = SPIN_TABLE + 8 * id;
        let released = self.core.config.ram.read_u64(slot).filter(|&to| id != 0 && to != 0)?;
        let early = self.first.retired < 1000;
        early.then(|| {
            format!("core {id} had just been released by its slot of the spin table at {slot:#x} to {released:#x}: is that the physical address of its code?")
        })
    }
}
