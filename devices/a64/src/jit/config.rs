//! What a translator is asked for, and what it says of its work.

/// How guest code is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JitConfig {
    /// Bytes of host code that a core keeps; when they are spent all of it is dropped and made anew.
    pub cache_bytes: usize,
    /// How often a block is interpreted before it is translated.
    pub threshold: u16,
    /// Count memory accesses of translated code, for [`Counters::tlb_accesses`]. Costs an instruction a block.
    pub count_accesses: bool,
    /// Keep a list of translated regions for `perf` ([`Counters`] has none of it).
    pub perf_map: bool,
    /// Count what each region executes, for [`crate::Core::hot_regions`].
    pub profile: bool,
}

impl Default for JitConfig {
    fn default() -> Self {
        Self { cache_bytes: 16 << 20, threshold: 200, count_accesses: false, perf_map: false, profile: false }
    }
}

/// What a core has executed, and how, since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Instructions that the interpreter retired.
    pub interpreted: u64,
    /// Instructions that translated code retired.
    pub jitted: u64,
    /// Regions translated.
    pub regions: u64,
    /// Instructions in them.
    pub region_instructions: u64,
    /// Bytes of host code made for them.
    pub code_bytes: u64,
    /// Nanoseconds of host time spent translating.
    pub compile_ns: u64,
    /// Times that all code was dropped for want of room.
    pub flushes: u64,
    /// Regions dropped because the guest wrote to their code.
    pub stale: u64,
    /// Memory accesses of translated code, where [`JitConfig::count_accesses`] asks for it.
    pub tlb_accesses: u64,
    /// Accesses that took the slow path: not in the TLB, unaligned, a device, a page with code.
    pub tlb_misses: u64,
    /// Why translated code was left.
    pub exits: Exits,
}

impl Counters {
    /// Number of counters.
    pub const COUNT: usize = 15;

    /// Every counter, always in the same order: for those who copy or add them up.
    pub fn each(&mut self) -> [&mut u64; Self::COUNT] {
        // No `..`: a new counter is an error here.
        let Self {
            interpreted,
            jitted,
            regions,
            region_instructions,
            code_bytes,
            compile_ns,
            flushes,
            stale,
            tlb_accesses,
            tlb_misses,
            exits,
        } = self;
        let Exits { budget, attention, unlinked, system, exception } = exits;
        [
            interpreted,
            jitted,
            regions,
            region_instructions,
            code_bytes,
            compile_ns,
            flushes,
            stale,
            tlb_accesses,
            tlb_misses,
            budget,
            attention,
            unlinked,
            system,
            exception,
        ]
    }
}

/// How often translated code was left, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exits {
    /// The budget was spent.
    pub budget: u64,
    /// The doorbell rang.
    pub attention: u64,
    /// The code at the target was not known, or not linked yet.
    pub unlinked: u64,
    /// An instruction that may change what follows, or stopped the core.
    pub system: u64,
    /// An exception was taken.
    pub exception: u64,
}

/// A region of translated code, and what was executed in it since the core was made, over all its translations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HotRegion {
    /// Virtual address of its first entry.
    pub pc: u64,
    /// Physical address of the same.
    pub pa: u64,
    /// Instructions that it consists of.
    pub instructions: u32,
    /// Instructions retired in it.
    pub executed: u64,
}
