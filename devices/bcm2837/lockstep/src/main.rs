//! Runs a guest on two machines, one that interprets and one that translates, and stops at the first difference.

use clap::Parser;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tayberry_a64::JitConfig;
use tayberry_bcm2837::BoardOptions;
use tayberry_bcm2837::sd::CardImage;
use tayberry_machine_lockstep::{Job, Stopped, narrow, run};

/// Runs a guest on two machines in deterministic mode, one that interprets and one that translates, compares all state after every slice, and stops at the
/// first difference. Exit status 1 says that there was one.
#[derive(Parser)]
#[command(name = "tayberry-machine-lockstep")]
struct Args {
    /// The kernel: a raw image, or an AArch64 ELF file
    kernel: PathBuf,
    /// Kernel command line
    #[arg(long)]
    append: Option<String>,
    /// Device tree blob
    #[arg(long)]
    dtb: Option<PathBuf>,
    /// Initial RAM disk
    #[arg(long)]
    initrd: Option<PathBuf>,
    /// SD card image; what the guests write stays in memory
    #[arg(long)]
    sd: Option<PathBuf>,
    /// Number of cores
    #[arg(long, default_value_t = 4)]
    cores: usize,
    /// Text typed at UART0 at the start
    #[arg(long = "type", default_value = "")]
    typed: String,
    /// Instructions, of all cores together
    #[arg(long, default_value_t = 200_000_000)]
    max_instructions: u64,
    /// Instructions between two comparisons of RAM, screen and serial ports
    #[arg(long, default_value_t = 50_000_000)]
    often: u64,
    /// How often a block is interpreted before it is translated
    #[arg(long, default_value_t = JitConfig::default().threshold)]
    threshold: u16,
    /// MiB of translated code that a core keeps
    #[arg(long, default_value_t = JitConfig::default().cache_bytes >> 20)]
    jit_cache: usize,
    /// Interpret on both sides
    #[arg(long)]
    interpret: bool,
}

impl Args {
    fn job(&self) -> Result<Job, String> {
        let read = |path: &Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
        let optional = |path: &Option<PathBuf>| path.as_deref().map(read).transpose();
        let card = || match &self.sd {
            Some(path) => {
                CardImage::open(path, false).map(|card| Some(Arc::new(card))).map_err(|error| format!("{}: {error}", path.display()))
            }
            None => Ok(None),
        };
        let jit = JitConfig { threshold: self.threshold, cache_bytes: self.jit_cache << 20, ..JitConfig::default() };
        let first = BoardOptions {
            kernel: read(&self.kernel)?,
            dtb: optional(&self.dtb)?,
            initrd: optional(&self.initrd)?,
            append: self.append.clone(),
            cores: self.cores,
            jit: None,
            card: card()?,
            ..BoardOptions::default()
        };
        let second = BoardOptions { jit: (!self.interpret).then_some(jit), card: card()?, ..first.clone() };
        let typed = self.typed.clone().into_bytes();
        Ok(Job { boards: [first, second], typed, most: self.max_instructions, often: self.often.max(1) })
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    match compare(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("tayberry-machine-lockstep: {error}");
            ExitCode::from(2)
        }
    }
}

/// True if the machines agree.
fn compare(args: &Args) -> Result<bool, String> {
    let job = args.job()?;
    match run(&job, &mut |retired| eprintln!("{retired} instructions agree")) {
        Ok(agreed) => {
            println!("{}: {} instructions in {} slices agree ({:?})", args.kernel.display(), agreed.retired, agreed.slices, agreed.end);
            Ok(true)
        }
        Err(Stopped::Board(error)) => Err(error.to_string()),
        Err(Stopped::Differ(difference)) => {
            println!("{}: {difference}", args.kernel.display());
            match narrow(&job, &difference).map_err(|error| error.to_string())? {
                Some(culprit) => println!("{culprit}"),
                None => println!("it is not one instruction's"),
            }
            Ok(false)
        }
    }
}
