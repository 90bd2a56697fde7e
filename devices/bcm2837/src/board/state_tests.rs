//! The state of all devices together: a board that takes over another one's state cannot be told from it.

use super::tests::{device_address, value};
use super::*;
use crate::damage::replaced;
use proptest::prelude::*;
use tayberry_engine::bench::Bench;
use tayberry_engine::builder::Ram;
use tayberry_engine::{GuestTime, Served};

/// Memory is not what is looked at here: this much is saved quickly.
const RAM: u64 = 0x10_0000;

/// Address, value, whether to write, size (a power of two), core, and time that passes.
type Step = (u64, u64, bool, u32, usize, u64);

/// Register writes that get a device to work, which random ones hardly ever do.
const WORK: &[&[(u64, u32)]] = &[
    // SPI0: three bytes at 1 MHz, with an interrupt at the end.
    &[(0x3f20_4008, 250), (0x3f20_4000, 0x280), (0x3f20_4004, 0x11), (0x3f20_4004, 0x22), (0x3f20_4004, 0x33)],
    // The same by DMA mode: six bytes, of which four are there.
    &[(0x3f20_4008, 250), (0x3f20_4000, 0x100), (0x3f20_4004, 6 << 16 | 0x80), (0x3f20_4004, 0x4433_2211)],
    // SPI1: three entries at 1 MHz.
    &[
        (0x3f21_5004, 3),
        (0x3f21_5080, 0x07c0_0848),
        (0x3f21_5084, 0x42),
        (0x3f21_50a0, 0x12 << 24),
        (0x3f21_50a0, 0x34 << 24),
        (0x3f21_50a0, 0x56 << 24),
    ],
    // I2C: transfers at 100 kHz that nobody answers.
    &[(0x3f20_5014, 2500), (0x3f20_500c, 0x50), (0x3f20_5008, 1), (0x3f20_5010, 7), (0x3f20_5000, 0x8180)],
    &[(0x3f80_4014, 2500), (0x3f80_400c, 0x50), (0x3f80_4008, 3), (0x3f80_4000, 0x8381)],
    // The random number generator, warm and warming up.
    &[(0x3f10_4000, 1)],
    &[(0x3f10_4004, 0x100), (0x3f10_4000, 1)],
    // UART0: FIFOs, interrupts, test data in the receive FIFO; for DMA as well.
    &[(0x3f20_1024, 26), (0x3f20_102c, 0x70), (0x3f20_1038, 0x50), (0x3f20_1030, 0x301), (0x3f20_1080, 2), (0x3f20_108c, 0x161)],
    &[(0x3f20_1030, 0x301), (0x3f20_1048, 3)],
    // UART1: receive interrupt.
    &[(0x3f21_5004, 1), (0x3f21_5044, 1)],
    // DMA: a chain in memory; one of many chunks; one that waits for UART0's data, and one for its own (nobody's) DREQ.
    &[(0x3f00_7004, 0x1000), (0x3f00_7000, 1)],
    &[(0x3f00_7504, 0x1_0000), (0x3f00_7500, 1)],
    &[(0x3f00_7204, 0x1_0020), (0x3f00_7200, 1)],
    &[(0x3fe0_5004, 0x1_0040), (0x3fe0_5000, 1)],
    // System timer: matches in 100 us and 3 ms; all interrupts on.
    &[(0x3f00_3010, 100), (0x3f00_3018, 3_000)],
    &[(0x3f00_b210, u32::MAX), (0x3f00_b214, u32::MAX), (0x3f00_b218, 0xff)],
    // ARM timer with its free-running counter; watchdog; local timer; timer of core 0's mailbox.
    &[(0x3f00_b400, 500), (0x3f00_b41c, 9), (0x3f00_b408, 0x0003_02a2)],
    &[(0x3f10_0024, 0x5a00_0300), (0x3f10_001c, 0x5a00_0020)],
    &[(0x4000_0034, 0x3000_0400)],
    // Clocks of PWM and PCM, and both at work.
    &[(0x3f10_10a4, 0x5a00_5000), (0x3f10_10a0, 0x5a00_0011), (0x3f20_c010, 32), (0x3f20_c018, 5), (0x3f20_c018, 9), (0x3f20_c000, 0x21)],
    &[(0x3f10_109c, 0x5a00_5000), (0x3f10_1098, 0x5a00_0011), (0x3f20_3004, 7), (0x3f20_3004, 8), (0x3f20_3000, 0x205)],
    // USB: the port gets power and a reset.
    &[(0x3f98_0008, 0x21), (0x3f98_0440, 0x1000), (0x3f98_0440, 0x1100)],
    // The mailbox: a property message where there is none.
    &[(0x3f00_b89c, 1), (0x3f00_b8a0, 0x2_0008)],
    // SDHOST and EMMC: power, clock, GO_IDLE.
    &[(0x3f20_2030, 1), (0x3f20_2000, 0x8000)],
    &[(0x3f30_002c, 0x000e_0005), (0x3f30_0034, u32::MAX), (0x3f30_0038, u32::MAX), (0x3f30_000c, 0)],
];

/// Registers that tell how far devices have come: SPI0, SPI1, I2C, RNG (a word), UART0, UART1, DMA, PWM, PCM, ARM timer, watchdog, USB, EMMC, SDHOST.
const TELLING: [u64; 20] = [
    0x3f20_4000,
    0x3f21_5088,
    0x3f21_508c,
    0x3f20_5004,
    0x3f80_4004,
    0x3f10_4004,
    0x3f10_4008,
    0x3f20_1018,
    0x3f20_103c,
    0x3f21_5064,
    0x3f00_7000,
    0x3f00_7200,
    0x3f00_7514,
    0x3f20_c004,
    0x3f20_3000,
    0x3f00_b404,
    0x3f10_0024,
    0x3f98_0408,
    0x3f30_0024,
    0x3f20_2020,
];

fn tell(bench: &Bench) -> [u32; TELLING.len()] {
    TELLING.map(|addr| bench.read(addr))
}

/// What devices were made to do, and how long it goes on, nanoseconds.
type Work = (Vec<&'static [(u64, u32)]>, u64);

fn work() -> impl Strategy<Value = Work> {
    (prop::sample::subsequence(WORK, 0..=WORK.len()), prop_oneof![Just(0), 0u64..30_000, 0u64..500_000])
}

/// Random accesses, and then devices at work.
fn prepare(bench: &mut Bench, before: &[Step], (work, time): &Work) {
    lay_blocks(bench);
    before.iter().for_each(|step| _ = run(bench, step));
    for &(addr, value) in work.iter().copied().flatten() {
        if bench.write(addr, value) == Served::EndSlice {
            bench.tick();
        }
    }
    bench.tick_at(bench.clock.now().plus(*time));
    tell(bench);
}

fn bench() -> Bench {
    let board =
        Raspi3b::new(BoardOptions { kernel: vec![0; 4], mode: ClockMode::Deterministic, ..BoardOptions::default() }).expect("a board");
    Bench::new(RAM, board.cores, |machine| board.install(machine))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (device_address(), value(), any::<bool>(), 0u32..4, 0usize..4, 0u64..1_000_000);
    prop_oneof![Just(vec![]), prop::collection::vec(step, 1..80)]
}

/// What a guest sees of a step.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    value: u64,
    ends: bool,
    lines: [u64; 2],
    deadline: Option<GuestTime>,
    power: bool,
    sent: [Vec<u8>; 2],
}

fn run(bench: &mut Bench, &(addr, value, writes, size, core, time): &Step) -> Seen {
    if time % 5 == 0 {
        bench.feed(time as usize % 2, &[time as u8]);
    }
    let size = 1u8 << size;
    let addr = addr & !(u64::from(size) - 1);
    let (mut seen, mut ends) = (0, false);
    if writes {
        ends = bench.bus().write(addr, size, value, &bench.context(core)) == Served::EndSlice;
    } else {
        seen = bench.bus().read(addr, size, &bench.context(core));
    }
    if ends || time % 3 == 0 {
        // Sometimes to the next thing that happens, sometimes past it.
        let now = bench.clock.now();
        let next = bench.next_deadline().filter(|&at| time % 2 == 0 && at > now && at < now.plus(1_000_000_000));
        bench.tick_at(next.unwrap_or(now.plus(time)));
    }
    let sent = if time % 7 == 0 { [bench.sent(0), bench.sent(1)] } else { [vec![], vec![]] };
    let lines = [bench.irq.levels(0), bench.irq.levels(1)];
    Seen { value: seen, ends, lines, deadline: bench.next_deadline(), power: bench.power.is_pending(), sent }
}

/// Numbers that devices would not have saved: the largest of each width, and any.
fn number() -> impl Strategy<Value = u64> {
    let limits = vec![u64::from(u8::MAX), u64::from(u16::MAX), u64::from(u32::MAX), u64::MAX, u64::MAX - 1, 1 << 62, 1 << 31];
    prop_oneof![prop::sample::select(limits), (0u32..32).prop_map(|bit| 1 << bit), any::<u32>().prop_map(u64::from), 0u64..0x80]
}

/// Puts `value` where the number is in `bytes` that has a byte at `at`.
fn replace(bytes: &mut Vec<u8>, at: prop::sample::Index, value: u64) {
    if bytes.is_empty() {
        return;
    }
    let start = bytes[..at.index(bytes.len())].iter().rposition(|&byte| byte < 0x80).map_or(0, |last| last + 1);
    if let Some(other) = replaced(bytes, start, value) {
        *bytes = other;
    }
}

/// Puts control blocks where DMA channels may be sent by chance: short ones, which end.
fn lay_blocks(bench: &Bench) {
    let ram = &bench.world.resource::<Ram>().0;
    // From RAM to RAM, to be paced by UART0's receiver, to be paced by nobody: channels 5, 2 and 15.
    let paced = |permap: u32| 0x0411 | permap << 16;
    for (index, words) in
        [[0x0331, 0, 0x4_0000, 0x2_0000], [paced(14), 0x7e20_1000, 0x7_0000, 0x10], [paced(31), 0, 0x7_0000, 0x100]].iter().enumerate()
    {
        let at = 0x1_0000 + 32 * index as u64;
        (at..).step_by(4).zip(words).for_each(|(at, word)| _ = ram.write_u32(at, *word));
    }
    for at in (0..0x1_0000u64).step_by(32) {
        let words = [0x0331, (at as u32 * 8) & 0x7_ffff, 0x8_0000 | at as u32, 0x400 + at as u32, 0, (at as u32 * 7) & 0xffe0];
        (at..).step_by(4).zip(words).for_each(|(at, word)| _ = ram.write_u32(at, word));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_board_goes_on_from_another_one_s_state_as_that_one_does(before in steps(), work in work(), after in steps()) {
        let (mut ours, mut theirs) = (bench(), bench());
        prepare(&mut ours, &before, &work);
        let state = ours.save();
        // What was there before must not shine through.
        after.iter().for_each(|step| _ = run(&mut theirs, step));
        theirs.load(&state).expect("a board of the same kind");
        let again = theirs.save();
        for (first, second) in state.parts.iter().zip(&again.parts) {
            prop_assert_eq!(first, second);
        }
        prop_assert!(state.ram == again.ram);
        for (index, step) in after.iter().enumerate() {
            prop_assert_eq!(run(&mut ours, step), run(&mut theirs, step), "step {}: {:x?}", index, step);
        }
        // Whatever is under way goes on.
        for round in 0..100 {
            for bench in [&mut ours, &mut theirs] {
                let now = bench.clock.now();
                let later = now.plus(1_700);
                let next = bench.next_deadline().map_or(later, |next| next.clamp(now, later));
                bench.tick_at(next);
            }
            let seen = |bench: &Bench| (bench.clock.now(), bench.next_deadline(), bench.irq.levels(0), bench.irq.levels(1), tell(bench));
            prop_assert_eq!(seen(&ours), seen(&theirs), "round {}", round);
        }
        for (name, range) in ours.bus().windows() {
            for addr in range.step_by(4) {
                prop_assert_eq!(ours.read(addr), theirs.read(addr), "{} {:#x}", name, addr);
            }
        }
        let (ours, theirs) = (ours.save(), theirs.save());
        for (first, second) in ours.parts.iter().zip(&theirs.parts) {
            prop_assert_eq!(first, second);
        }
        prop_assert!(ours.ram == theirs.ram);
    }

    #[test]
    fn no_damage_makes_a_board_panic(
        before in steps(),
        work in work(),
        after in steps(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), number()), 1..6)
    ) {
        let (mut ours, mut theirs) = (bench(), bench());
        prepare(&mut ours, &before, &work);
        let mut state = ours.save();
        for (part, at, value) in damage {
            replace(&mut part.get_mut(&mut state.parts).1, at, value);
        }
        if theirs.load(&state).is_ok() {
            after.iter().for_each(|step| _ = run(&mut theirs, step));
            for (_, range) in theirs.bus().windows() {
                range.step_by(4).for_each(|addr| _ = theirs.read(addr));
            }
        }
    }
}
