//! Options about states and recordings: runs that go on from earlier ones, or are them again.

use clap::Args;
use std::path::PathBuf;

/// Options about states and recordings.
#[derive(Clone, Debug, Default, Args)]
pub struct PastArgs {
    /// At the end of a run that a limit, --until, Ctrl-C or a closed window ends: save the machine's state, all devices and memory. A later run goes on from there
    /// [default: none]
    #[arg(long, value_name = "FILE")]
    pub save_state: Option<PathBuf>,

    /// Begin with a state that was saved, in a machine that is made from the same kernel and options. --max-instructions counts from the power-on of the run that was saved
    /// [default: begin with power-on]
    #[arg(long, value_name = "FILE")]
    pub load_state: Option<PathBuf>,

    /// With --deterministic: write down all that comes from outside (keys, the mouse, resets), so that the run can be had again to the last byte [default: none]
    #[arg(long, value_name = "FILE", requires = "deterministic", conflicts_with_all = ["replay_input", "gdb"])]
    pub record_input: Option<PathBuf>,

    /// With --deterministic: have a recorded run again. Nothing else comes from outside; it ends where the recorded one ended. Exit status 5 if it has printed something else
    /// [default: none]
    #[arg(long, value_name = "FILE", requires = "deterministic")]
    pub replay_input: Option<PathBuf>,
}

impl PastArgs {
    /// Any of them was given.
    pub fn are_given(&self) -> bool {
        let Self { save_state, load_state, record_input, replay_input } = self;
        [save_state, load_state, record_input, replay_input].into_iter().any(Option::is_some)
    }
}
