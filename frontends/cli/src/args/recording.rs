//! Options about recordings of input.

use clap::Args;
use std::path::PathBuf;

/// Options about recordings of input.
#[derive(Args, Clone, Debug, Default)]
pub struct RecordingArgs {
    /// Record all that comes from outside (keys, mouse, serial input, resets), and when, as it comes: --replay-input makes the same run of it. A run that is
    /// killed leaves what had come until then. Needs --deterministic [default: none]
    #[arg(long, value_name = "FILE", requires = "deterministic")]
    pub record_input: Option<PathBuf>,

    /// Run as a recorded run did: with the same kernel, card and so on, what came in then comes in again at the same instructions, and what is typed now is
    /// ignored. The run ends where the recorded one ended, and is compared with it on the way. Needs --deterministic [default: none]
    #[arg(long, value_name = "FILE", requires = "deterministic", conflicts_with_all = ["record_input", "type_serial", "type_usb", "type_after"])]
    pub replay_input: Option<PathBuf>,

    /// Behind the end of the recording, go on with live input. A recording that lacks its end can be replayed only so
    #[arg(long, requires = "replay_input")]
    pub replay_then_live: bool,
}

impl RecordingArgs {
    /// Something is recorded or replayed.
    pub fn is_given(&self) -> bool {
        self.record_input.is_some() || self.replay_input.is_some()
    }
}
