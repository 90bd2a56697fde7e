//! Tests of a kernel on the machine that it is for.

#![no_std]
#![no_main]

use core::panic::PanicInfo;
use kernel_tests::{clock, core_number, exception_level, fail, run};

#[unsafe(no_mangle)]
extern "C" fn kernel_main() -> ! {
    run(&[&it_runs_on_core_0, &it_is_entered_as_a_hypervisor, &floating_point_works, &time_passes, &nothing_fails_that_should_not])
}

#[panic_handler]
fn panicked(info: &PanicInfo) -> ! {
    fail(info)
}

fn it_runs_on_core_0() {
    assert_eq!(core_number(), 0);
}

fn it_is_entered_as_a_hypervisor() {
    assert_eq!(exception_level(), 2);
}

fn floating_point_works() {
    let sum: f64 = (1..=100).map(|n| core::hint::black_box(f64::from(n)) / 2.0).sum();
    assert_eq!(sum, 2525.0);
}

fn time_passes() {
    let start = clock();
    while clock() < start + 5 {}
}

fn nothing_fails_that_should_not() {
    assert!(!cfg!(feature = "fail"), "the feature `fail` is on");
}
