//! Translated code, as a guest sees it. Where the host cannot translate, the tests hold all the same; what they ask of the counters, only where it can.

use super::available;
use crate::testing::{Guest, START};
use crate::{Maintenance, Stop};

/// Bytes of code memory that are always enough here.
const CACHE: usize = 4 << 20;

/// x0 = x0 + x1, x1 = x1 - 1 until it is zero, then endless.
const SUM: [u32; 4] = [
    0x8b01_0000, // 1: add x0, x0, x1
    0xf100_0421, // subs x1, x1, #1
    0x54ff_ffc1, // b.ne 1b
    0x1400_0000, // b .
];

fn mov_x0(value: u32) -> u32 {
    0xd280_0000 | value << 5
}

#[test]
fn budgets_are_exact_wherever_they_end() {
    for budget in (500..560).chain([1000, 3333, 100_000]) {
        let mut guest = Guest::translated(&SUM, CACHE);
        guest.core.x[1] = 1 << 40;
        let mut left = (1u64 << 40, 0u64);
        for _ in 0..4 {
            let run = guest.run(budget);
            assert_eq!((run.retired, run.stop), (budget, Stop::Budget));
            // What the interpreter's rules give, instruction by instruction.
            left.1 += budget;
            let (rounds, rest) = (left.1 / 3, left.1 % 3);
            assert_eq!(guest.core.pc, START + 4 * rest);
            assert_eq!(guest.core.x[1], left.0 - rounds - u64::from(rest > 1));
        }
        assert!(available().is_err() || budget < 1000 || guest.core.counters().jitted > budget);
    }
}

#[test]
fn a_store_to_translated_code_is_executed_at_once() {
    // 1: str w2, [x1] ; target: mov x0, #0 (overwritten) ; add x3, x3, x0 ; add w2, w2, w4 ; sub x5, x5, #1 ; cbnz x5, 1b ; b .
    let words = [0xb900_0022, mov_x0(0), 0x8b00_0063, 0x0b04_0042, 0xd100_04a5, 0xb5ff_ff65, 0x1400_0000];
    let mut guest = Guest::translated(&words, CACHE);
    (guest.core.x[1], guest.core.x[2], guest.core.x[4], guest.core.x[5]) = (START + 4, mov_x0(1).into(), 1 << 5, 1000);
    guest.run(6 * 1000 + 10);
    assert_eq!(guest.core.x[3], 1000 * 1001 / 2);
    assert!(guest.bus.broadcasts.contains(&Maintenance::Code));
}

#[test]
fn code_that_a_device_changes_is_looked_at_again_in_the_next_run() {
    let mut guest = Guest::translated(&[mov_x0(1), 0x17ff_ffff], CACHE);
    guest.run(5000);
    assert_eq!(guest.core.x[0], 1);
    guest.write(START, &[mov_x0(2)]);
    guest.run(5000);
    assert_eq!(guest.core.x[0], 2);
}

#[test]
fn a_fault_in_a_loop_is_taken_at_its_instruction_with_its_flags() {
    // 1: subs x1, x1, #1 ; ldr x2, [x3] ; add x3, x3, #8 ; b 1b. The loads leave RAM, and with the MMU off at EL3 what is there reads as zero; so a misaligned
    // address makes the fault.
    let words = [0xf100_0421, 0xf940_0062, 0x9100_2063, 0x17ff_fffd];
    let mut guest = Guest::translated(&words, CACHE);
    (guest.core.x[1], guest.core.x[3]) = (2000, START + 0x1000);
    guest.run(4 * 999);
    guest.core.x[3] += 4;
    let run = guest.run(2);
    assert_eq!(run.retired, 2);
    let sys = &guest.core.sys;
    use crate::sysreg::Reg;
    assert_eq!((sys[Reg::ELR_EL3], sys[Reg::FAR_EL3]), (START + 4, guest.core.x[3]));
    // 2000 - 1000: not zero, not negative, no borrow.
    assert_eq!(sys[Reg::SPSR_EL3] >> 28, 0b0010);
}

#[test]
fn code_memory_is_bounded_and_used_again() {
    // Functions are written anew at moving addresses, each a loop long enough to be translated.
    let mut guest = Guest::translated(&[], 1 << 20);
    let rounds = if available().is_ok() { 4000 } else { 100 };
    for round in 0..rounds {
        let at = START + round % 1024 * 0x100;
        let mut words = vec![mov_x0(round as u32 & 0xffff); 60];
        words.push(0x17ff_ffc4); // b, to the first
        guest.write(at, &words);
        guest.core.pc = at;
        guest.run(1200);
        assert_eq!(guest.core.x[0], round & 0xffff);
    }
    let counters = guest.core.counters();
    if available().is_ok() {
        assert!(counters.flushes > 0 && counters.jitted > counters.interpreted / 8, "{counters:?}");
    }
}

#[test]
fn what_is_given_back_is_made_again() {
    let mut guest = Guest::translated(&SUM, CACHE);
    guest.core.x[1] = 1 << 40;
    guest.run(10_000);
    let regions = guest.core.counters().regions;
    guest.core.trim();
    guest.run(10_000);
    assert!(available().is_err() || guest.core.counters().regions > regions);
    assert_eq!(guest.core.x[1], (1 << 40) - 20_000 / 3 - 1);
}
