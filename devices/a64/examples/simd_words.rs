//! Runs single floating-point and Advanced SIMD instructions on states given on standard input, for comparison with other implementations.
//!
//! `simd_words rows` lists the instruction tables: name, mask and bits. Otherwise each line of input is a case in hexadecimal: instruction word, FPCR,
//! FPSR, NZCV, V0 to V31, X0 to X30. The answer is a line with FPSR, NZCV, V0 to V31, X0 to X30, or `undefined`.

use std::io::{BufRead, BufWriter, Write, stdin, stdout};
use std::sync::{Arc, atomic::AtomicU32};
use tayberry_a64::core::Config;
use tayberry_a64::{Access, Bus, Core, Flow, Lines, Maintenance, Posted, Row, Timer, fp, simd};
use tayberry_ram::GuestRam;

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

fn rows() -> impl Iterator<Item = &'static Row> {
    fp::TABLES.iter().chain(simd::TABLES).flat_map(|table| table.iter())
}

fn main() -> std::io::Result<()> {
    let mut out = BufWriter::new(stdout().lock());
    if std::env::args().nth(1).as_deref() == Some("rows") {
        for row in rows() {
            writeln!(out, "{:08x} {:08x} {}", row.mask, row.bits, row.name)?;
        }
        return Ok(());
    }
    let ram = Arc::new(GuestRam::new(1 << 20).map_err(std::io::Error::other)?);
    let mut core = Core::new(Config { id: 0, ram, ram_top: 1 << 20, doorbell: Arc::new(AtomicU32::new(0)) });
    for line in stdin().lock().lines() {
        let line = line?;
        let mut numbers = line.split_ascii_whitespace().map(|n| u128::from_str_radix(n, 16).unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        let word = next() as u32;
        (core.fp.fpcr, core.fp.fpsr, core.nzcv) = (next() as u32, next() as u32, next() as u32);
        core.fp.v.iter_mut().for_each(|v| *v = next());
        core.x[..31].iter_mut().for_each(|x| *x = next() as u64);
        let op = rows().filter(|row| word & row.mask == row.bits).find_map(|row| (row.build)(word));
        if op.is_none_or(|op| (op.exec)(&mut core, &mut Empty, &op) != Flow::Next) {
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
        writeln!(out)?;
    }
    out.flush()
}
