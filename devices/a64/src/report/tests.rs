use super::*;
use crate::core::Stop;
use crate::sysreg::Reg;
use crate::testing::{Guest, RAM_TOP, START};

fn text(guest: &Guest, section: Section) -> String {
    let lines = guest.core.report().into_iter().filter(|line| line.section == section);
    lines.map(|line| line.text + "\n").collect()
}

/// Runs until the core is stuck.
fn stuck(guest: &mut Guest) -> String {
    match guest.run(1_000_000).stop {
        Stop::Stuck(why) => why,
        stop => panic!("{stop:?}"),
    }
}

/// At EL1 with its own stack, as a kernel is started.
fn at_el1(words: &[u32]) -> Guest {
    let mut guest = Guest::new(words);
    guest.core.sys[Reg::SCR_EL3] = 0x531;
    guest.core.sys[Reg::HCR_EL2] = 1 << 31;
    guest.core.switch_sp(1, true);
    guest.core.x[32] = START;
    guest.core.context_changed();
    guest
}

#[test]
fn a_jump_to_nowhere_names_its_branch() {
    // bl +8 ; nop ; br x1
    let mut guest = at_el1(&[0x9400_0002, 0xd503_201f, 0xd61f_0020]);
    guest.core.x[1] = RAM_TOP + 0x10_0000;
    stuck(&mut guest);
    let hints = text(&guest, Section::Hints);
    assert!(hints.contains("no RAM at 0x500000 (LR 0x80004)") && hints.contains("VBAR_EL1 was never set"), "{hints}");
    let branches = text(&guest, Section::Branches);
    if guest.core.jit.is_none() {
        assert!(branches.contains("0x80000 -> 0x80008\n0x80008 -> 0x500000\n"), "{branches}");
    }
    let faults = text(&guest, Section::Faults);
    assert!(faults.starts_with("EL1 to EL1 at 0x500000: instruction abort: external abort"), "{faults}");
    assert!(faults.contains("undefined instruction") && faults.contains("times"), "{faults}");
    assert!(text(&guest, Section::State).contains("EL1h"));
}

#[test]
fn the_classics_are_named() {
    // (words, how the core starts, what the first hint says)
    type Case = (&'static [u32], fn(&mut Guest), &'static str);
    let cases: [Case; 8] = [
        // fmov d0, x0
        (&[0x9e67_0000], |_| (), "CPACR_EL1.FPEN = 0"),
        // ldr x0, [x1]
        (&[0xf940_0020], |guest| guest.core.x[1] = 0x1001, "unaligned access to 0x1001 with the MMU off"),
        // br x1
        (&[0xd61f_0020], |guest| guest.core.x[1] = START + 0x1000, "execution ran into zeroed memory at 0x81000"),
        (&[0xd61f_0020], |guest| guest.core.x[1] = START + 2, "is no multiple of 4"),
        (&[0xd61f_0020], |guest| guest.core.x[1] = 0xffff_0000_0008_0000, "is a virtual address, but the MMU is off"),
        // eret, to EL2
        (&[0xd69f_03e0], |guest| guest.core.sys[Reg::SPSR_EL1] = 0x3c9, "ERET with an SPSR"),
        // msr sctlr_el1, x0 ; nop: on, with no tables
        (
            &[0xd518_1000, 0xd503_201f],
            |guest| (guest.core.x[0], guest.core.sys[Reg::TCR_EL1]) = (1, 25),
            "must be mapped at its own address",
        ),
        // str x0, [sp, #-16]!
        (&[0xf81f_0fe0], |guest| guest.core.x[32] = 0xffff_ffff_ffff_0000, "points to no RAM"),
    ];
    for (words, set_up, expected) in cases {
        let mut guest = at_el1(words);
        set_up(&mut guest);
        stuck(&mut guest);
        let hints = text(&guest, Section::Hints);
        assert!(hints.contains(expected), "{expected}: {hints}");
    }
}

#[test]
fn the_backtrace_follows_frame_records_and_ends() {
    let mut guest = at_el1(&[0]);
    let frame = START + 0x1000;
    for (at, next, back) in [(frame, frame + 0x20, 0x8_1234), (frame + 0x20, frame + 0x40, 0x8_5678), (frame + 0x40, frame, 0x8_9abc)] {
        guest.ram.write_u64(at, next).expect("in RAM");
        guest.ram.write_u64(at + 8, back).expect("in RAM");
    }
    (guest.core.x[29], guest.core.x[30]) = (frame, 0x8_1234);
    stuck(&mut guest);
    let trace = text(&guest, Section::Backtrace);
    let places: Vec<&str> = trace.lines().map(|line| line.split_whitespace().nth(1).unwrap_or("")).collect();
    assert_eq!(places, ["0x80000", "0x81234", "0x85678", "0x89abc"], "{trace}");
}

#[test]
fn a_vector_that_faults_further_on_is_told_of_and_the_core_goes_on() {
    // The vector's way: sub sp, sp, #256 ; str x0, [sp]. The stack pointer starts beyond RAM and comes down into it.
    let mut guest = at_el1(&[0]);
    guest.core.sys[Reg::VBAR_EL1] = START + 0x800;
    guest.write(START + 0x800 + 0x200, &[0xd104_03ff, 0xf900_03e0, 0x1400_0000]);
    let device_end = 1 << 41;
    guest.core.x[32] = device_end + 256 * 20_000;
    let stop = guest.run(1_000_000).stop;
    let Stop::Suspect(why) = stop else { panic!("{stop:?}") };
    assert!(why.contains("exceptions within exceptions: data abort") && why.contains("vector at 0x80a00"), "{why}");
    // Told once; it goes on, and out of it by itself.
    assert_eq!(guest.run(1_000_000).stop, Stop::Budget);
    assert!(text(&guest, Section::Faults).contains("times"));
}

#[test]
fn a_handler_that_returns_to_the_fault_is_told_of_and_one_that_mends_it_is_not() {
    let mut guest = at_el1(&[0]);
    guest.core.sys[Reg::VBAR_EL1] = START + 0x800;
    guest.write(START + 0x800 + 0x200, &[0xd69f_03e0]);
    let stop = guest.run(1_000_000).stop;
    assert!(matches!(&stop, Stop::Suspect(why) if why.contains("the handler returns to what faults")), "{stop:?}");
    // A handler that skips it, in a loop: udf ; b -4. mrs x0, elr_el1 ; add x0, x0, #4 ; msr elr_el1, x0 ; eret
    let mut guest = at_el1(&[0, 0x17ff_ffff]);
    guest.core.sys[Reg::VBAR_EL1] = START + 0x800;
    guest.write(START + 0x800 + 0x200, &[0xd538_4020, 0x9100_1000, 0xd518_4020, 0xd69f_03e0]);
    assert_eq!(guest.run(1_000_000).stop, Stop::Budget);
}

#[test]
fn an_interrupt_to_a_higher_level_frees_a_stuck_core() {
    let mut guest = at_el1(&[0]);
    stuck(&mut guest);
    guest.core.sys[Reg::HCR_EL2] |= 1 << 4;
    guest.core.sys[Reg::VBAR_EL2] = START + 0x1000;
    guest.write(START + 0x1000 + 0x480, &[0x1400_0000]);
    guest.bus.lines.irq = true;
    assert_eq!((guest.run(100).stop, guest.core.el), (Stop::Budget, 2));
}
