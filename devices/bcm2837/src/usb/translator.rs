//! The hub's transaction translator: split transactions from the high-speed bus become full- and low-speed ones behind the hub.
//!
//! # Resources
//! - USB 2.0, 11.14 to 11.21.
//!
//! A start split hands a transaction over, complete splits ask what became of it: NYET until it is done. Interrupt transactions are made in the microframe after
//! the start split's, and can be asked for in the one after that. An answer that nobody has asked for is kept for the next start split of the same endpoint,
//! so that a host that comes late loses no data.

use super::hub::Forget;
use super::{Answer, Speed, Token};
use serde::{Deserialize, Serialize};
use tayberry_engine::GuestTime;

/// Endpoints that it can have answers for.
const MOST: usize = 32;
/// Longest time until an interrupt transaction can be asked for: two microframes, less what the answer itself takes on the bus.
const PERIODIC_NS: u64 = 240_000;

/// Whose transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Address of the device.
    pub address: u8,
    /// Number of the endpoint.
    pub number: u8,
    /// Data go to the host.
    pub to_host: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    endpoint: Endpoint,
    /// When it can be asked for.
    ready: GuestTime,
    answer: Answer,
}

/// Transactions handed over.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Translator {
    entries: Vec<Entry>,
}

impl Translator {
    /// A start split for `endpoint`; `make` makes the transaction behind the hub.
    pub fn start(
        &mut self,
        endpoint: Endpoint,
        token: Token<'_>,
        (periodic, speed): (bool, Speed),
        now: GuestTime,
        make: impl FnOnce() -> Answer,
    ) -> Answer {
        let kept = self.take(endpoint).filter(|entry| token == Token::In && matches!(entry.answer, Answer::Data(..)));
        if let Token::Setup(_) = token {
            self.entries.retain(|entry| (entry.endpoint.address, entry.endpoint.number) != (endpoint.address, endpoint.number));
        }
        if self.entries.len() >= MOST {
            return Answer::Nak;
        }
        let answer = kept.map_or_else(make, |entry| entry.answer);
        let bytes = match (&answer, token) {
            (Answer::Data(_, data), _) => data.len(),
            (_, Token::Out(_, data) | Token::Setup(data)) => data.len(),
            _ => 0,
        };
        let ready = now.plus(if periodic { PERIODIC_NS } else { speed.transaction_ns(bytes) });
        self.entries.push(Entry { endpoint, ready, answer });
        Answer::Ack
    }

    /// A complete split for `endpoint`.
    pub fn complete(&mut self, endpoint: Endpoint, periodic: bool, now: GuestTime) -> Answer {
        match self.entries.iter().find(|entry| entry.endpoint == endpoint).map(|entry| entry.ready) {
            Some(ready) if now < ready => Answer::Nyet,
            Some(_) => match self.take(endpoint).map_or(Answer::Nyet, |entry| entry.answer) {
                // Nobody is there. Of an interrupt endpoint the translator reports an error, like the silence itself.
                Answer::Silent if !periodic => Answer::Stall,
                answer => answer,
            },
            // Nothing was started.
            None if periodic => Answer::Nyet,
            None => Answer::Stall,
        }
    }

    /// When it has the next answer.
    pub fn answer_at(&self) -> Option<GuestTime> {
        self.entries.iter().map(|entry| entry.ready).min()
    }

    fn take(&mut self, endpoint: Endpoint) -> Option<Entry> {
        let at = self.entries.iter().position(|entry| entry.endpoint == endpoint)?;
        Some(self.entries.remove(at))
    }

    /// Drops transactions as the hub was told to.
    pub fn forget(&mut self, what: Forget) {
        self.entries.retain(|entry| match what {
            Forget::All => false,
            // Those of control endpoints are meant with either direction.
            Forget::Endpoint(address, number, to_host) => {
                (entry.endpoint.address, entry.endpoint.number) != (address, number) || number != 0 && entry.endpoint.to_host != to_host
            }
        });
    }
}
