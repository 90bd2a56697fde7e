//! The three I2C masters: BSC0, BSC1, and BSC2 that firmware keeps for HDMI.
//!
//! # Resources
//! - BCM2835 ARM Peripherals, chapter 3, with its errata; Linux, drivers/i2c/busses/i2c-bcm2835.c, for what drivers rely on: TXW is low once the FIFO has all
//!   that DLEN asks for.
//!
//! No device is on the buses: nobody acknowledges an address. A transfer ends with ERR and DONE when the address and the STOP after it are through, eleven
//! periods of the clock that DIV makes of the 250 MHz core clock. No byte of the FIFO is sent.
//!
//! # Orderings
//! As in [`crate::spi`]. The three share an interrupt line, which each drives to what all want.

use crate::irq;
use crate::turn::{Turn, Wake};
use bevy_ecs::prelude::*;
use crossbeam::queue::ArrayQueue;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use tayberry_engine::builder::MachineClock;
use tayberry_engine::{BusContext, BusView, GuestTime, IrqLine, MachineBuilder, Phase, Plugin, Served, cell};

const BASES: [u64; 3] = [0x3F20_5000, 0x3F80_4000, 0x3F80_5000];
const NAMES: [&str; 3] = ["BSC0", "BSC1", "BSC2"];
const SIZE: u64 = 0x20;

const C: u32 = 0x00; // Control
const S: u32 = 0x04; // Status
const DLEN: u32 = 0x08; // Data length
const A: u32 = 0x0c; // Slave address
const FIFO: u32 = 0x10; // Data FIFO
const DIV: u32 = 0x14; // Clock divider
const DEL: u32 = 0x18; // Data delay
const CLKT: u32 = 0x1c; // Clock stretch timeout

const C_READ: u32 = 1 << 0;
const C_CLEAR: u32 = 3 << 4;
const C_ST: u32 = 1 << 7;
const C_INTD: u32 = 1 << 8;
const C_INTT: u32 = 1 << 9;
const C_INTR: u32 = 1 << 10;
const C_I2CEN: u32 = 1 << 15;
/// Bits that keep what is written: ST and CLEAR act once.
const C_KEPT: u32 = C_I2CEN | C_INTR | C_INTT | C_INTD | C_READ;
const S_TA: u32 = 1 << 0;
const S_DONE: u32 = 1 << 1;
const S_TXW: u32 = 1 << 2;
const S_RXR: u32 = 1 << 3;
const S_TXD: u32 = 1 << 4;
const S_RXD: u32 = 1 << 5;
const S_TXE: u32 = 1 << 6;
const S_RXF: u32 = 1 << 7;
const S_ERR: u32 = 1 << 8;
const S_CLKT: u32 = 1 << 9;
/// Bits that a one clears.
const S_LATCHED: u32 = S_CLKT | S_ERR | S_DONE;

const DIV_RESET: u32 = 0x5dc;
const DEL_RESET: u32 = 0x0030_0030;
const CLKT_RESET: u32 = 0x40;
const CORE_HZ: u64 = 250_000_000;
const FIFO_DEPTH: usize = 16;
/// Clock periods of START, address, the bit in which nobody acknowledges, STOP.
const ADDRESS_CLOCKS: u64 = 11;
/// `ends_at` while there is no transfer.
const NO_TRANSFER: u64 = u64::MAX;

/// One master's registers.
#[derive(Debug)]
struct Master {
    control: AtomicU32,
    /// Bits of S that are latched.
    latched: AtomicU32,
    dlen: AtomicU32,
    address: AtomicU32,
    div: AtomicU32,
    del: AtomicU32,
    clkt: AtomicU32,
    fifo: ArrayQueue<u8>,
    /// When the transfer ends, nanoseconds, or [`NO_TRANSFER`].
    ends_at: AtomicU64,
}

cell!(Master { control, latched, dlen, address, div, del, clkt, fifo, ends_at });

impl Master {
    fn new() -> Self {
        Self {
            control: AtomicU32::new(0),
            latched: AtomicU32::new(0),
            dlen: AtomicU32::new(0),
            address: AtomicU32::new(0),
            div: AtomicU32::new(DIV_RESET),
            del: AtomicU32::new(DEL_RESET),
            clkt: AtomicU32::new(CLKT_RESET),
            fifo: ArrayQueue::new(FIFO_DEPTH),
            ends_at: AtomicU64::new(NO_TRANSFER),
        }
    }

    fn is_active(&self) -> bool {
        self.ends_at.load(SeqCst) != NO_TRANSFER
    }

    /// Guest time until nobody has acknowledged. The divider is even, and 0 means 32768.
    fn address_ns(&self) -> u64 {
        let divider = match u64::from(self.div.load(SeqCst) & 0xfffe) {
            0 => 0x8000,
            divider => divider,
        };
        GuestTime::from_ticks(ADDRESS_CLOCKS * divider, CORE_HZ).0
    }

    fn status(&self) -> u32 {
        let (waiting, control) = (self.fifo.len(), self.control.load(SeqCst));
        let active = self.is_active();
        let sends = active && control & C_READ == 0;
        let asked_for = self.dlen.load(SeqCst) as usize;
        let when = |is: bool, bit| if is { bit } else { 0 };
        self.latched.load(SeqCst)
            | when(active, S_TA)
            | when(sends && waiting < FIFO_DEPTH / 4 && waiting < asked_for, S_TXW)
            | when(active && !sends && waiting >= FIFO_DEPTH * 3 / 4, S_RXR)
            | when(waiting < FIFO_DEPTH, S_TXD)
            | when(waiting > 0, S_RXD)
            | when(waiting == 0, S_TXE)
            | when(waiting == FIFO_DEPTH, S_RXF)
    }

    /// A failed transfer interrupts by any of the enables: a driver that asked for TXW alone and comes too late for it, as a host with other work to do can
    /// make it, must hear of the end all the same.
    fn interrupts(&self) -> bool {
        let (status, control) = (self.status(), self.control.load(SeqCst));
        let failed = status & S_ERR != 0 && control & (C_INTD | C_INTT | C_INTR) != 0;
        failed
            || [(C_INTD, S_DONE), (C_INTT, S_TXW), (C_INTR, S_RXR)]
                .iter()
                .any(|&(enable, level)| control & enable != 0 && status & level != 0)
    }

    fn write_control(&self, value: u32, now: GuestTime, name: &str) {
        if value & C_CLEAR != 0 {
            while self.fifo.pop().is_some() {}
        }
        self.control.store(value & C_KEPT, SeqCst);
        if value & C_I2CEN == 0 {
            self.ends_at.store(NO_TRANSFER, SeqCst);
        } else if value & C_ST != 0 && !self.is_active() {
            let (address, length) = (self.address.load(SeqCst), self.dlen.load(SeqCst));
            let way = if value & C_READ != 0 { "from" } else { "to" };
            tracing::debug!(target: "i2c", "{name}: {length} bytes {way} {address:#04x}: nobody is there");
            self.ends_at.store(now.plus(self.address_ns()).0.min(NO_TRANSFER - 1), SeqCst);
        }
    }

    /// Ends the transfer if it is over at `now`.
    fn end(&self, now: GuestTime) {
        if self.ends_at.load(SeqCst) <= now.0 {
            self.latched.fetch_or(S_DONE | S_ERR, SeqCst);
            self.ends_at.store(NO_TRANSFER, SeqCst);
        }
    }
}

/// The masters.
#[derive(Debug)]
pub struct I2c {
    masters: [Master; 3],
    turn: Turn,
    wake: Wake,
    line: IrqLine,
}

cell!(I2c { masters, turn, wake } but { line });

impl I2c {
    fn update(&self, now: GuestTime) {
        self.turn.run(|| {
            self.masters.iter().for_each(|master| master.end(now));
            irq::drive(&self.line, || self.masters.iter().any(Master::interrupts));
            let ends = self.masters.iter().filter(|master| master.is_active()).map(|master| master.ends_at.load(SeqCst)).min();
            self.wake.plan(ends.map(GuestTime));
        });
    }
}

/// One master's registers on the bus.
struct View(Arc<I2c>, usize);

impl BusView for View {
    fn read(&self, offset: u32, at: &BusContext<'_>) -> u32 {
        let master = &self.0.masters[self.1];
        match offset {
            C => master.control.load(SeqCst),
            S => {
                self.0.update(at.now());
                master.status()
            }
            DLEN => master.dlen.load(SeqCst),
            A => master.address.load(SeqCst),
            FIFO => {
                let byte = master.fifo.pop().unwrap_or(0);
                self.0.update(at.now());
                byte.into()
            }
            DIV => master.div.load(SeqCst),
            DEL => master.del.load(SeqCst),
            CLKT => master.clkt.load(SeqCst),
            _ => 0,
        }
    }

    fn write(&self, offset: u32, value: u32, at: &BusContext<'_>) -> Served {
        let (master, now) = (&self.0.masters[self.1], at.now());
        self.0.update(now);
        match offset {
            C => master.write_control(value, now, NAMES[self.1]),
            S => _ = master.latched.fetch_and(!(value & S_LATCHED), SeqCst),
            DLEN => master.dlen.store(value & 0xffff, SeqCst),
            A => master.address.store(value & 0x7f, SeqCst),
            FIFO => _ = master.fifo.push(value as u8),
            DIV => master.div.store(value & 0xffff, SeqCst),
            DEL => master.del.store(value, SeqCst),
            CLKT => master.clkt.store(value & 0xffff, SeqCst),
            _ => {}
        }
        self.0.update(now);
        Served::Inline
    }
}

/// The masters in the world.
#[derive(Component)]
struct I2cDevice(Arc<I2c>);

fn signal(i2c: Single<&I2cDevice>, clock: Res<MachineClock>) {
    let now = clock.now();
    if i2c.0.wake.is_due(now) {
        i2c.0.update(now);
    }
}

/// Adds the masters.
#[derive(Clone, Copy, Debug)]
pub struct I2cPlugin;

impl Plugin for I2cPlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let masters = std::array::from_fn(|_| Master::new());
        let i2c = Arc::new(I2c { masters, turn: Turn::default(), wake: Wake::new(machine), line: machine.irq_line(irq::I2C) });
        for (index, (base, name)) in BASES.into_iter().zip(NAMES).enumerate() {
            machine.map(base..base + SIZE, name, Arc::new(View(Arc::clone(&i2c), index)));
        }
        machine.part_of("I2C", Arc::clone(&i2c));
        machine.world.spawn(I2cDevice(i2c));
        machine.add_systems(Phase::Signal, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tayberry_engine::bench::Bench;

    const IDLE: u32 = S_TXD | S_TXE;

    fn bench() -> Bench {
        Bench::new(0x1000, 1, |machine| _ = machine.install(&I2cPlugin))
    }

    fn at(master: usize, register: u32) -> u64 {
        BASES[master] + u64::from(register)
    }

    fn irq(bench: &Bench) -> bool {
        bench.irq.line(53).level()
    }

    #[test]
    fn registers_have_their_reset_values_and_widths() {
        let bench = bench();
        for master in 0..3 {
            let read = || [C, S, DLEN, A, DIV, DEL, CLKT].map(|register| bench.read(at(master, register)));
            assert_eq!(read(), [0, 0x50, 0, 0, 0x5dc, 0x30_0030, 0x40]);
            [C, S, DLEN, A, DIV, DEL, CLKT].into_iter().for_each(|register| _ = bench.write(at(master, register), !C_ST));
            assert_eq!(read(), [0x8701, 0x50, 0xff7f, 0x7f, 0xff7f, 0xffff_ff7f, 0xff7f]);
        }
    }

    #[test]
    fn an_address_that_nobody_has_ends_with_an_error() {
        for (master, way) in [(0, 0), (1, 0), (2, C_READ)] {
            let mut bench = bench();
            bench.write(at(master, DIV), 2500); // 100 kHz
            bench.write(at(master, A), 0x50);
            bench.write(at(master, DLEN), 1);
            bench.write(at(master, C), C_I2CEN | C_INTD | C_ST | way);
            bench.tick_at(GuestTime(109_999));
            assert_eq!(bench.read(at(master, S)) & (S_TA | S_DONE | S_ERR), S_TA);
            assert!(!irq(&bench));
            assert_eq!(bench.next_deadline(), Some(GuestTime(110_000)));
            bench.tick_at(GuestTime(110_000));
            assert!(irq(&bench));
            assert_eq!(bench.read(at(master, S)), IDLE | S_DONE | S_ERR);
            assert_eq!(bench.read(at((master + 1) % 3, S)), IDLE);
            bench.write(at(master, S), S_ERR);
            assert_eq!((bench.read(at(master, S)), irq(&bench)), (IDLE | S_DONE, true));
            bench.write(at(master, S), S_DONE | S_CLKT);
            assert_eq!((bench.read(at(master, S)), irq(&bench), bench.next_deadline()), (IDLE, false, None));
        }
    }

    #[test]
    fn a_write_asks_for_as_many_bytes_as_it_has() {
        let bench = bench();
        bench.write(at(1, DLEN), 2);
        bench.write(at(1, C), C_I2CEN | C_INTT | C_ST);
        assert_eq!((bench.read(at(1, S)), irq(&bench)), (IDLE | S_TA | S_TXW, true));
        bench.write(at(1, FIFO), 1);
        assert!(irq(&bench));
        bench.write(at(1, FIFO), 2);
        assert_eq!((bench.read(at(1, S)), irq(&bench)), (S_TXD | S_RXD | S_TA, false));
        (2..17).for_each(|byte| _ = bench.write(at(1, FIFO), byte));
        assert_eq!(bench.read(at(1, S)), S_RXD | S_RXF | S_TA);
        bench.write(at(1, C), C_I2CEN | C_CLEAR);
        assert_eq!((bench.read(at(1, S)), bench.read(at(1, FIFO))), (IDLE | S_TA | S_TXW, 0));
        bench.write(at(1, C), 0);
        assert_eq!(bench.read(at(1, S)), IDLE, "switched off");
    }

    #[test]
    fn a_write_that_failed_before_its_bytes_came_is_heard_of() {
        let mut bench = bench();
        bench.write(at(1, DIV), 2500);
        bench.write(at(1, DLEN), 1);
        bench.write(at(1, C), C_I2CEN | C_INTT | C_ST);
        bench.tick_at(GuestTime(1_000_000));
        assert_eq!((bench.read(at(1, S)), irq(&bench)), (IDLE | S_DONE | S_ERR, true));
        bench.write(at(1, C), C_CLEAR);
        assert!(!irq(&bench));
    }

    #[test]
    fn a_probe_of_all_addresses_takes_its_time_and_finds_none() {
        let mut bench = bench();
        bench.write(at(1, DIV), 2500);
        for address in 0x03..0x78 {
            bench.write(at(1, A), address);
            bench.write(at(1, DLEN), 0);
            bench.write(at(1, S), S_CLKT | S_ERR | S_DONE);
            bench.write(at(1, C), C_I2CEN | C_INTD | C_ST | C_CLEAR);
            let done = bench.next_deadline().expect("an end");
            bench.tick_at(done);
            assert_eq!(bench.read(at(1, S)), IDLE | S_DONE | S_ERR, "{address:#x}");
        }
        assert_eq!(bench.clock.now(), GuestTime(0x75 * 110_000));
    }
}
