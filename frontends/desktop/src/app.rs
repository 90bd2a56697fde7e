//! The application: what the event loop's events do.

use crate::keys::{self, Command};
use crate::mouse::Mouse;
use crate::overlay::{self, Facts, Log, Overlay, Page};
use crate::pace::Pacer;
use crate::screen::Screen;
use crate::title::{Counts, Gauge, Status};
use crate::watch::{Flips, Wake, watch};
use crate::{DesktopError, Options};
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tayberry_engine::display::{Meter, Outcome, Renderer};
use tayberry_engine::handle::{FrameClock, Input, MachineHandle};
use tayberry_engine::hid::{HidEvent, KeysTo};
use tayberry_engine::pins::PinEvent;
use tayberry_headless::{Pace, Picture, Recorder, final_picture, render_threads};
use winit::application::ApplicationHandler;
use winit::event::{DeviceEvent, DeviceId, ElementState, KeyEvent, MouseButton, MouseScrollDelta, WindowEvent};
use winit::event_loop::{ActiveEventLoop, ControlFlow, EventLoopProxy};
use winit::keyboard::ModifiersState;
use winit::window::WindowId;

/// How often the overlay tells what is new.
const OVERLAY_INTERVAL: Duration = Duration::from_millis(250);
/// Lines of the log for a notch of the wheel, and pixels for one of them.
const WHEEL_LINES: f64 = 3.0;
const WHEEL_PIXELS: f64 = 16.0;

pub struct App<'a, S, E> {
    handle: &'a MachineHandle,
    recorder: &'a mut Recorder,
    start: Option<S>,
    proxy: EventLoopProxy<Wake>,
    options: Options,
    clock: Option<Arc<FrameClock>>,
    flips: Arc<Flips>,
    pacer: Pacer,
    renderer: Renderer,
    meter: Meter,
    screen: Option<Screen>,
    overlay: Overlay,
    /// Where the mouse is in the window, while it is the host's.
    cursor: (f64, f64),
    /// The pin whose button is held, and what it is left to.
    held: Option<PinEvent>,
    /// When the overlay is to be brought up to date.
    overlay_due: Instant,
    failure: Option<DesktopError<E>>,
    /// Size and depth of the guest's picture, while it shows one.
    mode: Option<(u32, u32, u32)>,
    modifiers: ModifiersState,
    /// Parts of lines that the wheel has turned.
    wheel: f64,
    port: usize,
    keys_to: KeysTo,
    /// Keys of the guest's USB keyboard that are down.
    down: Vec<u8>,
    mouse: Mouse,
    /// The mouse is the guest's.
    grabbed: bool,
    gauge: Gauge,
    started: Instant,
    /// When to look whether the window can follow the guest's size.
    follow_due: Option<Instant>,
}

impl<'a, S: FnOnce() -> Result<(), E>, E> App<'a, S, E> {
    pub fn new(handle: &'a MachineHandle, mut options: Options, recorder: &'a mut Recorder, start: S, proxy: EventLoopProxy<Wake>) -> Self {
        let clock = match std::mem::replace(&mut options.pace, Pace::Host) {
            Pace::Host => None,
            Pace::Guest(clock) => Some(Arc::new(clock)),
        };
        let waker = proxy.clone();
        let flips = Flips::of(&handle.display, move || {
            // There is nobody to tell once the event loop has ended.
            let _ = waker.send_event(Wake::Flip);
        });
        let (now, keys_to) = (Instant::now(), options.keys);
        Self {
            handle,
            recorder,
            start: Some(start),
            proxy,
            options,
            clock,
            flips,
            pacer: Pacer::new(now, crate::pace::period(None)),
            renderer: Renderer::new(render_threads()),
            meter: Meter::new(),
            screen: None,
            overlay: Overlay::new(Log::new(handle.journal())),
            cursor: (0.0, 0.0),
            held: None,
            overlay_due: now,
            failure: None,
            mode: None,
            modifiers: ModifiersState::empty(),
            wheel: 0.0,
            port: 0,
            keys_to,
            down: Vec::new(),
            mouse: Mouse::default(),
            grabbed: false,
            gauge: Gauge::new(now),
            started: now,
            follow_due: None,
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

    /// Time for the frame log: the guest's if it keeps step, otherwise the host's.
    fn time_ns(&self) -> u64 {
        match self.clock {
            Some(_) => self.handle.stats.guest_ns.get(),
            None => self.started.elapsed().as_nanos() as u64,
        }
    }

    /// Looks at what the guest shows.
    fn look(&mut self, time_ns: u64) -> Outcome {
        self.flips.await_next();
        let outcome = self.meter.render(&mut self.renderer, &self.handle.display, &self.handle.stats);
        let frame = self.renderer.frame();
        match outcome {
            Outcome::Presented => {
                let anew = self.mode.is_none();
                self.mode = Some((frame.width, frame.height, frame.depth));
                self.recorder.frame(frame, time_ns);
                if let Some(screen) = &mut self.screen {
                    screen.expect(frame, anew);
                }
                if frame.changed.is_empty() {
                    // What the guest wants shown is on the screen already.
                    self.meter.presented(frame, &self.handle.stats);
                }
                self.follow_due = Some(self.started);
            }
            Outcome::NoSignal if self.mode.is_some() => {
                self.mode = None;
                if let Some(screen) = &mut self.screen {
                    screen.expect(frame, true);
                }
            }
            Outcome::NoSignal | Outcome::Unchanged | Outcome::Stale => {}
        }
        outcome
    }

    /// True if what the guest shows is wanted at the host's pace.
    fn is_watched(&self) -> bool {
        self.clock.is_none() && (self.screen.as_ref().is_some_and(|screen| screen.visible) || self.recorder.is_wanted())
    }

    /// Brings the overlay up to date.
    fn update_overlay(&mut self, now: Instant) {
        let Some(screen) = &mut self.screen else { return };
        self.overlay_due = now + OVERLAY_INTERVAL;
        let facts = Facts {
            stats: &self.handle.stats,
            rates: self.gauge.rates(),
            mode: self.mode,
            generation: self.renderer.frame().generation,
            paused: self.handle.control.is_paused(),
            port: self.port,
            keys: self.keys_to.words(self.handle.stats.is_keyboard_watched()),
            window: screen.size(),
            period: screen.period(),
            pins: &self.handle.pins,
            resident: self.options.gauges.resident.as_ref().filter(|_| self.overlay.has(Page::Statistics)).and_then(|resident| resident()),
        };
        if self.overlay.update(screen.size(), screen.scale_factor(), &facts) {
            screen.set_panels(self.overlay.panels());
        }
    }

    fn follow_size(&mut self, now: Instant) {
        if self.follow_due.is_none_or(|due| now < due) {
            return;
        }
        self.follow_due = match (&mut self.screen, self.mode) {
            (Some(screen), Some((width, height, _))) => screen.follow((width, height), now),
            _ => None,
        };
    }

    fn resized(&mut self, size: (u32, u32)) {
        let Some(screen) = &mut self.screen else { return };
        screen.resized(size);
        self.pacer.set_period(screen.period());
        if self.overlay.is_open() {
            self.update_overlay(Instant::now());
        }
    }

    fn present(&mut self) -> Result<(), String> {
        let Some(screen) = &mut self.screen else { return Ok(()) };
        if screen.present(self.renderer.frame())? {
            self.meter.presented(self.renderer.frame(), &self.handle.stats);
        }
        Ok(())
    }

    fn write_title(&mut self) {
        let Some(screen) = &self.screen else { return };
        let status = Status {
            name: &self.options.name,
            mode: self.mode,
            paused: self.handle.control.is_paused(),
            port: self.port,
            keys: self.keys_to.words(self.handle.stats.is_keyboard_watched()),
            grabbed: self.grabbed,
        };
        screen.set_title(&self.gauge.title(&status));
    }

    fn act(&self, event: HidEvent) {
        self.handle.control.send(Input::from(event));
    }

    /// A key of the guest's keyboard goes down or up.
    fn press(&mut self, usage: u8, pressed: bool) {
        if self.down.contains(&usage) == pressed {
            return;
        }
        if pressed {
            self.down.push(usage)
        } else {
            self.down.retain(|&key| key != usage)
        }
        self.act(HidEvent::Key { usage, pressed });
    }

    /// What the guest holds goes up: nobody will tell of it any more.
    fn let_go(&mut self) {
        for usage in std::mem::take(&mut self.down) {
            self.act(HidEvent::Key { usage, pressed: false });
        }
        self.grab(false);
    }

    fn grab(&mut self, grab: bool) {
        let Some(screen) = self.screen.as_ref().filter(|_| grab != self.grabbed) else { return };
        self.grabbed = screen.grab(grab) && grab;
        if !self.grabbed {
            let event = self.mouse.leave();
            self.act(event);
        }
        self.write_title();
    }

    fn key(&mut self, key: &KeyEvent) {
        let usage = keys::usage_of(key.physical_key);
        if key.state != ElementState::Pressed {
            // Also of a key that went down before keys went elsewhere.
            return usage.into_iter().for_each(|usage| self.press(usage, false));
        }
        if let Some(pages) = keys::scrolled_pages(&key.logical_key).filter(|_| self.overlay.has(Page::Log)) {
            self.overlay.scroll_pages(pages);
            return self.update_overlay(Instant::now());
        }
        match keys::command(&key.logical_key, self.modifiers) {
            Some(command) if !key.repeat => self.obey(command),
            Some(_) => {}
            None => {
                let (serial, keyboard) = self.keys_to.serial_and_keyboard(self.handle.stats.is_keyboard_watched());
                if let Some(usage) = usage.filter(|_| keyboard && !key.repeat) {
                    self.press(usage, true);
                    self.pacer.stir(Instant::now());
                }
                let bytes = keys::serial_bytes(&key.logical_key, key.text.as_deref(), self.modifiers);
                if serial && !bytes.is_empty() {
                    self.handle.control.type_serial(self.port, bytes);
                    self.pacer.stir(Instant::now());
                }
            }
        }
    }

    /// The mouse presses a pin's button, lets it go, or turns its switch.
    fn touch_pin(&mut self, button: MouseButton, state: ElementState) {
        let pins = &self.handle.pins;
        let event = match (button, state) {
            (MouseButton::Left, ElementState::Pressed) => self.overlay.pin_at(self.cursor).map(|pin| {
                self.held = Some(PinEvent { pin, drive: pins.drive(pin) });
                PinEvent { pin, drive: overlay::pressed(pins, pin) }
            }),
            (MouseButton::Left, ElementState::Released) => self.held.take(),
            (MouseButton::Right, ElementState::Pressed) => {
                self.overlay.pin_at(self.cursor).map(|pin| PinEvent { pin, drive: overlay::switched(pins, pin) })
            }
            _ => None,
        };
        if let Some(event) = event {
            self.handle.control.send(Input::Pin(event));
            self.pacer.stir(Instant::now());
        }
    }

    fn wheel(&mut self, delta: MouseScrollDelta) {
        if self.grabbed {
            let event = self.mouse.scrolled(delta);
            return self.act(event);
        }
        if !self.overlay.has(Page::Log) {
            return;
        }
        self.wheel += match delta {
            MouseScrollDelta::LineDelta(_, lines) => f64::from(lines) * WHEEL_LINES,
            MouseScrollDelta::PixelDelta(pixels) => pixels.y / WHEEL_PIXELS,
        };
        let lines = self.wheel.trunc();
        self.wheel -= lines;
        self.overlay.scroll(lines as i64);
        self.update_overlay(Instant::now());
    }

    fn obey(&mut self, command: Command) {
        let control = &self.handle.control;
        match command {
            Command::Pause => control.set_paused(!control.is_paused()),
            Command::Reset => control.reset(),
            Command::Quit => control.stop(),
            Command::SwitchPort => self.port = 1 - self.port,
            Command::SwitchKeys => self.keys_to = self.keys_to.next(self.handle.stats.is_keyboard_watched()),
            Command::Grab => return self.grab(!self.grabbed),
            Command::Screenshot => self.screenshot(),
            Command::Overlay(page) => {
                self.overlay.toggle(page);
                self.update_overlay(Instant::now());
            }
            Command::Scaling | Command::Fullscreen => {
                if let Some(screen) = &mut self.screen {
                    if command == Command::Scaling { screen.toggle_scaling() } else { screen.toggle_fullscreen() }
                }
                // The guest's size is followed again once the window is one.
                self.follow_due = Some(self.started);
            }
        }
        self.write_title();
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

    /// Looks, follows and presents what is due, and says when to come again.
    fn work(&mut self, now: Instant) -> Instant {
        if self.is_watched() && self.pacer.wants_look(now) {
            let outcome = self.look(self.time_ns());
            self.pacer.looked(now, matches!(outcome, Outcome::Presented | Outcome::Stale));
            if outcome == Outcome::Stale {
                // What took its place is looked at as soon as may be.
                self.pacer.flip();
            }
            if let Some(screen) = &mut self.screen {
                screen.ask_to_draw();
            }
        }
        self.follow_size(now);
        let (stats, translated) = (&self.handle.stats, &self.options.gauges.translated);
        if self.gauge.update(now, || Counts::of(stats, translated.as_ref().map(|translated| translated()))) {
            self.write_title();
        }
        if self.overlay.is_open() && now >= self.overlay_due {
            self.update_overlay(now);
        }
        // What is not the guest's, or could not be presented, waits for a slot of its own.
        if let Some(screen) = self.screen.as_mut().filter(|screen| screen.is_waiting())
            && now >= self.pacer.next_slot()
        {
            self.pacer.take_slot(now);
            screen.ask_to_draw();
        }
        let look = self.is_watched().then(|| self.pacer.next_look());
        let overlay = self.overlay.is_open().then_some(self.overlay_due);
        let owed = self.screen.as_ref().is_some_and(Screen::is_waiting).then(|| self.pacer.next_slot());
        [look, overlay, owed, self.follow_due].into_iter().flatten().fold(self.gauge.next(), Instant::min)
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
        match Screen::open(event_loop, self.options.scaling) {
            Ok(screen) => self.screen = Some(screen),
            Err(error) => {
                self.failure = Some(DesktopError::NoDisplay(error));
                return event_loop.exit();
            }
        }
        self.started = Instant::now();
        self.gauge = Gauge::new(self.started);
        self.pacer = Pacer::new(self.started, self.screen.as_ref().map_or_else(|| crate::pace::period(None), Screen::period));
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
                self.look(vsync.guest_ns);
                if let Some(clock) = &self.clock {
                    clock.done();
                }
            }
            Wake::Flip => self.pacer.flip(),
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
                    screen.set_hidden(hidden);
                }
            }
            WindowEvent::Moved(_) | WindowEvent::ScaleFactorChanged { .. } => {
                if let Some(screen) = &self.screen {
                    self.pacer.set_period(screen.period());
                }
                self.overlay_due = Instant::now();
            }
            WindowEvent::ModifiersChanged(modifiers) => self.modifiers = modifiers.state(),
            WindowEvent::KeyboardInput { event, is_synthetic: false, .. } => self.key(&event),
            WindowEvent::Focused(false) => self.let_go(),
            WindowEvent::MouseInput { button, state, .. } if self.grabbed => {
                if let Some(event) = self.mouse.button(button, state) {
                    self.act(event);
                }
            }
            WindowEvent::CursorMoved { position, .. } => self.cursor = (position.x, position.y),
            WindowEvent::MouseInput { button, state, .. } => self.touch_pin(button, state),
            WindowEvent::MouseWheel { delta, .. } => self.wheel(delta),
            WindowEvent::RedrawRequested => {
                if let Err(error) = self.present() {
                    self.failure = Some(DesktopError::Lost(error));
                    event_loop.exit();
                }
            }
            _ => {}
        }
    }

    fn device_event(&mut self, _: &ActiveEventLoop, _: DeviceId, event: DeviceEvent) {
        if let (DeviceEvent::MouseMotion { delta }, true) = (event, self.grabbed) {
            let event = self.mouse.moved(delta);
            self.act(event);
        }
    }

    fn about_to_wait(&mut self, event_loop: &ActiveEventLoop) {
        let next = self.work(Instant::now());
        event_loop.set_control_flow(ControlFlow::WaitUntil(next));
    }
}
