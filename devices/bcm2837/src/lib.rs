//! Under construction.

pub mod framebuffer;
pub mod mailbox;
pub mod property;
