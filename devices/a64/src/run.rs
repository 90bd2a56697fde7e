//! The run loop.

use crate::block::NO_LINK;
use crate::bus::Bus;
use crate::core::{Core, Run, Stop, doorbell};
use crate::decode::{Flow, Op};
use crate::jit::Ran;
use crate::mmu::Kind;
use std::sync::atomic::Ordering;

impl Core {
    /// Runs until exactly `budget` instructions have retired (an exception taken counts as one), or something else stops the core.
    pub fn run(&mut self, bus: &mut dyn Bus, budget: u64) -> Run {
        let jitted = self.counters.jitted;
        self.run_retired = 0;
        self.link = NO_LINK;
        self.check_interrupts = true;
        self.check_code();
        self.run_limit = if self.pmu_armed() { 0 } else { budget };
        self.stop = Stop::Budget;
        let stop = self.run_blocks(bus, budget);
        self.retired = self.retired.wrapping_add(self.run_retired);

        self.counters.interpreted += self.run_retired - (self.counters.jitted - jitted);
        Run { retired: self.run_retired, stop }
    }

    fn run_blocks(&mut self, bus: &mut dyn Bus, budget: u64) -> Stop {
        let translates = self.jit.is_some();
        loop {
            let mut native = translates;
            if self.config.doorbell.load(Ordering::Relaxed) != 0
                && let Some(stop) = self.answer_doorbell(bus)
            {
                return stop;
            }
            let mut left = self.run_limit.saturating_sub(self.run_retired);
            if left == 0 {
                left = self.past_limit(bus, budget);
                if left == 0 {
                    return Stop::Budget;
                }
            }
            if self.check_interrupts {
                self.poll_interrupts(bus);
                // Whoever steps or breaks looks at every block.
                native &= !self.check_interrupts;
                if self.step_enabled() {
                    if let Some(flow) = self.step() {
                        if self.leave_fetch(flow) {
                            return self.take_stop();
                        }
                        continue;
                    }
                    // One instruction, then look again.
                    self.check_interrupts = true;
                    left = 1;
                }
                match self.breakpoint_ahead() {
                    Some(0) if self.block_address().is_ok() => {
                        let flow = self.raise(Self::breakpoint_exception(), self.pc);
                        if self.leave_fetch(flow) {
                            return self.take_stop();
                        }
                        continue;
                    }
                    // An instruction that cannot be fetched aborts before it breaks.
                    Some(ahead) => left = left.min(ahead.max(1)),
                    None => {}
                }
            }
            if native {
                match self.run_native(bus, left) {
                    Ran::Stopped => return self.take_stop(),
                    Ran::On => continue,
                    Ran::Unknown if self.warm(bus) => continue,
                    Ran::Unknown | Ran::Short => {}
                }
            }
            let found = match self.blocks.linked(self.link, self.pc, self.tag) {
                Some(found) => Ok(found),
                None => match self.blocks.looked_up(self.pc, self.tag) {
                    Some(found) => {
                        self.blocks.link(self.link, found);
                        Ok(found)
                    }
                    None => self.find_block(bus),
                },
            };
            // What is left may end inside the block.
            let found = match found {
                Ok(found) if u64::from(found.len) > left => self.part_of_block(bus, left),
                found => found,
            };
            let flow = match found {
                Ok(found) => {
                    self.trail.enter(self.pc, self.run_retired);
                    // SAFETY: a found block's operations stay where they are until `Blocks::clear`, which only a lookup calls.
                    let op: &Op = unsafe { &*found.ops };
                    (op.exec)(self, bus, op)
                }
                Err(exception) => {
                    self.trail.enter(self.pc, self.run_retired);
                    let flow = self.raise(exception, self.pc);
                    self.leave_fetch(flow);
                    flow
                }
            };
            if flow == Flow::Stop {
                return self.take_stop();
            }
        }
    }

    /// At the limit: instructions that are left of the budget, or until a counter of the performance monitors must be looked at.
    #[cold]
    #[inline(never)]
    fn past_limit(&mut self, bus: &mut dyn Bus, budget: u64) -> u64 {
        let distance = self.pmu_between_blocks(bus);
        let left = budget.saturating_sub(self.run_retired).min(distance);
        self.run_limit = self.run_retired + left;
        left
    }

    /// The next instruction is a branch to itself.
    pub fn spins(&self) -> bool {
        const BRANCH_TO_SELF: u32 = 0x1400_0000;
        let found = self.translate(self.pc, Kind::Execute, self.el);
        found.ok().and_then(|found| self.config.ram.read_u32(found.pa)) == Some(BRANCH_TO_SELF)
    }

    /// The event stream of the timer wakes it from WFE.
    pub fn has_event_stream(&self) -> bool {
        crate::sysreg::event_stream_enabled(self)
    }

    fn take_stop(&mut self) -> Stop {
        std::mem::replace(&mut self.stop, Stop::Budget)
    }

    /// Accounts for an exception taken between blocks. True if the core stops.
    fn leave_fetch(&mut self, flow: Flow) -> bool {
        self.run_retired += 1;
        self.link = NO_LINK;
        flow == Flow::Stop
    }

    /// Does what the doorbell asks for. `Acquire` pairs with the ringer's `Release`: what it wrote before is visible after.
    #[cold]
    #[inline(never)]
    fn answer_doorbell(&mut self, bus: &mut dyn Bus) -> Option<Stop> {
        let asked = self.config.doorbell.swap(0, Ordering::Acquire);
        if asked & doorbell::TLB != 0 {
            self.flush_tlb();
        }
        if asked & doorbell::TLB_SCOPED != 0 {
            while let Some(scope) = bus.next_invalidation() {
                self.invalidate(scope);
            }
        }
        if asked & doorbell::WRITE_TLB != 0 {
            self.flush_write_tlb();
        }
        if asked & doorbell::CODE != 0 {
            self.check_code();
        }
        if asked & doorbell::EVENT != 0 {
            // An event that comes while this one was not taken rings no bell: what its sender stored must be visible too.
            std::sync::atomic::fence(Ordering::SeqCst);
            self.event = true;
        }
        self.check_interrupts = true;
        (asked & doorbell::STOP != 0).then_some(Stop::Attention)
    }

    /// If any code became stale, all blocks are looked up anew, and their generations compared.
    fn check_code(&mut self) {
        let epoch = self.config.ram.code().epoch();
        if epoch != self.code_epoch {
            self.code_epoch = epoch;
            self.forget_lookups();
            self.link = NO_LINK;
        }
    }

    #[cold]
    #[inline(never)]
    fn poll_interrupts(&mut self, bus: &mut dyn Bus) {
        self.check_interrupts = self.step_enabled() || self.breaks();
        // What is raised between blocks returns to an address without a tag.
        self.pc = self.canonical(self.pc, self.el);
        let lines = bus.interrupts(self.run_retired);
        if let Some(interrupt) = self.interrupt_pending(lines) {
            self.take_interrupt(interrupt);
            self.link = NO_LINK;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Guest, RAM_TOP, START};
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;

    /// x0 = sum of x1..=1, endless after it.
    const SUM: [u32; 6] = [
        0xd280_0000, // mov x0, #0
        0x8b01_0000, // 1: add x0, x0, x1
        0xf100_0421, // subs x1, x1, #1
        0x54ff_ffc1, // b.ne 1b
        0xd503_201f, // nop (unknown to the integer tables alone)
        0x1400_0000, // b .
    ];

    #[test]
    fn a_loop_runs_and_the_budget_is_exact() {
        for budget in 0..40 {
            let mut guest = Guest::new(&SUM);
            guest.core.x[1] = 100;
            let run = guest.run(budget);
            assert_eq!((run.retired, run.stop), (budget, Stop::Budget));
            // The same in slices of every size is the same state.
            for slice in 1..5 {
                let mut sliced = Guest::new(&SUM);
                sliced.core.x[1] = 100;
                let mut left = budget;
                while left > 0 {
                    left -= sliced.run(slice.min(left)).retired;
                }
                assert_eq!((sliced.core.pc, sliced.core.x), (guest.core.pc, guest.core.x), "budget {budget} in slices of {slice}");
            }
        }
        let mut guest = Guest::new(&SUM);
        guest.core.x[1] = 1000;
        guest.run(1 + 3 * 1000);
        assert_eq!((guest.core.x[0], guest.core.pc), (500_500, START + 16));
        assert_eq!(guest.core.retired, 3001);
    }

    #[test]
    fn the_doorbell_stops_a_loop_and_sets_the_event_register() {
        let mut guest = Guest::new(&[0x1400_0000]);
        let doorbell: Arc<AtomicU32> = guest.core.config.doorbell.clone();
        doorbell.store(doorbell::STOP | doorbell::EVENT, Ordering::Release);
        assert_eq!(guest.run(u64::MAX), Run { retired: 0, stop: Stop::Attention });
        assert!(guest.core.event);
        assert_eq!(doorbell.load(Ordering::Acquire), 0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(std::time::Duration::from_millis(10));
                doorbell.store(doorbell::STOP, Ordering::Release);
            });
            assert_eq!(guest.run(u64::MAX).stop, Stop::Attention);
        });
    }

    #[test]
    fn code_that_the_guest_changes_is_decoded_anew() {
        // Calls a function, patches its first instruction from `mov x0, #1` to the word in w2, and calls it again.
        let mut guest = Guest::new(&[
            0x9400_0008, // bl f
            0x8b00_0063, // add x3, x3, x0
            0xb900_0022, // str w2, [x1]
            0x9400_0005, // bl f
            0x8b00_0063, // add x3, x3, x0
            0x1400_0000, // b .
            0,
            0,
            0xd280_0020, // f: mov x0, #1
            0xd65f_03c0, // ret
        ]);
        guest.core.x[1] = START + 32;
        guest.core.x[2] = 0xd280_0c80; // mov x0, #100
        assert_eq!(guest.run(9).retired, 9);
        assert_eq!(guest.core.x[3], 101);
        assert!(guest.bus.broadcasts.contains(&crate::Maintenance::Code));
    }

    #[test]
    fn data_beside_code_does_not_drop_it() {
        // 1: str x2, [x1], #8 ; subs x3, x3, #1 ; b.ne 1b ; b . -- the stores are in the code's page, but in other lines.
        let mut guest = Guest::new(&[0xf800_8422, 0xf100_0463, 0x54ff_ffc1, 0x1400_0000]);
        guest.core.x[1] = START + 0x100;
        guest.core.x[3] = 64;
        guest.run(3 * 64);
        assert_eq!(guest.ram.code().epoch(), 0);
        assert_eq!(guest.core.pc, START + 12);
    }

    #[test]
    fn a_device_that_writes_code_is_noticed_at_the_next_run() {
        let mut guest = Guest::new(&[0xd280_0020, 0x17ff_ffff]);
        guest.run(4);
        assert_eq!(guest.core.x[0], 1);
        guest.write(START, &[0xd280_0040]);
        guest.run(2);
        assert_eq!(guest.core.x[0], 2);
    }

    #[test]
    fn a_fetch_that_always_faults_loses_the_core() {
        let mut guest = Guest::new(&[0]);
        guest.core.pc = RAM_TOP;
        // Undefined words at the vector (VBAR_EL3 is 0), then no memory there at all.
        let run = guest.run(1000);
        assert!(matches!(&run.stop, Stop::Stuck(why) if why.contains("undefined instruction at 0x200")), "{run:?}");
        guest.core.sys[crate::sysreg::Reg::VBAR_EL3] = RAM_TOP;
        let run = guest.run(1000);
        assert!(matches!(&run.stop, Stop::Stuck(why) if why.contains("instruction abort")), "{run:?}");
        assert!(run.retired < 100);
    }

    #[test]
    fn software_step_stops_after_each_instruction() {
        // EL1 steps EL0: MDSCR.SS is set, and the handler at 0x400 counts in x9, sets SPSR.SS and returns.
        let mut guest = Guest::new(&[0x9100_0400, 0x9100_0400, 0x9100_0400, 0x17ff_fffd]);
        guest.write(
            0x400,
            &[
                0x9100_0529, // add x9, x9, #1
                0xd538_400a, // mrs x10, spsr_el1
                0xb26b_014a, // orr x10, x10, #1 << 21
                0xd518_400a, // msr spsr_el1, x10
                0xd69f_03e0, // eret
            ],
        );
        let core = &mut guest.core;
        core.switch_sp(0, false);
        core.sys[crate::sysreg::Reg::SCR_EL3] = 0x531;
        core.sys[crate::sysreg::Reg::HCR_EL2] = 1 << 31;
        core.sys[crate::sysreg::Reg::OSLSR_EL1] = 8;
        core.sys[crate::sysreg::Reg::MDSCR_EL1] = 1;
        core.context_changed();
        // The first step exception is taken at once; then one instruction, the exception and five instructions of the handler each.
        guest.run(6 + 10 * 7);
        assert_eq!((guest.core.x[9], guest.core.x[0], guest.core.el), (11, 8, 0));
    }

    #[test]
    fn device_accesses_carry_their_time_and_posted_writes_stop() {
        // mov x0, x0 ; ldr w2, [x1] ; str w2, [x1, #4] ; stp x2, x2, [x1, #8] ; b .
        let mut guest = Guest::new(&[0xaa00_03e0, 0xb940_0022, 0xb900_0422, 0xa900_8822, 0x1400_0000]);
        guest.core.x[1] = RAM_TOP + 0x100;
        guest.bus.post = true;
        let run = guest.run(100);
        assert_eq!(run, Run { retired: 3, stop: Stop::Posted });
        assert_eq!(guest.core.pc, START + 12);
        assert_eq!(guest.core.x[2], RAM_TOP + 0x100);
        assert_eq!((guest.bus.reads[0].retired, guest.bus.reads[0].size), (1, 4));
        assert_eq!((guest.bus.writes[0].0.retired, guest.bus.writes[0].0.pa), (2, RAM_TOP + 0x104));
        let run = guest.run(100);
        assert_eq!(run, Run { retired: 1, stop: Stop::Posted });
        assert_eq!(guest.bus.writes.len(), 3, "a pair is two accesses");
        assert_eq!(guest.bus.writes[2].0.pa, RAM_TOP + 0x110);
    }
}
