//! What the machine tells of itself: one line an event.

mod format;
mod live;
mod writer;

use crate::report::{Unusable, say};
use crate::symbols::Symbols;
pub use format::Format;
pub use live::Switch;
use std::fs::File;
use std::io;
use std::sync::Arc;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use writer::Pump;

/// The topic of translation.
const JIT: &str = "jit";

/// What can be traced, and what that is.
pub const TOPICS: [(&str, &str); 20] = [
    ("boot", "what is run, and with what"),
    ("desktop", "the window"),
    ("dma", "DMA control blocks as they are begun and ended"),
    ("exceptions", "exceptions taken and returned from, with their syndromes in words"),
    ("framebuffer", "modes, and frames that were dropped"),
    ("gpio", "functions, levels and edges of pins"),
    ("i2c", "I2C transfers"),
    ("interrupts", "interrupt controllers and lines"),
    (JIT, "code that is translated, and at the end each core's hottest"),
    ("mailbox", "mailbox messages"),
    ("mmio", "every access to a device's registers"),
    ("mmu", "translation faults with their walks, control registers in words, TLB maintenance"),
    ("property", "tags of the property channel, in words with values"),
    ("sd", "commands to the SD card by name, responses, blocks"),
    ("semihosting", "calls of the host, and exits"),
    ("spi", "SPI transfers"),
    ("terminal", "what the terminal says that it can do"),
    ("uart", "the UARTs' set-up"),
    ("usb", "USB: control requests in words, what devices send"),
    ("unimplemented", "what this emulator lacks and a guest asked for"),
];

/// Everything.
const ALL: &str = "all";

/// The words of `--trace`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topics(Vec<&'static str>);

impl Topics {
    /// Reads a list of topics.
    ///
    /// # Errors
    /// Names the first that is not one, and those that are.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, Unusable> {
        let mut topics: Vec<&'static str> = Vec::new();
        let words: Vec<&str> = words.into_iter().map(str::trim).filter(|word| !word.is_empty()).collect();
        // Who only takes away takes away from everything.
        if words.first().is_some_and(|word| word.starts_with('-')) {
            topics.extend(known());
        }
        for word in words {
            let name = word.strip_prefix('-').unwrap_or(word);
            let named: Vec<&'static str> = known().into_iter().filter(|topic| name == ALL || *topic == name).collect();
            if named.is_empty() {
                return Err(Unusable::new(format_args!("--trace knows no '{name}'; it knows {}, {ALL}", known().join(", "))));
            }
            topics.retain(|topic| !named.contains(topic));
            if name == word {
                topics.extend(named);
            }
        }
        Ok(Self(topics))
    }

    /// Hot code is wanted.
    pub fn has_jit(&self) -> bool {
        self.0.contains(&JIT)
    }

    /// Code is told of, whose names help.
    pub fn wants_symbols(&self) -> bool {
        ["exceptions", "interrupts", "mmu", "unimplemented", JIT].iter().any(|topic| self.0.contains(topic))
    }

    fn filter(&self) -> Targets {
        // Libraries warn of things that are no trouble of ours.
        let ours = known().into_iter().chain(["tayberry"]).map(|target| (target, LevelFilter::WARN));
        let asked = self.0.iter().map(|topic| (*topic, LevelFilter::TRACE));
        Targets::new().with_default(LevelFilter::ERROR).with_targets(ours).with_targets(asked)
    }
}

/// All topics by name.
pub fn known() -> Vec<&'static str> {
    TOPICS.iter().map(|(topic, _)| *topic).collect()
}

/// True for a topic of ours.
fn is_topic(name: &str) -> bool {
    TOPICS.iter().any(|(topic, _)| *topic == name)
}

/// Writes out what is left of the trace at the end.
pub struct Tracing {
    pump: Pump,
    switch: Switch,
}

impl Tracing {
    /// Starts to trace `topics` to `file`, otherwise to stderr. Warnings and errors are always told.
    pub fn start(topics: &Topics, format: Format, file: Option<File>, symbols: Arc<Symbols>) -> Self {
        let pump = match file {
            Some(file) => {
                let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
                Pump::start(file, is_file)
            }
            None => Pump::start(io::stderr(), stderr_is_file()),
        };
        let lines = format::Lined { format, lines: pump.lines(), symbols };
        let (filter, switch) = Switch::new(topics);
        // Tests may have one already; the first stays.
        let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
        Self { pump, switch }
    }

    /// What changes the topics while the machine runs.
    pub fn switch(&self) -> Switch {
        self.switch.clone()
    }

    /// Writes out the rest, and says how many lines were lost.
    ///
    /// # Errors
    /// What writing says.
    pub fn finish(self) -> io::Result<()> {
        let written = self.pump.finish();
        if written.dropped > 0 {
            say(format_args!("{} lines of the trace are missing: whoever reads it took too long", written.dropped));
        }
        written.result
    }
}

/// Messages go to a file, which loses nothing.
#[cfg(unix)]
fn stderr_is_file() -> bool {
    use std::os::fd::AsFd;
    let file = io::stderr().as_fd().try_clone_to_owned().map(File::from);
    file.and_then(|file| file.metadata()).is_ok_and(|metadata| metadata.is_file())
}

#[cfg(not(unix))]
fn stderr_is_file() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn topics_are_read_and_unknown_ones_named() {
        assert_eq!(Topics::parse(["mailbox", " mmio", ""]).expect("known"), Topics(vec!["mailbox", "mmio"]));
        assert_eq!(Topics::parse(["all"]).expect("known").0.len(), TOPICS.len());
        assert!(Topics::parse(["all"]).expect("known").has_jit() && !Topics::parse(["mmio"]).expect("known").has_jit());
        assert_eq!(Topics::parse(["mmio", "mmio", "-mailbox"]).expect("known"), Topics(vec!["mmio"]));
        for less in [&["all", "-mmio"][..], &["-mmio"]] {
            let topics = Topics::parse(less.iter().copied()).expect("known").0;
            assert!(topics.len() == TOPICS.len() - 1 && !topics.contains(&"mmio"), "{less:?}");
        }
        Topics::parse(["-nothing"]).expect_err("no such topic");
        let error = Topics::parse(["mailbox", "mailbx"]).expect_err("no such topic").to_string();
        assert!(error.contains("'mailbx'") && error.contains("mailbox") && error.contains("all"), "{error}");
    }

    #[test]
    fn what_is_not_asked_for_is_off() {
        let filter = Topics::parse(["mailbox"]).expect("known").filter();
        assert!(filter.would_enable("mailbox", &Level::TRACE));
        assert!(!filter.would_enable("property", &Level::INFO));
        assert!(filter.would_enable("property", &Level::WARN));
        assert!(!filter.would_enable("winit::platform", &Level::WARN));
        assert!(filter.would_enable("tayberry_engine::machine", &Level::WARN));
    }
}
