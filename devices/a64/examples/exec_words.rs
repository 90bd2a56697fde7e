//! Executes cases from standard input, one per line, and prints the state after each: for differential tests against another implementation.
//!
//! A case: `COUNT WORDS... NZCV X0..X30 SP V0LO V0HI..V31LO V31HI [FPCR]`, all hexadecimal (COUNT too). The words run at 0x80000 in EL3, with
//! all memory Normal (1 MiB of RAM, mapped flat). The 16 KiB from 0x40000 on are filled with a pattern before each case and printed as
//! a hash (the sum of each word by its odd number) after it. Output: `RETIRED PC NZCV X0..X30 SP V... HASH FPSR`; after an exception PC is the
//! address it was taken from.

use std::io::{BufRead, Write};
use std::sync::Arc;
use tayberry_a64::core::SLOT_SP;
use tayberry_a64::sysreg::Reg;
use tayberry_a64::{Access, Bus, Config, Core, Features, Lines, Maintenance, Posted, Timer};
use tayberry_ram::GuestRam;

const CODE: u64 = 0x8_0000;
const DATA: u64 = 0x4_0000;
const DATA_BYTES: u64 = 0x4000;
const RAM: u64 = 0x10_0000;
const TABLE: u64 = 0xf_0000;
/// Where a synchronous exception from EL3 with SP_EL3 goes: a branch to itself.
const VECTOR: u64 = 0x200;

struct NoBus;

impl Bus for NoBus {
    fn read(&mut self, _: Access) -> u64 {
        0
    }
    fn write(&mut self, _: Access, _: u64) -> Posted {
        Posted::Done
    }
    fn counter(&mut self, retired: u64) -> u64 {
        retired
    }
    fn set_timer(&mut self, _: Timer, _: u32, _: u64) {}
    fn interrupts(&mut self, _: u64) -> Lines {
        Lines::default()
    }
    fn send_event(&mut self) {}
    fn broadcast(&mut self, _: Maintenance) {}
}

/// Maps the first GiB flat as Normal memory.
fn enable_mmu(core: &mut Core, ram: &GuestRam) -> Option<()> {
    ram.write_u64(TABLE, 0x401)?;
    core.sys[Reg::MAIR_EL3] = 0xff;
    core.sys[Reg::TTBR0_EL3] = TABLE;
    core.sys[Reg::TCR_EL3] = 25;
    // M on, stack alignment checks off.
    core.sys[Reg::SCTLR_EL3] = core.sys[Reg::SCTLR_EL3] & !8 | 1;
    core.context_changed();
    Some(())
}

/// The pattern that data memory starts with.
fn pattern(i: u64) -> u64 {
    (i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23)
}

fn case(core: &mut Core, ram: &GuestRam, line: &str) -> Option<String> {
    let mut numbers = line.split_ascii_whitespace().map_while(|text| u64::from_str_radix(text, 16).ok());
    let count = numbers.next()?;
    for i in 0..count {
        ram.write_u32(CODE + 4 * i, numbers.next()? as u32)?;
    }
    for i in 0..DATA_BYTES / 8 {
        ram.write_u64(DATA + 8 * i, pattern(i))?;
    }
    ram.write_u32(VECTOR, 0x1400_0000)?;
    // A block descriptor of level 1: valid, access flag, attribute 0. A case may have stored over both.
    ram.write_u64(TABLE, 0x401)?;
    core.pc = CODE;
    core.nzcv = numbers.next()? as u32;
    for i in 0..31 {
        core.x[i] = numbers.next()?;
    }
    core.x[usize::from(SLOT_SP)] = numbers.next()?;
    for i in 0..32 {
        core.fp.v[i] = u128::from(numbers.next()?) | u128::from(numbers.next()?) << 64;
    }
    (core.fp.fpcr, core.fp.fpsr) = (numbers.next().unwrap_or(0) as u32, 0);
    core.clear_monitor();
    core.daif = 0xf;
    let run = core.run(&mut NoBus, count);
    let hash =
        (0..DATA_BYTES / 8).try_fold(0u64, |hash, i| Some(hash.wrapping_add(ram.read_u64(DATA + 8 * i)?.wrapping_mul(2 * i + 1))))?;
    let (mut pc, mut nzcv) = (core.pc, core.nzcv);
    if pc == VECTOR {
        pc = core.sys[Reg::ELR_EL3];
        nzcv = core.sys[Reg::SPSR_EL3] as u32 & 0xf000_0000;
    }
    let mut out = format!("{:x} {pc:x} {nzcv:x}", run.retired);
    for x in core.x[..31].iter().chain([&core.x[usize::from(SLOT_SP)]]) {
        out += &format!(" {x:x}");
    }
    for v in core.fp.v {
        out += &format!(" {:x} {:x}", v as u64, (v >> 64) as u64);
    }
    Some(out + &format!(" {hash:x} {:x}", core.fp.fpsr))
}

fn main() -> std::io::Result<()> {
    let ram = Arc::new(GuestRam::new(RAM)?);
    let mut core = Core::new(Config { id: 0, ram: ram.clone(), ram_top: RAM, doorbell: Arc::default(), features: Features::default() });
    enable_mmu(&mut core, &ram).ok_or_else(|| std::io::Error::other("no room for the table"))?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        writeln!(out, "{}", case(&mut core, &ram, &line?).unwrap_or_else(|| "bad case".into()))?;
    }
    out.flush()
}
