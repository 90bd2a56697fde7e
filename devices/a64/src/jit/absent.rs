//! No translator: the host's processor is one that there is no back end for.

use super::Ran;
use super::config::{HotRegion, JitConfig};
use crate::bus::Bus;
use crate::core::Core;

/// Nothing.
#[derive(Debug)]
pub(crate) struct Frame;

impl Frame {
    pub(crate) fn new() -> Self {
        Self
    }
}

/// There is none.
#[derive(Debug)]
pub(crate) enum Jit {}

impl Jit {
    pub(crate) fn new(_: JitConfig) -> Option<Box<Self>> {
        None
    }

    pub(crate) fn forget(&mut self) {}

    pub(crate) fn release(&mut self) {}

    pub(crate) fn forget_cut(&mut self) {}
}

impl Core {
    pub(crate) fn run_native(&mut self, _: &mut dyn Bus, _: u64) -> Ran {
        Ran::Short
    }

    pub(crate) fn warm(&mut self, _: &mut dyn Bus) -> bool {
        false
    }

    /// The `n` regions in which most was executed: none.
    pub fn hot_regions(&self, _: usize) -> Vec<HotRegion> {
        Vec::new()
    }
}
