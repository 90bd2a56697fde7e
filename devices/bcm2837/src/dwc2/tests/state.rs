//! Sessions that are saved and loaded at every step, into a machine that is new each time; and damaged states.

use super::slave::send_by_fifo;
use super::*;
use std::cell::Cell;

thread_local! {
    /// The test's session moves to a new bench with every register write and every tick.
    static MOVES: Cell<bool> = const { Cell::new(false) };
    static COUNT: Cell<u32> = const { Cell::new(0) };
}

/// A new bench that takes over another one's state.
fn moved(old: &mut Bench) -> Bench {
    let state = old.save();
    let mut new = bench();
    new.load(&state).expect("the same devices");
    assert_eq!(new.save().parts, state.parts, "nothing is lost on the way");
    new
}

/// Goes on at a new bench, if the session moves.
pub(super) fn move_on(bench: &mut Bench) {
    if MOVES.get() {
        *bench = moved(bench);
        COUNT.set(COUNT.get() + 1);
    }
}

/// What a session sees, and what its bench is like at the end: once in one piece, once moving.
fn both<T: PartialEq + std::fmt::Debug>(session: impl Fn() -> (Bench, T)) {
    let (mut straight, seen) = session();
    MOVES.set(true);
    let (mut moving, also_seen) = session();
    MOVES.set(false);
    assert!(COUNT.get() > 20, "it has moved {} times", COUNT.get());
    assert_eq!(seen, also_seen);
    assert_eq!(straight.clock.now(), moving.clock.now());
    assert_eq!(straight.save().parts, moving.save().parts);
    assert_eq!(straight.save().ram, moving.save().ram);
}

#[test]
fn control_and_interrupt_transfers_by_splits_go_on() {
    both(|| {
        let mut bench = ready(true);
        let device = ok(&mut bench, KEYBOARD, request(0x80, 6, 0x100, 0, 18));
        assert_eq!((device.len(), device[0]), (18, 18), "three packets");
        ok(&mut bench, KEYBOARD, request(0x21, 10, 0, 0, 0));
        control(&mut bench, KEYBOARD, request(0x21, 9, 0x200, 0, 1), &[5]).expect("lights");
        // Reports wait, and some of them are asked for.
        for (usage, pressed) in [(4, true), (5, true), (4, false), (5, false)] {
            bench.act(HidEvent::Key { usage, pressed });
        }
        bench.act(HidEvent::Mouse { buttons: 1, dx: 300, dy: -5, wheel: 1 });
        let (mut keys, mut mouse) = (TOGGLE_DATA0, TOGGLE_DATA0);
        let reports: Vec<_> = (0..3).map(|_| poll(&mut bench, KEYBOARD, &mut keys)).collect();
        let ways: Vec<_> = (0..2).map(|_| poll(&mut bench, MOUSE, &mut mouse)).collect();
        assert!(reports.iter().chain(&ways).all(Result::is_ok), "{reports:?} {ways:?}");
        (bench, (device, reports, ways))
    });
}

#[test]
fn a_split_transaction_is_answered_after_the_move() {
    both(|| {
        let mut bench = ready(true);
        bench.act(HidEvent::Key { usage: 4, pressed: true });
        let pipe = Pipe { endpoint: 1, kind: KIND_INTERRUPT, packet: 8, ..Pipe::control(KEYBOARD) };
        write(&mut bench, CHANNEL + HCTSIZ, 8 | 1 << HCTSIZ_PACKETS_SHIFT);
        write(&mut bench, CHANNEL + HCDMA, BUFFER_BUS);
        assert_eq!(go(&mut bench, pipe, true, hcsplt(false)), HCINT_ACK | HCINT_HALTED);
        let ends: Vec<_> = (0..4).map(|_| go(&mut bench, pipe, true, hcsplt(true))).collect();
        assert!(ends.contains(&DONE), "{ends:x?}");
        let report = get(&bench, 8);
        assert_eq!(report[2], 4);
        // A control transaction, whose answer is not there at once.
        put(&bench, &request(0x80, 0, 0, 0, 2));
        write(&mut bench, CHANNEL + HCTSIZ, 8 | 1 << HCTSIZ_PACKETS_SHIFT | TOGGLE_SETUP << HCTSIZ_TOGGLE_SHIFT);
        write(&mut bench, CHANNEL + HCDMA, BUFFER_BUS);
        let setup: Vec<_> =
            [false, true, true, true].map(|complete| go(&mut bench, Pipe::control(KEYBOARD), false, hcsplt(complete))).into();
        assert_eq!(setup[..2], [HCINT_ACK | HCINT_HALTED, HCINT_NYET | HCINT_HALTED], "it is under way");
        assert!(setup.contains(&DONE), "{setup:x?}");
        (bench, (ends, report, setup))
    });
}

#[test]
fn bulk_data_in_flight_and_transactions_that_are_made_again_go_on() {
    both(|| {
        let mut bench = ready(true);
        let bulk = |endpoint| Pipe { endpoint, kind: KIND_BULK, ..Pipe::control(LOOPBACK) };
        let sent: Vec<u8> = (0..200).collect();
        put(&bench, &sent);
        assert_eq!(stage(&mut bench, bulk(2), TOGGLE_DATA0, false, 200), (DONE, 0));
        put(&bench, &[0; 200]);
        let (end, left) = stage(&mut bench, bulk(1), TOGGLE_DATA0, true, 256);
        let came = get(&bench, 256 - left);
        assert_eq!((end, &came), (DONE, &sent), "four packets waited in the device");
        // The hub has nothing to tell: not a periodic pipe, so its NAK is retried for ever.
        let hub = Pipe { endpoint: 1, kind: KIND_BULK, packet: 1, ..Pipe::control(HUB) };
        for port in 2..5 {
            ok(&mut bench, HUB, request(0x23, 1, 20, port, 0));
            ok(&mut bench, HUB, request(0x23, 1, 16, port, 0));
        }
        write(&mut bench, CHANNEL + HCTSIZ, 1 | 1 << HCTSIZ_PACKETS_SHIFT);
        let end = go(&mut bench, hub, true, 0);
        assert_eq!(end & HCINT_HALTED, 0);
        assert!(bench.next_deadline().is_some(), "it is made again");
        (bench, (came, end))
    });
}

#[test]
fn fifos_half_full_go_on() {
    both(|| {
        let mut bench = bench();
        start(&mut bench, false);
        write(&mut bench, GINTMSK, GINT_RX_LEVEL);
        let pipe = Pipe { device: 0, ..Pipe::control(HUB) };
        // Word by word, so that half a SETUP is in the transmit FIFO when it moves.
        assert_eq!(send_by_fifo(&mut bench, pipe, TOGGLE_SETUP, &request(0x80, 6, 0x100, 0, 18)), HCINT_COMPLETE | HCINT_ACK);
        write(&mut bench, CHANNEL + HCTSIZ, 18 | 1 << HCTSIZ_PACKETS_SHIFT | TOGGLE_DATA1 << HCTSIZ_TOGGLE_SHIFT);
        write(&mut bench, CHANNEL + HCCHAR, pipe.character(true) | HCCHAR_ENABLE);
        pass(&mut bench, 200_000);
        let mut seen = vec![u32::from(bench.irq.line(irq::USB).level())];
        assert_eq!(seen, [1]);
        move_on(&mut bench);
        seen.push(read(&bench, GRXSTSP));
        for _ in 0..5 {
            move_on(&mut bench);
            seen.push(read(&bench, 3 * 0x1000));
        }
        assert_eq!(seen[2], 0x0200_0112, "the descriptor's first word");
        move_on(&mut bench);
        seen.push(read(&bench, GRXSTSP));
        // What the guest read up to is noted, but not yet seen to.
        move_on(&mut bench);
        bench.tick();
        seen.push(read(&bench, CHANNEL + HCINT));
        assert_eq!(seen[7..], [RX_COMPLETE << 17 | 2, HCINT_COMPLETE | HCINT_ACK]);
        (bench, seen)
    });
}

/// Something of everything goes on: what a damaged state would break.
fn exercise(bench: &mut Bench) {
    let now = bench.clock.now();
    for register in [HFNUM, GINTSTS, GRXSTSP, GNPTXSTS, HPTXSTS, HAINT, HPRT0] {
        read(bench, register);
    }
    (0..4).for_each(|_| _ = read(bench, 3 * 0x1000));
    let pipe = Pipe::control(KEYBOARD);
    // What waits in the translator goes first. Then a packet from the keyboard, and one to it, each as DATA0 and as DATA1.
    let (start, complete) = (hcsplt(false), hcsplt(true));
    let splits = [(true, complete), (true, start), (true, complete), (false, start), (false, complete), (true, 0), (false, 0)];
    for ((to_host, split), toggle) in [TOGGLE_DATA0, TOGGLE_DATA1].into_iter().flat_map(|toggle| splits.map(|split| (split, toggle))) {
        write(bench, CHANNEL + HCTSIZ, 8 | 1 << HCTSIZ_PACKETS_SHIFT | toggle << HCTSIZ_TOGGLE_SHIFT);
        write(bench, CHANNEL + HCSPLT, split);
        write(bench, CHANNEL + HCCHAR, pipe.character(to_host) | HCCHAR_ENABLE);
        write(bench, 3 * 0x1000, 0x0100_0680);
        bench.tick_at(bench.clock.now().plus(300_000));
    }
    bench.act(HidEvent::Key { usage: 9, pressed: true });
    bench.act(HidEvent::Mouse { buttons: 0, dx: i16::MIN, dy: i16::MAX, wheel: -128 });
    write(bench, GINTMSK, GINT_SOF);
    bench.tick_at(now.plus(20_000_000));
}

/// States with something under way: a control transfer each way, data in both FIFOs.
fn busy_benches() -> Vec<Bench> {
    let half = |setup: [u8; 8], to_host: bool| {
        let mut bench = ready(true);
        put(&bench, &setup);
        assert_eq!(stage(&mut bench, Pipe::control(KEYBOARD), TOGGLE_SETUP, false, 8).0, DONE);
        assert_eq!(stage(&mut bench, Pipe::control(KEYBOARD), TOGGLE_DATA1, to_host, 8).0, DONE);
        bench
    };
    let mut fifo = bench();
    start(&mut fifo, false);
    let pipe = Pipe { device: 0, ..Pipe::control(HUB) };
    send_by_fifo(&mut fifo, pipe, TOGGLE_SETUP, &request(0x80, 6, 0x100, 0, 18));
    write(&mut fifo, CHANNEL + HCTSIZ, 18 | 1 << HCTSIZ_PACKETS_SHIFT | TOGGLE_DATA1 << HCTSIZ_TOGGLE_SHIFT);
    write(&mut fifo, CHANNEL + HCCHAR, pipe.character(true) | HCCHAR_ENABLE);
    pass(&mut fifo, 200_000);
    vec![half(request(0x80, 6, 0x100, 0, 18), true), half(request(0x21, 9, 0x200, 0, 12), false), fifo]
}

/// Bytes of the part that are the core's and the devices', not rings of words: these come first.
const PLAIN: usize = 1_500;

#[test]
fn damaged_states_are_refused_or_do_no_harm() {
    let mut refused = 0;
    for mut busy in busy_benches() {
        let state = busy.save();
        let part = state.parts.iter().position(|part| part.0 == "USB").expect("the part");
        let mut victim = bench();
        for at in (0..state.parts[part].1.len()).filter(|&at| at < PLAIN || at % 97 == 0) {
            for value in [0, 1, 0x7f, u64::from(u32::MAX), u64::MAX] {
                let mut damaged = state.clone();
                let Some(bytes) = crate::damage::replaced(&damaged.parts[part].1, at, value) else { continue };
                damaged.parts[part].1 = bytes;
                match victim.load(&damaged) {
                    Ok(()) => exercise(&mut victim),
                    Err(_) => refused += 1,
                }
            }
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn a_machine_without_keyboard_refuses_the_state_of_one_that_has_one() {
    let state = ready(true).save();
    let mut without = Bench::new(RAM, 1, |machine| _ = machine.install(&UsbPlugin { has_input: false }));
    let error = without.load(&state).expect_err("another machine").to_string();
    assert_eq!(error, "the state is of a machine with 2 USB keyboards and mice, this one has 0");
}
