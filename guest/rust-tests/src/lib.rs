//! What kernel tests stand on: the way from reset to Rust, semihosting, and a runner of tests.

#![no_std]

use core::arch::{asm, global_asm};
use core::fmt::{self, Write};
use core::panic::PanicInfo;

// The firmware enters all that runs in EL2; one core goes on.
global_asm!(
    ".section .text.start, \"ax\"",
    ".globl _start",
    "_start:",
    "    mrs x1, mpidr_el1",
    "    tst x1, #3",
    "    b.ne 3f",
    // Floating point and vectors trap nowhere: the compiler uses them.
    "    mrs x1, CurrentEL",
    "    cmp x1, #8",
    "    b.ne 1f",
    "    mov x1, #0x33ff",
    "    msr cptr_el2, x1",
    "1:  mov x1, #(3 << 20)",
    "    msr cpacr_el1, x1",
    "    isb",
    "    adr x1, _start",
    "    mov sp, x1",
    "    adrp x1, bss_start",
    "    add x1, x1, :lo12:bss_start",
    "    adrp x2, bss_end",
    "    add x2, x2, :lo12:bss_end",
    "2:  cmp x1, x2",
    "    b.hs 4f",
    "    stp xzr, xzr, [x1], #16",
    "    b 2b",
    "3:  wfe",
    "    b 3b",
    "4:  bl kernel_main",
    "    b 3b",
);

/// Operations of Arm's semihosting.
mod operation {
    pub const WRITE0: u32 = 0x04;
    pub const CLOCK: u32 = 0x10;
    pub const EXIT: u32 = 0x18;
}

/// The reason of SYS_EXIT that comes with a status.
const APPLICATION_EXIT: u64 = 0x2_0026;

/// Calls the host.
fn call(operation: u32, parameter: u64) -> u64 {
    let result;
    // SAFETY: HLT #0xF000 changes x0 alone; what `parameter` points to lives until it is done.
    unsafe { asm!("hlt #0xf000", inlateout("x0") u64::from(operation) => result, in("x1") parameter) };
    result
}

/// Ends the run: the emulator's exit status is `status`.
pub fn exit(status: u8) -> ! {
    let block = [APPLICATION_EXIT, u64::from(status)];
    call(operation::EXIT, block.as_ptr() as u64);
    unreachable!("the run has ended")
}

/// Hundredths of a second since the start.
pub fn clock() -> u64 {
    call(operation::CLOCK, 0)
}

/// The console on the host.
pub struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // The host wants a zero at the end: parts of the text are copied.
        for part in text.as_bytes().chunks(63) {
            let mut buffer = [0u8; 64];
            buffer[..part.len()].copy_from_slice(part);
            call(operation::WRITE0, buffer.as_ptr() as u64);
        }
        Ok(())
    }
}

/// Prints on the host's standard output.
#[macro_export]
macro_rules! print {
    ($($arg:tt)*) => {{
        use core::fmt::Write;
        let _ = write!($crate::Console, $($arg)*);
    }};
}

/// A test: its name is its type's.
pub trait Test {
    /// Runs it, with its name said before.
    fn run(&self);
}

impl<F: Fn()> Test for F {
    fn run(&self) {
        print!("test {} ... ", core::any::type_name::<F>());
        self();
        print!("ok\n");
    }
}

/// Runs tests, and exits with 0: one that panics exits with another status.
pub fn run(tests: &[&dyn Test]) -> ! {
    print!("\nrunning {} tests on core {}\n", tests.len(), core_number());
    tests.iter().for_each(|test| test.run());
    print!("\ntest result: ok. {} passed\n", tests.len());
    exit(0)
}

/// What a test's panic handler does.
pub fn fail(info: &PanicInfo) -> ! {
    print!("FAILED\n\n{info}\n");
    exit(1)
}

/// The core that runs this.
pub fn core_number() -> u64 {
    let mpidr: u64;
    // SAFETY: reading the register does nothing.
    unsafe { asm!("mrs {}, mpidr_el1", out(reg) mpidr, options(nomem, nostack)) };
    mpidr & 3
}

/// The exception level.
pub fn exception_level() -> u64 {
    let level: u64;
    // SAFETY: reading the register does nothing.
    unsafe { asm!("mrs {}, CurrentEL", out(reg) level, options(nomem, nostack)) };
    level >> 2 & 3
}
