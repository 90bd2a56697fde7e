//! The program as scripts see it: arguments, files, output, exit statuses.

mod headless;
mod jit;
mod program;
mod runs;
mod usage;
