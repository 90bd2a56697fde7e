//! QEMU's options, and what they are to us.

/// What becomes of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// It is translated.
    Translated,
    /// It asks for what is so anyway.
    AsIs,
    /// It has no meaning here, and why: one line of warning.
    Ignored(&'static str),
    /// It cannot be ignored, and why.
    Refused(&'static str),
}

use Meaning::{AsIs, Ignored, Refused, Translated};

/// An option: its name without dashes, whether an argument follows, what it is to us.
pub type Entry = (&'static str, bool, Meaning);

const NO_NETWORK: Meaning = Ignored("the board has no network here");
const NO_SOUND: Meaning = Ignored("sound is an option of tayberry's own");
const NO_MONITOR: Meaning = Ignored("there is no monitor");
const NO_DISK: Meaning = Refused("the board has no such drive: an SD card is given by -sd or -drive if=sd");
const NO_STATE: Meaning = Refused("states of QEMU's cannot be used");
const NO_VM: Meaning = Ignored("it does not concern this board");
const ONE_WINDOW: Meaning = Ignored("the window is what it is");

/// All options.
pub const OPTIONS: &[Entry] = &[
    ("h", false, Translated),
    ("help", false, Translated),
    ("version", false, Translated),
    ("M", true, Translated),
    ("machine", true, Translated),
    ("cpu", true, Translated),
    ("accel", true, Translated),
    ("smp", true, Translated),
    ("m", true, Translated),
    ("kernel", true, Translated),
    ("bios", true, Translated),
    ("append", true, Translated),
    ("dtb", true, Translated),
    ("initrd", true, Translated),
    ("serial", true, Translated),
    ("chardev", true, Translated),
    ("monitor", true, Translated),
    ("nographic", false, Translated),
    ("display", true, Translated),
    ("curses", false, Translated),
    ("sdl", false, Translated),
    ("device", true, Translated),
    ("drive", true, Translated),
    ("sd", true, Translated),
    ("hda", true, Translated),
    ("snapshot", false, Translated),
    ("s", false, Translated),
    ("S", false, Translated),
    ("gdb", true, Translated),
    ("d", true, Translated),
    ("D", true, Translated),
    ("semihosting", false, Translated),
    ("semihosting-config", true, Translated),
    ("no-reboot", false, Translated),
    ("action", true, Translated),
    ("icount", true, Translated),
    ("singlestep", false, Translated),
    ("one-insn-per-tb", false, Translated),
    ("usb", false, AsIs),
    ("nodefaults", false, Translated),
    ("no-user-config", false, AsIs),
    ("no-shutdown", false, Ignored("a board that is switched off ends the run")),
    ("vga", true, AsIs),
    ("parallel", true, AsIs),
    ("name", true, AsIs),
    ("usbdevice", true, Translated),
    ("full-screen", false, ONE_WINDOW),
    ("no-quit", false, ONE_WINDOW),
    ("alt-grab", false, ONE_WINDOW),
    ("ctrl-grab", false, ONE_WINDOW),
    ("g", true, Ignored("a kernel chooses its own resolution")),
    ("k", true, Ignored("keys are the host's")),
    ("vnc", true, Ignored("there is no VNC server: the run is headless")),
    ("spice", true, Ignored("there is no SPICE server")),
    ("rtc", true, Ignored("the board has no clock of the day")),
    ("L", true, Ignored("no files of QEMU's are needed")),
    ("boot", true, Ignored("a kernel is given by -kernel")),
    ("trace", true, Ignored("traces are --trace's")),
    ("plugin", true, Ignored("there are no plugins of QEMU's")),
    ("dfilter", true, Ignored("traces are not filtered by address")),
    ("seed", true, Ignored("the random number generator is the host's, or deterministic")),
    ("audiodev", true, NO_SOUND),
    ("audio", true, NO_SOUND),
    ("audio-help", false, NO_SOUND),
    ("soundhw", true, NO_SOUND),
    ("net", true, NO_NETWORK),
    ("netdev", true, NO_NETWORK),
    ("nic", true, NO_NETWORK),
    ("mon", true, NO_MONITOR),
    ("qmp", true, NO_MONITOR),
    ("qmp-pretty", true, NO_MONITOR),
    ("uuid", true, NO_VM),
    ("smbios", true, NO_VM),
    ("acpitable", true, NO_VM),
    ("numa", true, NO_VM),
    ("object", true, NO_VM),
    ("global", true, NO_VM),
    ("set", true, NO_VM),
    ("fw_cfg", true, NO_VM),
    ("watchdog-action", true, NO_VM),
    ("sandbox", true, NO_VM),
    ("msg", true, NO_VM),
    ("overcommit", true, NO_VM),
    ("mem-prealloc", false, NO_VM),
    ("mem-path", true, NO_VM),
    ("enable-kvm", false, Ignored("the cores are emulated")),
    ("no-acpi", false, NO_VM),
    ("no-hpet", false, NO_VM),
    ("pidfile", true, Ignored("no file is written with the process's number")),
    ("runas", true, NO_VM),
    ("chroot", true, NO_VM),
    ("tb-size", true, Ignored("memory for translated code is --jit-cache's")),
    ("daemonize", false, Refused("the run stays in the foreground: start it with & in a shell")),
    ("hdb", true, NO_DISK),
    ("hdc", true, NO_DISK),
    ("hdd", true, NO_DISK),
    ("cdrom", true, NO_DISK),
    ("fda", true, NO_DISK),
    ("fdb", true, NO_DISK),
    ("mtdblock", true, NO_DISK),
    ("pflash", true, NO_DISK),
    ("blockdev", true, Refused("an SD card is given by -sd or -drive if=sd,format=raw,file=FILE")),
    ("loadvm", true, NO_STATE),
    ("incoming", true, NO_STATE),
    ("readconfig", true, Refused("files of options cannot be read")),
    ("writeconfig", true, Refused("files of options cannot be written")),
];

/// The option of a name.
pub fn find(name: &str) -> Option<&'static Entry> {
    OPTIONS.iter().find(|(known, ..)| *known == name)
}

/// `-d`'s items, what they become of our topics (none: nothing), and what they are.
pub const LOG_ITEMS: &[(&str, &[&str], &str)] = &[
    ("int", &["exceptions", "interrupts"], "exceptions and interrupts"),
    ("guest_errors", &["unimplemented"], "what a guest should not do"),
    ("unimp", &["unimplemented"], "what this emulator lacks"),
    ("mmu", &["mmu"], "translation"),
    ("cpu_reset", &["boot"], "what is run, and with what"),
    ("strace", &["semihosting"], "calls of the host"),
    ("out_asm", &["jit"], "what is translated"),
    ("in_asm", &[], ""),
    ("op", &[], ""),
    ("op_opt", &[], ""),
    ("op_ind", &[], ""),
    ("op_plugin", &[], ""),
    ("exec", &[], ""),
    ("cpu", &[], ""),
    ("fpu", &[], ""),
    ("vpu", &[], ""),
    ("nochain", &[], ""),
    ("pcall", &[], ""),
    ("plugin", &[], ""),
    ("page", &[], ""),
    ("tid", &[], ""),
];
