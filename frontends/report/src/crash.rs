//! Crash reports.

use crate::serial::visible;
use maud::{Markup, html};

/// A crash report, as it is told on stderr.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crash {
    /// The core.
    pub core: usize,
    /// Guest time at which it was told, in nanoseconds.
    pub time_ns: u64,
    /// What became of the core: "is lost".
    pub fate: String,
    /// Why.
    pub reason: String,
    /// Titles, and the lines below each.
    pub sections: Vec<(String, Vec<String>)>,
}

/// The section of the page; nothing where nothing crashed. Later reports are folded.
pub(crate) fn crashes(crashes: &[Crash]) -> Markup {
    html! {
        @if !crashes.is_empty() {
            section #crash {
                h2 { @if crashes.len() == 1 { "Crash report" } @else { (crashes.len()) " crash reports" } }
                @for (number, crash) in crashes.iter().enumerate() { (one(crash, number == 0)) }
            }
        }
    }
}

fn one(crash: &Crash, open: bool) -> Markup {
    html! {
        details.crash open[open] data-core=(crash.core) data-time-ns=(crash.time_ns) {
            summary { "Core " (crash.core) " " (visible(crash.fate.as_bytes())) ", at " (format!("{:.9}", crash.time_ns as f64 / 1e9)) " s of guest time" }
            p.reason { (visible(crash.reason.as_bytes())) }
            @for (title, lines) in &crash.sections {
                h3 { (visible(title.as_bytes())) }
                pre { (visible(lines.join("\n").as_bytes())) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_crash_there_is_no_section_and_with_one_it_has_all_lines() {
        assert_eq!(crashes(&[]).0, "");
        let lines = vec!["PC <main>".to_owned(), "LR\x1b[0m".to_owned()];
        let crash = Crash {
            core: 2,
            time_ns: 1_500_000_000,
            fate: "is lost".into(),
            reason: "a & b".into(),
            sections: vec![("state".into(), lines)],
        };
        let page = crashes(&[crash.clone(), crash]).0;
        assert!(page.contains("2 crash reports") && page.contains("Core 2 is lost, at 1.500000000 s"), "{page}");
        assert!(page.contains("a &amp; b") && page.contains("<pre>PC &lt;main&gt;\nLR␛[0m</pre>"), "{page}");
        assert_eq!((page.matches("<details").count(), page.matches(" open").count()), (2, 1), "{page}");
    }
}
