//! Debian's own kernel and U-Boot, run as a user would: typed at, read and looked at.
//!
//! `guest/debian/fetch.sh` gets the files; `TAYBERRY_DEBIAN` names their folder, or they are in target/debian. Without them each test says so and
//! does nothing. `TAYBERRY_PROGRAM` names the program to test (a release build is several times as fast as this profile's).

#[path = "../cli/program.rs"]
mod program;

mod boot;
mod console;
mod linux;
mod terminal;
mod uboot;

use std::path::{Path, PathBuf};

/// The folder with Debian's files, if it is there.
fn debian() -> Option<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/debian");
    let folder = std::env::var_os("TAYBERRY_DEBIAN").map_or_else(default, PathBuf::from);
    // Written last.
    if folder.join("versions.txt").exists() {
        return folder.canonicalize().ok();
    }
    println!("debian: skipped, there is nothing in {}: guest/debian/fetch.sh gets it", folder.display());
    None
}
