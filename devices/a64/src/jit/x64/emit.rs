//! The translation of one region.

use super::branch::FlagsAs;
use super::integer::sized;
use super::stubs::frame;
use super::{Pins, RAX, RCX, Stubs, asm, at, slot};
use crate::core::{SLOT_SINK, SLOT_ZR};
use crate::decode::{Flow, Op};
use crate::jit::region::{End, Instr, Region};
use crate::jit::translator::{Frame, Lookup, exit};
use crate::jit::uses::{Flags, Kind, Operand, Recipe, Template, bit};
use dynasmrt::x64::X64Relocation;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, VecAssembler};
use std::mem::offset_of;

pub(super) type Asm = VecAssembler<X64Relocation>;

/// Code away from the way that is mostly taken, emitted after the region's.
type Cold = Box<dyn FnOnce(&mut Emitter)>;

/// What translated code counts while it runs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Memory accesses.
    pub(crate) accesses: bool,
    /// Address of the region's count of instructions.
    pub(crate) executed: Option<u64>,
}

/// Host code of a region, before it is placed.
pub(crate) struct Made {
    pub(crate) code: Vec<u8>,
    /// For each entry its word in the page, and the offsets of its code when entered by address and by link.
    pub(crate) entries: Vec<(u16, usize, usize)>,
    /// Operations for handlers; the code has their addresses.
    pub(crate) ops: Box<[Op]>,
}

/// Emits a region.
pub(crate) struct Emitter<'a> {
    pub(super) asm: Asm,
    region: &'a Region,
    stubs: &'a Stubs,
    /// Where the code will run.
    base: u64,
    pub(super) pins: Pins,
    /// The host's flags hold the guest's.
    pub(super) flags_held: bool,
    /// How.
    pub(super) flags_as: FlagsAs,
    /// Vector registers that are cleared in memory above their width since the block began.
    pub(super) cleared: u32,
    /// How they are made again, if they are not in memory.
    recipe: Option<Recipe>,
    /// By block.
    labels: Vec<DynamicLabel>,
    cold: Vec<Cold>,
    /// Words of links, and the code that each points to before it is linked.
    links: Vec<(DynamicLabel, DynamicLabel)>,
    /// Constants that code refers to.
    constants: Vec<(u128, DynamicLabel)>,
    /// Calls the handler of an operation, with all registers written back and loaded again; and the same for the last of a block.
    execute: DynamicLabel,
    execute_last: DynamicLabel,
    ops: Box<[Op]>,
    /// The instruction that is emitted, and instructions from it to its block's end.
    pub(super) current: usize,
    pub(super) rest: u32,
    counts: Counts,
    /// Most memory is mapped in one piece.
    pub(super) linear: bool,
}

/// Operations of an instruction in [`Emitter::ops`].
const OPS: usize = 3;

/// After the operation of a single instruction: back to translated code.
fn done(_: &mut crate::Core, _: &mut dyn crate::Bus, _: &Op) -> Flow {
    Flow::Next
}

/// What a handler is given to execute one instruction, in three operations.
fn operations(instr: &Instr) -> [Op; OPS] {
    let done = Op::new(done, 0);
    if instr.threaded { [instr.op, done, done] } else { [Op { exec: crate::block::plain, ..instr.op }, instr.op, done] }
}

impl<'a> Emitter<'a> {
    /// Makes host code, to be placed at `base`. `None` if it cannot be assembled, which is an error of ours.
    pub(crate) fn make(region: &'a Region, stubs: &'a Stubs, base: *const u8, counts: Counts, linear: bool) -> Option<Made> {
        let mut asm = Asm::new_with_capacity(base as usize, 64 * region.instrs.len() + 1024, 16, 0, 256, 64, 256);
        let labels = region.blocks.iter().map(|_| asm.new_dynamic_label()).collect();
        let (execute, execute_last) = (asm.new_dynamic_label(), asm.new_dynamic_label());
        let mut emitter = Self {
            asm,
            region,
            stubs,
            base: base as u64,
            pins: Pins::of(region),
            flags_held: false,
            flags_as: FlagsAs::Guest,
            cleared: 0,
            recipe: None,
            labels,
            cold: Vec::new(),
            links: Vec::new(),
            constants: Vec::new(),
            execute,
            execute_last,
            ops: region.instrs.iter().flat_map(operations).collect(),
            current: 0,
            rest: 0,
            counts,
            linear,
        };
        for block in 0..region.blocks.len() {
            emitter.block(block);
        }
        let entries = emitter.entries();
        emitter.finish(entries)
    }

    fn block(&mut self, at: usize) {
        let block = &self.region.blocks[at];
        let (first, end) = (block.first, block.end);
        let count = (end - first) as i32;
        self.enter_block(at, count);
        if let Some(executed) = self.counts.executed {
            asm!(self.asm ; mov rax, QWORD executed as i64 ; add QWORD [rax], count);
        }
        if self.counts.accesses {
            let accesses = self.region.instrs[first..end].iter().filter(|instr| instr.uses.has(bit::EXITS)).count() as i32;
            if accesses > 0 {
                asm!(self.asm ; add QWORD [rbp + frame!(accesses)], accesses);
            }
        }
        (self.flags_held, self.recipe, self.cleared) = (false, None, 0);
        let mut current = first;
        while current < end {
            self.current = current;
            self.rest = (end - current) as u32;
            match self.built_constant(current, end) {
                Some((next, value)) => {
                    self.move_constant(self.region.instrs[current].op.rd, value);
                    current = next;
                }
                None => {
                    self.instruction(at, current + 1 == end);
                    current += 1;
                }
            }
        }
    }

    /// A constant that is built from here on by MOVZ or MOVN and MOVKs, none of which is the last of the block; and what comes after. Nothing can look at it
    /// in between.
    fn built_constant(&self, from: usize, end: usize) -> Option<(usize, u64)> {
        let instrs = &self.region.instrs;
        let first = &instrs[from].op;
        if instrs[from].uses.template != Some(Template::MoveWide) {
            return None;
        }
        let (mut at, mut value) = (from + 1, first.imm);
        while at < end {
            let op = &instrs[at].op;
            if instrs[at].uses.template != Some(Template::MoveKeep) || op.rd != first.rd || op.insn >> 31 == 0 {
                break;
            }
            value = value & !(0xffff << (op.aux[0] & 63)) | op.imm;
            at += 1;
        }
        (at > from + 1 && at < end).then_some((at, value))
    }

    /// Takes a block's instructions off the budget, and sees that there is enough of it where loops come back.
    fn enter_block(&mut self, at: usize, count: i32) {
        let label = self.labels[at];
        asm!(self.asm ; =>label);
        if count < 128 {
            asm!(self.asm ; sub r15, BYTE count as i8);
        } else {
            asm!(self.asm ; sub r15, count);
        }
        if self.region.blocks[at].head {
            let offset = self.region.instrs[self.region.blocks[at].first].offset;
            let refill = self.stubs.refill;
            let out = self.later(move |emitter| {
                let out = emitter.label();
                asm!(emitter.asm ; add r15, count ; call extern refill ; jnz =>out ; jmp =>label ; =>out);
                emitter.spill();
                emitter.address(RAX, offset.into());
                emitter.leave(exit::LOOK);
            });
            asm!(self.asm ; js =>out);
        }
    }

    fn instruction(&mut self, block: usize, last: bool) {
        let region = self.region;
        let instr = &region.instrs[self.current];
        match instr.end {
            End::Leave => {
                self.store_flags();
                self.operation();
                let label = self.execute_last;
                asm!(self.asm ; jmp =>label);
                return;
            }
            End::Next => {}
            _ => return self.control(block, &instr.op, instr.end),
        }
        let emitted = instr.uses.template.is_some_and(|template| self.emit(template, &instr.op));
        if !emitted {
            self.store_flags();
            self.operation();
            let label = self.execute;
            asm!(self.asm ; call =>label);
            self.cleared = 0;
        }
        if !emitted || !instr.uses.has(bit::KEEPS | bit::FLAGS_WRITE | bit::FLAGS_READ) {
            self.flags_held = false;
        }
        if last {
            self.pass_flags(block);
            self.go(block, region.after(block));
        }
    }

    /// Names the current instruction to [`Stubs::execute`].
    fn operation(&mut self) {
        let op = &raw const self.ops[OPS * self.current] as i64;
        let place = (self.rest << 16 | u32::from(self.region.instrs[self.current].offset)) as i32;
        asm!(self.asm ; mov rax, QWORD op ; mov edx, place);
    }

    /// Code for later, where a label is bound first.
    pub(super) fn later(&mut self, code: impl FnOnce(&mut Emitter) + 'static) -> DynamicLabel {
        let label = self.asm.new_dynamic_label();
        let (current, rest, recipe) = (self.current, self.rest, self.recipe);
        self.cold.push(Box::new(move |emitter| {
            (emitter.current, emitter.rest, emitter.recipe) = (current, rest, recipe);
            emitter.flags_held = false;
            asm!(emitter.asm ; =>label);
            code(emitter);
        }));
        label
    }

    /// Code for later: the current instruction by its handler, then on at `back`.
    pub(super) fn slowly(&mut self, back: DynamicLabel) -> DynamicLabel {
        self.later(move |emitter| emitter.by_handler(back))
    }

    /// The current instruction by its handler, then on at `back`. All registers are as before the instruction.
    pub(super) fn by_handler(&mut self, back: DynamicLabel) {
        self.store_flags();
        self.operation();
        let label = self.execute;
        asm!(self.asm ; call =>label ; jmp =>back);
    }

    /// The place of a constant.
    pub(super) fn pool(&mut self, value: u128) -> DynamicLabel {
        if let Some(&(_, at)) = self.constants.iter().find(|constant| constant.0 == value) {
            return at;
        }
        let at = self.label();
        self.constants.push((value, at));
        at
    }

    pub(super) fn label(&mut self) -> DynamicLabel {
        self.asm.new_dynamic_label()
    }

    /// The flags that the current instruction sets are stored at once.
    pub(super) fn keeps_flags(&self) -> bool {
        self.region.instrs[self.current].flags == Flags::Stored
    }

    /// The instructions after the current one in its block.
    pub(super) fn following(&self) -> &[Instr] {
        &self.region.instrs[self.current + 1..self.current + self.rest as usize]
    }

    /// Offset of the current instruction in its page.
    pub(super) fn offset(&self) -> i64 {
        self.region.instrs[self.current].offset.into()
    }

    /// The host register that holds a slot, or `scratch` with its value. The host's flags stay.
    pub(super) fn get(&mut self, from: u8, scratch: u8) -> u8 {
        if let Some(host) = self.pins.general(from) {
            return host;
        }
        self.load_slot(from, scratch);
        scratch
    }

    /// Copies a slot to a host register. The host's flags stay.
    pub(super) fn load_slot(&mut self, from: u8, to: u8) {
        match self.pins.general(from) {
            Some(host) if host == to => {}
            Some(host) => asm!(self.asm ; mov Rq(to), Rq(host)),
            None if from == SLOT_ZR => asm!(self.asm ; mov Rd(to), 0),
            None => self.load_word(to, slot(from)),
        }
    }

    /// Loads a word of the core. The host's flags stay.
    fn load_word(&mut self, to: u8, offset: i32) {
        match i8::try_from(offset) {
            Ok(offset) => asm!(self.asm ; mov Rq(to), [BYTE rbp + offset]),
            Err(_) => asm!(self.asm ; mov Rq(to), [DWORD rbp + offset]),
        }
    }

    /// Stores a word of the core. The host's flags stay.
    fn store_word(&mut self, offset: i32, from: u8) {
        match i8::try_from(offset) {
            Ok(offset) => asm!(self.asm ; mov [BYTE rbp + offset], Rq(from)),
            Err(_) => asm!(self.asm ; mov [DWORD rbp + offset], Rq(from)),
        }
    }

    /// The host register to make a slot's value in: its own, or `scratch`, which [`Emitter::put`] then stores.
    pub(super) fn target(&self, to: u8, scratch: u8) -> u8 {
        self.pins.general(to).unwrap_or(scratch)
    }

    /// Sets a slot to the value of a host register. The host's flags stay.
    pub(super) fn put(&mut self, to: u8, value: u8) {
        match self.pins.general(to) {
            Some(host) if host == value => {}
            Some(host) => asm!(self.asm ; mov Rq(host), Rq(value)),
            None if to == SLOT_SINK => {}
            None => self.store_word(slot(to), value),
        }
    }

    /// The host's flags are the guest's now; sees to it that they are there for whoever asks. RAX may be lost.
    pub(super) fn flags_made(&mut self) {
        self.hold_flags(FlagsAs::Guest);
        match self.region.instrs[self.current].flags {
            Flags::Dropped => {}
            Flags::Stored => self.store_held_flags(),
            Flags::Remade(recipe) => self.recipe = Some(recipe),
        }
    }

    /// The host's flags are the guest's now, in some form, and no others are.
    pub(super) fn hold_flags(&mut self, form: FlagsAs) {
        (self.flags_held, self.flags_as, self.recipe) = (true, form, None);
    }

    fn store_held_flags(&mut self) {
        asm!(self.asm ; lahf ; seto al ; mov [rbp + frame!(flags)], eax);
    }

    /// The guest's flags are in memory after it, if anybody may ask for them there. RAX and RCX are lost. What was compared is still in its registers.
    pub(super) fn store_flags(&mut self) {
        if self.recipe.is_some() {
            self.want_flags();
            self.store_held_flags();
        }
    }

    /// Stores the flags if a block of the region that comes next wants them in memory. The host's flags stay as they are.
    pub(super) fn pass_flags(&mut self, block: usize) {
        if self.region.blocks[block].passes_flags && self.recipe.is_some() {
            self.store_flags();
            self.recipe = None;
        }
    }

    /// The host's flags hold the guest's. RAX and RCX are lost, unless they did.
    pub(super) fn want_flags(&mut self) {
        if self.flags_held {
            return;
        }
        match self.recipe {
            Some(recipe) => self.remake_flags(recipe),
            None => asm!(self.asm ; mov eax, [rbp + frame!(flags)] ; add al, 0x7f ; sahf),
        }
        (self.flags_held, self.flags_as) = (true, FlagsAs::Guest);
    }

    fn remake_flags(&mut self, recipe: Recipe) {
        let Recipe { wide, kind, a, b } = recipe;
        let first = self.get(a, RAX);
        match (kind, b) {
            (Kind::Test, _) => {
                sized!(self, wide, test first, first);
                asm!(self.asm ; stc);
            }
            (Kind::Compare, Operand::Constant(b)) => self.compare_constant(wide, first, b),
            (Kind::Compare, Operand::Slot(b)) => {
                let second = self.get(b, RCX);
                sized!(self, wide, cmp first, second);
            }
            (Kind::Subtracted, Operand::Constant(b)) => {
                asm!(self.asm ; lea rax, [Rq(first) + b]);
                self.compare_constant(wide, RAX, b);
            }
            (Kind::Subtracted, Operand::Slot(b)) => {
                let second = self.get(b, RCX);
                asm!(self.asm ; lea rax, [Rq(first) + Rq(second)]);
                sized!(self, wide, cmp RAX, second);
            }
        }
    }

    /// Writes all guest registers back that may have changed.
    pub(super) fn spill(&mut self) {
        let pins = self.pins.clone();
        for (from, host, _) in pins.generals().filter(|pin| pin.2) {
            self.store_word(slot(from), host);
        }
        for (register, host, _) in pins.vectors().filter(|pin| pin.2) {
            self.store_vector_register(register, host);
        }
    }

    /// Loads all guest registers that are held.
    fn fill(&mut self) {
        let pins = self.pins.clone();
        for (from, host, _) in pins.generals() {
            self.load_word(host, slot(from));
        }
        for (register, host, _) in pins.vectors() {
            self.load_vector_register(register, host);
        }
    }

    /// RAX is an address of the guest: page's and an offset.
    pub(super) fn address(&mut self, to: u8, offset: i64) {
        let offset = offset as i32;
        asm!(self.asm ; mov Rq(to), [rbp + frame!(page)]);
        if offset != 0 {
            asm!(self.asm ; add Rq(to), offset);
        }
    }

    /// Goes on at an offset from the page's start.
    pub(super) fn go(&mut self, block: usize, target: i64) {
        match self.region.block_at(target) {
            Some(to) if to == block + 1 => {}
            Some(to) => {
                let label = self.labels[to];
                asm!(self.asm ; jmp =>label);
            }
            None => self.leave_to(target),
        }
    }

    /// The label of a block of the region.
    pub(super) fn inside(&self, target: i64) -> Option<DynamicLabel> {
        self.region.block_at(target).map(|to| self.labels[to])
    }

    /// Out of the region, to an offset from its page's start.
    pub(super) fn leave_to(&mut self, target: i64) {
        self.store_flags();
        self.spill();
        if !(0..4096).contains(&target) {
            self.address(RAX, target);
            return self.look_up();
        }
        let (word, unlinked) = (self.label(), self.label());
        self.links.push((word, unlinked));
        let here = self.later(move |emitter| {
            asm!(emitter.asm ; =>unlinked ; lea rcx, [=>word] ; mov [rbp + frame!(link)], rcx);
            emitter.address(RAX, target);
            emitter.leave(exit::UNLINKED);
        });
        let _ = here;
        asm!(self.asm ; jmp QWORD [=>word]);
    }

    /// Leaves for the address in RAX, with all guest registers in memory.
    pub(super) fn leave(&mut self, reason: u32) {
        let leave = self.stubs.leave;
        asm!(self.asm ; mov ecx, reason as i32 ; jmp extern leave);
    }

    /// Goes on at the address in RAX, with all guest registers in memory, if code for it is known.
    pub(super) fn look_up(&mut self) {
        let unknown = self.later(|emitter| emitter.leave(exit::UNKNOWN));
        asm!(self.asm
            ; mov ecx, eax
            ; and ecx, (Lookup::COUNT as i32 - 1) << 2
            ; shl ecx, 3
            ; add rcx, [rbp + frame!(lookups)]
            ; cmp rax, [rcx + offset_of!(Lookup, pc) as i32]
            ; jne =>unknown
            ; mov edx, [rbp + at!(tag)]
            ; cmp edx, [rcx + offset_of!(Lookup, tag) as i32]
            ; jne =>unknown
            ; jmp QWORD [rcx + offset_of!(Lookup, code) as i32]
        );
    }

    /// The ways in: (word of the page, labels of the code by address and by link).
    fn entries(&mut self) -> Vec<(u16, DynamicLabel, DynamicLabel)> {
        let region = self.region;
        let mut entries = Vec::new();
        for (at, block) in region.blocks.iter().enumerate().filter(|(_, block)| block.entry) {
            let (by_address, by_link, inside) = (self.label(), self.label(), self.labels[at]);
            let offset = region.instrs[block.first].offset;
            let refill = self.stubs.refill;
            let out = self.later(move |emitter| {
                asm!(emitter.asm ; call extern refill ; jz =>by_link);
                emitter.address(RAX, offset.into());
                emitter.leave(exit::LOOK);
            });
            asm!(self.asm
                ; .align 16
                ; =>by_address
                ; and rax, -4096
                ; mov [rbp + frame!(page)], rax
                ; =>by_link
                ; test r15, r15
                ; js =>out
            );
            self.fill();
            asm!(self.asm ; jmp =>inside);
            entries.push((offset / 4, by_address, by_link));
        }
        entries
    }

    /// The region's own stubs, the cold code, the words of links.
    fn finish(mut self, entries: Vec<(u16, DynamicLabel, DynamicLabel)>) -> Option<Made> {
        let (execute, last) = (self.execute, self.execute_last);
        let (shared, shared_last) = (self.stubs.execute, self.stubs.execute_last);
        asm!(self.asm ; =>execute);
        self.spill();
        asm!(self.asm ; call extern shared);
        self.fill();
        asm!(self.asm ; ret ; =>last);
        self.spill();
        asm!(self.asm ; jmp extern shared_last);
        // Cold code may ask for more of it.
        while let Some(code) = self.cold.pop() {
            code(&mut self);
        }
        asm!(self.asm ; .align 8);
        for (word, _) in self.links.clone() {
            asm!(self.asm ; =>word ; .i64 0);
        }
        asm!(self.asm ; .align 16);
        for (value, at) in self.constants.clone() {
            asm!(self.asm ; =>at ; .i64 value as i64 ; .i64 (value >> 64) as i64);
        }
        self.asm.commit().ok()?;
        let offset = |label| self.asm.labels().resolve_dynamic(label).ok().map(|offset| offset.0);
        let base = self.base;
        let mut words = Vec::with_capacity(self.links.len());
        for &(word, unlinked) in &self.links {
            words.push((offset(word)?, base + offset(unlinked)? as u64));
        }
        let mut made = Vec::with_capacity(entries.len());
        for (word, by_address, by_link) in entries {
            made.push((word, offset(by_address)?, offset(by_link)?));
        }
        let mut code = self.asm.take().ok()?;
        for (at, value) in words {
            code.get_mut(at..at + 8)?.copy_from_slice(&value.to_le_bytes());
        }
        Some(Made { code, entries: made, ops: self.ops })
    }

    /// Code for the guest's X30 when it calls: the address after the current instruction.
    pub(super) fn link_register(&mut self) {
        let to = self.target(30, RCX);
        let after = self.offset() + 4;
        self.address(to, after);
        self.put(30, to);
    }
}
