//! The program `tayberry`: reads its arguments, wires a board to a frontend, and ends with a status that scripts can rely on.
//!
//! Messages go to stderr; stdout belongs to the guest's serial port.

mod args;
mod boot;
mod crash;
mod expect;
mod files;
#[cfg(feature = "desktop")]
mod gauges;
mod hot;
mod interrupt;
mod jit;
mod memory;
mod page;
mod past;
mod pins;
mod progress;
mod qemu;
mod record;
mod report;
mod session;
mod sound;
mod stats;
mod symbols;
mod terminal;
mod trace;

use args::Parsed;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let status = run(std::env::args_os().collect());
    ExitCode::from(status.unwrap_or_else(|error| {
        report::say(format_args!("error: {error}"));
        report::UNUSABLE
    }))
}

fn run(args: Vec<OsString>) -> Result<u8, report::Unusable> {
    let parsed = match qemu::arguments(&args) {
        Some(arguments) => match qemu::parse(arguments)? {
            qemu::Asked::Run { parsed, warnings } => {
                warnings.iter().for_each(report::say);
                *parsed
            }
            qemu::Asked::Text(text) => {
                // Whoever asked for it and hung up needs none.
                let _ = std::io::stdout().write_all(text.as_bytes());
                return Ok(0);
            }
        },
        None => args::parse(args)?,
    };
    match parsed {
        Parsed::Run(config) => session::run(*config),
        Parsed::Text(text) => {
            let _ = text.print();
            Ok(0)
        }
    }
}
