//! The application: what the event loop's events do.

use crate::keys::{self, Command};
use crate::scale::{Size, window_size};
use crate::surface::Surface;
use crate::title::{Counts, INTERVAL, Rates, Status};
use crate::watch::{Wake, watch};
use crate::{DesktopError, Options, one_line};
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tayberry_engine::display::{Meter, Outcome, Renderer};
use tayberry_engine::handle::{FrameClock, MachineHandle};
use tayberry_headless::{FRAME_TIME, Pace, Picture, Recorder, final_picture, render_threads};
use winit::application::ApplicationHandler;
use winit::dpi::PhysicalSize;
use winit::event::{ElementState, KeyEvent, WindowEvent};
use winit::event_loop::{ActiveEventLoop, ControlFlow, EventLoopProxy};
use winit::keyboard::ModifiersState;
use winit::window::{Fullscreen, Window, WindowId};

/// Shortest time between two requests for another window size: a guest may change modes faster than a desktop can follow.
const RESIZE_INTERVAL: Duration = Duration::from_millis(250);
/// The window before the guest shows anything.
const FIRST_SIZE: Size = (640, 480);

/// A window with its surface.
struct Screen {
    window: Arc<Window>,
    surface: Surface,
    /// The window can be seen.
    visible: bool,
    /// A picture could not be presented and has to be tried again.
    owed: bool,
    /// The size last asked for, and when.
    asked: (Size, Instant),
    /// The user chose the window's size: it stays.
    sized_by_user: bool,
}

pub struct App<'a, S, E> {
    handle: &'a MachineHandle,
    recorder: &'a mut Recorder,
    start: Option<S>,
    proxy: EventLoopProxy<Wake>,
    options: Options,
    clock: Option<Arc<FrameClock>>,
    renderer: Renderer,
    meter: Meter,
    screen: Option<Screen>,
    failure: Option<DesktopError<E>>,
    /// Size and depth of the guest's picture, while it shows one.
    mode: Option<(u32, u32, u32)>,
    modifiers: ModifiersState,
    port: usize,
    rates: Rates,
    started: Instant,
    next_frame: Instant,
}

impl<'a, S: FnOnce() -> Result<(), E>, E> App<'a, S, E> {
    pub fn new(handle: &'a MachineHandle, mut options: Options, recorder: &'a mut Recorder, start: S, proxy: EventLoopProxy<Wake>) -> Self {
        let clock = match std::mem::replace(&mut options.pace, Pace::Host) {
            Pace::Host => None,
            Pace::Guest(clock) => Some(Arc::new(clock)),
        };
        let now = Instant::now();
        Self {
            handle,
            recorder,
            start: Some(start),
            proxy,
            options,
            clock,
            renderer: Renderer::new(render_threads()),
            meter: Meter::new(),
            screen: None,
            failure: None,
            mode: None,
            modifiers: ModifiersState::empty(),
            port: 0,
            rates: Rates::new(now),
            started: now,
            next_frame: now,
        }
    }

    /// What `run` returns once the event loop has ended.
    pub fn finish(mut self) -> Result<Picture, DesktopError<E>> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let time_ns = self.time_ns();
        Ok(final_picture(&mut self.renderer, &mut self.meter, self.handle, self.recorder, time_ns))
    }

    fn open(&self, event_loop: &ActiveEventLoop) -> Result<Screen, String> {
        let monitor = event_loop.primary_monitor().or_else(|| event_loop.available_monitors().next()).map(|monitor| monitor.size().into());
        let size = window_size(FIRST_SIZE, monitor);
        let attributes = Window::default_attributes().with_title("Tayberry").with_inner_size(PhysicalSize::<u32>::from(size));
        let window = Arc::new(event_loop.create_window(attributes).map_err(|error| one_line(&error))?);
        let surface = Surface::new(&window, self.options.scaling).map_err(|error| one_line(&error))?;
        Ok(Screen { window, surface, visible: true, owed: false, asked: (size, Instant::now()), sized_by_user: false })
    }

    /// Time for the frame log: the guest's if it keeps step, otherwise the host's.
    fn time_ns(&self) -> u64 {
        match self.clock {
            Some(_) => self.handle.stats.guest_ns.get(),
            None => self.started.elapsed().as_nanos() as u64,
        }
    }

    /// Draws what the guest shows, if it is new.
    fn draw(&mut self, time_ns: u64) {
        let outcome = self.meter.render(&mut self.renderer, &self.handle.display, &self.handle.stats);
        match outcome {
            Outcome::Presented => {
                let frame = self.renderer.frame();
                self.mode = Some((frame.width, frame.height, frame.depth));
                self.recorder.frame(frame, time_ns);
                if let Some(screen) = &mut self.screen {
                    if let Err(error) = screen.surface.set_frame(frame) {
                        tracing::warn!(target: "desktop", "the host cannot show a picture of this size: {error}");
                        screen.surface.blacken();
                    }
                    screen.window.request_redraw();
                }
            }
            Outcome::NoSignal if self.mode.is_some() => {
                self.mode = None;
                if let Some(screen) = &mut self.screen {
                    screen.surface.blacken();
                    screen.window.request_redraw();
                }
            }
            Outcome::NoSignal | Outcome::Unchanged | Outcome::Stale => {}
        }
    }

    /// Makes the window follow the guest's size.
    fn follow_size(&mut self, now: Instant) {
        let (Some(screen), Some((width, height, _))) = (&mut self.screen, self.mode) else { return };
        if screen.sized_by_user || now < screen.asked.1 + RESIZE_INTERVAL {
            return;
        }
        if screen.window.fullscreen().is_some() || screen.window.is_maximized() {
            return;
        }
        let size = window_size((width, height), screen.window.current_monitor().map(|monitor| monitor.size().into()));
        if size == screen.asked.0 {
            return;
        }
        screen.asked = (size, now);
        if let Some(size) = screen.window.request_inner_size(PhysicalSize::<u32>::from(size)) {
            self.resized(size.into());
        }
    }

    fn resized(&mut self, size: Size) {
        let Some(screen) = &mut self.screen else { return };
        screen.visible = size.0 > 0 && size.1 > 0;
        let chosen = screen.window.fullscreen().is_none() && !screen.window.is_maximized();
        screen.sized_by_user = chosen && screen.visible && size != screen.asked.0;
        if let Err(error) = screen.surface.set_window_size(size) {
            tracing::warn!(target: "desktop", "the host cannot fill a window of this size: {error}");
        }
        screen.window.request_redraw();
    }

    fn present(&mut self) -> Result<(), String> {
        let Some(screen) = self.screen.as_mut().filter(|screen| screen.visible) else { return Ok(()) };
        screen.owed = !screen.surface.present().map_err(|error| one_line(&error))?;
        if !screen.owed {
            self.meter.presented(self.renderer.frame(), &self.handle.stats);
        }
        Ok(())
    }

    fn write_title(&mut self) {
        let Some(screen) = &self.screen else { return };
        let status = Status { name: &self.options.name, mode: self.mode, paused: self.handle.control.is_paused(), port: self.port };
        screen.window.set_title(&self.rates.title(&status));
    }

    fn key(&mut self, key: &KeyEvent) {
        if key.state != ElementState::Pressed {
            return;
        }
        match keys::command(&key.logical_key) {
            Some(command) if !key.repeat => self.obey(command),
            Some(_) => {}
            None => {
                let bytes = keys::serial_bytes(&key.logical_key, key.text.as_deref(), self.modifiers);
                if !bytes.is_empty() {
                    self.handle.control.type_serial(self.port, bytes);
                }
            }
        }
    }

    fn obey(&mut self, command: Command) {
        let control = &self.handle.control;
        match command {
            Command::Pause => control.set_paused(!control.is_paused()),
            Command::Reset => control.reset(),
            Command::Quit => control.stop(),
            Command::SwitchPort => self.port = 1 - self.port,
            Command::Screenshot => self.screenshot(),
            Command::Scaling => self.toggle_scaling(),
            Command::Fullscreen => self.toggle_fullscreen(),
        }
        self.write_title();
    }

    fn toggle_scaling(&mut self) {
        let Some(screen) = &mut self.screen else { return };
        if let Err(error) = screen.surface.set_scaling(screen.surface.scaling().toggled()) {
            tracing::warn!(target: "desktop", "{error}");
        }
        screen.window.request_redraw();
    }

    fn toggle_fullscreen(&mut self) {
        if let Some(screen) = &self.screen {
            let new = screen.window.fullscreen().is_none().then_some(Fullscreen::Borderless(None));
            screen.window.set_fullscreen(new);
        }
    }

    /// Writes the picture to the first free `tayberry-N.png` and says so.
    fn screenshot(&self) {
        let said = match write_new_png(&Picture::from(self.renderer.frame())) {
            Ok(name) => format!("tayberry: picture written to {name}"),
            Err(error) => format!("tayberry: the picture cannot be written: {error}"),
        };
        // Nobody to tell if even that fails.
        let _ = writeln!(io::stderr(), "{said}");
    }
}

fn write_new_png(picture: &Picture) -> io::Result<String> {
    for number in 1..10_000 {
        let name = format!("tayberry-{number}.png");
        match File::create_new(&name) {
            Ok(file) => return picture.write_png(BufWriter::new(file)).map(|()| name),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

impl<S: FnOnce() -> Result<(), E>, E> ApplicationHandler<Wake> for App<'_, S, E> {
    fn resumed(&mut self, event_loop: &ActiveEventLoop) {
        let Some(start) = self.start.take() else { return };
        match self.open(event_loop) {
            Ok(screen) => self.screen = Some(screen),
            Err(error) => {
                self.failure = Some(DesktopError::NoDisplay(error));
                return event_loop.exit();
            }
        }
        self.started = Instant::now();
        self.rates = Rates::new(self.started);
        if let Err(error) = start() {
            self.failure = Some(DesktopError::Start(error));
            return event_loop.exit();
        }
        watch(self.handle, self.clock.clone(), self.proxy.clone());
        self.write_title();
    }

    fn user_event(&mut self, event_loop: &ActiveEventLoop, wake: Wake) {
        match wake {
            Wake::Vsync(vsync) => {
                self.draw(vsync.guest_ns);
                if let Some(clock) = &self.clock {
                    clock.done();
                }
            }
            Wake::Reset => self.write_title(),
            Wake::Ended => event_loop.exit(),
        }
    }

    fn window_event(&mut self, event_loop: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        match event {
            // The loop ends when the machine has.
            WindowEvent::CloseRequested | WindowEvent::Destroyed => self.handle.control.stop(),
            WindowEvent::Resized(size) => self.resized(size.into()),
            WindowEvent::Occluded(hidden) => {
                if let Some(screen) = &mut self.screen {
                    screen.visible = !hidden;
                    screen.window.request_redraw();
                }
            }
            WindowEvent::ModifiersChanged(modifiers) => self.modifiers = modifiers.state(),
            WindowEvent::KeyboardInput { event, is_synthetic: false, .. } => self.key(&event),
            WindowEvent::RedrawRequested => {
                if let Err(error) = self.present() {
                    self.failure = Some(DesktopError::Lost(error));
                    event_loop.exit();
                }
            }
            _ => {}
        }
    }

    fn about_to_wait(&mut self, event_loop: &ActiveEventLoop) {
        let now = Instant::now();
        if now >= self.next_frame {
            if self.clock.is_none() {
                self.draw(self.time_ns());
            }
            self.follow_size(now);
            if let Some(screen) = self.screen.as_ref().filter(|screen| screen.owed) {
                screen.window.request_redraw();
            }
            // After a slow frame the beat starts anew: frames that were missed are not made up for.
            self.next_frame = (self.next_frame + FRAME_TIME).max(now);
        }
        let stats = &self.handle.stats;
        if self.rates.update(now, Counts { frames: stats.frames_presented.get(), instructions: stats.total_instructions() }) {
            self.write_title();
        }
        event_loop.set_control_flow(ControlFlow::WaitUntil(self.next_frame.min(now + INTERVAL)));
    }
}
