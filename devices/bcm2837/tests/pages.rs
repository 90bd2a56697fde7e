//! What readers of the page map see of whole machines: no change is ever lost, and what is idle is settled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tayberry_a64::{JitConfig, jit};
use tayberry_bcm2837::{BoardOptions, Raspi3b};
use tayberry_engine::builder::{Ram, SharedRes};
use tayberry_engine::display::{Alpha, Depth, Overscan, PixelOrder, Scanout, ScanoutConfig};
use tayberry_engine::handle::Limits;
use tayberry_engine::machine::{Machine, prepare};
use tayberry_engine::{ClockMode, GuestRam, PageState};

/// Where kernels start.
const KERNEL: u64 = 0x8_0000;
const PAGE: u64 = 4096;

/// Four cores store random values at random addresses of 64 KiB from the kernel + 0x80000 on, by all kinds of stores, with pauses. A core takes its seed from the kernel +
/// 0x2020 + 8 * core, the number of its stores from 0x2040 on, and puts a one at 0x2000 when it is done. EL2, MMU on, one mapping of a gigabyte of Normal memory.
#[rustfmt::skip]
const WRITERS: &[u32] = &[
    0xd53800aa, // start: mrs x10, mpidr_el1
    0x9240054a, // and x10, x10, #3
    0x10ffffcb, // adr x11, start
    0xb50000ea, // cbnz x10, enter
    0xd2801b00, // mov x0, #0xd8
    0xf900040b, // str x11, [x0, #8]
    0xf900080b, // str x11, [x0, #16]
    0xf9000c0b, // str x11, [x0, #24]
    0xd5033f9f, // dsb sy
    0xd503209f, // sev
    0x9140056c, // enter: add x12, x11, #0x1000
    0xd280e0a0, // mov x0, #0x705
    0xb500008a, // cbnz x10, wait
    0xf9000180, // str x0, [x12]
    0xd5033f9f, // dsb sy
    0xf81f816a, // str x10, [x11, #-8]
    0xf9400181, // wait: ldr x1, [x12]
    0xb4ffffe1, // cbz x1, wait
    0xd51c200c, // msr ttbr0_el2, x12
    0xd2801fe0, // mov x0, #0xff
    0xd378dc00, // lsl x0, x0, #8
    0xd51ca200, // msr mair_el2, x0
    0xd286a320, // movz x0, #0x3519
    0xf2b01000, // movk x0, #0x8080, lsl #16
    0xd51c2040, // msr tcr_el2, x0
    0xd51c115f, // msr cptr_el2, xzr
    0xd50c871f, // tlbi alle2
    0xd5033f9f, // dsb sy
    0xd5033fdf, // isb
    0xd53c1000, // mrs x0, sctlr_el2
    0xd28200a1, // mov x1, #0x1005
    0xaa010000, // orr x0, x0, x1
    0xd51c1000, // msr sctlr_el2, x0
    0xd5033fdf, // isb
    0x9142016d, // add x13, x11, #0x80000
    0x9140096e, // add x14, x11, #0x2000
    0x8b0a0dce, // add x14, x14, x10, lsl #3
    0xf94011d3, // ldr x19, [x14, #32]
    0xf94021cf, // ldr x15, [x14, #64]
    0xca133673, // next: eor x19, x19, x19, lsl #13
    0xca531e73, // eor x19, x19, x19, lsr #7
    0xca134673, // eor x19, x19, x19, lsl #17
    0x9e670260, // fmov d0, x19
    0xd3548e60, // ubfx x0, x19, #20, #16
    0x8b0d0000, // add x0, x0, x13
    0xd36cbe61, // ubfx x1, x19, #44, #4
    0x10000082, // adr x2, kinds
    0x8b011042, // add x2, x2, x1, lsl #4
    0x927cec01, // and x1, x0, #~15
    0xd61f0040, // br x2
    0x39000013, // kinds: strb w19, [x0]
    0x1400003f, // b done
    0xd503201f, // nop
    0xd503201f, // nop
    0x79000013, // strh w19, [x0]
    0x1400003b, // b done
    0xd503201f, // nop
    0xd503201f, // nop
    0xb9000013, // str w19, [x0]
    0x14000037, // b done
    0xd503201f, // nop
    0xd503201f, // nop
    0xf9000013, // str x19, [x0]
    0x14000033, // b done
    0xd503201f, // nop
    0xd503201f, // nop
    0xa9000013, // stp x19, x0, [x0]
    0x1400002f, // b done
    0xd503201f, // nop
    0xd503201f, // nop
    0xad000400, // stp q0, q1, [x0]
    0x1400002b, // b done
    0xd503201f, // nop
    0xd503201f, // nop
    0x4c002000, // st1 {v0.16b-v3.16b}, [x0]
    0x14000027, // b done
    0xd503201f, // nop
    0xd503201f, // nop
    0xd50b7420, // dc zva, x0
    0x14000023, // b done
    0xd503201f, // nop
    0xd503201f, // nop
    0xc85f7c22, // ldxr x2, [x1]
    0xc8037c33, // stxr w3, x19, [x1]
    0x1400001e, // b done
    0xd503201f, // nop
    0xc87f0c22, // ldxp x2, x3, [x1]
    0xc8240033, // stxp w4, x19, x0, [x1]
    0x1400001a, // b done
    0xd503201f, // nop
    0x889ffc33, // stlr w19, [x1]
    0x14000017, // b done
    0xd503201f, // nop
    0xd503201f, // nop
    0xf8000813, // sttr x19, [x0]
    0x14000013, // b done
    0xd503201f, // nop
    0xd503201f, // nop
    0xb2402c00, // orr x0, x0, #0xfff
    0xf9000013, // str x19, [x0]
    0x1400000e, // b done
    0xd503201f, // nop
    0xb2402c00, // orr x0, x0, #0xfff
    0x3c9fb000, // stur q0, [x0, #-5]
    0x1400000a, // b done
    0xd503201f, // nop
    0x085ffc02, // ldaxrb w2, [x0]
    0x0803fc13, // stlxrb w3, w19, [x0]
    0x14000006, // b done
    0xd503201f, // nop
    0x3d800020, // str q0, [x1]
    0x14000003, // b done
    0xd503201f, // nop
    0xd503201f, // nop
    0xd372de61, // done: ubfx x1, x19, #50, #6
    0xb5000081, // cbnz x1, quick
    0xd3443e61, // ubfx x1, x19, #4, #12
    0xf1000421, // pause: subs x1, x1, #1
    0x54ffffe5, // b.pl pause
    0xf10005ef, // quick: subs x15, x15, #1
    0x54fff5e1, // b.ne next
    0xd2800020, // mov x0, #1
    0xd5033fbf, // dmb sy
    0xf90001c0, // str x0, [x14]
    0xd503207f, // sleep: wfi
    0x17ffffff, // b sleep
];
/// The buffer of [`WRITERS`]: what the widest store takes beyond it included.
const BUFFER: u64 = KERNEL + 0x8_0000;
const BUFFER_PAGES: u64 = 17;

/// Core 0 stores 1 to 8, each in another one of four pages from the kernel + 0x10000 on, and after each the same at the kernel + 0x30000; it sleeps for 27 ms in between, and in the end.
#[rustfmt::skip]
const SLEEPER: &[u32] = &[
    0xd2a80000, // movz x0, #0x4000, lsl #16
    0x52800041, // mov w1, #2
    0xb9004001, // str w1, [x0, #0x40]
    0x10000002, // adr x2, .
    0x9274cc42, // and x2, x2, #~4095
    0x91404042, // add x2, x2, #0x10000
    0xd2a00043, // mov x3, #0x20000
    0x8b020063, // add x3, x3, x2
    0xd2800004, // mov x4, #0
    0x91000484, // write: add x4, x4, #1
    0x92400485, // and x5, x4, #3
    0x8b053045, // add x5, x2, x5, lsl #12
    0xf90020a4, // str x4, [x5, #0x40]
    0xd5033fbf, // dmb sy
    0xf9000064, // str x4, [x3]
    0xf100209f, // cmp x4, #8
    0x54000100, // b.eq sleep
    0xd2a00106, // movz x6, #0x8, lsl #16
    0xd51be206, // msr cntp_tval_el0, x6
    0xd2800026, // mov x6, #1
    0xd51be226, // msr cntp_ctl_el0, x6
    0xd5033fdf, // isb
    0xd503207f, // wfi
    0x17fffff2, // b write
    0xd51be23f, // sleep: msr cntp_ctl_el0, xzr
    0xd5033fdf, // isb
    0xd503207f, // wfi
    0x17fffffd, // b sleep
];
const SLEEPER_PAGES: u64 = KERNEL + 0x1_0000;
const SLEEPER_COUNT: u64 = KERNEL + 0x3_0000;

/// The four ways to run a machine.
fn ways() -> impl Iterator<Item = (ClockMode, Option<JitConfig>)> {
    let translated = jit::available().is_ok().then(|| JitConfig { threshold: 0, ..JitConfig::default() });
    [ClockMode::Realtime, ClockMode::Deterministic].into_iter().flat_map(move |mode| [(mode, None), (mode, translated)])
}

fn board(words: &[u32], (mode, jit): (ClockMode, Option<JitConfig>)) -> Raspi3b {
    let kernel = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    Raspi3b::new(BoardOptions { kernel, mode, jit, ..BoardOptions::default() }).expect("a good kernel")
}

/// Has the machine show `pages` pages from `base` on, as lines of 1024 pixels. Its RAM.
fn show(machine: &mut Machine, base: u64, pages: u64) -> Arc<GuestRam> {
    let world = machine.world();
    let ram = Arc::clone(&world.resource::<Ram>().0);
    let size = (1024, pages as u32);
    let config = ScanoutConfig {
        base,
        pitch: PAGE as u32,
        physical: size,
        virtual_size: size,
        offset: (0, 0),
        depth: Depth::Rgb32,
        order: PixelOrder::Rgb,
        alpha: Alpha::Ignored,
        palette: Arc::new([0; 256]),
        blank: false,
        overscan: Overscan::default(),
    };
    world.resource::<SharedRes>().0.display.publish(Scanout::new(config, Arc::clone(&ram), None).expect("in RAM"));
    ram
}

/// A copy of guest memory, kept by the states of its pages alone.
struct Shadow {
    ram: Arc<GuestRam>,
    base: u64,
    states: Vec<PageState>,
    bytes: Vec<u8>,
    /// Pages that were read, and that were not.
    read: u64,
    kept: u64,
}

impl Shadow {
    fn new(ram: Arc<GuestRam>, base: u64, pages: u64) -> Self {
        Self { ram, base, states: vec![PageState::UNKNOWN; pages as usize], bytes: vec![0; (pages * PAGE) as usize], read: 0, kept: 0 }
    }

    /// One look, as a renderer has it each frame.
    fn look(&mut self) {
        self.ram.pages().look();
        let mut at = self.base;
        for (state, bytes) in self.states.iter_mut().zip(self.bytes.chunks_exact_mut(PAGE as usize)) {
            let now = self.ram.pages().state(at);
            if state.is_still(now) {
                self.kept += 1;
            } else {
                self.ram.copy_out(at, bytes).expect("in RAM");
                *state = now;
                self.read += 1;
            }
            at += PAGE;
        }
    }

    fn is_settled(&self) -> bool {
        self.states.iter().all(|state| state.is_settled())
    }

    /// What memory holds is what was read.
    fn check(&self, what: &str) {
        for (page, bytes) in self.bytes.chunks_exact(PAGE as usize).enumerate() {
            let mut memory = [0; PAGE as usize];
            self.ram.copy_out(self.base + page as u64 * PAGE, &mut memory).expect("in RAM");
            let differs = memory.iter().zip(bytes).position(|(memory, read)| memory != read);
            assert_eq!(differs, None, "{what}: a change in page {page} was lost, {:?}", self.states[page]);
        }
    }

    fn word(&self, addr: u64) -> u64 {
        u64::from_le_bytes(self.bytes[(addr - self.base) as usize..][..8].try_into().expect("eight bytes"))
    }
}

/// Xorshift.
fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

/// Readers, and a device that stores into the same pages, beside four cores; the pages are settled after every other slice.
#[test]
fn readers_lose_nothing_of_what_four_cores_and_a_device_store_at_random() {
    for (run, way) in ways().enumerate() {
        for seed in 1..=2 {
            let what = format!("{way:?}, seed {seed}");
            let board = board(WRITERS, way);
            let (handle, starter) = prepare();
            let mut machine = starter.by_hand(move |shared| board.build(shared)).expect("it starts");
            machine.set_longest_slice(Duration::from_micros(200));
            let ram = show(&mut machine, BUFFER, BUFFER_PAGES);
            let mut seed = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed + 16 * run as u64);
            for core in 0..4 {
                ram.write_u64(KERNEL + 0x2020 + 8 * core, random(&mut seed)).expect("in RAM");
                ram.write_u64(KERNEL + 0x2040 + 8 * core, 50_000).expect("in RAM");
            }
            let over = AtomicBool::new(false);
            let shadows = std::thread::scope(|scope| {
                let readers = [0, 1].map(|pause| {
                    let (ram, over) = (Arc::clone(&ram), &over);
                    scope.spawn(move || {
                        let mut shadow = Shadow::new(ram, BUFFER, BUFFER_PAGES);
                        while !over.load(Ordering::Acquire) {
                            shadow.look();
                            std::thread::sleep(Duration::from_micros(200 * pause));
                        }
                        shadow
                    })
                });
                let (device_ram, over) = (Arc::clone(&ram), &over);
                scope.spawn(move || {
                    while !over.load(Ordering::Acquire) {
                        let at = BUFFER + random(&mut seed) % 0xf000;
                        match random(&mut seed) % 3 {
                            0 => device_ram.copy_in(at, &[random(&mut seed) as u8; 700]),
                            1 => device_ram.fill(at, random(&mut seed) % 9000, random(&mut seed) as u8),
                            _ => device_ram.write_u32(at & !3, random(&mut seed) as u32),
                        };
                        std::thread::sleep(Duration::from_micros(random(&mut seed) % 500));
                    }
                });
                let started = Instant::now();
                let done = || (0..4).all(|core| ram.read_u64(KERNEL + 0x2000 + 8 * core) == Some(1));
                for tick in 0.. {
                    machine.tick();
                    if tick % 2 == 0 {
                        machine.settle();
                    }
                    if done() {
                        break;
                    }
                    assert!(started.elapsed() < Duration::from_secs(120), "{what}: the guest hangs");
                }
                over.store(true, Ordering::Release);
                readers.map(|reader| reader.join().expect("a reader"))
            });
            machine.settle();
            for mut shadow in shadows {
                shadow.look();
                assert!(shadow.is_settled(), "{what}");
                shadow.check(&what);
                assert!(shadow.read > 2 * BUFFER_PAGES, "{what}: something was seen to change");
            }
            drop(handle);
        }
    }
}

/// A guest that mostly sleeps, on a machine that runs by itself.
#[test]
fn a_guest_that_stores_and_sleeps_is_followed_and_settled() {
    for way in ways() {
        let what = format!("{way:?}");
        let board = board(SLEEPER, way);
        let (handle, starter) = prepare();
        let (send, rams) = std::sync::mpsc::channel();
        let limits = Limits { timeout: Some(Duration::from_secs(60)), ..Limits::default() };
        let running = starter
            .start(limits, move |shared| {
                let mut machine = board.build(shared)?;
                let _ = send.send(show(&mut machine, SLEEPER_PAGES, 4));
                Ok::<_, tayberry_bcm2837::BoardError>(machine)
            })
            .expect("it starts");
        let ram = rams.recv().expect("the machine was built");
        let mut shadow = Shadow::new(Arc::clone(&ram), SLEEPER_PAGES, 4);
        let started = Instant::now();
        loop {
            // What was stored before the count is known by a look that comes after it.
            let count = ram.read_u64(SLEEPER_COUNT).expect("in RAM");
            std::sync::atomic::fence(Ordering::Acquire);
            shadow.look();
            for number in (1..=count).rev().take(4) {
                let seen = shadow.word(SLEEPER_PAGES + number % 4 * PAGE + 0x40);
                assert!(seen >= number, "{what}: after {count} stores that of {number} is not seen, but {seen}");
            }
            if count == 8 && shadow.is_settled() {
                break;
            }
            assert!(started.elapsed() < Duration::from_secs(50), "{what}: after {count} stores the pages are {:?}", shadow.states);
            std::thread::sleep(Duration::from_millis(1));
        }
        shadow.check(&what);
        // It stays so, however often somebody looks.
        let (states, read) = (shadow.states.clone(), shadow.read);
        for _ in 0..100 {
            shadow.look();
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!((&shadow.states, shadow.read), (&states, read), "{what}: nothing happens any more");
        assert!(shadow.kept >= 400, "{what}");
        handle.control.stop();
        let _ = running.join();
    }
}

/// What a guest does, and when, is the same whether and when pages are settled.
#[test]
fn settling_changes_nothing_that_a_guest_can_see() {
    for (mode, jit) in ways().filter(|(mode, _)| *mode == ClockMode::Deterministic) {
        let run = |every: u64| {
            let board = board(WRITERS, (mode, jit));
            let (_handle, starter) = prepare();
            let mut machine = starter.by_hand(move |shared| board.build(shared)).expect("it starts");
            let ram = show(&mut machine, BUFFER, BUFFER_PAGES);
            for core in 0..4 {
                ram.write_u64(KERNEL + 0x2020 + 8 * core, 77 + core).expect("in RAM");
                ram.write_u64(KERNEL + 0x2040 + 8 * core, 2_000).expect("in RAM");
            }
            let mut history = Vec::new();
            for tick in 0..4_000_u64 {
                machine.tick();
                if every != 0 && tick % every == 0 {
                    machine.settle();
                }
                if tick % 100 == 0 {
                    machine.each_core(&mut |core, processor| {
                        processor.inspect(&mut |name, number, value| history.push((core, name, number, value)));
                    });
                }
            }
            let mut bytes = vec![0; (BUFFER_PAGES * PAGE) as usize];
            ram.copy_out(BUFFER, &mut bytes).expect("in RAM");
            assert_eq!((0..4).map(|core| ram.read_u64(KERNEL + 0x2000 + 8 * core)).collect::<Vec<_>>(), [Some(1); 4], "all are done");
            (history, bytes)
        };
        let never = run(0);
        for every in [1, 7] {
            let now = run(every);
            assert!(now == never, "settling every {every} ticks makes a difference, jit: {}", jit.is_some());
        }
    }
}
