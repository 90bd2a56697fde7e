//! Runs a flat image from an address and prints guest MIPS: `mips IMAGE [ADDRESS [INSTRUCTIONS]]`. What the guest writes to the PL011's data register
//! goes to standard output. The run ends at WFI, WFE or after the given number of instructions.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;
use tayberry_a64::{Access, Bus, Config, Core, Features, Lines, Maintenance, Posted, Stop, Timer};
use tayberry_ram::GuestRam;

const RAM_TOP: u64 = 0x3f00_0000;
const PL011_DR: u64 = 0x3f20_1000;
const CNTFRQ: u128 = 19_200_000;

struct Board {
    start: Instant,
}

impl Bus for Board {
    fn read(&mut self, _: Access) -> u64 {
        0
    }
    fn write(&mut self, at: Access, value: u64) -> Posted {
        if at.pa == PL011_DR {
            let mut out = std::io::stdout();
            // A closed pipe is no reason to stop measuring.
            let _ = out.write_all(&[value as u8]).and_then(|()| out.flush());
        }
        Posted::Done
    }
    fn counter(&mut self, _: u64) -> u64 {
        (self.start.elapsed().as_nanos() * CNTFRQ / 1_000_000_000) as u64
    }
    fn set_timer(&mut self, _: Timer, _: u32, _: u64) {}
    fn interrupts(&mut self, _: u64) -> Lines {
        Lines::default()
    }
    fn send_event(&mut self) {}
    fn broadcast(&mut self, _: Maintenance) {}
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let image = std::fs::read(args.first().ok_or("usage: mips IMAGE [ADDRESS [INSTRUCTIONS]]")?)?;
    let number = |i: usize, default: u64| args.get(i).map_or(Ok(default), |text| u64::from_str_radix(text.trim_start_matches("0x"), 16));
    let (address, limit) = (number(1, 0x8_0000)?, number(2, 1 << 36)?);
    let ram = Arc::new(GuestRam::new(0x4000_0000)?);
    ram.copy_in(address, &image).ok_or("the image does not fit")?;
    let mut core = Core::new(Config {
        id: 0,
        ram,
        ram_top: RAM_TOP,
        doorbell: Arc::default(),
        features: Features::default(),
        jit: std::env::var("TAYBERRY_JIT")
            .ok()
            .map(|t| tayberry_a64::JitConfig { threshold: t.parse().unwrap_or(0), ..Default::default() }),
    });
    core.enter_kernel(address);
    let start = Instant::now();
    let mut board = Board { start };
    let mut retired = 0;
    let stop = loop {
        let run = core.run(&mut board, 1_000_000.min(limit - retired));
        retired += run.retired;
        if run.stop != Stop::Budget || retired >= limit {
            break run.stop;
        }
    };
    let seconds = start.elapsed().as_secs_f64();
    println!("{retired} instructions in {seconds:.3} s: {:.1} MIPS ({stop:?} at {:#x})", retired as f64 / seconds / 1e6, core.pc);
    Ok(())
}
