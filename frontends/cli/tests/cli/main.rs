//! The program as scripts see it: arguments, files, output, exit statuses.

mod boot;
mod cards;
mod crash;
mod expect;
mod frames;
mod headless;
mod host;
mod jit;
mod page;
mod past;
mod pins;
mod program;
mod qemu;
mod record;
mod replay;
mod runs;
mod screens;
mod semihosting;
mod sound;
mod steps;
mod traces;
mod typing;
mod usage;
