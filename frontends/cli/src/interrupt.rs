//! Ctrl-C: the first ends the run in good order, the second at once.

use crate::report::{INTERRUPTED, Unusable};
use crate::terminal;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tayberry_engine::handle::Control;

/// A second request this soon is the first one's echo: `timeout` signals its child and then the child's group.
const ECHO: Duration = Duration::from_millis(100);

/// Ends the process without its exit handlers: those of graphics drivers may crash or wait while other threads draw.
fn exit_at_once() -> ! {
    #[cfg(unix)]
    // SAFETY: _exit takes any status, needs nothing of the process's state, and does not return.
    unsafe {
        libc::_exit(i32::from(INTERRUPTED))
    }
    #[cfg(not(unix))]
    std::process::exit(i32::from(INTERRUPTED))
}

/// Listens for Ctrl-C (and for requests to terminate).
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When it was first asked for.
    asked: OnceLock<Instant>,
    /// The machine to stop. Only the handler's thread and the main thread come here.
    control: Mutex<Option<Control>>,
}

impl Interrupt {
    /// Starts to listen.
    ///
    /// # Errors
    /// If the host does not let us.
    pub fn listen() -> Result<Self, Unusable> {
        let interrupt = Self::default();
        let state = Arc::clone(&interrupt.state);
        let handler = move || {
            if state.asked.set(Instant::now()).is_err() {
                if state.asked.get().is_some_and(|first| first.elapsed() < ECHO) {
                    return;
                }
                tayberry_terminal::restore();
                terminal::restore();
                exit_at_once();
            }
            if let Some(control) = &*state.control.lock().unwrap_or_else(PoisonError::into_inner) {
                control.stop();
            }
        };
        ctrlc::set_handler(handler).map_err(|error| Unusable::new(format_args!("cannot listen for Ctrl-C: {error}")))?;
        Ok(interrupt)
    }

    /// From now on Ctrl-C stops this machine; it is stopped at once if Ctrl-C came already.
    pub fn stops(&self, control: &Control) {
        *self.state.control.lock().unwrap_or_else(PoisonError::into_inner) = Some(control.clone());
        if self.came() {
            control.stop();
        }
    }

    /// True once it came.
    pub fn came(&self) -> bool {
        self.state.asked.get().is_some()
    }
}
