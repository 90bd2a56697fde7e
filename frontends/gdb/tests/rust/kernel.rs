//! What the tests of the debugger run: a kernel in Rust, on core 0 alone.
#![no_std]
#![no_main]

use core::arch::{asm, global_asm};

global_asm!(
    ".section .text.boot, \"ax\"",
    ".global _start",
    "_start: mrs x0, mpidr_el1",
    "and x0, x0, #3",
    "cbnz x0, 1f",
    "mov x0, #0x80000",
    "mov sp, x0",
    "mov x0, #(3 << 20)",
    "msr cpacr_el1, x0",
    "bl kernel_main",
    "1: wfe",
    "b 1b",
);

/// A task of the scheduler.
#[derive(Clone, Copy)]
pub struct Task {
    pub id: u32,
    pub state: State,
    pub runs: u64,
}

/// What a task is doing.
#[derive(Clone, Copy, PartialEq)]
pub enum State {
    Ready,
    Blocked { until: u64 },
}

static mut TASKS: [Task; 3] = [
    Task { id: 1, state: State::Ready, runs: 0 },
    Task { id: 2, state: State::Blocked { until: 7 }, runs: 0 },
    Task { id: 3, state: State::Ready, runs: 0 },
];

fn put(text: &str) {
    for byte in text.bytes() {
        unsafe { core::ptr::write_volatile(0x3f20_1000 as *mut u32, u32::from(byte)) };
    }
}

#[inline(never)]
fn schedule(now: u64, task: &mut Task) -> bool {
    if let State::Blocked { until } = task.state {
        if now < until {
            return false;
        }
        task.state = State::Ready;
    }
    task.runs += 1;
    true
}

#[unsafe(no_mangle)]
extern "C" fn kernel_main() {
    put("kernel\n");
    let tasks = unsafe { &mut *(&raw mut TASKS) };
    let mut run = 0;
    for now in 0..10 {
        for task in tasks.iter_mut() {
            run += u32::from(schedule(now, task));
        }
    }
    put(if run == 23 { "right\n" } else { "wrong\n" });
    unsafe {
        core::ptr::write_volatile(0x3f10_0020 as *mut u32, 0x5a00_0555);
        core::ptr::write_volatile(0x3f10_0024 as *mut u32, 0x5a00_000a);
        core::ptr::write_volatile(0x3f10_001c as *mut u32, 0x5a00_0020);
    }
    loop {
        unsafe { asm!("wfe") };
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
