//! Guest programs for the machine: images that the demo, the tests and the benches run.
//!
//! Each constant is a raw image, loaded and entered at `0x80000` in EL2 as `kernel8.img` is. The sources, in C
//! and AArch64 assembly, are beside this file's folder; `build.sh` makes the images from them and `build.sh
//! --check` compares. `README.md` describes the programs and the options they take from the kernel command line.
//! Every program works with no options, and all but [`DEMO`], [`ECHO`], [`LOADER`] and [`SCREENS`] end by powering the board off.

pub mod storm;

/// Four cores drawing together, through eight modes of every size, depth and order, with page flips, panning and a
/// moving palette; keys on the PL011 steer it. Options `demo.mode_ms`, `demo.tours`: after that many tours it
/// prints `demo: tour complete` and powers off; without, it runs for ever.
pub const DEMO: &[u8] = include_bytes!("../images/demo.img");

/// Posts mode changes without pause, paints each in its own colour and checks every reply; [`storm`] knows which
/// mode and colour belong to which change. Options `storm.count`, `.core`, `.seed`, `.paint`, `.hold_us`,
/// `.kinds`, `.cores`, `.lock`, `.print`. Ends with `storm: N changes, W wrong replies, T us` and `storm: done`.
pub const STORM: &[u8] = include_bytes!("../images/storm.img");

/// Sends back every byte received on the PL011 (or, with `echo.uart=1`, the mini UART); Ctrl-D powers off.
pub const ECHO: &[u8] = include_bytes!("../images/echo.img");

/// Checks timers, interrupts, FIQs, waiting, exceptions and EL0: `ok NAME` or `FAIL NAME: values` for each, then
/// `irqtimer: all ok` or `irqtimer: N failed`.
pub const IRQ_TIMER: &[u8] = include_bytes!("../images/irqtimer.img");

/// Four cores against each other: exclusives, locks, memory order, interrupts between cores. Option `smp.count`.
/// Ends with `smp: all ok` or `smp: N failed`; `smp: hangs` after two minutes.
pub const SMP: &[u8] = include_bytes!("../images/smp.img");

/// What the memory model forbids must not be seen, and increments by exclusives of every size must add up, on four cores. Options `litmus.count`,
/// `litmus.adds`. Ends with `litmus: all ok` or `litmus: N failed`; `litmus: hangs` after five minutes.
pub const LITMUS: &[u8] = include_bytes!("../images/litmus.img");

/// Fixed work for measuring speed. Options `bench.kind=int|fill|fp|sort|mem` and `bench.n`. Prints
/// `bench KIND: checksum X, T us`.
pub const BENCH: &[u8] = include_bytes!("../images/bench.img");

/// The kinds of work that an emulator's speed is judged by. Options `suite.kind`, one of [`SUITE_KINDS`], `suite.n`, `suite.mmu`, `suite.cores`.
/// Prints `suite KIND: checksum X, T us`.
pub const SUITE: &[u8] = include_bytes!("../images/suite.img");

/// The names that `suite.kind` takes, each with whether it also works with `suite.mmu=0`.
pub const SUITE_KINDS: [(&str, bool); 24] = [
    ("mix", true),
    ("chase", true),
    ("far", true),
    ("sort", true),
    ("hash", true),
    ("sha256", true),
    ("bytecode", true),
    ("recursion", true),
    ("virtual", true),
    ("fill", true),
    ("pixels", true),
    ("copy", true),
    ("mandelbrot", true),
    ("bodies", true),
    ("matrix", true),
    ("filter", false),
    ("qcopy", true),
    ("svc", false),
    ("fault", false),
    ("tlb", false),
    ("tlbi", false),
    ("spaces", false),
    ("cores", false),
    ("locks", false),
];

/// An ELF file with lines of source: three calls deep it calls through a bad pointer, with no vectors. Nothing else here ends so.
pub const CRASH_ELF: &[u8] = include_bytes!("../images/crash.elf");

/// Brings the SD card up behind both controllers and reads from it. Option `card.write=BLOCK`: four blocks there are
/// written, read and, without `card.keep=1`, put back. Prints `ok NAME` or `FAIL NAME`, then `card: all ok` or `card: N failed`.
pub const CARD: &[u8] = include_bytes!("../images/card.img");

/// A hypervisor in EL2 and its guest in EL1: stage 2 translation, an emulated serial port, trapped WFI and SMC, a virtual timer and its
/// virtual interrupt. Prints what happens in an order that does not depend on time; ends with `hyper: the guest is done, N loads of its port`.
pub const HYPER: &[u8] = include_bytes!("../images/hyper.img");

/// Preempted tasks in EL0 with address spaces of their own: demand paging, copy on write after fork, lazy floating point. Prints what each
/// computed, then `tasks: done`.
pub const TASKS: &[u8] = include_bytes!("../images/tasks.img");

/// A kernel linked high, with 64 KiB pages, that reports the faults it makes, then `higher: 10 ticks, done`.
pub const HIGHER: &[u8] = include_bytes!("../images/higher.img");

/// Prints what the firmware passes in x0 (device tree or ATAGs) and lists the initial RAM disk, a cpio archive; then `tree: done`.
pub const TREE: &[u8] = include_bytes!("../images/tree.img");

/// Receives a kernel over UART0 (three bytes 3 ask for it; the answer is its length in four bytes, then its bytes) and starts it at 0x80000.
pub const LOADER: &[u8] = include_bytes!("../images/loader.img");

/// A picture of 320x200 in 256 colours made by a chain of DMA control blocks. Ends with `blit: done`.
pub const BLIT: &[u8] = include_bytes!("../images/blit.img");

/// Shows two or three pages in turn by the virtual offset, at a steady pace. Options `flip.width`, `.height`, `.depth`, `.pages`, `.fps`, `.count` and
/// `flip.draw=static|bar|full`. Ends with `flip: N flips, M late`.
pub const FLIP: &[u8] = include_bytes!("../images/flip.img");

/// Enumerates the USB hub and what is behind it by polling, with split transactions by hand, prints `usbkbd: ready` and echoes what is typed at the
/// keyboard; Escape powers off. Option `usbkbd.mode=slave`: data go through FIFOs instead of DMA.
pub const USBKBD: &[u8] = include_bytes!("../images/usbkbd.img");

/// One situation of the frame buffer a run: option `screens.case` (a name; without one, all are listed), `screens.turns`. It paints a pattern, prints what the
/// tags answered, then `screens: done`, and sleeps so that the picture stands; with `screens.off=1` it powers off.
pub const SCREENS: &[u8] = include_bytes!("../images/screens.img");

/// Plays a melody at the audio jack by the pulse width modulator, 15 notes on the left and their bass on the right. Options `tune.by=dma|fifo|data`, `tune.beat_ms`.
/// Ends with `tune: over after T ms`.
pub const TUNE: &[u8] = include_bytes!("../images/tune.img");

/// Blinks the activity LED (by the mailbox) and pin 16, and counts presses of a button at pin 17 by its interrupt; each switches pin 27. Options `pins.blinks` and `pins.presses`: how
/// often, before it powers off. Ends with `pins: done`.
pub const PINS: &[u8] = include_bytes!("../images/pins.img");

/// Every call of semihosting, checked. Options `semihost.exit`, `.extended`, `.files`, `.read`, `.wrong`, `.cores`. Ends with `semihost: all ok` or
/// `semihost: N failed`, and SYS_EXIT.
pub const SEMIHOST: &[u8] = include_bytes!("../images/semihost.img");

/// C++ with global constructors. Ends with `objects: sum N, done`.
pub const OBJECTS: &[u8] = include_bytes!("../images/objects.img");

#[cfg(test)]
mod tests {
    const ALL: [(&str, &[u8]); 22] = [
        ("demo", super::DEMO),
        ("storm", super::STORM),
        ("echo", super::ECHO),
        ("irqtimer", super::IRQ_TIMER),
        ("smp", super::SMP),
        ("litmus", super::LITMUS),
        ("bench", super::BENCH),
        ("suite", super::SUITE),
        ("card", super::CARD),
        ("hyper", super::HYPER),
        ("tasks", super::TASKS),
        ("higher", super::HIGHER),
        ("tree", super::TREE),
        ("loader", super::LOADER),
        ("blit", super::BLIT),
        ("objects", super::OBJECTS),
        ("flip", super::FLIP),
        ("screens", super::SCREENS),
        ("tune", super::TUNE),
        ("usbkbd", super::USBKBD),
        ("semihost", super::SEMIHOST),
        ("pins", super::PINS),
    ];

    #[test]
    fn images_are_raw_and_small_and_begin_with_code() {
        for (name, image) in ALL {
            // mrs x19, mpidr_el1: neither an ELF's magic nor zeros.
            assert_eq!(image[..4], 0xD538_00B3u32.to_le_bytes(), "{name}");
            assert!(image.len() < 96 << 10, "{name}: {} bytes", image.len());
        }
    }

    /// Every `NAME.option` that the README promises is a word in the image of NAME, and the other way round.
    #[test]
    fn options_are_those_the_readme_lists() {
        let readme = include_str!("../README.md");
        for (name, image) in ALL {
            let prefix = format!("{name}.");
            let option = |text: &str| {
                let end = text.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(text.len());
                text[..end].to_owned()
            };
            let mut promised: Vec<String> =
                readme.match_indices(&format!("`{prefix}")).map(|(at, quoted)| option(&readme[at + quoted.len()..])).collect();
            // In the image an option is a string of its own, with a NUL before and behind.
            let mut known: Vec<String> = image
                .split(|&byte| byte == 0)
                .filter_map(|text| std::str::from_utf8(text).ok()?.strip_prefix(&prefix))
                .map(option)
                .collect();
            promised.sort();
            promised.dedup();
            known.sort();
            known.dedup();
            assert_eq!(promised, known, "{name}");
        }
    }
}
