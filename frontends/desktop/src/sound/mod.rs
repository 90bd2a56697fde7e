//! The guest's sound on the host's loudspeakers, by cpal.

mod playback;

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{FromSample, SampleFormat, SizedSample};
use playback::Playback;
use std::sync::Arc;
use tayberry_engine::handle::MachineHandle;

/// Plays as long as it is kept.
pub struct Player {
    _stream: cpal::Stream,
}

impl std::fmt::Debug for Player {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Player").finish_non_exhaustive()
    }
}

impl Player {
    /// Starts to play what the machine of `handle` puts out, best before it is started.
    ///
    /// # Errors
    /// Why that cannot be, in words: there is no device, or none that takes samples which we have.
    pub fn start(handle: &MachineHandle) -> Result<Self, String> {
        let device = cpal::default_host().default_output_device().ok_or("this host has no audio output")?;
        let config = device.default_output_config().map_err(|error| error.to_string())?;
        let listener = handle.listen().ok_or("the machine has too many listeners")?;
        let playback = Playback::new(listener, Arc::clone(&handle.stats), config.sample_rate());
        let (format, config) = (config.sample_format(), config.config());
        let stream = match format {
            SampleFormat::F32 => open::<f32>(&device, config, playback),
            SampleFormat::I32 => open::<i32>(&device, config, playback),
            SampleFormat::I16 => open::<i16>(&device, config, playback),
            SampleFormat::U16 => open::<u16>(&device, config, playback),
            SampleFormat::U8 => open::<u8>(&device, config, playback),
            other => return Err(format!("the audio output wants samples of a kind that we do not have: {other}")),
        }
        .and_then(|stream| stream.play().map(|()| stream));
        stream.map(|stream| Self { _stream: stream }).map_err(|error| error.to_string())
    }
}

fn open<T: SizedSample + FromSample<i16>>(
    device: &cpal::Device,
    config: cpal::StreamConfig,
    mut playback: Playback,
) -> Result<cpal::Stream, cpal::Error> {
    let channels = usize::from(config.channels).max(1);
    let fill = move |out: &mut [T], _: &cpal::OutputCallbackInfo| {
        playback.look(out.len() / channels);
        for samples in out.chunks_mut(channels) {
            let frame = playback.next_frame();
            // One loudspeaker plays the left output, and those beyond the second are silent.
            for (channel, sample) in samples.iter_mut().enumerate() {
                *sample = frame.get(channel).map_or(T::EQUILIBRIUM, |&level| T::from_sample(level));
            }
        }
    };
    let trouble = |error: cpal::Error| tracing::warn!(target: "audio", "{error}");
    device.build_output_stream(config, fill, trouble, None)
}
