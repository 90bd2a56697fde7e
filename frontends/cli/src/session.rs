//! A run: inputs, outputs, a machine, a frontend, and how it ended.

use crate::args::input::Keyboard;
use crate::args::picture::Frames;
use crate::args::{Config, Frontend, SerialTarget};
use crate::boot::{self, Kernel, Reboot};
use crate::crash::{self, Crashes};
use crate::expect::Expected;
use crate::files::{self, Output};
use crate::hot;
use crate::interrupt::Interrupt;
use crate::jit::Choice;
use crate::memory::{Memory, Watch};
use crate::page::Page;
use crate::past::{self, Past};
use crate::pins;
use crate::progress::Progress;
use crate::qemu;
use crate::record;
use crate::report::{self, Unusable, say};
use crate::sound;
use crate::stats::{End, How, Report};
use crate::symbols::Symbols;
use crate::terminal::{self, RawMode};
use crate::trace::{Switch, Tracing};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tayberry_bcm2837::sd::CardImage;
use tayberry_bcm2837::{BoardOptions, Raspi3b, jit};
use tayberry_engine::ClockMode;
use tayberry_engine::handle::{Beat, ExitReason, Limits, MachineHandle};
use tayberry_engine::machine::{Running, Starter, prepare};
use tayberry_engine::serial::{CONSOLE, PORTS};
use tayberry_headless::{AudioFile, ContactSheet, FRAME_TIME, FrameLog, Pace, Picture, PinLog, Recorder, SerialError, SerialPump, Viewer};
use tayberry_report::Crash;

/// What the demo is told when nobody is there to watch: go through all modes once, then power off.
const TOUR: &str = "demo.tours=1 demo.mode_ms=400";
/// Where the tour's contact sheet goes.
const TOUR_SHEET: &str = "tayberry-demo.png";

/// Runs what `config` says, and returns the exit status.
///
/// # Errors
/// If something given cannot be used.
pub fn run(config: Config) -> Result<u8, Unusable> {
    check_paths(&config)?;
    let kernel = Kernel::read(&config)?;
    let image = kernel.as_ref().map_or(&[][..], |kernel| &kernel.image);
    // GDB may ask for topics at any time.
    let has_names = config.trace.wants_symbols() || config.gdb.is_some();
    let names = if has_names { crash::symbols(config.diagnosis.symbols.as_deref(), image)? } else { Vec::new() };
    let trace_file = files::create_wanted("--trace-file", config.trace_file.as_deref())?;
    let tracing = Tracing::start(&config.trace, config.diagnosis.trace_format, trace_file, Arc::new(Symbols::of(&names)));
    let status = run_traced(&config, kernel, &tracing);
    if let (Err(error), Some(path)) = (tracing.finish(), &config.trace_file) {
        say(format_args!("error: {}", files::cannot_write("--trace-file", path, &error)));
        return Ok(status?.max(report::UNUSABLE));
    }
    status
}

fn run_traced(config: &Config, kernel: Option<Kernel>, tracing: &Tracing) -> Result<u8, Unusable> {
    let interrupt = Interrupt::listen()?;
    let card = boot::open_card(config)?;
    let kernel = kernel.map_or_else(|| Kernel::boot(config, card.as_ref()), Ok)?;
    let mut run = Run::new(config, kernel, card, interrupt, tracing.switch())?;
    match config.frontend {
        Frontend::Headless => run.headless(),
        Frontend::Desktop => run.desktop()?.map_err(|no_display| Unusable::new(format_args!("--frontend desktop: {no_display}"))),
        Frontend::Terminal => run.terminal()?.map_err(|why| Unusable::new(format_args!("--frontend terminal: {why}"))),
        Frontend::Auto => run.auto(),
    }
}

/// What may not be the same file.
fn check_paths(config: &Config) -> Result<(), Unusable> {
    let given = |list: &[(&'static str, &'_ Option<std::path::PathBuf>)]| -> Vec<(&'static str, std::path::PathBuf)> {
        list.iter().filter_map(|(what, path)| Some((*what, path.as_ref()?.clone()))).collect()
    };
    let (card_in, card_out) = if config.sd_writable { (&None, &config.sd) } else { (&config.sd, &None) };
    let inputs = given(&[
        ("the kernel", &config.kernel),
        ("--dtb", &config.dtb),
        ("--initrd", &config.initrd),
        ("--sd", card_in),
        ("--expect", &config.picture.expect),
        ("--symbols", &config.diagnosis.symbols),
        ("--load-state", &config.past.load_state),
        ("--replay-input", &config.past.replay_input),
    ]);
    let mut outputs = given(&[
        ("--screenshot", &config.screenshot),
        ("--frame-log", &config.frame_log),
        ("--record", &config.picture.record),
        ("--expect-diff", &config.picture.expect_diff),
        ("--contact-sheet", &config.contact_sheet),
        ("--stats", &config.stats),
        ("--report", &config.report),
        ("--audio", &config.sound.audio),
        ("--gpio-log", &config.pins.gpio_log),
        ("--trace-file", &config.trace_file),
        ("--crash-report", &config.diagnosis.crash_report),
        ("--sd", card_out),
        ("--save-state", &config.past.save_state),
        ("--record-input", &config.past.record_input),
    ]);
    for target in &config.serial {
        if let SerialTarget::File(path) = target {
            outputs.push(("--serial", path.clone()));
        }
    }
    files::all_different(&borrowed(&inputs), &borrowed(&outputs))
}

fn borrowed<'a>(list: &'a [(&'a str, std::path::PathBuf)]) -> Vec<(&'a str, &'a Path)> {
    list.iter().map(|(what, path)| (*what, path.as_path())).collect()
}

/// What is written at the end.
#[derive(Default)]
struct Outputs {
    screenshot: Option<Output>,
    contact_sheet: Option<Output>,
    stats: Option<Output>,
}

impl Outputs {
    fn open(config: &Config) -> Result<Self, Unusable> {
        let open = |what, path: &Option<_>| path.as_deref().map(|path| Output::open(what, path)).transpose();
        Ok(Self {
            screenshot: open("--screenshot", &config.screenshot)?,
            contact_sheet: open("--contact-sheet", &config.contact_sheet)?,
            stats: open("--stats", &config.stats)?,
        })
    }
}

/// Where the serial ports go: writers for both.
fn open_serial(config: &Config) -> Result<[Option<File>; PORTS], Unusable> {
    let open = |target: &SerialTarget| match target {
        SerialTarget::File(path) => files::create("--serial", path).map(Some),
        SerialTarget::Stdio | SerialTarget::Null => Ok(None),
    };
    Ok([open(&config.serial[0])?, open(&config.serial[1])?, open(&config.serial[2])?])
}

/// What becomes of the serial port on stdio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Serial {
    /// It is standard input and output.
    Printed,
    /// A frontend shows it and types at it.
    Shown,
}

/// A machine at work, with what hangs on it.
struct Started {
    running: Running,
    since: Instant,
    serial: Vec<(usize, SerialPump)>,
    /// Puts the terminal back in order.
    terminal: Option<RawMode>,
    /// Serves GDB.
    debugger: Option<tayberry_gdb::Debugger>,
    /// Looks at the memory that the machine takes, where that is wanted.
    memory: Option<Watch>,
    crashes: Crashes,
    past: past::Outcome,
}

/// How a machine's run went, for this side.
struct Outcome {
    reason: ExitReason,
    /// Host time that it took.
    wall: Duration,
    lost_output: bool,
    /// It was to be a recorded run again, and printed something else.
    differs: bool,
    /// Resident bytes while the machine was there.
    resident: Option<u64>,
    crashes: Vec<Crash>,
}

struct Run<'a> {
    config: &'a Config,
    name: String,
    board: Arc<Raspi3b>,
    /// What happens at a reset, if the board is not built again as it was.
    reboot: Option<Arc<Reboot>>,
    /// The demo makes its tour if nobody watches.
    tour: Option<Arc<Raspi3b>>,
    card: Option<Arc<CardImage>>,
    jit: Choice,
    /// The kernel's, where hot code is to be named.
    symbols: Symbols,
    /// An ELF file with the kernel's symbols, or nothing.
    debug: Arc<Vec<u8>>,
    crash_file: Option<File>,
    outputs: Outputs,
    page: Option<Page>,
    expected: Option<Expected>,
    serial: [Option<File>; PORTS],
    /// What the guest plays goes there.
    audio_file: Option<File>,
    audio: Option<AudioFile>,
    /// What happens to the pins goes there.
    pin_file: Option<File>,
    pin_log: Option<PinLog>,
    recorder: Recorder,
    interrupt: Interrupt,
    /// Where GDB is awaited, until the machine is started.
    gdb: Option<tayberry_gdb::Port>,
    /// The trace's topics, which GDB may change.
    traces: Switch,
    /// States and recordings, until it is.
    past: Past,
}

impl<'a> Run<'a> {
    fn new(
        config: &'a Config,
        mut kernel: Kernel,
        card: Option<Arc<CardImage>>,
        interrupt: Interrupt,
        traces: Switch,
    ) -> Result<Self, Unusable> {
        let length = |file: &Option<Vec<u8>>| file.as_ref().map_or(0, Vec::len);
        tracing::info!(
            target: "boot",
            "{}: {} bytes, device tree {}, initial RAM disk {}, {} cores, command line {:?}",
            kernel.name,
            kernel.image.len(),
            length(&kernel.dtb),
            length(&kernel.initrd),
            config.cores,
            kernel.append
        );
        let tour = kernel.is_demo && config.append.is_none() && !config.past.are_given();
        let jit = Choice::new(&config.jit, config.cores, jit::available(), config.stats.is_some(), config.trace.has_jit());
        let debug = Arc::new(crash::symbols(config.diagnosis.symbols.as_deref(), &kernel.image)?);
        let symbols = if config.trace.has_jit() { Symbols::of(&debug) } else { Symbols::default() };
        if let Some(options) = &config.qemu {
            kernel.image = qemu::kernel(options, std::mem::take(&mut kernel.image))?;
        }
        let base = BoardOptions {
            cores: config.cores,
            mode: if config.deterministic { ClockMode::Deterministic } else { ClockMode::Realtime },
            features: config.features,
            jit: jit.config,
            card: card.clone(),
            has_input: config.input.keyboard != Keyboard::Serial,
            pins: config.pins.gpio_set.clone().into(),
            semihosting: config.semihosting.as_ref().map(|access| access.open(config, &kernel.name)).transpose()?,
            ..BoardOptions::default()
        };
        kernel.notes.iter().for_each(say);
        let past = Past::open(config, &kernel, &base)?;
        let name = kernel.name.clone();
        let tour = tour.then(|| Kernel { append: Some(TOUR.into()), ..kernel.clone() }.board(&base, Raspi3b::new)).transpose()?;
        let board = kernel.clone().board(&base, Raspi3b::new)?;
        let reboot = Reboot::new(config, &kernel, &base, &board).map(Arc::new);
        let expected = match (&config.picture.expect, &config.picture.expect_diff) {
            (Some(path), Some(diff)) => Some(Expected::open(path, diff)?),
            _ => None,
        };
        let outputs = Outputs::open(config)?;
        let page = config.report.as_deref().map(Page::open).transpose()?;
        let log = match &config.frame_log {
            Some(path) => {
                let file = BufWriter::new(files::create("--frame-log", path)?);
                Some(FrameLog::new(Box::new(file)).map_err(|error| files::cannot_write("--frame-log", path, &error))?)
            }
            None => None,
        };
        let sheet = config.contact_sheet.is_some().then(ContactSheet::new);
        let serial = open_serial(config)?;
        let gdb = config.gdb.as_ref().map(|gdb| tayberry_gdb::Port::open(&gdb.address)).transpose();
        let gdb = gdb.map_err(|error| Unusable::new(format_args!("--gdb: {error}")))?;
        let audio_file = files::create_wanted(sound::OPTION, config.sound.audio.as_deref())?;
        let pin_file = files::create_wanted(pins::OPTION, config.pins.gpio_log.as_deref())?;
        let crash_file = files::create_wanted("--crash-report", config.diagnosis.crash_report.as_deref())?;
        jit.tell(&config.jit);
        let mut recorder = Recorder::new(log, sheet);
        recorder.video = record::start(config)?;
        Ok(Self {
            config,
            name,
            board,
            reboot,
            tour,
            card,
            jit,
            symbols,
            debug,
            crash_file,
            outputs,
            page,
            expected,
            serial,
            audio_file,
            audio: None,
            pin_file,
            pin_log: None,
            recorder,
            interrupt,
            gdb,
            traces,
            past,
        })
    }

    fn limits(&self) -> Limits {
        Limits {
            timeout: self.config.timeout,
            max_instructions: self.config.max_instructions,
            until: self.config.until.as_deref().map(|text| text.as_bytes().to_vec()),
            reset_ends: self.config.qemu.as_ref().is_some_and(|options| options.no_reboot),
            script: self.config.input.script(self.config.stdio_port().unwrap_or(0)),
        }
    }

    fn pace(&self, handle: &MachineHandle) -> Pace {
        match self.config.picture.frames {
            Frames::Publication => Pace::Guest(handle.frame_clock_at(Beat::Publication)),
            Frames::Every(period) if self.config.deterministic => Pace::Guest(handle.frame_clock_at(Beat::Every(period))),
            Frames::Every(_) => Pace::Host,
        }
    }

    /// Time between two looks at the screen where the machine does not say when to look.
    fn period(&self) -> Duration {
        match self.config.picture.frames {
            Frames::Every(period) => period,
            Frames::Publication => FRAME_TIME,
        }
    }

    /// Lets the page, if one is wanted, listen to the machine.
    fn listen(&mut self, handle: &MachineHandle) {
        let guest_time = self.config.deterministic || matches!(self.config.picture.frames, Frames::Publication);
        if let Some(page) = &mut self.page {
            self.recorder.observer = Some(page.listen(handle, guest_time));
        }
    }

    /// Says why there is no window, and what happens instead.
    fn say_headless(&self, why: &str) {
        match self.tour {
            Some(_) => say(format_args!("{why}: the demo makes one tour headless, its modes go to {}", self.tour_sheet().display())),
            None => say(format_args!("{why}: running headless")),
        }
    }

    fn tour_sheet(&self) -> &Path {
        self.config.contact_sheet.as_deref().unwrap_or(Path::new(TOUR_SHEET))
    }

    /// Turns the demo that would run for ever into its tour.
    fn prepare_tour(&mut self) {
        let Some(tour) = self.tour.take() else { return };
        self.board = tour;
        if self.outputs.contact_sheet.is_none() {
            match Output::open("the contact sheet", Path::new(TOUR_SHEET)) {
                Ok(output) => {
                    self.outputs.contact_sheet = Some(output);
                    self.recorder.sheet = Some(ContactSheet::new());
                }
                // Nobody asked for it: the tour is worth something without.
                Err(error) => say(error),
            }
        }
    }

    fn headless(&mut self) -> Result<u8, Unusable> {
        self.prepare_tour();
        let (handle, starter) = prepare();
        self.listen(&handle);
        let looked_at = self.outputs.screenshot.is_some() || self.expected.is_some();
        let watched = looked_at || self.outputs.stats.is_some() || self.recorder.is_wanted();
        let viewer = watched.then(|| {
            let pace = self.pace(&handle);
            Viewer::start(&handle, pace, self.period(), std::mem::take(&mut self.recorder))
        });
        let started = self.start(&handle, starter)?;
        let quiet = self.config.stdio_port().is_some() && io::stdout().is_terminal();
        let progress = Progress::start(&handle.stats, quiet);
        let outcome = started.join(&self.interrupt);
        drop(progress);
        let picture = viewer.map_or_else(Picture::no_signal, |viewer| {
            let viewed = viewer.finish();
            self.recorder = viewed.recorder;
            viewed.picture
        });
        self.finish(&handle, outcome, &picture)
    }

    /// Runs in a window; the inner error says why there is none, and nothing has happened then.
    #[cfg(feature = "desktop")]
    fn desktop(&mut self) -> Result<Result<u8, String>, Unusable> {
        use tayberry_desktop::{DesktopError, Options, Scaling};
        let (handle, starter) = prepare();
        self.listen(&handle);
        let gauges = crate::gauges::gauges(self.board.counters(), self.config.cores);
        let options = Options {
            name: self.name.clone(),
            pace: self.pace(&handle),
            scaling: Scaling::default(),
            keys: self.config.input.keyboard.in_window(),
            gauges,
        };
        #[cfg(feature = "sound")]
        let _player = self.play(&handle);
        let (mut recorder, mut started) = (std::mem::take(&mut self.recorder), None);
        let shown = tayberry_desktop::run(&handle, options, &mut recorder, || {
            started = Some(self.start(&handle, starter)?);
            if self.config.picture.fps_given && !self.config.deterministic {
                say("--fps: a window keeps the display's pace");
            }
            Ok::<_, Unusable>(())
        });
        self.recorder = recorder;
        let display_lost = match shown {
            Err(DesktopError::NoDisplay(why)) => return Ok(Err(format!("no display ({why})"))),
            Err(DesktopError::Start(error)) => return Err(error),
            Err(DesktopError::Lost(why)) => Err(why),
            Ok(picture) => Ok(picture),
        };
        // It was started: nothing else makes the window return without an error, or with a lost display.
        let Some(started) = started else { return Ok(Err("no display".into())) };
        let mut outcome = started.join(&self.interrupt);
        let picture = display_lost.unwrap_or_else(|why| {
            say(format_args!("error: the display failed: {why}"));
            outcome.lost_output = true;
            Picture::no_signal()
        });
        self.finish(&handle, outcome, &picture).map(Ok)
    }

    /// Plays the guest's sound, where that can be and is wanted.
    #[cfg(feature = "sound")]
    fn play(&self, handle: &MachineHandle) -> Option<tayberry_desktop::Player> {
        let player = (!self.config.sound.mute).then(|| tayberry_desktop::Player::start(handle))?;
        player.inspect_err(|why| say(format_args!("no sound: {why}"))).ok()
    }

    #[cfg(not(feature = "desktop"))]
    fn desktop(&mut self) -> Result<Result<u8, String>, Unusable> {
        Ok(Err("this program was built without a window".into()))
    }

    /// A window, else the terminal, else neither.
    fn auto(&mut self) -> Result<u8, Unusable> {
        let why = match self.desktop()? {
            Ok(status) => return Ok(status),
            Err(why) => why,
        };
        if tayberry_terminal::usable().is_ok() {
            say(format_args!("{why}: the terminal shows the picture, Ctrl-A h the keys; --frontend headless only prints"));
            if let Ok(status) = self.terminal()? {
                return Ok(status);
            }
        }
        self.say_headless(&why);
        self.headless()
    }

    /// Runs in the terminal; the inner error says why there is none, and nothing has happened then.
    fn terminal(&mut self) -> Result<Result<u8, String>, Unusable> {
        use tayberry_terminal::{Options, TerminalError};
        let (handle, starter) = prepare();
        self.listen(&handle);
        if self.config.picture.fps_given && !self.config.deterministic {
            say("--fps: a terminal keeps its own pace");
        }
        let (name, pace, serial) = (self.name.clone(), self.pace(&handle), self.config.stdio_port());
        let keys = self.config.input.keyboard.in_terminal();
        let options = Options { name, pace, serial, keys, graphics: self.config.terminal_graphics.into() };
        let (mut recorder, mut started) = (std::mem::take(&mut self.recorder), None);
        let shown = tayberry_terminal::run(&handle, options, &mut recorder, || {
            started = Some(self.start_with(&handle, starter, Serial::Shown)?);
            Ok::<_, Unusable>(())
        });
        self.recorder = recorder;
        let shown = match shown {
            Err(TerminalError::NoTerminal(why)) => return Ok(Err(why)),
            Err(TerminalError::Start(error)) => return Err(error),
            Ok(shown) => shown,
        };
        // It was started: the terminal shows nothing else.
        let Some(started) = started else { return Ok(Err("no terminal".into())) };
        let mut outcome = started.join(&self.interrupt);
        if let Some(why) = shown.lost.filter(|_| !self.interrupt.came()) {
            say(format_args!("error: {why}"));
            outcome.lost_output = true;
        }
        if let Some(tail) = shown.serial {
            terminal::print_tail(&tail);
        }
        self.finish(&handle, outcome, &shown.picture).map(Ok)
    }

    fn start(&mut self, handle: &MachineHandle, starter: Starter) -> Result<Started, Unusable> {
        self.start_with(handle, starter, Serial::Printed)
    }

    fn start_with(&mut self, handle: &MachineHandle, mut starter: Starter, stdio: Serial) -> Result<Started, Unusable> {
        let mut serial = Vec::new();
        for (port, (target, file)) in self.config.serial.iter().zip(&mut self.serial).enumerate() {
            if stdio == Serial::Shown && *target == SerialTarget::Stdio {
                continue;
            }
            let bytes = handle.serial[port].clone();
            let pump = match (target, file.take()) {
                (_, Some(file)) => SerialPump::start(bytes, file),
                (SerialTarget::Stdio, None) => SerialPump::start(bytes, io::stdout()),
                (SerialTarget::Null | SerialTarget::File(_), None) => SerialPump::start(bytes, io::sink()),
            };
            serial.push((port, pump));
        }
        if let (Some(file), Some(path)) = (self.audio_file.take(), &self.config.sound.audio) {
            self.audio = Some(sound::start(handle, file, path)?);
        }
        if let (Some(file), Some(path)) = (self.pin_file.take(), &self.config.pins.gpio_log) {
            self.pin_log = Some(pins::start(handle, file, path)?);
        }
        let past = std::mem::take(&mut self.past);
        let stdin = self.config.stdio_port().filter(|_| stdio == Serial::Printed && !past.is_replay());
        let terminal = stdin.and_then(|port| terminal::connect_stdin(&handle.control, port, self.config.deterministic));
        let past = past.attend(&mut starter, &handle.control);
        let debugger = self.gdb.take().map(|port| self.serve_gdb(port, handle, &mut starter)).transpose()?;
        let (board, reboot, mut starts) = (Arc::clone(&self.board), self.reboot.clone(), 0u64);
        let running = starter.start(self.limits(), move |shared| {
            starts += 1;
            let board = match &reboot {
                Some(reboot) if starts > 1 => reboot.board()?,
                _ => Arc::clone(&board),
            };
            board.build(shared).map_err(Unusable::new)
        });
        let running = running.map_err(|error| Unusable::new(format_args!("the machine cannot be built: {error}")))?;
        self.interrupt.stops(&handle.control);
        let crashes = Crashes::listen(handle, Arc::clone(&self.debug), self.crash_file.take());
        let memory = (self.outputs.stats.is_some() || self.page.is_some()).then(Watch::start);
        Ok(Started { running, since: Instant::now(), serial, terminal, debugger, memory, crashes, past })
    }

    /// Awaits GDB, and says where.
    fn serve_gdb(
        &self,
        port: tayberry_gdb::Port,
        handle: &MachineHandle,
        starter: &mut Starter,
    ) -> Result<tayberry_gdb::Debugger, Unusable> {
        let failed = |error| Unusable::new(format_args!("--gdb: {error}"));
        let wait = self.config.gdb.as_ref().is_some_and(|gdb| gdb.wait);
        let address = port.address().map_err(failed)?;
        let debugger = port.serve(handle, starter, wait, self.config.deterministic, Box::new(self.traces.clone())).map_err(failed)?;
        let what = if wait { "the machine waits for GDB" } else { "GDB may connect" };
        say(format_args!("{what}: target remote {address}"));
        Ok(debugger)
    }

    /// Writes what is to be written and says what is to be said.
    fn finish(&mut self, handle: &MachineHandle, outcome: Outcome, picture: &Picture) -> Result<u8, Unusable> {
        let Outcome { reason, wall, mut lost_output, differs, resident, crashes } = outcome;
        let reason = &reason;
        let mut status = report::status(reason, self.interrupt.came(), self.config.is_to_end());
        self.say_end(reason, status);
        if self.config.trace.has_jit() {
            hot::trace(self.config.cores, self.board.counters(), &self.symbols);
        }
        let Outputs { screenshot, contact_sheet, stats } = std::mem::take(&mut self.outputs);
        let video = self.recorder.video.take();
        let (log, sheet) = std::mem::take(&mut self.recorder).finish();
        let mut written = vec![];
        if let (Err(error), Some(path)) = (log, &self.config.frame_log) {
            written.push(Err(files::cannot_write("--frame-log", path, &error)));
        }
        if let (Some(card), Some(path)) = (&self.card, &self.config.sd) {
            written.push(card.flush().map_err(|error| files::cannot_write("--sd", path, &error)));
        }
        if let (Some(audio), Some(path)) = (self.audio.take(), &self.config.sound.audio) {
            written.push(sound::finish(audio, path, handle.stats.guest_ns.get()));
        }
        if let (Some(log), Some(path)) = (self.pin_log.take(), &self.config.pins.gpio_log) {
            written.push(pins::finish(log, path));
        }
        if let (Some(video), Some(path)) = (video, &self.config.picture.record) {
            written.push(record::finish(video, path));
        }
        let as_expected = self.expected.as_ref().map_or(Ok(true), |expected| expected.is(picture));
        let differs = differs || !matches!(as_expected, Ok(true));
        written.push(as_expected.map(drop));
        if let Some(output) = screenshot {
            written.push(output.write("--screenshot", |out| picture.write_png(out)));
        }
        if let (Some(output), Some(sheet)) = (contact_sheet, sheet) {
            let (path, modes) = (output.path().to_owned(), sheet.modes());
            let result = output.write("--contact-sheet", |out| sheet.finish().write_png(out));
            if result.is_ok() {
                say(format_args!("{modes} modes on the contact sheet {}", path.display()));
            }
            written.push(result);
        }
        for error in written.into_iter().filter_map(Result::err) {
            say(format_args!("error: {error}"));
            lost_output = true;
        }
        if lost_output && status == 0 {
            status = report::UNUSABLE;
        }
        if differs && status == 0 {
            status = report::DIFFERENT;
        }
        let page = self.page.take();
        if stats.is_some() || page.is_some() {
            let end = End { reason, status, wall };
            // Linux counts pages in batches: what it says of the peak may be a little less than what it said of the time.
            let peak = Memory::now().map(|memory| memory.peak.max(resident.unwrap_or(0)));
            let how = How { deterministic: self.config.deterministic, jit: &self.jit, resident, peak };
            let report = Report::new(&self.name, how, handle, self.board.counters(), end);
            let shown = page.map_or(Ok(()), |page| page.write(&self.name, &report, crashes, wall));
            stats.map_or(Ok(()), |output| output.write("--stats", |out: &mut dyn Write| report.write(out)))?;
            shown?;
        }
        Ok(status)
    }

    /// What the exit status alone does not say.
    fn say_end(&self, reason: &ExitReason, status: u8) {
        match reason {
            ExitReason::Lost(why) => say(format_args!("the guest cannot go on: {why}")),
            ExitReason::Timeout | ExitReason::MaxInstructions | ExitReason::Played if status != 0 => {
                let limit = match reason {
                    ExitReason::Timeout => "--timeout",
                    ExitReason::MaxInstructions => "--max-instructions",
                    _ => "the end of the recording",
                };
                match &self.config.until {
                    Some(text) => say(format_args!("{limit} ended the run before the guest printed {text:?}")),
                    None => say(format_args!("{limit} ended the run before the guest exited")),
                }
            }
            _ => {}
        }
    }
}

/// How long a reader of serial output may do nothing once the run has ended. Whoever pages through the output of a guest that ended by itself has all
/// the time in the world; who asked for an end of the run gets one.
fn patience(reason: &ExitReason, interrupted: bool) -> Option<Duration> {
    match reason {
        _ if interrupted => Some(Duration::from_secs(1)),
        ExitReason::Timeout => Some(Duration::from_secs(5)),
        _ => None,
    }
}

/// What prints on a port, for messages.
fn port_name(port: usize) -> String {
    if port == CONSOLE { "the guest by semihosting".into() } else { format!("UART{port}") }
}

impl Started {
    /// Waits for the end.
    fn join(self, interrupt: &Interrupt) -> Outcome {
        let reason = self.running.join();
        let wall = self.since.elapsed();
        if let Some(debugger) = self.debugger {
            debugger.finish();
        }
        let resident = self.memory.and_then(Watch::finish);
        let mut lost = false;
        for (port, pump) in self.serial {
            match pump.finish(|| patience(&reason, interrupt.came())) {
                Ok(()) => {}
                Err(SerialError::Closed) => say(format_args!("nobody read all that {} printed", port_name(port))),
                Err(SerialError::Io(error)) => {
                    say(format_args!("error: --serial: what {} printed cannot be written: {error}", port_name(port)));
                    lost = true;
                }
            }
        }
        drop(self.terminal);
        let (crashes, result) = self.crashes.finish();
        if let Err(error) = result {
            say(format_args!("error: --crash-report: {error}"));
            lost = true;
        }
        let past = self.past.take();
        if let Some(why) = past.failed {
            say(format_args!("error: {why}"));
            lost = true;
        }
        Outcome { reason, wall, lost_output: lost, differs: past.differs, resident, crashes }
    }
}
