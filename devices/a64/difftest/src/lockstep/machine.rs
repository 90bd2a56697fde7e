//! Two cores, and the machine around each.

use super::layout::{self, DEVICE, DEVICE_LINES, DEVICE_POSTED, DEVICE_STOP, OTHER_WINDOW, PAGE, RAM_BYTES, SETUP, SETUP_VALUES, WINDOW};
use super::scenario::{Scenario, Step, setup_code};
use crate::case::Window;
use crate::layout::WINDOW_BYTES;
use crate::lockstep::asm;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tayberry_a64::core::{SLOT_SP, doorbell};
use tayberry_a64::sysreg::{Reg, SysRegs};
use tayberry_a64::{Access, Bus, Config, Core, Features, JitConfig, Lines, Maintenance, Posted, Run, Stop, Timer, TlbScope};
use tayberry_ram::GuestRam;

/// A bit of the doorbell that asks for nothing but a look at the interrupts, as the machine rings it after a device write.
const LOOK: u32 = 1 << 31;

/// Something that the machine around a core saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A device was read.
    Read(Access, u64),
    /// A device was written.
    Write(Access, u64),
    /// The system counter was read after so many instructions.
    Counter(u64),
    /// A timer was programmed.
    Timer(Timer, u32, u64),
    /// SEV.
    Event,
    /// The performance monitors' interrupt changed.
    Pmu(bool),
    /// TLB maintenance was broadcast.
    Tlb(TlbScope),
}

/// The machine around a core: a device that remembers, and a clock that the plan moves.
struct World {
    events: Vec<Event>,
    lines: Lines,
    time: u64,
    reads: u64,
    bell: Arc<AtomicU32>,
    scopes: VecDeque<TlbScope>,
}

impl World {
    fn new(bell: Arc<AtomicU32>) -> Self {
        Self { events: Vec::new(), lines: Lines::default(), time: 0, reads: 0, bell, scopes: VecDeque::new() }
    }

    fn reset(&mut self) {
        let bell = Arc::clone(&self.bell);
        bell.store(doorbell::TLB, Ordering::Release);
        *self = Self::new(bell);
    }

    fn set_lines(&mut self, bits: u64) {
        self.lines = Lines { irq: bits & 1 != 0, fiq: bits & 2 != 0 };
    }
}

impl Bus for World {
    fn read(&mut self, at: Access) -> u64 {
        self.reads += 1;
        let value = (at.pa ^ self.reads).wrapping_mul(0x9E37_79B9_7F4A_7C15) & (u64::MAX >> (64 - 8 * u32::from(at.size)));
        self.events.push(Event::Read(at, value));
        value
    }

    fn write(&mut self, at: Access, value: u64) -> Posted {
        self.events.push(Event::Write(at, value));
        match at.pa.wrapping_sub(DEVICE) {
            DEVICE_POSTED => return Posted::Exit,
            DEVICE_LINES => self.set_lines(value),
            DEVICE_STOP => _ = self.bell.fetch_or(doorbell::STOP, Ordering::Relaxed),
            _ => {}
        }
        self.bell.fetch_or(LOOK, Ordering::Relaxed);
        Posted::Done
    }

    fn counter(&mut self, retired: u64) -> u64 {
        self.events.push(Event::Counter(retired));
        self.time + retired
    }

    fn set_timer(&mut self, timer: Timer, ctl: u32, cval: u64) {
        self.events.push(Event::Timer(timer, ctl, cval));
        if ctl & 3 == 1 && cval.wrapping_sub(self.time) < 1000 {
            self.bell.fetch_or(doorbell::STOP, Ordering::Relaxed);
        }
    }

    fn interrupts(&mut self, _: u64) -> Lines {
        self.lines
    }

    fn send_event(&mut self) {
        self.events.push(Event::Event);
        // Somebody waits: the slice ends.
        self.bell.fetch_or(doorbell::STOP, Ordering::Relaxed);
    }

    fn broadcast(&mut self, what: Maintenance) {
        // Where code was decoded is the core's own business.
        if let Maintenance::Tlb(scope) = what {
            self.events.push(Event::Tlb(scope));
        }
    }

    fn set_pmu_interrupt(&mut self, asserted: bool) {
        self.events.push(Event::Pmu(asserted));
        self.lines.irq |= asserted;
        self.bell.fetch_or(LOOK, Ordering::Relaxed);
    }

    fn next_invalidation(&mut self) -> Option<TlbScope> {
        self.scopes.pop_front()
    }
}

/// One of the two.
struct Side {
    core: Core,
    ram: Arc<GuestRam>,
    world: World,
    state: Vec<u64>,
    memory: Vec<u8>,
}

/// Pages that are compared after every run: tables, code, data.
fn watched() -> [(u64, u64); 3] {
    [(layout::TABLES, 0x8000), (WINDOW, WINDOW_BYTES), (OTHER_WINDOW, WINDOW_BYTES)]
}

impl Side {
    fn new(features: Features, jit: Option<JitConfig>) -> Self {
        let ram = Arc::new(GuestRam::new(RAM_BYTES).expect("a few MiB"));
        let put = |at: u64, words: &[u32]| {
            (at..).step_by(4).zip(words).for_each(|(at, &word)| ram.write_u32(at, word).expect("in RAM"));
        };
        for el in 1..=3 {
            layout::handlers(el).iter().for_each(|(at, words)| put(*at, words));
        }
        put(SETUP, &setup_code());
        put(layout::SPARE, &[asm::RET; PAGE as usize / 4]);
        for at in (layout::READ_ONLY..layout::READ_ONLY + PAGE).step_by(8) {
            ram.write_u64(at, at.wrapping_mul(0x9E37_79B9_7F4A_7C15)).expect("in RAM");
        }
        let bell = Arc::new(AtomicU32::new(0));
        let config = Config { id: 0, ram: Arc::clone(&ram), ram_top: RAM_BYTES, doorbell: Arc::clone(&bell), features, jit };
        Self { core: Core::new(config), ram, world: World::new(bell), state: Vec::new(), memory: Vec::new() }
    }

    /// Puts the scenario in place; what follows is the setup.
    fn prepare(&mut self, scenario: &Scenario, window: &Window) {
        let ram = &self.ram;
        ram.fill(layout::TABLES, 6 * PAGE, 0).expect("in RAM");
        for (at, word) in layout::tables() {
            ram.write_u64(at, word).expect("in RAM");
        }
        let bytes: Vec<u8> = scenario.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        ram.copy_in(scenario.at, &bytes).expect("in RAM");
        let bytes: Vec<u8> = window.iter().flat_map(|word| word.to_le_bytes()).collect();
        ram.copy_in(WINDOW, &bytes).expect("in RAM");
        ram.copy_in(OTHER_WINDOW, &bytes).expect("in RAM");
        let bytes: Vec<u8> = scenario.setup_values().iter().flat_map(|value| value.to_le_bytes()).collect();
        ram.copy_in(SETUP_VALUES, &bytes).expect("in RAM");
        (1..=3).for_each(|el| ram.write_u64(layout::resume_at(el), scenario.resume).expect("in RAM"));
        self.world.reset();
        let core = &mut self.core;
        core.switch_sp(3, true);
        core.sys = SysRegs::new(0, core.config().features);
        core.sys[Reg::VBAR_EL3] = layout::vectors(3);
        core.daif = 0xf;
        core.nzcv = 0;
        core.pc = SETUP;
        core.event = false;
        core.retired = 0;
        core.clear_monitor();
        core.context_changed();
    }

    /// After the setup: the registers that it does not load.
    fn start(&mut self, scenario: &Scenario) {
        let (core, state) = (&mut self.core, &scenario.state);
        core.x[..31].copy_from_slice(&state.x);
        core.x[usize::from(SLOT_SP)] = state.sp;
        core.fp.v = state.v;
        core.fp.fpcr = state.fpcr;
        core.fp.fpsr = state.fpsr;
        core.sys[Reg::TPIDR_EL0] = state.tpidr;
    }

    fn run(&mut self, budget: u64) -> Run {
        self.world.events.clear();
        self.core.run(&mut self.world, budget)
    }

    /// Does what is done between runs.
    fn poke(&mut self, step: &Step) {
        match *step {
            Step::Run(_) => {}
            Step::Ring(bits) => _ = self.world.bell.fetch_or(bits, Ordering::Release),
            Step::Write { at, word } => self.ram.write_u32(at, word).unwrap_or_default(),
            Step::Lines(bits) => self.world.set_lines(bits.into()),
            Step::Invalidate(va) => {
                self.world.scopes.push_back(va.map_or(TlbScope::Regime(0), |va| TlbScope::Page { regime: 0, va }));
                self.world.bell.fetch_or(doorbell::TLB_SCOPED, Ordering::Release);
            }
            Step::Time(ticks) => self.world.time = self.world.time.wrapping_add(ticks),
        }
    }

    fn look(&mut self) {
        self.state.clear();
        let state = &mut self.state;
        self.core.inspect(&mut |_, _, value| state.push(value));
        self.memory.resize(watched().iter().map(|(_, len)| *len as usize).sum(), 0);
        let mut rest = self.memory.as_mut_slice();
        for (at, len) in watched() {
            let (out, more) = rest.split_at_mut(len as usize);
            self.ram.copy_out(at, out).expect("in RAM");
            rest = more;
        }
    }
}

/// What differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// After which step of the plan; `None`: in the setup.
    pub step: Option<usize>,
    /// Instructions that the interpreter had retired when this run began, and in it.
    pub retired: (u64, u64),
    /// Line by line: name, the interpreter's value, the translator's.
    pub lines: Vec<String>,
    /// The guest wrote to its code.
    pub code_written: bool,
}

/// What came of a scenario that did not differ.
#[derive(Clone, Copy, Debug, Default)]
pub struct Agreed {
    /// Instructions retired.
    pub retired: u64,
    /// Instructions that translated code retired.
    pub jitted: u64,
}

/// How pairs are made.
#[derive(Clone, Copy, Debug)]
pub struct Build {
    /// Extensions.
    pub features: Features,
    /// The translator of the second core.
    pub jit: Option<JitConfig>,
    /// Done to the second core after every run of a scenario. The harness's own tests break something here.
    pub spoil: fn(&mut Core),
}

impl Build {
    /// A translator that translates at once, or nearly so; `index` varies how much code it keeps, and the extensions.
    pub fn varied(index: u64) -> Self {
        let cache_bytes = if index % 4 == 3 { 256 << 10 } else { 4 << 20 };
        let jit = JitConfig { threshold: (index % 3) as u16, cache_bytes, count_accesses: index % 5 == 4, ..JitConfig::default() };
        Self { features: Features { crypto: index % 2 == 1 }, jit: Some(jit), spoil: |_| {} }
    }
}

/// The interpreter and the translator.
pub struct Pair {
    sides: [Side; 2],
    spoil: fn(&mut Core),
    window: Box<Window>,
}

impl Pair {
    /// Two fresh cores.
    pub fn new(build: &Build) -> Self {
        let sides = [Side::new(build.features, None), Side::new(build.features, build.jit)];
        Self { sides, spoil: build.spoil, window: Box::new([0; _]) }
    }

    /// Instructions that were translated by now.
    pub fn jitted(&self) -> u64 {
        self.sides[1].core.counters().jitted
    }

    /// Takes both through a scenario.
    ///
    /// # Errors
    /// The first difference.
    pub fn run(&mut self, scenario: &Scenario) -> Result<Agreed, Box<Difference>> {
        scenario.memory.fill(&mut self.window);
        let before = self.jitted();
        for side in &mut self.sides {
            side.prepare(scenario, &self.window);
        }
        let mut retired = 0;
        let mut progress = Progress { step: None, epoch: self.epoch(), racy: false };
        // The setup, and nothing more.
        let lost = self.step(setup_code().len() as u64, &mut retired, &progress)?;
        if lost || self.sides.iter().any(|side| side.core.pc == SETUP) {
            return Ok(Agreed::default());
        }
        for side in &mut self.sides {
            side.start(scenario);
        }
        for (step, what) in scenario.plan.iter().enumerate() {
            progress.step = Some(step);
            match what {
                Step::Run(budget) => {
                    if self.step(*budget, &mut retired, &progress)? {
                        break;
                    }
                    progress.racy |= self.epoch() != progress.epoch;
                }
                poke => self.sides.iter_mut().for_each(|side| side.poke(poke)),
            }
            progress.epoch = self.epoch();
        }
        Ok(Agreed { retired, jitted: self.jitted() - before })
    }

    fn epoch(&self) -> u64 {
        self.sides.iter().map(|side| side.ram.code().epoch()).sum()
    }

    /// One run of both. True if the cores are lost.
    fn step(&mut self, budget: u64, retired: &mut u64, progress: &Progress) -> Result<bool, Box<Difference>> {
        let [left, right] = &mut self.sides;
        let runs = [left.run(budget), right.run(budget)];
        if progress.step.is_some() {
            (self.spoil)(&mut right.core);
        }
        left.look();
        right.look();
        let same = runs[0] == runs[1]
            && left.state == right.state
            && left.world.events == right.world.events
            && left.world.bell_bits() == right.world.bell_bits()
            && left.memory == right.memory;
        let before = *retired;
        *retired += runs[0].retired;
        if same {
            return Ok(matches!(runs[0].stop, Stop::Lost(_) | Stop::Stuck(_)));
        }
        let lines = self.differences(&runs);
        let code_written = progress.racy || self.epoch() != progress.epoch;
        Err(Box::new(Difference { step: progress.step, retired: (before, runs[0].retired), lines, code_written }))
    }

    /// All of RAM is the same.
    pub fn same_memory(&self) -> bool {
        let mut copies = [vec![0; 1 << 16], vec![0; 1 << 16]];
        (0..RAM_BYTES).step_by(1 << 16).all(|at| {
            for (side, copy) in self.sides.iter().zip(&mut copies) {
                side.ram.copy_out(at, copy).expect("in RAM");
            }
            copies[0] == copies[1]
        })
    }

    fn differences(&self, runs: &[Run; 2]) -> Vec<String> {
        let [left, right] = &self.sides;
        let mut lines = Vec::new();
        if runs[0] != runs[1] {
            lines
                .push(format!("{:<16} {:?} after {} | {:?} after {}", "run", runs[0].stop, runs[0].retired, runs[1].stop, runs[1].retired));
        }
        // Another pass, for the names; optional values make the lists differ in length.
        let named = |core: &Core| {
            let mut list = Vec::new();
            core.inspect(&mut |name, n, value| list.push((name, n, value)));
            list
        };
        let (left_state, right_state) = (named(&left.core), named(&right.core));
        for &(name, n, value) in &left_state {
            let other = right_state.iter().find(|entry| (entry.0, entry.1) == (name, n)).map(|entry| entry.2);
            if other != Some(value) {
                let other = other.map_or("-".into(), |other| format!("{other:#x}"));
                lines.push(format!("{:<16} {value:#x} | {other}", format!("{name} {n}")));
            }
        }
        let bells = [left.world.bell_bits(), right.world.bell_bits()];
        if bells[0] != bells[1] {
            lines.push(format!("{:<16} {:#x} | {:#x}", "doorbell", bells[0], bells[1]));
        }
        for n in 0..left.world.events.len().max(right.world.events.len()) {
            let (a, b) = (left.world.events.get(n), right.world.events.get(n));
            if a != b {
                lines.push(format!("{:<16} {a:?} | {b:?}", format!("access {n}")));
                break;
            }
        }
        let mut at = 0;
        for (start, len) in watched() {
            for offset in (0..len as usize).step_by(8) {
                let (a, b) = (&left.memory[at + offset..][..8], &right.memory[at + offset..][..8]);
                if a != b && lines.len() < 64 {
                    lines.push(format!("[{:#x}]  {:02x?} | {:02x?}", start + offset as u64, a, b));
                }
            }
            at += len as usize;
        }
        lines
    }
}

impl World {
    /// The bits that the machine, not the core itself, has rung and the core has not seen.
    fn bell_bits(&self) -> u32 {
        self.bell.load(Ordering::Relaxed) & !(doorbell::CODE | doorbell::WRITE_TLB | LOOK)
    }
}

/// Where in a scenario a pair is.
struct Progress {
    step: Option<usize>,
    /// Epochs of both code maps before the run.
    epoch: u64,
    /// The guest has written to code in an earlier run.
    racy: bool,
}
