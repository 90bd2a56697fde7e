//! Two machines in step: the same board and guest twice, in deterministic mode, once interpreted and once translated.
//!
//! After every slice all architectural state of all cores is compared ([`tayberry_engine::Processor::inspect`]), with the instructions that each has retired and the
//! machines' time; now and then, and at the end, all of RAM, what was printed and the picture on the screen. The first difference ends it.
//!
//! A difference is known to the slice then. Machines cannot be wound back, so [`narrow`] runs both again up to that slice, and the slice itself with ever fewer
//! instructions: the fewest with which the machines differ name the instruction.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use tayberry_bcm2837::{BoardError, BoardOptions, Raspi3b};
use tayberry_engine::ClockMode;
use tayberry_engine::builder::Ram;
use tayberry_engine::display::{Display, Renderer};
use tayberry_engine::handle::MachineHandle;
use tayberry_engine::machine::{Machine, prepare};
use tayberry_engine::serial::PORTS;

/// Ticks without an instruction or a nanosecond after which a machine sleeps for good.
const ASLEEP: u32 = 1000;
/// Bytes of RAM compared at a time.
const PIECE: usize = 1 << 20;

/// A value of the state: core, name, number among those of the name.
type Key = (usize, &'static str, usize);

/// A machine and what it has shown.
struct Side {
    machine: Machine,
    handle: MachineHandle,
    printed: [Vec<u8>; PORTS],
    renderer: Renderer,
    state: Vec<u64>,
}

impl Side {
    fn new(mut options: BoardOptions, typed: &[u8]) -> Result<Self, BoardError> {
        options.mode = ClockMode::Deterministic;
        let board = Raspi3b::new(options)?;
        let (handle, starter) = prepare();
        handle.control.type_serial(0, typed);
        let machine = starter.by_hand(|shared| board.build(shared))?;
        Ok(Self { machine, handle, printed: Default::default(), renderer: Renderer::new(1), state: Vec::new() })
    }

    fn retired(&self) -> u64 {
        self.handle.stats.total_instructions()
    }

    /// What is compared after every slice.
    fn look(&mut self) {
        let Self { machine, handle, state, .. } = self;
        state.clear();
        state.push(machine.clock().now().0);
        state.extend(handle.stats.instructions.iter().map(|counter| counter.get()));
        machine.each_core(&mut |_, core| core.inspect(&mut |_, _, value| state.push(value)));
    }

    /// The same with names.
    fn named(&mut self) -> BTreeMap<Key, u64> {
        let mut named = BTreeMap::new();
        named.insert((usize::MAX, "machine time", 0), self.machine.clock().now().0);
        self.machine.each_core(&mut |core, processor| processor.inspect(&mut |name, n, value| _ = named.insert((core, name, n), value)));
        for (core, counter) in self.handle.stats.instructions.iter().enumerate() {
            named.insert((core, "instructions", 0), counter.get());
        }
        named
    }

    fn drain(&mut self) {
        for (printed, port) in self.printed.iter_mut().zip(&self.handle.serial) {
            port.try_iter().for_each(|piece| printed.extend(piece));
        }
    }

    fn ram(&mut self) -> Arc<tayberry_engine::GuestRam> {
        Arc::clone(&self.machine.world().resource::<Ram>().0)
    }

    fn display(&self) -> Arc<Display> {
        Arc::clone(&self.handle.display)
    }
}

/// What is run, and how far.
#[derive(Clone, Debug)]
pub struct Job {
    /// The two boards; the clock's mode is deterministic whatever they say.
    pub boards: [BoardOptions; 2],
    /// Typed at UART0 before the machines start.
    pub typed: Vec<u8>,
    /// Instructions after which the machines agree well enough.
    pub most: u64,
    /// Instructions between two comparisons of RAM, screen and what was printed.
    pub often: u64,
}

/// How a run ended in which nothing differed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All instructions have retired.
    Instructions,
    /// The guest used the power switch.
    Power,
    /// All cores sleep, and nothing will wake them.
    Asleep,
}

/// A run in which nothing differed.
#[derive(Clone, Debug)]
pub struct Agreed {
    /// Why it ended.
    pub end: End,
    /// Instructions that each machine has retired.
    pub retired: u64,
    /// Slices.
    pub slices: u64,
    /// What the guest printed, per port.
    pub printed: [Vec<u8>; PORTS],
}

/// The first difference.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Slices before the one after which it was seen.
    pub slice: u64,
    /// Instructions that both had retired before that slice.
    pub before: u64,
    /// Line by line: what, and both values.
    pub lines: Vec<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the machines differ after slice {}, which began after {} instructions; first | second:", self.slice, self.before)?;
        self.lines.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// Why a run ended before its end.
#[derive(Debug)]
pub enum Stopped {
    /// The machines differ.
    Differ(Box<Difference>),
    /// A board cannot be made.
    Board(BoardError),
}

impl From<BoardError> for Stopped {
    fn from(error: BoardError) -> Self {
        Self::Board(error)
    }
}

/// Both machines.
struct Lockstep {
    sides: [Side; 2],
    slice: u64,
}

impl Lockstep {
    fn new(job: &Job) -> Result<Self, BoardError> {
        let [first, second] = job.boards.clone();
        Ok(Self { sides: [Side::new(first, &job.typed)?, Side::new(second, &job.typed)?], slice: 0 })
    }

    /// One slice of both, of at most so many instructions.
    fn step(&mut self, most: u64) {
        self.sides.iter_mut().for_each(|side| side.machine.tick_at_most(most));
        self.slice += 1;
    }

    fn cores_agree(&mut self) -> bool {
        self.sides.iter_mut().for_each(Side::look);
        self.sides[0].state == self.sides[1].state
    }

    /// What differs in the cores.
    fn core_lines(&mut self) -> Vec<String> {
        let [first, second] = self.sides.each_mut().map(Side::named);
        let keys: std::collections::BTreeSet<Key> = first.keys().chain(second.keys()).copied().collect();
        let value = |side: &BTreeMap<Key, u64>, key| side.get(&key).map_or("-".into(), |value| format!("{value:#x}"));
        let differ = keys.into_iter().filter(|key| first.get(key) != second.get(key));
        differ
            .map(|key @ (core, name, n)| {
                let core = if core == usize::MAX { String::new() } else { format!("core {core} ") };
                format!("{:<28} {} | {}", format!("{core}{name} {n}"), value(&first, key), value(&second, key))
            })
            .collect()
    }

    /// What differs elsewhere: what was printed, RAM, the screen.
    fn other_lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        self.sides.iter_mut().for_each(Side::drain);
        let [first, second] = &mut self.sides;
        for port in 0..PORTS {
            let (a, b) = (&first.printed[port], &second.printed[port]);
            if a != b {
                let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
                lines.push(format!("UART{port}: {} and {} bytes, the first {same} are the same", a.len(), b.len()));
            }
        }
        let rams = [first.ram(), second.ram()];
        let mut pieces = [vec![0u8; PIECE], vec![0u8; PIECE]];
        for at in (0..rams[0].len()).step_by(PIECE) {
            for (ram, piece) in rams.iter().zip(&mut pieces) {
                ram.copy_out(at, piece).expect("RAM is a multiple of pieces");
            }
            if pieces[0] != pieces[1] {
                let differ = pieces[0].chunks(8).zip(pieces[1].chunks(8)).enumerate().filter(|(_, (a, b))| a != b);
                let more = differ.map(|(n, (a, b))| format!("[{:#x}]  {a:02x?} | {b:02x?}", at + 8 * n as u64));
                lines.extend(more.take(16));
                break;
            }
        }
        for side in [&mut *first, &mut *second] {
            let display = side.display();
            side.renderer.render(&display);
        }
        let (a, b) = (first.renderer.frame(), second.renderer.frame());
        if (a.width, a.height, a.depth, a.generation) != (b.width, b.height, b.depth, b.generation) || a.pixels != b.pixels {
            let size = |frame: &tayberry_engine::display::Frame| format!("{}x{}x{}", frame.width, frame.height, frame.depth);
            lines.push(format!("the picture: {} | {}", size(a), size(b)));
        }
        lines
    }

    fn power(&self) -> bool {
        // Both are asked, so that neither keeps its request.
        self.sides.each_ref().map(|side| side.machine.power_request().is_some()).contains(&true)
    }
}

/// Runs both machines to the end of the job. `progress` is told of the instructions retired at each full comparison.
///
/// # Errors
/// The first difference, or why there are no machines.
pub fn run(job: &Job, progress: &mut dyn FnMut(u64)) -> Result<Agreed, Stopped> {
    let mut both = Lockstep::new(job)?;
    let (mut looked, mut asleep) = (0, 0);
    loop {
        let before = both.sides[0].retired();
        let now = both.sides[0].machine.clock().now();
        both.step(job.most - before);
        let differ = |slice: u64, lines| Err(Stopped::Differ(Box::new(Difference { slice: slice - 1, before, lines })));
        if !both.cores_agree() {
            return differ(both.slice, both.core_lines());
        }
        let retired = both.sides[0].retired();
        let still = retired == before && both.sides[0].machine.clock().now() == now;
        asleep = if still { asleep + 1 } else { 0 };
        let end = match () {
            () if both.power() => Some(End::Power),
            () if retired >= job.most => Some(End::Instructions),
            () if asleep >= ASLEEP => Some(End::Asleep),
            () => None,
        };
        if end.is_some() || retired - looked >= job.often {
            looked = retired;
            let lines = both.other_lines();
            if !lines.is_empty() {
                return differ(both.slice, lines);
            }
            progress(retired);
        } else if both.slice.is_multiple_of(256) {
            both.sides.iter_mut().for_each(Side::drain);
        }
        if let Some(end) = end {
            let printed = std::mem::take(&mut both.sides[0].printed);
            return Ok(Agreed { end, retired, slices: both.slice, printed });
        }
    }
}

/// The instruction that makes the difference.
#[derive(Clone, Debug)]
pub struct Culprit {
    /// How many instructions of the slice it takes to differ.
    pub instructions: u64,
    /// The core that runs in the slice, and its PC before the last of these instructions.
    pub core: usize,
    /// The PC.
    pub pc: u64,
    /// What differs after it.
    pub lines: Vec<String>,
    /// The general registers and PSTATE of that core before it.
    pub before: Vec<String>,
}

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "core {}, PC {:#x}, instruction {} of the slice; first | second after it:", self.core, self.pc, self.instructions)?;
        self.lines.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        writeln!(f, "before it:")?;
        self.before.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// Both machines before slice `slice`, without comparing on the way.
fn before_slice(job: &Job, slice: u64) -> Result<Lockstep, BoardError> {
    let mut both = Lockstep::new(job)?;
    while both.slice < slice {
        let left = both.sides.each_ref().map(|side| job.most.saturating_sub(side.retired()));
        both.sides.iter_mut().zip(left).for_each(|(side, left)| side.machine.tick_at_most(left));
        both.slice += 1;
        if both.slice.is_multiple_of(256) {
            both.sides.iter_mut().for_each(Side::drain);
        }
    }
    Ok(both)
}

/// Finds the instruction of a difference in the cores, by running both machines again. `None` if it is none of the cores', or needs the whole slice.
///
/// # Errors
/// Why there are no machines.
pub fn narrow(job: &Job, difference: &Difference) -> Result<Option<Culprit>, BoardError> {
    // How many instructions the slice has, and which core runs.
    let mut both = before_slice(job, difference.slice)?;
    let counts = |side: &Side| side.handle.stats.instructions.each_ref().map(|counter| counter.get());
    let before = counts(&both.sides[0]);
    both.step(job.most - difference.before);
    if both.cores_agree() {
        return Ok(None);
    }
    let after = counts(&both.sides[0]);
    let Some(core) = (0..before.len()).find(|&core| before[core] != after[core]) else { return Ok(None) };
    let (mut agree, mut differ) = (0, after[core] - before[core]);
    while differ - agree > 1 {
        let middle = agree + (differ - agree) / 2;
        let mut both = before_slice(job, difference.slice)?;
        both.step(middle);
        if both.cores_agree() {
            agree = middle;
        } else {
            differ = middle;
        }
    }
    let mut both = before_slice(job, difference.slice)?;
    if agree > 0 {
        both.step(agree);
    }
    let state = both.sides[0].named();
    let pc = state.get(&(core, "PC", 0)).copied().unwrap_or(0);
    let shown = |name: &str| matches!(name, "X" | "PC" | "NZCV" | "EL" | "SP_EL" | "DAIF" | "FPCR" | "FPSR");
    let before =
        state.iter().filter(|(key, _)| key.0 == core && shown(key.1)).map(|(key, value)| format!("{} {} {value:#x}", key.1, key.2));
    let before = before.collect();
    let mut both = before_slice(job, difference.slice)?;
    both.step(differ);
    Ok(Some(Culprit { instructions: differ, core, pc, lines: both.core_lines(), before }))
}
