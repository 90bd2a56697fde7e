//! What the tests of this crate run guests on.

use crate::bus::{Access, Bus, Lines, Maintenance, Posted, Timer};
use crate::core::{Config, Core, Run};
use crate::features::Features;
use crate::jit::JitConfig;
use std::sync::Arc;
use tayberry_ram::GuestRam;

/// Where test programs start.
pub(crate) const START: u64 = 0x8_0000;
/// Where RAM ends and the recording device begins.
pub(crate) const RAM_TOP: u64 = 0x40_0000;

/// A bus with one device that gives its address back and records writes.
#[derive(Debug, Default)]
pub(crate) struct TestBus {
    pub(crate) reads: Vec<Access>,
    pub(crate) writes: Vec<(Access, u64)>,
    pub(crate) broadcasts: Vec<Maintenance>,
    /// Device writes are posted.
    pub(crate) post: bool,
    /// The system counter at the start of a run.
    pub(crate) count: u64,
    /// Levels of the interrupt inputs.
    pub(crate) lines: Lines,
    /// How the timers were programmed.
    pub(crate) timers: Vec<(Timer, u32, u64)>,
    /// Levels of the performance monitors' interrupt, as they changed.
    pub(crate) pmu: Vec<bool>,
    /// Times that SEV was executed.
    pub(crate) events: u32,
    /// HLT #0xF000 is a call of the host.
    pub(crate) semihosting: bool,
}

impl Bus for TestBus {
    fn read(&mut self, at: Access) -> u64 {
        self.reads.push(at);
        at.pa & (u64::MAX >> (64 - 8 * u32::from(at.size)))
    }

    fn write(&mut self, at: Access, value: u64) -> Posted {
        self.writes.push((at, value));
        if self.post { Posted::Exit } else { Posted::Done }
    }

    fn counter(&mut self, retired: u64) -> u64 {
        self.count + retired
    }

    fn set_timer(&mut self, timer: Timer, ctl: u32, cval: u64) {
        self.timers.push((timer, ctl, cval));
    }

    fn interrupts(&mut self, _: u64) -> Lines {
        self.lines
    }

    fn send_event(&mut self) {
        self.events += 1;
    }

    fn set_pmu_interrupt(&mut self, asserted: bool) {
        self.pmu.push(asserted);
    }

    fn is_semihosting(&self) -> bool {
        self.semihosting
    }

    fn broadcast(&mut self, what: Maintenance) {
        self.broadcasts.push(what);
    }
}

/// A core with RAM and the bus.
pub(crate) struct Guest {
    pub(crate) core: Core,
    pub(crate) bus: TestBus,
    pub(crate) ram: Arc<GuestRam>,
}

impl Guest {
    /// With `words` at [`START`], and the program counter there.
    pub(crate) fn new(words: &[u32]) -> Self {
        Self::with_features(words, Features::default())
    }

    /// The same, of a core with extensions. `TAYBERRY_JIT=N` in the environment has all tests translate blocks after N turns.
    pub(crate) fn with_features(words: &[u32], features: Features) -> Self {
        let threshold = std::env::var("TAYBERRY_JIT").ok().map(|threshold| threshold.parse().unwrap_or(0));
        Self::with(words, features, threshold.map(|threshold| JitConfig { threshold, ..JitConfig::default() }))
    }

    /// The same, of a core that translates at once, as far as the host can.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "nothing is translated"))]
    pub(crate) fn translated(words: &[u32], cache_bytes: usize) -> Self {
        Self::with(words, Features::default(), Some(JitConfig { threshold: 0, cache_bytes, ..JitConfig::default() }))
    }

    fn with(words: &[u32], features: Features, jit: Option<JitConfig>) -> Self {
        let ram = Arc::new(GuestRam::new(RAM_TOP).expect("4 MiB"));
        let mut core = Core::new(Config { id: 0, ram: ram.clone(), ram_top: RAM_TOP, doorbell: Arc::default(), features, jit });
        core.pc = START;
        let guest = Self { core, bus: TestBus::default(), ram };
        guest.write(START, words);
        guest
    }

    /// Puts words into RAM, as a device does.
    pub(crate) fn write(&self, at: u64, words: &[u32]) {
        for (at, &word) in (at..).step_by(4).zip(words) {
            self.ram.write_u32(at, word).expect("in RAM");
        }
    }

    pub(crate) fn run(&mut self, budget: u64) -> Run {
        self.core.run(&mut self.bus, budget)
    }
}
