//! What decides how a deterministic run goes, beside what comes in meanwhile.

use super::file::Fact;
use crate::boot::Kernel;
use tayberry_bcm2837::BoardOptions;
use tayberry_bcm2837::sd::CardImage;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Bytes of a card that are hashed at once.
const PIECE: u64 = 1 << 16;

/// The facts of a run of `kernel` on a board with `options`.
pub fn of(kernel: &Kernel, options: &BoardOptions) -> Vec<Fact> {
    let fact = |what: &str, value: String, words: String| Fact { what: what.into(), value, words };
    let plain = |what: &str, value: String| fact(what, value.clone(), value);
    let file = |what: &str, name: &str, bytes: Option<&Vec<u8>>| match bytes {
        Some(bytes) => {
            let hash = format!("{:016x}", xxh3_64(bytes));
            let words = format!("{name}{} bytes, hash {hash}", bytes.len());
            fact(what, hash, words)
        }
        None => plain(what, "none".into()),
    };
    let setup = format!("{:016x}", xxh3_64(format!("{:?} {}", kernel.setup, kernel.splash).as_bytes()));
    let plugged = if options.has_input { "plugged in" } else { "not plugged in" };
    let semihosting = options.semihosting.as_ref();
    let semihosting = semihosting.map_or_else(
        || "off".into(),
        |options| {
            let files = if options.files.is_some() { "files" } else { "no files" };
            format!("on, console at port {}, {files}, command line {:?}", options.port, options.command_line)
        },
    );
    vec![
        file("kernel", &format!("{}, ", kernel.name), Some(&kernel.image)),
        file("device tree", "", kernel.dtb.as_ref()),
        file("initial RAM disk", "", kernel.initrd.as_ref()),
        plain("command line", kernel.append.as_ref().map_or_else(|| "the firmware's".into(), |text| format!("{text:?}"))),
        fact("configuration of the firmware", setup.clone(), format!("hash {setup}")),
        plain("number of cores", options.cores.to_string()),
        plain("set of CPU features", format!("{:?}", options.features)),
        options.card.as_ref().map_or_else(|| plain("SD card", "none".into()), |card| card_fact(card)),
        plain("state of keyboard and mouse", plugged.into()),
        plain("semihosting", semihosting),
    ]
}

fn card_fact(card: &CardImage) -> Fact {
    let (mut hash, mut piece) = (Xxh3::new(), Vec::with_capacity(PIECE as usize));
    for at in (0..card.bytes()).step_by(PIECE as usize) {
        piece.clear();
        (at..card.bytes().min(at + PIECE)).step_by(4).for_each(|at| piece.extend_from_slice(&card.word(at).to_le_bytes()));
        hash.update(&piece);
    }
    let (bytes, hash) = (card.bytes(), hash.digest());
    Fact { what: "SD card".into(), value: format!("{bytes} {hash:016x}"), words: format!("{bytes} bytes, hash {hash:016x}") }
}

/// What the facts of a recording differ in from those of this run, in words.
pub fn difference(recorded: &[Fact], here: &[Fact]) -> Option<String> {
    for fact in here {
        let what = &fact.what;
        match recorded.iter().find(|other| other.what == *what) {
            None => return Some(format!("the recording does not say of which {what} it is")),
            Some(other) if other.value != fact.value => {
                return Some(format!("the recording is of another {what} ({}) than this run's ({})", other.words, fact.words));
            }
            Some(_) => {}
        }
    }
    let unknown = recorded.iter().find(|other| here.iter().all(|fact| fact.what != other.what))?;
    Some(format!("the recording has a {} ({}), which this run has not", unknown.what, unknown.words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel() -> Kernel {
        Kernel {
            name: "k.img".into(),
            image: vec![1, 2, 3, 4],
            dtb: None,
            initrd: None,
            append: None,
            splash: false,
            setup: Default::default(),
            notes: Vec::new(),
            is_demo: false,
            labels: Default::default(),
        }
    }

    #[test]
    fn what_differs_is_named() {
        let (base, options) = (kernel(), BoardOptions::default());
        let facts = of(&base, &options);
        assert_eq!(difference(&facts, &of(&Kernel { name: "other.img".into(), ..base.clone() }, &options)), None, "names do not matter");
        for (other, named) in [
            (of(&Kernel { image: vec![1, 2, 3, 5], ..base.clone() }, &options), "another kernel (k.img, 4 bytes"),
            (of(&Kernel { dtb: Some(vec![1]), ..base.clone() }, &options), "another device tree (none)"),
            (of(&Kernel { initrd: Some(vec![1]), ..base.clone() }, &options), "initial RAM disk"),
            (of(&Kernel { append: Some("x".into()), ..base.clone() }, &options), "command line"),
            (of(&Kernel { splash: true, ..base.clone() }, &options), "configuration"),
            (of(&base, &BoardOptions { cores: 1, ..options.clone() }), "number of cores (4) than this run's (1)"),
            (of(&base, &BoardOptions { has_input: false, ..options.clone() }), "keyboard and mouse (plugged in)"),
            (
                of(&base, &BoardOptions { card: Some(CardImage::blank(1 << 20).expect("memory").into()), ..options.clone() }),
                "SD card (none)",
            ),
        ] {
            let difference = difference(&facts, &other).expect("different");
            assert!(difference.contains(named), "{difference}");
        }
        assert!(difference(&facts[1..], &facts).expect("less").contains("does not say of which kernel"));
        assert!(difference(&facts, &facts[1..]).expect("more").contains("has a kernel"));
    }
}
