//! Drivers by hand: registers as a guest has them, on the board's bus with a keyboard, a mouse and (for bulk endpoints) a device that returns what it gets.

mod slave;

use super::registers::*;
use super::*;
use crate::usb::hub::PORTS;
use proptest::prelude::*;
use tayberry_engine::HidEvent;
use tayberry_engine::bench::Bench;
use tayberry_engine::builder::Ram;

mod state;

const RAM: u64 = 0x1_0000;
/// Where data of transfers lie, and how the bus calls that: by the alias that drivers use.
const BUFFER: u64 = 0x8000;
const BUFFER_BUS: u32 = 0xc000_8000;
const KIND_CONTROL: u32 = 0;
const KIND_BULK: u32 = 2;
const HUB: u32 = 1;
const KEYBOARD: u32 = 2;
const MOUSE: u32 = 3;
const LOOPBACK: u32 = 4;

fn at(register: u32) -> u64 {
    BASE + u64::from(register)
}

fn bench() -> Bench {
    Bench::new(RAM, 1, |machine| _ = machine.install(&UsbPlugin { has_input: true }))
}

fn write(bench: &mut Bench, register: u32, value: u32) {
    state::move_on(bench);
    bench.write(at(register), value);
    bench.tick();
}

fn read(bench: &Bench, register: u32) -> u32 {
    bench.read(at(register))
}

fn pass(bench: &mut Bench, ns: u64) {
    let end = bench.clock.now().plus(ns);
    while let Some(next) = bench.next_deadline().filter(|&next| next <= end) {
        bench.tick_at(next.max(bench.clock.now()));
        state::move_on(bench);
    }
    bench.tick_at(end);
}

/// The port's register without the bits that writing 1 would clear.
fn port(bench: &Bench) -> u32 {
    read(bench, HPRT0) & !(HPRT0_CHANGES | HPRT0_ENABLE)
}

fn start(bench: &mut Bench, dma: bool) {
    write(bench, GAHBCFG, GAHBCFG_GLBL_INTR | if dma { GAHBCFG_DMA } else { 0 });
    write(bench, HPRT0, HPRT0_POWER);
    write(bench, HPRT0, HPRT0_POWER | HPRT0_RESET);
    pass(bench, 50_000_000);
    write(bench, HPRT0, HPRT0_POWER);
    let value = port(bench);
    write(bench, HPRT0, value | HPRT0_CHANGES);
}

/// An endpoint as a driver knows it.
#[derive(Clone, Copy)]
struct Pipe {
    device: u32,
    endpoint: u32,
    kind: u32,
    packet: u32,
    low: bool,
    split: bool,
}

impl Pipe {
    fn control(device: u32) -> Self {
        let packet = if device == HUB || device == LOOPBACK { 64 } else { 8 };
        Self { device, endpoint: 0, kind: KIND_CONTROL, packet, low: device == KEYBOARD, split: device != HUB }
    }

    fn character(&self, to_host: bool) -> u32 {
        let low = if self.low { HCCHAR_LOW_SPEED } else { 0 };
        let way = if to_host { HCCHAR_IN } else { 0 };
        self.packet
            | self.endpoint << HCCHAR_ENDPOINT_SHIFT
            | way
            | low
            | self.kind << HCCHAR_KIND_SHIFT
            | self.device << HCCHAR_DEVICE_SHIFT
    }
}

const CHANNEL: u32 = CHANNELS + 2 * CHANNEL_BYTES;

/// Starts the channel and waits until it halts, or nothing goes on. What HCINT says.
fn go(bench: &mut Bench, pipe: Pipe, to_host: bool, split: u32) -> u32 {
    write(bench, CHANNEL + HCINT, !0);
    write(bench, CHANNEL + HCSPLT, split);
    write(bench, CHANNEL + HCCHAR, pipe.character(to_host) | HCCHAR_ENABLE);
    for _ in 0..20 {
        if read(bench, CHANNEL + HCINT) & HCINT_HALTED != 0 {
            break;
        }
        pass(bench, 50_000);
    }
    read(bench, CHANNEL + HCINT)
}

fn hcsplt(complete: bool) -> u32 {
    HCSPLT_ENABLE | HUB << HCSPLT_HUB_SHIFT | 2 | if complete { HCSPLT_COMPLETE } else { 0 }
}

/// A stage of a transfer by DMA, with splits by hand. How it ended, and the bytes that are left.
fn stage(bench: &mut Bench, pipe: Pipe, toggle: u32, to_host: bool, length: u32) -> (u32, u32) {
    let packets = length.div_ceil(pipe.packet).max(1);
    write(bench, CHANNEL + HCTSIZ, length | packets << HCTSIZ_PACKETS_SHIFT | toggle << HCTSIZ_TOGGLE_SHIFT);
    write(bench, CHANNEL + HCDMA, BUFFER_BUS);
    loop {
        let mut end = go(bench, pipe, to_host, if pipe.split { hcsplt(false) } else { 0 });
        if pipe.split {
            if end != HCINT_ACK | HCINT_HALTED {
                return (end, read(bench, CHANNEL + HCTSIZ) & HCTSIZ_BYTES);
            }
            end = (0..10)
                .map(|_| go(bench, pipe, to_host, hcsplt(true)))
                .find(|&end| end != HCINT_NYET | HCINT_HALTED)
                .expect("the translator gets done");
        }
        if end != HCINT_ACK | HCINT_HALTED {
            return (end, read(bench, CHANNEL + HCTSIZ) & HCTSIZ_BYTES);
        }
    }
}

const DONE: u32 = HCINT_COMPLETE | HCINT_HALTED | HCINT_ACK;

fn put(bench: &Bench, bytes: &[u8]) {
    bench.world.resource::<Ram>().0.copy_in(BUFFER, bytes).expect("in RAM");
}

fn get(bench: &Bench, length: u32) -> Vec<u8> {
    let mut bytes = vec![0; length as usize];
    bench.world.resource::<Ram>().0.copy_out(BUFFER, &mut bytes).expect("in RAM");
    bytes
}

/// A control transfer. What came, or how it failed.
fn control(bench: &mut Bench, device: u32, setup: [u8; 8], data: &[u8]) -> Result<Vec<u8>, u32> {
    let pipe = Pipe::control(device);
    let (to_host, length) = (setup[0] & 0x80 != 0, u32::from(u16::from_le_bytes([setup[6], setup[7]])));
    put(bench, &setup);
    let (end, _) = stage(bench, pipe, TOGGLE_SETUP, false, 8);
    if end != DONE {
        return Err(end);
    }
    let mut came = Vec::new();
    if length > 0 {
        put(bench, data);
        let (end, left) = stage(bench, pipe, TOGGLE_DATA1, to_host, length);
        if end != DONE {
            return Err(end);
        }
        if to_host {
            came = get(bench, length - left);
        }
    }
    let (end, _) = stage(bench, pipe, TOGGLE_DATA1, length == 0 || !to_host, 0);
    if end == DONE { Ok(came) } else { Err(end) }
}

fn request(kind: u8, request: u8, value: u16, index: u16, length: u16) -> [u8; 8] {
    let ([v0, v1], [i0, i1], [l0, l1]) = (value.to_le_bytes(), index.to_le_bytes(), length.to_le_bytes());
    [kind, request, v0, v1, i0, i1, l0, l1]
}

fn ok(bench: &mut Bench, device: u32, setup: [u8; 8]) -> Vec<u8> {
    control(bench, device, setup, &[]).unwrap_or_else(|end| panic!("{setup:02x?}: {end:#x}"))
}

fn open_port(bench: &mut Bench, port: u16) {
    ok(bench, HUB, request(0x23, 3, 8, port, 0));
    ok(bench, HUB, request(0x23, 3, 4, port, 0));
    pass(bench, 20_000_000);
}

/// Enumerates the hub, the keyboard, the mouse and the loopback device.
fn enumerate(bench: &mut Bench) {
    let hub_at_0 = Pipe { device: 0, ..Pipe::control(HUB) };
    put(bench, &request(0, 5, HUB as u16, 0, 0));
    assert_eq!(stage(bench, hub_at_0, TOGGLE_SETUP, false, 8).0, DONE);
    assert_eq!(stage(bench, hub_at_0, TOGGLE_DATA1, true, 0).0, DONE);
    ok(bench, HUB, request(0, 9, 1, 0, 0));
    for (port, device) in [(2, KEYBOARD), (3, MOUSE), (4, LOOPBACK)] {
        open_port(bench, port);
        let at_0 = Pipe { device: 0, ..Pipe::control(device) };
        put(bench, &request(0, 5, device as u16, 0, 0));
        assert_eq!(stage(bench, at_0, TOGGLE_SETUP, false, 8).0, DONE);
        assert_eq!(stage(bench, at_0, TOGGLE_DATA1, true, 0).0, DONE);
        ok(bench, device, request(0, 9, 1, 0, 0));
    }
}

fn ready(dma: bool) -> Bench {
    let mut bench = bench();
    start(&mut bench, dma);
    enumerate(&mut bench);
    bench
}

/// Asks the interrupt endpoint of `device` once.
fn poll(bench: &mut Bench, device: u32, toggle: &mut u32) -> Result<Vec<u8>, u32> {
    let packet = if device == HUB {
        1
    } else if device == KEYBOARD {
        8
    } else {
        4
    };
    let pipe = Pipe { endpoint: 1, kind: KIND_INTERRUPT, packet, ..Pipe::control(device) };
    match stage(bench, pipe, *toggle, true, packet) {
        (DONE, left) => {
            *toggle ^= TOGGLE_DATA1;
            Ok(get(bench, packet - left))
        }
        (end, _) => Err(end),
    }
}

const NOTHING: Result<Vec<u8>, u32> = Err(HCINT_NAK | HCINT_HALTED);

#[test]
fn a_driver_knows_the_core() {
    let mut bench = bench();
    for (register, value) in IDENTITY {
        write(&mut bench, register, !value);
        assert_eq!(read(&bench, register), value, "{register:#x}");
    }
    assert_eq!(read(&bench, GINTSTS) & GINT_HOST_MODE, GINT_HOST_MODE);
    write(&mut bench, GUSBCFG, GUSBCFG_FORCE_DEVICE);
    assert_eq!(read(&bench, GINTSTS) & GINT_HOST_MODE, 0);
}

#[test]
fn a_soft_reset_ends_at_once_and_keeps_the_configuration() {
    let mut bench = bench();
    write(&mut bench, GUSBCFG, 0x1408);
    write(&mut bench, GINTMSK, 0xffff);
    write(&mut bench, GRXFSIZ, 1);
    write(&mut bench, HPRT0, HPRT0_POWER);
    write(&mut bench, GRSTCTL, GRSTCTL_CORE);
    assert_eq!(read(&bench, GRSTCTL), GRSTCTL_AHB_IDLE);
    assert_eq!((read(&bench, GUSBCFG), read(&bench, GINTMSK), read(&bench, GRXFSIZ)), (0x1408, 0, FIFO_WORDS));
    assert_eq!(read(&bench, HPRT0), 0);
    write(&mut bench, GRSTCTL, 0x10 << 6 | 1 << 5);
    assert_eq!(read(&bench, GRSTCTL), GRSTCTL_AHB_IDLE | 0x10 << 6, "the FIFO is flushed");
}

#[test]
fn the_port_goes_through_its_states() {
    let mut bench = bench();
    let line = bench.irq.line(irq::USB);
    write(&mut bench, GAHBCFG, GAHBCFG_GLBL_INTR);
    write(&mut bench, GINTMSK, GINT_PORT);
    write(&mut bench, HPRT0, HPRT0_RESET);
    assert_eq!((read(&bench, HPRT0), line.level()), (0, false), "no power, nothing");
    write(&mut bench, HPRT0, HPRT0_POWER);
    let connected = HPRT0_POWER | HPRT0_CONNECT | HPRT0_LINE_J | HPRT0_FULL_SPEED;
    assert_eq!((read(&bench, HPRT0), line.level()), (connected | HPRT0_CONNECT_CHANGE, true));
    write(&mut bench, HPRT0, HPRT0_POWER | HPRT0_CONNECT_CHANGE);
    assert_eq!((read(&bench, HPRT0), line.level()), (connected, false));
    write(&mut bench, HPRT0, HPRT0_POWER | HPRT0_RESET);
    assert_eq!(read(&bench, HPRT0), connected | HPRT0_RESET);
    assert_eq!(read(&bench, HFNUM), FRAME_NONE);
    write(&mut bench, HPRT0, HPRT0_POWER);
    let enabled = HPRT0_POWER | HPRT0_CONNECT | HPRT0_LINE_J | HPRT0_ENABLE;
    assert_eq!((read(&bench, HPRT0), line.level()), (enabled | HPRT0_ENABLE_CHANGE, true), "high speed");
    write(&mut bench, HPRT0, HPRT0_POWER | HPRT0_ENABLE_CHANGE);
    write(&mut bench, HPRT0, HPRT0_POWER | HPRT0_SUSPEND);
    assert_eq!((read(&bench, HPRT0), read(&bench, HFNUM)), (enabled | HPRT0_SUSPEND, FRAME_NONE));
    write(&mut bench, HPRT0, HPRT0_POWER | HPRT0_RESUME);
    write(&mut bench, HPRT0, HPRT0_POWER);
    assert_eq!(read(&bench, HPRT0), enabled);
    write(&mut bench, HPRT0, HPRT0_POWER | HPRT0_ENABLE);
    assert_eq!(read(&bench, HPRT0), enabled & !HPRT0_ENABLE);
    write(&mut bench, HPRT0, 0);
    assert_eq!((read(&bench, HPRT0), line.level()), (0, false));
    write(&mut bench, HCFG, HCFG_FULL_SPEED_ONLY);
    start(&mut bench, true);
    assert_eq!(read(&bench, HPRT0) & (HPRT0_FULL_SPEED | HPRT0_ENABLE), HPRT0_FULL_SPEED | HPRT0_ENABLE);
}

#[test]
fn frames_are_the_time_s_and_cost_nothing_unheard() {
    let mut bench = bench();
    assert_eq!((read(&bench, HFNUM), bench.next_deadline()), (FRAME_NONE, None));
    start(&mut bench, true);
    assert_eq!((read(&bench, HFNUM), bench.next_deadline()), (7500 << 16, None), "an idle port needs no attention");
    pass(&mut bench, 125_000 * 0x4001 + 25_000);
    assert_eq!(read(&bench, HFNUM), 6000 << 16 | 1, "the number has 14 bits");
    assert_ne!(read(&bench, GINTSTS) & GINT_SOF, 0, "the flag is there without an interrupt");
    write(&mut bench, GINTSTS, GINT_SOF);
    assert_eq!(read(&bench, GINTSTS) & GINT_SOF, 0);

    let line = bench.irq.line(irq::USB);
    write(&mut bench, GINTMSK, GINT_SOF);
    assert!(!line.level());
    let mut frames = Vec::new();
    for _ in 0..3 {
        let next = bench.next_deadline().expect("a frame");
        bench.tick_at(next);
        assert!(line.level());
        frames.push(read(&bench, HFNUM) & 0x3fff);
        write(&mut bench, GINTSTS, GINT_SOF);
        assert!(!line.level());
    }
    assert_eq!(frames, [8, 16, 24], "nothing is on the bus: whole frames");
    write(&mut bench, GINTMSK, 0);
    assert_eq!(bench.next_deadline(), None);
}

#[test]
fn the_hub_tells_what_it_is() {
    let mut bench = ready(true);
    let device = ok(&mut bench, HUB, request(0x80, 6, 0x100, 0, 18));
    assert_eq!(device, [18, 1, 0, 2, 9, 0, 2, 64, 0x24, 4, 0x14, 0x95, 0, 2, 0, 0, 0, 1]);
    assert_eq!(ok(&mut bench, HUB, request(0x80, 6, 0x200, 0, 9))[..4], [9, 2, 41, 0]);
    assert_eq!(ok(&mut bench, HUB, request(0x80, 6, 0x200, 0, 255)).len(), 41);
    assert_eq!(ok(&mut bench, HUB, request(0x80, 6, 0x600, 0, 255)).len(), 10);
    let hub = ok(&mut bench, HUB, request(0xa0, 6, 0x2900, 0, 64));
    assert_eq!((hub.len(), usize::from(hub[2])), (9, PORTS));
    // Status and changes: port 1 is empty, 2 has the low-speed keyboard, 3 the mouse.
    ok(&mut bench, HUB, request(0x23, 3, 8, 1, 0));
    for (port, status) in [(1, [0, 1, 0, 0]), (2, [3, 3, 0x11, 0]), (3, [3, 1, 0x11, 0]), (5, [0, 0, 0, 0])] {
        assert_eq!(ok(&mut bench, HUB, request(0xa3, 0, 0, port, 4)), status, "port {port}");
    }
    assert_eq!(control(&mut bench, HUB, request(0xa3, 0, 0, 6, 4), &[]), Err(HCINT_STALL | HCINT_HALTED));
    let mut toggle = TOGGLE_DATA0;
    assert_eq!(poll(&mut bench, HUB, &mut toggle), Ok(vec![0b1_1100]));
    for port in 2..5 {
        ok(&mut bench, HUB, request(0x23, 1, 16, port, 0));
        ok(&mut bench, HUB, request(0x23, 1, 20, port, 0));
    }
    assert_eq!(poll(&mut bench, HUB, &mut toggle), NOTHING);
}

#[test]
fn devices_tell_what_they_are_through_split_transactions() {
    let mut bench = ready(true);
    for (device, packet, protocol, report) in [(KEYBOARD, 8, 1, 63), (MOUSE, 8, 2, 52)] {
        let descriptor = ok(&mut bench, device, request(0x80, 6, 0x100, 0, 64));
        assert_eq!((descriptor.len(), descriptor[7]), (18, packet));
        let configuration = ok(&mut bench, device, request(0x80, 6, 0x200, 0, 255));
        assert_eq!((configuration.len(), &configuration[14..17]), (34, &[3, 1, protocol][..]));
        assert_eq!(ok(&mut bench, device, request(0x81, 6, 0x2200, 0, 255)).len(), report);
        assert_eq!(ok(&mut bench, device, request(0x80, 8, 0, 0, 1)), [1]);
        assert_eq!(control(&mut bench, device, request(0x80, 6, 0x600, 0, 10), &[]), Err(HCINT_STALL | HCINT_HALTED), "no qualifier");
        assert_eq!(control(&mut bench, device, request(0, 9, 2, 0, 0), &[]), Err(HCINT_STALL | HCINT_HALTED));
    }
    let text = ok(&mut bench, KEYBOARD, request(0x80, 6, 0x302, 0x409, 255));
    assert_eq!(text[2..].iter().step_by(2).map(|&byte| char::from(byte)).collect::<String>(), "Keyboard");
}

#[test]
fn nobody_answers_for_others() {
    let mut bench = ready(true);
    assert_eq!(control(&mut bench, 9, request(0x80, 6, 0x100, 0, 18), &[]), Err(HCINT_STALL | HCINT_HALTED), "the translator's answer");
    let direct = Pipe { split: false, ..Pipe::control(KEYBOARD) };
    assert_eq!(stage(&mut bench, direct, TOGGLE_SETUP, false, 8).0, HCINT_ERROR | HCINT_HALTED, "not at high speed");
    write(&mut bench, CHANNEL + HCTSIZ, 8 | 1 << HCTSIZ_PACKETS_SHIFT | TOGGLE_SETUP << HCTSIZ_TOGGLE_SHIFT);
    let other_hub = HCSPLT_ENABLE | 5 << HCSPLT_HUB_SHIFT;
    assert_eq!(go(&mut bench, Pipe::control(KEYBOARD), false, other_hub), HCINT_ERROR | HCINT_HALTED);
    ok(&mut bench, HUB, request(0x23, 1, 1, 2, 0));
    assert!(control(&mut bench, KEYBOARD, request(0x80, 6, 0x100, 0, 18), &[]).is_err(), "its port is disabled");
}

#[test]
fn every_key_comes_in_order() {
    let mut bench = ready(true);
    ok(&mut bench, KEYBOARD, request(0x21, 10, 0, 0, 0));
    let mut toggle = TOGGLE_DATA0;
    assert_eq!(poll(&mut bench, KEYBOARD, &mut toggle), NOTHING);
    for (usage, pressed) in [(0xe1, true), (4, true), (4, true), (4, false), (0xe1, false), (5, false)] {
        bench.act(HidEvent::Key { usage, pressed });
    }
    bench.tick();
    for report in [[2, 0, 0], [2, 0, 4], [2, 0, 0], [0, 0, 0]] {
        assert_eq!(poll(&mut bench, KEYBOARD, &mut toggle).map(|came| came[..3].to_vec()), Ok(report.to_vec()));
    }
    assert_eq!(poll(&mut bench, KEYBOARD, &mut toggle), NOTHING);
    (4..11).for_each(|usage| bench.act(HidEvent::Key { usage, pressed: true }));
    bench.tick();
    let last = (0..7).map(|_| poll(&mut bench, KEYBOARD, &mut toggle).expect("a report")).last().expect("seven");
    assert_eq!(last, [0, 0, 1, 1, 1, 1, 1, 1], "too many at once");
    assert_eq!(ok(&mut bench, KEYBOARD, request(0xa1, 1, 0x100, 0, 8)), last, "what it is now");
    control(&mut bench, KEYBOARD, request(0x21, 9, 0x200, 0, 1), &[2]).expect("lights are set");
    assert_eq!(ok(&mut bench, KEYBOARD, request(0xa1, 1, 0x200, 0, 1)), [2]);
}

#[test]
fn an_idle_rate_repeats_the_report() {
    let mut bench = ready(true);
    ok(&mut bench, KEYBOARD, request(0x21, 10, 0x0a00, 0, 0));
    let mut toggle = TOGGLE_DATA0;
    assert_eq!(poll(&mut bench, KEYBOARD, &mut toggle), NOTHING);
    pass(&mut bench, 40_000_000);
    assert_eq!(poll(&mut bench, KEYBOARD, &mut toggle), Ok(vec![0; 8]));
    assert_eq!(poll(&mut bench, KEYBOARD, &mut toggle), NOTHING);
}

#[test]
fn the_mouse_moves_by_both_protocols() {
    let mut bench = ready(true);
    let mut toggle = TOGGLE_DATA0;
    bench.act(HidEvent::Mouse { buttons: 0, dx: 100, dy: -3, wheel: 0 });
    bench.act(HidEvent::Mouse { buttons: 0, dx: 100, dy: 0, wheel: -1 });
    bench.act(HidEvent::Mouse { buttons: 1, dx: 0, dy: 0, wheel: 0 });
    bench.act(HidEvent::Mouse { buttons: 0, dx: 0, dy: 0, wheel: 0 });
    bench.tick();
    for report in [[0, 127, 0xfd, 0xff], [0, 73, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]] {
        assert_eq!(poll(&mut bench, MOUSE, &mut toggle), Ok(report.to_vec()));
    }
    assert_eq!(poll(&mut bench, MOUSE, &mut toggle), NOTHING);
    ok(&mut bench, MOUSE, request(0x21, 11, 0, 0, 0));
    bench.act(HidEvent::Mouse { buttons: 4, dx: -1, dy: 1, wheel: 9 });
    bench.tick();
    assert_eq!(poll(&mut bench, MOUSE, &mut toggle), Ok(vec![4, 0xff, 1]), "no wheel");
}

#[test]
fn a_wrong_toggle_and_a_halted_endpoint_are_told() {
    let mut bench = ready(true);
    bench.act(HidEvent::Key { usage: 4, pressed: true });
    bench.act(HidEvent::Key { usage: 4, pressed: false });
    bench.tick();
    let mut wrong = TOGGLE_DATA1;
    assert_eq!(poll(&mut bench, KEYBOARD, &mut wrong), Err(HCINT_TOGGLE | HCINT_HALTED));
    ok(&mut bench, KEYBOARD, request(2, 3, 0, 0x81, 0));
    let mut toggle = TOGGLE_DATA1;
    assert_eq!(poll(&mut bench, KEYBOARD, &mut toggle), Err(HCINT_STALL | HCINT_HALTED));
    assert_eq!(ok(&mut bench, KEYBOARD, request(0x82, 0, 0, 0x81, 2)), [1, 0]);
    ok(&mut bench, KEYBOARD, request(2, 1, 0, 0x81, 0));
    let mut toggle = TOGGLE_DATA0;
    assert_eq!(poll(&mut bench, KEYBOARD, &mut toggle), Ok(vec![0; 8]), "toggles begin anew");
}

#[test]
fn a_translator_says_not_yet_and_forgets_when_told() {
    let mut bench = ready(true);
    ok(&mut bench, KEYBOARD, request(0x21, 10, 0, 0, 0));
    let pipe = Pipe { endpoint: 1, kind: KIND_INTERRUPT, packet: 8, ..Pipe::control(KEYBOARD) };
    let size = 8 | 1 << HCTSIZ_PACKETS_SHIFT;
    write(&mut bench, CHANNEL + HCTSIZ, size);
    write(&mut bench, CHANNEL + HCDMA, BUFFER_BUS);
    assert_eq!(go(&mut bench, pipe, true, hcsplt(true)), HCINT_NYET | HCINT_HALTED, "nothing was begun");
    bench.act(HidEvent::Key { usage: 4, pressed: true });
    bench.tick();
    assert_eq!(go(&mut bench, pipe, true, hcsplt(false)), HCINT_ACK | HCINT_HALTED);
    // Nobody asks; the next start split finds the answer still there.
    pass(&mut bench, 50_000_000);
    let mut toggle = TOGGLE_DATA0;
    assert_eq!(poll(&mut bench, KEYBOARD, &mut toggle).map(|came| came[2]), Ok(4));
    assert_eq!(go(&mut bench, pipe, true, hcsplt(false)), HCINT_ACK | HCINT_HALTED);
    ok(&mut bench, HUB, request(0x23, 8, 0x8000 | (KEYBOARD as u16) << 4 | 1, 2, 0));
    assert_eq!(go(&mut bench, pipe, true, hcsplt(true)), HCINT_NYET | HCINT_HALTED);
}

#[test]
fn periodic_transactions_wait_for_their_microframe() {
    let mut bench = ready(true);
    let pipe = Pipe { endpoint: 1, kind: KIND_INTERRUPT, packet: 1, ..Pipe::control(HUB) };
    for (odd, parity) in [(0, 0), (HCCHAR_ODD, 1)] {
        write(&mut bench, CHANNEL + HCINT, !0);
        write(&mut bench, CHANNEL + HCSPLT, 0);
        write(&mut bench, CHANNEL + HCTSIZ, 1 | 1 << HCTSIZ_PACKETS_SHIFT);
        write(&mut bench, CHANNEL + HCDMA, BUFFER_BUS);
        write(&mut bench, CHANNEL + HCCHAR, pipe.character(true) | HCCHAR_ENABLE | odd);
        let due = bench.next_deadline().expect("it is planned");
        bench.tick_at(due);
        assert_eq!((read(&bench, HFNUM) & 1, read(&bench, HFNUM) >> 16), (parity, 7500));
        assert_ne!(read(&bench, CHANNEL + HCINT) & HCINT_HALTED, 0);
    }
}

#[test]
fn bulk_data_go_round_by_split_transactions() {
    let mut bench = ready(true);
    let pipe = |endpoint| Pipe { endpoint, kind: KIND_BULK, packet: 64, ..Pipe::control(LOOPBACK) };
    let data: Vec<u8> = (0..150).collect();
    assert_eq!(stage(&mut bench, pipe(1), TOGGLE_DATA0, true, 64).0, HCINT_NAK | HCINT_HALTED, "nothing there yet");
    put(&bench, &data);
    assert_eq!(stage(&mut bench, pipe(2), TOGGLE_DATA0, false, 150), (DONE, 0));
    put(&bench, &[0; 256]);
    assert_eq!(stage(&mut bench, pipe(1), TOGGLE_DATA0, true, 256), (DONE, 106));
    assert_eq!(get(&bench, 150), data);
}

#[test]
fn bulk_without_splits_is_made_again_until_it_is_taken() {
    let mut bench = bench();
    write(&mut bench, HCFG, HCFG_FULL_SPEED_ONLY);
    start(&mut bench, true);
    // Everything is one full-speed bus, where nothing is split.
    let (root, device) = (Pipe { device: 0, ..Pipe::control(HUB) }, Pipe { device: 0, split: false, ..Pipe::control(LOOPBACK) });
    put(&bench, &request(0, 5, HUB as u16, 0, 0));
    assert_eq!(stage(&mut bench, root, TOGGLE_SETUP, false, 8).0, DONE);
    assert_eq!(stage(&mut bench, root, TOGGLE_DATA1, true, 0).0, DONE);
    ok(&mut bench, HUB, request(0, 9, 1, 0, 0));
    open_port(&mut bench, 4);
    put(&bench, &request(0, 9, 1, 0, 0));
    assert_eq!(stage(&mut bench, device, TOGGLE_SETUP, false, 8).0, DONE);
    assert_eq!(stage(&mut bench, device, TOGGLE_DATA1, true, 0).0, DONE);
    let pipe = |endpoint| Pipe { endpoint, kind: KIND_BULK, packet: 64, ..device };
    // Five packets; the device holds four: the fifth waits.
    put(&bench, &(0..=255).chain(0..40).collect::<Vec<u8>>());
    let (end, left) = stage(&mut bench, pipe(2), TOGGLE_DATA0, false, 296);
    assert_eq!((end, left), (HCINT_NAK, 40), "it goes on by itself");
    write(&mut bench, CHANNEL + HCCHAR, pipe(2).character(false) | HCCHAR_ENABLE | HCCHAR_DISABLE);
    assert_eq!(read(&bench, CHANNEL + HCINT), HCINT_NAK | HCINT_HALTED);
    assert_eq!(stage(&mut bench, pipe(1), TOGGLE_DATA0, true, 256), (DONE, 0));
    assert_eq!(get(&bench, 256), (0..=255).collect::<Vec<u8>>());
}

#[test]
fn memory_that_is_not_there_is_an_error() {
    let mut bench = ready(true);
    for address in [0x7e00_0000, 0xc001_0000, 0xffff_fffc] {
        write(&mut bench, CHANNEL + HCTSIZ, 8 | 1 << HCTSIZ_PACKETS_SHIFT | TOGGLE_SETUP << HCTSIZ_TOGGLE_SHIFT);
        write(&mut bench, CHANNEL + HCDMA, address);
        assert_eq!(go(&mut bench, Pipe::control(HUB), false, 0), HCINT_AHB | HCINT_HALTED, "{address:#x}");
    }
}

#[test]
fn a_channel_interrupts_and_is_halted_by_hand() {
    let mut bench = bench();
    let (channel, line) = (CHANNELS + 3 * CHANNEL_BYTES, bench.irq.line(irq::USB));
    write(&mut bench, GAHBCFG, GAHBCFG_GLBL_INTR | GAHBCFG_DMA);
    write(&mut bench, GINTMSK, GINT_CHANNELS);
    write(&mut bench, HAINTMSK, 0xff);
    write(&mut bench, channel + HCINTMSK, HCINT_HALTED);
    write(&mut bench, channel + HCCHAR, HCCHAR_ENABLE | 8);
    assert_eq!((read(&bench, channel + HCCHAR), line.level()), (HCCHAR_ENABLE | 8, false), "busy: the port has no power");
    write(&mut bench, channel + HCCHAR, HCCHAR_ENABLE | HCCHAR_DISABLE | 8);
    assert_eq!((read(&bench, channel + HCCHAR), read(&bench, HAINT), line.level()), (8, 1 << 3, true));
    write(&mut bench, channel + HCINT, HCINT_HALTED);
    assert_eq!((read(&bench, HAINT), line.level()), (0, false));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_is_written_nothing_panics(
        steps in prop::collection::vec((0u32..0x500, any::<u32>(), 0u64..2_000_000, any::<bool>()), 1..150),
        dma in any::<bool>(),
        up in any::<bool>(),
    ) {
        let mut bench = if up { ready(true) } else { bench() };
        if !dma {
            write(&mut bench, GAHBCFG, GAHBCFG_GLBL_INTR);
        }
        for (place, value, step, channel) in steps {
            // Channels' registers mostly, of which few bits mean something; all others, and FIFOs.
            let register = match place {
                0x000..0x300 => CHANNELS + (place * 4) % 0x100,
                0x300..0x400 => place * 4 % 0x450,
                _ => place * 0x20,
            } & !3;
            let value = if channel { value & 0x80ff_f8ff | HCCHAR_ENABLE | 1 << HCCHAR_DEVICE_SHIFT } else { value };
            write(&mut bench, register, value);
            bench.act(HidEvent::Key { usage: value as u8, pressed: step & 1 == 0 });
            pass(&mut bench, step);
            read(&bench, register);
            read(&bench, if channel { GRXSTSP } else { 0x1000 });
        }
    }
}
