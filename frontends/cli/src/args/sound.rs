//! Options about sound.

use clap::Args;
use std::path::PathBuf;

/// Options about sound.
#[derive(Args, Clone, Debug, Default)]
pub struct SoundArgs {
    /// Write what the guest plays at the audio jack: 16 bits, stereo, 48,000 frames a second of guest time, as long as the run [default: none]
    #[arg(long, value_name = "FILE.wav")]
    pub audio: Option<PathBuf>,

    /// Do not play the guest's sound beside the window. Programs built without sound never do
    #[arg(long)]
    pub mute: bool,
}
