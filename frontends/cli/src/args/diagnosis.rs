//! Options about what a run tells of itself when something is wrong.

use crate::trace::Format;
use clap::Args;
use std::path::PathBuf;

/// Options about traces and crashes.
#[derive(Clone, Debug, Default, Args)]
pub struct DiagnosisArgs {
    /// How trace lines are written: text (guest time, core, topic, words) or json (an object a line: time_ns, core, topic, message, fields)
    #[arg(long, value_name = "text|json", default_value = "text", hide_possible_values = true, requires = "trace")]
    pub trace_format: Format,

    /// Where a copy of the crash report goes that stderr gets when the guest is lost; empty if nothing happened [default: none]
    #[arg(long, value_name = "FILE")]
    pub crash_report: Option<PathBuf>,

    /// ELF file with the kernel's symbols and lines, for traces and crash reports of a raw image [default: the kernel, if it is one]
    #[arg(long, value_name = "FILE.elf")]
    pub symbols: Option<PathBuf>,
}
