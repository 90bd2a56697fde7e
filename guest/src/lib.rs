//! Guest programs for the machine: images that the demo, the tests and the benches run.
//!
//! Each constant is a raw image, loaded and entered at `0x80000` in EL2 as `kernel8.img` is. The sources, in C
//! and AArch64 assembly, are beside this file's folder; `build.sh` makes the images from them and `build.sh
//! --check` compares. `README.md` describes the programs and the options they take from the kernel command line.
//! Every program works with no options, and all but [`DEMO`] and [`ECHO`] end by powering the board off.

pub mod storm;

/// Four cores drawing together, through eight modes of every size, depth and order, with page flips, panning and a
/// moving palette; keys on the PL011 steer it. Options `demo.mode_ms`, `demo.tours`: after that many tours it
/// prints `demo: tour complete` and powers off; without, it runs for ever.
pub const DEMO: &[u8] = include_bytes!("../images/demo.img");

/// Posts mode changes without pause, paints each in its own colour and checks every reply; [`storm`] knows which
/// mode and colour belong to which change. Options `storm.count`, `.core`, `.seed`, `.paint`, `.hold_us`,
/// `.kinds`, `.print`. Ends with `storm: N changes, W wrong replies, T us` and `storm: done`.
pub const STORM: &[u8] = include_bytes!("../images/storm.img");

/// Sends back every byte received on the PL011 (or, with `echo.uart=1`, the mini UART); Ctrl-D powers off.
pub const ECHO: &[u8] = include_bytes!("../images/echo.img");

/// Checks timers, interrupts, FIQs, waiting, exceptions and EL0: `ok NAME` or `FAIL NAME: values` for each, then
/// `irqtimer: all ok` or `irqtimer: N failed`.
pub const IRQ_TIMER: &[u8] = include_bytes!("../images/irqtimer.img");

/// Four cores against each other: exclusives, locks, memory order, interrupts between cores. Option `smp.count`.
/// Ends with `smp: all ok` or `smp: N failed`; `smp: hangs` after two minutes.
pub const SMP: &[u8] = include_bytes!("../images/smp.img");

/// Fixed work for measuring speed. Options `bench.kind=int|fill|fp|sort|mem` and `bench.n`. Prints
/// `bench KIND: checksum X, T us`.
pub const BENCH: &[u8] = include_bytes!("../images/bench.img");

/// Brings the SD card up behind both controllers and reads from it. Option `card.write=BLOCK`: four blocks there are
/// written, read and, without `card.keep=1`, put back. Prints `ok NAME` or `FAIL NAME`, then `card: all ok` or `card: N failed`.
pub const CARD: &[u8] = include_bytes!("../images/card.img");

#[cfg(test)]
mod tests {
    const ALL: [(&str, &[u8]); 7] = [
        ("demo", super::DEMO),
        ("storm", super::STORM),
        ("echo", super::ECHO),
        ("irqtimer", super::IRQ_TIMER),
        ("smp", super::SMP),
        ("bench", super::BENCH),
        ("card", super::CARD),
    ];

    #[test]
    fn images_are_raw_and_small_and_begin_with_code() {
        for (name, image) in ALL {
            // mrs x19, mpidr_el1: neither an ELF's magic nor zeros.
            assert_eq!(image[..4], 0xD538_00B3u32.to_le_bytes(), "{name}");
            assert!(image.len() < 64 << 10, "{name}: {} bytes", image.len());
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
