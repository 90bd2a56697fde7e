//! The program as scripts see it: arguments, files, output, exit statuses.

mod headless;
mod host;
mod jit;
mod page;
mod program;
mod runs;
mod usage;
