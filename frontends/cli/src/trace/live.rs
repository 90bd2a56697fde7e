//! Topics that are switched while the machine runs.

use super::{TOPICS, Topics};
use std::sync::{Arc, Mutex, PoisonError};
use tayberry_gdb::{Topic, Traces};
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::reload;

/// Which topics are on. A change has every place that traces ask the filter again, once; what is off costs as little as ever.
#[derive(Clone, Debug)]
pub struct Switch {
    topics: Arc<Mutex<Topics>>,
    filter: reload::Handle<Targets, Registry>,
}

impl Switch {
    /// The filter for the subscriber, with `topics` on, and what switches it.
    pub(super) fn new(topics: &Topics) -> (reload::Layer<Targets, Registry>, Self) {
        let (layer, filter) = reload::Layer::new(topics.filter());
        (layer, Self { topics: Arc::new(Mutex::new(topics.clone())), filter })
    }
}

impl Traces for Switch {
    fn topics(&self) -> Vec<Topic> {
        let topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        TOPICS.iter().map(|(name, tells)| Topic { name, tells, on: topics.0.contains(name) }).collect()
    }

    fn switch(&self, list: &str, on: bool) -> Result<(), String> {
        let named = Topics::parse(list.split(',')).map_err(|error| error.to_string())?;
        if named.0.is_empty() {
            return Err("topics are missing".into());
        }
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        topics.0.retain(|topic| !named.0.contains(topic));
        if on {
            topics.0.extend(named.0);
        }
        self.filter.reload(topics.filter()).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tracing::{Event, Level, Subscriber};
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::{Context, SubscriberExt};

    struct Count(Arc<AtomicUsize>);

    impl<S: Subscriber> Layer<S> for Count {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn topics_are_switched_on_and_off_at_one_place_in_the_code() {
        let (filter, switch) = Switch::new(&Topics::parse(["gpio"]).expect("known"));
        let count = Arc::new(AtomicUsize::new(0));
        let subscriber = tracing_subscriber::registry().with(filter).with(Count(Arc::clone(&count)));
        let event = || tracing::debug!(target: "mailbox", "a message");
        tracing::subscriber::with_default(subscriber, || {
            event();
            assert_eq!(count.load(Ordering::Relaxed), 0);
            switch.switch("mailbox, property", true).expect("known");
            assert!(tracing::enabled!(target: "property", Level::TRACE));
            event();
            assert_eq!(count.load(Ordering::Relaxed), 1);
            switch.switch("mailbox", false).expect("known");
            event();
            assert_eq!(count.load(Ordering::Relaxed), 1);
            assert!(tracing::enabled!(target: "property", Level::TRACE) && tracing::enabled!(target: "gpio", Level::TRACE));
            let on: Vec<&str> = switch.topics().iter().filter(|topic| topic.on).map(|topic| topic.name).collect();
            assert_eq!(on, ["gpio", "property"]);
            switch.switch("all", false).expect("known");
            assert!(switch.topics().iter().all(|topic| !topic.on));
        });
        assert!(switch.switch("mailbox,mailbx", true).expect_err("no topic").contains("'mailbx'"));
        assert!(switch.switch(" ,", true).is_err());
    }
}
