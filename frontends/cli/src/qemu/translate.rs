//! From QEMU's options to ours.

use super::options::{self, LOG_ITEMS, Meaning};
use super::properties::{Properties, number, size};
use super::{Content, Loader, QemuOptions};
use crate::args;
use crate::report::Unusable;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

/// Machines that are this board, and what QEMU says of it.
const MACHINES: [&str; 2] = ["raspi3b", "raspi3"];
const MACHINE_HELP: &str = "Supported machines are:\nraspi3b              Raspberry Pi 3B (revision 1.2)\n";
/// RAM of the board.
const RAM: u64 = 1 << 30;
/// Devices on the USB that are there where keyboards are.
const USB_INPUT: [&str; 3] = ["usb-kbd", "usb-mouse", "usb-tablet"];

/// What an option list comes to.
pub enum Translated {
    Run(Box<Run>),
    Text(String),
}

/// A run, in our words.
#[derive(Debug, Default)]
pub struct Run {
    /// Our arguments, the program's name first.
    pub arguments: Vec<String>,
    pub options: QemuOptions,
    pub warnings: Vec<String>,
}

/// What has been seen so far.
#[derive(Default)]
struct Seen {
    run: Run,
    machine: bool,
    kernel: Option<String>,
    serial: Vec<String>,
    chardevs: BTreeMap<String, String>,
    nographic: bool,
    nodefaults: bool,
    display: Option<&'static str>,
    card: Option<Card>,
    /// Drives that a device may take, by their names.
    drives: BTreeMap<String, Card>,
    snapshot: bool,
    gdb: Option<String>,
    stopped: bool,
    topics: BTreeSet<&'static str>,
    log_file: Option<String>,
    semihosting: bool,
    deterministic: bool,
    interpreted: bool,
    keyboard: bool,
    /// Options of our own.
    own: Vec<String>,
}

#[derive(Clone)]
struct Card {
    file: String,
    writable: bool,
}

fn refuse<T>(text: impl std::fmt::Display) -> Result<T, Unusable> {
    Err(Unusable::new(text))
}

/// Translates QEMU's arguments, those behind the program's name.
///
/// # Errors
/// On one line, what cannot be done.
pub fn translate(arguments: &[OsString]) -> Result<Translated, Unusable> {
    let mut seen = Seen::default();
    let mut arguments = arguments
        .iter()
        .map(|argument| argument.to_str().ok_or_else(|| Unusable::new(format_args!("{}: it is not UTF-8", argument.to_string_lossy()))));
    while let Some(argument) = arguments.next() {
        let argument = argument?;
        // A lone dash, like any other word, is a drive.
        let Some(name) = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')).filter(|name| !name.is_empty()) else {
            seen.drive(&format!("file={},format=raw", argument.replace(',', ",,")))?;
            continue;
        };
        let Some((name, takes_value, meaning)) = options::find(name) else {
            seen.own(argument, &mut arguments)?;
            continue;
        };
        let value = match (*takes_value, arguments.next_if_needed(*takes_value)) {
            (true, None) => return refuse(format_args!("-{name}: requires an argument")),
            (_, value) => value.transpose()?.unwrap_or_default(),
        };
        match meaning {
            Meaning::AsIs => {}
            Meaning::Ignored(why) => seen.warn(format_args!("-{name} is ignored: {why}")),
            Meaning::Refused(why) => return refuse(format_args!("-{name}: {why}")),
            Meaning::Translated => {
                if let Some(text) = seen.option(name, value)? {
                    return Ok(Translated::Text(text));
                }
            }
        }
    }
    seen.finish().map(|run| Translated::Run(Box::new(run)))
}

/// An iterator of which an element is taken only where it is needed.
trait NextIfNeeded: Iterator {
    fn next_if_needed(&mut self, needed: bool) -> Option<Self::Item> {
        if needed { self.next() } else { None }
    }
}

impl<I: Iterator> NextIfNeeded for I {}

impl Seen {
    fn warn(&mut self, text: impl std::fmt::Display) {
        self.run.warnings.push(text.to_string());
    }

    /// An option that QEMU has not: it may be one of ours.
    fn own<'a>(&mut self, argument: &str, rest: &mut impl Iterator<Item = Result<&'a str, Unusable>>) -> Result<(), Unusable> {
        let name = argument.strip_prefix("--").map(|name| name.split('=').next().unwrap_or(name));
        let Some(takes_value) = name.and_then(args::takes_value) else {
            return refuse(format_args!("{argument}: invalid option"));
        };
        self.own.push(argument.to_owned());
        if takes_value && !argument.contains('=') {
            match rest.next() {
                Some(value) => self.own.push(value?.to_owned()),
                None => return refuse(format_args!("{argument}: requires an argument")),
            }
        }
        Ok(())
    }

    /// One option. A text ends it all.
    fn option(&mut self, name: &str, value: &str) -> Result<Option<String>, Unusable> {
        let properties = Properties::parse(value);
        match name {
            "h" | "help" => return Ok(Some(help())),
            "version" => {
                return Ok(Some(format!("tayberry {}, with the command line of qemu-system-aarch64\n", env!("CARGO_PKG_VERSION"))));
            }
            "M" | "machine" => {
                let machine = properties.get_or_first("type");
                if matches!(machine, "help" | "?") {
                    return Ok(Some(MACHINE_HELP.into()));
                }
                self.machine(machine, &properties)?;
            }
            "cpu" => match properties.first.as_str() {
                "help" | "?" => return Ok(Some("Available CPUs:\n  cortex-a53\n".into())),
                "cortex-a53" => {}
                other => self.warn(format_args!("-cpu {other} is ignored: the board's cores are cortex-a53")),
            },
            "accel" => self.accelerator(&properties),
            "smp" => self.cores(&properties)?,
            "m" => match size(properties.get_or_first("size")) {
                Some(RAM) => {}
                Some(_) => return refuse(format_args!("-m {value}: the board has 1 GiB")),
                None => return refuse(format_args!("-m {value}: it is a size, as 1G")),
            },
            "kernel" => self.kernel = Some(value.to_owned()),
            "bios" => {
                self.kernel = Some(value.to_owned());
                self.run.options.is_firmware = true;
            }
            "append" | "dtb" | "initrd" => self.own.extend([format!("--{name}"), value.to_owned()]),
            "serial" => self.serial.push(value.to_owned()),
            "chardev" => self.chardev(&properties)?,
            "monitor" => {
                if !matches!(value, "none" | "null" | "vc") {
                    self.warn(format_args!("-monitor {value} is ignored: there is no monitor"));
                }
            }
            "nographic" => self.nographic = true,
            "curses" => self.display = Some("terminal"),
            "sdl" => self.display = Some("desktop"),
            "display" => self.display(&properties)?,
            "device" => {
                if let Some(text) = self.device(&properties)? {
                    return Ok(Some(text));
                }
            }
            "usbdevice" => self.usb(&format!("usb-{}", if value == "keyboard" { "kbd" } else { value })),
            "drive" => self.drive(value)?,
            "sd" | "hda" => self.drive(&format!("file={},format=raw", value.replace(',', ",,")))?,
            "snapshot" => self.snapshot = true,
            "s" => self.gdb = Some(":1234".into()),
            "S" => self.stopped = true,
            "gdb" => self.gdb(value)?,
            "d" => {
                if let Some(text) = self.log(value)? {
                    return Ok(Some(text));
                }
            }
            "D" => self.log_file = Some(value.to_owned()),
            "semihosting" => self.semihosting = true,
            "semihosting-config" => self.semihosting(&properties)?,
            "no-reboot" => self.run.options.no_reboot = true,
            "action" => self.actions(&properties),
            "icount" => {
                if properties.get("rr").is_some_and(|rr| rr != "none") {
                    return refuse(format_args!("-icount {value}: runs of QEMU's cannot be recorded or replayed"));
                }
                self.deterministic = true;
            }
            "singlestep" | "one-insn-per-tb" => self.interpreted = true,
            "nodefaults" => self.nodefaults = true,
            _ => return refuse(format_args!("-{name}: it is not translated")),
        }
        Ok(None)
    }

    fn machine(&mut self, machine: &str, properties: &Properties) -> Result<(), Unusable> {
        if !machine.is_empty() {
            if !MACHINES.contains(&machine) {
                return refuse(format_args!("-M {machine}: this is a Raspberry Pi 3, machine raspi3b, and no other"));
            }
            self.machine = true;
        }
        if properties.get("accel").is_some_and(|accelerator| accelerator != "tcg") {
            self.warn("accel is ignored: the cores are emulated");
        }
        for (key, _) in &properties.pairs {
            if !matches!(key.as_str(), "type" | "accel" | "usb" | "graphics") {
                self.warn(format_args!("-M {key} is ignored: it does not concern this board"));
            }
        }
        Ok(())
    }

    fn accelerator(&mut self, properties: &Properties) {
        if properties.first != "tcg" {
            self.warn(format_args!("-accel {} is ignored: the cores are emulated", properties.first));
        }
        self.interpreted |= properties.is_on("one-insn-per-tb");
    }

    fn cores(&mut self, properties: &Properties) -> Result<(), Unusable> {
        let text = properties.get_or_first("cpus");
        match text.parse::<u8>() {
            Ok(cores @ 1..=4) => self.own.extend(["--cores".into(), cores.to_string()]),
            _ if text.is_empty() => {}
            _ => return refuse(format_args!("-smp {text}: the board has 4 cores")),
        }
        Ok(())
    }

    fn chardev(&mut self, properties: &Properties) -> Result<(), Unusable> {
        let (kind, Some(id)) = (properties.get_or_first("backend"), properties.get("id")) else {
            return refuse("-chardev: an id is missing");
        };
        let target = match kind {
            "stdio" | "null" => kind.to_owned(),
            "file" => format!("file:{}", properties.get("path").unwrap_or_default()),
            _ => return refuse(format_args!("-chardev {kind}: it is stdio, null or file")),
        };
        self.chardevs.insert(id.to_owned(), target);
        Ok(())
    }

    fn display(&mut self, properties: &Properties) -> Result<(), Unusable> {
        self.display = Some(match properties.get_or_first("type") {
            "none" | "egl-headless" | "dbus" => "headless",
            "gtk" | "sdl" | "cocoa" => "desktop",
            "curses" => "terminal",
            "default" | "auto" => "auto",
            other => return refuse(format_args!("-display {other}: it is none, gtk, sdl, cocoa, curses or default")),
        });
        Ok(())
    }

    fn usb(&mut self, driver: &str) {
        if !USB_INPUT.contains(&driver) {
            self.warn(format_args!("-device {driver} is ignored: there is no such device on the USB here"));
        } else if args::takes_value("keyboard").is_some() {
            self.keyboard |= driver == "usb-kbd";
        } else {
            self.warn(format_args!("-device {driver} is ignored: keys go to the serial port"));
        }
    }

    fn device(&mut self, properties: &Properties) -> Result<Option<String>, Unusable> {
        match properties.get_or_first("driver") {
            "help" | "?" => return Ok(Some("loader\nsd-card\nusb-kbd\nusb-mouse\n".into())),
            "loader" => self.loader(properties)?,
            "sd-card" => {
                let name = properties.get("drive").unwrap_or_default();
                match self.drives.remove(name) {
                    Some(card) => self.card = Some(card),
                    None => return refuse(format_args!("-device sd-card: there is no drive {name:?}")),
                }
            }
            driver if driver.starts_with("usb-") => self.usb(driver),
            "" => return refuse("-device: a driver is missing"),
            driver => self.warn(format_args!("-device {driver} is ignored: the board has no such device")),
        }
        Ok(None)
    }

    fn loader(&mut self, properties: &Properties) -> Result<(), Unusable> {
        let value = |key: &str| match properties.get(key) {
            Some(text) => match number(text) {
                Some(value) => Ok(Some(value)),
                None => refuse(format_args!("-device loader: {key}={text} is no number")),
            },
            None => Ok(None),
        };
        let (address, data, core) = (value("addr")?, value("data")?, value("cpu-num")?);
        let core = match core {
            Some(core @ 0..=3) => Some(core as usize),
            Some(core) => return refuse(format_args!("-device loader: there is no core {core}")),
            None => None,
        };
        let content = match (properties.get("file"), data, value("data-len")?) {
            (Some(file), None, None) => Content::File(file.into()),
            (None, Some(data), Some(len @ 1..=8)) => {
                let big = properties.is_on("data-be");
                let bytes = if big { data.to_be_bytes()[8 - len as usize..].to_vec() } else { data.to_le_bytes()[..len as usize].to_vec() };
                Content::Bytes(bytes)
            }
            (None, None, None) if address.is_some() && core.is_some() => Content::Nothing,
            _ => return refuse("-device loader: it has file=FILE, or data=VALUE and data-len=1 to 8, or addr=ADDRESS and cpu-num=N"),
        };
        self.run.options.loaders.push(Loader { content, address, core, raw: properties.is_on("force-raw") });
        Ok(())
    }

    fn drive(&mut self, text: &str) -> Result<(), Unusable> {
        let properties = Properties::parse(text);
        let Some(file) = properties.get("file").filter(|file| !file.is_empty()) else {
            return refuse(format_args!("-drive {text}: file=FILE is missing"));
        };
        if let Some(format) = properties.get("format").filter(|format| *format != "raw") {
            return refuse(format_args!(
                "-drive {file}: images of the format {format} cannot be used; qemu-img convert -O raw makes a raw one"
            ));
        }
        let writable = !(properties.is_on("readonly") || properties.is_on("read-only") || properties.is_on("snapshot"));
        let card = Card { file: file.to_owned(), writable };
        match properties.get("if").unwrap_or("sd") {
            "none" => {
                let Some(id) = properties.get("id") else { return refuse(format_args!("-drive {file}: an id is missing")) };
                self.drives.insert(id.to_owned(), card);
            }
            "sd" if self.card.is_some() => return refuse(format_args!("-drive {file}: the board has one slot for a card")),
            "sd" => self.card = Some(card),
            other => return refuse(format_args!("-drive if={other}: the board has no such drive, but a slot for a card (if=sd)")),
        }
        Ok(())
    }

    fn gdb(&mut self, value: &str) -> Result<(), Unusable> {
        let address = value.strip_prefix("tcp:").map(|address| address.split(',').next().unwrap_or_default());
        self.gdb = match (address, value) {
            (Some(address), _) if address.contains(':') => Some(address.to_owned()),
            (_, "none") => None,
            _ => return refuse(format_args!("-gdb {value}: it is tcp:[HOST]:PORT")),
        };
        Ok(())
    }

    fn log(&mut self, value: &str) -> Result<Option<String>, Unusable> {
        for item in value.split(',').filter(|item| !item.is_empty()) {
            match LOG_ITEMS.iter().find(|(known, ..)| *known == item) {
                Some((_, topics, _)) if !topics.is_empty() => self.topics.extend(*topics),
                Some(_) => self.warn(format_args!("-d {item} is ignored: there is no such trace")),
                None if item.starts_with("trace:") => self.warn(format_args!("-d {item} is ignored: there is no such trace")),
                None if matches!(item, "help" | "?") => {
                    let known = LOG_ITEMS.iter().filter(|(_, topics, _)| !topics.is_empty());
                    let lines: String = known.map(|(item, _, what)| format!("{item:<15} {what}\n")).collect();
                    return Ok(Some(format!("Log items (comma separated):\n{lines}")));
                }
                None => return refuse(format_args!("-d {item}: there is no such item; -d help lists them")),
            }
        }
        Ok(None)
    }

    fn semihosting(&mut self, properties: &Properties) -> Result<(), Unusable> {
        self.semihosting = match properties.get_or_first("enable") {
            "off" => false,
            "on" | "" => true,
            other => return refuse(format_args!("-semihosting-config enable={other}: it is on or off")),
        };
        if properties.get("target") == Some("gdb") {
            self.warn("-semihosting-config target=gdb is ignored: calls are served here");
        }
        if properties.get("chardev").is_some() {
            self.warn("-semihosting-config chardev is ignored: the console is the serial port on stdio, or stdout");
        }
        let arguments = properties.all("arg");
        if !arguments.is_empty() {
            self.run.options.semihosting_arguments = Some(arguments.join(" "));
        }
        Ok(())
    }

    fn actions(&mut self, properties: &Properties) {
        for (event, action) in &properties.pairs {
            match (event.as_str(), action.as_str()) {
                ("reboot", "shutdown") => self.run.options.no_reboot = true,
                ("reboot", "reset") | ("shutdown", "poweroff") => {}
                _ => self.warn(format_args!("-action {event}={action} is ignored: it does not concern this board")),
            }
        }
    }

    /// Where a serial port goes, in our words.
    fn serial_target(&self, text: &str) -> Result<String, Unusable> {
        let text = text.strip_prefix("mon:").unwrap_or(text);
        if let Some(id) = text.strip_prefix("chardev:") {
            return self.chardevs.get(id).cloned().ok_or_else(|| Unusable::new(format_args!("-serial: there is no chardev {id:?}")));
        }
        match text {
            "stdio" | "null" => Ok(text.into()),
            "none" => Ok("null".into()),
            "vc" => Ok(self.console().into()),
            _ if text.starts_with("vc:") => Ok(self.console().into()),
            _ if text.starts_with("file:") => Ok(text.split(',').next().unwrap_or(text).into()),
            _ => refuse(format_args!("-serial {text}: it is stdio, mon:stdio, null, none, file:PATH or chardev:ID")),
        }
    }

    /// Where QEMU's console in its window is: standard input and output beside ours.
    fn console(&self) -> &'static str {
        if self.frontend() == "headless" { "null" } else { "stdio" }
    }

    fn frontend(&self) -> &'static str {
        self.display.unwrap_or(if self.nographic { "headless" } else { "auto" })
    }

    fn finish(mut self) -> Result<Run, Unusable> {
        if !self.machine {
            return refuse("no machine is given: -M raspi3b");
        }
        let mut ours: Vec<String> = ["tayberry", "--frontend", self.frontend()].map(String::from).into();
        let mut lines = std::mem::take(&mut self.serial);
        if lines.is_empty() && !self.nodefaults {
            lines.push(if self.nographic { "mon:stdio" } else { "vc" }.into());
        }
        let mut targets = lines.iter().take(2).map(|line| self.serial_target(line)).collect::<Result<Vec<_>, _>>()?;
        if lines.len() > 2 {
            self.warn("the third -serial and those after it are ignored: the board has two");
        }
        targets.resize(2, "null".into());
        if targets[0] == "stdio" && targets[1] == "stdio" {
            return refuse("-serial: both cannot be stdio");
        }
        ours.extend(targets.into_iter().flat_map(|target| ["--serial".into(), target]));
        if let Some(Card { file, writable }) = &self.card {
            ours.extend(["--sd".into(), file.clone()]);
            ours.extend((*writable && !self.snapshot).then(|| "--sd-writable".into()));
        }
        match (&self.gdb, self.stopped) {
            (Some(address), stopped) => {
                ours.extend(["--gdb".into(), address.clone()]);
                ours.extend((!stopped).then(|| "--gdb-nowait".into()));
            }
            (None, true) => return refuse("-S: nobody could let the machine go on: -s or -gdb is missing"),
            (None, false) => {}
        }
        if !self.topics.is_empty() {
            let topics: Vec<&str> = self.topics.iter().copied().collect();
            ours.extend(["--trace".into(), topics.join(",")]);
            ours.extend(self.log_file.iter().flat_map(|file| ["--trace-file".into(), file.clone()]));
        }
        // QEMU opens any file; we those below the current directory.
        ours.extend(self.semihosting.then_some(["--semihosting".into(), ".".into()]).into_iter().flatten());
        ours.extend(self.deterministic.then(|| "--deterministic".into()));
        ours.extend(self.interpreted.then_some(["--jit".into(), "off".into()]).into_iter().flatten());
        ours.extend(self.keyboard.then_some(["--keyboard".into(), "usb".into()]).into_iter().flatten());
        ours.append(&mut self.own);
        self.run.options.has_kernel = self.kernel.is_some();
        let first_file = self.run.options.loaders.iter().find_map(|loader| match &loader.content {
            Content::File(path) => path.to_str().map(String::from),
            _ => None,
        });
        let Some(kernel) = self.kernel.or(first_file) else { return refuse("-kernel is missing") };
        ours.extend(["--".into(), kernel]);
        Ok(Run { arguments: ours, ..self.run })
    }
}

/// The help.
fn help() -> String {
    let mut text =
        String::from("The command line of qemu-system-aarch64 for tayberry, a Raspberry Pi 3 (-M raspi3b). Options that are translated:\n");
    for (name, takes_value, meaning) in options::OPTIONS {
        if *meaning == Meaning::Translated {
            text += &format!("  -{name}{}\n", if *takes_value { " ..." } else { "" });
        }
    }
    text + "All of tayberry's own options that QEMU does not have may be given too, with two dashes: tayberry --help.\ndocs/qemu.md says what each means.\n"
}
