//! The state of all devices together: a board that takes over another one's state cannot be told from it.

use super::tests::{device_address, value};
use super::*;
use proptest::prelude::*;
use tayberry_engine::GuestTime;
use tayberry_engine::bench::Bench;
use tayberry_engine::builder::Ram;

/// Memory is not what is looked at here: this much is saved quickly.
const RAM: u64 = 0x10_0000;

/// Address, value, whether to write, size (a power of two), core, and time that passes.
type Step = (u64, u64, bool, u32, usize, u64);

fn bench() -> Bench {
    let board =
        Raspi3b::new(BoardOptions { kernel: vec![0; 4], mode: ClockMode::Deterministic, ..BoardOptions::default() }).expect("a board");
    Bench::new(RAM, board.cores, |machine| board.install(machine))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (device_address(), value(), any::<bool>(), 0u32..4, 0usize..4, 0u64..1_000_000);
    prop::collection::vec(step, 1..150)
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
    bench.feed(time as usize % 2, &[time as u8]);
    let size = 1u8 << size;
    let addr = addr & !(u64::from(size) - 1);
    let (mut seen, mut ends) = (0, false);
    if writes {
        ends = bench.bus().write(addr, size, value, &bench.context(core)) == tayberry_engine::Served::EndSlice;
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

/// Puts `value` where a number is in `bytes`: seven bits a byte, of which all but the last have the highest one set.
fn replace(bytes: &mut Vec<u8>, at: prop::sample::Index, mut value: u64) {
    if bytes.is_empty() {
        return;
    }
    let at = at.index(bytes.len());
    let start = bytes[..at].iter().rposition(|&byte| byte < 0x80).map_or(0, |last| last + 1);
    let end = bytes[at..].iter().position(|&byte| byte < 0x80).map_or(bytes.len(), |last| at + last + 1);
    let mut number = Vec::new();
    while value >= 0x80 {
        number.push(value as u8 | 0x80);
        value >>= 7;
    }
    number.push(value as u8);
    bytes.splice(start..end, number);
}

/// Puts control blocks where DMA channels may be sent by chance: short ones, which end.
fn lay_blocks(bench: &Bench) {
    let ram = &bench.world.resource::<Ram>().0;
    for at in (0..0x1_0000u64).step_by(32) {
        let words = [0x0331, at as u32 * 8 & 0x7_ffff, 0x8_0000 | at as u32, 0x400 + at as u32, 0, (at as u32 * 7) & 0xffe0];
        (at..).step_by(4).zip(words).for_each(|(at, word)| _ = ram.write_u32(at, word));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_board_goes_on_from_another_one_s_state_as_that_one_does(before in steps(), after in steps()) {
        let (mut ours, mut theirs) = (bench(), bench());
        lay_blocks(&ours);
        before.iter().for_each(|step| _ = run(&mut ours, step));
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
        after in steps(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), number()), 1..6)
    ) {
        let (mut ours, mut theirs) = (bench(), bench());
        lay_blocks(&ours);
        before.iter().for_each(|step| _ = run(&mut ours, step));
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
