//! Breakpoints, watchpoints, steps and catches, interpreted and translated.

use super::*;
use crate::bus::Lines;
use crate::core::Run;
use crate::sysreg::Reg;
use crate::testing::{Guest, START};

const ADD: u32 = 0x9100_0400; // add x0, x0, #1
const STAY: u32 = 0x1400_0000; // b .
const DATA: u64 = START + 0x4000;

/// Interpreted; and translated at once, where the host can.
fn guests(words: &[u32]) -> Vec<Guest> {
    let mut guests = vec![Guest::new(words)];
    #[cfg(target_arch = "x86_64")]
    guests.push(Guest::translated(words, 1 << 20));
    guests
}

/// Runs to the next hit, whatever stops the core before.
fn run_to_hit(guest: &mut Guest, mut budget: u64) -> Option<Hit> {
    while budget > 0 {
        let Run { retired, stop } = guest.run(budget);
        budget -= retired;
        let hit = guest.core.take_hit();
        assert_eq!(hit.is_some(), stop == Stop::Debug, "{stop:?}");
        if hit.is_some() {
            return hit;
        }
    }
    None
}

/// x0 counts up in a loop that is hot: add x0, x0, #1 ; add x2, x2, #1 ; subs x1, x1, #1 ; b.ne -12 ; b .
const LOOP: [u32; 5] = [ADD, 0x9100_0442, 0xf100_0421, 0x54ff_ffa1, STAY];

#[test]
fn a_breakpoint_stops_in_front_of_its_instruction_however_hot_the_code_is() {
    for at in 0..4 {
        for mut guest in guests(&LOOP) {
            guest.core.x[1] = 1_000_000;
            guest.run(4 * 5_000);
            assert_eq!((guest.core.x[0], guest.core.pc), (5_000, START));
            let address = START + 4 * at;
            guest.core.set_breakpoints([address, START + 0x800, 3]);
            for round in 0..20 {
                assert_eq!(run_to_hit(&mut guest, 10), Some(Hit::Breakpoint(address)), "at {at}, round {round}");
                assert_eq!(guest.core.pc, address);
                let retired = guest.core.retired;
                assert_eq!(retired, 20_000 + 4 * round + at, "what is stopped at is not counted");
                assert_eq!(guest.core.x[0], 5_000 + round + u64::from(at > 0));
                // It stays where it is until it is told to pass.
                assert_eq!(guest.run(5), Run { retired: 0, stop: Stop::Debug });
                guest.core.take_hit();
                guest.core.pass_once();
            }
            guest.core.set_breakpoints([]);
            let left = 4_000_000 - guest.core.retired;
            guest.run(left);
            assert_eq!((guest.core.x[0], guest.core.x[2], guest.core.pc), (1_000_000, 1_000_000, START + 16));
        }
    }
}

#[test]
fn a_breakpoint_is_of_a_virtual_address_and_the_same_memory_elsewhere_has_none() {
    // Two pages mapped at once: 2 MiB of RAM at 0 and again at 2 MiB (level 2 blocks of EL3).
    for mut guest in guests(&LOOP) {
        for (at, entry) in [(0x3000, 0x4003), (0x4000, 0x401), (0x4008, 0x401)] {
            guest.ram.write_u64(at, entry).expect("in RAM");
        }
        guest.core.sys[Reg::MAIR_EL3] = 0xff;
        guest.core.sys[Reg::TTBR0_EL3] = 0x3000;
        guest.core.sys[Reg::TCR_EL3] = 25;
        guest.core.sys[Reg::SCTLR_EL3] |= 1;
        guest.core.context_changed();
        guest.core.set_breakpoints([START + 8 + 0x20_0000]);
        guest.core.x[1] = 1_000;
        assert_eq!(run_to_hit(&mut guest, 4_000), None);
        assert_eq!(guest.core.x[0], 1_000);
        (guest.core.pc, guest.core.x[1]) = (START + 0x20_0000, 10);
        assert_eq!(run_to_hit(&mut guest, 100), Some(Hit::Breakpoint(START + 0x20_0008)));
        assert_eq!(guest.core.x[0], 1_001);
    }
}

#[test]
fn steps_execute_one_instruction_each_and_ranges_as_many_as_lie_within() {
    for mut guest in guests(&LOOP) {
        guest.core.x[1] = 100;
        guest.core.set_breakpoints([START]);
        for n in 1..=8 {
            guest.core.set_step(Some(Step::One), false);
            assert_eq!(run_to_hit(&mut guest, 100), Some(Hit::Step));
            assert_eq!((guest.core.retired, guest.core.pc), (n, START + 4 * (n % 4)));
        }
        guest.core.set_step(Some(Step::Within(START..START + 12)), false);
        assert_eq!(run_to_hit(&mut guest, 100), Some(Hit::Step));
        assert_eq!((guest.core.retired, guest.core.pc), (11, START + 12));
        guest.core.set_step(Some(Step::Within(START..START + 16)), false);
        assert_eq!(run_to_hit(&mut guest, 100), Some(Hit::Breakpoint(START)), "breakpoints within a range count");
        guest.core.set_step(None, false);
        guest.core.set_breakpoints([]);
        assert_eq!(run_to_hit(&mut guest, 1_000), None);
        assert_eq!((guest.core.x[0], guest.core.pc), (100, START + 16));
    }
}

#[test]
fn a_watchpoint_stops_in_front_of_the_access_and_steps_pass_it() {
    // ldr x3, [x1] ; str x3, [x1] ; ldrb w3, [x1] ; strb w3, [x1] ; ldp x3, x4, [x1] ; stp x3, x4, [x1] ; ldr q0, [x1] ; str q0, [x1] ; ldxr x3, [x1] ;
    // ldar x3, [x1] ; stlr x3, [x1]
    for (word, size, write) in [
        (0xf940_0023u32, 8u64, false),
        (0xf900_0023, 8, true),
        (0x3940_0023, 1, false),
        (0x3900_0023, 1, true),
        (0xa940_1023, 16, false),
        (0xa900_1023, 16, true),
        (0x3dc0_0020, 16, false),
        (0x3d80_0020, 16, true),
        (0xc85f_7c23, 8, false),
        (0xc8df_fc23, 8, false),
        (0xc89f_fc23, 8, true),
    ] {
        for (offset, len, watch) in
            [(0, 1, Watch::Access), (8, 3, Watch::Access), (0, 100, Watch::Read), (0, 8, Watch::Write), (4096, 8, Watch::Access)]
        {
            for mut guest in guests(&[word, ADD, 0x17ff_fffe]) {
                guest.core.x[1] = DATA;
                guest.core.sys[Reg::CPACR_EL1] = 3 << 20;
                guest.core.context_changed();
                guest.run(3_000);
                assert_eq!(guest.core.x[0], 1_000);
                let point = Watchpoint { start: DATA + offset, len, watch };
                guest.core.set_watchpoints([point]);
                let counts = watch == Watch::Access || (watch == Watch::Write) == write;
                let expected = (offset < size && counts).then_some(point);
                let hit = run_to_hit(&mut guest, 30);
                let Some(point) = expected else {
                    assert_eq!(hit, None, "{word:#x} {point:?}");
                    assert_eq!(guest.core.retired, 3_030);
                    continue;
                };
                let Some(Hit::Watchpoint { point: hit, address, write: stored }) = hit else {
                    panic!("{word:#x}: {hit:?} instead of {point:?}")
                };
                assert!(hit == point && stored == write && (DATA..DATA + size).contains(&address), "{word:#x}: {hit:?} at {address:#x}");
                assert_eq!((guest.core.retired, guest.core.pc, guest.core.x[0]), (3_000, START, 1_000));
                guest.core.set_step(Some(Step::One), false);
                assert_eq!(run_to_hit(&mut guest, 30), Some(Hit::Step));
                assert_eq!((guest.core.retired, guest.core.pc), (3_001, START + 4));
                guest.core.set_watchpoints([]);
                assert_eq!(run_to_hit(&mut guest, 29), None);
                assert_eq!(guest.core.x[0], 1_010);
            }
        }
    }
}

/// A guest in EL1 with vectors at 0x1000: the synchronous one returns behind an SVC, the others stay.
fn in_el1(guest: &mut Guest) {
    let core = &mut guest.core;
    core.sys[Reg::SCR_EL3] = 0x531;
    core.sys[Reg::HCR_EL2] = 1 << 31;
    core.sys[Reg::VBAR_EL1] = 0x1000;
    core.switch_sp(1, true);
    core.daif = 0;
    core.context_changed();
    guest.write(0x1200, &[0xd69f_03e0]); // eret
    guest.write(0x1280, &[ADD, STAY]);
}

#[test]
fn exceptions_are_caught_at_their_vectors() {
    // svc #0 ; add x0, x0, #1 ; b .-8
    for mut guest in guests(&[0xd400_0001, ADD, 0x17ff_fffe]) {
        in_el1(&mut guest);
        guest.run(4_000);
        assert_eq!(guest.core.x[0], 1_000);
        guest.core.set_catches(Catches::default().with(1, Catch::Sync).with(2, Catch::Irq));
        for round in 0..3 {
            assert_eq!(run_to_hit(&mut guest, 10), Some(Hit::Exception { el: 1, what: Catch::Sync }));
            assert_eq!((guest.core.pc, guest.core.sys[Reg::ESR_EL1] >> 26, guest.core.x[0]), (0x1200, 0x15, 1_000 + round));
        }
        guest.core.set_catches(Catches::default().with(1, Catch::Irq));
        assert_eq!(run_to_hit(&mut guest, 400), None);
        guest.bus.lines = Lines { irq: true, fiq: false };
        assert_eq!(run_to_hit(&mut guest, 400), Some(Hit::Exception { el: 1, what: Catch::Irq }));
        assert_eq!(guest.core.pc, 0x1280);
    }
}

#[test]
fn interrupts_wait_while_steps_are_taken_or_end_them() {
    for mut guest in guests(&[ADD, ADD, ADD, STAY]) {
        in_el1(&mut guest);
        guest.bus.lines = Lines { irq: true, fiq: false };
        guest.core.set_step(Some(Step::One), true);
        assert_eq!(run_to_hit(&mut guest, 10), Some(Hit::Step));
        assert_eq!((guest.core.pc, guest.core.x[0]), (START + 4, 1));
        guest.core.set_step(Some(Step::One), false);
        assert_eq!(run_to_hit(&mut guest, 10), Some(Hit::Step));
        assert_eq!((guest.core.pc, guest.core.x[0]), (0x1280, 1), "taken, and nothing of the handler executed");
    }
}

#[test]
fn stepping_wfi_is_a_step_and_the_core_waits_all_the_same() {
    let mut guest = Guest::new(&[0xd503_207f, ADD, STAY]);
    guest.core.set_step(Some(Step::One), false);
    assert_eq!(guest.run(10), Run { retired: 1, stop: Stop::Wfi });
    assert_eq!((guest.core.take_hit(), guest.core.pc), (Some(Hit::Step), START + 4));
}

#[test]
fn registers_by_name_without_guards() {
    let mut guest = Guest::new(&[STAY]);
    in_el1(&mut guest);
    guest.core.switch_sp(0, false);
    let find = |name: &str| system_registers().find(|register| register.name == name).expect("a register").index;
    let Guest { core, bus, .. } = &mut guest;
    assert_eq!(core.read_system(bus, find("VBAR_EL1")), Some(0x1000));
    assert_eq!(core.read_system(bus, find("CURRENTEL")), Some(0));
    assert!(core.write_system(bus, find("VBAR_EL1"), 0x2fff));
    assert_eq!(core.read_system(bus, find("VBAR_EL1")), Some(0x2800));
    assert!(!core.write_system(bus, find("MIDR_EL1"), 0));
    assert!(core.write_system(bus, find("SP_EL1"), 0x7000));
    core.set_pstate(0x6000_03c5);
    assert_eq!((core.el, core.spsel, core.sp(), core.daif, core.nzcv), (1, true, 0x7000, 0xf, 6 << 28));
    core.set_pstate(0x13);
    assert_eq!(core.el, 1, "no state of AArch64");
    for register in system_registers() {
        let value = core.read_system(bus, register.index).expect("it can be read");
        if register.writable {
            core.write_system(bus, register.index, value);
        }
    }
}

#[test]
fn memory_is_read_as_it_is_translated_and_walks_are_told_in_words() {
    let mut guest = Guest::new(&[STAY]);
    let mut bytes = [0; 8];
    assert_eq!(guest.core.debug_read(START, &mut bytes), 8);
    assert_eq!(bytes[..4], STAY.to_le_bytes());
    assert_eq!(guest.core.debug_read(crate::testing::RAM_TOP - 4, &mut bytes), 4, "RAM ends here");
    assert_eq!(guest.core.debug_read(crate::testing::RAM_TOP, &mut bytes), 0);
    assert!(guest.bus.reads.is_empty());
    for (at, entry) in [(0x3000, 0x4003), (0x4000, 0x401)] {
        guest.ram.write_u64(at, entry).expect("in RAM");
    }
    guest.core.sys[Reg::TTBR0_EL3] = 0x3000;
    guest.core.sys[Reg::TCR_EL3] = 25;
    guest.core.sys[Reg::SCTLR_EL3] |= 1;
    guest.core.context_changed();
    assert_eq!(guest.core.debug_write(START, &ADD.to_le_bytes()), 4);
    guest.run(1);
    assert_eq!(guest.core.x[0], 1);
    let lines = guest.core.describe_translation(START);
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert!(
        lines[0].contains("TTBR0_EL3, 39 bits") && lines[1].contains("table at 0x4000") && lines[2].contains("block at 0x0"),
        "{lines:#?}"
    );
    assert!(lines[3].starts_with("physical 0x80000 (RAM), Device memory"), "{lines:#?}");
    assert!(guest.core.describe_translation(0x20_0000).last().is_some_and(|line| line.starts_with("translation fault")));
    assert!(guest.core.describe_translation(u64::MAX)[0].contains("no table"));
    assert!(guest.core.describe_tlb(10).last().is_some_and(|line| line.contains("pages of RAM")));
}
