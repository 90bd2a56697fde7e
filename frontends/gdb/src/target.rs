//! What GDB asks of the machine, by visits between its ticks.

use crate::Traces;
use crate::arch::{A64, General, Register};
use crate::plan::{self, Actions, Plan, Wishes, with_core};
use crate::session::Event;
use crossbeam::channel::Sender;
use gdbstub::common::{Signal, Tid};
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::base::multithread::{
    MultiThreadBase, MultiThreadRangeStepping, MultiThreadRangeSteppingOps, MultiThreadResume, MultiThreadResumeOps,
    MultiThreadSchedulerLocking, MultiThreadSchedulerLockingOps, MultiThreadSingleStep, MultiThreadSingleStepOps,
};
use gdbstub::target::ext::base::reverse_exec::{ReverseContOps, ReverseStepOps};
use gdbstub::target::ext::base::single_register_access::{SingleRegisterAccess, SingleRegisterAccessOps};
use gdbstub::target::ext::breakpoints::{
    Breakpoints, BreakpointsOps, HwBreakpoint, HwBreakpointOps, HwWatchpoint, HwWatchpointOps, SwBreakpoint, SwBreakpointOps, WatchKind,
};
use gdbstub::target::ext::monitor_cmd::{ConsoleOutput, MonitorCmd, MonitorCmdOps};
use gdbstub::target::ext::thread_extra_info::{ThreadExtraInfo, ThreadExtraInfoOps};
use gdbstub::target::{TargetError, TargetResult};
use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tayberry_a64::debugger::{Step, Watch, Watchpoint};
use tayberry_a64::{Bus, Core};
use tayberry_engine::builder::Ram;
use tayberry_engine::handle::MachineHandle;
use tayberry_engine::journal::Reader;
use tayberry_engine::machine::Machine;

/// GDB's error numbers.
const FAULT: u8 = 14;
const INVALID: u8 = 22;

/// The machine as GDB sees it.
pub struct Target {
    pub handle: MachineHandle,
    pub wishes: Arc<Wishes>,
    pub events: Sender<Event>,
    pub deterministic: bool,
    pub plan: Plan,
    /// Addresses that have breakpoints, software and hardware, once for each time that GDB has set one.
    software: Vec<u64>,
    hardware: Vec<u64>,
    actions: Actions,
    continued: Vec<usize>,
    locked: bool,
    cores: usize,
    current: usize,
    /// Addresses are physical.
    pub physical: bool,
    /// Interrupts are taken while steps are.
    pub step_interrupts: bool,
    no_acks: bool,
    pub journal: Reader,
    /// The last messages to the mailboxes.
    pub messages: VecDeque<String>,
    pub traces: Box<dyn Traces>,
}

impl Target {
    pub fn new(handle: &MachineHandle, wishes: Arc<Wishes>, events: Sender<Event>, deterministic: bool, traces: Box<dyn Traces>) -> Self {
        Self {
            journal: handle.journal(),
            handle: handle.clone(),
            wishes,
            events,
            deterministic,
            plan: Plan::default(),
            software: Vec::new(),
            hardware: Vec::new(),
            actions: Actions::default(),
            continued: Vec::new(),
            locked: false,
            cores: 0,
            current: 0,
            physical: false,
            step_interrupts: deterministic,
            no_acks: false,
            messages: VecDeque::new(),
            traces,
        }
    }

    /// The thread that a core is.
    pub fn tid(core: usize) -> Tid {
        Tid::MIN.saturating_add(core)
    }

    pub fn core_of(tid: Tid) -> usize {
        tid.get() - 1
    }

    /// Stops the machine for a new connection. False if it has ended.
    pub fn attach(&mut self) -> bool {
        self.wishes.held.store(true, Ordering::Relaxed);
        self.next_epoch();
        let cores = self.handle.control.ask(|machine| {
            plan::halt(machine);
            let mut cores = 0;
            machine.each_core(&mut |_, _| cores += 1);
            cores
        });
        (self.cores, self.current, self.physical, self.no_acks) = (cores.unwrap_or(0), 0, false, false);
        cores.is_some()
    }

    /// Forgets everything and lets the machine run.
    pub fn let_go(&mut self) {
        self.plan = Plan::default();
        (self.software, self.hardware) = (Vec::new(), Vec::new());
        self.wishes.plan.store(Arc::default());
        self.wishes.held.store(false, Ordering::Relaxed);
        self.next_epoch();
        self.handle.control.ask(plan::let_go);
    }

    pub fn kill(&mut self) {
        self.handle.control.stop();
    }

    /// Stops the machine; the core that GDB is told of.
    pub fn interrupt(&mut self) -> usize {
        self.wishes.held.store(true, Ordering::Relaxed);
        self.handle.control.ask(plan::halt);
        self.current
    }

    /// All that GDB has set.
    pub fn whole_plan(&self) -> Plan {
        Plan { breakpoints: self.software.iter().chain(&self.hardware).copied().collect(), ..self.plan.clone() }
    }

    /// The machine goes on as it was told to.
    pub fn proceed(&mut self) {
        let plan = self.whole_plan();
        self.wishes.plan.store(Arc::new(plan.clone()));
        self.wishes.held.store(false, Ordering::Relaxed);
        let only = self.locked.then(|| self.actions.steps.iter().map(|(core, _)| *core).chain(self.continued.iter().copied()).collect());
        let actions = Actions { only, hold_interrupts: !self.step_interrupts, ..self.actions.clone() };
        self.handle.control.ask(move |machine| plan::go_on(machine, &plan, &actions));
    }

    pub fn next_epoch(&self) {
        self.wishes.epoch.fetch_add(1, Ordering::Relaxed);
    }

    pub fn epoch(&self) -> u64 {
        self.wishes.epoch.load(Ordering::Relaxed)
    }

    /// The core that GDB has last looked at, or been told of.
    pub fn current(&self) -> usize {
        self.current
    }

    /// GDB is told of a stop of this core.
    pub fn stopped(&mut self, core: usize) {
        self.current = core;
        self.wishes.held.store(true, Ordering::Relaxed);
        self.handle.control.ask(plan::halt);
    }

    /// The core was told to step.
    pub fn steps(&self, core: usize) -> bool {
        self.actions.steps.iter().any(|(stepping, _)| *stepping == core)
    }

    pub fn is_hardware(&self, address: u64) -> bool {
        self.hardware.contains(&address) && !self.software.contains(&address)
    }

    /// Packets are not acknowledged.
    pub fn no_acks(&self) -> bool {
        self.no_acks
    }

    pub fn set_no_acks(&mut self) {
        self.no_acks = true;
    }

    /// Does something with a core, on the machine's thread.
    pub fn with<T: Send + 'static>(&self, core: usize, visit: impl FnOnce(&mut Core, &mut dyn Bus) -> T + Send + 'static) -> Option<T> {
        self.handle.control.ask(move |machine| with_core(machine, core, visit)).flatten()
    }

    fn read_memory(&self, core: usize, address: u64, len: usize) -> Vec<u8> {
        let read = move |core: &mut Core, _: &mut dyn Bus| {
            let mut bytes = vec![0; len];
            let len = core.debug_read(address, &mut bytes);
            bytes.truncate(len);
            bytes
        };
        if self.physical { self.read_physical(address, len) } else { self.with(core, read).unwrap_or_default() }
    }

    /// Bytes of RAM, as many as there are.
    pub fn read_physical(&self, address: u64, len: usize) -> Vec<u8> {
        let read = move |machine: &mut Machine| {
            let ram = Arc::clone(&machine.world().resource::<Ram>().0);
            let len = visible(address, len);
            let mut bytes = vec![0; len];
            ram.copy_out(address, &mut bytes).map(|()| bytes)
        };
        self.handle.control.ask(read).flatten().unwrap_or_default()
    }

    fn write_physical(&self, address: u64, bytes: Vec<u8>) -> bool {
        let write = move |machine: &mut Machine| {
            let ram = Arc::clone(&machine.world().resource::<Ram>().0);
            visible(address, bytes.len()) == bytes.len() && ram.copy_in(address, &bytes).is_some()
        };
        self.handle.control.ask(write).unwrap_or(false)
    }
}

/// How many of `len` bytes lie below the peripherals, which hide the RAM behind them.
fn visible(address: u64, len: usize) -> usize {
    let left = tayberry_bcm2837::core::PERIPHERALS.saturating_sub(address);
    len.min(usize::try_from(left).unwrap_or(usize::MAX))
}

/// A register's bytes.
fn read_register(core: &mut Core, bus: &mut dyn Bus, register: Register) -> Option<Vec<u8>> {
    Some(match register {
        Register::X(n) => core.x.get(n)?.to_le_bytes().to_vec(),
        Register::Sp => core.sp().to_le_bytes().to_vec(),
        Register::Pc => core.pc.to_le_bytes().to_vec(),
        Register::Cpsr => (core.pstate() as u32).to_le_bytes().to_vec(),
        Register::V(n) => core.fp.v.get(n)?.to_le_bytes().to_vec(),
        Register::Fpsr => core.fp.fpsr.to_le_bytes().to_vec(),
        Register::Fpcr => core.fp.fpcr.to_le_bytes().to_vec(),
        Register::System(index) => core.read_system(bus, index)?.to_le_bytes().to_vec(),
    })
}

/// Writes a register. False if it cannot be written.
fn write_register(core: &mut Core, bus: &mut dyn Bus, register: Register, bytes: &[u8]) -> bool {
    let mut wide = [0; 16];
    let len = bytes.len().min(16);
    wide[..len].copy_from_slice(&bytes[..len]);
    let value = u128::from_le_bytes(wide);
    let (word, half) = (value as u64, value as u32);
    match register {
        Register::X(n) if n < 31 => core.x[n] = word,
        Register::X(_) => return false,
        Register::Sp => core.set_sp(word),
        Register::Pc => core.pc = word,
        Register::Cpsr => core.set_pstate(word),
        Register::V(n) => core.fp.v[n % 32] = value,
        Register::Fpsr => core.fp.fpsr = half & 0xf800_009f,
        Register::Fpcr => {
            core.fp.fpcr = half & 0x07c0_0000;
            core.context_changed();
        }
        Register::System(index) => return core.write_system(bus, index, word),
    }
    true
}

impl gdbstub::target::Target for Target {
    type Arch = A64;
    type Error = Infallible;

    fn base_ops(&mut self) -> BaseOps<'_, A64, Infallible> {
        BaseOps::MultiThread(self)
    }

    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Self>> {
        Some(self)
    }

    fn support_monitor_cmd(&mut self) -> Option<MonitorCmdOps<'_, Self>> {
        Some(self)
    }
}

impl MultiThreadBase for Target {
    fn read_registers(&mut self, registers: &mut General, tid: Tid) -> TargetResult<(), Self> {
        self.current = Self::core_of(tid);
        let read = |core: &mut Core, bus: &mut dyn Bus| {
            General::all().filter_map(|register| read_register(core, bus, register)).flatten().collect()
        };
        registers.0 = self.with(self.current, read).ok_or(TargetError::Errno(INVALID))?;
        Ok(())
    }

    fn write_registers(&mut self, registers: &General, tid: Tid) -> TargetResult<(), Self> {
        let bytes = registers.0.clone();
        let write = move |core: &mut Core, bus: &mut dyn Bus| {
            let mut at = 0;
            for register in General::all() {
                let Some(value) = bytes.get(at..at + register.size()) else { break };
                write_register(core, bus, register, value);
                at += register.size();
            }
        };
        self.with(Self::core_of(tid), write).ok_or(TargetError::Errno(INVALID))
    }

    fn support_single_register_access(&mut self) -> Option<SingleRegisterAccessOps<'_, Tid, Self>> {
        Some(self)
    }

    fn read_addrs(&mut self, address: u64, data: &mut [u8], tid: Tid) -> TargetResult<usize, Self> {
        let bytes = self.read_memory(Self::core_of(tid), address, data.len());
        data[..bytes.len()].copy_from_slice(&bytes);
        if bytes.is_empty() && !data.is_empty() { Err(TargetError::Errno(FAULT)) } else { Ok(bytes.len()) }
    }

    fn write_addrs(&mut self, address: u64, data: &[u8], tid: Tid) -> TargetResult<(), Self> {
        let bytes = data.to_vec();
        let written = if self.physical {
            self.write_physical(address, bytes)
        } else {
            let write = move |core: &mut Core, _: &mut dyn Bus| core.debug_write(address, &bytes) == bytes.len();
            self.with(Self::core_of(tid), write).unwrap_or(false)
        };
        if written { Ok(()) } else { Err(TargetError::Errno(FAULT)) }
    }

    fn list_active_threads(&mut self, thread_is_active: &mut dyn FnMut(Tid)) -> Result<(), Infallible> {
        (0..self.cores).for_each(|core| thread_is_active(Self::tid(core)));
        Ok(())
    }

    fn support_resume(&mut self) -> Option<MultiThreadResumeOps<'_, Self>> {
        Some(self)
    }

    fn support_thread_extra_info(&mut self) -> Option<ThreadExtraInfoOps<'_, Self>> {
        Some(self)
    }
}

impl SingleRegisterAccess<Tid> for Target {
    fn read_register(&mut self, tid: Tid, register: Register, buffer: &mut [u8]) -> TargetResult<usize, Self> {
        self.current = Self::core_of(tid);
        let read = move |core: &mut Core, bus: &mut dyn Bus| read_register(core, bus, register);
        let bytes = self.with(self.current, read).flatten().ok_or(TargetError::Errno(INVALID))?;
        let len = bytes.len().min(buffer.len());
        buffer[..len].copy_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn write_register(&mut self, tid: Tid, register: Register, value: &[u8]) -> TargetResult<(), Self> {
        let value = value.to_vec();
        let write = move |core: &mut Core, bus: &mut dyn Bus| write_register(core, bus, register, &value);
        match self.with(Self::core_of(tid), write) {
            Some(true) => Ok(()),
            _ => Err(TargetError::Errno(INVALID)),
        }
    }
}

impl ThreadExtraInfo for Target {
    fn thread_extra_info(&self, tid: Tid, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let wanted = Self::core_of(tid);
        let words = self.handle.control.ask(move |machine| {
            let mut state = String::new();
            machine.each_core_state(&mut |core, words| {
                if core == wanted {
                    state = words.to_owned();
                }
            });
            let level = with_core(machine, wanted, |core, _| format!("EL{}{}", core.el, if core.spsel { "h" } else { "t" }));
            format!("core {wanted}, {}, {state}", level.unwrap_or_default())
        });
        let words = words.unwrap_or_default();
        let len = words.len().min(buffer.len());
        buffer[..len].copy_from_slice(&words.as_bytes()[..len]);
        Ok(len)
    }
}

impl MultiThreadResume for Target {
    fn resume(&mut self) -> Result<(), Infallible> {
        self.next_epoch();
        self.proceed();
        Ok(())
    }

    fn clear_resume_actions(&mut self) -> Result<(), Infallible> {
        self.actions = Actions::default();
        (self.continued, self.locked) = (Vec::new(), false);
        Ok(())
    }

    fn set_resume_action_continue(&mut self, tid: Tid, _: Option<Signal>) -> Result<(), Infallible> {
        self.continued.push(Self::core_of(tid));
        Ok(())
    }

    fn support_single_step(&mut self) -> Option<MultiThreadSingleStepOps<'_, Self>> {
        Some(self)
    }

    fn support_range_step(&mut self) -> Option<MultiThreadRangeSteppingOps<'_, Self>> {
        Some(self)
    }

    fn support_reverse_step(&mut self) -> Option<ReverseStepOps<'_, Tid, Self>> {
        if self.deterministic { Some(self) } else { None }
    }

    fn support_reverse_cont(&mut self) -> Option<ReverseContOps<'_, Tid, Self>> {
        if self.deterministic { Some(self) } else { None }
    }

    fn support_scheduler_locking(&mut self) -> Option<MultiThreadSchedulerLockingOps<'_, Self>> {
        Some(self)
    }
}

impl MultiThreadSingleStep for Target {
    fn set_resume_action_step(&mut self, tid: Tid, _: Option<Signal>) -> Result<(), Infallible> {
        self.actions.steps.push((Self::core_of(tid), Step::One));
        Ok(())
    }
}

impl MultiThreadRangeStepping for Target {
    fn set_resume_action_range_step(&mut self, tid: Tid, start: u64, end: u64) -> Result<(), Infallible> {
        self.actions.steps.push((Self::core_of(tid), Step::Within(start..end)));
        Ok(())
    }
}

impl MultiThreadSchedulerLocking for Target {
    fn set_resume_action_scheduler_lock(&mut self) -> Result<(), Infallible> {
        self.locked = true;
        Ok(())
    }
}

impl Breakpoints for Target {
    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_breakpoint(&mut self) -> Option<HwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_watchpoint(&mut self) -> Option<HwWatchpointOps<'_, Self>> {
        Some(self)
    }
}

/// Most breakpoints, and most watchpoints: so that nobody fills the host's memory.
const MOST: usize = 4096;

fn add<T>(list: &mut Vec<T>, what: T) -> bool {
    let room = list.len() < MOST;
    if room {
        list.push(what);
    }
    room
}

fn remove<T: PartialEq>(list: &mut Vec<T>, what: &T) -> bool {
    let found = list.iter().position(|other| other == what);
    found.map(|at| list.swap_remove(at)).is_some()
}

impl SwBreakpoint for Target {
    fn add_sw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(address & 3 == 0 && add(&mut self.software, address))
    }

    fn remove_sw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(remove(&mut self.software, &address))
    }
}

impl HwBreakpoint for Target {
    fn add_hw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(address & 3 == 0 && add(&mut self.hardware, address))
    }

    fn remove_hw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(remove(&mut self.hardware, &address))
    }
}

fn watchpoint(start: u64, len: u64, kind: WatchKind) -> Watchpoint {
    let watch = match kind {
        WatchKind::Write => Watch::Write,
        WatchKind::Read => Watch::Read,
        WatchKind::ReadWrite => Watch::Access,
    };
    Watchpoint { start, len, watch }
}

impl HwWatchpoint for Target {
    fn add_hw_watchpoint(&mut self, address: u64, len: u64, kind: WatchKind) -> TargetResult<bool, Self> {
        Ok(len > 0 && add(&mut self.plan.watchpoints, watchpoint(address, len, kind)))
    }

    fn remove_hw_watchpoint(&mut self, address: u64, len: u64, kind: WatchKind) -> TargetResult<bool, Self> {
        Ok(remove(&mut self.plan.watchpoints, &watchpoint(address, len, kind)))
    }
}

impl MonitorCmd for Target {
    fn handle_monitor_cmd(&mut self, command: &[u8], mut out: ConsoleOutput<'_>) -> Result<(), Infallible> {
        let command = String::from_utf8_lossy(command).into_owned();
        let text = self.monitor(&command);
        out.write_raw(text.as_bytes());
        Ok(())
    }
}

/// Addresses that have breakpoints.
impl Target {
    /// Breakpoints that are set, for the user.
    pub fn breakpoints(&self) -> BTreeSet<u64> {
        self.software.iter().chain(&self.hardware).copied().collect()
    }
}
