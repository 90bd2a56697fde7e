//! The ARM-local peripherals of the BCM2836/2837: what each core is interrupted by, mailboxes between the cores, the local timer.
//!
//! # Resources
//! - BCM2836 ARM-local peripherals, revision 3.4 (QA7).
//!
//! # Orderings
//! Everything here is atomic and may be touched by any core; interrupt levels are computed from it when a core asks. Mailbox bits are set with `SeqCst`
//! before the doorbell rings, so what a core wrote before it set a bit is visible to the core that is interrupted by it.

use crate::arm_interrupts::{ArmInterruptController, ArmInterrupts};
use crate::bells::Bells;
use crate::generic_timer::{GenericTimers, PRESCALER_UNITY, Timers};
use bevy_ecs::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use tayberry_a64::Lines;
use tayberry_engine::builder::MachineClock;
use tayberry_engine::{Archive, BusContext, BusView, Cell, Deadline, GuestTime, Inbox, MachineBuilder, Phase, Plugin, Served};

const BASE: u64 = 0x4000_0000;
const SIZE: u64 = 0x100;
/// Cores that the controller serves.
pub const CORES: usize = 4;

const CONTROL: u32 = 0x00; // Control register
const PRESCALER: u32 = 0x08; // Core timer prescaler
const GPU_ROUTING: u32 = 0x0c; // GPU interrupts routing
const PMU_SET: u32 = 0x10; // Performance monitor interrupts routing-set
const PMU_CLEAR: u32 = 0x14; // Performance monitor interrupts routing-clear
const CORE_TIMER_LOW: u32 = 0x1c; // Core timer access, least significant 32 bits
const CORE_TIMER_HIGH: u32 = 0x20; // Core timer access, most significant 32 bits
const LOCAL_ROUTING: u32 = 0x24; // Local interrupt 0 (local timer) routing
const AXI_COUNTERS: u32 = 0x2c; // AXI outstanding counters (RO)
const AXI_IRQ: u32 = 0x30; // AXI outstanding interrupt
const LOCAL_TIMER_CONTROL: u32 = 0x34; // Local timer control and status
const LOCAL_TIMER_CLEAR: u32 = 0x38; // Local timer IRQ clear and reload (WO)
const TIMER_CONTROL: u32 = 0x40; // Core n timers interrupt control, 4 registers
const MAILBOX_CONTROL: u32 = 0x50; // Core n mailboxes interrupt control, 4 registers
const IRQ_SOURCE: u32 = 0x60; // Core n IRQ source (RO), 4 registers
const FIQ_SOURCE: u32 = 0x70; // Core n FIQ source (RO), 4 registers
const MAILBOX_SET: u32 = 0x80; // Core n mailbox m write-set (WO), 16 registers
const MAILBOX_CLEAR: u32 = 0xc0; // Core n mailbox m read and write-high-to-clear, 16 registers

const CONTROL_APB: u32 = 1 << 8;
const CONTROL_BY_TWO: u32 = 1 << 9;
const SOURCE_MAILBOX: u32 = 4;
const SOURCE_GPU: u32 = 1 << 8;
const SOURCE_PMU: u32 = 1 << 9;
const SOURCE_LOCAL_TIMER: u32 = 1 << 11;
const LOCAL_TIMER_FLAG: u32 = 1 << 31;
const LOCAL_TIMER_IRQ: u32 = 1 << 29;
const LOCAL_TIMER_ENABLE: u32 = 1 << 28;
const LOCAL_TIMER_RELOAD: u32 = (1 << 28) - 1;
const LOCAL_TIMER_HZ: u64 = 38_400_000;

/// The controller's registers, shared by the bus and the cores.
#[derive(Debug)]
pub struct LocalController {
    timers: Arc<Timers>,
    gpu: Arc<ArmInterrupts>,
    bells: Arc<Bells>,
    inbox: Inbox,
    control: AtomicU32,
    prescaler: AtomicU32,
    gpu_routing: AtomicU32,
    pmu_routing: AtomicU32,
    /// Levels of the cores' performance monitor interrupts, a bit each, written by the core itself.
    pmu: AtomicU32,
    /// High half of the core timer, caught when the low half was read.
    timer_high: AtomicU32,
    /// Low half to be written together with the high half.
    timer_low: AtomicU32,
    local_routing: AtomicU32,
    axi_irq: AtomicU32,
    local_control: AtomicU32,
    local_flag: AtomicBool,
    /// When the local timer next reaches zero, whether or not anybody listens.
    local_expiry: Deadline,
    /// The same, for the scheduler: only while it will interrupt somebody.
    local_wake: Deadline,
    timer_control: [AtomicU32; CORES],
    mailbox_control: [AtomicU32; CORES],
    mailboxes: [[AtomicU32; 4]; CORES],
}

/// Core and mailbox (or register) number of an offset in an array of registers.
impl Cell for LocalController {
    fn pass(&self, archive: &mut Archive<'_>) {
        archive.cells(&[&self.inbox, &self.control, &self.prescaler, &self.gpu_routing, &self.pmu_routing, &self.pmu]);
        archive.cells(&[&self.timer_high, &self.timer_low, &self.local_routing, &self.axi_irq]);
        archive.cells(&[&self.local_control, &self.local_flag, &self.local_expiry, &self.local_wake]);
        archive.cells(&[&self.timer_control, &self.mailbox_control, &self.mailboxes]);
    }
}

/// The number of a register behind the first of its kind.
fn index(offset: u32, first: u32) -> usize {
    ((offset - first) / 4) as usize
}

impl LocalController {
    fn new(timers: Arc<Timers>, gpu: Arc<ArmInterrupts>, bells: Arc<Bells>, local_wake: Deadline) -> Self {
        Self {
            timers,
            gpu,
            bells,
            inbox: Inbox::default(),
            control: 0.into(),
            prescaler: PRESCALER_UNITY.into(),
            gpu_routing: 0.into(),
            pmu_routing: 0.into(),
            pmu: 0.into(),
            timer_high: 0.into(),
            timer_low: 0.into(),
            local_routing: 0.into(),
            axi_irq: 0.into(),
            local_control: 0.into(),
            local_flag: false.into(),
            local_expiry: Deadline::default(),
            local_wake,
            timer_control: Default::default(),
            mailbox_control: Default::default(),
            mailboxes: Default::default(),
        }
    }

    /// Interrupt sources of `core` as its IRQ and FIQ source registers show them (QA7 4.10).
    pub fn sources(&self, core: usize, now: impl FnOnce() -> GuestTime) -> (u32, u32) {
        if core >= CORES {
            return (0, 0);
        }
        let mut pending = self.timers.levels(core, now);
        for (bit, mailbox) in self.mailboxes[core].iter().enumerate() {
            pending |= u32::from(mailbox.load(SeqCst) != 0) << (SOURCE_MAILBOX as usize + bit);
        }
        // Per source: the FIQ enable overrides the IRQ enable.
        let (timer, mailbox) = (self.timer_control[core].load(SeqCst), self.mailbox_control[core].load(SeqCst));
        let fiq_enable = (timer >> 4 & 0xf) | (mailbox >> 4 & 0xf) << SOURCE_MAILBOX;
        let irq_enable = ((timer & 0xf) | (mailbox & 0xf) << SOURCE_MAILBOX) & !fiq_enable;
        let (mut irq, mut fiq) = (pending & irq_enable, pending & fiq_enable);
        let routing = self.gpu_routing.load(SeqCst);
        if routing & 3 == core as u32 && self.gpu.irq() {
            irq |= SOURCE_GPU;
        }
        if routing >> 2 & 3 == core as u32 && self.gpu.fiq() {
            fiq |= SOURCE_GPU;
        }
        if self.pmu.load(SeqCst) >> core & 1 != 0 {
            // Four bits of IRQ enables and four of FIQ enables, which override.
            let routing = self.pmu_routing.load(SeqCst) >> core;
            if routing & 0x10 != 0 {
                fiq |= SOURCE_PMU;
            } else if routing & 1 != 0 {
                irq |= SOURCE_PMU;
            }
        }
        if self.local_flag.load(SeqCst) && self.local_control.load(SeqCst) & LOCAL_TIMER_IRQ != 0 {
            let routing = self.local_routing.load(SeqCst);
            if routing & 3 == core as u32 {
                *(if routing & 4 == 0 { &mut irq } else { &mut fiq }) |= SOURCE_LOCAL_TIMER;
            }
        }
        (irq, fiq)
    }

    /// A core's performance monitors raise or drop their interrupt.
    pub fn set_pmu(&self, core: usize, asserted: bool) {
        let bit = 1 << core.min(CORES);
        if asserted {
            self.pmu.fetch_or(bit, SeqCst)
        } else {
            self.pmu.fetch_and(!bit, SeqCst)
        };
    }

    /// Levels of a core's interrupt inputs.
    pub fn lines(&self, core: usize, now: impl FnOnce() -> GuestTime) -> Lines {
        let (irq, fiq) = self.sources(core, now);
        Lines { irq: irq != 0, fiq: fiq != 0 }
    }

    /// Some source, as things are set, may interrupt `core`; what is not enabled or routed to it cannot. Others may change that.
    pub fn can_interrupt(&self, core: usize) -> bool {
        if core >= CORES {
            return false;
        }
        let own = (self.timer_control[core].load(SeqCst) | self.mailbox_control[core].load(SeqCst)) & 0xff != 0;
        let routing = self.gpu_routing.load(SeqCst);
        let gpu = routing & 3 == core as u32 || routing >> 2 & 3 == core as u32;
        let pmu = self.pmu_routing.load(SeqCst) >> core & 0x11 != 0;
        let local = self.local_control.load(SeqCst) & LOCAL_TIMER_IRQ != 0 && self.local_routing.load(SeqCst) & 3 == core as u32;
        own || gpu || pmu || local
    }

    fn local_period(&self) -> u64 {
        let reload = self.local_control.load(SeqCst) & LOCAL_TIMER_RELOAD;
        GuestTime::from_ticks(u64::from(reload.max(1)), LOCAL_TIMER_HZ).0
    }

    /// Brings the local timer's flag up to `now`.
    fn catch_up(&self, now: GuestTime) {
        let period = self.local_period();
        let next = |at: GuestTime| Some(at.plus(((now.0 - at.0) / period + 1).saturating_mul(period)));
        if self.local_expiry.take_due(now, next).is_some() {
            self.local_flag.store(true, SeqCst);
        }
    }

    fn restart_local_timer(&self, now: GuestTime) {
        let enabled = self.local_control.load(SeqCst) & LOCAL_TIMER_ENABLE != 0;
        self.local_expiry.set(enabled.then(|| now.plus(self.local_period())));
    }

    /// Phase::Signal: the flag, and the next deadline while an interrupt would come of it.
    fn signal(&self, now: GuestTime) {
        self.catch_up(now);
        let waited_for = self.local_control.load(SeqCst) & LOCAL_TIMER_IRQ != 0 && !self.local_flag.load(SeqCst);
        self.local_wake.set(self.local_expiry.get().filter(|_| waited_for));
    }

    /// Phase::Service: the counter's source, scale and value.
    fn serve(&self) {
        while let Some(write) = self.inbox.pop() {
            match write.offset {
                CONTROL => self.control.store(write.value & (CONTROL_APB | CONTROL_BY_TWO), SeqCst),
                PRESCALER => self.prescaler.store(write.value, SeqCst),
                _ => {
                    let count = u64::from(write.value) << 32 | u64::from(self.timer_low.load(SeqCst));
                    self.timers.counter.set_count(write.time, count);
                }
            }
            if write.offset != CORE_TIMER_HIGH {
                let control = self.control.load(SeqCst);
                let (apb, by_two) = (control & CONTROL_APB != 0, control & CONTROL_BY_TWO != 0);
                self.timers.counter.set_scale(write.time, apb, by_two, self.prescaler.load(SeqCst));
            }
            self.timers.rearm(write.time);
        }
    }

    /// True if a posted write would change nothing: boot stubs write the reset values.
    fn is_no_change(&self, offset: u32, value: u32) -> bool {
        self.inbox.is_empty()
            && match offset {
                CONTROL => value & (CONTROL_APB | CONTROL_BY_TWO) == self.control.load(SeqCst),
                _ => value == self.prescaler.load(SeqCst),
            }
    }

    fn set_mailbox(&self, core: usize, mailbox: usize, value: u32) {
        let before = self.mailboxes[core][mailbox].fetch_or(value, SeqCst);
        if before == 0 && value != 0 {
            self.bells.look(core);
        }
    }
}

impl BusView for LocalController {
    fn read(&self, offset: u32, at: &BusContext<'_>) -> u32 {
        match offset {
            CONTROL => self.control.load(SeqCst),
            PRESCALER => self.prescaler.load(SeqCst),
            GPU_ROUTING => self.gpu_routing.load(SeqCst),
            PMU_SET | PMU_CLEAR => self.pmu_routing.load(SeqCst),
            CORE_TIMER_LOW => {
                let count = self.timers.counter.count(at.now());
                self.timer_high.store((count >> 32) as u32, SeqCst);
                count as u32
            }
            CORE_TIMER_HIGH => self.timer_high.load(SeqCst),
            LOCAL_ROUTING => self.local_routing.load(SeqCst),
            AXI_COUNTERS => 0,
            AXI_IRQ => self.axi_irq.load(SeqCst),
            LOCAL_TIMER_CONTROL => {
                self.catch_up(at.now());
                self.local_control.load(SeqCst) | if self.local_flag.load(SeqCst) { LOCAL_TIMER_FLAG } else { 0 }
            }
            TIMER_CONTROL..MAILBOX_CONTROL => self.timer_control[index(offset, TIMER_CONTROL)].load(SeqCst),
            MAILBOX_CONTROL..IRQ_SOURCE => self.mailbox_control[index(offset, MAILBOX_CONTROL)].load(SeqCst),
            IRQ_SOURCE..FIQ_SOURCE => self.sources(index(offset, IRQ_SOURCE), || at.now()).0,
            FIQ_SOURCE..MAILBOX_SET => self.sources(index(offset, FIQ_SOURCE), || at.now()).1,
            MAILBOX_CLEAR..0x100 => {
                let index = index(offset, MAILBOX_CLEAR);
                self.mailboxes[index / 4][index % 4].load(SeqCst)
            }
            _ => 0,
        }
    }

    fn write(&self, offset: u32, value: u32, at: &BusContext<'_>) -> Served {
        match offset {
            CONTROL | PRESCALER if self.is_no_change(offset, value) => {}
            CONTROL | PRESCALER | CORE_TIMER_HIGH => return self.inbox.post(offset, value, at),
            CORE_TIMER_LOW => self.timer_low.store(value, SeqCst),
            GPU_ROUTING => {
                self.gpu_routing.store(value & 0xf, SeqCst);
                self.bells.look_all();
            }
            PMU_SET => {
                self.pmu_routing.fetch_or(value & 0xff, SeqCst);
                self.bells.look_all();
            }
            PMU_CLEAR => {
                self.pmu_routing.fetch_and(!value, SeqCst);
                self.bells.look_all();
            }
            LOCAL_ROUTING => {
                self.local_routing.store(value & 7, SeqCst);
                self.bells.look_all();
            }
            AXI_IRQ => self.axi_irq.store(value & 0x1f_ffff, SeqCst),
            LOCAL_TIMER_CONTROL => {
                let now = at.now();
                self.catch_up(now);
                let before = self.local_control.swap(value & !(LOCAL_TIMER_FLAG | 1 << 30), SeqCst);
                // Only enabling loads the counter: a new reload value counts from the next wrap on.
                if (before ^ value) & LOCAL_TIMER_ENABLE != 0 {
                    self.restart_local_timer(now);
                }
                return Served::EndSlice;
            }
            LOCAL_TIMER_CLEAR => {
                let now = at.now();
                self.catch_up(now);
                if value & LOCAL_TIMER_FLAG != 0 {
                    self.local_flag.store(false, SeqCst);
                }
                if value & 1 << 30 != 0 {
                    self.restart_local_timer(now);
                }
                return Served::EndSlice;
            }
            TIMER_CONTROL..MAILBOX_CONTROL => {
                let core = index(offset, TIMER_CONTROL);
                self.timer_control[core].store(value & 0xff, SeqCst);
                self.bells.look(core);
            }
            MAILBOX_CONTROL..IRQ_SOURCE => {
                let core = index(offset, MAILBOX_CONTROL);
                self.mailbox_control[core].store(value & 0xff, SeqCst);
                self.bells.look(core);
            }
            MAILBOX_SET..MAILBOX_CLEAR => {
                let index = index(offset, MAILBOX_SET);
                self.set_mailbox(index / 4, index % 4, value);
            }
            MAILBOX_CLEAR..0x100 => {
                let index = index(offset, MAILBOX_CLEAR);
                self.mailboxes[index / 4][index % 4].fetch_and(!value, SeqCst);
            }
            _ => {}
        }
        Served::Inline
    }
}

/// The controller, for systems and the cores.
#[derive(Resource, Clone, Debug)]
pub struct LocalInterrupts(pub Arc<LocalController>);

fn serve_writes(local: Res<LocalInterrupts>) {
    if !local.0.inbox.is_empty() {
        local.0.serve();
    }
}

fn signal_local_timer(clock: Res<MachineClock>, local: Res<LocalInterrupts>) {
    if local.0.local_expiry.get().is_some() || local.0.local_wake.get().is_some() {
        local.0.signal(clock.0.now());
    }
}

/// Adds the controller. Needs [`crate::generic_timer::GenericTimersPlugin`] and [`crate::arm_interrupts::ArmInterruptControllerPlugin`] before it.
#[derive(Clone, Copy, Debug)]
pub struct LocalControllerPlugin;

impl Plugin for LocalControllerPlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let timers = Arc::clone(&machine.world.resource::<GenericTimers>().0);
        let gpu = Arc::clone(&machine.world.resource::<ArmInterruptController>().0);
        let (bells, deadline) = (crate::core::bells(machine), machine.deadline());
        let local = Arc::new(LocalController::new(timers, gpu, bells, deadline));
        machine.map(BASE..BASE + SIZE, "local controller", Arc::clone(&local) as _);
        machine.part_of("local controller", Arc::clone(&local));
        machine.world.insert_resource(LocalInterrupts(local));
        machine.add_systems(Phase::Service, serve_writes).add_systems(Phase::Signal, signal_local_timer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm_interrupts::ArmInterruptControllerPlugin;
    use crate::generic_timer::GenericTimersPlugin;
    use tayberry_a64::Timer;
    use tayberry_engine::bench::Bench;

    fn bench() -> Bench {
        Bench::new(0x1000, CORES, |machine| {
            machine.install(&GenericTimersPlugin { cores: CORES }).install(&ArmInterruptControllerPlugin).install(&LocalControllerPlugin);
        })
    }

    fn at(register: u32) -> u64 {
        BASE + u64::from(register)
    }

    fn lines(bench: &Bench, core: usize) -> (bool, bool) {
        let lines = bench.world.resource::<LocalInterrupts>().0.lines(core, || bench.clock.now());
        (lines.irq, lines.fiq)
    }

    #[test]
    fn mailboxes_interrupt_their_core() {
        let bench = bench();
        for core in 0..4u32 {
            for mailbox in 0..4u32 {
                let (set, clear) = (at(MAILBOX_SET + core * 16 + mailbox * 4), at(MAILBOX_CLEAR + core * 16 + mailbox * 4));
                let control = at(MAILBOX_CONTROL + 4 * core);
                bench.write(set, 0x8000_0001);
                assert_eq!(lines(&bench, core as usize), (false, false));
                bench.write(control, 1 << mailbox);
                assert_eq!(lines(&bench, core as usize), (true, false));
                assert_eq!(bench.read(at(IRQ_SOURCE + 4 * core)), 0x10 << mailbox);
                bench.write(control, 0x11 << mailbox);
                assert_eq!(lines(&bench, core as usize), (false, true), "FIQ overrides");
                assert_eq!(bench.read(at(FIQ_SOURCE + 4 * core)), 0x10 << mailbox);
                assert_eq!(lines(&bench, (core as usize + 1) % 4), (false, false));
                bench.write(clear, 1);
                assert_eq!((bench.read(clear), bench.read(set)), (0x8000_0000, 0));
                bench.write(clear, 0x8000_0000);
                assert_eq!(lines(&bench, core as usize), (false, false));
            }
        }
    }

    #[test]
    fn gpu_interrupts_go_to_the_routed_core() {
        let bench = bench();
        bench.irq.line(57).set(true);
        bench.write(0x3F00_B214, 1 << 25);
        bench.write(0x3F00_B20C, 0x80 | 57);
        for (routing, irq, fiq) in [(0b0000, 0, 0), (0b0110, 2, 1), (0b1101, 1, 3)] {
            bench.write(at(GPU_ROUTING), routing);
            for core in 0..4 {
                assert_eq!(lines(&bench, core), (core == irq, core == fiq), "routing {routing:#b}, core {core}");
            }
        }
    }

    #[test]
    fn performance_monitors_interrupt_as_they_are_routed() {
        let bench = bench();
        let local = Arc::clone(&bench.world.resource::<LocalInterrupts>().0);
        local.set_pmu(2, true);
        assert_eq!(lines(&bench, 2), (false, false));
        bench.write(at(PMU_SET), 0b0100);
        assert_eq!((lines(&bench, 2), bench.read(at(IRQ_SOURCE + 8))), ((true, false), 1 << 9));
        bench.write(at(PMU_SET), 0b0100_0000);
        assert_eq!((lines(&bench, 2), bench.read(at(FIQ_SOURCE + 8))), ((false, true), 1 << 9));
        assert_eq!((lines(&bench, 1), bench.read(at(PMU_SET))), ((false, false), 0b0100_0100));
        bench.write(at(PMU_CLEAR), 0b0100_0000);
        local.set_pmu(1, true);
        assert_eq!((lines(&bench, 2), lines(&bench, 1)), ((true, false), (false, false)));
        local.set_pmu(2, false);
        assert_eq!(lines(&bench, 2), (false, false));
    }

    #[test]
    fn generic_timers_reach_their_source_bits() {
        let mut bench = bench();
        let timers = Arc::clone(&bench.world.resource::<GenericTimers>().0);
        for (bit, timer) in [Timer::SecurePhysical, Timer::Physical, Timer::Hypervisor, Timer::Virtual].into_iter().enumerate() {
            timers.set(2, timer, 1, 19_200 * (bit as u64 + 1), GuestTime(0));
        }
        bench.write(at(TIMER_CONTROL + 8), 0b0100_1011);
        for (ms, irq, fiq) in [(0, 0, 0), (1, 1, 0), (2, 3, 0), (3, 3, 4), (4, 11, 4)] {
            bench.tick_at(GuestTime(ms * 1_000_000));
            assert_eq!((bench.read(at(IRQ_SOURCE + 8)), bench.read(at(FIQ_SOURCE + 8))), (irq, fiq), "after {ms} ms");
            let next = (ms < 4).then(|| GuestTime((ms + 1) * 1_000_000));
            assert_eq!(bench.next_deadline(), next);
        }
    }

    #[test]
    fn the_local_timer_repeats_and_its_deadline_waits_for_the_acknowledgement() {
        let mut bench = bench();
        bench.write(at(LOCAL_ROUTING), 0b101);
        let control = LOCAL_TIMER_ENABLE | LOCAL_TIMER_IRQ | 38_400;
        assert_eq!(bench.write(at(LOCAL_TIMER_CONTROL), control), Served::EndSlice);
        bench.tick();
        assert_eq!(bench.next_deadline(), Some(GuestTime(1_000_000)));
        bench.tick_at(GuestTime(999_999));
        assert_eq!(lines(&bench, 1), (false, false));
        bench.tick_at(GuestTime(3_500_000));
        assert_eq!(lines(&bench, 1), (false, true));
        assert_eq!(bench.read(at(FIQ_SOURCE + 4)), SOURCE_LOCAL_TIMER);
        assert_eq!(bench.read(at(LOCAL_TIMER_CONTROL)), control | LOCAL_TIMER_FLAG);
        assert_eq!(bench.next_deadline(), None);
        bench.write(at(LOCAL_TIMER_CLEAR), LOCAL_TIMER_FLAG);
        bench.tick();
        assert_eq!((lines(&bench, 1), bench.next_deadline()), ((false, false), Some(GuestTime(4_000_000))));
        bench.write(at(LOCAL_TIMER_CLEAR), 1 << 30);
        bench.tick();
        assert_eq!(bench.next_deadline(), Some(GuestTime(4_500_000)), "reloaded");
    }

    #[test]
    fn the_core_timer_is_read_in_halves_and_can_be_scaled_and_set() {
        let mut bench = bench();
        let read = |bench: &Bench| u64::from(bench.read(at(CORE_TIMER_LOW))) | u64::from(bench.read(at(CORE_TIMER_HIGH))) << 32;
        bench.tick_at(GuestTime(1_000_000_000_000));
        assert_eq!(read(&bench), 19_200_000_000);
        assert_eq!(bench.write(at(PRESCALER), PRESCALER_UNITY), Served::Inline, "no change");
        assert_eq!(bench.write(at(PRESCALER), PRESCALER_UNITY / 2), Served::EndSlice);
        bench.write(at(CORE_TIMER_LOW), 7);
        bench.write(at(CORE_TIMER_HIGH), 1);
        bench.tick();
        assert_eq!(read(&bench), 1 << 32 | 7);
        bench.tick_at(GuestTime(1_001_000_000_000));
        assert_eq!(read(&bench), (1 << 32) + 7 + 9_600_000);
    }
}
