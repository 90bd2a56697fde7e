//! The program as scripts see it: arguments, files, output, exit statuses.

mod program;
mod runs;
mod usage;
