//! Headless runs on files of the test's own.

use crate::program::{Ended, Folder};
use std::path::PathBuf;

/// `b .`: runs for ever and does nothing.
pub const ENDLESS: &[u8] = &[0x00, 0x00, 0x00, 0x14];

impl Folder {
    /// Writes a file.
    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).expect("room for a file");
        path
    }

    /// Runs headless with these arguments, separated by blanks.
    pub fn headless(&self, args: &str) -> Ended {
        Ended::of(self.tayberry(["--frontend", "headless"].into_iter().chain(args.split_whitespace())))
    }
}

impl Ended {
    /// Panics unless it ended with status 2, nothing on stdout and one line on stderr that has `named` in it.
    pub fn unusable(self, named: &str) {
        let run = self.expect(2);
        assert_eq!(run.stdout, "");
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
        assert!(run.stderr.starts_with("tayberry: error: ") && run.stderr.contains(named), "{} has {named}", run.stderr);
    }
}
