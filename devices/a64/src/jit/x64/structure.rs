//! Loads and stores of structures. How addresses are looked up, [`super::memory`] says.

use super::emit::Emitter;
use super::memory::{Place, Span};
use super::vector::{half, lanes, v};
use super::xmm::{X13, X14, X15};
use super::{RCX, RDX, asm};
use crate::core::SLOT_ZR;
use crate::decode::{Op, field};
use crate::jit::uses_vector::{Structure, registers};
use dynasmrt::{DynasmApi, DynasmLabelApi};

/// Bytes of memory that a host register takes at once.
const CHUNK: usize = 16;

/// log2 of the elements' bytes, of multiple structures and replicating loads.
fn element_size(op: &Op) -> u32 {
    field(op.insn, 11, 10)
}

/// Where the bytes of register `register` of several structures are in the chunk of memory from byte `at` on; and back, with `store`, where the bytes of the chunk
/// are in the register. Bytes that are not there get zero. `None` if none is.
fn order(members: usize, element: usize, bytes: usize, register: usize, at: usize, store: bool) -> Option<u128> {
    let mut order = [0x80u8; CHUNK];
    let mut any = false;
    for byte in 0..bytes {
        let from = (byte / element * members + register) * element + byte % element;
        if (at..at + CHUNK).contains(&from) {
            any = true;
            if store {
                order[from - at] = byte as u8;
            } else {
                order[byte] = (from - at) as u8;
            }
        }
    }
    any.then(|| u128::from_le_bytes(order))
}

impl Emitter<'_> {
    pub(super) fn structure(&mut self, op: &Op, structure: Structure) -> bool {
        match structure {
            Structure::Load | Structure::Store => self.multiple(op, structure == Structure::Store),
            Structure::LoadMembers | Structure::StoreMembers => self.members(op, structure == Structure::StoreMembers),
            Structure::Replicate => self.replicate(op),
            Structure::LoadLane | Structure::StoreLane => self.single(op, structure == Structure::StoreLane),
        }
    }

    /// The way from the address to the write-back; `code` moves the bytes.
    fn transfer(&mut self, op: &Op, size: i32, count: i32, store: bool, code: impl FnOnce(&mut Self, Place)) -> bool {
        let back = self.label();
        let address = self.get(op.rn, RDX);
        let place = self.translate(op, address, Span { size, count, store }, Some(0), back);
        code(self, place);
        if op.aux[3] != 0 {
            let to = self.target(op.rn, RDX);
            self.load_slot(op.rn, to);
            if op.rm == SLOT_ZR {
                asm!(self.asm ; add Rq(to), op.imm as i32);
            } else {
                let by = self.get(op.rm, RCX);
                asm!(self.asm ; add Rq(to), Rq(by));
            }
            self.put(op.rn, to);
        }
        asm!(self.asm ; =>back);
        true
    }

    /// Loads 16 bytes, or 8 and zeros.
    fn load_chunk(&mut self, to: u8, place: Place, offset: usize, bytes: usize) {
        let (a, b, offset) = (place.address, place.addend, offset as i32);
        if bytes >= CHUNK {
            asm!(self.asm ; vmovups Rx(to), [Rq(a) + Rq(b) + offset]);
        } else {
            asm!(self.asm ; vmovsd Rx(to), QWORD [Rq(a) + Rq(b) + offset]);
        }
    }

    fn store_chunk(&mut self, from: u8, place: Place, offset: usize, bytes: usize) {
        let (a, b, offset) = (place.address, place.addend, offset as i32);
        if bytes >= CHUNK {
            asm!(self.asm ; vmovups [Rq(a) + Rq(b) + offset], Rx(from));
        } else {
            asm!(self.asm ; vmovsd QWORD [Rq(a) + Rq(b) + offset], Rx(from));
        }
    }

    /// LD1 and ST1: registers one after the other.
    fn multiple(&mut self, op: &Op, store: bool) -> bool {
        let (count, bytes) = (registers(op), if half(op) { 8 } else { 16 });
        self.transfer(op, 8, (count * bytes / 8) as i32, store, |e, place| {
            for register in 0..count {
                let guest = op.rd.wrapping_add(register as u8) & 31;
                if store {
                    let host = e.vget(guest, X13);
                    e.store_chunk(host, place, register * bytes, bytes);
                } else {
                    let host = e.vtarget(guest, X13);
                    e.load_chunk(host, place, register * bytes, bytes);
                    e.vput(guest, host);
                }
            }
        })
    }

    /// LD2 to LD4, ST2 to ST4. What is read more than once has every time other elements that count.
    fn members(&mut self, op: &Op, store: bool) -> bool {
        let (count, bytes, size) = (registers(op), if half(op) { 8 } else { 16 }, element_size(op));
        let total = count * bytes;
        self.transfer(op, 8, (total / 8) as i32, store, |e, place| match (count, store) {
            (2, false) => {
                for register in 0..2u8 {
                    e.load_chunk(X14, place, 0, CHUNK);
                    let second = if bytes == CHUNK {
                        e.load_chunk(X15, place, CHUNK, CHUNK);
                        X15
                    } else {
                        X14
                    };
                    e.unzip(size, register == 1, X13, X14, second);
                    if bytes < CHUNK {
                        v!(e, vmovq X13, X13);
                    }
                    e.vput(op.rd.wrapping_add(register) & 31, X13);
                }
            }
            (2, true) => {
                let (n, m) = (e.vget(op.rd, X14), e.vget(op.rd.wrapping_add(1) & 31, X15));
                lanes!(e, size, [vpunpcklbw vpunpcklwd vpunpckldq vpunpcklqdq] X13, n, m);
                e.store_chunk(X13, place, 0, CHUNK);
                if bytes == CHUNK {
                    lanes!(e, size, [vpunpckhbw vpunpckhwd vpunpckhdq vpunpckhqdq] X13, n, m);
                    e.store_chunk(X13, place, CHUNK, CHUNK);
                }
            }
            (_, false) => {
                for register in 0..count {
                    let guest = op.rd.wrapping_add(register as u8) & 31;
                    e.gather(
                        (0..total).step_by(CHUNK).filter_map(|at| Some((at, order(count, 1 << size, bytes, register, at, false)?))),
                        |e, at| {
                            e.load_chunk(X14, place, at, total - at);
                            X14
                        },
                    );
                    e.vput(guest, X13);
                }
            }
            (_, true) => {
                for at in (0..total).step_by(CHUNK) {
                    e.gather(
                        (0..count).filter_map(|register| Some((register, order(count, 1 << size, bytes, register, at, true)?))),
                        |e, register| e.vget(op.rd.wrapping_add(register as u8) & 31, X14),
                    );
                    e.store_chunk(X13, place, at, total - at);
                }
            }
        })
    }

    /// XMM13 = bytes of several registers, each of which `code` gives, in the order that goes with it. XMM14 is lost.
    fn gather(&mut self, parts: impl Iterator<Item = (usize, u128)>, mut code: impl FnMut(&mut Self, usize) -> u8) {
        for (nth, (part, order)) in parts.enumerate() {
            let from = code(self, part);
            let to = if nth == 0 { X13 } else { X14 };
            let order = self.pool(order);
            asm!(self.asm ; vpshufb Rx(to), Rx(from), [=>order]);
            if nth > 0 {
                v!(self, vpor X13, X13, X14);
            }
        }
    }

    /// LD1R.
    fn replicate(&mut self, op: &Op) -> bool {
        if op.aux[0] != 1 {
            return false;
        }
        let size = element_size(op);
        self.transfer(op, 1 << size, 1, false, |e, place| {
            let (a, b, to) = (place.address, place.addend, e.vtarget(op.rd, X13));
            match size {
                0 => asm!(e.asm ; vpbroadcastb Rx(to), BYTE [Rq(a) + Rq(b)]),
                1 => asm!(e.asm ; vpbroadcastw Rx(to), WORD [Rq(a) + Rq(b)]),
                2 => asm!(e.asm ; vbroadcastss Rx(to), DWORD [Rq(a) + Rq(b)]),
                _ => asm!(e.asm ; vmovddup Rx(to), QWORD [Rq(a) + Rq(b)]),
            }
            e.finish_lanes(op, to);
        })
    }

    /// LD1 and ST1 of one element.
    fn single(&mut self, op: &Op, store: bool) -> bool {
        if op.aux[0] != 1 {
            return false;
        }
        let (size, index) = (op.aux[1] & 3, op.aux[2] as i8);
        self.transfer(op, 1 << size, 1, store, |e, place| {
            let (a, b, d) = (place.address, place.addend, e.vget(op.rd, X13));
            if store {
                return match size {
                    0 => asm!(e.asm ; vpextrb BYTE [Rq(a) + Rq(b)], Rx(d), index),
                    1 => asm!(e.asm ; vpextrw WORD [Rq(a) + Rq(b)], Rx(d), index),
                    2 => asm!(e.asm ; vpextrd DWORD [Rq(a) + Rq(b)], Rx(d), index),
                    _ => asm!(e.asm ; vpextrq QWORD [Rq(a) + Rq(b)], Rx(d), index),
                };
            }
            let to = e.vtarget(op.rd, X13);
            match size {
                0 => asm!(e.asm ; vpinsrb Rx(to), Rx(d), BYTE [Rq(a) + Rq(b)], index),
                1 => asm!(e.asm ; vpinsrw Rx(to), Rx(d), WORD [Rq(a) + Rq(b)], index),
                2 => asm!(e.asm ; vpinsrd Rx(to), Rx(d), DWORD [Rq(a) + Rq(b)], index),
                _ => asm!(e.asm ; vpinsrq Rx(to), Rx(d), QWORD [Rq(a) + Rq(b)], index),
            }
            e.vput(op.rd, to);
        })
    }
}
