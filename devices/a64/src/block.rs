//! Pre-decoded blocks.
//!
//! A block is a run of instructions with one entry, decoded into operations that lie in memory one after another and end in [`fall_through`]. It goes on
//! past conditional branches that are not taken, up to [`MAX_OPS`] instructions, the end of the page, or an instruction that ends it.
//!
//! Blocks are keyed by physical address, so they survive TLB maintenance; what finds them by virtual address (the lookup table, and the links that
//! remember each direct branch's successor) carries the tag of the context, and dies when the tag changes. A block whose page's generation has
//! risen (see `CodeMap`) is decoded anew when it is next looked up.

use crate::bus::{Bus, Maintenance};
use crate::core::{Core, Stop, ends};
use crate::debugger::CUT;
use crate::decode::{self, Decoded, Flow, Op, next};
use crate::exception::{Class, Exception};
use crate::int::{branch, fuse};
use crate::mmu::Kind;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use tayberry_ram::{LINE_BYTES, PAGE_BYTES};

/// Most instructions in a block. Unoptimised builds nest one host call per operation.
pub(crate) const MAX_OPS: u64 = 64;
/// [`Core::link`] of a block that was left to an address not known before.
pub(crate) const NO_LINK: u32 = u32::MAX;
/// Entries of the table of blocks by virtual address.
const LOOKUPS: usize = 4096;
/// Operations in a chunk of memory.
const CHUNK: usize = 1 << 15;
/// Chunks after which all blocks are dropped: 32 MiB.
const MAX_CHUNKS: usize = 32;
/// Instruction fault status code of a synchronous external abort, not on a walk.
const EXTERNAL_ABORT: u32 = 0b01_0000;

/// A block as found: where its operations are, and how many instructions it is long.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    pub(crate) ops: *const Op,
    pub(crate) len: u32,
    /// Tag of the context that it was found under.
    tag: u32,
    /// Virtual address that it was found at.
    pc: u64,
}

impl Found {
    /// The tag 0 belongs to no context.
    const NONE: Self = Self { ops: std::ptr::null(), len: 0, tag: 0, pc: 0 };
}

struct Block {
    ops: *const Op,
    len: u32,
    generation: u32,
}

/// Multiplies: physical addresses need no more.
#[derive(Default)]
pub(crate) struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0 ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 ^= self.0 >> 32;
    }
}

/// All blocks of a core.
pub(crate) struct Blocks {
    /// Memory of operations. A chunk never grows beyond its capacity, so operations never move.
    chunks: Vec<Vec<Op>>,
    /// By physical address, with bit 0 for FP trapped and [`CUT`].
    by_address: HashMap<u64, Block, BuildHasherDefault<AddressHasher>>,
    lookups: Box<[Found]>,
    links: Vec<Found>,
    /// The operations of the block that is being built.
    scratch: Vec<Op>,
    /// The operations of the last part of a block.
    part: Vec<Op>,
}

// SAFETY: the raw pointers point to operations in `chunks`, which the value owns, and move with it.
unsafe impl Send for Blocks {}
// SAFETY: a shared reference gives no way to the pointers.
unsafe impl Sync for Blocks {}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blocks({} blocks, {} links)", self.by_address.len(), self.links.len())
    }
}

impl Blocks {
    pub(crate) fn new() -> Self {
        Self {
            chunks: Vec::new(),
            by_address: HashMap::default(),
            lookups: vec![Found::NONE; LOOKUPS].into(),
            links: Vec::new(),
            scratch: Vec::with_capacity(2 * MAX_OPS as usize + 2),
            part: Vec::new(),
        }
    }

    /// Blocks that are kept.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.by_address.len()
    }

    /// Where the memory of operations is.
    #[cfg(test)]
    pub(crate) fn chunks(&self) -> Vec<*const Op> {
        self.chunks.iter().map(|chunk| chunk.as_ptr()).collect()
    }

    /// Drops everything. Only between blocks: operations must not be running.
    fn clear(&mut self) {
        self.chunks.clear();
        self.by_address.clear();
        self.links.clear();
        self.forget();
    }

    /// Drops everything, and the memory of it. Only between blocks.
    pub(crate) fn release(&mut self) {
        self.clear();
        self.by_address.shrink_to_fit();
        self.links.shrink_to_fit();
    }

    /// Forgets the blocks of virtual pages with breakpoints. Only between runs.
    pub(crate) fn forget_cut(&mut self) {
        self.by_address.retain(|key, _| key & CUT == 0);
    }

    /// Forgets what was found by virtual address; blocks stay where they are, so this may be called while one runs.
    pub(crate) fn forget(&mut self) {
        self.lookups.fill(Found::NONE);
        self.links.fill(Found::NONE);
    }

    /// The block at `pc` that a link remembers. The link alone is not enough: a block's page may be mapped at two addresses.
    #[inline(always)]
    pub(crate) fn linked(&self, link: u32, pc: u64, tag: u32) -> Option<Found> {
        self.links.get(link as usize).copied().filter(|found| found.pc == pc && found.tag == tag)
    }

    fn slot(pc: u64) -> usize {
        (pc >> 2) as usize % LOOKUPS
    }

    /// The block at a virtual address, if it was looked up before in this context.
    #[inline(always)]
    pub(crate) fn looked_up(&self, pc: u64, tag: u32) -> Option<Found> {
        let found = self.lookups[Self::slot(pc)];
        (found.pc == pc && found.tag == tag).then_some(found)
    }

    /// Remembers where a lookup led.
    fn remember(&mut self, link: u32, found: Found) {
        self.lookups[Self::slot(found.pc)] = found;
        self.link(link, found);
    }

    /// Remembers where a link led.
    pub(crate) fn link(&mut self, link: u32, found: Found) {
        if let Some(link) = self.links.get_mut(link as usize) {
            *link = found;
        }
    }

    fn new_link(&mut self, linked: bool) -> [u8; 4] {
        if !linked {
            return NO_LINK.to_le_bytes();
        }
        self.links.push(Found::NONE);
        (self.links.len() as u32 - 1).to_le_bytes()
    }

    /// Moves the block in `scratch`, which must end with an operation that never goes on to the next, to its place.
    fn seal(&mut self) -> *const Op {
        let len = self.scratch.len();
        if self.chunks.last().is_none_or(|chunk| chunk.capacity() - chunk.len() < len) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let Some(chunk) = self.chunks.last_mut() else {
            return std::ptr::null();
        };
        let start = chunk.len();
        chunk.append(&mut self.scratch);
        // SAFETY: `start` is within the chunk's allocation.
        unsafe { chunk.as_ptr().add(start) }
    }
}

/// Last operation of a block: goes on at the address after it. `imm` is the block's length in bytes, `index` in instructions.
fn fall_through(core: &mut Core, _: &mut dyn Bus, op: &Op) -> Flow {
    core.pc = core.pc.wrapping_add(op.imm);
    core.run_retired += u64::from(op.index);
    core.link = op.aux32();
    Flow::Jump
}

/// Executes the operation after it, whose handler does not go on by itself, and does what the run loop expects of the way out.
pub(crate) fn plain(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    // SAFETY: the builder puts a `plain` in front of an operation, never at the end of a block.
    let op = unsafe { &*std::ptr::from_ref(op).add(1) };
    core.op_index = u32::from(op.index);
    match (op.exec)(core, bus, op) {
        Flow::Next if core.ends == 0 => next(core, bus, op),
        Flow::Next => core.end_block(op),
        flow => core.leave(op, flow),
    }
}

/// Raises the trap of FP and SIMD instructions that was in force when the block was built.
pub(crate) fn fp_trapped(core: &mut Core, _: &mut dyn Bus, op: &Op) -> Flow {
    let pc = core.current_pc(op);
    let exception = core.fp_trap().unwrap_or(Exception::UNDEFINED);
    core.raise(exception, pc)
}

impl Core {
    /// The way out of a block at `op`, with no link: accounts for the instructions up to it. An exception counts as one, so that a guest
    /// that faults for ever still spends its budget. A posted write stops the core whatever else happened.
    pub(crate) fn leave(&mut self, op: &Op, flow: Flow) -> Flow {
        self.run_retired += u64::from(op.index) + 1;
        self.link = NO_LINK;
        if std::mem::take(&mut self.ends) & ends::POSTED != 0 && flow != Flow::Stop {
            self.stop = Stop::Posted;
            return Flow::Stop;
        }
        flow
    }

    /// The way out at a store after which the core stops or looks around.
    #[cold]
    pub(crate) fn end_block(&mut self, op: &Op) -> Flow {
        self.pc = self.current_pc(op).wrapping_add(4);
        self.leave(op, Flow::Jump)
    }

    /// Where the block at `self.pc` lies in guest-physical memory. Branches leave their target's tag in the PC, and it goes here: an address with a
    /// tag is never remembered, so that all of them come by.
    pub(crate) fn block_address(&mut self) -> Result<u64, Exception> {
        self.pc = self.canonical(self.pc, self.el);
        let pc = self.pc;
        if pc & 3 != 0 {
            return Err(Exception { class: Class::PcAlignment, iss: 0, far: Some(pc) });
        }
        let pa = self.translate_cached(pc, Kind::Execute, self.el)?.pa;
        if !self.is_ram(pa, 4) {
            return Err(Exception { class: Class::InstructionAbort, iss: EXTERNAL_ABORT, far: Some(pc) });
        }
        Ok(pa)
    }

    /// The block at `self.pc`.
    ///
    /// # Errors
    /// The abort of the fetch.
    pub(crate) fn find_block(&mut self, bus: &mut dyn Bus) -> Result<Found, Exception> {
        let pa = self.block_address()?;
        self.check_breakpoint()?;
        let (pc, tag) = (self.pc, self.tag);
        self.note_code(pc);
        let key = pa | u64::from(tag & 1) | self.debugger.cut(pc);
        let generation = self.config.ram.code().generation(pa);
        if let Some(block) = self.blocks.by_address.get(&key)
            && block.generation == generation
        {
            let found = Found { ops: block.ops, len: block.len, tag, pc };
            self.blocks.remember(self.link, found);
            return Ok(found);
        }
        if self.blocks.chunks.len() >= MAX_CHUNKS {
            self.blocks.clear();
            self.link = NO_LINK;
        }
        let len = self.decode_block(bus, pa, self.debugger.ahead(pc).min(MAX_OPS), true);
        let ops = self.blocks.seal();
        let found = Found { ops, len, tag, pc };
        self.blocks.by_address.insert(key, Block { ops, len, generation });
        self.blocks.remember(self.link, found);
        Ok(found)
    }

    /// The first `limit` instructions of the block at `self.pc`, good until the next part.
    ///
    /// # Errors
    /// The abort of the fetch.
    pub(crate) fn part_of_block(&mut self, bus: &mut dyn Bus, limit: u64) -> Result<Found, Exception> {
        let pa = self.block_address()?;
        let len = self.decode_block(bus, pa, limit.min(MAX_OPS), false);
        let blocks = &mut self.blocks;
        std::mem::swap(&mut blocks.scratch, &mut blocks.part);
        Ok(Found { ops: blocks.part.as_ptr(), len, tag: self.tag, pc: self.pc })
    }

    /// Decodes a block to the scratch buffer; its length in instructions.
    fn decode_block(&mut self, bus: &mut dyn Bus, pa: u64, limit: u64, linked: bool) -> u32 {
        let ram = self.config.ram.clone();
        let end = (pa | (PAGE_BYTES - 1)) + 1;
        let mut scratch = std::mem::take(&mut self.blocks.scratch);
        scratch.clear();
        let mut first_mark = false;
        let mut len = 0u16;
        let mut at = pa;
        while at < end && u64::from(len) < limit {
            // Marked before the words are read: see `CodeMap`.
            if (at == pa || at.is_multiple_of(LINE_BYTES)) && ram.code().mark(at) && !first_mark {
                first_mark = true;
                self.flush_write_tlb();
                bus.broadcast(Maintenance::WriteTlb);
            }
            let Some(word) = ram.read_u32(at) else { break };
            let last = self.push_op(&mut scratch, decode::decode_with(word, self.config.features), len, linked);
            len += 1;
            at += 4;
            if last {
                break;
            }
        }
        let mut end = Op::new(fall_through, 0);
        end.imm = 4 * u64::from(len);
        end.index = len;
        end.aux = self.blocks.new_link(linked);
        scratch.push(end);
        self.blocks.scratch = scratch;
        u32::from(len)
    }

    /// Appends one instruction's operations. True if the block ends with it.
    fn push_op(&mut self, ops: &mut Vec<Op>, decoded: Decoded, index: u16, linked: bool) -> bool {
        let Decoded { mut op, mut threaded, fp, .. } = decoded;
        op.index = index;
        if fp && self.tag & 1 != 0 {
            op.exec = fp_trapped;
            threaded = false;
        }
        if !threaded {
            ops.push(Op { exec: plain, ..op });
        } else if branch::is_direct(op.insn) {
            // Targets become relative to the block.
            op.imm = op.imm.wrapping_add(4 * u64::from(index));
            op.aux = self.blocks.new_link(linked);
            op = fuse::compare_and_branch(ops, op);
        }
        ops.push(op);
        branch::is_unconditional(op.insn) || decode::ends_block(op.insn)
    }
}

#[cfg(test)]
mod tests {
    use crate::Maintenance;
    use crate::sysreg::Reg;
    use crate::testing::{Guest, START};

    const MOV_X0: u32 = 0xd280_0000;
    const BRANCH_TO_SELF: u32 = 0x1400_0000;

    /// `mov x0, #value`
    fn mov(value: u32) -> u32 {
        MOV_X0 | value << 5
    }

    #[test]
    fn a_block_that_is_mapped_twice_goes_on_where_its_own_mapping_says() {
        // The last page of the first 2 MiB branches to the next page; what is mapped there differs between the two halves of the map.
        let mut guest = Guest::new(&[]);
        for (at, entry) in [(0x3000, 0x4003), (0x3008, 0x5003), (0x4000, 0x401), (0x4008, 0x20_0401), (0x5000, 0x401), (0x5008, 0x401)] {
            guest.ram.write_u64(at, entry).expect("in RAM");
        }
        guest.core.sys[Reg::MAIR_EL3] = 0xff;
        guest.core.sys[Reg::TTBR0_EL3] = 0x3000;
        guest.core.sys[Reg::TCR_EL3] = 25;
        guest.core.sys[Reg::SCTLR_EL3] |= 1;
        guest.core.context_changed();
        guest.write(0x1f_f000, &[BRANCH_TO_SELF | 0x400]);
        guest.write(0x20_0000, &[mov(1), BRANCH_TO_SELF]);
        guest.write(0, &[mov(2), BRANCH_TO_SELF]);
        for _ in 0..3 {
            guest.core.pc = 0x1f_f000;
            guest.run(3);
            assert_eq!(guest.core.x[0], 1);
            guest.core.pc = 0x401f_f000;
            guest.run(3);
            assert_eq!((guest.core.x[0], guest.core.pc), (2, 0x4020_0004));
        }
        // The tables change: after a flush the new mapping holds.
        guest.ram.write_u64(0x5008, 0x20_0401).expect("in RAM");
        guest.core.flush_tlb();
        guest.core.pc = 0x401f_f000;
        guest.run(3);
        assert_eq!(guest.core.x[0], 1);
    }

    #[test]
    fn a_branch_takes_the_tag_off_its_target() {
        // br x1 ; the target: adr x0, . ; br x1 (ARM ARM D4.1.1: the tag is not in the PC).
        let mut guest = Guest::new(&[0xd61f_0020, 0x1000_0000, 0xd61f_0020]);
        guest.core.sys[Reg::TCR_EL3] = 25 | 1 << 20;
        guest.core.context_changed();
        guest.core.x[1] = 0x5a << 56 | (START + 4);
        for _ in 0..3 {
            guest.run(2);
            assert_eq!(guest.core.x[0], START + 4);
            assert!(guest.core.pc >> 56 == 0);
        }
        guest.core.sys[Reg::TCR_EL3] = 25;
        guest.core.context_changed();
        guest.core.pc = START;
        guest.run(2);
        assert_eq!(guest.core.sys[Reg::FAR_EL3], guest.core.x[1], "without TBI it is an address like another");
    }

    #[test]
    fn a_page_that_was_stored_to_before_it_held_code_is_watched() {
        // str w2, [x1] ; br x1 ; the stored word, at x1, is followed by br x30.
        let mut guest = Guest::new(&[0xb900_0022, 0xd61f_0020]);
        const PAGE: u64 = START + 0x4000;
        guest.write(PAGE + 4, &[0xd61f_03c0]);
        guest.core.x[1] = PAGE;
        guest.core.x[30] = START;
        for value in 0..10 {
            guest.core.x[2] = u64::from(mov(value));
            assert_eq!(guest.run(4).retired, 4);
            assert_eq!((guest.core.x[0], guest.core.pc), (u64::from(value), START));
        }
        assert!(guest.bus.broadcasts.contains(&Maintenance::WriteTlb) && guest.bus.broadcasts.contains(&Maintenance::Code));
        // Nine stores met decoded code.
        assert_eq!(guest.ram.code().epoch(), 9);
    }

    #[test]
    fn blocks_end_at_the_page_and_go_on_in_the_next() {
        let mut guest = Guest::new(&[]);
        let start = START + 0x1000 - 8;
        guest.write(start, &[0x9100_0400; 6]); // add x0, x0, #1
        guest.write(start + 24, &[BRANCH_TO_SELF]);
        guest.core.pc = start;
        guest.run(7);
        assert_eq!((guest.core.x[0], guest.core.pc), (6, start + 24));
    }

    #[test]
    fn a_flood_of_new_code_is_bounded() {
        // Each round writes a function anew at a moving address and calls it: more operations than are kept.
        let mut guest = Guest::new(&[]);
        for round in 0..20_000u64 {
            let at = START + (round % 512) * 0x100;
            guest.write(at, &[mov(round as u32 & 0xffff); 63]);
            guest.write(at + 252, &[BRANCH_TO_SELF]);
            guest.core.pc = at;
            guest.run(100);
            assert_eq!(guest.core.x[0], round & 0xffff);
        }
        assert!(guest.core.blocks.chunks.len() <= super::MAX_CHUNKS);
        assert!(guest.core.blocks.links.len() < 20_000, "all was dropped at least once");
    }
}
