//! The translator of a core: what is translated, where it is found again, and how it is entered.

use super::Ran;
use super::config::{HotRegion, JitConfig};
use super::host::available;
use super::memory::CodeMemory;
use super::perf::PerfMap;
use super::region::{self, Region};
use super::x64::{Counts, Emitter, Stubs};
use crate::bus::Bus;
use crate::core::Core;
use crate::decode::{Flow, Op};
use crate::mmu::Kind;
use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasherDefault;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tayberry_ram::{LINE_BYTES, PAGE_BYTES};

/// Why translated code was left.
pub(crate) mod exit {
    /// A handler raised an exception or changed the context: `Flow::Jump`.
    pub(crate) const JUMP: u32 = 1;
    /// As `Flow::Fault`.
    pub(crate) const FAULT: u32 = 2;
    /// As `Flow::Stop`.
    pub(crate) const STOP: u32 = 3;
    /// Little of the budget is left, or the doorbell rang.
    pub(crate) const LOOK: u32 = 4;
    /// A link leads nowhere yet: the frame says which.
    pub(crate) const UNLINKED: u32 = 5;
    /// No code is known for an address.
    pub(crate) const UNKNOWN: u32 = 6;
}

/// What translated code keeps in memory besides the core's registers.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Frame {
    /// The guest's address of the page that runs.
    pub(crate) page: u64,
    /// Address of the doorbell.
    pub(crate) doorbell: u64,
    /// Address of the first [`Lookup`].
    pub(crate) lookups: u64,
    /// The host's stack pointer.
    pub(crate) stack: u64,
    /// Instructions of the budget that are not in the host's register yet.
    pub(crate) reserve: u64,
    /// Address of the link that was not set.
    pub(crate) link: u64,
    /// Memory accesses, if they are counted, and those that the TLB did not answer.
    pub(crate) accesses: u64,
    pub(crate) misses: u64,
    /// A `&mut dyn Bus` while translated code runs.
    bus: [usize; 2],
    /// The guest's flags, as the back end has them.
    pub(crate) flags: u32,
    pub(crate) reason: u32,
    pub(crate) mxcsr: u32,
    pub(crate) host_mxcsr: u32,
    /// To the nearest, nothing raised, nothing trapped.
    pub(crate) clean_mxcsr: u32,
    /// Masks of scalars: the sign, and all but the sign.
    pub(crate) sign_single: [u32; 4],
    pub(crate) sign_double: [u64; 2],
    pub(crate) magnitude_single: [u32; 4],
    pub(crate) magnitude_double: [u64; 2],
}

impl Frame {
    pub(crate) fn new() -> Self {
        Self {
            page: 0,
            doorbell: 0,
            lookups: 0,
            stack: 0,
            reserve: 0,
            link: 0,
            accesses: 0,
            misses: 0,
            bus: [0; 2],
            flags: 0,
            reason: 0,
            mxcsr: 0,
            host_mxcsr: 0,
            clean_mxcsr: 0x1f80,
            sign_single: [1 << 31, 0, 0, 0],
            sign_double: [1 << 63, 0],
            magnitude_single: [u32::MAX >> 1, 0, 0, 0],
            magnitude_double: [u64::MAX >> 1, 0],
        }
    }
}

/// Where an address leads, for one context.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Lookup {
    pub(crate) pc: u64,
    /// Code that expects the address in RAX.
    pub(crate) code: u64,
    /// Code that is linked to.
    by_link: u64,
    /// 0 belongs to no context.
    pub(crate) tag: u32,
}

impl Lookup {
    const NONE: Self = Self { pc: 0, code: 0, by_link: 0, tag: 0 };
    /// Entries of the table; the back end multiplies by their size.
    pub(crate) const COUNT: usize = 4096;
}

const _: () = assert!(size_of::<Lookup>() == 32);

/// A way into a region.
#[derive(Clone, Copy, Debug)]
struct Native {
    code: u64,
    by_link: u64,
    generation: u32,
}

/// Instructions of budget below which the interpreter runs: with the margin of translated code, and its first block, something is sure to be executed.
const LEAST: u64 = 2 * region::MOST as u64;
/// Instructions that translated code is given at once; the rest is its reserve.
const FIRST: u64 = 2048;
/// Entries of the table of how often blocks were interpreted.
const HEATS: usize = 4096;
/// Bytes of code memory below which all code is dropped.
const LOW: usize = 256 << 10;

/// The translator of one core.
pub(crate) struct Jit {
    config: JitConfig,
    memory: CodeMemory,
    stubs: Stubs,
    /// Bytes that stay when code is dropped.
    stub_bytes: usize,
    lookups: Box<[Lookup]>,
    heats: Box<[u16]>,
    /// By physical address, and the bits of the tag that code depends on.
    natives: HashMap<u64, Native, BuildHasherDefault<crate::block::AddressHasher>>,
    /// Operations that code has the addresses of.
    ops: Vec<Box<[Op]>>,
    /// Address and tag at which the link in the frame was followed.
    link_leads_to: (u64, u32),
    perf: PerfMap,
    /// What each region has executed, if that is asked for.
    profile: Vec<Profile>,
}

/// What a region has executed.
struct Profile {
    region: HotRegion,
    /// Written by the region's code.
    executed: Box<AtomicU64>,
}

impl fmt::Debug for Jit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jit({} entries, {} bytes of code)", self.natives.len(), self.memory.used())
    }
}

impl Jit {
    /// A translator, or `None` where the host cannot run its code or has no memory for it.
    pub(crate) fn new(config: JitConfig) -> Option<Box<Self>> {
        if let Err(why) = available() {
            tracing::warn!(target: "jit", "{why}: all code is interpreted");
            return None;
        }
        let mut memory = match CodeMemory::new(config.cache_bytes.max(4 * LOW)) {
            Ok(memory) => memory,
            Err(error) => {
                tracing::warn!(target: "jit", "no memory for translated code, so that all of it is interpreted: {error}");
                return None;
            }
        };
        let stubs = Stubs::make(&mut memory)?;
        let stub_bytes = memory.used();
        Some(Box::new(Self {
            config,
            memory,
            stubs,
            stub_bytes,
            lookups: vec![Lookup::NONE; Lookup::COUNT].into(),
            heats: vec![0; HEATS].into(),
            natives: HashMap::default(),
            ops: Vec::new(),
            link_leads_to: (0, 0),
            perf: PerfMap::default(),
            profile: Vec::new(),
        }))
    }

    fn slot(pc: u64) -> usize {
        (pc >> 2) as usize % Lookup::COUNT
    }

    /// Drops all code. Only between runs of it.
    fn clear(&mut self) {
        self.lookups.fill(Lookup::NONE);
        self.natives.clear();
        self.ops.clear();
        self.memory.truncate(self.stub_bytes);
    }

    /// Drops all code and gives its memory back to the host. Only between runs.
    pub(crate) fn release(&mut self) {
        self.clear();
        self.ops.shrink_to_fit();
        self.natives.shrink_to_fit();
        self.memory.release();
    }

    /// Forgets what was found by virtual address. Code that runs goes on until it leaves its page.
    pub(crate) fn forget(&mut self) {
        self.lookups.fill(Lookup::NONE);
        self.link_leads_to = (0, 0);
    }

    fn remember(&mut self, pc: u64, tag: u32, native: Native) {
        let Native { code, by_link, .. } = native;
        self.lookups[Self::slot(pc)] = Lookup { pc, code, by_link, tag };
    }
}

/// The bits of a context's tag that code depends on, below the address of an instruction: FP traps, and FPCR's modes.
fn code_tag(tag: u32) -> u64 {
    u64::from(tag & 1 | tag >> 2 & 2)
}

impl Core {
    /// Runs translated code at the PC for at most `left` instructions, if there is any.
    #[inline]
    pub(crate) fn run_native(&mut self, bus: &mut dyn Bus, left: u64) -> Ran {
        let Some(jit) = self.jit.as_deref_mut() else { return Ran::Short };
        let Lookup { pc, code, by_link, tag } = jit.lookups[Jit::slot(self.pc)];
        if pc != self.pc || tag != self.tag {
            return Ran::Unknown;
        }
        if left < LEAST {
            return Ran::Short;
        }
        let link = std::mem::take(&mut self.frame.link);
        if link != 0 && jit.link_leads_to == (pc, tag) {
            jit.memory.set_word(link as *const u8, by_link);
        }
        let enter = jit.stubs.enter;
        self.trail.enter_translated(pc, self.run_retired);
        self.frame.lookups = jit.lookups.as_ptr() as u64;
        self.frame.doorbell = std::sync::Arc::as_ptr(&self.config.doorbell) as u64;
        // SAFETY: a fat pointer has the size of two words; the frame's is used only by `execute`, below this call.
        self.frame.bus = unsafe { std::mem::transmute::<*mut dyn Bus, [usize; 2]>(std::mem::transmute::<&mut dyn Bus, *mut dyn Bus>(bus)) };
        let before = self.run_retired;
        let first = left.min(FIRST);
        self.frame.reserve = left - first;
        // SAFETY: `enter` is the shared code of that signature, `code` the entry of a region that is in memory: both are dropped only between runs.
        // The code changes the core as the interpreter would, through the pointer that it is given, and nothing else refers to it meanwhile.
        let reason = unsafe {
            let enter: unsafe extern "sysv64" fn(*mut Core, u64, u64) -> u32 = std::mem::transmute(enter);
            enter(self, code, first)
        };
        self.frame.bus = [0; 2];
        self.link = crate::block::NO_LINK;
        self.counters.jitted += self.run_retired - before;
        self.counters.tlb_accesses += std::mem::take(&mut self.frame.accesses);
        self.counters.tlb_misses += std::mem::take(&mut self.frame.misses);
        let exits = &mut self.counters.exits;
        match reason {
            exit::LOOK if self.config.doorbell.load(std::sync::atomic::Ordering::Relaxed) != 0 => exits.attention += 1,
            exit::LOOK => exits.budget += 1,
            exit::UNLINKED | exit::UNKNOWN => exits.unlinked += 1,
            exit::FAULT => exits.exception += 1,
            _ => exits.system += 1,
        }
        if reason != exit::UNLINKED {
            self.frame.link = 0;
        } else if let Some(jit) = self.jit.as_deref_mut() {
            jit.link_leads_to = (self.pc, self.tag);
        }
        if reason == exit::STOP { Ran::Stopped } else { Ran::On }
    }

    /// The `n` regions in which most was executed since the core was made, the hottest first. Empty without [`JitConfig::profile`].
    pub fn hot_regions(&self, n: usize) -> Vec<HotRegion> {
        let Some(jit) = self.jit.as_deref() else { return Vec::new() };
        let executed = |profile: &Profile| HotRegion { executed: profile.executed.load(Ordering::Relaxed), ..profile.region };
        let mut regions: Vec<HotRegion> = jit.profile.iter().map(executed).collect();
        regions.sort_by_key(|region| std::cmp::Reverse(region.executed));
        regions.truncate(n);
        regions
    }

    /// Notes that the interpreter is about to run the block at the PC. True if there is translated code for it now.
    pub(crate) fn warm(&mut self, bus: &mut dyn Bus) -> bool {
        let Some(jit) = self.jit.as_deref_mut() else { return false };
        let heat = &mut jit.heats[Jit::slot(self.pc)];
        *heat += 1;
        if *heat & 3 != 3 && *heat <= jit.config.threshold {
            return false;
        }
        let hot = *heat > jit.config.threshold;
        if hot {
            *heat = 0;
        }
        self.find_native(bus, hot)
    }

    /// Looks for code of the block at the PC by its physical address, and makes it if there is none and it is `hot`.
    fn find_native(&mut self, bus: &mut dyn Bus, hot: bool) -> bool {
        let (pc, tag) = (self.pc, self.tag);
        let Ok(translation) = self.translate_cached(pc, Kind::Execute, self.el) else { return false };
        let pa = translation.pa;
        if pc & 3 != 0 || !self.is_ram(pa, 4) {
            return false;
        }
        let generation = self.config.ram.code().generation(pa);
        let key = pa | code_tag(tag);
        let Some(jit) = self.jit.as_deref_mut() else { return false };
        let known = jit.natives.get(&key).copied().filter(|native| native.generation == generation);
        let native = match known {
            Some(native) => native,
            None if hot => match self.translate_region(bus, pa, generation) {
                Some(native) => native,
                None => return false,
            },
            None => return false,
        };
        self.note_code(pc);
        if let Some(jit) = self.jit.as_deref_mut() {
            jit.remember(pc, tag, native);
        }
        true
    }

    /// Makes the region that is entered at `pa`.
    fn translate_region(&mut self, bus: &mut dyn Bus, pa: u64, generation: u32) -> Option<Native> {
        let started = Instant::now();
        let ram = self.config.ram.clone();
        let page = pa & !(PAGE_BYTES - 1);
        let mut first_mark = false;
        let mut line = u64::MAX;
        let context = region::Context { fp_off: self.tag & 1 != 0, fp_mode: self.tag & 8 != 0 };
        let region = Region::discover(((pa - page) / 4) as usize, self.config.features, context, |word| {
            let at = page + 4 * word as u64;
            // Marked before the words are read: see `CodeMap`.
            if at / LINE_BYTES != line {
                line = at / LINE_BYTES;
                first_mark |= ram.code().mark(at);
            }
            ram.read_u32(at)
        });
        if first_mark {
            self.flush_write_tlb();
            bus.broadcast(crate::bus::Maintenance::WriteTlb);
        }
        let jit = self.jit.as_deref_mut()?;
        if jit.memory.room() < LOW {
            jit.clear();
            self.counters.flushes += 1;
            self.frame.link = 0;
        }
        let jit = self.jit.as_deref_mut()?;
        let executed = jit.config.profile.then(|| {
            let region = HotRegion { pc: self.pc, pa, instructions: region.instrs.len() as u32, executed: 0 };
            jit.profile.push(Profile { region, executed: Box::default() });
            jit.profile.last().map_or(0, |profile| &raw const *profile.executed as u64)
        });
        let linear = self.tlb.read.is_linear();
        let counts = Counts { accesses: jit.config.count_accesses, executed };
        let made = Emitter::make(&region, &jit.stubs, jit.memory.next(), counts, linear)?;
        let base = jit.memory.place(&made.code)? as u64;
        if jit.config.perf_map {
            jit.perf.add(base as *const u8, made.code.len(), self.pc);
        }
        jit.ops.push(made.ops);
        let mut entry = None;
        for (word, by_address, by_link) in made.entries {
            let native = Native { code: base + by_address as u64, by_link: base + by_link as u64, generation };
            let at = page + 4 * u64::from(word);
            let key = at | code_tag(self.tag);
            if at == pa {
                entry = Some(native);
                if jit.natives.insert(key, native).is_some_and(|old| old.generation != generation) {
                    self.counters.stale += 1;
                }
            } else {
                // Another region that starts there knows more of what follows.
                let known = jit.natives.entry(key).or_insert(native);
                if known.generation != generation {
                    *known = native;
                }
            }
        }
        let ns = started.elapsed().as_nanos() as u64;
        let counters = &mut self.counters;
        counters.regions += 1;
        counters.region_instructions += region.instrs.len() as u64;
        counters.code_bytes += made.code.len() as u64;
        counters.compile_ns += ns;
        tracing::debug!(
            target: "jit",
            core = self.config.id,
            "region at PC {:#x}: {} instructions, {} blocks, {} bytes, {ns} ns",
            self.pc, region.instrs.len(), region.blocks.len(), made.code.len()
        );
        entry
    }
}

/// Executes an operation by its handler for translated code. Zero: on to the next instruction.
///
/// # Safety
/// Called by translated code only, with the core that runs it and one of the operations that were made with it.
pub(crate) unsafe extern "sysv64" fn execute(core: *mut Core, op: *const Op) -> u32 {
    // SAFETY: translated code was given the core by `run_native`, which does not use it meanwhile; operations are dropped only between runs.
    let (core, op) = unsafe { (&mut *core, &*op) };
    // SAFETY: `run_native` has put its bus there, which it borrows for all of the run.
    let bus = unsafe { &mut *std::mem::transmute::<[usize; 2], *mut dyn Bus>(core.frame.bus) };
    match (op.exec)(core, bus, op) {
        Flow::Next => 0,
        Flow::Jump => exit::JUMP,
        Flow::Fault => exit::FAULT,
        Flow::Stop => exit::STOP,
    }
}

/// The same for the last instruction of a block: never zero.
///
/// # Safety
/// As for [`execute`].
pub(crate) unsafe extern "sysv64" fn execute_last(core: *mut Core, op: *const Op) -> u32 {
    // SAFETY: by contract.
    let reason = unsafe { execute(core, op) };
    if reason != 0 {
        return reason;
    }
    // SAFETY: as in `execute`.
    let core = unsafe { &mut *core };
    core.pc = core.pc.wrapping_add(4);
    core.run_retired += 1;
    exit::JUMP
}
