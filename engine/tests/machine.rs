//! A machine of scripted processors: scheduling, time, serial lines, limits, resets and a frontend, with no real device.

use crossbeam::channel::RecvTimeoutError;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tayberry_engine::builder::MachineBuilder;
use tayberry_engine::cpu::{Processor, Slice, SliceEnd};
use tayberry_engine::handle::{Beat, ExitReason, Limits, MachineEvent, MachineHandle, Shared};
use tayberry_engine::history::{Begin, Goal, Rewind};
use tayberry_engine::machine::{Machine, Running, Starter, prepare};
use tayberry_engine::power::PowerRequest;
use tayberry_engine::{Attendant, Clock, ClockMode, Deadline, GuestRam, GuestTime, Phase};

/// A processor made of two closures.
struct Scripted<R, W>(R, W);

impl<R, W> Processor for Scripted<R, W>
where
    R: FnMut(u64) -> Slice + Send + Sync + 'static,
    W: FnMut() -> bool + Send + Sync + 'static,
{
    fn run(&mut self, budget: u64) -> Slice {
        (self.0)(budget)
    }
    fn wakes(&mut self) -> bool {
        (self.1)()
    }
    fn inspect(&self, _: &mut dyn FnMut(&'static str, usize, u64)) {}
    fn pass(&mut self, archive: &mut tayberry_engine::Archive<'_>) {
        archive.fail("what a script keeps to itself cannot be saved".into());
    }
}

fn spent(retired: u64) -> Slice {
    Slice { retired, end: SliceEnd::Spent }
}

fn asleep() -> Slice {
    Slice { retired: 1, end: SliceEnd::Wait { poll: false } }
}

fn start(mode: ClockMode, limits: Limits, board: impl FnMut(&mut MachineBuilder) + Send + 'static) -> (MachineHandle, Running) {
    let (handle, starter) = prepare();
    (handle, start_prepared(starter, mode, limits, board))
}

/// Starts a machine that a frontend may have been connected to.
fn start_prepared(
    starter: Starter,
    mode: ClockMode,
    limits: Limits,
    mut board: impl FnMut(&mut MachineBuilder) + Send + 'static,
) -> Running {
    let build = move |shared: Arc<Shared>| -> Result<Machine, Infallible> {
        let ram = Arc::new(GuestRam::new(0x1000).expect("a page of RAM"));
        let mut builder = MachineBuilder::new(ram, Arc::new(Clock::new(mode)), 4, shared);
        board(&mut builder);
        Ok(builder.build())
    };
    starter.start(limits, build).unwrap_or_else(|never| match never {})
}

/// One core that never waits.
fn busy(machine: &mut MachineBuilder) {
    machine.add_core(|_| Box::new(Scripted(spent, || false)));
}

#[test]
fn deterministic_instruction_limits_are_exact() {
    let limits = Limits { max_instructions: Some(1_000_003), ..Limits::default() };
    let (handle, running) = start(ClockMode::Deterministic, limits, |machine| {
        machine.add_core(|_| Box::new(Scripted(spent, || false)));
        machine.add_core(|_| Box::new(Scripted(spent, || false)));
    });
    assert_eq!(running.join(), ExitReason::MaxInstructions);
    assert_eq!(handle.stats.total_instructions(), 1_000_003);
    let (a, b) = (handle.stats.instructions[0].get(), handle.stats.instructions[1].get());
    assert!(a.abs_diff(b) <= 5_000, "the cores' times stay together: {a} {b}");
    assert_eq!(handle.events.try_iter().last(), Some(MachineEvent::Exited(ExitReason::MaxInstructions)));
}

#[test]
fn idle_deterministic_time_jumps_to_the_deadline() {
    let (handle, running) = start(ClockMode::Deterministic, Limits::default(), |machine| {
        let deadline: Deadline = machine.deadline();
        let clock = machine.clock();
        let power = machine.power();
        deadline.set(Some(tayberry_engine::GuestTime(3_600_000_000_000)));
        machine.add_core(move |_| {
            let wakes = move || clock.core_now(0, 0).0 >= 3_600_000_000_000;
            let mut first = true;
            let run = move |_| {
                if !std::mem::take(&mut first) {
                    power.request(PowerRequest::Off);
                }
                asleep()
            };
            Box::new(Scripted(run, wakes))
        });
    });
    assert_eq!(running.join(), ExitReason::PowerOff);
    assert_eq!(handle.stats.guest_ns.get() / 1_000_000_000, 3_600, "an hour of guest time");
}

#[test]
fn serial_bytes_flow_both_ways_and_until_ends_the_run() {
    for mode in [ClockMode::Realtime, ClockMode::Deterministic] {
        let limits = Limits { until: Some(b"pong".to_vec()), timeout: Some(Duration::from_secs(20)), ..Limits::default() };
        let (handle, running) = start(mode, limits, |machine| {
            let wire = machine.serial_wire(0);
            machine.add_core(move |_| {
                let listen = wire.clone();
                let run = move |_| {
                    while let Some(byte) = wire.receive() {
                        wire.send(if byte == b'i' { b'o' } else { byte });
                    }
                    asleep()
                };
                Box::new(Scripted(run, move || listen.has_input()))
            });
        });
        handle.control.type_serial(0, *b"-ping-");
        assert_eq!(running.join(), ExitReason::Until);
        assert_eq!(handle.serial[0].try_iter().flatten().collect::<Vec<_>>(), b"-pong", "bytes after the text are cut off");
    }
}

#[test]
fn a_machine_whose_cores_are_lost_ends_and_says_why() {
    let (_, running) = start(ClockMode::Realtime, Limits::default(), |machine| {
        machine.add_core(|_| Box::new(Scripted(|_| Slice { retired: 0, end: SliceEnd::Lost("nowhere to go".into()) }, || false)));
        machine.add_core(|_| Box::new(Scripted(|_| asleep(), || false)));
    });
    assert_eq!(running.join(), ExitReason::Lost("core 0: nowhere to go".into()));
}

#[test]
fn lost_cores_end_the_run_whatever_timers_tick_unless_a_watchdog_runs() {
    let lost = |_| Slice { retired: 1, end: SliceEnd::Lost("nowhere to go".into()) };
    for mode in [ClockMode::Realtime, ClockMode::Deterministic] {
        let limits = || Limits { timeout: Some(Duration::from_secs(20)), ..Limits::default() };
        let (_, running) = start(mode, limits(), move |machine| {
            machine.deadline().set(Some(GuestTime(1 << 60)));
            machine.add_core(move |_| Box::new(Scripted(lost, || false)));
        });
        assert_eq!(running.join(), ExitReason::Lost("core 0: nowhere to go".into()));
        let (_, running) = start(mode, limits(), move |machine| {
            let (power, clock, deadline) = (machine.power(), machine.clock(), machine.deadline());
            deadline.set(Some(GuestTime(100_000_000)));
            power.set_watchdog(deadline.clone());
            machine.add_systems(Phase::Signal, move || {
                if deadline.take_due(clock.now(), |_| None).is_some() {
                    power.request(PowerRequest::Off);
                }
            });
            machine.add_core(move |_| Box::new(Scripted(lost, || false)));
        });
        assert_eq!(running.join(), ExitReason::PowerOff);
    }
}

#[test]
fn resets_build_a_new_machine_behind_the_same_handle() {
    let cycles = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&cycles);
    let (handle, running) = start(ClockMode::Realtime, Limits::default(), move |machine| {
        let cycle = counter.fetch_add(1, Ordering::Relaxed);
        let power = machine.power();
        machine.add_core(move |_| {
            let run = move |_| {
                power.request(if cycle < 3 { PowerRequest::Reset } else { PowerRequest::Exit(7) });
                asleep()
            };
            Box::new(Scripted(run, || false))
        });
    });
    assert_eq!(running.join(), ExitReason::GuestExit(7));
    assert_eq!(cycles.load(Ordering::Relaxed), 4);
    assert_eq!(handle.events.try_iter().filter(|event| *event == MachineEvent::Reset).count(), 3);
    assert!(handle.has_ended());
}

#[test]
fn guest_time_runs_on_over_resets() {
    let mut cycle = 0;
    let (handle, running) = start(ClockMode::Deterministic, Limits::default(), move |machine| {
        cycle += 1;
        let (power, request) = (machine.power(), if cycle < 3 { PowerRequest::Reset } else { PowerRequest::Exit(0) });
        machine.add_core(move |_| {
            let mut left = 5_000_000u64;
            let run = move |budget: u64| {
                left = left.saturating_sub(budget);
                if left == 0 {
                    power.request(request);
                }
                spent(budget)
            };
            Box::new(Scripted(run, || false))
        });
    });
    assert_eq!(running.join(), ExitReason::GuestExit(0));
    let (instructions, guest_ns) = (handle.stats.total_instructions(), handle.stats.guest_ns.get());
    assert!(instructions >= 15_000_000 && guest_ns.abs_diff(instructions) <= 3, "{instructions} instructions took {guest_ns} ns");
}

#[test]
fn a_core_that_prints_without_end_waits_for_its_reader_and_loses_nothing() {
    let limits = || Limits { max_instructions: Some(3_000), timeout: Some(Duration::from_secs(20)), ..Limits::default() };
    let board = |machine: &mut MachineBuilder| {
        let (wire, mut next) = (machine.serial_wire(1), 0u8);
        let run = move |_| {
            for _ in 0..1000 {
                next = next.wrapping_add(1);
                wire.send(next);
            }
            spent(1)
        };
        machine.add_core(move |_| Box::new(Scripted(run, || false)));
    };
    for mode in [ClockMode::Realtime, ClockMode::Deterministic] {
        let (handle, running) = start(mode, limits(), board);
        std::thread::sleep(Duration::from_millis(200));
        let printed = handle.stats.total_instructions() * 1000;
        assert!((100_000..1_000_000).contains(&printed), "it pauses: {printed}");
        assert_eq!(handle.stats.total_instructions() * 1000, printed);
        let mut expected = 0u8;
        let mut total = 0;
        while !(handle.has_ended() && handle.serial[1].is_empty()) {
            for byte in handle.serial[1].recv_timeout(Duration::from_millis(10)).into_iter().flatten() {
                expected = expected.wrapping_add(1);
                assert_eq!(byte, expected);
                total += 1;
            }
        }
        assert_eq!((running.join(), total), (ExitReason::MaxInstructions, 3_000_000));
        // Requests are heard while nobody reads.
        let (handle, running) = start(mode, Limits { timeout: Some(Duration::from_secs(20)), ..Limits::default() }, board);
        std::thread::sleep(Duration::from_millis(50));
        handle.control.stop();
        assert_eq!(running.join(), ExitReason::Stopped);
        let (handle, running) = start(mode, Limits { timeout: Some(Duration::from_millis(50)), ..Limits::default() }, board);
        assert_eq!(running.join(), ExitReason::Timeout);
        drop(handle);
    }
}

#[test]
fn typing_without_end_is_held_up_until_the_guest_reads() {
    let (handle, running) = start(ClockMode::Realtime, Limits::default(), |machine| {
        machine.add_core(|_| Box::new(Scripted(|_| asleep(), || false)));
    });
    let mut sent = 0;
    for _ in 0..1000 {
        if handle.control.is_input_full() {
            std::thread::sleep(Duration::from_millis(1));
        } else {
            handle.control.type_serial(0, vec![b'x'; 4096]);
            sent += 4096;
        }
    }
    assert!((65_536..400_000).contains(&sent), "{sent} bytes for a guest that reads nothing");
    handle.control.stop();
    running.join();
}

#[test]
fn a_machine_in_step_with_a_frontend_that_hangs_can_be_stopped() {
    let (handle, starter) = prepare();
    let frames = handle.frame_clock();
    let running = start_prepared(starter, ClockMode::Deterministic, Limits::default(), busy);
    frames.vsync.recv_timeout(Duration::from_secs(20)).expect("a vertical sync");
    handle.control.stop();
    assert_eq!(running.join(), ExitReason::Stopped);
    drop(frames);
}

#[test]
fn pause_stops_instructions_and_time() {
    let (handle, running) = start(ClockMode::Realtime, Limits::default(), |machine| {
        machine.add_core(|_| Box::new(Scripted(spent, || false)));
    });
    handle.control.set_paused(true);
    std::thread::sleep(Duration::from_millis(30));
    let before = handle.stats.total_instructions();
    std::thread::sleep(Duration::from_millis(60));
    assert_eq!(handle.stats.total_instructions(), before);
    handle.control.set_paused(false);
    std::thread::sleep(Duration::from_millis(60));
    assert!(handle.stats.total_instructions() > before);
    handle.control.stop();
    assert_eq!(running.join(), ExitReason::Stopped);
}

#[test]
fn a_frontend_in_step_sees_every_vertical_sync_once() {
    let (handle, starter) = prepare();
    let frames = handle.frame_clock();
    let limits = Limits { max_instructions: Some(100_000_000), ..Limits::default() };
    let running = start_prepared(starter, ClockMode::Deterministic, limits, busy);
    let mut times = Vec::new();
    loop {
        match frames.vsync.recv_timeout(Duration::from_secs(20)) {
            Ok(vsync) => times.push(vsync.guest_ns),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => panic!("no vertical sync"),
        }
        frames.done();
    }
    assert_eq!(running.join(), ExitReason::MaxInstructions);
    assert_eq!(times, (1..=5).map(|n| n * 16_666_667).collect::<Vec<_>>());
}

#[test]
fn a_frontend_in_step_may_ask_for_a_rate() {
    let (handle, starter) = prepare();
    let frames = handle.frame_clock_at(Beat::Every(Duration::from_millis(40)));
    let limits = Limits { max_instructions: Some(100_000_001), ..Limits::default() };
    let running = start_prepared(starter, ClockMode::Deterministic, limits, busy);
    let mut times = Vec::new();
    while let Ok(vsync) = frames.vsync.recv_timeout(Duration::from_secs(20)) {
        times.push(vsync.guest_ns);
        frames.done();
    }
    assert_eq!(running.join(), ExitReason::MaxInstructions);
    assert_eq!(times, [40_000_000, 80_000_000]);
}

#[test]
fn every_publication_waits_for_a_frontend_that_asks_for_it() {
    use tayberry_engine::display::Display;
    for mode in [ClockMode::Deterministic, ClockMode::Realtime] {
        let (handle, starter) = prepare();
        let frames = handle.frame_clock_at(Beat::Publication);
        let limits = Limits { max_instructions: Some(2_000_000), ..Limits::default() };
        let publish = |display: &Display| _ = display.lose_signal();
        let running = start_prepared(starter, mode, limits, move |machine| {
            busy(machine);
            let display = machine.display();
            // Several in a tick.
            machine.add_systems(Phase::Service, move || (0..3).for_each(|_| publish(&display)));
        });
        let ended = handle.events.clone();
        let mut seen = Vec::new();
        loop {
            crossbeam::channel::select! {
                recv(frames.vsync) -> vsync => {
                    vsync.expect("its machine is there");
                    seen.push(handle.display.generation());
                    std::thread::sleep(Duration::from_micros(100));
                    frames.done();
                }
                recv(ended) -> _ => break,
                default(Duration::from_secs(20)) => panic!("no end"),
            }
        }
        running.join();
        assert!(seen.len() >= 3, "{mode:?}");
        assert_eq!(seen, (1..=handle.display.generation()).collect::<Vec<_>>(), "{mode:?}: each once, and the machine waited");
    }
}

#[test]
fn a_machine_whose_frontend_hangs_at_a_publication_can_be_stopped() {
    let (handle, starter) = prepare();
    let frames = handle.frame_clock_at(Beat::Publication);
    let running = start_prepared(starter, ClockMode::Realtime, Limits::default(), |machine| {
        busy(machine);
        let display = machine.display();
        machine.add_systems(Phase::Service, move || _ = display.lose_signal());
    });
    frames.vsync.recv_timeout(Duration::from_secs(20)).expect("a publication");
    handle.control.stop();
    assert_eq!(running.join(), ExitReason::Stopped);
    // Late answers wait for nobody.
    (0..3).for_each(|_| frames.done());
}

#[test]
fn an_idle_machine_costs_next_to_nothing() {
    let (handle, running) = start(ClockMode::Realtime, Limits::default(), |machine| {
        for _ in 0..4 {
            machine.add_core(|_| Box::new(Scripted(|_| asleep(), || false)));
        }
    });
    std::thread::sleep(Duration::from_millis(500));
    let ticks = handle.stats.ticks.get();
    handle.control.stop();
    running.join();
    assert!(ticks < 40, "{ticks} ticks in half a second");
}

#[test]
fn an_instruction_limit_ends_a_machine_that_sleeps_for_good() {
    for mode in [ClockMode::Realtime, ClockMode::Deterministic] {
        let limits = Limits { max_instructions: Some(1_000), timeout: Some(Duration::from_secs(20)), ..Limits::default() };
        let (handle, running) = start(mode, limits, |machine| {
            machine.add_core(|_| Box::new(Scripted(|_| asleep(), || false)));
        });
        assert_eq!(running.join(), ExitReason::MaxInstructions);
        assert_eq!(handle.stats.total_instructions(), 1);
    }
}

/// Works for a while at first and whenever its bell rings, then sleeps; counts how often it is asked to trim.
struct Sleeper {
    work: Arc<AtomicU64>,
    trimmed: Arc<AtomicU64>,
}

impl Processor for Sleeper {
    fn run(&mut self, budget: u64) -> Slice {
        match self.work.load(Ordering::Relaxed) {
            0 => asleep(),
            left => {
                self.work.store(left - left.min(budget), Ordering::Relaxed);
                spent(budget)
            }
        }
    }
    fn wakes(&mut self) -> bool {
        self.work.load(Ordering::Relaxed) > 0
    }
    fn inspect(&self, _: &mut dyn FnMut(&'static str, usize, u64)) {}
    fn pass(&mut self, archive: &mut tayberry_engine::Archive<'_>) {
        archive.fail("what a script keeps to itself cannot be saved".into());
    }
    fn trim(&mut self) {
        self.trimmed.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn an_idle_machine_gives_memory_back_once_and_again_after_work() {
    let (work, trimmed) = (Arc::new(AtomicU64::new(50_000_000)), Arc::new(AtomicU64::new(0)));
    let (core_work, core_trimmed) = (Arc::clone(&work), Arc::clone(&trimmed));
    let (handle, running) = start(ClockMode::Realtime, Limits::default(), move |machine| {
        let (work, trimmed) = (Arc::clone(&core_work), Arc::clone(&core_trimmed));
        machine.add_core(move |_| Box::new(Sleeper { work, trimmed }));
    });
    for times in 1..=2 {
        let started = std::time::Instant::now();
        while trimmed.load(Ordering::Relaxed) < times {
            assert!(started.elapsed() < Duration::from_secs(60), "it is never trimmed");
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(2_500));
        assert_eq!(trimmed.load(Ordering::Relaxed), times, "once an idle time");
        work.store(50_000_000, Ordering::Relaxed);
        handle.control.type_serial(0, *b"wake up");
    }
    handle.control.stop();
    running.join();
}

/// Tells what happens to a machine.
struct Witness(crossbeam::channel::Sender<String>);

impl Attendant for Witness {
    fn begins(&mut self, machine: &mut Machine) {
        let _ = self.0.send(format!("begins, held: {}", machine.is_held()));
    }
    fn halted(&mut self, machine: &mut Machine) {
        let mut cores = 0;
        machine.each_core(&mut |_, _| cores += 1);
        let _ = self.0.send(format!("halted, held: {}, {cores} cores", machine.is_held()));
    }
    fn ends(&mut self, _: &mut Machine, reason: &ExitReason) {
        let _ = self.0.send(format!("ends: {}", reason.word()));
    }
}

#[test]
fn visits_come_between_ticks_also_while_the_machine_is_held_and_never_after_its_end() {
    let (handle, running) = start(ClockMode::Realtime, Limits::default(), |machine| {
        machine.add_core(|_| Box::new(Scripted(spent, || false)));
    });
    let control = handle.control.clone();
    assert_eq!(control.ask(|machine| machine.is_held()), Some(false));
    let held_at = control.ask(|machine| {
        machine.hold();
        machine.clock().now()
    });
    let retired = handle.stats.total_instructions();
    std::thread::sleep(Duration::from_millis(120));
    let now = control.ask(|machine| machine.clock().now());
    assert_eq!(handle.stats.total_instructions(), retired, "a machine that is held retires nothing");
    let passed = now.map(|now| now.0).unwrap_or_default() - held_at.map(|at| at.0).unwrap_or_default();
    assert!(passed < 60_000_000, "its time stands still: {passed} ns");
    control.ask(Machine::release);
    while handle.stats.total_instructions() == retired {
        std::thread::yield_now();
    }
    control.stop();
    running.join();
    assert_eq!(control.ask(|_| ()), None);
}

#[test]
fn attendants_see_beginnings_halts_and_the_end() {
    let (handle, mut starter) = prepare();
    let (tell, told) = crossbeam::channel::unbounded();
    starter.attend(Box::new(Witness(tell)));
    let running = start_prepared(starter, ClockMode::Deterministic, Limits::default(), |machine| {
        let mut slices = 0;
        let run = move |budget: u64| {
            slices += 1;
            if slices == 3 { Slice { retired: 7, end: SliceEnd::Debug(Box::new(SliceEnd::Spent)) } } else { spent(budget) }
        };
        machine.add_core(move |_| Box::new(Scripted(run, || false)));
    });
    let next = || told.recv_timeout(Duration::from_secs(10));
    assert_eq!(next().as_deref(), Ok("begins, held: false"));
    assert_eq!(next().as_deref(), Ok("halted, held: true, 1 cores"));
    handle.control.reset();
    assert_eq!(next().as_deref(), Ok("begins, held: false"));
    assert_eq!(next().as_deref(), Ok("halted, held: true, 1 cores"));
    handle.control.stop();
    assert_eq!(next().as_deref(), Ok("ends: stopped"));
    running.join();
}

#[test]
fn a_deterministic_slice_that_a_debugger_stops_is_taken_up_where_it_was() {
    // Two cores; the first is stopped in every slice once. Which core runs when, and its time, are as without that.
    let order = |stops: bool| {
        let (handle, mut starter) = prepare();
        struct Releases;
        impl Attendant for Releases {
            fn halted(&mut self, machine: &mut Machine) {
                machine.release();
            }
        }
        starter.attend(Box::new(Releases));
        let (tell, told) = crossbeam::channel::unbounded();
        let limits = Limits { max_instructions: Some(200_000), ..Limits::default() };
        let running = start_prepared(starter, ClockMode::Deterministic, limits, move |machine| {
            for core in 0..2 {
                let (tell, clock) = (tell.clone(), machine.clock());
                let mut begun = false;
                let run = move |budget: u64| {
                    let at = clock.core_now(core, 0).0;
                    begun = !begun;
                    let stop = stops && core == 0 && begun && budget > 10;
                    let retired = if stop { 10 } else { budget };
                    begun &= stop;
                    let _ = tell.send((core, at, retired));
                    Slice { retired, end: if stop { SliceEnd::Debug(Box::new(SliceEnd::Spent)) } else { SliceEnd::Spent } }
                };
                machine.add_core(move |_| Box::new(Scripted(run, || false)));
            }
        });
        running.join();
        assert_eq!(handle.stats.total_instructions(), 200_000);
        let mut order: Vec<(usize, u64, u64)> = Vec::new();
        for (core, at, retired) in told.try_iter() {
            match order.last_mut() {
                Some(last) if last.0 == core && last.1 + last.2 == at => last.2 += retired,
                _ => order.push((core, at, retired)),
            }
        }
        order
    };
    assert_eq!(order(true), order(false));
}

#[test]
fn a_rewound_machine_is_where_it_was_and_goes_on_as_it_did() {
    // Two cores that mix what is typed and the time into a sum; the first prints it now and then.
    let mut starter = prepare();
    struct Keeper;
    impl Attendant for Keeper {
        fn begins(&mut self, machine: &mut Machine) {
            machine.keep_history();
        }
    }
    starter.1.attend(Box::new(Keeper));
    let (handle, starter) = starter;
    let sums = Arc::new([const { AtomicU64::new(0) }; 2]);
    let shown = Arc::clone(&sums);
    let running = start_prepared(starter, ClockMode::Deterministic, Limits::default(), move |machine| {
        for core in 0..2 {
            let (wire, clock, sums) = (machine.serial_wire(0), machine.clock(), Arc::clone(&sums));
            sums[core].store(1, Ordering::Relaxed);
            let run = move |budget: u64| {
                let mut sum = sums[core].load(Ordering::Relaxed);
                for n in 0..budget {
                    sum = sum.wrapping_mul(31).wrapping_add(clock.core_now(core, n).0);
                    if clock.core_now(core, n).0 % 1000 == 0 {
                        sum += wire.receive().map_or(0, u64::from);
                        if core == 0 {
                            wire.send((sum >> 8) as u8);
                        }
                    }
                }
                sums[core].store(sum, Ordering::Relaxed);
                spent(budget)
            };
            machine.add_core(move |_| Box::new(Scripted(run, || false)));
        }
    });
    let state = {
        let shown = Arc::clone(&shown);
        move || [0, 1].map(|core: usize| shown[core].load(Ordering::Relaxed))
    };
    let control = handle.control.clone();
    control.type_serial(0, "first");
    std::thread::sleep(Duration::from_millis(20));
    control.type_serial(0, "second");
    std::thread::sleep(Duration::from_millis(20));
    let now = {
        let state = state.clone();
        control.ask(move |machine| {
            machine.hold();
            (machine.retired_by_all(), machine.retired(1), state(), machine.clock().now())
        })
    };
    let (all, second, sums, at) = now.expect("it runs");
    let printed = |handle: &MachineHandle| handle.serial[0].try_iter().flatten().collect::<Vec<u8>>();
    let first_time = printed(&handle);
    assert!(all > 10_000 && !first_time.is_empty());
    let back = |goal: Goal| {
        let (tell, told) = crossbeam::channel::bounded(1);
        let state = state.clone();
        control.ask(move |machine| {
            let done = move |machine: &mut Machine| {
                machine.hold();
                let _ = tell.send((machine.retired_by_all(), machine.retired(1), state(), machine.clock().now()));
            };
            machine.rewind(Rewind { goal, begin: Begin::Near, halted: Box::new(|_| ()), done: Box::new(done) })
        });
        told.recv_timeout(Duration::from_secs(20)).expect("it comes back")
    };
    assert_eq!(back(Goal::All(all / 3)).0, all / 3);
    assert_eq!(back(Goal::Core { core: 1, retired: second / 2 + 7 }).1, second / 2 + 7);
    assert_eq!(back(Goal::All(0)).0, 0);
    assert_eq!(back(Goal::All(all)), (all, second, sums, at));
    // What was held back came with the first way back; nothing is printed twice.
    printed(&handle);
    assert_eq!(back(Goal::All(all)), (all, second, sums, at));
    assert!(printed(&handle).is_empty());
    control.stop();
    running.join();
}
