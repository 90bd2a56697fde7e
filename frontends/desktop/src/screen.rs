//! The window: what is on it, how large it is, and what it still has to show.

use crate::one_line;
use crate::overlay::Panel;
use crate::pace;
use crate::scale::{Scaling, Size, window_size};
use crate::surface::Surface;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tayberry_engine::display::Frame;
use winit::dpi::PhysicalSize;
use winit::event_loop::ActiveEventLoop;
use winit::window::{CursorGrabMode, Fullscreen, Window};

/// Shortest time between two requests for another window size: a guest may change modes faster than a desktop can follow.
const RESIZE_INTERVAL: Duration = Duration::from_millis(250);
/// The window before the guest shows anything.
const FIRST_SIZE: Size = (640, 480);

/// A window with its surface.
pub struct Screen {
    window: Arc<Window>,
    surface: Surface,
    /// The window can be seen.
    pub visible: bool,
    /// Something has to be presented yet.
    pub owed: bool,
    /// A redraw was asked for and has not come.
    asked_to_draw: bool,
    /// The size last asked for, and when.
    asked: (Size, Instant),
    /// The guest's size that it was asked for.
    followed: Size,
    /// The user chose the window's size: it stays.
    sized_by_user: bool,
}

impl Screen {
    /// Opens a window.
    ///
    /// # Errors
    /// Why there is none, in a line.
    pub fn open(event_loop: &ActiveEventLoop, scaling: Scaling) -> Result<Self, String> {
        let monitor = event_loop.primary_monitor().or_else(|| event_loop.available_monitors().next()).map(|monitor| monitor.size().into());
        let size = window_size(FIRST_SIZE, monitor);
        let attributes = Window::default_attributes().with_title("Tayberry").with_inner_size(PhysicalSize::<u32>::from(size));
        let window = Arc::new(event_loop.create_window(attributes).map_err(|error| one_line(&error))?);
        let surface = Surface::new(&window, scaling).map_err(|error| one_line(&error))?;
        let asked = (size, Instant::now());
        Ok(Self { window, surface, visible: true, owed: true, asked_to_draw: false, asked, followed: FIRST_SIZE, sized_by_user: false })
    }

    /// Time between two pictures of the display that the window is on.
    pub fn period(&self) -> Duration {
        pace::period(self.window.current_monitor().and_then(|monitor| monitor.refresh_rate_millihertz()))
    }

    /// Takes the mouse, or gives it back. False if the window system does not give it.
    pub fn grab(&self, grab: bool) -> bool {
        let window = &self.window;
        let taken = match grab {
            true => window.set_cursor_grab(CursorGrabMode::Locked).or_else(|_| window.set_cursor_grab(CursorGrabMode::Confined)),
            false => window.set_cursor_grab(CursorGrabMode::None),
        };
        window.set_cursor_visible(!(grab && taken.is_ok()));
        taken.is_ok()
    }

    /// Size of the window in pixels.
    pub fn size(&self) -> Size {
        self.surface.window_size()
    }

    /// Pixels to a point.
    pub fn scale_factor(&self) -> f64 {
        self.window.scale_factor()
    }

    pub fn set_title(&self, title: &str) {
        self.window.set_title(title);
    }

    /// A new frame: something to present, if pixels of it changed. `anew` where more may have changed than the frame says.
    pub fn expect(&mut self, frame: &Frame, anew: bool) {
        let said = if anew { self.surface.expect_anew(frame) } else { self.surface.expect(frame) };
        if let Err(error) = said {
            tracing::warn!(target: "desktop", "the host cannot show a picture of this size: {error}");
        }
        self.owed |= anew || !frame.changed.is_empty();
    }

    /// Shows these panels over the picture.
    pub fn set_panels(&mut self, panels: &[Panel]) {
        self.surface.set_panels(panels);
        self.owed = true;
    }

    /// Asks for a redraw, if one is owed and can be seen.
    pub fn ask_to_draw(&mut self) {
        if self.owed && self.visible && !self.asked_to_draw {
            self.asked_to_draw = true;
            self.window.request_redraw();
        }
    }

    /// True if what is owed waits for somebody to ask for the redraw.
    pub fn is_waiting(&self) -> bool {
        self.owed && self.visible && !self.asked_to_draw
    }

    /// Presents the picture, which `frame` is. True if it came to the screen. May wait for it.
    ///
    /// # Errors
    /// If the display is lost, in a line.
    pub fn present(&mut self, frame: &Frame) -> Result<bool, String> {
        self.asked_to_draw = false;
        if !self.visible {
            return Ok(false);
        }
        self.window.pre_present_notify();
        let shown = self.surface.present(frame).map_err(|error| one_line(&error))?;
        self.owed = !shown;
        Ok(shown)
    }

    /// The window is hidden, or is not any more.
    pub fn set_hidden(&mut self, hidden: bool) {
        self.visible = !hidden;
        // A redraw that was asked for while it was hidden may never come.
        self.asked_to_draw = false;
        self.owed = true;
    }

    /// Makes the window follow the guest's size. Says when to try again if it is too early.
    pub fn follow(&mut self, guest: Size, now: Instant) -> Option<Instant> {
        if guest == self.followed || self.sized_by_user {
            return None;
        }
        let earliest = self.asked.1 + RESIZE_INTERVAL;
        if now < earliest {
            return Some(earliest);
        }
        if self.window.fullscreen().is_some() || self.window.is_maximized() {
            // Not for ever: but nobody tells when that ends.
            self.asked.1 = now;
            return Some(now + RESIZE_INTERVAL);
        }
        self.followed = guest;
        let size = window_size(guest, self.window.current_monitor().map(|monitor| monitor.size().into()));
        if size != self.asked.0 {
            self.asked = (size, now);
            if let Some(size) = self.window.request_inner_size(PhysicalSize::<u32>::from(size)) {
                self.resized(size.into());
            }
        }
        None
    }

    /// The window has another size.
    pub fn resized(&mut self, size: Size) {
        self.visible = size.0 > 0 && size.1 > 0;
        let chosen = self.window.fullscreen().is_none() && !self.window.is_maximized();
        self.sized_by_user = chosen && self.visible && size != self.asked.0;
        if let Err(error) = self.surface.set_window_size(size) {
            tracing::warn!(target: "desktop", "the host cannot fill a window of this size: {error}");
        }
        self.asked_to_draw = false;
        self.owed = true;
    }

    pub fn toggle_scaling(&mut self) {
        self.surface.set_scaling(self.surface.scaling().toggled());
        self.owed = true;
    }

    pub fn toggle_fullscreen(&self) {
        let new = self.window.fullscreen().is_none().then_some(Fullscreen::Borderless(None));
        self.window.set_fullscreen(new);
    }
}
