//! Options about semihosting: what a guest may ask of the host by HLT #0xF000.

use crate::args::Config;
use crate::report::Unusable;
use clap::Args;
use std::path::PathBuf;
use std::sync::Arc;
use tayberry_bcm2837::semihosting::{Directory, SemihostingOptions};
use tayberry_engine::serial::CONSOLE;

/// Options about semihosting.
#[derive(Debug, Args)]
pub struct SemihostingArgs {
    /// Semihosting: the guest's HLT #0xF000 is a call of Arm's semihosting interface, with a console (the serial port on stdio; stdout where there is
    /// none), a clock, its own exit status, and files in DIR and nowhere else [default: HLT is undefined, as on hardware]
    #[arg(long, value_name = "DIR")]
    semihosting: Option<PathBuf>,

    /// Semihosting without files: console, clock and exit status
    #[arg(long, conflicts_with = "semihosting")]
    semihosting_console: bool,
}

/// What a guest may ask of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SemihostingAccess {
    /// The directory that its files are in, if it has any.
    pub files: Option<PathBuf>,
    /// Its command line, if it is not the kernel's name and what is appended to it.
    pub command_line: Option<String>,
}

impl SemihostingArgs {
    /// What the options allow.
    pub fn access(self) -> Option<SemihostingAccess> {
        let given = self.semihosting.is_some() || self.semihosting_console;
        given.then_some(SemihostingAccess { files: self.semihosting, command_line: None })
    }
}

impl SemihostingAccess {
    /// Opens what there is to open for a run of a kernel.
    ///
    /// # Errors
    /// If the directory cannot be used.
    pub fn open(&self, config: &Config, kernel: &str) -> Result<SemihostingOptions, Unusable> {
        let open = |path: &PathBuf| {
            let opened = Directory::open(path).map(Arc::new);
            opened.map_err(|error| Unusable::new(format_args!("--semihosting {}: {error}", path.display())))
        };
        let command_line = self.command_line.clone().unwrap_or_else(|| match &config.append {
            Some(append) => format!("{kernel} {append}"),
            None => kernel.to_owned(),
        });
        Ok(SemihostingOptions {
            files: self.files.as_ref().map(open).transpose()?,
            port: config.stdio_port().unwrap_or(CONSOLE),
            command_line,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        semihosting: SemihostingArgs,
    }

    #[test]
    fn files_only_with_a_directory() {
        let access = |args: &[&str]| Command::try_parse_from(args).map(|command| command.semihosting.access()).map_err(|_| ());
        assert_eq!(access(&["tayberry"]), Ok(None));
        let files = access(&["tayberry", "--semihosting", "d"]).expect("good").expect("some");
        assert_eq!(files.files, Some("d".into()));
        let none = access(&["tayberry", "--semihosting-console"]).expect("good").expect("some");
        assert_eq!(none.files, None);
        assert_eq!(access(&["tayberry", "--semihosting", "d", "--semihosting-console"]), Err(()));
        assert_eq!(access(&["tayberry", "--semihosting"]), Err(()));
    }
}
