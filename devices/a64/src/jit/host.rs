//! What the translator needs of the host.

use std::fmt;

/// Extensions of an x86-64 host that translated code may use. All false elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostFeatures {
    /// SSE4.2.
    pub sse4_2: bool,
    /// AVX, and an operating system that keeps its registers.
    pub avx: bool,
    /// AVX2.
    pub avx2: bool,
    /// BMI1.
    pub bmi1: bool,
    /// BMI2.
    pub bmi2: bool,
    /// LZCNT.
    pub lzcnt: bool,
    /// POPCNT.
    pub popcnt: bool,
    /// FMA3.
    pub fma: bool,
}

impl HostFeatures {
    /// Asks the processor, and whether the operating system lets them be used.
    #[cfg(target_arch = "x86_64")]
    pub fn detect() -> Self {
        Self {
            sse4_2: is_x86_feature_detected!("sse4.2"),
            avx: is_x86_feature_detected!("avx"),
            avx2: is_x86_feature_detected!("avx2"),
            bmi1: is_x86_feature_detected!("bmi1"),
            bmi2: is_x86_feature_detected!("bmi2"),
            lzcnt: is_x86_feature_detected!("lzcnt"),
            popcnt: is_x86_feature_detected!("popcnt"),
            fma: is_x86_feature_detected!("fma"),
        }
    }

    /// Another architecture has none of them.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn detect() -> Self {
        Self::default()
    }

    /// Whether translated code can run: the level x86-64-v3 of the psABI as far as it is used.
    ///
    /// # Errors
    /// [`Unavailable::Features`], with what is missing.
    pub fn suffice(&self) -> Result<(), Unavailable> {
        let Self { sse4_2, avx, avx2, bmi1, bmi2, lzcnt, popcnt, fma } = *self;
        let needed = [
            ("SSE4.2", sse4_2),
            ("AVX", avx),
            ("AVX2", avx2),
            ("BMI1", bmi1),
            ("BMI2", bmi2),
            ("LZCNT", lzcnt),
            ("POPCNT", popcnt),
            ("FMA", fma),
        ];
        let missing: Vec<&str> = needed.into_iter().filter(|(_, there)| !there).map(|(name, _)| name).collect();
        if missing.is_empty() { Ok(()) } else { Err(Unavailable::Features(missing)) }
    }
}

/// Why guest code is not translated on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// There is no translator to this processor's instructions.
    Architecture,
    /// There is no way to have code memory that is never writable and executable at one address.
    System,
    /// The processor lacks these extensions.
    Features(Vec<&'static str>),
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Architecture => write!(f, "the JIT is for x86-64 hosts, this one is {}", std::env::consts::ARCH),
            Self::System => write!(f, "the JIT is for hosts with memory files (Linux), this one is {}", std::env::consts::OS),
            Self::Features(missing) => write!(f, "the JIT needs an x86-64-v3 processor, this one lacks {}", missing.join(", ")),
        }
    }
}

impl std::error::Error for Unavailable {}

/// Whether guest code can be translated on this host.
///
/// # Errors
/// Why not.
pub fn available() -> Result<(), Unavailable> {
    if !cfg!(target_arch = "x86_64") {
        return Err(Unavailable::Architecture);
    }
    if !cfg!(target_os = "linux") {
        return Err(Unavailable::System);
    }
    HostFeatures::detect().suffice()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: HostFeatures =
        HostFeatures { sse4_2: true, avx: true, avx2: true, bmi1: true, bmi2: true, lzcnt: true, popcnt: true, fma: true };

    #[test]
    fn a_processor_without_extensions_is_told_what_it_lacks() {
        assert_eq!(ALL.suffice(), Ok(()));
        let lacking = HostFeatures { avx2: false, fma: false, ..ALL };
        let why = lacking.suffice().expect_err("too old");
        assert_eq!(why, Unavailable::Features(vec!["AVX2", "FMA"]));
        assert!(why.to_string().ends_with("lacks AVX2, FMA"), "{why}");
        assert!(HostFeatures::default().suffice().is_err());
    }

    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    #[test]
    fn the_kernel_names_what_is_detected() {
        let info = std::fs::read_to_string("/proc/cpuinfo").expect("Linux");
        let flags = info.lines().find(|line| line.starts_with("flags")).expect("an x86 processor");
        let has = |flag: &str| flags.split_whitespace().any(|word| word == flag);
        let found = HostFeatures::detect();
        // Linux calls LZCNT by AMD's name of the set that it came with.
        assert_eq!((found.sse4_2, found.popcnt, found.lzcnt), (has("sse4_2"), has("popcnt"), has("abm")));
        assert_eq!((found.avx, found.avx2, found.fma), (has("avx"), has("avx2"), has("fma")));
        assert_eq!((found.bmi1, found.bmi2), (has("bmi1"), has("bmi2")));
        assert_eq!(available(), found.suffice());
    }
}
