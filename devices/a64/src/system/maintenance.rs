//! SYS: cache and TLB maintenance, and address translation (ARM ARM C5.3 to C5.5).
//!
//! Caches are not modelled: memory is coherent, and decoded code is kept coherent by tracking stores. What remains of cache maintenance is
//! its faults, and DC ZVA's zeroes.

use super::{after, encoding, op, refuse};
use crate::bus::{Bus, Maintenance, TlbScope};
use crate::core::{Core, doorbell};
use crate::decode::{Flow, Op, field};
use crate::exception::{Class, Exception};
use crate::mmu::{Kind, Stages};
use crate::sysreg::{After, Denied, Reg, hcr, sctlr};
use std::sync::LazyLock;
use std::sync::atomic::Ordering;
use tayberry_ram::LINE_BYTES;

/// Executes an instruction with the value of its register operand.
type Execute = fn(&mut Core, &mut dyn Bus, &Op, u64) -> Result<After, Exception>;

/// What guards an instruction beside the exception level.
#[derive(Clone, Copy)]
enum Guard {
    /// Nothing.
    None,
    /// Bits of HCR_EL2 that trap EL1.
    Hypervisor(u64),
    /// EL0 needs SCTLR_EL1.UCI; bits of HCR_EL2 trap EL0 and EL1.
    User(u64),
    /// EL0 needs SCTLR_EL1.DZE; HCR_EL2.TDZ traps EL0 and EL1.
    Zero,
    /// At EL3 it needs SCR_EL3.NS: there is no EL2 in Secure state.
    NonSecure,
}

struct Instruction {
    name: &'static str,
    key: u16,
    el: u8,
    guard: Guard,
    execute: Execute,
}

const fn sys(name: &'static str, code: (u16, u16, u16, u16), el: u8, guard: Guard, execute: Execute) -> Instruction {
    Instruction { name, key: code.0 << 11 | code.1 << 7 | code.2 << 3 | code.3, el, guard, execute }
}

const UNIFICATION: Guard = Guard::Hypervisor(hcr::TPU);
const COHERENCY: Guard = Guard::Hypervisor(hcr::TPC);
const SET_WAY: Guard = Guard::Hypervisor(hcr::TSW);
const TLB: Guard = Guard::Hypervisor(hcr::TTLB);

static INSTRUCTIONS: &[Instruction] = &[
    sys("IC IALLUIS", (0, 7, 1, 0), 1, UNIFICATION, instruction_all),
    sys("IC IALLU", (0, 7, 5, 0), 1, UNIFICATION, instruction_all),
    sys("IC IVAU", (3, 7, 5, 1), 0, Guard::User(hcr::TPU), instruction_line),
    sys("DC IVAC", (0, 7, 6, 1), 1, COHERENCY, data_invalidate),
    sys("DC ISW", (0, 7, 6, 2), 1, SET_WAY, nothing),
    sys("DC CSW", (0, 7, 10, 2), 1, SET_WAY, nothing),
    sys("DC CISW", (0, 7, 14, 2), 1, SET_WAY, nothing),
    sys("DC ZVA", (3, 7, 4, 1), 0, Guard::Zero, data_zero),
    sys("DC CVAC", (3, 7, 10, 1), 0, Guard::User(hcr::TPC), data_clean),
    sys("DC CVAU", (3, 7, 11, 1), 0, Guard::User(hcr::TPU), data_clean),
    sys("DC CIVAC", (3, 7, 14, 1), 0, Guard::User(hcr::TPC), data_clean),
    sys("AT S1E1R", (0, 7, 8, 0), 1, Guard::None, |core, _, _, va| translate(core, va, Kind::Read, 1, Stages::First)),
    sys("AT S1E1W", (0, 7, 8, 1), 1, Guard::None, |core, _, _, va| translate(core, va, Kind::Write, 1, Stages::First)),
    sys("AT S1E0R", (0, 7, 8, 2), 1, Guard::None, |core, _, _, va| translate(core, va, Kind::Read, 0, Stages::First)),
    sys("AT S1E0W", (0, 7, 8, 3), 1, Guard::None, |core, _, _, va| translate(core, va, Kind::Write, 0, Stages::First)),
    sys("AT S1E2R", (4, 7, 8, 0), 2, Guard::NonSecure, |core, _, _, va| translate(core, va, Kind::Read, 2, Stages::First)),
    sys("AT S1E2W", (4, 7, 8, 1), 2, Guard::NonSecure, |core, _, _, va| translate(core, va, Kind::Write, 2, Stages::First)),
    sys("AT S12E1R", (4, 7, 8, 4), 2, Guard::None, |core, _, _, va| translate(core, va, Kind::Read, 1, Stages::Both)),
    sys("AT S12E1W", (4, 7, 8, 5), 2, Guard::None, |core, _, _, va| translate(core, va, Kind::Write, 1, Stages::Both)),
    sys("AT S12E0R", (4, 7, 8, 6), 2, Guard::None, |core, _, _, va| translate(core, va, Kind::Read, 0, Stages::Both)),
    sys("AT S12E0W", (4, 7, 8, 7), 2, Guard::None, |core, _, _, va| translate(core, va, Kind::Write, 0, Stages::Both)),
    sys("AT S1E3R", (6, 7, 8, 0), 3, Guard::None, |core, _, _, va| translate(core, va, Kind::Read, 3, Stages::First)),
    sys("AT S1E3W", (6, 7, 8, 1), 3, Guard::None, |core, _, _, va| translate(core, va, Kind::Write, 3, Stages::First)),
    sys("TLBI VMALLE1IS", (0, 8, 3, 0), 1, TLB, tlb_shareable),
    sys("TLBI VAE1IS", (0, 8, 3, 1), 1, TLB, tlb_shareable),
    sys("TLBI ASIDE1IS", (0, 8, 3, 2), 1, TLB, tlb_shareable),
    sys("TLBI VAAE1IS", (0, 8, 3, 3), 1, TLB, tlb_shareable),
    sys("TLBI VALE1IS", (0, 8, 3, 5), 1, TLB, tlb_shareable),
    sys("TLBI VAALE1IS", (0, 8, 3, 7), 1, TLB, tlb_shareable),
    sys("TLBI VMALLE1", (0, 8, 7, 0), 1, TLB, tlb_local),
    sys("TLBI VAE1", (0, 8, 7, 1), 1, TLB, tlb_local),
    sys("TLBI ASIDE1", (0, 8, 7, 2), 1, TLB, tlb_local),
    sys("TLBI VAAE1", (0, 8, 7, 3), 1, TLB, tlb_local),
    sys("TLBI VALE1", (0, 8, 7, 5), 1, TLB, tlb_local),
    sys("TLBI VAALE1", (0, 8, 7, 7), 1, TLB, tlb_local),
    sys("TLBI IPAS2E1IS", (4, 8, 0, 1), 2, Guard::None, tlb_shareable),
    sys("TLBI IPAS2LE1IS", (4, 8, 0, 5), 2, Guard::None, tlb_shareable),
    sys("TLBI IPAS2E1", (4, 8, 4, 1), 2, Guard::None, tlb_local),
    sys("TLBI IPAS2LE1", (4, 8, 4, 5), 2, Guard::None, tlb_local),
    sys("TLBI ALLE2IS", (4, 8, 3, 0), 2, Guard::NonSecure, tlb_shareable),
    sys("TLBI VAE2IS", (4, 8, 3, 1), 2, Guard::NonSecure, tlb_shareable),
    sys("TLBI ALLE1IS", (4, 8, 3, 4), 2, Guard::None, tlb_shareable),
    sys("TLBI VALE2IS", (4, 8, 3, 5), 2, Guard::NonSecure, tlb_shareable),
    sys("TLBI VMALLS12E1IS", (4, 8, 3, 6), 2, Guard::None, tlb_shareable),
    sys("TLBI ALLE2", (4, 8, 7, 0), 2, Guard::NonSecure, tlb_local),
    sys("TLBI VAE2", (4, 8, 7, 1), 2, Guard::NonSecure, tlb_local),
    sys("TLBI ALLE1", (4, 8, 7, 4), 2, Guard::None, tlb_local),
    sys("TLBI VALE2", (4, 8, 7, 5), 2, Guard::NonSecure, tlb_local),
    sys("TLBI VMALLS12E1", (4, 8, 7, 6), 2, Guard::None, tlb_local),
    sys("TLBI ALLE3IS", (6, 8, 3, 0), 3, Guard::None, tlb_shareable),
    sys("TLBI VAE3IS", (6, 8, 3, 1), 3, Guard::None, tlb_shareable),
    sys("TLBI VALE3IS", (6, 8, 3, 5), 3, Guard::None, tlb_shareable),
    sys("TLBI ALLE3", (6, 8, 7, 0), 3, Guard::None, tlb_local),
    sys("TLBI VAE3", (6, 8, 7, 1), 3, Guard::None, tlb_local),
    sys("TLBI VALE3", (6, 8, 7, 5), 3, Guard::None, tlb_local),
];

/// Indices in order of their keys.
static BY_KEY: LazyLock<Vec<(u16, usize)>> = LazyLock::new(|| {
    let mut index: Vec<_> = INSTRUCTIONS.iter().enumerate().map(|(at, instruction)| (instruction.key, at)).collect();
    index.sort_unstable();
    index
});

/// SYS and SYSL: `imm` is the instruction's index, `rn` its register. There is no SYSL on this core.
pub(super) fn build(insn: u32) -> Option<Op> {
    let key = field(insn, 18, 5) as u16;
    let found = BY_KEY.binary_search_by_key(&key, |entry| entry.0).ok().filter(|_| field(insn, 21, 21) == 0);
    let Some(at) = found.and_then(|at| BY_KEY.get(at)) else {
        return Some(op(insn, unallocated));
    };
    Some(Op { imm: at.1 as u64, rn: field(insn, 4, 0) as u8, ..op(insn, execute) })
}

fn execute(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let instruction = &INSTRUCTIONS[op.imm as usize];
    if let Err(why) = core.check_maintenance(instruction) {
        return refuse(core, op, why);
    }
    let pc = core.current_pc(op);
    tracing::trace!(
        target: "mmu",
        core = core.config.id,
        retired = core.retired_before(op),
        operand = format_args!("{:#x}", core.x[usize::from(op.rn)]),
        pc = format_args!("{pc:#x}"),
        "{} {:#x} at PC {pc:#x}",
        instruction.name,
        core.x[usize::from(op.rn)]
    );
    let operand = core.x[usize::from(op.rn)];
    match (instruction.execute)(core, bus, op, operand) {
        Ok(asked) => after(core, op, asked),
        Err(exception) => {
            let pc = core.current_pc(op);
            core.raise(exception, pc)
        }
    }
}

fn unallocated(core: &mut Core, _: &mut dyn Bus, op: &Op) -> Flow {
    let [_, op1, crn, crm, op2] = encoding(op.insn);
    let name = if field(op.insn, 21, 21) == 1 { "SYSL" } else { "SYS" };
    let pc = core.current_pc(op);
    if core.is_first_at(pc) {
        tracing::warn!(
            target: "unimplemented",
            core = core.config.id,
            el = core.el,
            "unallocated {name} #{op1}, C{crn}, C{crm}, #{op2} at PC {pc:#x}",
        );
    }
    let trapped = matches!(crn, 11 | 15) && core.el == 1 && core.hcr() & hcr::TIDCP != 0;
    refuse(core, op, if trapped { Denied::To(2) } else { Denied::Undefined })
}

impl Core {
    fn check_maintenance(&self, instruction: &Instruction) -> Result<(), Denied> {
        if self.el < instruction.el {
            return Err(Denied::Undefined);
        }
        match instruction.guard {
            Guard::None => Ok(()),
            Guard::Hypervisor(bits) => self.hcr_trap(bits),
            Guard::User(bits) => {
                self.el0_needs(self.sys[Reg::SCTLR_EL1] & sctlr::UCI != 0)?;
                self.hcr_trap(bits)
            }
            Guard::Zero => self.check_zva(),
            Guard::NonSecure if self.sys[Reg::SCR_EL3] & crate::sysreg::scr::NS == 0 => Err(Denied::Undefined),
            Guard::NonSecure => Ok(()),
        }
    }

    /// May this level use DC ZVA?
    pub(crate) fn check_zva(&self) -> Result<(), Denied> {
        self.el0_needs(self.sys[Reg::SCTLR_EL1] & sctlr::DZE != 0)?;
        self.hcr_trap(hcr::TDZ)
    }
}

// Caches.

/// ISS.CM and WnR: a fault of cache maintenance is reported as one of a write.
const CACHE_MAINTENANCE: u32 = 1 << 8 | 1 << 6;

/// The address of a line to maintain, or the data abort of it.
fn line(core: &mut Core, va: u64, kind: Kind) -> Result<u64, Exception> {
    let found = core.translate_cached(va, kind, core.el).and_then(|found| {
        // Of these, only what destroys data is watched.
        let watched = kind == Kind::Write;
        if watched { core.watch(va & !(LINE_BYTES - 1), LINE_BYTES, kind, core.el) } else { Ok(()) }.map(|()| found)
    });
    found.map(|found| found.pa & !(LINE_BYTES - 1)).map_err(|fault| Exception { iss: fault.iss | CACHE_MAINTENANCE, ..fault })
}

fn nothing(_: &mut Core, _: &mut dyn Bus, _: &Op, _: u64) -> Result<After, Exception> {
    Ok(After::Next)
}

fn data_clean(core: &mut Core, _: &mut dyn Bus, _: &Op, va: u64) -> Result<After, Exception> {
    line(core, va, Kind::Read)?;
    Ok(After::Next)
}

/// DC IVAC destroys data, so it needs write permission.
fn data_invalidate(core: &mut Core, _: &mut dyn Bus, _: &Op, va: u64) -> Result<After, Exception> {
    line(core, va, Kind::Write)?;
    Ok(After::Next)
}

/// DC ZVA: 64 bytes of zeroes. On Device memory it is an alignment fault.
fn data_zero(core: &mut Core, bus: &mut dyn Bus, _: &Op, va: u64) -> Result<After, Exception> {
    const ALIGNMENT_FAULT: u32 = 0x21;
    const WRITE: u32 = 1 << 6;
    let found = core.translate_cached(va, Kind::Write, core.el)?;
    if found.device {
        return Err(Exception { class: Class::DataAbort, iss: ALIGNMENT_FAULT | WRITE, far: Some(va) });
    }
    let start = va & !(LINE_BYTES - 1);
    for offset in (0..LINE_BYTES).step_by(8) {
        core.store(bus, start.wrapping_add(offset), 8, 0)?;
    }
    Ok(After::Next)
}

/// IC IALLU and IALLUIS: decoded code follows stores anyway; what comes next is looked up anew.
fn instruction_all(_: &mut Core, _: &mut dyn Bus, _: &Op, _: u64) -> Result<After, Exception> {
    Ok(After::Leave)
}

/// IC IVAU drops code decoded from the line, here and on the other cores. The next DSB waits for them in any case: whether there was such code is not the
/// guest's to see, and translated code is marked further ahead than interpreted code.
fn instruction_line(core: &mut Core, bus: &mut dyn Bus, _: &Op, va: u64) -> Result<After, Exception> {
    let pa = line(core, va, Kind::Read)?;
    if core.config.ram.code().written(pa, LINE_BYTES) {
        core.config.doorbell.fetch_or(doorbell::CODE, Ordering::Release);
        bus.broadcast(Maintenance::Code);
    }
    core.sys.sync_pending = true;
    Ok(After::Leave)
}

// TLBs.

/// What a TLBI names, by its encoding. Those of stage 2 and of all stages name all of EL1&0.
fn tlb_scope(op: &Op, operand: u64) -> TlbScope {
    let [_, op1, _, crm, op2] = encoding(op.insn);
    let regime = match op1 {
        4 if matches!(op2, 4 | 6) || matches!(crm, 0 | 4) => 0,
        4 => 1,
        6 => 2,
        _ => 0,
    };
    // Bits 55 to 12 of the address are given.
    let va = operand << 12 & (u64::MAX >> 8);
    match (op1, op2) {
        (0, 2) => TlbScope::Asid((operand >> 48) as u16),
        (0, 1 | 3 | 5 | 7) => TlbScope::Page { regime, va },
        (4, 1 | 5) if regime == 1 => TlbScope::Page { regime, va },
        (6, 1 | 5) => TlbScope::Page { regime, va },
        _ => TlbScope::Regime(regime),
    }
}

/// TLBI, this core only, unless EL2 wants those of EL1 broadcast (HCR_EL2.FB).
fn tlb_local(core: &mut Core, bus: &mut dyn Bus, op: &Op, operand: u64) -> Result<After, Exception> {
    if core.el == 1 && core.hcr() & hcr::FB != 0 {
        return tlb_shareable(core, bus, op, operand);
    }
    core.invalidate(tlb_scope(op, operand));
    Ok(After::Leave)
}

/// TLBI ...IS: all cores. The next DSB waits for them.
fn tlb_shareable(core: &mut Core, bus: &mut dyn Bus, op: &Op, operand: u64) -> Result<After, Exception> {
    let scope = tlb_scope(op, operand);
    core.invalidate(scope);
    bus.broadcast(Maintenance::Tlb(scope));
    core.sys.sync_pending = true;
    Ok(After::Leave)
}

// Address translation.

/// PAR_EL1.F: the translation failed.
const PAR_FAULT: u64 = 1 << 0;
/// PAR_EL1.PTW: it failed in stage 2, on a walk of stage 1.
const PAR_PTW: u64 = 1 << 8;
/// PAR_EL1.S: it failed in stage 2.
const PAR_STAGE2: u64 = 1 << 9;
/// PAR_EL1 bits that are one.
const PAR_ONES: u64 = 1 << 11;
/// ISS.S1PTW of an abort.
const S1PTW: u32 = 1 << 7;

/// AT: the result goes to PAR_EL1 (ARM ARM D13.2.96). Faults are results too, but for external aborts, and for those of stage 2 on a
/// walk that EL1 asked for: these are EL2's.
fn translate(core: &mut Core, va: u64, kind: Kind, el: u8, stages: Stages) -> Result<After, Exception> {
    let par = match core.translate_stages(va, kind, el, stages) {
        Ok(found) => u64::from(found.attributes) << 56 | found.pa & 0xff_ffff_f000 | found.par_shareability() << 7,
        Err(fault) => {
            let stage2 = matches!(fault.class, Class::Stage2DataAbort { .. });
            if crate::exception::is_external(fault.iss) || stage2 && core.el == 1 {
                return Err(Exception { iss: fault.iss | CACHE_MAINTENANCE, ..fault });
            }
            let walk = if fault.iss & S1PTW != 0 { PAR_PTW } else { 0 };
            PAR_FAULT | u64::from(fault.iss & 0x3f) << 1 | if stage2 { PAR_STAGE2 | walk } else { 0 }
        }
    };
    core.sys[Reg::PAR_EL1] = PAR_ONES | par;
    Ok(After::Next)
}
