//! A trace event as a line of text, or of JSON.

use super::is_topic;
use super::writer::Lines;
use crate::symbols::Symbols;
use serde_json::Value;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use tayberry_engine::moment::{Moment, moment};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// How lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people: guest time, core, topic, words.
    #[default]
    Text,
    /// A JSON object a line: time_ns, core, topic, message, and the event's fields.
    Json,
}

/// Fields that say where code is.
const PLACES: [&str; 3] = ["elr", "pc", "far"];

/// What makes lines of events.
pub(super) struct Lined {
    pub format: Format,
    pub lines: Lines,
    pub symbols: Arc<Symbols>,
}

impl<S: Subscriber> Layer<S> for Lined {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut told = Told::default();
        event.record(&mut told);
        let metadata = event.metadata();
        let mut line = match self.format {
            Format::Text => text(metadata.target(), &told, &self.symbols),
            Format::Json => json(metadata.target(), &metadata.level().to_string(), &told, &self.symbols),
        };
        line.push('\n');
        self.lines.put(line.into_bytes());
    }
}

/// What an event tells.
#[derive(Debug, Default)]
struct Told {
    message: String,
    core: Option<u64>,
    /// Instructions that the core had retired in its slice.
    retired: Option<u64>,
    fields: Vec<(&'static str, Value)>,
}

impl Told {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value.as_u64()) {
            ("core", Some(core)) => self.core = Some(core),
            ("retired", Some(retired)) => self.retired = Some(retired),
            (name, _) => self.fields.push((name, value)),
        }
    }

    fn moment(&self) -> Option<Moment> {
        moment(self.retired)
    }

    fn core(&self, moment: Option<Moment>) -> Option<u64> {
        self.core.or_else(|| moment?.core.map(|core| core as u64))
    }

    /// The name of the code that the event is about.
    fn symbol(&self, symbols: &Symbols) -> Option<String> {
        let address = |name: &str| {
            let value = self.fields.iter().find(|(field, _)| *field == name)?.1.as_str()?;
            u64::from_str_radix(value.strip_prefix("0x")?, 16).ok()
        };
        PLACES.iter().find_map(|name| address(name)).and_then(|address| Some(symbols.at(address, address)?.to_string()))
    }
}

impl Visit for Told {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.put(field, value.into());
        }
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            self.put(field, format!("{value:?}").into());
        }
    }
}

/// `0.001234567 core 0 [topic] words`; time and core as far as they are known. The words of our own topics have all that the fields have.
fn text(topic: &str, told: &Told, symbols: &Symbols) -> String {
    let moment = told.moment();
    let mut line = String::with_capacity(160);
    if let Some(Moment { time_ns, .. }) = moment {
        let _ = write!(line, "{}.{:09} ", time_ns / 1_000_000_000, time_ns % 1_000_000_000);
    }
    if let Some(core) = told.core(moment) {
        let _ = write!(line, "core {core} ");
    }
    let _ = write!(line, "[{topic}] {}", told.message.replace('\n', " "));
    if let Some(symbol) = told.symbol(symbols) {
        let _ = write!(line, " <{symbol}>");
    }
    if !is_topic(topic) {
        told.fields.iter().for_each(|(name, value)| _ = write!(line, " {name}={value}"));
    }
    line
}

/// The same as an object.
fn json(topic: &str, level: &str, told: &Told, symbols: &Symbols) -> String {
    let moment = told.moment();
    let optional = |value: Option<u64>| value.map_or(Value::Null, Value::from);
    let mut line = String::with_capacity(240);
    let head = [
        ("time_ns", optional(moment.map(|moment| moment.time_ns))),
        ("core", optional(told.core(moment))),
        ("topic", topic.into()),
        ("level", level.to_ascii_lowercase().into()),
        ("message", told.message.as_str().into()),
    ];
    let symbol = told.symbol(symbols).map(|symbol| ("symbol", Value::from(symbol)));
    let mut separator = '{';
    for (name, value) in head.iter().chain(&told.fields).chain(&symbol) {
        let _ = write!(line, "{separator}\"{name}\":{value}");
        separator = ',';
    }
    line.push('}');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told() -> Told {
        Told {
            message: "EL1 to EL1: \"words\"".into(),
            core: Some(2),
            retired: None,
            fields: vec![("elr", "0x80104".into()), ("from", 1.into())],
        }
    }

    #[test]
    fn a_line_of_text_has_core_topic_and_words() {
        assert_eq!(text("exceptions", &told(), &Symbols::default()), "core 2 [exceptions] EL1 to EL1: \"words\"");
        assert_eq!(text("elsewhere", &told(), &Symbols::default()), "core 2 [elsewhere] EL1 to EL1: \"words\" elr=\"0x80104\" from=1");
    }

    #[test]
    fn a_line_of_json_has_the_fields_in_order() {
        let line = json("exceptions", "INFO", &told(), &Symbols::default());
        let expected =
            r#"{"time_ns":null,"core":2,"topic":"exceptions","level":"info","message":"EL1 to EL1: \"words\"","elr":"0x80104","from":1}"#;
        assert_eq!(line, expected);
        serde_json::from_str::<Value>(&line).expect("JSON");
    }
}
