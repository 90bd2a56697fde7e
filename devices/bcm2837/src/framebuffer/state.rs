//! The frame buffer in a machine's state.

use super::geometry::{Geometry, MAX_PHYSICAL, MAX_PITCH, MAX_VIRTUAL, size_is_supported};
use super::{Buffer, Framebuffer, Settings, config_of};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tayberry_engine::display::{Display, Scanout, VideoMemory};
use tayberry_engine::{Archive, GuestRam};

/// A palette as a list: as arrays go, it is a long one.
pub mod palette {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::sync::Arc;

    pub fn serialize<S: Serializer>(palette: &Arc<[u32; 256]>, serializer: S) -> Result<S::Ok, S::Error> {
        palette.as_slice().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<[u32; 256]>, D::Error> {
        let entries: [u32; 256] = Vec::deserialize(deserializer)?.try_into().map_err(|_| D::Error::custom("a palette has 256 entries"))?;
        Ok(Arc::new(entries))
    }
}

/// What is saved of the buffer in use.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct SavedBuffer {
    base: u64,
    len: u64,
    geometry: Geometry,
    /// It lies in GPU memory that was allocated for it.
    is_allocated: bool,
}

/// What is on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Shown {
    Nothing,
    Splash,
    Buffer,
}

/// True if a guest can have set them.
fn are_possible(settings: &Settings) -> bool {
    size_is_supported(settings.physical, MAX_PHYSICAL)
        && settings.virtual_size.is_none_or(|size| size_is_supported(size, MAX_VIRTUAL))
        && settings.pitch.is_none_or(|pitch| pitch <= MAX_PITCH)
}

impl SavedBuffer {
    fn of(buffer: &Buffer) -> Self {
        Self { base: buffer.base, len: buffer.len, geometry: buffer.geometry, is_allocated: buffer.memory.is_some() }
    }

    /// The buffer again; `None` if there can be no such one, or its memory is not free.
    fn claim(self, memory: &mut VideoMemory, ram: &GuestRam) -> Option<Buffer> {
        let Self { base, len, geometry, is_allocated } = self;
        let Geometry { physical, virtual_size, depth, pitch } = geometry;
        let sizes = size_is_supported(physical, MAX_PHYSICAL) && size_is_supported(virtual_size, MAX_VIRTUAL) && pitch <= MAX_PITCH;
        let fits = sizes && Geometry::new(physical, Some(virtual_size), depth, Some(pitch)) == geometry && geometry.bytes() <= len;
        if !fits || !ram.contains(base, len) {
            return None;
        }
        let memory = if is_allocated { Some(memory.claim(base, len)?) } else { None };
        Some(Buffer { base, len, geometry, memory })
    }
}

impl Framebuffer {
    /// Gives its memory back, before it takes over a state.
    pub fn forget(&mut self) {
        self.buffer = None;
    }

    /// Passes it; on loading, it takes its memory again and shows what was on the screen.
    pub fn pass(&mut self, archive: &mut Archive<'_>, memory: &mut VideoMemory, ram: &Arc<GuestRam>, display: &Display) {
        let mut buffer = self.buffer.as_ref().map(SavedBuffer::of);
        let mut shown = match (&self.published, display.load().has_signal()) {
            (Some(_), true) => Shown::Buffer,
            (None, true) => Shown::Splash,
            (_, false) => Shown::Nothing,
        };
        let mut generation = display.generation();
        archive.value(&mut self.settings);
        archive.value(&mut buffer);
        archive.value(&mut self.placed);
        archive.value(&mut shown);
        archive.value(&mut generation);
        if !archive.is_load() || !archive.is_good() {
            return;
        }
        let buffer = match buffer.map(|buffer| buffer.claim(memory, ram)) {
            Some(None) => return archive.refuse(),
            claimed => claimed.flatten(),
        };
        if !are_possible(&self.settings) || generation > u64::MAX / 2 {
            self.settings = Settings::new((640, 480).into());
            return archive.refuse();
        }
        self.buffer = buffer;
        self.published = self.picture();
        if !self.show_again(shown, generation, ram, display) {
            archive.refuse();
        }
    }

    /// Puts what was on the screen there again. False if that cannot be.
    fn show_again(&self, shown: Shown, generation: u64, ram: &Arc<GuestRam>, display: &Display) -> bool {
        let config = match shown {
            Shown::Nothing => None,
            Shown::Splash => self.splash.clone(),
            Shown::Buffer => self.published.as_ref().map(config_of),
        };
        if shown == Shown::Nothing {
            display.lose_signal_as(generation);
            return true;
        }
        let memory = self.buffer.as_ref().and_then(|buffer| buffer.memory.clone()).filter(|_| shown == Shown::Buffer);
        let scanout = config.and_then(|config| Scanout::new(config, Arc::clone(ram), memory).ok());
        scanout.is_some_and(|scanout| display.publish_as(scanout, generation) > 0)
    }
}
