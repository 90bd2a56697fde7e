//! The crash report: what a core that went astray was about, with the names of the kernel's code, on stderr and in a file.

use crate::files;
use crate::report::Unusable;
use crate::symbols::SourceLines;
use crossbeam::channel::Receiver;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use tayberry_engine::handle::MachineHandle;
use tayberry_engine::{CodeAddress, CoreReport, Fate};

/// Reports that are written of one run: a guest may be reset and crash again for ever.
const MOST: usize = 8;
/// How an ELF file begins.
const ELF: &[u8] = b"\x7fELF";

/// The ELF file with the symbols of a kernel: the one that is given, or the kernel itself; empty if it is none.
///
/// # Errors
/// If the file given cannot be read or is no ELF file.
pub fn symbols(given: Option<&Path>, kernel: &[u8]) -> Result<Vec<u8>, Unusable> {
    let Some(path) = given else { return Ok(if kernel.starts_with(ELF) { kernel.to_vec() } else { Vec::new() }) };
    let elf = files::read("--symbols", path)?;
    if !elf.starts_with(ELF) {
        return Err(Unusable::new(format_args!("--symbols {}: it is no ELF file", path.display())));
    }
    Ok(elf)
}

/// Writes reports while a machine runs.
pub struct Crashes(JoinHandle<io::Result<()>>);

impl Crashes {
    /// Listens to a machine; `elf` has the names, or is empty.
    pub fn listen(handle: &MachineHandle, elf: Arc<Vec<u8>>, file: Option<File>) -> Self {
        let reports = handle.reports.clone();
        let work = move || write_all(&reports, &elf, file);
        Self(std::thread::Builder::new().name("tayberry-crashes".into()).spawn(work).expect("the host can start a thread"))
    }

    /// Waits for the last report of a machine that has ended.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn finish(self) -> io::Result<()> {
        self.0.join().unwrap_or(Ok(()))
    }
}

fn write_all(reports: &Receiver<CoreReport>, elf: &[u8], mut file: Option<File>) -> io::Result<()> {
    let (mut names, mut result) = (None, Ok(()));
    for report in reports.iter().take(MOST) {
        let text = text(&report, names.get_or_insert_with(|| SourceLines::of(elf)));
        if let Some(file) = &mut file {
            result = result.and_then(|()| file.write_all(text.as_bytes()));
        }
        // That nobody can hear it is no reason to fail.
        let _ = io::stderr().write_all(text.as_bytes());
    }
    // The rest is not wanted, but must find a taker.
    reports.iter().for_each(drop);
    result
}

/// The report as text.
fn text(report: &CoreReport, names: &SourceLines<'_>) -> String {
    let CoreReport { core, reason, fate, time_ns, lines } = report;
    let what = match fate {
        Fate::Suspect => "goes nowhere, it seems",
        Fate::Stuck => "goes nowhere, the others go on",
        Fate::End => "is lost",
    };
    let mut text = String::new();
    let seconds = *time_ns as f64 / 1e9;
    let _ = writeln!(text, "tayberry: crash report: core {core} {what}, at {seconds:.9} s of guest time");
    let _ = writeln!(text, "  {reason}");
    let mut section = "";
    for line in lines {
        if line.section != section {
            section = line.section;
            let _ = writeln!(text, "{section}:");
        }
        let name = line.code.map_or(String::new(), |code| name(code, names));
        let _ = writeln!(text, "  {}{name}", line.text);
    }
    if names.symbols().is_empty() {
        let _ = writeln!(text, "(run an ELF file, or give --symbols FILE.elf, for names and lines)");
    }
    text
}

/// ` <symbol+offset> file:line` of some code, as far as it is known.
fn name(code: CodeAddress, names: &SourceLines<'_>) -> String {
    let symbol = names.symbols().at(code.virt, code.phys).map_or(String::new(), |place| format!(" <{place}>"));
    let line = names.at(code.virt, code.phys).map_or(String::new(), |line| format!(" {line}"));
    symbol + &line
}

#[cfg(test)]
mod tests {
    use super::*;
    use tayberry_engine::ReportLine;

    #[test]
    fn a_report_has_its_reason_first_and_a_title_a_section() {
        let line = |section, text: &str| ReportLine { section, text: text.into(), code: None };
        let lines = vec![line("state", "PC 0"), line("state", "PSTATE 0"), line("stack", "none")];
        let report = CoreReport { core: 1, reason: "a reason".into(), fate: Fate::End, time_ns: 1_500_000_000, lines };
        let text = text(&report, &SourceLines::of(&[]));
        assert!(text.starts_with("tayberry: crash report: core 1 is lost, at 1.500000000 s of guest time\n  a reason\nstate:\n  PC 0\n  PSTATE 0\nstack:\n  none\n"), "{text}");
    }
}
