//! GPU memory tags: buffers that a guest allocates, locks and releases by handle. They lie in the same memory as frame buffers.

use super::{Context, Firmware, Reply, Request};
use crate::mailbox::physical_to_bus;
use tayberry_engine::Archive;
use tayberry_engine::display::{VideoBuffer, VideoMemory};

/// Flags, bits 2 and 3: which cache alias the bus address has.
const ALIAS_SHIFT: u32 = 2;
/// Aliases by these bits: normal, direct (uncached), coherent, not allocating in L1.
const ALIASES: [u32; 4] = [0x0000_0000, 0xc000_0000, 0x8000_0000, 0x4000_0000];
/// Flag: fill with zeros.
const ZERO: u32 = 1 << 4;
/// Flag: leave what is there; otherwise it is filled with ones.
const NO_INIT: u32 = 1 << 5;
/// Buffers are whole pages.
const PAGE: u32 = 4096;
/// Largest alignment.
const MOST_ALIGNMENT: u32 = 1 << 24;

/// Status: done.
const DONE: u32 = 0;
/// Status: there is no such handle.
const NO_HANDLE: u32 = 1;

#[derive(Debug)]
struct Block {
    buffer: VideoBuffer,
    alias: u32,
}

/// What guests have allocated; a handle is an index plus one.
#[derive(Debug, Default)]
pub struct Handles(Vec<Option<Block>>);

impl Handles {
    /// All memory is given back.
    pub fn forget(&mut self) {
        self.0.clear();
    }

    /// Passes them; on loading each takes its memory again.
    pub fn pass(&mut self, memory: &mut VideoMemory, archive: &mut Archive<'_>) {
        let saved = |block: &Block| (block.buffer.base, block.buffer.len, block.alias);
        let mut blocks: Vec<Option<(u64, u64, u32)>> = self.0.iter().map(|block| block.as_ref().map(saved)).collect();
        archive.value(&mut blocks);
        if !archive.is_load() {
            return;
        }
        self.0.clear();
        for block in blocks {
            let claimed = block.map(|(base, len, alias)| memory.claim(base, len).map(|buffer| Block { buffer, alias }));
            if claimed.as_ref().is_some_and(Option::is_none) {
                return archive.refuse();
            }
            self.0.push(claimed.flatten());
        }
    }

    fn block(&mut self, handle: u32) -> Option<&mut Option<Block>> {
        let index = (handle as usize).checked_sub(1)?;
        self.0.get_mut(index).filter(|block| block.is_some())
    }

    fn insert(&mut self, block: Block) -> u32 {
        let index = self.0.iter().position(Option::is_none).unwrap_or_else(|| {
            self.0.push(None);
            self.0.len() - 1
        });
        self.0[index] = Some(block);
        index as u32 + 1
    }
}

/// Allocate memory (0x0003000c): a handle, zero where there is no room.
pub fn allocate(firmware: &mut Firmware, request: &Request<'_>, context: &Context<'_>, reply: &mut Reply) {
    reply.words(&[allocate_block(firmware, request, context).unwrap_or(0)]);
}

fn allocate_block(firmware: &mut Firmware, request: &Request<'_>, context: &Context<'_>) -> Option<u32> {
    let (size, alignment, flags) = (request.word(0), request.word(1).max(PAGE), request.word(2));
    if size == 0 || !alignment.is_power_of_two() || alignment > MOST_ALIGNMENT {
        return None;
    }
    let size = u64::from(size).next_multiple_of(PAGE.into());
    let buffer = firmware.memory.allocate(size, alignment.into())?;
    if flags & NO_INIT == 0 {
        context.ram.fill(buffer.base, buffer.len, if flags & ZERO != 0 { 0 } else { 0xff })?;
    }
    let alias = ALIASES[(flags >> ALIAS_SHIFT & 3) as usize];
    Some(firmware.handles.insert(Block { buffer, alias }))
}

/// Lock memory (0x0003000d): its bus address, zero for an unknown handle. Nothing ever moves, so there is nothing to lock.
pub fn lock(firmware: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    let block = firmware.handles.block(request.word(0)).and_then(|block| block.as_ref());
    reply.words(&[block.map_or(0, |block| physical_to_bus(block.buffer.base) & 0x3fff_ffff | block.alias)]);
}

/// Unlock memory (0x0003000e).
pub fn unlock(firmware: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[if firmware.handles.block(request.word(0)).is_some() { DONE } else { NO_HANDLE }]);
}

/// Release memory (0x0003000f).
pub fn release(firmware: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    let released = firmware.handles.block(request.word(0)).and_then(Option::take);
    reply.words(&[if released.is_some() { DONE } else { NO_HANDLE }]);
}
