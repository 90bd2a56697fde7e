//! A test that has to panic: it is a program of its own, as a panic ends it.

#![no_std]
#![no_main]

use core::panic::PanicInfo;
use kernel_tests::{exit, print};

#[unsafe(no_mangle)]
extern "C" fn kernel_main() -> ! {
    print!("\nrunning 1 test\ntest an_index_out_of_range_panics ... ");
    let bytes = [1u8, 2, 3];
    let index = core::hint::black_box(3);
    print!("FAILED: there is a byte {}\n", bytes[index]);
    exit(1)
}

#[panic_handler]
fn panicked(_: &PanicInfo) -> ! {
    print!("ok\n");
    exit(0)
}
