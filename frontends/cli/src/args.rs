//! The command line: what may be said, and what it means.

pub mod boot;
pub mod diagnosis;
pub mod gdb;
pub mod input;
pub mod past;
pub mod picture;
pub mod pins;
pub mod semihosting;
pub mod sound;

use crate::args::boot::BootArgs;
use crate::args::diagnosis::DiagnosisArgs;
use crate::args::gdb::{GdbArgs, GdbOptions};
use crate::args::input::{InputArgs, InputOptions};
use crate::args::past::PastArgs;
use crate::args::picture::{PictureArgs, PictureOptions};
use crate::args::pins::PinArgs;
use crate::args::semihosting::{SemihostingAccess, SemihostingArgs};
use crate::args::sound::SoundArgs;
use crate::qemu::QemuOptions;
use crate::report::Unusable;
use crate::trace::{self, Topics};
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use tayberry_bcm2837::{Features, JitConfig};
use tayberry_engine::serial::PORTS;

/// Raspberry Pi 3 emulator.
///
/// tayberry qemu ... (or this program under the name qemu-system-aarch64) takes QEMU's command line instead: docs/qemu.md.
///
/// Runs KERNEL, a raw kernel8.img (loaded at 0x80000) or an AArch64 ELF, on four Cortex-A53 cores with the BCM2837's peripherals. With no KERNEL it
/// boots from --boot, --sd or --sd-dir as the firmware does; without these the built-in demo runs: headless it makes one tour of its modes and leaves a
/// contact sheet in tayberry-demo.png.
#[derive(Debug, Parser)]
#[command(name = "tayberry", version, max_term_width = 110, next_line_help = true)]
struct Args {
    /// Kernel to run: kernel8.img or ELF, told apart by their content [default: what --boot, --sd or --sd-dir has, as the firmware boots; else the
    /// built-in demo]
    kernel: Option<PathBuf>,

    /// Where the picture goes. auto: a window where a display opens, else the terminal if there is one, otherwise headless; one line on stderr says
    /// which. desktop: a window, or an error. terminal: this terminal, or an error. headless: nowhere, the serial port prints as it is
    #[arg(long, value_name = "auto|desktop|terminal|headless", default_value = "auto", hide_possible_values = true)]
    frontend: Frontend,

    /// How a terminal shows pictures: kitty (Kitty graphics), sixel, half (half blocks), half256 (half blocks in 256 colours), auto (the best that it
    /// says it has)
    #[arg(long, value_name = "HOW", default_value = "auto", hide_possible_values = true)]
    terminal_graphics: TerminalGraphics,

    /// Where a serial port goes: stdio, null or file:PATH. Given once it is UART0 (PL011), a second time UART1 (mini UART); one of them may be stdio
    /// [default: stdio, then null]
    #[arg(long, value_name = "TARGET")]
    serial: Vec<SerialTarget>,

    /// Device tree blob to pass to the kernel: x0 holds its address, /chosen and /memory are patched [default: none, ATAGs at 0x100]
    #[arg(long, value_name = "FILE")]
    dtb: Option<PathBuf>,

    /// Initial RAM disk to pass to the kernel [default: none]
    #[arg(long, value_name = "FILE")]
    initrd: Option<PathBuf>,

    /// Kernel command line [default: the firmware's; the headless demo's tour has its own]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    append: Option<String>,

    /// Show the firmware's rainbow until the kernel allocates a frame buffer, as a board without disable_splash=1 does [default: no signal, 640x480 of
    /// black]
    #[arg(long)]
    splash: bool,

    /// SD card image, 512 bytes to 2 TiB; what the guest writes stays in memory. With no KERNEL it is booted from as the firmware does: config.txt,
    /// kernel8.img and the rest of its FAT partition [default: no card]
    #[arg(long, value_name = "FILE")]
    sd: Option<PathBuf>,

    /// Write what the guest writes back to the SD card image
    #[arg(long, requires = "sd")]
    sd_writable: bool,

    #[command(flatten)]
    boot: BootArgs,

    /// Cores that run, 1 to 4
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=4))]
    cores: u8,

    /// Extensions that the cores get and a Pi 3 lacks, separated by commas: crypto (AES, SHA-1, SHA-256, 64-bit PMULL) [default: none]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    cpu_features: Vec<String>,

    /// Guest time is instructions retired and cores take turns in a fixed order: the same run again gives the same bytes [default: guest time is the
    /// host's]
    #[arg(long)]
    deterministic: bool,

    /// Translate guest code into the host's, or interpret all of it: the guest sees the same either way. on where the host cannot: it is interpreted,
    /// and one line on stderr says why [default: on for Linux on an x86-64-v3 processor, off elsewhere]
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    jit: Option<Jit>,

    /// Host memory for translated code, all cores together, 4 to 1024 MiB; when it is full, code is dropped and made anew
    #[arg(long, value_name = "MiB", default_value_t = 64, allow_negative_numbers = true, value_parser = clap::value_parser!(u16).range(4..=1024))]
    jit_cache: u16,

    /// How often a block of guest code is interpreted before it is translated, 0 to 10000
    #[arg(long, value_name = "N", default_value_t = JitConfig::default().threshold, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    jit_threshold: u16,

    /// List translated code in /tmp/perf-PID.map, so that perf names it by its guest address
    #[arg(long)]
    perf_map: bool,

    /// Stop after this much host time, fractions allowed [default: never]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    timeout: Option<Duration>,

    /// Stop when the cores together have retired N instructions, or all sleep with nothing left to wake them [default: never]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    max_instructions: Option<u64>,

    /// Stop as soon as any UART has printed TEXT; if a limit ends the run before, the exit status is 3 [default: never]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    until: Option<String>,

    /// At the end, write the last frame as the screen shows it [default: none]
    #[arg(long, value_name = "FILE.png")]
    screenshot: Option<PathBuf>,

    /// Write one line per frame presented: frame,time_s,generation,width,height,depth,xxh3 (hash of the RGBA bytes). Times are the guest's with
    /// --deterministic or --every-flip, otherwise the host's [default: none]
    #[arg(long, value_name = "FILE.csv")]
    frame_log: Option<PathBuf>,

    #[command(flatten)]
    input: InputArgs,

    #[command(flatten)]
    picture: PictureArgs,

    #[command(flatten)]
    sound: SoundArgs,

    #[command(flatten)]
    semihosting: SemihostingArgs,

    /// At the end, write a picture of all modes that the guest went through [default: none; tayberry-demo.png for a headless tour of the demo]
    #[arg(long, value_name = "FILE.png")]
    contact_sheet: Option<PathBuf>,

    /// At the end, write statistics: instructions per core and how they were executed, times, memory, frames, messages, why it ended [default: none]
    #[arg(long, value_name = "FILE.json")]
    stats: Option<PathBuf>,

    /// At the end, write the run as one page of HTML that needs no network: time line with screenshots, frames and render times, messages to the
    /// VideoCore in words, serial output, statistics [default: none]
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,

    /// Topics to trace, one line an event, separated by commas; all is every topic, -TOPIC takes one away: see below [default: warnings and errors only]
    #[arg(long, value_name = "LIST", value_delimiter = ',', allow_hyphen_values = true)]
    trace: Vec<String>,

    /// Where the trace goes [default: stderr]
    #[arg(long, value_name = "FILE", requires = "trace")]
    trace_file: Option<PathBuf>,

    #[command(flatten)]
    diagnosis: DiagnosisArgs,

    #[command(flatten)]
    gdb: GdbArgs,

    #[command(flatten)]
    pins: PinArgs,

    #[command(flatten)]
    past: PastArgs,
}

/// Where the picture goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Frontend {
    /// A window where a display opens, else the terminal, otherwise headless.
    Auto,
    /// A window.
    Desktop,
    /// The terminal that we were started in.
    Terminal,
    /// No window.
    Headless,
}

/// How a terminal shows pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum TerminalGraphics {
    #[default]
    Auto,
    Kitty,
    Sixel,
    Half,
    Half256,
}

impl From<TerminalGraphics> for tayberry_terminal::Graphics {
    fn from(graphics: TerminalGraphics) -> Self {
        match graphics {
            TerminalGraphics::Auto => Self::Auto,
            TerminalGraphics::Kitty => Self::Kitty,
            TerminalGraphics::Sixel => Self::Sixel,
            TerminalGraphics::Half => Self::Half,
            TerminalGraphics::Half256 => Self::Half256,
        }
    }
}

/// Whether guest code is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Jit {
    On,
    Off,
}

/// What is asked of the translator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JitOptions {
    /// `--jit`, if it was given.
    pub asked: Option<bool>,
    /// Memory for all cores' code.
    pub cache_mib: u16,
    /// How often code is interpreted first.
    pub threshold: u16,
    pub perf_map: bool,
}

impl JitOptions {
    /// The option by which the user insists on translation, if any.
    pub fn asked_option(&self) -> Option<&'static str> {
        match (self.asked, self.perf_map) {
            (Some(true), _) => Some("--jit on"),
            (None, true) => Some("--perf-map"),
            _ => None,
        }
    }
}

/// Where a serial port goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SerialTarget {
    /// Standard input and output.
    Stdio,
    /// Nowhere.
    Null,
    /// Output to a file, no input.
    File(PathBuf),
}

impl FromStr for SerialTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "stdio" => Ok(Self::Stdio),
            "null" => Ok(Self::Null),
            _ => match text.strip_prefix("file:") {
                Some(path) if !path.is_empty() => Ok(Self::File(path.into())),
                Some(_) => Err("file: needs a path".into()),
                None => Err("it is stdio, null or file:PATH".into()),
            },
        }
    }
}

/// What to run and how.
#[derive(Clone, Debug)]
pub struct Config {
    pub kernel: Option<PathBuf>,
    pub frontend: Frontend,
    pub terminal_graphics: TerminalGraphics,
    /// UART0, UART1, and what is printed by semihosting where neither is on stdio.
    pub serial: [SerialTarget; PORTS],
    pub dtb: Option<PathBuf>,
    pub initrd: Option<PathBuf>,
    pub append: Option<String>,
    /// The firmware's rainbow stands on the screen until there is a frame buffer.
    pub splash: bool,
    pub sd: Option<PathBuf>,
    pub sd_writable: bool,
    pub boot: BootArgs,
    pub cores: usize,
    pub features: Features,
    pub deterministic: bool,
    pub jit: JitOptions,
    pub timeout: Option<Duration>,
    pub max_instructions: Option<u64>,
    pub until: Option<String>,
    pub screenshot: Option<PathBuf>,
    pub frame_log: Option<PathBuf>,
    pub input: InputOptions,
    pub picture: PictureOptions,
    pub sound: SoundArgs,
    /// What a guest may ask of the host by semihosting; `None`: nothing.
    pub semihosting: Option<SemihostingAccess>,
    pub contact_sheet: Option<PathBuf>,
    pub stats: Option<PathBuf>,
    pub report: Option<PathBuf>,
    pub trace: Topics,
    pub trace_file: Option<PathBuf>,
    /// What QEMU's command line said and ours cannot.
    pub qemu: Option<QemuOptions>,
    pub diagnosis: DiagnosisArgs,
    pub gdb: Option<GdbOptions>,
    pub pins: PinArgs,
    pub past: PastArgs,
}

impl Config {
    /// The run is to end by the guest's doing: a limit that ends it is a failure.
    pub fn is_to_end(&self) -> bool {
        self.until.is_some() || self.semihosting.is_some()
    }

    /// The serial port on standard input and output.
    pub fn stdio_port(&self) -> Option<usize> {
        self.serial.iter().position(|target| *target == SerialTarget::Stdio)
    }
}

/// What the arguments ask for.
#[derive(Debug)]
pub enum Parsed {
    /// A run.
    Run(Box<Config>),
    /// A text on stdout: help or version.
    Text(clap::Error),
}

/// Reads the arguments, the program's name first.
///
/// # Errors
/// On one line, what is wrong with them.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Parsed, Unusable> {
    let parsed = command().try_get_matches_from(args).and_then(|matches| Ok((Args::from_arg_matches(&matches)?, matches)));
    match parsed {
        Ok((args, matches)) => {
            let input = InputOptions::new(&args.input, &matches)?;
            Ok(Parsed::Run(Box::new(Config { input, ..config(args)? })))
        }
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => Ok(Parsed::Text(error)),
        Err(error) => Err(Unusable::new(format_args!("{}; see --help", first_paragraph(&error.to_string())))),
    }
}

/// Whether an option of ours, by its name without dashes, takes a value; `None` if there is none.
pub fn takes_value(name: &str) -> Option<bool> {
    let mut command = Args::command();
    command.build();
    command.get_arguments().find(|option| option.get_long() == Some(name)).map(|option| option.get_action().takes_values())
}

fn command() -> clap::Command {
    let topics = trace::TOPICS.map(|(topic, what)| format!("  {topic:14} {what}\n")).concat();
    Args::command().after_help(format!("Topics of --trace (all: every one)\n{topics}\n{}{STATUSES}", window_help()))
}

#[cfg(feature = "desktop")]
fn window_help() -> String {
    format!("Keys in the window\n  {}\n\n{}", tayberry_desktop::KEYS_HELP, terminal_help())
}

#[cfg(not(feature = "desktop"))]
fn window_help() -> String {
    terminal_help()
}

fn terminal_help() -> String {
    format!("Keys with the picture in a terminal\n  {}\n\n", tayberry_terminal::KEYS_HELP)
}

/// The end of the help.
const STATUSES: &str = "\
Keys on a terminal with a serial port on stdio, headless or beside a window
  Ctrl-C ends the run; Ctrl-A x too, Ctrl-A c sends Ctrl-C to the guest, Ctrl-A a sends Ctrl-A

Exit status
  0    the guest powered off or exited with 0, --until matched, the window was closed, or a limit ended a run without --until and semihosting
  2    arguments or files that cannot be used
  3    --timeout or --max-instructions ended a run before --until matched, or a run with semihosting before the guest exited
  4    the guest cannot go on
  5    the screen is not the picture of --expect, or a run with --replay-input has printed something else, after a run that would have ended with 0
  130  Ctrl-C
  else the guest's own exit code";

/// What an error of the parser says before it explains, on one line.
fn first_paragraph(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect::<Vec<_>>().join(" ")
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "it is a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "it is a number of seconds from 0 up".into())
}

/// Checks what no single option can know.
fn config(args: Args) -> Result<Config, Unusable> {
    if args.until.as_deref() == Some("") {
        return Err(Unusable::new("--until needs some text to wait for"));
    }
    let jit = JitOptions {
        asked: args.jit.map(|jit| jit == Jit::On),
        cache_mib: args.jit_cache,
        threshold: args.jit_threshold,
        perf_map: args.perf_map,
    };
    if jit.perf_map && jit.asked == Some(false) {
        return Err(Unusable::new("--perf-map lists translated code: with --jit off there is none"));
    }
    let picture = args.picture.options()?;
    if picture.fps_given && args.frontend == Frontend::Desktop && !args.deterministic {
        return Err(Unusable::new(
            "--fps: a window keeps the display's pace; --frontend headless and --deterministic runs can have another",
        ));
    }
    let semihosting = args.semihosting.access();
    Ok(Config {
        jit,
        serial: serial_ports(args.serial, semihosting.is_some())?,
        semihosting,
        trace: Topics::parse(args.trace.iter().map(String::as_str))?,
        kernel: args.kernel,
        frontend: args.frontend,
        terminal_graphics: args.terminal_graphics,
        dtb: args.dtb,
        initrd: args.initrd,
        append: args.append,
        splash: args.splash,
        sd: args.sd,
        sd_writable: args.sd_writable,
        boot: args.boot,
        cores: usize::from(args.cores),
        features: features(&args.cpu_features)?,
        deterministic: args.deterministic,
        timeout: args.timeout,
        max_instructions: args.max_instructions,
        until: args.until,
        screenshot: args.screenshot,
        frame_log: args.frame_log,
        input: InputOptions::default(),
        picture,
        sound: args.sound,
        contact_sheet: args.contact_sheet,
        stats: args.stats,
        report: args.report,
        trace_file: args.trace_file,
        qemu: None,
        diagnosis: args.diagnosis,
        gdb: args.gdb.options(),
        pins: args.pins,
        past: args.past,
    })
}

fn features(names: &[String]) -> Result<Features, Unusable> {
    names.iter().try_fold(Features::default(), |features, name| {
        let known = || Features::NAMES.join(", ");
        features.with(name).ok_or_else(|| Unusable::new(format_args!("--cpu-features: there is no {name:?}; there is: {}", known())))
    })
}

fn serial_ports(given: Vec<SerialTarget>, semihosting: bool) -> Result<[SerialTarget; PORTS], Unusable> {
    if given.len() > 2 {
        return Err(Unusable::new("--serial may be given twice at most: there are two UARTs"));
    }
    let mut given = given.into_iter();
    let ports = [given.next().unwrap_or(SerialTarget::Stdio), given.next().unwrap_or(SerialTarget::Null)];
    if ports == [SerialTarget::Stdio, SerialTarget::Stdio] {
        return Err(Unusable::new("--serial: both ports cannot be stdio"));
    }
    let console = if semihosting && !ports.contains(&SerialTarget::Stdio) { SerialTarget::Stdio } else { SerialTarget::Null };
    let [first, second] = ports;
    Ok([first, second, console])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(args: &str) -> Result<Config, String> {
        let args = std::iter::once("tayberry").chain(args.split_whitespace()).map(OsString::from);
        match parse(args) {
            Ok(Parsed::Run(config)) => Ok(*config),
            Ok(Parsed::Text(text)) => panic!("not a run: {text}"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn defaults() {
        let config = run("").expect("good");
        assert_eq!((config.frontend, config.cores, config.deterministic), (Frontend::Auto, 4, false));
        assert_eq!(config.serial, [SerialTarget::Stdio, SerialTarget::Null, SerialTarget::Null]);
        assert!(config.kernel.is_none() && config.timeout.is_none() && config.until.is_none() && config.append.is_none());
    }

    #[test]
    fn everything_at_once() {
        let config =
            run("--frontend headless --serial null --serial file:u1.txt --dtb a --initrd b --append -x=1 --sd h --sd-writable --cores 1 --deterministic \
             --jit off --timeout 0.25 --max-instructions 10 --until --- --screenshot c --frame-log d --stats e --contact-sheet f \
             --trace mailbox,mmio --trace-file g kernel8.img")
            .expect("good");
        assert_eq!(config.serial, [SerialTarget::Null, SerialTarget::File("u1.txt".into()), SerialTarget::Null]);
        assert_eq!((config.timeout, config.max_instructions), (Some(Duration::from_millis(250)), Some(10)));
        assert_eq!((config.append.as_deref(), config.until.as_deref()), (Some("-x=1"), Some("---")));
        assert_eq!(config.trace, Topics::parse(["mailbox", "mmio"]).expect("known"));
        assert_eq!(config.kernel, Some("kernel8.img".into()));
        assert_eq!(config.stdio_port(), None);
        assert_eq!((config.sd, config.sd_writable), (Some("h".into()), true));
    }

    #[test]
    fn features_of_the_cores_are_a_list_that_may_be_repeated() {
        assert_eq!(run("").expect("good").features, Features::default());
        for args in ["--cpu-features crypto", "--cpu-features crypto,crypto", "--cpu-features crypto --cpu-features crypto"] {
            assert_eq!(run(args).expect("good").features, Features { crypto: true }, "{args}");
        }
    }

    #[test]
    fn translation() {
        let jit = |args| run(args).expect("good").jit;
        let default = JitOptions { asked: None, cache_mib: 64, threshold: JitConfig::default().threshold, perf_map: false };
        assert_eq!(jit(""), default);
        let all = JitOptions { asked: Some(true), cache_mib: 4, threshold: 0, perf_map: true };
        assert_eq!(jit("--jit on --jit-cache 4 --jit-threshold 0 --perf-map"), all);
        assert_eq!(jit("--jit off --jit-cache 1024"), JitOptions { asked: Some(false), cache_mib: 1024, ..default });
    }

    #[test]
    fn every_error_is_one_line_that_names_its_cause() {
        for (args, named) in [
            ("--bogus", "--bogus"),
            ("a b", "'b'"),
            ("--cores 0", "1..=4"),
            ("--cores 5", "1..=4"),
            ("--cores", "--cores"),
            ("--cores 1 --cores 2", "--cores"),
            ("--timeout -1", "from 0 up"),
            ("--timeout nan", "from 0 up"),
            ("--timeout inf", "from 0 up"),
            ("--timeout 1e30", "from 0 up"),
            ("--timeout soon", "number of seconds"),
            ("--max-instructions -1", "--max-instructions"),
            ("--max-instructions 18446744073709551616", "--max-instructions"),
            ("--serial stdio --serial stdio", "stdio"),
            ("--serial null --serial null --serial null", "twice"),
            ("--serial tcp:1", "file:PATH"),
            ("--serial file:", "path"),
            ("--frontend curses", "desktop"),
            ("--terminal-graphics braille", "half256"),
            ("--cpu-features crypto,sve", "sve"),
            ("--cpu-features crypto,", "crypto"),
            ("--cpu-features", "--cpu-features"),
            ("--jit", "--jit"),
            ("--jit maybe", "--jit"),
            ("--jit on --jit off", "--jit"),
            ("--jit-cache 3", "4..=1024"),
            ("--jit-cache 1025", "4..=1024"),
            ("--jit-cache -1", "--jit-cache"),
            ("--jit-threshold 10001", "0..=10000"),
            ("--jit-cache 64MiB", "--jit-cache"),
            ("--jit off --perf-map", "--perf-map"),
            ("--sd-writable", "--sd <FILE>"),
            ("--sd-writable --sd-dir a", "--sd-dir"),
            ("--sd a --sd-dir b", "--sd-dir"),
            ("--boot a k", "--boot"),
            ("--boot", "--boot"),
            ("--gdb-nowait", "--gdb"),
            ("--trace mailbox,nonsense", "nonsense"),
            ("--trace-file x", "--trace"),
            ("--trace all,-nonsense", "nonsense"),
            ("--trace all --trace-format xml", "--trace-format"),
            ("--fps 0", "--fps"),
            ("--fps 30 --frontend desktop", "--fps"),
            ("--fps 60 --every-flip", "--every-flip"),
            ("--record run.mp4", ".gif"),
            ("--record-size 1x1", "--record"),
            ("--expect-diff x", "--expect"),
            ("--expect /", "--expect"),
        ] {
            let error = run(args).expect_err(args);
            assert!(error.contains(named), "{args}: {error}");
            assert_eq!(error.lines().count(), 1, "{args}: {error}");
        }
        let empty = ["tayberry", "--until", ""].map(OsString::from);
        assert!(parse(empty).expect_err("no text").to_string().contains("--until"));
    }

    #[test]
    fn zero_is_a_limit() {
        let config = run("--timeout 0 --max-instructions 0").expect("good");
        assert_eq!((config.timeout, config.max_instructions), (Some(Duration::ZERO), Some(0)));
    }

    #[test]
    fn the_help_names_every_option_topic_and_status() {
        let help = command().render_long_help().to_string();
        for option in Args::command().get_arguments().filter_map(|arg| arg.get_long()) {
            assert!(help.contains(&format!("--{option}")), "--{option}");
        }
        assert!(trace::known().iter().all(|topic| help.contains(topic)));
        assert!(["  0 ", "  2 ", "  3 ", "  4 ", "  5 ", "  130 "].iter().all(|status| help.contains(status)));
    }
}
