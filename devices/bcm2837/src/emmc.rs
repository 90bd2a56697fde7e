//! EMMC: the Arasan SD host controller.
//!
//! # Resources
//! - BCM2835 ARM Peripherals, chapter 5, with its errata.
//! - SD Host Controller Simplified Specification 3.00, which the chapter follows: 2.2 (registers), for what it leaves out.
//!
//! The controller has no DMA of its own; the SoC's moves words by DREQ. Commands are served in the tick that they end; data moves inline.
//!
//! # Orderings
//! Plain registers are `SeqCst` atomics that any core may touch. Commands and resets are posted. What they do to the rest happens while no core runs. The data
//! path is [`crate::sd::transfer`]'s; a core that moves the last word asks for a tick, in which the transfer is completed.

use crate::dma::dreq::{DreqLine, Dreqs};
use crate::irq;
use crate::sd::card::{Data, Response};
use crate::sd::transfer::{Moved, Transfer};
use crate::sd::words;
use crate::sd::{Host, Slot};
use bevy_ecs::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use tayberry_engine::builder::MachineClock;
use tayberry_engine::{
    Archive, Attention, BusContext, BusView, Cell, Deadline, GuestTime, Inbox, IrqLine, MachineBuilder, Phase, Plugin, Served, cell,
};

const BASE: u64 = 0x3F30_0000;
const SIZE: u64 = 0x100;
const DREQ: u32 = 11;

const ARG2: u32 = 0x00; // Argument of ACMD23
const BLKSIZECNT: u32 = 0x04; // Block size and count
const ARG1: u32 = 0x08; // Argument
const CMDTM: u32 = 0x0c; // Command and transfer mode
const RESP0: u32 = 0x10; // Response, four registers (RO)
const RESP3: u32 = 0x1c;
const DATA: u32 = 0x20; // Data
const STATUS: u32 = 0x24; // Status (RO)
const CONTROL0: u32 = 0x28; // Host configuration
const CONTROL1: u32 = 0x2c; // Clock, resets
const INTERRUPT: u32 = 0x30; // Interrupt flags (write ones to clear)
const IRPT_MASK: u32 = 0x34; // Which flags can be set
const IRPT_EN: u32 = 0x38; // Which flags interrupt
const CONTROL2: u32 = 0x3c; // Host configuration; automatic command's errors (RO)
const FORCE_IRPT: u32 = 0x50; // Sets flags (WO)
const BOOT_TIMEOUT: u32 = 0x70; // Timeout in boot mode
const DBG_SEL: u32 = 0x74; // Debug bus
const EXRDFIFO_CFG: u32 = 0x80; // Extension FIFO
const EXRDFIFO_EN: u32 = 0x84;
const TUNE_STEP: u32 = 0x88; // Delays of card clock tuning
const TUNE_STEPS_STD: u32 = 0x8c;
const TUNE_STEPS_DDR: u32 = 0x90;
const SPI_INT_SPT: u32 = 0xf0; // SPI interrupts
const SLOTISR_VER: u32 = 0xfc; // Slot interrupt and version (RO)

const CMDTM_COUNTS: u32 = 1 << 1;
const CMDTM_AUTO_SHIFT: u32 = 2;
const CMDTM_READ: u32 = 1 << 4;
const CMDTM_MULTI: u32 = 1 << 5;
const CMDTM_RESPONSE_SHIFT: u32 = 16;
const CMDTM_IS_DATA: u32 = 1 << 21;
const CMDTM_INDEX_SHIFT: u32 = 24;
const AUTO_CMD12: u32 = 1;
const AUTO_CMD23: u32 = 2;
const RESPONSE_NONE: u32 = 0;
const RESPONSE_LONG: u32 = 1;
const RESPONSE_BUSY: u32 = 3;
const BLOCK_SIZE: u32 = 0x3ff;

const STATUS_DATA_INHIBIT: u32 = 1 << 1;
const STATUS_DATA_ACTIVE: u32 = 1 << 2;
const STATUS_WRITES: u32 = 1 << 8;
const STATUS_READS: u32 = 1 << 9;
const STATUS_ROOM: u32 = 1 << 10;
const STATUS_WORDS: u32 = 1 << 11;
/// Card inserted, and its detect pin.
const STATUS_CARD: u32 = 1 << 16 | 1 << 18;
const STATUS_STABLE: u32 = 1 << 17;
/// Not write protected; all lines high.
const STATUS_LINES: u32 = 0x1ff8_0000;
/// Line DAT0, low while the card is busy.
const STATUS_DAT0: u32 = 1 << 20;

const CONTROL0_KEPT: u32 = 0x007f_00ff;
const CONTROL1_CLOCK_ON: u32 = 1 << 0;
const CONTROL1_CLOCK_STABLE: u32 = 1 << 1;
const CONTROL1_KEPT: u32 = 0x000f_ffe5;
const CONTROL1_RESET_ALL: u32 = 1 << 24;
const CONTROL1_RESET_COMMAND: u32 = 1 << 25;
const CONTROL1_RESET_DATA: u32 = 1 << 26;
const CONTROL2_KEPT: u32 = 0x00cf_0000;

const INT_COMMAND: u32 = 1 << 0;
const INT_DATA: u32 = 1 << 1;
const INT_WRITE: u32 = 1 << 4;
const INT_READ: u32 = 1 << 5;
const INT_ERROR: u32 = 1 << 15;
const INT_COMMAND_TIMEOUT: u32 = 1 << 16;
const INT_COMMAND_END: u32 = 1 << 18;
const INT_DATA_TIMEOUT: u32 = 1 << 20;
const INT_DATA_CRC: u32 = 1 << 21;
const INT_AUTO: u32 = 1 << 24;
const INT_ALL: u32 = 0x017f_7137;
const AUTO_NOT_EXECUTED: u32 = 1 << 0;
const AUTO_TIMEOUT: u32 = 1 << 1;

/// SDHCI 3.00, vendor version 0x99.
const VERSION: u32 = 0x9902 << 16;
/// Guest time between two looks at a busy card, nanoseconds.
const BUSY_NS: u64 = 200_000;

/// Registers that only keep what is written, by offset and bits.
const PLAIN: [(u32, u32); 9] = [
    (CONTROL0, CONTROL0_KEPT),
    (BOOT_TIMEOUT, u32::MAX),
    (DBG_SEL, 1),
    (EXRDFIFO_CFG, 7),
    (EXRDFIFO_EN, 1),
    (TUNE_STEP, 7),
    (TUNE_STEPS_STD, 0x3f),
    (TUNE_STEPS_DDR, 0x3f),
    (SPI_INT_SPT, 0xff),
];

/// The registers as cores see them.
#[derive(Debug)]
struct Registers {
    plain: [AtomicU32; PLAIN.len()],
    argument: AtomicU32,
    /// Of automatic CMD23.
    auto_argument: AtomicU32,
    block_size_count: AtomicU32,
    cmdtm: AtomicU32,
    response: [AtomicU32; 4],
    control1: AtomicU32,
    control2: AtomicU32,
    /// Errors of automatic commands, CONTROL2's low bits.
    auto_errors: AtomicU32,
    flags: AtomicU32,
    mask: AtomicU32,
    enable: AtomicU32,
    /// A transfer or a busy card holds the data line.
    data_busy: AtomicBool,
    has_card: bool,
    transfer: Transfer,
    inbox: Inbox,
    deadline: Deadline,
    attention: Arc<Attention>,
    line: IrqLine,
    dreq: DreqLine,
}

cell!(Registers {
    plain, argument, auto_argument, block_size_count, cmdtm, response, control1, control2, auto_errors, flags, mask, enable, data_busy, transfer, inbox, deadline,
} but { has_card, attention, line, dreq });

impl Registers {
    fn drive(&self) {
        irq::drive(&self.line, || self.flags.load(SeqCst) & self.enable.load(SeqCst) & self.mask.load(SeqCst) != 0);
    }

    /// Sets flags, those that may be.
    fn raise(&self, flags: u32) {
        self.flags.fetch_or(flags & self.mask.load(SeqCst), SeqCst);
        self.drive();
    }

    fn drive_dreq(&self) {
        self.dreq.set(self.transfer.left() != 0);
    }

    fn interrupt(&self) -> u32 {
        let flags = self.flags.load(SeqCst);
        flags | if flags >> 16 != 0 { INT_ERROR } else { 0 }
    }

    fn status(&self) -> u32 {
        let mut status = STATUS_STABLE | STATUS_LINES | if self.has_card { STATUS_CARD } else { 0 };
        let (reads, writes, left) = (self.transfer.is_read(), self.transfer.is_write(), self.transfer.left() != 0);
        if self.data_busy.load(SeqCst) {
            status |= STATUS_DATA_INHIBIT;
            status = if reads || writes { status | STATUS_DATA_ACTIVE } else { status & !STATUS_DAT0 };
        }
        status |= if reads { STATUS_READS } else { 0 } | if writes { STATUS_WRITES } else { 0 };
        status | if reads && left { STATUS_WORDS } else { 0 } | if writes && left { STATUS_ROOM } else { 0 }
    }

    /// Blocks that are left in the count register, where it counts.
    fn block_size_count(&self) -> u32 {
        let value = self.block_size_count.load(SeqCst);
        if self.cmdtm.load(SeqCst) & CMDTM_COUNTS == 0 || !self.transfer.is_active() {
            return value;
        }
        let left = u64::from(value >> 16).saturating_sub(self.transfer.blocks());
        value & 0xffff | (left as u32) << 16
    }

    /// A word has moved: the next block can, or a system must complete the transfer.
    fn moved(&self, moved: Moved, ready: u32) {
        if moved.all_done {
            self.dreq.set(false);
            self.deadline.set(Some(GuestTime(0)));
            self.attention.stop_all();
        } else if moved.block_done {
            self.raise(ready);
        }
    }

    fn write_data(&self, value: u32) -> Served {
        let Some(moved) = self.transfer.put(value) else { return Served::Inline };
        self.moved(moved, INT_WRITE);
        if moved.all_done { Served::EndSlice } else { Served::Inline }
    }

    fn read_data(&self) -> u32 {
        let Some(moved) = self.transfer.take() else { return 0 };
        self.moved(moved, INT_READ);
        moved.word
    }
}

/// The register window.
struct View(Arc<Registers>);

impl BusView for View {
    fn read(&self, offset: u32, _: &BusContext<'_>) -> u32 {
        let registers = &*self.0;
        match offset {
            ARG2 => registers.auto_argument.load(SeqCst),
            BLKSIZECNT => registers.block_size_count(),
            ARG1 => registers.argument.load(SeqCst),
            CMDTM => registers.cmdtm.load(SeqCst),
            RESP0..=RESP3 => registers.response[((offset - RESP0) / 4) as usize].load(SeqCst),
            DATA => registers.read_data(),
            STATUS => registers.status(),
            CONTROL1 => registers.control1.load(SeqCst),
            INTERRUPT => registers.interrupt(),
            IRPT_MASK => registers.mask.load(SeqCst),
            IRPT_EN => registers.enable.load(SeqCst),
            CONTROL2 => registers.control2.load(SeqCst) | registers.auto_errors.load(SeqCst),
            SLOTISR_VER => VERSION | u32::from(registers.line.level()),
            // The capability registers read as zero too.
            _ => PLAIN.iter().position(|plain| plain.0 == offset).map_or(0, |index| registers.plain[index].load(SeqCst)),
        }
    }

    fn write(&self, offset: u32, value: u32, at: &BusContext<'_>) -> Served {
        let registers = &*self.0;
        match offset {
            CMDTM | CONTROL1 => return registers.inbox.post(offset, value, at),
            ARG2 => registers.auto_argument.store(value, SeqCst),
            BLKSIZECNT => registers.block_size_count.store(value, SeqCst),
            ARG1 => registers.argument.store(value, SeqCst),
            DATA => return registers.write_data(value),
            INTERRUPT => {
                registers.flags.fetch_and(!value, SeqCst);
                registers.drive();
            }
            IRPT_MASK => {
                registers.mask.store(value & INT_ALL, SeqCst);
                registers.flags.fetch_and(value, SeqCst);
                registers.drive();
            }
            IRPT_EN => {
                registers.enable.store(value & INT_ALL, SeqCst);
                registers.drive();
            }
            CONTROL2 => registers.control2.store(value & CONTROL2_KEPT, SeqCst),
            FORCE_IRPT => registers.raise(value & INT_ALL),
            _ => {
                if let Some(index) = PLAIN.iter().position(|plain| plain.0 == offset) {
                    registers.plain[index].store(value & PLAIN[index].1, SeqCst);
                }
            }
        }
        Served::Inline
    }
}

/// The controller in the world.
#[derive(Component)]
struct Emmc {
    registers: Arc<Registers>,
    /// The transfer ends with CMD12 of the controller's own.
    auto_stop: bool,
    /// The transfer has fewer bytes than the host wants.
    short: bool,
    /// A card that is busy after a command holds the data line.
    awaits_card: bool,
    /// The end of that sets the data flag.
    tells_busy: bool,
}

impl Emmc {
    fn pass(&mut self, archive: &mut Archive<'_>) {
        let Self { registers, auto_stop, short, awaits_card, tells_busy } = self;
        registers.pass(archive);
        [auto_stop, short, awaits_card, tells_busy].into_iter().for_each(|flag| archive.value(flag));
    }

    fn is_due(&self, now: GuestTime) -> bool {
        !self.registers.inbox.is_empty() || self.registers.deadline.get().is_some_and(|at| at <= now)
    }

    fn service(&mut self, slot: &mut Slot, now: GuestTime) {
        self.settle(slot);
        while let Some(write) = self.registers.inbox.pop() {
            match write.offset {
                CMDTM => self.run(write.value, slot),
                _ => self.control(write.value),
            }
            self.settle(slot);
        }
        self.registers.drive_dreq();
        self.registers.deadline.set(self.awaits_card.then(|| now.plus(BUSY_NS)));
    }

    /// Tells the card how far the transfer came, completes it, and sees whether the card is still busy.
    fn settle(&mut self, slot: &mut Slot) {
        if self.registers.transfer.is_active() {
            let transfer = &self.registers.transfer;
            let done = transfer.left() == 0;
            if let Some(card) = slot.card(Host::Emmc) {
                transfer.report(card, self.short);
            }
            if done {
                self.complete(slot);
            }
        }
        if !self.awaits_card && slot.card(Host::Emmc).is_some_and(|card| card.is_busy()) {
            // The command that began it is forgotten, such as by a reset.
            (self.awaits_card, self.tells_busy) = (true, false);
        }
        if self.awaits_card {
            let card = slot.card(Host::Emmc);
            let busy = card.is_some_and(|card| {
                card.work();
                card.is_busy()
            });
            if !busy {
                self.awaits_card = false;
                self.registers.data_busy.store(false, SeqCst);
                self.registers.raise(if self.tells_busy { INT_DATA } else { 0 });
            }
        }
    }

    fn complete(&mut self, slot: &mut Slot) {
        self.end_transfer();
        if std::mem::take(&mut self.auto_stop) {
            self.auto_command(12, 0, slot);
        }
        self.registers.raise(if std::mem::take(&mut self.short) { INT_DATA_TIMEOUT } else { INT_DATA });
    }

    fn end_transfer(&self) {
        let left = self.registers.block_size_count();
        self.registers.block_size_count.store(left, SeqCst);
        self.registers.transfer.end();
        self.registers.data_busy.store(false, SeqCst);
    }

    /// A command that the controller sends by itself; its response is in RESP3. False if there is none.
    fn auto_command(&self, index: u8, argument: u32, slot: &mut Slot) -> bool {
        let response = slot.card(Host::Emmc).map_or(Response::None, |card| card.command(index, argument).response);
        tracing::debug!(target: "sd", "EMMC: automatic CMD{index} {argument:#010x} ({}): {}", words::command(index.into()), words::response(&response));
        match response {
            Response::Short(status) | Response::Busy(status) => self.registers.response[3].store(status, SeqCst),
            Response::None | Response::Long(_) => {
                self.registers.auto_errors.store(AUTO_TIMEOUT, SeqCst);
                self.registers.raise(INT_AUTO);
                return false;
            }
        }
        true
    }

    /// CMDTM: a command, and the data that belongs to it.
    fn run(&mut self, cmdtm: u32, slot: &mut Slot) {
        let registers = Arc::clone(&self.registers);
        registers.cmdtm.store(cmdtm, SeqCst);
        registers.auto_errors.store(0, SeqCst);
        let (index, argument) = ((cmdtm >> CMDTM_INDEX_SHIFT & 0x3f) as u8, registers.argument.load(SeqCst));
        let auto = if cmdtm & CMDTM_IS_DATA != 0 { cmdtm >> CMDTM_AUTO_SHIFT & 3 } else { 0 };
        if auto == AUTO_CMD23 && !self.auto_command(23, registers.auto_argument.load(SeqCst), slot) {
            return registers.auto_errors.store(AUTO_TIMEOUT | AUTO_NOT_EXECUTED, SeqCst);
        }
        if index == 12 && registers.transfer.is_active() {
            (self.auto_stop, self.short) = (false, false);
            self.end_transfer();
        }
        let Some(outcome) = slot.card(Host::Emmc).map(|card| card.command(index, argument)) else {
            tracing::debug!(target: "sd", "EMMC: CMD{index} {argument:#010x} ({}): no card", words::command(index.into()));
            return if cmdtm >> CMDTM_RESPONSE_SHIFT & 3 == RESPONSE_NONE {
                registers.raise(INT_COMMAND);
            } else {
                registers.raise(INT_COMMAND_TIMEOUT);
            };
        };
        tracing::debug!(
            target: "sd",
            command = index,
            argument = format_args!("{argument:#010x}"),
            "EMMC: CMD{index} {argument:#010x} ({}): {}",
            words::command(index.into()),
            words::outcome(&outcome)
        );
        let expected = cmdtm >> CMDTM_RESPONSE_SHIFT & 3;
        if !self.respond(expected, outcome.response) {
            return;
        }
        if cmdtm & CMDTM_IS_DATA != 0 {
            self.start_data(cmdtm, outcome.data.as_ref(), slot);
        } else if expected == RESPONSE_BUSY || matches!(outcome.response, Response::Busy(_)) {
            // Settling sees when it ends.
            (self.awaits_card, self.tells_busy) = (true, expected == RESPONSE_BUSY);
            registers.data_busy.store(true, SeqCst);
        }
    }

    /// Shows the response and sets the flags that go with it. False if it is not what was to come.
    fn respond(&self, expected: u32, response: Response) -> bool {
        let registers = &self.registers;
        match (expected, response) {
            (RESPONSE_NONE, _) => {}
            (_, Response::None) => {
                registers.raise(INT_COMMAND_TIMEOUT);
                return false;
            }
            (RESPONSE_LONG, Response::Long(long)) => {
                // Without the checksum.
                for (index, word) in registers.response.iter().enumerate() {
                    word.store((long >> 8 >> (32 * index)) as u32, SeqCst);
                }
            }
            (RESPONSE_LONG, _) | (_, Response::Long(_)) => {
                registers.raise(INT_COMMAND_END);
                return false;
            }
            (_, Response::Short(short) | Response::Busy(short)) => registers.response[0].store(short, SeqCst),
        }
        registers.raise(INT_COMMAND);
        true
    }

    /// Sets the data path up for what the card will send or take.
    fn start_data(&mut self, cmdtm: u32, data: Option<&Data>, slot: &mut Slot) {
        let registers = &self.registers;
        let size_count = registers.block_size_count.load(SeqCst);
        let blocks = match (cmdtm & CMDTM_MULTI != 0, cmdtm & CMDTM_COUNTS != 0) {
            (false, _) => 1,
            (true, true) => u64::from(size_count >> 16),
            (true, false) => u64::MAX,
        };
        let is_read = cmdtm & CMDTM_READ != 0;
        let Some(data) = data.filter(|data| data.is_read() == is_read) else {
            tracing::debug!(target: "sd", "EMMC: the card has no data for this command");
            return registers.raise(INT_DATA_TIMEOUT);
        };
        let block = data.block_bytes();
        if block != size_count & BLOCK_SIZE {
            tracing::debug!(target: "sd", "EMMC: blocks of {block} bytes, but BLKSIZECNT is {size_count:#x}");
            return registers.raise(INT_DATA_CRC);
        }
        registers.transfer.start(data, blocks);
        self.short = registers.transfer.size() < u64::from(block).saturating_mul(blocks);
        self.auto_stop = cmdtm >> CMDTM_AUTO_SHIFT & 3 == AUTO_CMD12;
        registers.data_busy.store(true, SeqCst);
        if registers.transfer.left() == 0 {
            return self.settle(slot);
        }
        registers.raise(if is_read { INT_READ } else { INT_WRITE });
    }

    /// CONTROL1: the clock, and resets, which are done at once.
    fn control(&mut self, value: u32) {
        let registers = Arc::clone(&self.registers);
        if value & (CONTROL1_RESET_ALL | CONTROL1_RESET_DATA) != 0 {
            (self.auto_stop, self.short, self.awaits_card) = (false, false, false);
            self.end_transfer();
            registers.flags.fetch_and(!(INT_DATA | INT_READ | INT_WRITE), SeqCst);
        }
        if value & (CONTROL1_RESET_ALL | CONTROL1_RESET_COMMAND) != 0 {
            registers.flags.fetch_and(!INT_COMMAND, SeqCst);
        }
        if value & CONTROL1_RESET_ALL != 0 {
            for register in registers.plain.iter().chain(&registers.response) {
                register.store(0, SeqCst);
            }
            let more = [
                &registers.argument,
                &registers.auto_argument,
                &registers.block_size_count,
                &registers.cmdtm,
                &registers.control1,
                &registers.control2,
                &registers.auto_errors,
            ];
            more.into_iter().chain([&registers.flags, &registers.mask, &registers.enable]).for_each(|register| register.store(0, SeqCst));
        } else {
            let stable = if value & CONTROL1_CLOCK_ON != 0 { CONTROL1_CLOCK_STABLE } else { 0 };
            registers.control1.store(value & CONTROL1_KEPT | stable, SeqCst);
        }
        registers.drive();
    }
}

fn run_commands(mut emmc: Single<&mut Emmc>, mut slot: ResMut<Slot>, clock: Res<MachineClock>) {
    let now = clock.now();
    if emmc.is_due(now) {
        emmc.service(&mut slot, now);
    }
}

/// Adds the controller. Needs [`crate::dma::DmaPlugin`] and [`crate::sd::SlotPlugin`].
#[derive(Clone, Copy, Debug)]
pub struct EmmcPlugin;

impl Plugin for EmmcPlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let image = machine.world.resource::<Slot>().image();
        let registers = Arc::new(Registers {
            plain: Default::default(),
            argument: AtomicU32::new(0),
            auto_argument: AtomicU32::new(0),
            block_size_count: AtomicU32::new(0),
            cmdtm: AtomicU32::new(0),
            response: Default::default(),
            control1: AtomicU32::new(0),
            control2: AtomicU32::new(0),
            auto_errors: AtomicU32::new(0),
            flags: AtomicU32::new(0),
            mask: AtomicU32::new(0),
            enable: AtomicU32::new(0),
            data_busy: AtomicBool::new(false),
            has_card: image.is_some(),
            transfer: Transfer::new(image),
            inbox: Inbox::default(),
            deadline: machine.deadline(),
            attention: machine.attention(),
            line: machine.irq_line(irq::EMMC),
            dreq: machine.world.resource::<Dreqs>().line(DREQ),
        });
        machine.map(BASE..BASE + SIZE, "EMMC", Arc::new(View(Arc::clone(&registers))));
        machine.part("EMMC", |world, archive| {
            world.query::<&mut Emmc>().iter_mut(world).for_each(|mut emmc| emmc.pass(archive));
        });
        machine.world.spawn(Emmc { registers, auto_stop: false, short: false, awaits_card: false, tells_busy: false });
        machine.add_systems(Phase::Service, run_commands);
    }
}
