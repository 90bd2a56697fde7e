//! What the machine tells of itself: one line an event, `[target] message`.

use crate::report::Unusable;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// The topic of translation.
const JIT: &str = "jit";

/// What can be traced, and what that is.
pub const TOPICS: [(&str, &str); 19] = [
    ("boot", "what is run, and with what"),
    ("desktop", "the window"),
    ("dma", "DMA transfers that cannot be done as asked"),
    ("exceptions", "exceptions taken and returned from"),
    ("framebuffer", "modes, and frames that were dropped"),
    ("gpio", "pins"),
    ("i2c", "I2C transfers"),
    ("interrupts", "interrupt controllers and lines"),
    (JIT, "code that is translated, and at the end each core's hottest"),
    ("mailbox", "mailbox messages"),
    ("mmio", "every access to a device's registers"),
    ("mmu", "translation faults and tables"),
    ("property", "tags of the property channel"),
    ("sd", "commands to the SD card"),
    ("semihosting", "calls of the host, and exits"),
    ("spi", "SPI transfers"),
    ("terminal", "what the terminal says that it can do"),
    ("uart", "the UARTs' set-up"),
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
        let mut topics = Vec::new();
        for word in words.into_iter().map(str::trim).filter(|word| !word.is_empty()) {
            if word == ALL {
                topics.extend(TOPICS.map(|(topic, _)| topic));
            } else if let Some((topic, _)) = TOPICS.iter().find(|(topic, _)| *topic == word) {
                topics.push(topic);
            } else {
                return Err(Unusable::new(format_args!("--trace knows no '{word}'; it knows {}, {ALL}", known().join(", "))));
            }
        }
        Ok(Self(topics))
    }

    /// Hot code is wanted.
    pub fn has_jit(&self) -> bool {
        self.0.contains(&JIT)
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

/// Writes out what is left of the trace at the end.
#[derive(Debug, Default)]
pub struct Tracing(Option<TraceFile>);

impl Tracing {
    /// Starts to trace `topics` to `file`, otherwise to stderr. Warnings and errors are always told.
    pub fn start(topics: &Topics, file: Option<File>) -> Self {
        let file = file.map(|file| TraceFile(Arc::new(Mutex::new(BufWriter::new(file)))));
        match file.clone() {
            Some(file) => install(topics, move || file.clone()),
            None => install(topics, io::stderr),
        }
        Self(file)
    }

    /// Writes out the rest.
    ///
    /// # Errors
    /// What writing says.
    pub fn finish(&self) -> io::Result<()> {
        self.0.clone().map_or(Ok(()), |mut file| file.flush())
    }
}

fn install(topics: &Topics, writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static) {
    let lines = tracing_subscriber::fmt::layer().event_format(Line).with_ansi(false).with_writer(writer);
    // Tests may have one already; the first stays.
    let _ = tracing_subscriber::registry().with(topics.filter()).with(lines).try_init();
}

/// The trace file, written by all threads that have something to tell. Only taken where tracing is on.
#[derive(Clone, Debug)]
struct TraceFile(Arc<Mutex<BufWriter<File>>>);

impl Write for TraceFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

/// Formats an event as `[target] message`: nothing of the host in it, so that two runs can be compared.
struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        write!(writer, "[{}] ", event.metadata().target())?;
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
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
