//! Runs single floating-point, Advanced SIMD and cryptographic instructions on states given on standard input, for comparison with other implementations.
//!
//! `simd_words rows` lists the instruction tables: mask, bits and name. Otherwise each line of input is a case in hexadecimal: instruction word, FPCR,
//! FPSR, NZCV, V0 to V31, X0 to X30. The answer is a line with FPSR, NZCV, V0 to V31, X0 to X30 and a hash of the data memory, or `undefined`.
//!
//! The data memory is the 1024 bytes at 0x20000; before each case byte `i` of it is `(i * 73 + 41) & 0xff`. The hash is the sum over its bytes
//! of `(i + 1) * byte`.

use std::io::{BufRead, BufWriter, Write, stdin, stdout};
use std::sync::Arc;
use tayberry_a64::sysreg::Reg;
use tayberry_a64::{Access, Bus, Config, Core, Features, Lines, Maintenance, Posted, Timer, fp, simd};
use tayberry_ram::GuestRam;

const RAM: u64 = 1 << 20;
/// Words of code, used one after the other so that no block is ever stale.
const CODE: std::ops::Range<u64> = 0x4_0000..RAM;
const TABLE: u64 = 0x1_0000;
const DATA: u64 = 0x2_0000;
const DATA_BYTES: usize = 1024;

/// A machine with nothing in it.
struct Empty;

impl Bus for Empty {
    fn read(&mut self, _: Access) -> u64 {
        0
    }
    fn write(&mut self, _: Access, _: u64) -> Posted {
        Posted::Done
    }
    fn counter(&mut self, _: u64) -> u64 {
        0
    }
    fn set_timer(&mut self, _: Timer, _: u32, _: u64) {}
    fn interrupts(&mut self, _: u64) -> Lines {
        Lines::default()
    }
    fn send_event(&mut self) {}
    fn broadcast(&mut self, _: Maintenance) {}
}

fn new_core() -> std::io::Result<(Arc<GuestRam>, Core)> {
    let ram = Arc::new(GuestRam::new(RAM)?);
    let mut core =
        Core::new(Config { id: 0, ram: ram.clone(), ram_top: RAM, doorbell: Arc::default(), features: Features { crypto: true } });
    // The first GiB flat as Normal memory: with the MMU off all data is Device memory, and unaligned accesses fault. One block descriptor of
    // level 1 (valid, access flag, attribute 0), 39 address bits.
    ram.write_u64(TABLE, 0x401).ok_or_else(|| std::io::Error::other("no room for the table"))?;
    core.sys[Reg::MAIR_EL3] = 0xff;
    core.sys[Reg::TTBR0_EL3] = TABLE;
    core.sys[Reg::TCR_EL3] = 25;
    core.sys[Reg::SCTLR_EL3] |= 1;
    core.context_changed();
    Ok((ram, core))
}

fn main() -> std::io::Result<()> {
    let mut out = BufWriter::new(stdout().lock());
    if std::env::args().nth(1).as_deref() == Some("rows") {
        for row in fp::TABLES.iter().chain(simd::TABLES).flat_map(|table| table.iter()) {
            writeln!(out, "{:08x} {:08x} {}", row.mask, row.bits, row.name)?;
        }
        return Ok(());
    }
    let pattern: Vec<u8> = (0..DATA_BYTES).map(|i| (i * 73 + 41) as u8).collect();
    let mut data = vec![0; DATA_BYTES];
    let (mut ram, mut core) = new_core()?;
    let mut at = CODE.start;
    for line in stdin().lock().lines() {
        let line = line?;
        let mut numbers = line.split_ascii_whitespace().map(|n| u128::from_str_radix(n, 16).unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        if at >= CODE.end {
            (ram, core) = new_core()?;
            at = CODE.start;
        }
        let outside = || std::io::Error::other("outside RAM");
        ram.write_u32(at, next() as u32).ok_or_else(outside)?;
        ram.copy_in(DATA, &pattern).ok_or_else(outside)?;
        (core.fp.fpcr, core.fp.fpsr, core.nzcv) = (next() as u32, next() as u32, next() as u32);
        core.fp.v.iter_mut().for_each(|v| *v = next());
        core.x[..31].iter_mut().for_each(|x| *x = next() as u64);
        core.pc = at;
        at += 4;
        core.run(&mut Empty, 1);
        if core.pc != at {
            writeln!(out, "undefined")?;
            continue;
        }
        write!(out, "{:x} {:x}", core.fp.fpsr, core.nzcv)?;
        for v in core.fp.v {
            write!(out, " {v:x}")?;
        }
        for x in &core.x[..31] {
            write!(out, " {x:x}")?;
        }
        ram.copy_out(DATA, &mut data).ok_or_else(outside)?;
        let hash: u64 = data.iter().zip(1..).map(|(byte, i)| i * u64::from(*byte)).sum();
        writeln!(out, " {hash:x}")?;
    }
    out.flush()
}
