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
mod progress;
mod record;
mod report;
mod session;
mod sound;
mod stats;
mod symbols;
mod terminal;
mod trace;

use args::Parsed;
use std::process::ExitCode;

fn main() -> ExitCode {
    let status = match args::parse(std::env::args_os()) {
        Ok(Parsed::Run(config)) => session::run(*config),
        Ok(Parsed::Text(text)) => {
            // Whoever asked for help and hung up needs none.
            let _ = text.print();
            Ok(0)
        }
        Err(error) => Err(error),
    };
    ExitCode::from(status.unwrap_or_else(|error| {
        report::say(format_args!("error: {error}"));
        report::UNUSABLE
    }))
}
