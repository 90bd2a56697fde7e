//! The property channel (mailbox channel 8): what the VideoCore firmware answers to a guest's messages.
//!
//! # Resources
//! - Raspberry Pi firmware wiki, "Mailbox property interface".
//! - vcmailbox(7), which has the rules for frame buffer tags.
//!
//! One message is one transaction: tags are done in order, the frame buffer's are committed together at the end and answered then, and the
//! display is published at most once.

mod clocks;
mod edid;
mod gpio;
mod identity;
mod memory;
pub mod message;
mod power;
mod services;
mod table;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub(crate) mod words;

use crate::framebuffer::{BootFramebuffer, Framebuffer, Initial, Stage, legacy};
use crate::mailbox::Mailbox;
use bevy_ecs::prelude::*;
pub use clocks::ClockSetup;
use message::Message;
use std::ops::Range;
use std::sync::Arc;
use table::{Handler, Row, SET_VSYNC};
use tayberry_engine::display::{Alpha, Depth, Display, Reuse, VideoMemory};
use tayberry_engine::handle::Shared;
use tayberry_engine::journal::{Journal, Mode, What};
use tayberry_engine::stats::Stats;
use tayberry_engine::{Archive, ClockMode, GuestRam, GuestTime, MachineBuilder, Plugin};
use words::Minutes;

/// Vertical syncs a second.
const VSYNC_HZ: u64 = 60;

/// The VideoCore firmware behind its mailboxes: property channel and frame buffer, and what they say about the board.
#[derive(Clone, Debug)]
pub struct MailboxPlugin {
    /// When the firmware was built, in seconds since 1970.
    pub firmware_revision: u32,
    /// Revision code of the board.
    pub board_revision: u32,
    /// Serial number.
    pub serial: u64,
    /// MAC address, in network order.
    pub mac: [u8; 6],
    /// Bytes of RAM that belong to the ARM; the VideoCore's begin there.
    pub arm_memory: u32,
    /// Bytes of RAM that belong to the VideoCore.
    pub vc_memory: u32,
    /// Guest-physical memory that frame buffers and other GPU allocations come from.
    pub video_memory: Range<u64>,
    /// The kernel's command line.
    pub command_line: String,
    /// Width and height of the monitor's preferred mode.
    pub monitor: (u32, u32),
    /// Width and height that the frame buffer has until the guest sets others.
    pub screen: (u32, u32),
    /// Bits per pixel that it has until then.
    pub depth: Depth,
    /// What becomes of its alpha until then.
    pub alpha: Alpha,
    /// Rates of the clocks.
    pub clocks: ClockSetup,
    /// The firmware sets up a frame buffer before the kernel starts, for a kernel that is told of it in its device tree.
    pub has_boot_framebuffer: bool,
    /// The firmware's test picture stands on the screen until there is a frame buffer.
    pub has_splash: bool,
    /// Bit mask of the DMA channels that the ARM may use.
    pub dma_channels: u32,
    /// Temperature of the SoC in thousandths of a degree Celsius.
    pub temperature: u32,
}

impl MailboxPlugin {
    /// The MAC address that boards with this serial number have.
    pub fn mac_of_serial(serial: u64) -> [u8; 6] {
        let [low, middle, high, ..] = serial.to_le_bytes();
        [0xb8, 0x27, 0xeb, high, middle, low]
    }

    /// The frame buffer that the firmware sets up where [`MailboxPlugin::has_boot_framebuffer`] says so.
    pub fn boot_framebuffer(&self) -> BootFramebuffer {
        Framebuffer::at_boot(self.initial(), self.video_memory.start)
    }

    fn initial(&self) -> Initial {
        Initial { screen: self.screen, depth: self.depth, alpha: self.alpha }
    }
}

impl Default for MailboxPlugin {
    /// A Raspberry Pi 3 Model B with 1 GiB, 76 MiB of it the VideoCore's.
    fn default() -> Self {
        let serial = 0x0000_0000_7a1b_e224;
        Self {
            firmware_revision: 0x6414_45ff,
            board_revision: 0x00a0_2082,
            serial,
            mac: Self::mac_of_serial(serial),
            arm_memory: 0x3b40_0000,
            vc_memory: 0x04c0_0000,
            // The firmware keeps some of its memory to itself.
            video_memory: 0x3b80_0000..0x3f00_0000,
            command_line: String::new(),
            monitor: (1024, 768),
            screen: (1024, 768),
            depth: Depth::Rgb16,
            alpha: Alpha::Ignored,
            clocks: ClockSetup::default(),
            has_boot_framebuffer: false,
            has_splash: false,
            dma_channels: 0x7f35,
            temperature: 47_774,
        }
    }
}

impl Plugin for MailboxPlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let mailbox = Mailbox::install(machine);
        let (ram, display, stats, journal) = (machine.ram(), machine.display(), machine.stats(), machine.journal());
        let pins = machine.pins();
        pins.show_led(false, GuestTime(0));
        let watch = ModeWatch::begin(&journal, &display);
        // A machine before this one may have left a picture.
        if display.load().has_signal() {
            display.lose_signal();
        }
        let mut videocore = VideoCore::new(self.clone(), machine.clock().mode());
        if self.has_boot_framebuffer {
            videocore.set_up_framebuffer(&ram, &display, &stats);
        } else if self.has_splash {
            videocore.framebuffer.splash(&stage(&mut videocore.firmware, &ram, &display, &stats));
        }
        watch.finish(machine.clock().now());
        machine.world.spawn((mailbox, videocore));
        machine.part("firmware", move |world, archive| {
            for (mut mailbox, mut videocore) in world.query::<(&mut Mailbox, &mut VideoCore)>().iter_mut(world) {
                mailbox.pass(archive);
                videocore.pass(archive, &ram, &display);
                if archive.is_load() {
                    pins.show_led(videocore.firmware.gpio.led(), GuestTime(0));
                }
            }
        });
    }
}

/// A tag's request: the words of its value buffer.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a>(&'a [u32]);

impl<'a> Request<'a> {
    /// Word `at` of the value; zero beyond its end.
    pub fn word(&self, at: usize) -> u32 {
        self.0.get(at).copied().unwrap_or(0)
    }

    /// The whole value buffer.
    pub fn words(&self) -> &'a [u32] {
        self.0
    }
}

/// A tag's answer.
#[derive(Debug, Default)]
pub struct Reply(Vec<u8>);

impl Reply {
    /// Adds words.
    pub fn words(&mut self, words: &[u32]) {
        words.iter().for_each(|word| self.0.extend(word.to_le_bytes()));
    }

    /// Adds bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }
}

/// What handlers may look at.
#[derive(Debug)]
pub struct Context<'a> {
    /// Guest RAM.
    pub ram: &'a GuestRam,
    /// Time of the message.
    pub now: GuestTime,
}

/// The firmware's state but for the frame buffer.
#[derive(Debug)]
pub struct Firmware {
    config: MailboxPlugin,
    clocks: clocks::Clocks,
    power: power::Power,
    gpio: gpio::Expander,
    otp: identity::Otp,
    shared: services::Shared,
    memory: VideoMemory,
    handles: memory::Handles,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It is answered.
    Answered,
    /// It, and all after it, waits until then.
    WaitUntil(GuestTime),
}

/// Tells the journal when the display has changed.
struct ModeWatch<'a> {
    journal: &'a Journal,
    display: &'a Display,
    /// The generation that was shown, where anybody reads.
    generation: Option<u64>,
    /// What was shown, where there is room to tell of changes.
    before: Option<Mode>,
}

impl<'a> ModeWatch<'a> {
    fn begin(journal: &'a Journal, display: &'a Display) -> Self {
        let generation = journal.is_read().then(|| display.generation());
        Self { journal, display, generation, before: journal.is_wanted().then(|| Mode::of(display)) }
    }

    fn finish(self, now: GuestTime) {
        if self.generation.is_none_or(|generation| generation == self.display.generation()) {
            return;
        }
        match self.before {
            Some(before) => self.journal.record(now, || What::Mode(Mode::of(self.display).after(&before))),
            None => self.journal.skip(),
        }
    }
}

/// The VideoCore as the ARM knows it.
#[derive(Component, Debug)]
pub struct VideoCore {
    firmware: Firmware,
    framebuffer: Framebuffer,
    reply: Reply,
}

impl VideoCore {
    /// A VideoCore that was just switched on. In deterministic mode no address that it hands out depends on who is drawing.
    pub fn new(config: MailboxPlugin, mode: ClockMode) -> Self {
        let Range { start, end } = config.video_memory;
        let reuse = match mode {
            ClockMode::Deterministic => Reuse::IgnoreReaders,
            ClockMode::Realtime => Reuse::AvoidHeld,
        };
        let framebuffer = Framebuffer::new(config.initial());
        let firmware = Firmware {
            clocks: clocks::Clocks::new(&config.clocks, edid::pixel_rate(config.monitor)),
            power: power::Power::default(),
            gpio: gpio::Expander::default(),
            otp: identity::Otp::default(),
            shared: services::Shared::default(),
            memory: VideoMemory::with_reuse(start, end.saturating_sub(start), reuse),
            handles: memory::Handles::default(),
            config,
        };
        Self { firmware, framebuffer, reply: Reply::default() }
    }

    /// Passes all that it knows, and what is on the screen.
    fn pass(&mut self, archive: &mut Archive<'_>, ram: &Arc<GuestRam>, display: &Display) {
        let Firmware { config: _, clocks, power, gpio, otp, shared, memory, handles } = &mut self.firmware;
        archive.value(clocks);
        archive.value(power);
        archive.value(gpio);
        archive.value(otp);
        archive.value(shared);
        let mut cursor = memory.cursor();
        archive.value(&mut cursor);
        if archive.is_load() {
            // What is leased so far is given back first.
            self.framebuffer.forget();
            handles.forget();
            if !memory.restart(cursor) {
                return archive.refuse();
            }
        }
        handles.pass(memory, archive);
        self.framebuffer.pass(archive, memory, ram, display);
    }

    /// Sets up the frame buffer that the kernel finds.
    fn set_up_framebuffer(&mut self, ram: &Arc<GuestRam>, display: &Display, stats: &Stats) {
        let promised = self.firmware.config.boot_framebuffer();
        self.framebuffer.set_up(&mut stage(&mut self.firmware, ram, display, stats));
        if self.framebuffer.base_and_size() != Some((promised.base, promised.geometry.bytes())) {
            tracing::warn!(target: "framebuffer", "there is no room for the frame buffer at {:#x} that the device tree names", promised.base);
        }
    }

    /// Serves the message at bus address `address`; one with a tag that waits for the vertical sync is served when that has come.
    pub fn serve_property(&mut self, address: u32, has_waited: bool, now: GuestTime, ram: &Arc<GuestRam>, shared: &Shared) -> Arrival {
        let message = Message::read(ram, address);
        if !has_waited && message.as_ref().is_some_and(|message| message.tags().iter().any(|tag| tag.number == SET_VSYNC)) {
            return Arrival::WaitUntil(GuestTime::from_ticks(now.ticks(VSYNC_HZ) + 1, VSYNC_HZ));
        }
        shared.stats.property_messages.add(1);
        match message {
            Some(message) => self.answer(message, now, ram, shared),
            None => {
                tracing::debug!(target: "property", "there is no RAM at bus address {address:#010x}");
                shared.journal.record(now, || words::failed("property", address, "there is no RAM at its address"));
            }
        }
        Arrival::Answered
    }

    fn answer(&mut self, mut message: Message, now: GuestTime, ram: &Arc<GuestRam>, shared: &Shared) {
        let context = Context { ram, now };
        let watch = ModeWatch::begin(&shared.journal, &shared.display);
        let mut minutes = Minutes::begin(&message, shared.journal.is_wanted());
        // Loaded when the first of its tags comes.
        let mut edit = None;
        for index in 0..message.tags().len() {
            let Some(row) = row_of(&message, index) else {
                continue;
            };
            let request = Request(message.value(&message.tags()[index]));
            match row.handler {
                Handler::Firmware(handler) => {
                    self.reply.0.clear();
                    handler(&mut self.firmware, &request, &context, &mut self.reply);
                    minutes.answered(index, row, &request, &self.reply);
                    message.answer(index, &self.reply.0);
                }
                Handler::Framebuffer(set, _) => set(edit.get_or_insert_with(|| self.framebuffer.edit()), &request),
            }
        }
        if let Some(edit) = edit {
            self.framebuffer.commit(edit, &mut stage(&mut self.firmware, ram, &shared.display, &shared.stats));
            self.answer_framebuffer(&mut message, &mut minutes);
        }
        shared.pins.show_led(self.firmware.gpio.led(), now);
        if !message.is_whole() {
            tracing::debug!(target: "property", "the message cannot be parsed to its end");
        }
        match minutes.finish(&message) {
            Some(entry) => shared.journal.record(now, || What::Message(entry)),
            None => shared.journal.skip(),
        }
        watch.finish(now);
        message.write_back(ram);
    }

    fn answer_framebuffer(&mut self, message: &mut Message, minutes: &mut Minutes) {
        for index in 0..message.tags().len() {
            if let Some(row) = table::find(message.tags()[index].number)
                && let Handler::Framebuffer(_, get) = row.handler
                && message.tags()[index].bytes >= row.request
            {
                let request = Request(message.value(&message.tags()[index]));
                self.reply.0.clear();
                get(&self.framebuffer, &request, &mut self.reply);
                minutes.answered(index, row, &request, &self.reply);
                message.answer(index, &self.reply.0);
            }
        }
    }

    /// Serves the structure of channel 1 at bus address `address`; what the reply carries.
    pub fn serve_framebuffer(&mut self, address: u32, now: GuestTime, ram: &Arc<GuestRam>, shared: &Shared) -> u32 {
        let sent = legacy::read(ram, address);
        let watch = ModeWatch::begin(&shared.journal, &shared.display);
        let code = legacy::serve(&mut self.framebuffer, address, &mut stage(&mut self.firmware, ram, &shared.display, &shared.stats));
        let answered = legacy::read(ram, address).filter(|_| code == legacy::SUCCESS);
        let entry = || match &sent {
            Some(sent) => What::Message(words::structure(address, sent, answered.as_ref().map(|words| &words[..]))),
            None => words::failed("frame buffer", address, "there is no RAM at its address"),
        };
        tracing::debug!(target: "framebuffer", "{}", entry());
        shared.journal.record(now, entry);
        watch.finish(now);
        code
    }
}

fn stage<'a>(firmware: &'a mut Firmware, ram: &'a Arc<GuestRam>, display: &'a Display, stats: &'a Stats) -> Stage<'a> {
    Stage { memory_start: firmware.config.arm_memory.into(), memory: &mut firmware.memory, ram, display, stats }
}

/// The row of a tag that is to be answered: one that is known, with room for its request.
fn row_of(message: &Message, index: usize) -> Option<&'static Row> {
    let tag = &message.tags()[index];
    let Some(row) = table::find(tag.number) else {
        tracing::debug!(target: "property", "tag {:#010x} is not known", tag.number);
        return None;
    };
    if tag.bytes < row.request {
        tracing::debug!(target: "property", "{}: a buffer of {} bytes is too small for the request", row.name, tag.bytes);
        return None;
    }
    Some(row)
}
