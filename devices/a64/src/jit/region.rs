//! Regions: what is translated as one piece.
//!
//! A region is what can be reached from its first entry by direct branches within one guest page, up to [`MOST`] instructions. What follows a call, or a
//! system instruction that the run loop executes, belongs to it and is another entry. Everything is relative to the page, so that a region is good wherever
//! the page is mapped.

use super::uses::{self, Flags, Uses};
use crate::decode::{self, Decoded, Op, field};
use crate::features::Features;
use crate::int::branch;
use tayberry_ram::PAGE_BYTES;

/// Most instructions in a region, and so on any way through it that never goes back.
pub(crate) const MOST: usize = 256;
/// Words in a page.
const WORDS: usize = PAGE_BYTES as usize / 4;

/// How control leaves an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// To the next one.
    Next,
    /// To an offset from the page's start, always.
    Jump(i64),
    /// To it or to the next one.
    Branch(i64),
    /// To an offset, with the next instruction's address in X30.
    Call(i64),
    /// To the address in a register.
    Indirect,
    /// Through the run loop.
    Leave,
}

/// One instruction of a region.
#[derive(Clone, Debug)]
pub(crate) struct Instr {
    /// Decoded, with index 0.
    pub(crate) op: Op,
    /// Its handler goes on to the next operation itself.
    pub(crate) threaded: bool,
    /// Bytes from the page's start.
    pub(crate) offset: u16,
    pub(crate) end: End,
    pub(crate) uses: Uses,
    /// What becomes of the flags that it sets.
    pub(crate) flags: Flags,
}

/// A run of instructions with one way in and one way out.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// Indices into [`Region::instrs`].
    pub(crate) first: usize,
    pub(crate) end: usize,
    /// Loops around it.
    pub(crate) depth: u32,
    /// Loops come back to it: the budget is looked at here.
    pub(crate) head: bool,
    /// The guest's flags must be in memory when it is entered.
    pub(crate) wants_flags: bool,
    /// They must be when it goes on within the region.
    pub(crate) passes_flags: bool,
    /// Entered from elsewhere.
    pub(crate) entry: bool,
}

/// What code depends on besides the words of its page.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Context {
    /// FP and SIMD instructions trap.
    pub(crate) fp_off: bool,
    /// FPCR asks for another rounding than the usual one, or for flushing.
    pub(crate) fp_mode: bool,
}

/// What is translated as one piece.
#[derive(Debug, Default)]
pub(crate) struct Region {
    /// In the order of addresses.
    pub(crate) instrs: Vec<Instr>,
    pub(crate) blocks: Vec<Block>,
    /// Block by word of the page; `NONE` where none starts.
    starts: Vec<u16>,
}

const NONE: u16 = u16::MAX;

fn end_of(op: &Op, offset: i64) -> End {
    let insn = op.insn;
    let target = offset.wrapping_add(op.imm as i64);
    if branch::is_unconditional(insn) {
        if insn >> 31 != 0 { End::Call(target) } else { End::Jump(target) }
    } else if branch::is_direct(insn) {
        End::Branch(target)
    } else if insn & 0xff9f_fc1f == 0xd61f_0000 && field(insn, 22, 21) != 3 {
        End::Indirect
    } else if decode::ends_block(insn) {
        End::Leave
    } else {
        End::Next
    }
}

/// Nothing comes back to what follows these: ERET, BRK, HLT, UDF, unallocated words.
fn never_comes_back(insn: u32) -> bool {
    insn == 0xd69f_03e0 || insn >> 16 == 0 || insn >> 24 == 0xd4 && insn & 0x00e0_001f == 0 || insn >> 21 == 0b110_1010_0001
}

/// The word at an offset in the page, if the walk goes there.
fn word_at(target: i64) -> Option<usize> {
    (0..PAGE_BYTES as i64).contains(&target).then_some(target as usize / 4)
}

impl Region {
    /// Finds the region that is entered at `entry`, a word of the page. `read` gives the instruction at a word, after it has been marked as code.
    pub(crate) fn discover(entry: usize, features: Features, context: Context, mut read: impl FnMut(usize) -> Option<u32>) -> Self {
        // Index into `instrs` by word, in the order of discovery.
        let mut found = [NONE; WORDS];
        let mut instrs: Vec<Instr> = Vec::with_capacity(64);
        let (mut leaders, mut entries) = ([false; WORDS + 1], [false; WORDS + 1]);
        let mut work = std::collections::VecDeque::from([entry]);
        (leaders[entry], entries[entry]) = (true, true);
        while let Some(start) = work.pop_front() {
            let mut at = start;
            while at < WORDS && found[at] == NONE && instrs.len() < MOST {
                let Some(word) = read(at) else { break };
                let instr = Instr::new(decode::decode_with(word, features), at, context);
                let end = instr.end;
                found[at] = instrs.len() as u16;
                instrs.push(instr);
                at += 1;
                match end {
                    End::Next => continue,
                    End::Branch(target) | End::Jump(target) => {
                        if let Some(target) = word_at(target) {
                            leaders[target] = true;
                            work.push_back(target);
                        }
                    }
                    _ => {}
                }
                leaders[at] = true;
                match end {
                    End::Branch(_) => continue,
                    End::Call(_) | End::Leave | End::Indirect if at < WORDS => {
                        let returns = match end {
                            End::Leave => !never_comes_back(word),
                            End::Indirect => field(word, 22, 21) == 1,
                            _ => true,
                        };
                        if returns {
                            entries[at] = true;
                            work.push_back(at);
                        }
                    }
                    _ => {}
                }
                break;
            }
        }
        let mut region = Self { starts: vec![NONE; WORDS], ..Self::default() };
        region.form_blocks(&found, &instrs, &leaders, &entries);
        region.find_loops();
        uses::mark_flags(&mut region);
        region
    }

    fn form_blocks(&mut self, found: &[u16], instrs: &[Instr], leaders: &[bool], entries: &[bool]) {
        let mut open = false;
        self.instrs.reserve(instrs.len());
        for (word, &index) in found.iter().enumerate() {
            let Some(instr) = instrs.get(usize::from(index)) else {
                open = false;
                continue;
            };
            if !open || leaders[word] {
                let first = self.instrs.len();
                self.starts[word] = self.blocks.len() as u16;
                self.blocks.push(Block {
                    first,
                    end: first,
                    depth: 0,
                    head: false,
                    wants_flags: true,
                    passes_flags: true,
                    entry: entries[word],
                });
            }
            open = instr.end == End::Next;
            self.instrs.push(instr.clone());
            if let Some(block) = self.blocks.last_mut() {
                block.end = self.instrs.len();
            }
        }
    }

    /// The block that starts at an offset from the page's start.
    pub(crate) fn block_at(&self, target: i64) -> Option<usize> {
        let block = *self.starts.get(word_at(target)?)?;
        (block != NONE).then_some(usize::from(block))
    }

    /// Offset after a block's last instruction.
    pub(crate) fn after(&self, block: usize) -> i64 {
        i64::from(self.instrs[self.blocks[block].end - 1].offset) + 4
    }

    /// How a block is left.
    pub(crate) fn end(&self, block: usize) -> End {
        self.instrs[self.blocks[block].end - 1].end
    }

    /// Offsets where control goes from a block without leaving by an address in a register or through the run loop.
    pub(crate) fn targets(&self, block: usize) -> impl Iterator<Item = i64> {
        let after = self.after(block);
        let (taken, next) = match self.end(block) {
            End::Next => (None, Some(after)),
            End::Branch(target) => (Some(target), Some(after)),
            End::Jump(target) => (Some(target), None),
            End::Call(_) | End::Indirect | End::Leave => (None, None),
        };
        taken.into_iter().chain(next)
    }

    fn find_loops(&mut self) {
        for block in 0..self.blocks.len() {
            let back: Vec<usize> = self.targets(block).filter_map(|target| self.block_at(target)).filter(|&to| to <= block).collect();
            for to in back {
                self.blocks[to..=block].iter_mut().for_each(|inside| inside.depth += 1);
                self.blocks[to].head = true;
            }
        }
    }
}

impl Instr {
    fn new(decoded: Decoded, word: usize, context: Context) -> Self {
        let Decoded { mut op, mut threaded, fp, allocated, .. } = decoded;
        let offset = word as u16 * 4;
        let trapped = fp && context.fp_off;
        if trapped {
            (op.exec, threaded) = (crate::block::fp_trapped, false);
        }
        let end = if allocated && !trapped { end_of(&op, i64::from(offset)) } else { End::Leave };
        let uses = if allocated && !trapped { uses::of(&op, context.fp_mode) } else { Uses::default() };
        Self { op, threaded, offset, end, uses, flags: Flags::Dropped }
    }
}
