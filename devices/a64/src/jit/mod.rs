//! Translation of guest code to host code.

mod config;

pub use config::{Counters, Exits, JitConfig};
