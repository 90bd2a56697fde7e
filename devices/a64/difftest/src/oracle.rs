//! The oracle: Unicorn's model of a Cortex-A53.
//!
//! Unicorn does not take exceptions, it stops at them. What the guest would find in ESR_EL1 and FAR_EL1 is in its CPU state, which its interface
//! does not name; it is found in a saved context by provoking exceptions whose syndromes and addresses are known.

use crate::case::{Case, End, Machine, Memory, Outcome, State, Window, has_far};
use crate::layout::{self, RAM_BYTES, SLOT_BYTES, SLOTS, WINDOW};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};
use tayberry_ram::GuestRam;
use unicorn_engine_sys::{
    Arch, Arm64CpuModel, ControlType, HookType, Mode, Prot, RegisterARM64, RegisterARM64CP, uc_close, uc_context, uc_context_alloc,
    uc_context_free, uc_context_restore, uc_context_save, uc_context_size, uc_ctl, uc_emu_start, uc_emu_stop, uc_engine, uc_error,
    uc_hook_add, uc_mem_map_ptr, uc_open, uc_reg_read_batch, uc_reg_write, uc_reg_write_batch,
};

/// Basic blocks after which a case counts as endless.
const BLOCKS: u32 = 64;
/// An address that no case reaches: Unicorn wants one to stop at, and that it can be fetched from.
const NOWHERE: u64 = layout::SPARE + 0x9a4;
/// `uc_ctl`: one argument, which is written.
const CTL_WRITE_1: u32 = 1 << 26 | 1 << 30;
/// `uc_ctl`: no argument, but of the writing kind.
const CTL_WRITE_0: u32 = 1 << 30;

/// Registers of a batch, in the order of [`pointers`].
const REGISTERS: usize = 31 + 1 + 1 + 32 + 2 + 1;

/// Unicorn with the guest's memory, at EL0.
pub struct Oracle {
    engine: NonNull<uc_engine>,
    /// The states before every case, little-endian and big-endian: system registers, EL0, nothing monitored.
    pristine: [NonNull<uc_context>; 2],
    /// Where the state after a case is put to find the exception in it.
    after: NonNull<uc_context>,
    /// Offsets of the syndrome and the fault address in a context.
    syndrome: usize,
    address: usize,
    registers: [c_int; REGISTERS],
    /// Blocks that the current case has run.
    blocks: Box<Cell<u32>>,
    window: Box<Window>,
    used: Box<[bool; SLOTS as usize]>,
    /// Mapped into the engine, so it must outlive it.
    ram: GuestRam,
}

/// Counts blocks, and stops what does not end.
extern "C" fn on_block(engine: *mut uc_engine, _: u64, _: u32, blocks: *mut c_void) {
    // SAFETY: the hook was added with the address of the oracle's counter, which lives as long as the engine; one thread uses both.
    let blocks = unsafe { &*blocks.cast::<Cell<u32>>() };
    blocks.set(blocks.get() + 1);
    if blocks.get() > BLOCKS {
        // SAFETY: Unicorn calls with its own engine.
        unsafe { uc_emu_stop(engine) };
    }
}

fn check(what: &str, error: uc_error) {
    assert!(error == uc_error::OK, "unicorn: {what}: {error}");
}

/// Where the batch's values are in a state.
fn pointers(state: &mut State) -> [*mut c_void; REGISTERS] {
    let mut out = [ptr::null_mut(); REGISTERS];
    let x = state.x.iter_mut().map(|x| ptr::from_mut(x).cast::<c_void>());
    let v = state.v.iter_mut().map(|v| ptr::from_mut(v).cast::<c_void>());
    let rest = [
        ptr::from_mut(&mut state.sp).cast(),
        ptr::from_mut(&mut state.nzcv).cast(),
        ptr::from_mut(&mut state.fpcr).cast(),
        ptr::from_mut(&mut state.fpsr).cast(),
        ptr::from_mut(&mut state.tpidr).cast(),
    ];
    for (slot, pointer) in out.iter_mut().zip(x.chain(v).chain(rest)) {
        *slot = pointer;
    }
    out
}

/// The registers at [`pointers`].
fn registers() -> [c_int; REGISTERS] {
    use RegisterARM64 as R;
    let mut out = [0; REGISTERS];
    let x = (0..29).map(|n| R::X0 as c_int + n).chain([R::X29 as c_int, R::X30 as c_int]);
    let v = (0..32).map(|n| R::Q0 as c_int + n);
    let rest = [R::SP, R::NZCV, R::FPCR, R::FPSR, R::TPIDR_EL0].map(|register| register as c_int);
    for (slot, register) in out.iter_mut().zip(x.chain(v).chain(rest)) {
        *slot = register;
    }
    out
}

impl Default for Oracle {
    fn default() -> Self {
        Self::new()
    }
}

impl Oracle {
    /// A fresh engine with the guest's memory.
    ///
    /// # Panics
    /// If Unicorn refuses something, or is not as this module knows it.
    pub fn new() -> Self {
        let ram = GuestRam::new(RAM_BYTES).expect("a few MiB");
        for (at, word) in layout::image() {
            ram.write_u64(at, word).expect("in RAM");
        }
        let blocks = Box::new(Cell::new(0));
        let mut engine = ptr::null_mut();
        // SAFETY: the out pointer is ours; afterwards the engine is valid. The variadic argument is of the type that the control asks for.
        // The RAM is page aligned, of this size, and outlives the engine (the fields' order of `drop`).
        unsafe {
            check("open", uc_open(Arch::ARM64, Mode::LITTLE_ENDIAN, &mut engine));
            check("model", uc_ctl(engine, ControlType(ControlType::CPU_MODEL.0 | CTL_WRITE_1), Arm64CpuModel::A53 as c_int));
            check("map", uc_mem_map_ptr(engine, 0, RAM_BYTES, Prot::ALL.0, ram.base().cast()));
            let mut hook = 0;
            let callback = on_block as extern "C" fn(*mut uc_engine, u64, u32, *mut c_void);
            let data = ptr::from_ref(&*blocks).cast_mut().cast();
            check("hook", uc_hook_add(engine, &mut hook, HookType::BLOCK.0 as c_int, callback as *mut c_void, data, 1, 0));
        }
        let context = || {
            let mut context = ptr::null_mut();
            // SAFETY: a valid engine; the out pointer is ours.
            check("context", unsafe { uc_context_alloc(engine, &mut context) });
            NonNull::new(context).expect("a context")
        };
        let after = context();
        let pristine = [false, true].map(|big_endian| {
            set_up(engine, big_endian);
            let pristine = context();
            // SAFETY: both were made for each other.
            check("save", unsafe { uc_context_save(engine, pristine.as_ptr()) });
            pristine
        });
        let engine = NonNull::new(engine).expect("an engine");
        let used = Box::new([false; _]);
        let mut oracle =
            Self { engine, pristine, after, syndrome: 0, address: 0, registers: registers(), blocks, window: Box::new([0; _]), used, ram };
        oracle.calibrate();
        oracle
    }

    /// Finds the exception's syndrome and address in a context.
    fn calibrate(&mut self) {
        let brk = |imm: u32| (0xd420_0000 | imm << 5, 0, u64::from(0xf200_0000 | imm));
        let load = |address: u64| (0xf940_0020, address, address); // ldr x0, [x1]
        self.syndrome = self.find::<4>(&[brk(0x1a2b), brk(0x5c4d), brk(0x0f1e)]);
        self.address = self.find::<8>(&[load(0x30_1238), load(0x30_5670), load(0x31_9ab0)]);
    }

    /// Offset in a context where, after each program (one word, X1, expected value), the expected value of `N` bytes stands.
    fn find<const N: usize>(&mut self, programs: &[(u32, u64, u64)]) -> usize {
        let mut out = Outcome::default();
        // SAFETY: a valid engine.
        let size = unsafe { uc_context_size(self.engine.as_ptr()) };
        let mut candidates: Vec<usize> = (0..size - N).step_by(N).collect();
        for (n, &(word, x1, expected)) in programs.iter().enumerate() {
            let mut case =
                Case { pc: layout::slot(n as u64), words: vec![word], state: State::default(), memory: Memory::Zero, big_endian: false };
            case.state.x[1] = x1;
            self.run(&case, &mut out);
            candidates.retain(|&offset| self.context_value::<N>(offset) == expected);
        }
        if N == 8 {
            // X1 holds the address too, until it is given another value.
            // SAFETY: a valid engine, and a value of the register's type.
            check("write", unsafe { uc_reg_write(self.engine.as_ptr(), RegisterARM64::X1 as c_int, ptr::from_ref(&0u64).cast()) });
            self.save_after();
            candidates.retain(|&offset| self.context_value::<N>(offset) == programs[programs.len() - 1].2);
        }
        assert!(candidates.len() == 1, "the exception is not where it can be found in Unicorn's context: {candidates:?}");
        candidates[0]
    }

    fn save_after(&mut self) {
        // SAFETY: the context was made for the engine.
        check("save", unsafe { uc_context_save(self.engine.as_ptr(), self.after.as_ptr()) });
    }

    /// `N` bytes (up to eight) of the context that was saved last.
    fn context_value<const N: usize>(&self, offset: usize) -> u64 {
        let mut bytes = [0; 8];
        // SAFETY: callers give offsets of `N` bytes within the context, which `uc_context_alloc` made and `uc_context_save` filled.
        unsafe { ptr::copy_nonoverlapping(self.after.as_ptr().cast::<u8>().add(offset), bytes.as_mut_ptr(), N) };
        u64::from_le_bytes(bytes)
    }

    fn start(&mut self, case: &Case) {
        let slot = (case.pc - layout::CODE) / SLOT_BYTES % SLOTS;
        if std::mem::replace(&mut self.used[slot as usize], true) {
            self.used.fill(false);
            self.used[slot as usize] = true;
            // SAFETY: a valid engine; the control takes no argument.
            check("flush", unsafe { uc_ctl(self.engine.as_ptr(), ControlType(ControlType::TB_FLUSH.0 | CTL_WRITE_0)) });
        }
        self.ram.fill(layout::CODE + slot * SLOT_BYTES, SLOT_BYTES, 0).expect("in RAM");
        for (at, &word) in (case.pc..).step_by(4).zip(case.words.iter().chain([&layout::END_OF_CODE])) {
            self.ram.write_u32(at, word).expect("in RAM");
        }
        case.fill_window(&mut self.window);
        for (at, &word) in (WINDOW..).step_by(8).zip(self.window.iter()) {
            self.ram.write_u64(at, word).expect("in RAM");
        }
        let mut state = case.state.clone();
        let values = pointers(&mut state);
        // SAFETY: the context was saved from this engine; every value has its register's size and outlives the call.
        unsafe {
            check("restore", uc_context_restore(self.engine.as_ptr(), self.pristine[usize::from(case.big_endian)].as_ptr()));
            check("write", uc_reg_write_batch(self.engine.as_ptr(), self.registers.as_ptr(), values.as_ptr(), REGISTERS as c_int));
        }
    }

    fn end(&mut self, start: u64) -> End {
        self.blocks.set(0);
        // SAFETY: a valid engine whose hook's data is alive.
        let error = unsafe { uc_emu_start(self.engine.as_ptr(), start, NOWHERE, 0, 0) };
        match error {
            _ if self.blocks.get() > BLOCKS => End::Endless,
            uc_error::EXCEPTION => {
                self.save_after();
                let esr = self.context_value::<4>(self.syndrome) as u32;
                let far = if has_far(esr >> 26) { self.context_value::<8>(self.address) } else { 0 };
                let mut pc = 0u64;
                self.read_register(RegisterARM64::PC, &mut pc);
                End::Exception { esr, far, pc }
            }
            uc_error::OK => End::Odd("halted"),
            uc_error::INSN_INVALID => End::Odd("invalid instruction"),
            uc_error::READ_UNMAPPED | uc_error::WRITE_UNMAPPED | uc_error::FETCH_UNMAPPED => End::Odd("no such physical address"),
            e => {
                eprintln!("{e:?}");
                End::Odd("refused")
            }
        }
    }

    fn read_register(&mut self, register: RegisterARM64, value: &mut u64) {
        // SAFETY: a valid engine; the register has 64 bits.
        check("read", unsafe { unicorn_engine_sys::uc_reg_read(self.engine.as_ptr(), register as c_int, ptr::from_mut(value).cast()) });
    }
}

/// Sets system registers up as [`layout`] has them, and goes to EL0.
fn set_up(engine: *mut uc_engine, big_endian: bool) {
    let sctlr = layout::SCTLR | if big_endian { layout::BIG_ENDIAN } else { 0 };
    let pstate = 0u32;
    // SAFETY: a valid engine, and a value of the register's size.
    check("pstate", unsafe { uc_reg_write(engine, RegisterARM64::PSTATE as c_int, ptr::from_ref(&pstate).cast()) });
    // CPACR_EL1 comes last: Unicorn works out what it caches of the state after each.
    for (op0, op1, crn, crm, op2, val) in [
        (3, 6, 1, 1, 0, 0x531),          // SCR_EL3
        (3, 4, 1, 1, 0, 1 << 31),        // HCR_EL2
        (3, 0, 10, 2, 0, layout::MAIR),  // MAIR_EL1
        (3, 0, 2, 0, 2, layout::TCR),    // TCR_EL1
        (3, 0, 2, 0, 0, layout::TABLES), // TTBR0_EL1
        (3, 0, 1, 0, 0, sctlr),          // SCTLR_EL1
        (3, 0, 1, 0, 2, layout::CPACR),  // CPACR_EL1
    ] {
        let register = RegisterARM64CP { crn, crm, op0, op1, op2, val };
        // SAFETY: a valid engine, and a value of the register's type.
        check("system register", unsafe { uc_reg_write(engine, RegisterARM64::CP_REG as c_int, ptr::from_ref(&register).cast()) });
    }
}

impl Machine for Oracle {
    fn run(&mut self, case: &Case, out: &mut Outcome) {
        self.start(case);
        out.end = self.end(case.pc);
        let mut values = pointers(&mut out.state);
        // SAFETY: every value has its register's size and outlives the call.
        check("read", unsafe { uc_reg_read_batch(self.engine.as_ptr(), self.registers.as_ptr(), values.as_mut_ptr(), REGISTERS as c_int) });
        for (at, word) in (WINDOW..).step_by(8).zip(out.window.iter_mut()) {
            *word = self.ram.read_u64(at).expect("in RAM");
        }
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // SAFETY: all are valid, and used no more; the RAM is dropped after.
        unsafe {
            for pristine in self.pristine {
                uc_context_free(pristine.as_ptr());
            }
            uc_context_free(self.after.as_ptr());
            uc_close(self.engine.as_ptr());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::Generator;
    use crate::ours::Ours;
    use crate::shrink::{Found, Pair};
    use tayberry_a64::Features;

    #[test]
    fn the_exception_is_found_and_nothing_lasts_from_case_to_case() {
        let (mut oracle, mut out) = (Oracle::new(), Outcome::default());
        let mut run = |word: u32, x0: u64| {
            let mut case =
                Case { pc: layout::slot(3), words: vec![word], state: State::default(), memory: Memory::Zero, big_endian: false };
            case.state.x[0] = x0;
            oracle.run(&case, &mut out);
            (out.end, out.state.x[0], out.window[0])
        };
        let pc = layout::slot(3);
        let done = End::Exception { esr: 0xf200_7e57, far: 0, pc: pc + 4 };
        assert_eq!(run(0x9100_0400, 41), (done, 42, 0)); // add x0, x0, #1
        assert_eq!(run(0xf900_0000, WINDOW), (done, WINDOW, WINDOW)); // str x0, [x0]
        assert_eq!(run(0xf940_0000, WINDOW), (done, 0, 0)); // ldr x0, [x0]
        assert_eq!(run(0xf940_0000, 0x30_0008).0, End::Exception { esr: 0x9200_0006, far: 0x30_0008, pc });
        assert_eq!(run(0xd400_0001, 0).0, End::Exception { esr: 0x5600_0000, far: 0, pc: pc + 4 }); // svc #0
        assert_eq!(run(0x0000_0000, 0).0, End::Exception { esr: 0x0200_0000, far: 0, pc });
        assert_eq!(run(0x1400_0000, 0).0, End::Endless);
    }

    #[test]
    fn the_core_agrees_with_the_oracle() {
        let (mut ours, mut oracle) = (Ours::default(), Oracle::new());
        let mut pair = Pair::new(&mut ours, &mut oracle);
        let generator = Generator::new(None, Features::default());
        for index in 0..20_000 {
            let found = pair.check(&generator.case(77, index));
            assert!(!matches!(found, Found::Mismatch(_)), "case {index} of seed 77: {found:?}");
        }
    }
}
