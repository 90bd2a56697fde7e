//! The loop: what comes from the machine and from the terminal, and what is to be seen.

use crate::canvas::{Line, Method, Scene};
use crate::console::Console;
use crate::keys::{Command, HELP_LINES, Keys, Typed};
use crate::layout::{CellSize, Layout, Panes};
use crate::link::Link;
use crate::painter::{Done, Painter};
use crate::probe::{ASK_CELL, Answers};
use crate::replies::{Input, Replies, Reply};
use crate::scale::Pixels;
use crate::status::{Counts, Facts, Status};
use crate::strokes::strokes;
use crate::tty::{self, Jobs, Window};
use crate::{Options, SerialTail, Shown};
use crossbeam::channel::{Receiver, RecvTimeoutError, never, select};
use ratatui_core::style::{Modifier, Style};
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind};
use std::time::{Duration, Instant};
use tayberry_engine::display::{Meter, Outcome, Renderer};
use tayberry_engine::handle::{FrameClock, MachineEvent, MachineHandle, Vsync};
use tayberry_engine::hid::KeysTo;
use tayberry_headless::{FRAME_TIME, Pace, Picture, Recorder, final_picture, render_threads};

/// How long the rest of a key's sequence, or of an answer, may take.
const KEY_PATIENCE: Duration = Duration::from_millis(40);
/// How long the end waits for a terminal that has not taken everything.
const LAST_PATIENCE: Duration = Duration::from_millis(700);
/// And for its last answer, which would otherwise be typed at the shell.
const ANSWER_PATIENCE: Duration = Duration::from_millis(300);
/// Pieces of serial output that are taken at a time: keys are never far away.
const PIECES: usize = 256;

/// What is known of the terminal.
pub struct Terminal {
    /// How pictures are shown.
    pub method: Method,
    /// What it answered.
    pub answers: Answers,
    /// Picks answers out of the keys.
    pub replies: Replies,
    /// What was typed; ends when the terminal is gone.
    pub input: Receiver<Vec<u8>>,
}

pub struct App<'a> {
    handle: &'a MachineHandle,
    recorder: &'a mut Recorder,
    name: String,
    clock: Option<FrameClock>,
    renderer: Renderer,
    meter: Meter,
    /// Size and depth of the guest's picture, while it shows one.
    mode: Option<(u32, u32, u32)>,
    terminal: Terminal,
    window: Window,
    cell: Option<CellSize>,
    painter: Painter,
    link: Link,
    spare: Option<Pixels>,
    jobs: Jobs,
    keys: Keys,
    keys_since: Instant,
    /// The serial port that is seen, and that keys go to.
    seen: Option<usize>,
    port: usize,
    keys_to: KeysTo,
    console: Console,
    /// Rows that the serial pane is scrolled back.
    back: usize,
    panes: Panes,
    help: bool,
    status: Status,
    shown: u64,
    /// There is a frame that the terminal has not been sent.
    new_frame: bool,
    /// The frame under way is the one that the renderer has.
    under_way: bool,
    /// Something else than the picture has changed.
    changed: bool,
    fresh: bool,
    /// Asked of the terminal with the next scene.
    ask: Vec<u8>,
    started: Instant,
    next_frame: Instant,
    lost: Option<String>,
    ended: bool,
}

/// What a turn of the loop has received.
enum Event {
    Machine(Option<MachineEvent>),
    Vsync(Option<Vsync>),
    Input(Option<Vec<u8>>),
    Serial(Option<Vec<u8>>),
    Painted(Option<Done>),
    Tick,
}

impl<'a> App<'a> {
    pub fn new(handle: &'a MachineHandle, options: Options, recorder: &'a mut Recorder, mut terminal: Terminal, painter: Painter) -> Self {
        let clock = match options.pace {
            Pace::Host => None,
            Pace::Guest(clock) => Some(clock),
        };
        let (now, window) = (Instant::now(), tty::window());
        if !terminal.answers.speaks {
            terminal.answers.cell = None;
        }
        let mut app = Self {
            handle,
            recorder,
            name: options.name,
            clock,
            renderer: Renderer::new(render_threads()),
            meter: Meter::new(),
            mode: None,
            link: Link::new(terminal.answers.speaks),
            terminal,
            window,
            cell: None,
            painter,
            spare: None,
            jobs: Jobs::listen(),
            keys: Keys::default(),
            keys_since: now,
            seen: options.serial,
            port: options.serial.unwrap_or(0),
            keys_to: options.keys,
            console: Console::default(),
            back: 0,
            panes: Panes::default(),
            help: false,
            status: Status::new(now),
            shown: 0,
            new_frame: false,
            under_way: false,
            changed: true,
            fresh: true,
            ask: Vec::new(),
            started: now,
            next_frame: now,
            lost: None,
            ended: false,
        };
        app.measure();
        app
    }

    /// Runs until the machine has ended.
    pub fn run(&mut self, typed: &[u8]) {
        self.started = Instant::now();
        self.take_input(typed);
        let events = self.handle.events.clone();
        let mut vsyncs = self.clock.as_ref().map_or_else(never, |clock| clock.vsync.clone());
        let mut input = self.terminal.input.clone();
        let mut serial = self.seen.and_then(|port| self.handle.serial.get(port)).map_or_else(never, Receiver::clone);
        let mut done = self.painter.done.clone();
        while !self.ended {
            let wait = self.next_frame.saturating_duration_since(Instant::now());
            let event = select! {
                recv(events) -> event => Event::Machine(event.ok()),
                recv(vsyncs) -> vsync => Event::Vsync(vsync.ok()),
                recv(input) -> bytes => Event::Input(bytes.ok()),
                recv(serial) -> bytes => Event::Serial(bytes.ok()),
                recv(done) -> scene => Event::Painted(scene.ok()),
                default(wait) => Event::Tick,
            };
            match event {
                Event::Machine(Some(MachineEvent::Reset)) => self.changed = true,
                Event::Machine(Some(MachineEvent::Exited(_)) | None) => self.ended = true,
                Event::Vsync(Some(vsync)) => {
                    self.draw(vsync.guest_ns);
                    if let Some(clock) = &self.clock {
                        clock.done();
                    }
                }
                Event::Vsync(None) => vsyncs = never(),
                Event::Input(Some(bytes)) => self.take_input(&bytes),
                Event::Input(None) => {
                    input = never();
                    self.lose("the terminal is gone");
                }
                Event::Serial(Some(bytes)) => {
                    self.console.print(&bytes);
                    for bytes in serial.try_iter().take(PIECES) {
                        self.console.print(&bytes);
                    }
                    self.changed = true;
                }
                Event::Serial(None) => serial = never(),
                Event::Painted(Some(scene)) => self.painted(scene),
                Event::Painted(None) => done = never(),
                Event::Tick => {}
            }
            let now = Instant::now();
            if now >= self.next_frame {
                self.tick(now);
                // After a slow frame the beat starts anew: frames that were missed are not made up for.
                self.next_frame = (self.next_frame + FRAME_TIME).max(now);
            }
        }
    }

    /// Settles with the terminal, which is still ours. What the run leaves behind.
    pub fn finish(mut self) -> Shown {
        if let Some(port) = self.seen
            && let Some(serial) = self.handle.serial.get(port)
        {
            // The machine has ended: so does this.
            while let Ok(bytes) = serial.recv_timeout(LAST_PATIENCE) {
                self.console.print(&bytes);
            }
        }
        if self.link.is_painting() {
            self.painter.settle(LAST_PATIENCE);
        }
        self.await_answer();
        let time_ns = self.time_ns();
        let picture = final_picture(&mut self.renderer, &mut self.meter, self.handle, self.recorder, time_ns);
        let serial = self.seen.map(|_| SerialTail { lines: self.console.lines(), dropped: self.console.dropped() });
        Shown { picture, serial, lost: self.lost }
    }

    fn await_answer(&mut self) {
        let deadline = Instant::now() + ANSWER_PATIENCE;
        while self.link.is_asked() && self.lost.is_none() {
            match self.terminal.input.recv_deadline(deadline) {
                Ok(bytes) => {
                    let inputs = self.terminal.replies.take(&bytes);
                    if inputs.contains(&Input::Reply(Reply::Done)) {
                        self.link.answered();
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Time for the frame log: the guest's if it keeps step, otherwise the host's.
    fn time_ns(&self) -> u64 {
        match self.clock {
            Some(_) => self.handle.stats.guest_ns.get(),
            None => self.started.elapsed().as_nanos() as u64,
        }
    }

    fn lose(&mut self, why: &str) {
        if self.lost.is_none() {
            self.lost = Some(why.to_owned());
            self.handle.control.stop();
        }
    }

    fn tick(&mut self, now: Instant) {
        self.look_at_jobs();
        if tty::window() != self.window {
            self.window = tty::window();
            self.measure();
            self.changed = true;
        }
        if self.clock.is_none() {
            self.draw(self.time_ns());
        }
        if self.terminal.replies.is_pending() && now.saturating_duration_since(self.keys_since) >= KEY_PATIENCE {
            let keys = self.terminal.replies.flush();
            self.press(&keys);
        }
        let stats = &self.handle.stats;
        let counts = Counts { frames: stats.frames_presented.get(), shown: self.shown, instructions: stats.total_instructions() };
        self.changed |= self.status.update(now, counts);
        if (self.changed || self.new_frame) && self.lost.is_none() && self.link.is_free(now) {
            self.paint(now);
        }
    }

    /// Draws what the guest shows, if it is new.
    fn draw(&mut self, time_ns: u64) {
        match self.meter.render(&mut self.renderer, &self.handle.display, &self.handle.stats) {
            Outcome::Presented => {
                let frame = self.renderer.frame();
                self.mode = Some((frame.width, frame.height, frame.depth));
                self.recorder.frame(frame, time_ns);
                self.new_frame = true;
                self.under_way = false;
            }
            Outcome::NoSignal if self.mode.is_some() => {
                self.mode = None;
                self.changed = true;
            }
            Outcome::NoSignal | Outcome::Unchanged | Outcome::Stale => {}
        }
    }

    fn painted(&mut self, scene: Done) {
        self.link.written(Instant::now());
        if scene.spare.is_some() {
            self.shown += 1;
            if self.under_way {
                self.meter.presented(self.renderer.frame(), &self.handle.stats);
            }
        }
        self.spare = scene.spare.or(self.spare.take());
        if let Err(error) = scene.result {
            self.lose(&format!("the terminal does not take anything any more: {error}"));
        }
    }

    fn paint(&mut self, now: Instant) {
        let size = self.window.cells;
        let layout = Layout::new(size, self.panes, self.seen.is_some(), self.mode.is_some());
        let mut scene = Scene { size, cell: self.cell, fresh: std::mem::take(&mut self.fresh), ..Scene::default() };
        if self.help {
            scene.lines = help(size);
        } else {
            self.add_panes(&mut scene, layout);
        }
        if let Some(area) = layout.status {
            let text = self.status.line(&self.facts(), self.terminal.method, area.width);
            scene.lines.push(Line { x: 0, y: area.y, width: area.width, text, style: Style::new().add_modifier(Modifier::REVERSED) });
        }
        if std::mem::take(&mut self.new_frame) {
            let frame = self.renderer.frame();
            let mut pixels = self.spare.take().unwrap_or_default();
            pixels.copy((frame.width, frame.height), &frame.pixels);
            scene.pixels = Some(pixels);
            self.under_way = true;
        }
        scene.ask = std::mem::take(&mut self.ask);
        scene.ask.extend_from_slice(self.link.send(now));
        self.changed = false;
        self.painter.paint(scene);
    }

    fn add_panes(&self, scene: &mut Scene, layout: Layout) {
        scene.picture = layout.picture.filter(|_| self.mode.is_some());
        if let (Some(area), None) = (layout.picture, self.mode) {
            let text = "no picture: the guest has set up no frame buffer".to_owned();
            let x = (area.width / 2).saturating_sub(text.len() as u16 / 2);
            scene.lines.push(Line {
                x,
                y: area.y + area.height / 2,
                width: area.width,
                text,
                style: Style::new().add_modifier(Modifier::DIM),
            });
        }
        let Some(area) = layout.serial else { return };
        let view = self.console.view(area.width, area.height, self.back);
        scene.cursor = view.cursor.map(|(x, y)| (area.x + x, area.y + y));
        let rows = view.rows.into_iter().zip(area.y..area.bottom());
        scene.lines.extend(rows.map(|(text, y)| Line { x: area.x, y, width: area.width, text, style: Style::new() }));
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            name: &self.name,
            mode: self.mode,
            paused: self.handle.control.is_paused(),
            port: self.port,
            keys: self.keys_to.words(self.handle.stats.is_keyboard_watched()),
            seen: self.seen,
            escaped: self.keys.is_escaped(),
            back: self.back > 0,
        }
    }

    /// Learns the size of a cell: from the terminal's driver, or from the terminal itself.
    fn measure(&mut self) {
        let (columns, rows) = self.window.cells;
        let of = |(width, height): (u32, u32)| CellSize::told(width / u32::from(columns.max(1)), height / u32::from(rows.max(1)));
        let asked = self.terminal.answers.cell.or_else(|| self.terminal.answers.area.and_then(of));
        self.cell = asked.or_else(|| self.window.pixels.and_then(of));
        if self.terminal.answers.cell.is_some() {
            // The font may be another one.
            self.ask.extend_from_slice(ASK_CELL);
        }
        // It was the old size's.
        self.terminal.answers.area = None;
    }

    fn take_input(&mut self, bytes: &[u8]) {
        self.keys_since = Instant::now();
        for input in self.terminal.replies.take(bytes) {
            match input {
                Input::Keys(keys) => self.press(&keys),
                Input::Reply(Reply::Done) => self.link.answered(),
                Input::Reply(Reply::CellPixels(width, height)) => {
                    let cell = CellSize::told(width, height);
                    self.terminal.answers.cell = cell;
                    self.changed |= cell != self.cell;
                    self.cell = cell.or(self.cell);
                }
                // Late answers: what was to be decided by them is decided.
                Input::Reply(Reply::Attributes(_)) => self.terminal.replies.strings = false,
                Input::Reply(Reply::Kitty(_) | Reply::Rendition(_) | Reply::AreaPixels(..)) => {}
            }
        }
    }

    fn press(&mut self, keys: &[u8]) {
        for typed in self.keys.take(keys) {
            self.changed = true;
            match typed {
                Typed::Bytes(bytes) => {
                    self.help = false;
                    self.back = 0;
                    let control = &self.handle.control;
                    let (serial, keyboard) = self.keys_to.serial_and_keyboard(self.handle.stats.is_keyboard_watched());
                    if keyboard {
                        strokes(&bytes).into_iter().for_each(|stroke| control.stroke(stroke));
                    }
                    if serial {
                        control.type_serial(self.port, bytes);
                    }
                }
                Typed::Command(command) => self.obey(command),
            }
        }
        self.changed |= self.keys.is_escaped();
    }

    fn obey(&mut self, command: Command) {
        let control = &self.handle.control;
        let page = usize::from(self.window.cells.1 / 2).max(1);
        match command {
            Command::Quit => control.stop(),
            Command::Pause => control.set_paused(!control.is_paused()),
            Command::Reset => control.reset(),
            Command::SwitchPort => self.port = 1 - self.port,
            Command::SwitchKeys => self.keys_to = self.keys_to.next(self.handle.stats.is_keyboard_watched()),
            Command::Help => self.help = !self.help,
            Command::Full => self.panes = if self.panes == Panes::Full { Panes::Both } else { Panes::Full },
            Command::Serial => {
                self.panes = match self.panes {
                    Panes::Both => Panes::Serial,
                    Panes::Serial => Panes::Picture,
                    Panes::Picture | Panes::Full => Panes::Both,
                }
            }
            Command::Back => self.back = (self.back + page).min(self.console.rows_at_most()),
            Command::Forth => self.back = self.back.saturating_sub(page),
            Command::Screenshot => self.screenshot(),
            Command::Suspend => self.suspend(),
        }
    }

    /// Writes the picture to the first free `tayberry-N.png` and says so.
    fn screenshot(&mut self) {
        let said = match write_new_png(&Picture::from(self.renderer.frame())) {
            Ok(name) => format!("picture written to {name}"),
            Err(error) => format!("the picture cannot be written: {error}"),
        };
        self.status.say(said, Instant::now());
    }

    fn look_at_jobs(&mut self) {
        if self.jobs.must_stop() {
            self.suspend();
        }
        if self.jobs.was_continued() {
            if let Err(error) = tty::renew() {
                self.lose(&format!("the terminal cannot be taken over again: {error}"));
            }
            self.renewed();
        }
    }

    fn suspend(&mut self) {
        if self.link.is_painting() {
            self.painter.settle(LAST_PATIENCE);
            self.link.written(Instant::now());
        }
        self.await_answer();
        if let Err(error) = tty::suspend() {
            self.lose(&format!("the terminal cannot be taken over again: {error}"));
        }
        self.renewed();
    }

    fn renewed(&mut self) {
        self.link.reset();
        (self.fresh, self.changed) = (true, true);
    }
}

fn help((columns, rows): (u16, u16)) -> Vec<Line> {
    let width = HELP_LINES.iter().map(|line| line.len() as u16).max().unwrap_or(0);
    let (x, y) = (columns.saturating_sub(width) / 2, rows.saturating_sub(HELP_LINES.len() as u16 + 1) / 2);
    let line = |(text, y): (&&str, u16)| Line { x, y, width: columns, text: (*text).to_owned(), style: Style::new() };
    HELP_LINES.iter().zip(y..rows.saturating_sub(1)).map(line).collect()
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
