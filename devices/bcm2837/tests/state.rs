//! States of whole boards: whatever was done to the devices, a board that takes over a state goes on as the one that it is of.

use proptest::prelude::*;
use std::sync::Arc;
use tayberry_bcm2837::board::{BoardOptions, Raspi3b};
use tayberry_engine::bench::shared;
use tayberry_engine::machine::Machine;
use tayberry_engine::{BusContext, ClockMode, Served, State};

/// WFI for ever.
const KERNEL: [u32; 2] = [0xd503_207f, 0x17ff_ffff];

/// Device registers: the blocks are dense at their beginning.
fn address() -> impl Strategy<Value = u64> {
    let blocks = [
        0x3f00_3000u64,
        0x3f00_7000,
        0x3f00_7100,
        0x3f00_7e00,
        0x3f00_a000,
        0x3f00_b200,
        0x3f00_b400,
        0x3f00_b880,
        0x3f10_0000,
        0x3f10_1000,
        0x3f10_4000,
        0x3f20_0000,
        0x3f20_1000,
        0x3f20_2000,
        0x3f20_3000,
        0x3f20_4000,
        0x3f20_5000,
        0x3f20_6000,
        0x3f20_c000,
        0x3f21_2000,
        0x3f21_4000,
        0x3f21_5000,
        0x3f30_0000,
        0x3f80_4000,
        0x3f80_5000,
        0x3f98_0000,
        0x3f98_0400,
        0x3f98_0500,
        0x3fe0_5000,
        0x4000_0000,
    ];
    (prop::sample::select(blocks.to_vec()), 0u64..0x40).prop_map(|(block, word)| block + 4 * word)
}

/// Values that registers mean something by, and any.
fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u32>().prop_map(u64::from),
        (0u32..32).prop_map(|bit| 1 << bit),
        (0u64..0x400).prop_map(|low| 0x5a00_0000 | low),
        0u64..0x100
    ]
}

/// What is done to a board: a register is written or read, and time goes on to the next deadline.
type Step = (u64, u64, bool, bool);

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((address(), value(), any::<bool>(), prop::bool::weighted(0.3)), 1..most)
}

fn board() -> Raspi3b {
    let kernel = KERNEL.iter().flat_map(|word| word.to_le_bytes()).collect();
    Raspi3b::new(BoardOptions { kernel, mode: ClockMode::Deterministic, ..BoardOptions::default() }).expect("a board")
}

fn machine() -> Machine {
    let mut machine = board().build(shared()).expect("memory");
    // The cores come to rest.
    (0..100).for_each(|_| machine.tick());
    machine
}

/// Does the steps; what was read.
fn run(machine: &mut Machine, steps: &[Step]) -> Vec<u64> {
    let (bus, clock) = (Arc::clone(machine.bus()), Arc::clone(machine.clock()));
    let context = BusContext { core: 0, retired: 0, clock: &clock };
    let mut seen = Vec::new();
    for &(address, value, write, ticks) in steps {
        let mut ends = false;
        if write {
            ends = bus.write(address, 4, value, &context) == Served::EndSlice;
        } else {
            seen.push(bus.read(address, 4, &context));
        }
        if ends || ticks {
            machine.tick();
        }
        // What the guest asked of the power switch is not done here.
        machine.power_request();
    }
    seen
}

fn save(machine: &mut Machine) -> State {
    machine.save().expect("it can be saved")
}

/// The first part that is another one.
fn difference(one: &State, other: &State) -> Option<String> {
    let parts = one.parts.iter().zip(&other.parts).find(|(one, other)| one != other);
    parts.map(|(one, _)| one.0.clone()).or_else(|| (one.ram != other.ram).then(|| "RAM".to_owned()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_board_goes_on_from_the_state_of_another(before in steps(400), meanwhile in steps(30), after in steps(400)) {
        let mut first = machine();
        run(&mut first, &before);
        let state = Arc::new(save(&mut first));
        // One that is new, and one to which something was done.
        for meanwhile in [&[][..], &meanwhile] {
            let mut second = machine();
            run(&mut second, meanwhile);
            second.load(&state).expect("the same board");
            prop_assert_eq!(difference(&save(&mut second), &state), None, "nothing is lost on the way");
            let mut first = machine();
            first.load(&state).expect("the same board");
            prop_assert_eq!(run(&mut second, &after), run(&mut first, &after));
            prop_assert_eq!(difference(&save(&mut second), &save(&mut first)), None);
        }
        // The first itself goes on in the same way.
        let mut second = machine();
        second.load(&state).expect("the same board");
        prop_assert_eq!(run(&mut first, &after), run(&mut second, &after));
        prop_assert_eq!(difference(&save(&mut first), &save(&mut second)), None);
    }
}
