//! The commands of GDB's `monitor`.

use crate::Topic;
use crate::arch;
use crate::session::catch_words;
use crate::target::Target;
use std::fmt::Write;
use std::fs::File;
use std::io::BufWriter;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tayberry_a64::debugger::Catch;
use tayberry_engine::display::Renderer;
use tayberry_engine::journal::{Mode, What};
use tayberry_engine::{BusContext, GuestTime};
use tayberry_headless::Picture;

/// Pages of the TLB that are told of.
const MOST_PAGES: usize = 256;
/// Messages to the mailboxes that are kept.
const MOST_MESSAGES: usize = 64;
/// Words that `xp` tells of at once.
const MOST_WORDS: u64 = 1024;

/// A command: its name, its operands, what it does.
struct Command {
    name: &'static str,
    operands: &'static str,
    does: &'static str,
    run: fn(&mut Target, &[&str]) -> Result<String, String>,
}

const COMMANDS: [Command; 16] = [
    Command { name: "help", operands: "", does: "this list", run: help },
    Command { name: "reset", operands: "", does: "power-on reset; the machine waits in front of its first instruction", run: reset },
    Command {
        name: "pause",
        operands: "[on|off]",
        does: "the machine stays paused when GDB continues it (as by the window's key)",
        run: pause,
    },
    Command { name: "screenshot", operands: "FILE.png", does: "write what the screen shows", run: screenshot },
    Command { name: "framebuffer", operands: "", does: "what the screen is made of", run: framebuffer },
    Command { name: "mailbox", operands: "[COUNT]", does: "the last messages to the VideoCore, in words", run: mailbox },
    Command {
        name: "registers",
        operands: "[PATTERN]",
        does: "system registers of the current core, those whose name contains PATTERN",
        run: registers,
    },
    Command { name: "walk", operands: "ADDR", does: "how the current core translates an address, level by level", run: walk },
    Command { name: "dump-tlb", operands: "", does: "pages that the current core's TLB holds", run: dump_tlb },
    Command { name: "xp", operands: "ADDR [COUNT]", does: "words of physical memory; device registers are not read", run: physical },
    Command {
        name: "io",
        operands: "ADDR [1|2|4|8]",
        does: "read a device's register as the guest does, with whatever that changes",
        run: io,
    },
    Command { name: "catch", operands: "[el1|el2|el3]-[sync|irq|fiq|serror]", does: "stop at a vector; alone: what is caught", run: catch },
    Command { name: "uncatch", operands: "WHAT|all", does: "do not", run: uncatch },
    Command { name: "step-interrupts", operands: "[on|off]", does: "take interrupts while stepping, or hold them", run: step_interrupts },
    Command { name: "cores", operands: "", does: "where the machine is: time, instructions, what each core does", run: cores },
    Command {
        name: "trace",
        operands: "[TOPIC,... on|off]",
        does: "trace topics where --trace does, or do not; alone: the topics, and which are on",
        run: trace,
    },
];

impl Target {
    /// Runs a command; what it says.
    pub fn monitor(&mut self, command: &str) -> String {
        let words: Vec<&str> = command.split_whitespace().collect();
        let (name, operands) = words.split_first().map_or(("help", &[][..]), |(name, rest)| (*name, rest));
        let Some(found) = COMMANDS.iter().find(|command| command.name == name) else {
            return format!("there is no command {name:?}; monitor help lists those that there are\n");
        };
        let mut text = (found.run)(self, operands).unwrap_or_else(|error| format!("{name}: {error}"));
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }
}

fn help(_: &mut Target, _: &[&str]) -> Result<String, String> {
    Ok(COMMANDS.iter().fold(String::new(), |text, command| {
        let call = format!("{} {}", command.name, command.operands);
        text + &format!("{call:<46} {}\n", command.does)
    }))
}

/// A number as GDB's user writes it.
fn number(word: Option<&&str>) -> Result<u64, String> {
    let word = word.ok_or("an address is missing")?;
    let parsed = match word.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(&hex.replace('_', ""), 16),
        None => word.parse(),
    };
    parsed.map_err(|_| format!("{word} is no number"))
}

/// on or off; `None` if neither was said.
fn switch(operands: &[&str]) -> Result<Option<bool>, String> {
    match operands {
        [] => Ok(None),
        ["on"] => Ok(Some(true)),
        ["off"] => Ok(Some(false)),
        _ => Err("it is on or off".into()),
    }
}

const ENDED: &str = "the machine has ended";

fn reset(target: &mut Target, _: &[&str]) -> Result<String, String> {
    let before = target.wishes.begun.load(Ordering::Relaxed);
    target.wishes.held.store(true, Ordering::Relaxed);
    target.handle.control.reset();
    let until = Instant::now() + Duration::from_secs(5);
    while target.wishes.begun.load(Ordering::Relaxed) == before {
        if target.handle.has_ended() || Instant::now() > until {
            return Err(ENDED.into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok("reset; what GDB remembers is old: maintenance flush register-cache".into())
}

fn pause(target: &mut Target, operands: &[&str]) -> Result<String, String> {
    let on = switch(operands)?.unwrap_or(true);
    target.handle.control.set_paused(on);
    Ok(if on { "paused: it stays so until monitor pause off" } else { "not paused" }.into())
}

fn screenshot(target: &mut Target, operands: &[&str]) -> Result<String, String> {
    let [path] = operands else { return Err("a file's name is missing".into()) };
    let mut renderer = Renderer::new(1);
    renderer.render(&target.handle.display);
    let picture = Picture::from(renderer.frame());
    let file = File::create(path).map_err(|error| format!("{path}: {error}"))?;
    picture.write_png(BufWriter::new(file)).map_err(|error| format!("{path}: {error}"))?;
    Ok(format!("{path}: {} x {} pixels", renderer.frame().width, renderer.frame().height))
}

fn framebuffer(target: &mut Target, _: &[&str]) -> Result<String, String> {
    let scanout = target.handle.display.load();
    if !scanout.has_signal() {
        return Ok("no signal: the guest has no frame buffer".into());
    }
    let config = scanout.config();
    Ok(format!(
        "{}\nmemory {:#x}, {} bytes a line, {} bits, {:?}, alpha {:?}\nscreen {}x{}, buffer {}x{}, offset {},{}{}\n",
        Mode::of(&target.handle.display),
        config.base,
        config.pitch,
        config.depth.bits(),
        config.order,
        config.alpha,
        config.physical.0,
        config.physical.1,
        config.virtual_size.0,
        config.virtual_size.1,
        config.offset.0,
        config.offset.1,
        if config.blank { ", blanked" } else { "" }
    ))
}

fn mailbox(target: &mut Target, operands: &[&str]) -> Result<String, String> {
    let count = if operands.is_empty() { 8 } else { number(operands.first())? };
    for entry in target.journal.drain() {
        if let What::Message(message) = &entry.what {
            target.messages.push_back(format!("{:.6} s {message}", entry.guest_ns as f64 / 1e9));
        }
    }
    while target.messages.len() > MOST_MESSAGES {
        target.messages.pop_front();
    }
    let skip = target.messages.len().saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
    let lines: Vec<&str> = target.messages.iter().skip(skip).map(String::as_str).collect();
    Ok(if lines.is_empty() { "no message yet".into() } else { lines.join("\n") })
}

fn registers(target: &mut Target, operands: &[&str]) -> Result<String, String> {
    let pattern = operands.first().map_or(String::new(), |pattern| pattern.to_uppercase());
    let core = target.current();
    let values = target.with(core, move |core, bus| {
        let wanted = arch::system().iter().filter(|register| register.name.contains(&pattern));
        wanted.map(|register| (register.name, core.read_system(bus, register.index).unwrap_or(0))).collect::<Vec<_>>()
    });
    let mut text = format!("core {core}\n");
    for (name, value) in values.ok_or(ENDED)? {
        let _ = writeln!(text, "{name:<18} {value:#x}");
    }
    Ok(text)
}

fn walk(target: &mut Target, operands: &[&str]) -> Result<String, String> {
    let (address, core) = (number(operands.first())?, target.current());
    let lines = target.with(core, move |core, _| core.describe_translation(address)).ok_or(ENDED)?;
    Ok(format!("core {core}: {address:#x}\n{}", lines.join("\n")))
}

fn dump_tlb(target: &mut Target, _: &[&str]) -> Result<String, String> {
    let core = target.current();
    let lines = target.with(core, |core, _| core.describe_tlb(MOST_PAGES)).ok_or(ENDED)?;
    Ok(format!("core {core}\n{}", lines.join("\n")))
}

fn physical(target: &mut Target, operands: &[&str]) -> Result<String, String> {
    let address = number(operands.first())?;
    let count = if operands.len() > 1 { number(operands.get(1))?.clamp(1, MOST_WORDS) } else { 4 };
    let bytes = target.read_physical(address, 4 * count as usize);
    if bytes.is_empty() {
        return Err(format!("there is no RAM at {address:#x}; monitor io reads devices"));
    }
    let mut text = String::new();
    for (n, line) in bytes.chunks(16).enumerate() {
        let _ = write!(text, "{:#010x}:", address + 16 * n as u64);
        for word in line.chunks(4) {
            let mut whole = [0; 4];
            whole[..word.len()].copy_from_slice(word);
            let _ = write!(text, " {:08x}", u32::from_le_bytes(whole));
        }
        text.push('\n');
    }
    Ok(text)
}

fn io(target: &mut Target, operands: &[&str]) -> Result<String, String> {
    let address = number(operands.first())?;
    let size = match operands.get(1) {
        None => 4,
        Some(&"1") => 1,
        Some(&"2") => 2,
        Some(&"4") => 4,
        Some(&"8") => 8,
        Some(_) => return Err("an access has 1, 2, 4 or 8 bytes".into()),
    };
    if address % u64::from(size) != 0 {
        return Err(format!("{address:#x} is not a multiple of {size}"));
    }
    let core = target.current();
    let value = target.handle.control.ask(move |machine| {
        let context = BusContext { core, retired: 0, clock: machine.clock() };
        machine.bus().read(address, size, &context)
    });
    Ok(format!("{address:#x}: {:#x}", value.ok_or(ENDED)?))
}

/// Kinds of exceptions by name.
const KINDS: [(&str, Catch); 4] = [("sync", Catch::Sync), ("irq", Catch::Irq), ("fiq", Catch::Fiq), ("serror", Catch::SError)];

/// `el1-sync` and the like.
fn caught(word: &str) -> Result<(u8, Catch), String> {
    let parts = word.strip_prefix("el").and_then(|rest| rest.split_once('-'));
    let level = parts.and_then(|(level, _)| level.parse().ok()).filter(|level| (1..=3).contains(level));
    let kind = parts.and_then(|(_, kind)| KINDS.iter().find(|(name, _)| *name == kind)).map(|(_, kind)| *kind);
    level.zip(kind).ok_or_else(|| format!("{word}: it is el1, el2 or el3, then -sync, -irq, -fiq or -serror"))
}

fn all_caught() -> impl Iterator<Item = (u8, &'static str, Catch)> {
    (1..=3).flat_map(|el| KINDS.iter().map(move |(name, kind)| (el, *name, *kind)))
}

fn catch(target: &mut Target, operands: &[&str]) -> Result<String, String> {
    let mut catches = target.plan.catches;
    for word in operands {
        let (el, kind) = caught(word)?;
        catches = catches.with(el, kind);
    }
    target.plan.catches = catches;
    let set = all_caught().filter(|(el, _, kind)| catches.contains(*el, *kind));
    let lines: Vec<String> = set.map(|(el, name, kind)| format!("el{el}-{name}: {} taken to EL{el}", catch_words(kind))).collect();
    Ok(if lines.is_empty() { "nothing is caught".into() } else { lines.join("\n") })
}

fn uncatch(target: &mut Target, operands: &[&str]) -> Result<String, String> {
    if operands == ["all"] {
        target.plan.catches = Default::default();
    } else {
        for word in operands {
            let (el, kind) = caught(word)?;
            target.plan.catches = target.plan.catches.without(el, kind);
        }
    }
    catch(target, &[])
}

fn step_interrupts(target: &mut Target, operands: &[&str]) -> Result<String, String> {
    if let Some(on) = switch(operands)? {
        target.step_interrupts = on;
    }
    Ok(if target.step_interrupts { "interrupts are taken while stepping" } else { "interrupts wait while stepping" }.into())
}

fn cores(target: &mut Target, _: &[&str]) -> Result<String, String> {
    let cores = target.handle.control.ask(|machine| {
        let GuestTime(now) = machine.clock().now();
        let mut lines = vec![format!("guest time {:.9} s", now as f64 / 1e9)];
        machine.each_core_state(&mut |core, words| lines.push(format!("core {core}: {words}")));
        crate::plan::each_core(machine, |id, core| {
            if let Some(line) = lines.get_mut(id + 1) {
                let _ = write!(line, ", EL{} at {:#x}, {} instructions", core.el, core.pc, core.retired);
            }
        });
        lines
    });
    let mut lines = cores.ok_or(ENDED)?;
    let breakpoints: Vec<String> = target.breakpoints().iter().map(|at| format!("{at:#x}")).collect();
    lines.push(format!("breakpoints: {}", if breakpoints.is_empty() { "none".into() } else { breakpoints.join(" ") }));
    Ok(lines.join("\n"))
}

fn trace(target: &mut Target, operands: &[&str]) -> Result<String, String> {
    let Some((last, lists)) = operands.split_last() else {
        let line = |topic: Topic| format!("{:<4}{:<14} {}\n", if topic.on { "on" } else { "off" }, topic.name, topic.tells);
        return Ok(target.traces.topics().into_iter().map(line).collect());
    };
    let on = switch(&[last])?.unwrap_or(true);
    if lists.is_empty() {
        return Err("topics are missing: trace TOPIC,... on or off; all is every one".into());
    }
    // Blanks after commas are GDB's users' own.
    target.traces.switch(&lists.join(","), on)?;
    let names: Vec<&str> = target.traces.topics().iter().filter(|topic| topic.on).map(|topic| topic.name).collect();
    Ok(if names.is_empty() { "nothing is traced but warnings".into() } else { format!("traced: {}", names.join(", ")) })
}
