//! Whether guest code is translated, and how.

use crate::args::JitOptions;
use crate::report::say;
use tayberry_bcm2837::JitConfig;
use tayberry_bcm2837::jit::Unavailable;

/// Code memory of a core is a whole number of these bytes.
const UNIT: usize = 1 << 16;

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// How each core translates. `None`: it interprets.
    pub config: Option<JitConfig>,
    /// Why nothing is translated, unless the user wants it so.
    pub unavailable: Option<Unavailable>,
}

impl Choice {
    /// Decides for `cores` cores on a host where translation is `available`. `counted`: statistics are wanted; `profiled`: hot regions are.
    pub fn new(options: &JitOptions, cores: usize, available: Result<(), Unavailable>, counted: bool, profiled: bool) -> Self {
        if options.asked == Some(false) {
            return Self { config: None, unavailable: None };
        }
        if let Err(why) = available {
            return Self { config: None, unavailable: Some(why) };
        }
        let cache_bytes = (usize::from(options.cache_mib) << 20) / cores.max(1) / UNIT * UNIT;
        let JitOptions { threshold, perf_map, .. } = *options;
        let config = JitConfig { cache_bytes, threshold, count_accesses: counted, perf_map, profile: profiled };
        Self { config: Some(config), unavailable: None }
    }

    /// Says it if the user does not get what was asked for.
    pub fn tell(&self, options: &JitOptions) {
        let Some(why) = &self.unavailable else { return };
        match options.asked_option() {
            Some(option) => say(format_args!("{option}: {why}; guest code is interpreted")),
            None => tracing::info!(target: "jit", "{why}; guest code is interpreted"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tayberry_bcm2837::jit::HostFeatures;

    const DEFAULT: JitOptions = JitOptions { asked: None, cache_mib: 64, threshold: 7, perf_map: false };

    #[test]
    fn a_host_without_features_interprets() {
        let poor = HostFeatures::default().suffice();
        for asked in [None, Some(true)] {
            let choice = Choice::new(&JitOptions { asked, ..DEFAULT }, 4, poor.clone(), true, true);
            assert_eq!(choice.config, None);
            assert_eq!(choice.unavailable, poor.clone().err());
            assert!(choice.unavailable.is_some());
        }
        let off = Choice::new(&JitOptions { asked: Some(false), ..DEFAULT }, 4, poor, true, true);
        assert_eq!(off, Choice { config: None, unavailable: None });
    }

    #[test]
    fn only_what_was_asked_for_is_told_of() {
        assert_eq!(DEFAULT.asked_option(), None);
        assert_eq!(JitOptions { asked: Some(true), ..DEFAULT }.asked_option(), Some("--jit on"));
        assert_eq!(JitOptions { perf_map: true, ..DEFAULT }.asked_option(), Some("--perf-map"));
    }

    #[test]
    fn cores_share_the_cache() {
        let each = |cache_mib, cores| {
            let choice = Choice::new(&JitOptions { cache_mib, ..DEFAULT }, cores, Ok(()), false, false);
            choice.config.expect("translated").cache_bytes
        };
        assert_eq!((each(64, 4), each(64, 1), each(4, 4)), (16 << 20, 64 << 20, 1 << 20));
        assert!(each(64, 3) * 3 <= 64 << 20 && each(64, 3) * 3 > 63 << 20 && each(64, 3) % UNIT == 0);
        assert_eq!(each(1024, 1), 1 << 30);
    }

    #[test]
    fn what_costs_time_is_done_only_where_it_is_wanted() {
        let config =
            |options: JitOptions, counted, profiled| Choice::new(&options, 4, Ok(()), counted, profiled).config.expect("translated");
        assert_eq!(config(DEFAULT, false, false), JitConfig { threshold: 7, ..JitConfig::default() });
        assert!(config(DEFAULT, true, false).count_accesses && config(DEFAULT, false, true).profile);
        assert!(config(JitOptions { perf_map: true, ..DEFAULT }, false, false).perf_map);
        let off = Choice::new(&JitOptions { asked: Some(false), ..DEFAULT }, 4, Ok(()), true, true);
        assert_eq!(off.config, None);
    }
}
