//! Where there are no vector kernels.

use super::{Canvas, Converter};
use crate::display::source::Guest;

/// A palette as vector kernels want it.
#[derive(Clone, Debug)]
pub(super) struct Planes;

impl Planes {
    pub(super) fn new(_: &[u32; 256]) -> Self {
        Self
    }
}

/// A set of vector kernels: there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::display) enum Level {}

impl Level {
    pub(super) fn usable() -> impl Iterator<Item = Self> {
        std::iter::empty()
    }

    pub(super) fn name(self) -> &'static str {
        match self {}
    }

    pub(super) fn digest(self, _: Guest<'_>) -> u64 {
        match self {}
    }

    pub(super) fn paint(self, _: &Converter, _: Guest<'_>, _: Canvas<'_>, _: &mut [u64]) {
        match self {}
    }
}

pub(super) fn settle() {}

pub(super) fn cache_bytes() -> Option<usize> {
    None
}
