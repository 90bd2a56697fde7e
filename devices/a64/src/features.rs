//! Optional extensions of the architecture, chosen when a core is built.

use serde::{Deserialize, Serialize};

/// Which extensions a core has beyond those of the Pi 3's Cortex-A53. Instructions of the others are unallocated, and the ID registers do not tell of
/// them. Looked at when an instruction is decoded, never when it executes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Features {
    /// The Cryptographic Extension (ARM ARM A2.3): AES, SHA-1, SHA-256 and the product of 64-bit polynomials. The BCM2837 lacks it.
    pub crypto: bool,
}

impl Features {
    /// The extensions that [`Features::with`] knows.
    pub const NAMES: &'static [&'static str] = &["crypto"];

    /// With the extension of this name added; `None` if there is no such.
    pub fn with(self, name: &str) -> Option<Self> {
        match name {
            "crypto" => Some(Self { crypto: true }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_known_and_no_other() {
        for name in Features::NAMES {
            assert_ne!(Features::default().with(name), Some(Features::default()), "{name}");
        }
        assert_eq!(Features::default().with("sve"), None);
    }
}
