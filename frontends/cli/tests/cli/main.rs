//! The program as scripts see it: arguments, files, output, exit statuses.

mod headless;
mod program;
mod runs;
mod usage;
