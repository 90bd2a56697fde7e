//! Watches a machine on a thread of its own and wakes the event loop.

use crossbeam::channel::{Receiver, never, select};
use std::sync::Arc;
use tayberry_engine::handle::{FrameClock, MachineEvent, MachineHandle, Vsync};
use winit::event_loop::EventLoopProxy;

/// What the event loop is told.
#[derive(Clone, Copy, Debug)]
pub enum Wake {
    /// A machine that keeps step waits for a frame: draw it, then call [`FrameClock::done`].
    Vsync(Vsync),
    /// The machine was reset.
    Reset,
    /// The machine has ended.
    Ended,
}

/// Starts to watch. The thread ends with the machine or with the event loop.
///
/// # Panics
/// If the host cannot start a thread.
pub fn watch(handle: &MachineHandle, clock: Option<Arc<FrameClock>>, proxy: EventLoopProxy<Wake>) {
    let events = handle.events.clone();
    let body = move || watch_until_the_end(&events, clock.as_deref(), &proxy);
    std::thread::Builder::new().name("tayberry-watch".into()).spawn(body).expect("the host can start a thread");
}

fn watch_until_the_end(events: &Receiver<MachineEvent>, clock: Option<&FrameClock>, proxy: &EventLoopProxy<Wake>) {
    let mut vsyncs = clock.map_or_else(never, |clock| clock.vsync.clone());
    loop {
        let wake = select! {
            recv(events) -> event => match event {
                Ok(MachineEvent::Reset) => Wake::Reset,
                Ok(MachineEvent::Exited(_)) | Err(_) => Wake::Ended,
            },
            recv(vsyncs) -> vsync => match vsync {
                Ok(vsync) => Wake::Vsync(vsync),
                Err(_) => {
                    vsyncs = never();
                    continue;
                }
            },
        };
        if proxy.send_event(wake).is_err() || matches!(wake, Wake::Ended) {
            return;
        }
    }
}
