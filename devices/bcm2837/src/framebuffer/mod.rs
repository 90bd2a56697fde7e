//! The frame buffer that the VideoCore firmware keeps for the ARM.
//!
//! # Resources
//! - Raspberry Pi firmware wiki, "Mailbox property interface", Frame buffer.
//! - Raspberry Pi firmware wiki, "Mailbox framebuffer interface" (channel 1).
//! - What boards were seen to do, by threads of raspberrypi/firmware and raspberrypi/linux that are named where it matters; `guest/screens` shows all of
//!   it on a board, on QEMU and here.
//!
//! # Transactions
//! A message edits a copy of the [`Settings`] (an [`Edit`]); [`Framebuffer::commit`] makes it real at the message's end: all of it, or nothing where
//! the memory does not suffice. It publishes one scanout if what the screen shows has changed, and none otherwise. Tags are answered after that.
//!
//! - With an allocate tag, a new layout gets fresh, cleared memory that no live scanout names; the same layout keeps its buffer. Only where there is
//!   no room beside the old buffer, that one is given back first.
//! - Without one, the layout changes as far as it fits into the buffer as it lies. What does not fit is remembered for the next
//!   allocation, and the screen keeps its layout.
//! - Offset, palette, order, alpha, borders and blanking keep the buffer.

pub mod geometry;
pub mod legacy;
pub mod splash;
mod state;
pub mod tags;
#[cfg(test)]
mod tests;

use crate::mailbox::bus_to_physical;
use bevy_ecs::prelude::*;
use geometry::{Geometry, Size};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tayberry_engine::GuestRam;
use tayberry_engine::display::{Alpha, Depth, Display, Overscan, PixelOrder, Scanout, ScanoutConfig, VideoBuffer, VideoMemory};
use tayberry_engine::stats::Stats;

/// Buffers begin at multiples of this many bytes.
const LEAST_ALIGNMENT: u32 = 4096;
/// No more can be asked for.
const MOST_ALIGNMENT: u32 = 1 << 24;

/// What the firmware is configured to begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Initial {
    /// Screen size in pixels.
    pub screen: Size,
    /// Bits per pixel.
    pub depth: Depth,
    /// Alpha mode.
    pub alpha: Alpha,
}

impl From<Size> for Initial {
    /// With nothing configured.
    fn from(screen: Size) -> Self {
        Self { screen, depth: Depth::Rgb16, alpha: Alpha::Ignored }
    }
}

/// What the guest has asked the screen to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Screen size in pixels.
    pub physical: Size,
    /// Buffer size in pixels; `None` as long as it follows the screen's.
    pub virtual_size: Option<Size>,
    /// Bits per pixel.
    pub depth: Depth,
    /// Bytes from one line to the next, where the guest chose them.
    pub pitch: Option<u32>,
    /// Top left pixel of the screen in the buffer.
    pub offset: (u32, u32),
    /// Component order, where the guest chose it.
    pub order: Option<PixelOrder>,
    /// Alpha mode.
    pub alpha: Alpha,
    /// 256 entries, 0xAABBGGRR.
    #[serde(with = "state::palette")]
    pub palette: Arc<[u32; 256]>,
    /// The screen is blanked.
    pub blank: bool,
    /// Borders in pixels.
    pub overscan: Overscan,
    /// Layer of the display; kept and read back, as there is nothing else to show.
    pub layer: i32,
}

impl Settings {
    /// Power-on settings.
    fn new(initial: Initial) -> Self {
        Self {
            physical: initial.screen,
            virtual_size: None,
            depth: initial.depth,
            pitch: None,
            offset: (0, 0),
            order: None,
            alpha: initial.alpha,
            // All black until it is set: a palette read back after its first 16 entries were set had nothing but zeros behind them
            // (raspberrypi/linux#1026). QEMU's is the same.
            palette: Arc::new([0; 256]),
            blank: false,
            overscan: Overscan::default(),
            layer: -127,
        }
    }

    /// The layout that follows from the settings.
    pub fn geometry(&self) -> Geometry {
        Geometry::new(self.physical, self.virtual_size, self.depth, self.pitch)
    }

    /// The component order. The firmware's own choice (`framebuffer_swap=1`) is blue in the lowest byte for 24 and 32 bits, red in the top bits for 16.
    pub fn order(&self) -> PixelOrder {
        self.order.unwrap_or(match self.depth {
            Depth::Rgb24 | Depth::Rgb32 => PixelOrder::Bgr,
            _ => PixelOrder::Rgb,
        })
    }

    /// Makes settings that depend on each other agree.
    fn settle(&mut self) {
        self.offset = self.geometry().clamp_offset(self.offset);
        if !geometry::overscan_is_supported(self.overscan, self.physical) {
            self.overscan = Overscan::default();
        }
    }
}

/// Memory that a message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Alignment in bytes; or the bus address of memory of the guest's own.
    pub alignment: u32,
    /// Bytes of the guest's own memory.
    pub size: u32,
}

/// What a message changes.
#[derive(Clone, Debug)]
pub struct Edit {
    /// The settings as edited so far.
    pub settings: Settings,
    /// The buffer is to be given back (before one is allocated).
    pub release: bool,
    /// A buffer is asked for.
    pub allocate: Option<Wish>,
}

/// The buffer in use.
#[derive(Clone, Debug)]
struct Buffer {
    base: u64,
    len: u64,
    geometry: Geometry,
    /// `None` where the guest chose the memory.
    memory: Option<VideoBuffer>,
}

/// What the screen shows: equal pictures need no publication.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Picture {
    base: u64,
    geometry: Geometry,
    offset: (u32, u32),
    order: PixelOrder,
    alpha: Alpha,
    palette: Arc<[u32; 256]>,
    blank: bool,
    overscan: Overscan,
}

/// What became of a message's wish for memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Placed {
    /// There is a buffer, or none was asked for.
    Well,
    /// The alignment is not supported: nothing was changed.
    Misaligned,
    /// There is not enough GPU memory: nothing was changed.
    Full,
}

/// A frame buffer that is there before the kernel, in the firmware's own pixel order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootFramebuffer {
    /// Physical address.
    pub base: u64,
    /// Layout.
    pub geometry: Geometry,
}

/// What [`Framebuffer::commit`] works with.
pub struct Stage<'a> {
    /// GPU memory.
    pub memory: &'a mut VideoMemory,
    /// First address that belongs to the GPU: below, a guest can choose memory of its own.
    pub memory_start: u64,
    /// Guest RAM.
    pub ram: &'a Arc<GuestRam>,
    /// Where scanouts are published.
    pub display: &'a Display,
    /// Counters.
    pub stats: &'a Stats,
}

/// The frame buffer: what was asked for, what is allocated and what is on the screen.
#[derive(Component, Debug)]
pub struct Framebuffer {
    settings: Settings,
    buffer: Option<Buffer>,
    published: Option<Picture>,
    placed: Placed,
    /// The firmware's test picture, where it was drawn.
    splash: Option<ScanoutConfig>,
}

impl Framebuffer {
    /// No frame buffer yet.
    pub fn new(initial: impl Into<Initial>) -> Self {
        Self { settings: Settings::new(initial.into()), buffer: None, published: None, placed: Placed::Well, splash: None }
    }

    /// What the firmware sets up for a kernel with a device tree, from GPU memory that nobody has used yet.
    pub fn at_boot(initial: impl Into<Initial>, memory_start: u64) -> BootFramebuffer {
        let base = memory_start.next_multiple_of(LEAST_ALIGNMENT.into());
        BootFramebuffer { base, geometry: Settings::new(initial.into()).geometry() }
    }

    /// The firmware sets up a frame buffer before the kernel starts. True if there is one now.
    pub fn set_up(&mut self, stage: &mut Stage<'_>) -> bool {
        let edit = Edit { allocate: Some(Wish { alignment: 0, size: 0 }), ..self.edit() };
        self.commit(edit, stage)
    }

    /// Puts the firmware's test picture on the screen, which stands there until a frame buffer is allocated. It is no frame buffer: no tag knows of it.
    pub fn splash(&mut self, stage: &Stage<'_>) {
        let screen = self.settings.physical;
        let room = stage.memory_start..stage.memory.base();
        let Some(config) = splash::draw(screen, room, stage.ram) else {
            tracing::warn!(target: "framebuffer", "there is no room for the splash screen");
            return;
        };
        self.splash = Some(config.clone());
        match Scanout::new(config, Arc::clone(stage.ram), None) {
            Ok(scanout) => {
                let generation = stage.display.publish(scanout);
                tracing::debug!(target: "framebuffer", "generation {generation}: the splash screen");
            }
            Err(error) => tracing::warn!(target: "framebuffer", "the splash screen cannot be shown: {error}"),
        }
    }

    /// The settings in effect.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A message begins.
    pub fn edit(&self) -> Edit {
        Edit { settings: self.settings.clone(), release: false, allocate: None }
    }

    /// Physical base address and bytes of the buffer.
    pub fn base_and_size(&self) -> Option<(u64, u64)> {
        let buffer = self.buffer.as_ref()?;
        Some((buffer.base, buffer.geometry.bytes()))
    }

    /// What the message's allocate tag is answered: base and size, zero where the memory did not suffice.
    fn allocated(&self) -> Option<(u64, u64)> {
        self.base_and_size().filter(|_| self.placed != Placed::Full)
    }

    /// What the message's pitch tag is answered: zero where its allocation failed, as the firmware does.
    fn pitch(&self) -> u32 {
        if self.placed == Placed::Full { 0 } else { self.settings.geometry().pitch }
    }

    /// A message ends: makes `edit` real and publishes what has changed. True if something was published.
    pub fn commit(&mut self, edit: Edit, stage: &mut Stage<'_>) -> bool {
        let Edit { settings, release, allocate } = edit;
        let before = std::mem::replace(&mut self.settings, settings);
        self.settings.settle();
        if release && self.buffer.take().is_some() {
            tracing::debug!(target: "framebuffer", "released");
        }
        self.placed = match allocate {
            Some(wish) => self.place(wish, stage),
            None => self.fit(),
        };
        if self.placed != Placed::Well {
            self.settings = before;
        }
        self.publish(stage)
    }

    /// Takes on the new layout if it fits into the buffer as it lies.
    fn fit(&mut self) -> Placed {
        let geometry = self.settings.geometry();
        let Some(buffer) = self.buffer.as_mut().filter(|buffer| buffer.geometry != geometry) else {
            return Placed::Well;
        };
        if geometry.bytes() <= buffer.len {
            buffer.geometry = geometry;
        } else {
            tracing::debug!(target: "framebuffer", "{geometry:?} does not fit into the buffer and has to wait for an allocation");
        }
        Placed::Well
    }

    /// Finds memory for the layout.
    fn place(&mut self, wish: Wish, stage: &mut Stage<'_>) -> Placed {
        let geometry = self.settings.geometry();
        if let Some(buffer) = guests_own(wish, geometry, stage) {
            self.buffer = Some(buffer);
            return Placed::Well;
        }
        let old = self.buffer.as_ref();
        let Some(alignment) = alignment_of(wish, old) else {
            tracing::debug!(target: "framebuffer", "an alignment of {:#x} bytes is not supported", wish.alignment);
            return Placed::Misaligned;
        };
        if old.is_some_and(|old| old.geometry == geometry && old.memory.is_some() && old.base.is_multiple_of(alignment.into())) {
            return Placed::Well;
        }
        let Some(memory) = self.allocate(geometry.bytes(), alignment.into(), stage.memory) else {
            tracing::debug!(target: "framebuffer", "GPU memory is full: no room for {} bytes", geometry.bytes());
            return Placed::Full;
        };
        let (base, len) = (memory.base, memory.len);
        // Nobody shall see what was there before.
        if stage.ram.fill(base, geometry.bytes(), 0).is_none() {
            tracing::warn!(target: "framebuffer", "GPU memory at {base:#x} does not lie in RAM");
            return Placed::Full;
        }
        self.buffer = Some(Buffer { base, len, geometry, memory: Some(memory) });
        // Even an equal picture: a scanout of the old buffer that lay here has lost its memory.
        self.published = None;
        Placed::Well
    }

    /// Fresh memory if there is room beside the old buffer; otherwise the old one is given back first, if that can help at all.
    fn allocate(&mut self, bytes: u64, alignment: u64, memory: &mut VideoMemory) -> Option<VideoBuffer> {
        let fresh = memory.allocate(bytes, alignment);
        if fresh.is_some() || bytes > memory.len() {
            return fresh;
        }
        self.buffer = None;
        memory.allocate(bytes, alignment)
    }

    /// What the screen shows now.
    fn picture(&self) -> Option<Picture> {
        let buffer = self.buffer.as_ref()?;
        let settings = &self.settings;
        let geometry = buffer.geometry;
        let overscan = settings.overscan;
        Some(Picture {
            base: buffer.base,
            geometry,
            offset: geometry.clamp_offset(settings.offset),
            order: settings.order(),
            alpha: settings.alpha,
            palette: Arc::clone(&settings.palette),
            blank: settings.blank,
            overscan: if geometry::overscan_is_supported(overscan, geometry.physical) { overscan } else { Overscan::default() },
        })
    }

    /// Publishes the picture if it is another one.
    fn publish(&mut self, stage: &Stage<'_>) -> bool {
        let picture = self.picture();
        if picture == self.published {
            return false;
        }
        let generation = match &picture {
            Some(picture) => self.show(picture, stage),
            None => Some(stage.display.lose_signal()),
        };
        if let Some(generation) = generation {
            stage.stats.reconfigurations.add(1);
            trace_picture(generation, picture.as_ref());
        }
        self.published = picture;
        generation.is_some()
    }

    /// Publishes a picture; its generation.
    fn show(&self, picture: &Picture, stage: &Stage<'_>) -> Option<u64> {
        let memory = self.buffer.as_ref().and_then(|buffer| buffer.memory.clone());
        match Scanout::new(config_of(picture), Arc::clone(stage.ram), memory) {
            Ok(scanout) => Some(stage.display.publish(scanout)),
            Err(error) => {
                tracing::warn!(target: "framebuffer", "{picture:?} cannot be shown: {error}");
                None
            }
        }
    }
}

/// The guest's own memory, if that is what it asks for: a bus address outside the GPU's memory, and enough bytes from there.
fn guests_own(wish: Wish, geometry: Geometry, stage: &Stage<'_>) -> Option<Buffer> {
    let (base, len) = (bus_to_physical(wish.alignment), u64::from(wish.size));
    let is_address = wish.alignment >> 30 != 0 && base != 0;
    let fits = len >= geometry.bytes() && base + len <= stage.memory_start && stage.ram.contains(base, len);
    (is_address && fits).then_some(Buffer { base, len, geometry, memory: None })
}

/// The alignment to allocate with. A message that is sent again has the old buffer's address where the alignment was.
fn alignment_of(wish: Wish, old: Option<&Buffer>) -> Option<u32> {
    let again = old.is_some_and(|old| wish.alignment >> 30 != 0 && bus_to_physical(wish.alignment) == old.base);
    let alignment = if again { 0 } else { wish.alignment };
    (alignment == 0 || alignment.is_power_of_two() && alignment <= MOST_ALIGNMENT).then_some(alignment.max(LEAST_ALIGNMENT))
}

fn config_of(picture: &Picture) -> ScanoutConfig {
    ScanoutConfig {
        base: picture.base,
        pitch: picture.geometry.pitch,
        physical: picture.geometry.physical,
        virtual_size: picture.geometry.virtual_size,
        offset: picture.offset,
        depth: picture.geometry.depth,
        order: picture.order,
        alpha: picture.alpha,
        palette: Arc::clone(&picture.palette),
        blank: picture.blank,
        overscan: picture.overscan,
    }
}

fn trace_picture(generation: u64, picture: Option<&Picture>) {
    let Some(picture) = picture else {
        tracing::debug!(target: "framebuffer", "generation {generation}: no frame buffer");
        return;
    };
    let Geometry { physical, virtual_size, depth, pitch } = picture.geometry;
    tracing::debug!(
        target: "framebuffer",
        "generation {generation}: {}x{} of {}x{} at {},{}, {depth:?} {:?}, alpha {:?}, pitch {pitch}, base {:#010x}{}",
        physical.0, physical.1, virtual_size.0, virtual_size.1, picture.offset.0, picture.offset.1,
        picture.order, picture.alpha, picture.base, if picture.blank { ", blanked" } else { "" },
    );
}
