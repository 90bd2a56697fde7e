//! The program as scripts see it: arguments, files, output, exit statuses.

mod headless;
mod host;
mod jit;
mod program;
mod runs;
mod screens;
mod usage;
