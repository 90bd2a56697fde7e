//! A map of translated code for `perf`: `/tmp/perf-PID.map`, one line a region (Linux, tools/perf/Documentation/jit-interface.txt).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Where `perf` looks for the map of this process.
fn path() -> PathBuf {
    format!("/tmp/perf-{}.map", std::process::id()).into()
}

/// The process's map: all cores write to it. Nothing if it cannot be made, which was told then.
static MAP: OnceLock<Option<File>> = OnceLock::new();

/// A core's access to the map. The file is made when the first region is added.
#[derive(Debug, Default)]
pub(crate) struct PerfMap {
    /// Writing failed, which was told: nothing more is written.
    failed: bool,
}

impl PerfMap {
    /// Adds the host code of the region at `pc`: `len` bytes from `start`. A line is one write to the end of the file, so that those of several cores
    /// do not mix.
    pub(crate) fn add(&mut self, start: *const u8, len: usize, pc: u64) {
        if self.failed {
            return;
        }
        let Some(mut file) = MAP.get_or_init(|| told(create(&path()))).as_ref() else { return };
        self.failed = told(file.write_all(line(start as usize, len, pc).as_bytes())).is_none();
    }
}

/// `START SIZE NAME`, numbers hexadecimal.
fn line(start: usize, len: usize, pc: u64) -> String {
    format!("{start:x} {len:x} guest_{pc:#x}\n")
}

/// A new file, not one of an earlier process of the same number, and not what somebody else's link leads to.
fn create(path: &Path) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().append(true).create_new(true).open(path)
}

fn told<T>(result: io::Result<T>) -> Option<T> {
    result.inspect_err(|error| tracing::warn!(target: "jit", "{}: {error}: no more code is listed for perf", path().display())).ok()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn lines_of_several_cores_are_whole() {
        const EACH: usize = 500;
        std::thread::scope(|scope| {
            for core in 0..4u64 {
                scope.spawn(move || {
                    let mut map = PerfMap::default();
                    (0..EACH).for_each(|at| map.add((0x7f00_0000_0000 + at) as *const u8, 64, core << 60 | at as u64));
                });
            }
        });
        let map = std::fs::read_to_string(path()).expect("the map");
        std::fs::remove_file(path()).expect("ours");
        // Other tests of this process may have translated something.
        let ours: std::collections::BTreeSet<&str> =
            map.lines().filter(|line| line.starts_with("7f0000000") && line.contains(" 40 guest_0x")).collect();
        for core in 0..4u64 {
            for at in 0..EACH {
                assert!(ours.contains(line(0x7f00_0000_0000 + at, 64, core << 60 | at as u64).trim_end()), "core {core}, {at}");
            }
        }
        assert!(map.lines().all(|line| line.split(' ').count() == 3), "{map}");
    }

    #[test]
    fn another_s_link_is_not_followed_and_old_content_goes() {
        let folder = std::env::temp_dir().join(format!("tayberry-perf-{}", std::process::id()));
        std::fs::create_dir(&folder).expect("a folder");
        let (target, link) = (folder.join("target"), folder.join("link"));
        std::fs::write(&target, "precious").expect("a file");
        std::os::unix::fs::symlink(&target, &link).expect("a link");
        create(&link).expect("a new file").write_all(b"new").expect("room");
        assert_eq!(std::fs::read(&target).expect("the file"), b"precious");
        assert_eq!(std::fs::read(&link).expect("the file"), b"new");
        create(&link).expect("a new file");
        assert_eq!(std::fs::read(&link).expect("the file"), b"");
        assert!(create(&folder.join("none/such")).is_err());
        std::fs::remove_dir_all(&folder).expect("ours");
    }
}
