//! The configuration file: lines of `setting=value`, comments, filters, and other files that are included.
//!
//! # Resources
//! - Raspberry Pi documentation, config.txt: file format, `include`, conditional filters, `initramfs`.

use crate::filter::{Filters, parse_number};
use crate::settings::{self, Treatment};
use crate::{Files, FirmwareError};
use std::collections::BTreeMap;
use tayberry_bcm2837::property::MailboxPlugin;

/// The file.
pub const FILE: &str = "config.txt";
/// Characters of a line that count.
const LINE: usize = 98;
/// Files within files.
const MOST_DEPTH: usize = 16;
/// Lines of all files together.
const MOST_LINES: usize = 100_000;

/// What filters ask of a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Revision code.
    pub revision: u32,
    /// Serial number.
    pub serial: u64,
    /// The monitor's manufacturer and name.
    pub monitor: String,
    /// Levels of the pins, a bit each.
    pub pins: u64,
    /// The partition that is booted from; 0 where there are none.
    pub partition: u32,
}

impl Default for Identity {
    /// The board that the machine is.
    fn default() -> Self {
        let MailboxPlugin { board_revision, serial, .. } = MailboxPlugin::default();
        Self {
            revision: board_revision,
            serial,
            monitor: "TAY-Tayberry".into(),
            // What the pull-ups make of pins that nothing is wired to.
            pins: 0x003f_c01c_0000_01ff,
            partition: 0,
        }
    }
}

/// What the configuration says to this board.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// By name, the last value of each.
    values: BTreeMap<String, String>,
    /// `dtparam` as it was written, in order.
    params: Vec<String>,
    /// Settings that are known, and have no effect here that they have on a board: with their values, in order.
    without_effect: Vec<String>,
    /// Settings and filters that are not known, in order.
    unknown: Vec<String>,
    /// What the user should know, a line each.
    notes: Vec<String>,
}

impl Config {
    /// Reads `config.txt`; nothing is configured where there is none.
    ///
    /// # Errors
    /// If it, or a file that it includes, cannot be read.
    pub fn read(files: &dyn Files, board: &Identity) -> Result<Self, FirmwareError> {
        let mut config = Self::default();
        let mut reader = Reader { files, board, filters: Filters::default(), open: Vec::new(), lines: 0 };
        if files.has(FILE)? {
            reader.file(FILE, &mut config)?;
        }
        Ok(config)
    }

    /// A setting's last value.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// A setting that is a number. What is none is noted and counts as not there.
    pub fn number(&mut self, name: &str) -> Option<i64> {
        let text = self.values.get(name)?;
        // Sums of a few stay far from overflow.
        let number = leading_number(text).map(|number| number.clamp(-1 << 40, 1 << 40));
        if number.is_none() {
            let text = self.values.remove(name).unwrap_or_default();
            self.note(format_args!("{name}={text:?}: it is not a number"));
        } else if parse_number(text).is_none() {
            let text = text.clone();
            let number = number.unwrap_or_default();
            self.values.insert(name.into(), number.to_string());
            self.note(format_args!("{name}={text:?}: it is taken for {number}"));
        }
        number
    }

    /// A setting that is on with any number but 0.
    pub fn flag(&mut self, name: &str) -> bool {
        self.number(name).is_some_and(|number| number != 0)
    }

    /// `dtparam` as it was written, in order.
    pub fn params(&self) -> Vec<String> {
        self.params.clone()
    }

    /// Keeps a setting that has no effect here, to tell the user.
    pub fn without_effect(&mut self, setting: String) {
        push_once(&mut self.without_effect, setting);
    }

    /// Keeps something to tell the user.
    pub fn note(&mut self, what: impl std::fmt::Display) {
        self.notes.push(what.to_string());
    }

    /// What the user should know, a line each.
    pub fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self.notes.iter().map(|note| format!("{FILE}: {note}")).collect();
        let mut list = |what: &str, list: &[String]| {
            if !list.is_empty() {
                notes.push(format!("{FILE}: {what}: {}", list.join(", ")));
            }
        };
        list("without effect here", &self.without_effect);
        list("not known", &self.unknown);
        notes
    }

    /// All settings, by name.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn set(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("initramfs ") {
            return self.set_initramfs(rest);
        }
        let Some((name, value)) = line.split_once('=') else {
            return push_once(&mut self.unknown, format!("{line:?}"));
        };
        // Ports: there is one, number 0.
        let name = match name.split_once(':') {
            Some((name, "0")) => name,
            Some(_) => return,
            None => name,
        };
        if ["dtparam", "device_tree_param"].contains(&name) {
            self.params.push(value.into());
            return;
        }
        match settings::treatment(name, value) {
            Treatment::Obeyed | Treatment::Ignored => {
                self.values.insert(name.into(), value.into());
            }
            Treatment::Reported => push_once(&mut self.without_effect, format!("{name}={value}")),
            // Blanks around it are part of the name: show them.
            Treatment::Unknown if name.trim() != name => push_once(&mut self.unknown, format!("{name:?}")),
            Treatment::Unknown => push_once(&mut self.unknown, name.into()),
        }
    }

    /// `initramfs FILE ADDRESS`, which is `ramfsfile` and `ramfsaddr` in one.
    fn set_initramfs(&mut self, rest: &str) {
        let mut words = rest.split_whitespace();
        let file = words.next().unwrap_or_default();
        let address = words.next().unwrap_or("followkernel");
        self.values.insert("ramfsfile".into(), file.into());
        self.values.insert("ramfsaddr".into(), if address == "followkernel" { "0" } else { address }.into());
    }
}

/// The number that a text begins with: the firmware takes no notice of what comes after it.
fn leading_number(text: &str) -> Option<i64> {
    parse_number(text).or_else(|| {
        let hex = text.starts_with("0x") || text.starts_with("0X");
        let rest = |at: usize, letter: char| match at {
            0 => letter == '-' || letter.is_ascii_digit(),
            1 if hex => true,
            _ if hex => letter.is_ascii_hexdigit(),
            _ => letter.is_ascii_digit(),
        };
        let end = text.char_indices().find(|&(at, letter)| !rest(at, letter)).map_or(text.len(), |(at, _)| at);
        parse_number(&text[..end])
    })
}

fn push_once(list: &mut Vec<String>, what: String) {
    if !list.contains(&what) {
        list.push(what);
    }
}

/// Reads files, and those that they include in their places.
struct Reader<'a> {
    files: &'a dyn Files,
    board: &'a Identity,
    filters: Filters,
    /// Names of the files that are being read, outermost first.
    open: Vec<String>,
    lines: usize,
}

impl Reader<'_> {
    fn file(&mut self, name: &str, config: &mut Config) -> Result<(), FirmwareError> {
        let bytes = self.files.read(name)?.ok_or_else(|| FirmwareError::file(name, "there is no such file"))?;
        // What is not UTF-8 is in comments, or in names that nothing has.
        let text = String::from_utf8_lossy(&bytes);
        self.open.push(name.to_owned());
        for (number, line) in text.split('\n').enumerate() {
            self.lines += 1;
            if self.lines > MOST_LINES {
                return Err(FirmwareError::file(name, format_args!("more than {MOST_LINES} lines with what it includes")));
            }
            let line = line.trim_start_matches('\u{feff}').trim();
            if !line.is_empty() && !line.starts_with('#') {
                self.line(line, number + 1, config)?;
            }
        }
        self.open.pop();
        Ok(())
    }

    fn line(&mut self, line: &str, number: usize, config: &mut Config) -> Result<(), FirmwareError> {
        let name = self.open.last().cloned().unwrap_or_default();
        let cut: String = line.chars().take(LINE).collect();
        if cut.len() < line.len() {
            let what = if name == FILE { String::new() } else { format!("{name} ") };
            config.note(format_args!("{what}line {number} is longer than {LINE} characters: the rest is ignored"));
        }
        let line = cut.trim_end();
        if let Some((filter, _)) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            if !self.filters.add(filter, self.board) {
                push_once(&mut config.unknown, format!("[{filter}]"));
            }
            return Ok(());
        }
        if !self.filters.pass() {
            return Ok(());
        }
        let Some(included) = line.strip_prefix("include ").map(str::trim) else {
            config.set(line);
            return Ok(());
        };
        let same = |open: &String| open.trim_start_matches('/').eq_ignore_ascii_case(included.trim_start_matches('/'));
        if self.open.iter().any(same) {
            return Err(FirmwareError::file(&name, format_args!("line {number} includes {included}, which is being read already")));
        }
        if self.open.len() >= MOST_DEPTH {
            return Err(FirmwareError::file(&name, format_args!("line {number}: files include each other {MOST_DEPTH} deep")));
        }
        if !self.files.has(included)? {
            return Err(FirmwareError::file(&name, format_args!("line {number} includes {included}, and there is no such file")));
        }
        self.file(included, config)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Files in memory.
    #[derive(Default)]
    pub(crate) struct Memory(pub BTreeMap<String, Vec<u8>>);

    impl Memory {
        pub(crate) fn with(files: &[(&str, &[u8])]) -> Self {
            Self(files.iter().map(|(name, bytes)| (name.to_lowercase(), bytes.to_vec())).collect())
        }
    }

    impl Files for Memory {
        fn read(&self, path: &str) -> Result<Option<Vec<u8>>, FirmwareError> {
            Ok(self.0.get(&path.trim_start_matches('/').to_lowercase()).cloned())
        }

        fn has(&self, path: &str) -> Result<bool, FirmwareError> {
            Ok(self.read(path)?.is_some())
        }
    }

    impl Config {
        pub(crate) fn of(text: &str) -> Self {
            Self::read(&Memory::with(&[(FILE, text.as_bytes())]), &Identity::default()).expect("it can be read")
        }
    }

    #[test]
    fn lines_comments_and_the_last_value() {
        let mut config =
            Config::of("\u{feff}# comment\r\n\r\n  kernel=a.img\r\nkernel=b.img  \r\ngpu_mem=0x20\r\n#kernel=c.img\r\ncmdline=a=b");
        assert_eq!((config.text("kernel"), config.text("cmdline")), (Some("b.img"), Some("a=b")));
        assert_eq!((config.number("gpu_mem"), config.number("total_mem"), config.notes()), (Some(32), None, vec![]));
        assert_eq!(Config::of("").all().count(), 0);
        let none = Config::read(&Memory::default(), &Identity::default()).expect("nothing is configured");
        assert_eq!(none.all().count(), 0);
    }

    #[test]
    fn sections_are_for_their_boards() {
        let text = "[pi4]\nkernel=4\n[pi3]\nkernel=3\n[pi3+]\nkernel=3+\n[0x1]\nkernel=serial\n[all]\ncmdline=all\n[none]\ncmdline=none\n[gpio4=1]\n";
        let config = Config::of(text);
        assert_eq!((config.text("kernel"), config.text("cmdline")), (Some("3"), Some("all")));
    }

    #[test]
    fn long_lines_are_cut_and_told() {
        let (value, more) = ("x".repeat(LINE - "cmdline=".len()), "yyy");
        let config = Config::of(&format!("cmdline={value}{more}"));
        assert_eq!((config.text("cmdline"), config.notes().len()), (Some(value.as_str()), 1));
        assert!(config.notes()[0].contains("line 1 "), "{:?}", config.notes());
        assert_eq!(Config::of(&format!("cmdline={value}\n# {}", "z".repeat(200))).notes(), Vec::<String>::new());
    }

    #[test]
    fn initramfs_is_two_settings_in_one() {
        let config = Config::of("initramfs a.gz,b.gz 0x00800000");
        assert_eq!((config.text("ramfsfile"), config.text("ramfsaddr")), (Some("a.gz,b.gz"), Some("0x00800000")));
        for follow in ["initramfs a followkernel", "initramfs  a  0", "initramfs a"] {
            let config = Config::of(follow);
            assert_eq!((config.text("ramfsfile"), config.text("ramfsaddr")), (Some("a"), Some("0")), "{follow}");
        }
    }

    #[test]
    fn files_are_included_in_their_places() {
        let files = Memory::with(&[
            (FILE, b"kernel=a\ninclude Extra.txt\ngpu_mem=16\n[pi4]\ninclude missing.txt"),
            ("extra.txt", b"kernel=b\ngpu_mem=32\ninclude /more.txt\n[pi3]"),
            ("more.txt", b"cmdline=c"),
        ]);
        let config = Config::read(&files, &Identity::default()).expect("all there");
        assert_eq!((config.text("kernel"), config.text("gpu_mem"), config.text("cmdline")), (Some("b"), Some("16"), Some("c")));
    }

    #[test]
    fn files_that_cannot_be_included_are_errors() {
        let error = |files: &[(&str, &[u8])]| Config::read(&Memory::with(files), &Identity::default()).expect_err("no").to_string();
        assert_eq!(error(&[(FILE, b"\ninclude CONFIG.TXT")]), "config.txt: line 2 includes CONFIG.TXT, which is being read already");
        assert_eq!(
            error(&[(FILE, b"include a"), ("a", b"include b"), ("b", b"include /a")]),
            "b: line 1 includes /a, which is being read already"
        );
        assert_eq!(error(&[(FILE, b"include a.txt")]), "config.txt: line 1 includes a.txt, and there is no such file");
        let bomb: Vec<(String, Vec<u8>)> =
            (0..10).map(|at| (format!("f{at}"), format!("include f{}\n", at + 1).repeat(40).into())).collect();
        let mut files: Vec<(&str, &[u8])> = bomb.iter().map(|(name, text)| (name.as_str(), text.as_slice())).collect();
        files.extend([(FILE, b"include f0".as_slice()), ("f10", b"kernel=a\n")]);
        assert!(error(&files).contains("more than 100000 lines"));
    }

    #[test]
    fn what_is_not_known_or_has_no_effect_is_named_once() {
        let config = Config::of(
            "frobnicate=1\nfrobnicate=2\n kernel =x\nnonsense\ndtoverlay=vc4-kms-v3d\ndtparam=audio=on\ndtparam=spi=on\n[pi99]\narm_freq=1300\narm_freq_min=9",
        );
        let notes = config.notes();
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert_eq!(notes[0], "config.txt: without effect here: dtoverlay=vc4-kms-v3d");
        assert_eq!(config.params(), ["audio=on", "spi=on"]);
        assert_eq!(notes[1], "config.txt: not known: frobnicate, \"kernel \", \"nonsense\", [pi99]");
    }

    #[test]
    fn what_is_no_number_is_told() {
        let mut config = Config::of("gpu_mem=lots\narm_64bit=1 # really\ntotal_mem=0x200MiB\n[pi3] # and a word\nhdmi_mode=0x");
        assert_eq!((config.number("gpu_mem"), config.flag("arm_64bit"), config.number("total_mem")), (None, true, Some(512)));
        assert_eq!((config.number("hdmi_mode"), config.notes().len()), (None, 4), "{:?}", config.notes());
        assert_eq!((config.number("gpu_mem"), config.flag("arm_64bit"), config.notes().len()), (None, true, 4), "once");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([\\[\\]a-z0-9=:# ]|\r|\n|include |initramfs |\\PC){0,300}") {
            let files = Memory::with(&[(FILE, text.as_bytes())]);
            if let Ok(mut config) = Config::read(&files, &Identity::default()) {
                crate::display::display(&mut config);
                proptest::prop_assert!(config.notes().iter().all(|note| !note.contains('\n')));
            }
        }
    }
}
