//! What a core was about, in words: for whoever asks why a guest is lost. Nothing here changes the core.
//!
//! A report is lines in sections. A line that is about an address of code carries it, so that whoever has symbols can add names.

mod code;
mod hints;
#[cfg(test)]
mod tests;

use crate::core::Core;
use crate::exception::{Taken, words};
use crate::mmu::Kind;
use crate::sysreg::table::TABLE;
use crate::sysreg::words::words as register_words;

/// The parts of a report, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// What to look at.
    Hints,
    /// Where the core is, and in what state.
    State,
    /// The last faults, the oldest first.
    Faults,
    /// X0 to X30 and the stack pointers.
    Registers,
    /// System registers.
    System,
    /// Instructions around the first fault.
    Code,
    /// Who called, by frame pointers.
    Backtrace,
    /// Branches, the oldest first.
    Branches,
    /// Translation of the address that faulted.
    Walk,
    /// Memory at the stack pointer.
    Stack,
}

impl Section {
    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Hints => "what to look at",
            Self::State => "state",
            Self::Faults => "last faults, the oldest first",
            Self::Registers => "registers",
            Self::System => "system registers",
            Self::Code => "code",
            Self::Backtrace => "backtrace by frame pointers",
            Self::Branches => "last branches, the oldest first",
            Self::Walk => "translation",
            Self::Stack => "stack",
        }
    }
}

/// An address of code: virtual, and physical as far as it is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// Virtual address.
    pub va: u64,
    /// Physical address; the virtual one where nothing is mapped.
    pub pa: u64,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The part that it belongs to.
    pub section: Section,
    /// The words.
    pub text: String,
    /// The code that it is about.
    pub code: Option<Address>,
}

/// Lines of code around an instruction.
const CODE_BEFORE: u64 = 4;
const CODE_AFTER: u64 = 3;
/// Frames of a backtrace.
const FRAMES: usize = 32;
/// Branches that are listed.
const BRANCHES: usize = 32;
/// Pairs of words of the stack.
const STACK_PAIRS: u64 = 8;

/// Collects lines.
struct Report<'a> {
    core: &'a Core,
    lines: Vec<Line>,
    /// The fault with which it began: what was the matter then, not what became of it.
    first: Taken,
    /// The level of that code.
    el: u8,
}

impl Core {
    /// A report of this core, between runs. Lines come section by section.
    pub fn report(&self) -> Vec<Line> {
        let here = Taken { pc: self.pc, sp: self.x[32], fp: self.x[29], lr: self.x[30], levels: (self.el, self.el), ..Taken::default() };
        let first = self.first_fault().copied().unwrap_or(here);
        let mut report = Report { core: self, lines: Vec::new(), first, el: first.levels.0 };
        for text in report.hints() {
            report.tell(Section::Hints, text);
        }
        report.state();
        report.faults();
        report.registers();
        report.system();
        report.code();
        report.backtrace();
        report.branches();
        report.walk();
        report.stack();
        report.lines
    }
}

impl Report<'_> {
    fn tell(&mut self, section: Section, text: String) {
        self.lines.push(Line { section, text, code: None });
    }

    fn tell_code(&mut self, section: Section, text: String, va: u64) {
        let pa = self.physical(va).unwrap_or(va);
        self.lines.push(Line { section, text, code: Some(Address { va, pa }) });
    }

    /// A line of the backtrace: a return address, which is behind the call that it is about.
    fn tell_call(&mut self, text: String, back: u64) {
        self.tell_code(Section::Backtrace, text, back.wrapping_sub(4));
    }

    fn physical(&self, va: u64) -> Option<u64> {
        self.core.translate(va, Kind::Execute, self.el).or_else(|_| self.core.translate(va, Kind::Read, self.el)).ok().map(|found| found.pa)
    }

    /// Eight bytes of RAM at a virtual address.
    fn read(&self, va: u64) -> Option<u64> {
        let pa = self.core.translate(va, Kind::Read, self.el).ok()?.pa;
        self.in_ram(pa).then(|| self.core.config.ram.read_u64(pa & !7)).flatten()
    }

    /// An instruction word of RAM at a virtual address.
    fn instruction(&self, va: u64) -> Option<u32> {
        let pa = self.physical(va & !3)?;
        self.in_ram(pa).then(|| self.core.config.ram.read_u32(pa)).flatten()
    }

    fn in_ram(&self, pa: u64) -> bool {
        pa < self.core.config.ram_top
    }

    /// A system register by name.
    fn register(&self, name: &str) -> u64 {
        TABLE.iter().zip(0..).find(|(register, _)| register.name == name).map_or(0, |(_, index)| self.core.sys.value(index))
    }

    fn state(&mut self) {
        let core = self.core;
        let (pc, pstate) = (core.pc, core.pstate());
        self.tell_code(Section::State, format!("PC {pc:#018x}"), pc);
        self.tell(Section::State, format!("PSTATE {pstate:#x}: {}", words::pstate(pstate)));
        self.tell(Section::State, format!("{} instructions retired", core.retired));
    }

    fn faults(&mut self) {
        let mut faults: Vec<Taken> = self.core.last_faults().copied().collect();
        if !faults.iter().any(|fault| fault.retired == self.first.retired) && self.core.first_fault().is_some() {
            faults.insert(0, self.first);
        }
        for Taken { pc, esr, far, levels: (from, to), times, .. } in faults {
            let far = far.map_or(String::new(), |far| format!(", address {far:#x}"));
            let times = if times > 1 { format!(", {times} times") } else { String::new() };
            let text = format!("EL{from} to EL{to} at {pc:#x}: {}{far}, ESR {esr:#x}{times}", words::syndrome(esr));
            self.tell_code(Section::Faults, text, pc);
        }
    }

    fn registers(&mut self) {
        let core = self.core;
        for row in 0..8 {
            let cells = (4 * row..(4 * row + 4).min(31)).map(|n| format!("{:>3} {:016x}", format!("X{n}"), core.x[n]));
            self.tell(Section::Registers, cells.collect::<Vec<_>>().join("  "));
        }
        let mut stacks = core.sys.sp;
        stacks[if core.spsel { usize::from(core.el & 3) } else { 0 }] = core.x[32];
        let cells = stacks.iter().enumerate().map(|(level, sp)| format!("SP_EL{level} {sp:#x}"));
        self.tell(Section::Registers, cells.collect::<Vec<_>>().join("  "));
        self.tell(Section::Registers, format!("SP at the first fault {:#x}", self.first.sp));
        self.tell_code(Section::Registers, format!("LR at the first fault {:#x}", self.first.lr), self.first.lr);
    }

    fn system(&mut self) {
        let (now, then) = (self.core.el.max(1), self.el.max(1));
        for level in (1..=3u8).filter(|&level| level == now || level == then) {
            self.exception_registers(level);
            let controls = ["SCTLR", "TCR", "TTBR0", "TTBR1", "MAIR", "VBAR", "CPACR", "HCR", "SCR"];
            for name in controls.map(|name| format!("{name}_EL{level}")) {
                let value = self.register(&name);
                if let Some(words) = register_words(&name, value).filter(|_| TABLE.iter().any(|register| register.name == name)) {
                    self.tell(Section::System, format!("{name:<9} {value:#018x}  {words}"));
                }
            }
        }
    }

    fn exception_registers(&mut self, level: u8) {
        let [esr, far, elr, spsr] = ["ESR", "FAR", "ELR", "SPSR"].map(|name| self.register(&format!("{name}_EL{level}")));
        let what = if esr == 0 { String::new() } else { words::syndrome(esr) };
        self.tell(Section::System, format!("ESR_EL{level}   {esr:#018x}  {what}"));
        self.tell(Section::System, format!("FAR_EL{level}   {far:#018x}"));
        self.tell_code(Section::System, format!("ELR_EL{level}   {elr:#018x}"), elr);
        self.tell(Section::System, format!("SPSR_EL{level}  {spsr:#018x}  {}", words::pstate(spsr)));
    }

    fn code(&mut self) {
        let pc = self.first.pc & !3;
        for at in (0..=CODE_BEFORE + CODE_AFTER).map(|n| pc.wrapping_sub(4 * CODE_BEFORE).wrapping_add(4 * n)) {
            let mark = if at == pc { "=>" } else { "  " };
            match self.instruction(at) {
                Some(word) => self.tell_code(Section::Code, format!("{mark} {at:#x}: {word:08x}  {}", code::text(word)), at),
                None => self.tell(Section::Code, format!("{mark} {at:#x}: no RAM there")),
            }
        }
    }

    fn backtrace(&mut self) {
        let Taken { pc, lr, mut fp, .. } = self.first;
        self.tell_code(Section::Backtrace, format!("#0 {pc:#x}"), pc);
        self.tell_call(format!("#1 {lr:#x} (LR; the caller, unless the function has called others)"), lr);
        for n in 2..FRAMES {
            // A frame record: the caller's record, and the return address.
            let (Some(next), Some(back)) = (self.read(fp), self.read(fp.wrapping_add(8))) else { break };
            if fp & 7 != 0 || fp == 0 || back == 0 {
                break;
            }
            if n > 2 || back != lr {
                self.tell_call(format!("#{n} {back:#x} (frame at {fp:#x})"), back);
            }
            // Stacks grow down: a chain that does not go up is none.
            if next <= fp {
                break;
            }
            fp = next;
        }
    }

    fn branches(&mut self) {
        let core = self.core;
        let branches = core.trail.branches(core.sys.progress.goes_round(), core.pc, core.run_retired);
        for branch in &branches[branches.len().saturating_sub(BRANCHES)..] {
            let to = branch.to;
            let ran = branch.instructions.map_or(String::new(), |ran| format!(" after {ran} instructions"));
            let text = match (branch.from, branch.translated) {
                (Some(from), _) => format!("{from:#x} -> {to:#x}"),
                (None, Some(entry)) => format!("translated code entered at {entry:#x}{ran} -> {to:#x}"),
                (None, None) => format!("somewhere -> {to:#x}"),
            };
            self.tell_code(Section::Branches, text, to);
        }
    }

    fn walk(&mut self) {
        let Some(far) = self.first.far else { return };
        let ec = (self.first.esr >> 26) as u32 & 0x3f;
        let kind = match (ec, self.first.esr >> 6 & 1) {
            (0x20 | 0x21, _) => Kind::Execute,
            (_, 1) => Kind::Write,
            _ => Kind::Read,
        };
        if words::is_abort(ec) {
            for line in self.core.walk_words(far, kind, self.el) {
                self.tell(Section::Walk, line);
            }
        }
    }

    fn stack(&mut self) {
        let sp = self.first.sp & !15;
        for at in (0..STACK_PAIRS).map(|n| sp.wrapping_add(16 * n)) {
            let (Some(low), Some(high)) = (self.read(at), self.read(at.wrapping_add(8))) else {
                self.tell(Section::Stack, format!("{at:#x}: no RAM there"));
                break;
            };
            self.tell(Section::Stack, format!("{at:#x}: {low:016x} {high:016x}"));
        }
    }
}
