//! Machines of scripted cores and one device.

use super::*;
use crate::bench::shared;
use crate::builder::MachineClock;
use crate::clock::{Clock, GuestTime};
use crate::cpu::{Processor, Slice, SliceEnd};
use crate::history::{Begin, Goal, Rewind};
use crate::{Deadline, MachineBuilder, Phase, Plugin};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tayberry_ram::GuestRam;

/// Counts instructions; now and then it stores the count and gives way.
struct Counting {
    ram: Arc<GuestRam>,
    id: u64,
    count: u64,
}

impl Processor for Counting {
    fn run(&mut self, budget: u64) -> Slice {
        let every = 777 * (self.id + 1);
        let retired = budget.min(every - self.count % every);
        self.count += retired;
        if !self.count.is_multiple_of(every) {
            return Slice { retired, end: SliceEnd::Spent };
        }
        self.ram.write_u64(0x1000 * self.id + self.count % 0x1000 / 8 * 8, self.count);
        Slice { retired, end: SliceEnd::Yield }
    }
    fn wakes(&mut self) -> bool {
        true
    }
    fn inspect(&self, visit: &mut dyn FnMut(&'static str, usize, u64)) {
        visit("count", 0, self.count);
    }
    fn pass(&mut self, archive: &mut Archive<'_>) {
        archive.value(&mut self.count);
    }
}

/// Counts milliseconds.
struct Ticker {
    ticks: AtomicU64,
    next: Deadline,
}

impl Cell for Ticker {
    fn pass(&self, archive: &mut Archive<'_>) {
        archive.cells(&[&self.ticks, &self.next]);
    }
}

#[derive(Resource)]
struct TickerResource(Arc<Ticker>);

fn count_ticks(ticker: Res<TickerResource>, clock: Res<MachineClock>) {
    if ticker.0.next.take_due(clock.now(), |at| Some(at.plus(1_000_000))).is_some() {
        ticker.0.ticks.fetch_add(1, Relaxed);
    }
}

struct TickerPlugin;

impl Plugin for TickerPlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let ticker = Arc::new(Ticker { ticks: AtomicU64::new(0), next: machine.deadline() });
        ticker.next.set(Some(GuestTime(1_000_000)));
        machine.part_of("ticker", Arc::clone(&ticker));
        machine.world.insert_resource(TickerResource(ticker));
        machine.add_systems(Phase::Signal, count_ticks);
    }
}

fn machine(mode: ClockMode, cores: u64) -> Machine {
    machine_with(mode, cores, shared())
}

fn machine_with(mode: ClockMode, cores: u64, shared: Arc<crate::handle::Shared>) -> Machine {
    let ram = Arc::new(GuestRam::new(0x10_0000).expect("a megabyte"));
    ram.write_u64(0x8000, 0x1234);
    let mut builder = MachineBuilder::new(Arc::clone(&ram), Arc::new(Clock::new(mode)), cores as usize, shared);
    builder.install(&TickerPlugin);
    for id in 0..cores {
        let ram = Arc::clone(&ram);
        builder.add_core(move |_| Box::new(Counting { ram, id, count: 0 }));
    }
    assert!(builder.stateless().is_empty());
    builder.build()
}

/// Runs on until all cores together have retired `instructions` more.
fn run(machine: &mut Machine, instructions: u64) {
    let goal = machine.retired_by_all() + instructions;
    while machine.retired_by_all() < goal {
        machine.tick_at_most(goal - machine.retired_by_all());
    }
}

/// A state without the number of ticks, which tells who looked.
fn guests(machine: &mut Machine) -> State {
    let mut state = machine.save().expect("it can be saved");
    state.parts.retain(|part| part.0 != "statistics");
    state
}

#[test]
fn a_machine_goes_on_from_its_state_as_if_nothing_had_happened() {
    let whole = 5_000_000;
    let mut straight = machine(ClockMode::Deterministic, 3);
    run(&mut straight, whole);
    for first in [1, 17, 999, 4_999, 1_000_003, 3_999_999] {
        let mut before = machine(ClockMode::Deterministic, 3);
        run(&mut before, first);
        let state = Arc::new(before.save().expect("it can be saved"));
        let mut after = machine(ClockMode::Deterministic, 3);
        run(&mut after, 12_345);
        let mut fresh = machine(ClockMode::Deterministic, 3);
        for machine in [&mut fresh, &mut after] {
            machine.load(&state).expect("the same machine");
            assert!(machine.save().expect("again") == *state, "nothing is lost on the way");
            assert_eq!(machine.retired_by_all(), first);
            run(machine, whole - first);
            let (ours, theirs) = (guests(machine), guests(&mut straight));
            assert_eq!(ours.parts, theirs.parts, "from {first} on");
            assert!(ours.ram == theirs.ram, "from {first} on");
        }
    }
}

#[test]
fn other_machines_states_are_refused() {
    let state = |mode, cores| Arc::new(machine(mode, cores).save().expect("it can be saved"));
    let load = |state: &Arc<State>| machine(ClockMode::Deterministic, 3).load(state).map_err(|error| error.to_string());
    assert_eq!(load(&state(ClockMode::Deterministic, 3)), Ok(()));
    assert_eq!(load(&state(ClockMode::Deterministic, 2)).unwrap_err(), "the state is of a machine with 2 cores, this one has 3");
    assert_eq!(
        load(&state(ClockMode::Realtime, 3)).unwrap_err(),
        "the state is of a machine with realtime time, this one has deterministic"
    );
    let changed = |change: &dyn Fn(&mut State)| {
        let mut state = (*state(ClockMode::Deterministic, 3)).clone();
        change(&mut state);
        load(&Arc::new(state)).unwrap_err()
    };
    assert_eq!(changed(&|state| _ = state.parts.pop()), "the state is of another machine: it has 4 parts");
    assert!(changed(&|state| state.parts[4].0 = "RNG".into()).contains("it has RNG where this one has ticker"));
    assert_eq!(changed(&|state| state.parts[4].1.push(0)), "the state is damaged: ticker cannot be read");
    assert_eq!(changed(&|state| _ = state.parts[0].1.pop()), "the state is damaged: engine cannot be read");
    assert_eq!(
        changed(&|state| state.ram.push(0x100, Arc::new([1; 4096])).expect("behind the last")),
        "the state is damaged: RAM cannot be read"
    );
}

#[test]
fn a_realtime_machine_goes_on_from_its_time() {
    let mut before = machine(ClockMode::Realtime, 1);
    before.tick_at_most(1000);
    std::thread::sleep(std::time::Duration::from_millis(5));
    let state = Arc::new(before.save().expect("it can be saved"));
    let saved = before.clock().now();
    std::thread::sleep(std::time::Duration::from_millis(30));
    let mut after = machine(ClockMode::Realtime, 1);
    after.load(&state).expect("the same machine");
    let ahead = after.clock().now().0 as i64 - saved.0 as i64;
    assert!((-5_000_000..25_000_000).contains(&ahead), "{ahead} ns: the time in between was nobody's");
}

#[test]
fn only_pages_with_something_in_them_are_kept() {
    let ram = GuestRam::new(0x10_000).expect("16 pages");
    ram.write_u8(0x2fff, 1);
    ram.write_u8(0xf000, 2);
    ram.write_u8(0x4000, 0);
    let pages = Pages::of(&ram);
    assert_eq!(pages.iter().map(|(number, page)| (number, page[0], page[0xfff])).collect::<Vec<_>>(), [(2, 0, 1), (15, 2, 0)]);
    let other = GuestRam::new(0x10_000).expect("16 pages");
    for full in [false, true] {
        other.fill(0, 0x10_000, if full { 7 } else { 0 });
        pages.load(&other).expect("they fit");
        assert_eq!(Pages::of(&other), pages);
    }
    assert!(pages.load(&GuestRam::new(0x8000).expect("8 pages")).is_err());
}

#[test]
fn states_share_pages_that_stay() {
    let ram = GuestRam::new(0x10_000).expect("16 pages");
    (0..8).for_each(|page| _ = ram.write_u8(page * 0x1000, 1));
    let first = Pages::of(&ram);
    ram.write_u8(0x3000, 2);
    ram.write_u8(0x5000, 0);
    ram.write_u8(0x9000, 1);
    let second = Pages::since(&ram, &first);
    assert_eq!(second, Pages::of(&ram));
    assert_eq!((second.bytes_beside(&first), second.bytes_beside(&Pages::default())), (0x2000, 0x8000));
}

/// What a machine shows of itself at some time.
type Seen = (u64, Vec<(String, Vec<u8>)>, Pages);

#[test]
fn ways_back_begin_at_checkpoints_and_end_where_they_would_without() {
    struct Keeper;
    impl crate::Attendant for Keeper {
        fn begins(&mut self, machine: &mut Machine) {
            machine.keep_history();
        }
    }
    fn seen(machine: &mut Machine) -> Seen {
        let state = guests(machine);
        (machine.retired_by_all(), state.parts, state.ram)
    }
    let (handle, mut starter) = crate::machine::prepare();
    starter.attend(Box::new(Keeper));
    let build = |shared| Ok::<_, StateError>(machine_with(ClockMode::Deterministic, 2, shared));
    let running = starter.start(crate::handle::Limits::default(), build).expect("it is built");
    let control = handle.control.clone();
    let there = loop {
        let hold = |machine: &mut Machine| (machine.retired_by_all() > 400_000_000).then(|| machine.hold()).map(|()| seen(machine));
        match control.ask(hold).expect("it runs") {
            Some(seen) => break seen,
            None => std::thread::sleep(std::time::Duration::from_millis(1)),
        }
    };
    let back = |goal: u64, begin: Begin| {
        let (tell, told) = crossbeam::channel::bounded(1);
        control.ask(move |machine| {
            let done = move |machine: &mut Machine| {
                machine.hold();
                let _ = tell.send((machine.way_began(), seen(machine)));
            };
            machine.rewind(Rewind { goal: Goal::All(goal), begin, halted: Box::new(|_| ()), done: Box::new(done) })
        });
        told.recv_timeout(std::time::Duration::from_secs(60)).expect("it comes back")
    };
    let (began, end) = back(there.0, Begin::Near);
    assert!(began >= 50_000_000 && end.2 == there.2, "from {began}");
    let (near, again) = back(there.0, Begin::Near);
    assert!(near + 2_100_000 >= there.0 && again == end, "from {near}");
    let half = there.0 / 2 + 12_345;
    let (began, middle) = back(half, Begin::Near);
    assert!((1..half).contains(&began), "from {began}");
    let (earlier, again) = back(half, Begin::Before(began));
    assert!(earlier < began && again == middle, "from {earlier}");
    assert_eq!(back(0, Begin::Near).0, 0);
    for (goal, then) in [(half, &middle), (there.0, &end)] {
        let (began, again) = back(goal, Begin::Before(1));
        assert!(began == 0 && again == *then, "from power-on to {goal}");
    }
    control.stop();
    running.join();
}
