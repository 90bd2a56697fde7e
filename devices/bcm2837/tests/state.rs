//! States of whole boards, with devices that were played with, and with guests that run.
//!
//! Whatever was done to the devices, a board that takes over a state goes on as the one that it is of. Guests are stopped anywhere, and their states go from cores that translate to cores that interpret and back.

use proptest::prelude::*;
use std::sync::Arc;
use tayberry_bcm2837::board::{BoardOptions, Raspi3b};
use tayberry_bcm2837::sd::CardImage;
use tayberry_engine::bench::shared;
use tayberry_engine::handle::MachineHandle;
use tayberry_engine::machine::{Machine, prepare};
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
    #![proptest_config(ProptestConfig::with_cases(10))]

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

/// Guests that use most devices, and their command lines.
const GUESTS: [(&str, &[u8], &str); 11] = [
    ("demo", tayberry_guest::DEMO, ""),
    ("storm", tayberry_guest::STORM, "storm.count=300"),
    ("irqtimer", tayberry_guest::IRQ_TIMER, ""),
    ("smp", tayberry_guest::SMP, ""),
    ("litmus", tayberry_guest::LITMUS, "litmus.count=1000 litmus.adds=1000"),
    ("suite", tayberry_guest::SUITE, "suite.kind=fault"),
    ("card", tayberry_guest::CARD, ""),
    ("hyper", tayberry_guest::HYPER, ""),
    ("tasks", tayberry_guest::TASKS, ""),
    ("tune", tayberry_guest::TUNE, ""),
    ("usbkbd", tayberry_guest::USBKBD, ""),
];
/// What the cores show of themselves.
fn cores(machine: &mut Machine) -> Vec<String> {
    let mut shown = Vec::new();
    machine
        .each_core(&mut |id, core| core.inspect(&mut |name, number, value| shown.push(format!("core {id}: {name} {number} = {value:#x}"))));
    machine.each_core_state(&mut |id, state| shown.push(format!("core {id}: {state}")));
    shown
}

/// Instructions of a run.
const WHOLE: u64 = 6_000_000;

struct Run {
    machine: Machine,
    handle: MachineHandle,
    printed: Vec<u8>,
    /// The guest has asked for its end.
    ended: bool,
}

impl Run {
    fn new(kernel: &[u8], append: &str, jit: bool) -> Self {
        let options = BoardOptions {
            kernel: kernel.to_vec(),
            append: Some(append.into()),
            mode: ClockMode::Deterministic,
            ..BoardOptions::default()
        };
        let jit = options.jit.filter(|_| jit);
        let card = Some(Arc::new(CardImage::blank(64 << 20).expect("address space")));
        let board = Raspi3b::new(BoardOptions { jit, card, ..options }).expect("a good kernel");
        let (handle, starter) = prepare();
        let machine = starter.by_hand(|shared| board.build(shared)).expect("memory");
        Self { machine, handle, printed: Vec::new(), ended: false }
    }

    /// Runs until the cores have retired so many since power-on, or nothing more is to come.
    fn to(mut self, goal: u64) -> Self {
        let mut idle = 0;
        while !self.ended && idle < 1000 {
            let done = self.machine.retired_by_all();
            if done >= goal {
                break;
            }
            self.machine.tick_at_most(goal - done);
            idle = if self.machine.retired_by_all() == done { idle + 1 } else { 0 };
            self.ended = self.machine.power_request().is_some();
            self.printed.extend(self.handle.serial[0].try_iter().flatten());
        }
        self
    }

    fn state(&mut self) -> State {
        let mut state = save(&mut self.machine);
        // The number of ticks tells how often somebody looked.
        state.parts.retain(|part| part.0 != "statistics");
        state
    }
}

#[test]
fn guests_go_on_from_their_states_wherever_they_were_saved() {
    let mut seed = 0x2837u64;
    for (name, kernel, append) in GUESTS {
        let mut straight = Run::new(kernel, append, true).to(WHOLE);
        let whole = straight.machine.retired_by_all();
        for (before, after) in [(true, true), (true, false), (false, true)] {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (seed >> 33) % whole;
            let mut first = Run::new(kernel, append, before).to(at);
            let state = Arc::new(save(&mut first.machine));
            let mut second = Run::new(kernel, append, after);
            second.machine.load(&state).expect("the same board");
            let mut second = second.to(WHOLE);
            let context = format!("{name}, saved at {at} of {whole}");
            let (ours, theirs) = (cores(&mut second.machine), cores(&mut straight.machine));
            let others: Vec<_> = ours.iter().zip(&theirs).filter(|(ours, theirs)| ours != theirs).collect();
            assert!(others.is_empty(), "{context}: {others:?}");
            assert_eq!(difference(&second.state(), &straight.state()), None, "{context}");
            let printed = [first.printed, second.printed].concat();
            assert_eq!(String::from_utf8_lossy(&printed), String::from_utf8_lossy(&straight.printed), "{context}");
        }
    }
}
