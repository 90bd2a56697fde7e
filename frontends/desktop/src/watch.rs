//! Watches a machine and wakes the event loop: on a thread of its own for what comes by channels, on the machine's for flips.

use crossbeam::channel::{Receiver, never, select};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst, fence};
use tayberry_engine::display::Display;
use tayberry_engine::handle::{FrameClock, MachineEvent, MachineHandle, Vsync};
use winit::event_loop::EventLoopProxy;

/// What the event loop is told.
#[derive(Clone, Copy, Debug)]
pub enum Wake {
    /// A machine that keeps step waits for a frame: draw it, then call [`FrameClock::done`].
    Vsync(Vsync),
    /// The guest has flipped, or changed the display in another way.
    Flip,
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

/// Tells of flips, of one between two looks at the screen: a guest that flips a million times a second does not flood the event loop, and the machine does
/// no more than load a flag.
///
/// # Orderings
/// Who looks sets the flag, fences (`SeqCst`), then loads the display's slot. [`Display::publish`] stores the slot, fences (`SeqCst`), then calls
/// [`Flips::tell`], which loads the flag. In the order of the two fences either the look sees the new slot, or the publication sees the flag: no flip is
/// missed.
#[derive(Debug, Default)]
pub struct Flips {
    awaited: AtomicBool,
}

impl Flips {
    /// Has `display` tell of flips to `wake`. They are told of from the next [`Flips::await_next`] on.
    pub fn of(display: &Display, wake: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        let flips = Arc::new(Self::default());
        let watcher = Arc::clone(&flips);
        // Where somebody watches already the machine keeps step with the frames, and flips come as vertical syncs.
        let _ = display.watch(move || watcher.tell(&wake));
        flips
    }

    /// A flip from now on is told of. Call it before the screen is looked at.
    pub fn await_next(&self) {
        self.awaited.store(true, Relaxed);
        fence(SeqCst);
    }

    fn tell(&self, wake: &impl Fn()) {
        if self.awaited.load(Relaxed) && self.awaited.swap(false, Relaxed) {
            wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn one_flip_is_told_of_between_two_looks() {
        let (display, told) = (Display::new(), Arc::new(AtomicU32::new(0)));
        let count = Arc::clone(&told);
        let flips = Flips::of(&display, move || {
            count.fetch_add(1, Relaxed);
        });
        display.lose_signal();
        assert_eq!(told.load(Relaxed), 0, "nobody waits");
        for looks in 1..4 {
            flips.await_next();
            flips.await_next();
            assert_eq!(told.load(Relaxed), looks - 1);
            display.lose_signal();
            display.lose_signal();
            assert_eq!(told.load(Relaxed), looks);
        }
    }
}
