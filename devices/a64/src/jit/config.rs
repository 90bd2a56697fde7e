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
}

impl Default for JitConfig {
    fn default() -> Self {
        Self { cache_bytes: 16 << 20, threshold: 40, count_accesses: false, perf_map: false }
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
