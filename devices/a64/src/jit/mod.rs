//! Translation of guest code to host code.

mod config;
mod host;
#[cfg_attr(not(all(test, unix)), expect(dead_code, reason = "for the translator"))]
mod perf;

pub use config::{Counters, Exits, HotRegion, JitConfig};
pub use host::{HostFeatures, Unavailable, available};
