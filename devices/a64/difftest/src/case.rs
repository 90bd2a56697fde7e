//! What is run, and what came out.

use crate::layout::{SLOT_BYTES, WINDOW_BYTES};
use crate::rng::Rng;

/// Most instructions of a case: with the end mark they fill a slot.
pub const MAX_WORDS: usize = 17;
const _: () = assert!((MAX_WORDS as u64 + 1) * 4 <= SLOT_BYTES);

/// The registers that a case starts from and that are compared after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// X0 to X30.
    pub x: [u64; 31],
    /// SP_EL0.
    pub sp: u64,
    /// N, Z, C, V in bits 31 to 28.
    pub nzcv: u32,
    /// V0 to V31.
    pub v: [u128; 32],
    /// FPCR.
    pub fpcr: u32,
    /// FPSR.
    pub fpsr: u32,
    /// TPIDR_EL0.
    pub tpidr: u64,
}

/// One case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Address of the first instruction.
    pub pc: u64,
    /// The instructions.
    pub words: Vec<u32>,
    /// The registers.
    pub state: State,
    /// What the window holds.
    pub memory: Memory,
    /// Data accesses are big-endian (SCTLR_EL1.E0E).
    pub big_endian: bool,
}

/// Contents of the window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Memory {
    /// All zero.
    #[default]
    Zero,
    /// Random, of this seed.
    Random(u64),
    /// These words.
    Words(Box<Window>),
}

impl Case {
    /// Puts the window's initial contents into `out`.
    pub fn fill_window(&self, out: &mut Window) {
        self.memory.fill(out);
    }
}

impl Memory {
    /// Puts what it stands for into `out`.
    pub fn fill(&self, out: &mut Window) {
        match self {
            Self::Zero => out.fill(0),
            Self::Words(words) => *out = **words,
            Self::Random(seed) => {
                let mut rng = Rng::new(*seed);
                // Half of it small integers and signs, so that what is loaded is a number that instructions have opinions on.
                for pair in out.chunks_exact_mut(2) {
                    pair[0] = rng.next();
                    pair[1] = (pair[0].rotate_left(17) as i64 >> (pair[0] & 63)) as u64;
                }
            }
        }
    }
}

/// The window as words, little-endian.
pub type Window = [u64; WINDOW_BYTES as usize / 8];

/// How a case ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// An exception to EL1.
    Exception {
        /// ESR_EL1.
        esr: u32,
        /// FAR_EL1 where the class has one, else zero.
        far: u64,
        /// ELR_EL1.
        pc: u64,
    },
    /// More instructions than a program without loops can have.
    #[default]
    Endless,
    /// Something that the machine cannot say in other terms.
    Odd(&'static str),
}

impl End {
    /// ESR_ELx.EC of an exception.
    pub fn class(self) -> Option<u32> {
        match self {
            Self::Exception { esr, .. } => Some(esr >> 26),
            _ => None,
        }
    }
}

/// True if exceptions of class `ec` set FAR_ELx: aborts and PC alignment (ARM ARM D13.2.40).
pub fn has_far(ec: u32) -> bool {
    matches!(ec, 0x20..=0x22 | 0x24 | 0x25)
}

/// What came out of a case.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// The registers after it.
    pub state: State,
    /// The window after it.
    pub window: Box<Window>,
}

impl Default for Outcome {
    fn default() -> Self {
        Self { end: End::Endless, state: State::default(), window: Box::new([0; WINDOW_BYTES as usize / 8]) }
    }
}

/// Something that runs cases.
pub trait Machine {
    /// Runs a case until it ends in an exception (the end mark's, if nothing else), and says what came out.
    fn run(&mut self, case: &Case, out: &mut Outcome);
}

/// A machine that can stop in the middle.
pub trait Stepper: Machine {
    /// The case that begins after `n` instructions of `case` and has one instruction; `None` if it has left its code by then.
    fn after(&mut self, case: &Case, n: u64) -> Option<Case>;
}
