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
use tayberry_report::Crash;

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
pub struct Crashes(JoinHandle<(Vec<Crash>, io::Result<()>)>);

impl Crashes {
    /// Listens to a machine; `elf` has the names, or is empty.
    pub fn listen(handle: &MachineHandle, elf: Arc<Vec<u8>>, file: Option<File>) -> Self {
        let reports = handle.reports.clone();
        let work = move || write_all(&reports, &elf, file);
        Self(std::thread::Builder::new().name("tayberry-crashes".into()).spawn(work).expect("the host can start a thread"))
    }

    /// Waits for the last report of a machine that has ended: those that were told, and an error if the file could not be written.
    pub fn finish(self) -> (Vec<Crash>, io::Result<()>) {
        self.0.join().unwrap_or((Vec::new(), Ok(())))
    }
}

fn write_all(reports: &Receiver<CoreReport>, elf: &[u8], mut file: Option<File>) -> (Vec<Crash>, io::Result<()>) {
    let (mut names, mut result, mut told) = (None, Ok(()), Vec::new());
    for report in reports.iter().take(MOST) {
        let names = names.get_or_insert_with(|| SourceLines::of(elf));
        let crash = crash(&report, names);
        let text = text(&crash, !names.symbols().is_empty());
        if let Some(file) = &mut file {
            result = result.and_then(|()| file.write_all(text.as_bytes()));
        }
        // That nobody can hear it is no reason to fail.
        let _ = io::stderr().write_all(text.as_bytes());
        told.push(crash);
    }
    // The rest is not wanted, but must find a taker.
    reports.iter().for_each(drop);
    (told, result)
}

/// The report with names.
fn crash(report: &CoreReport, names: &SourceLines<'_>) -> Crash {
    let CoreReport { core, reason, fate, time_ns, lines } = report;
    let fate = match fate {
        Fate::Suspect => "goes nowhere, it seems",
        Fate::Stuck => "goes nowhere, the others go on",
        Fate::End => "is lost",
    };
    let mut sections: Vec<(String, Vec<String>)> = Vec::new();
    for line in lines {
        let name = line.code.map_or(String::new(), |code| name(code, names));
        let text = format!("{}{name}", line.text);
        match sections.last_mut().filter(|(title, _)| title == line.section) {
            Some((_, lines)) => lines.push(text),
            None => sections.push((line.section.to_owned(), vec![text])),
        }
    }
    Crash { core: *core, time_ns: *time_ns, fate: fate.to_owned(), reason: reason.to_string(), sections }
}

/// The report as text.
fn text(crash: &Crash, has_names: bool) -> String {
    let Crash { core, time_ns, fate, reason, sections } = crash;
    let seconds = *time_ns as f64 / 1e9;
    let mut text = format!("tayberry: crash report: core {core} {fate}, at {seconds:.9} s of guest time\n  {reason}\n");
    for (title, lines) in sections {
        let _ = writeln!(text, "{title}:");
        for line in lines {
            let _ = writeln!(text, "  {line}");
        }
    }
    if !has_names {
        text += "(run an ELF file, or give --symbols FILE.elf, for names and lines)\n";
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
        let text = text(&crash(&report, &SourceLines::of(&[])), false);
        assert!(text.starts_with("tayberry: crash report: core 1 is lost, at 1.500000000 s of guest time\n  a reason\nstate:\n  PC 0\n  PSTATE 0\nstack:\n  none\n"), "{text}");
    }
}
