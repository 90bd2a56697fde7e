use super::table::{Reg, TABLE};
use super::*;
use crate::bench::{Bench, msr_word};
use crate::bus::{Lines, Timer};
use crate::core::Stop;
use crate::decode::Flow;

/// ESR_ELx.EC.
fn class(esr: u64) -> u64 {
    esr >> 26
}

#[test]
fn the_table_names_every_encoding_once() {
    let mut keys: Vec<_> = TABLE.iter().map(|register| register.key).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), TABLE.len());
}

#[test]
fn identification_is_that_of_the_cortex_a53() {
    let mut bench = Bench::at(1);
    for (register, value) in [
        (Reg::MIDR_EL1, 0x410f_d034),
        (Reg::MPIDR_EL1, 0x8000_0001),
        (Reg::ID_AA64PFR0_EL1, 0x2222),
        (Reg::ID_AA64ISAR0_EL1, 0x0001_0000),
        (Reg::ID_AA64MMFR0_EL1, 0x1122),
        (Reg::ID_AA64DFR0_EL1, 0x1030_5106),
        (Reg::CTR_EL0, 0x8444_8004),
        (Reg::DCZID_EL0, 4),
        (Reg::CLIDR_EL1, 0x0a20_0023),
        (Reg::CURRENTEL, 4),
    ] {
        assert_eq!(bench.mrs(register), Ok(value), "{register:?}");
    }
    for (select, geometry) in [(0, 0x700f_e01a), (1, 0x201f_e00a), (2, 0x703f_e07a), (3, 0)] {
        bench.msr(Reg::CSSELR_EL1, select);
        assert_eq!(bench.mrs(Reg::CCSIDR_EL1), Ok(geometry));
    }
}

#[test]
fn an_id_register_is_not_writable_and_not_for_el0() {
    let mut bench = Bench::at(1);
    assert_eq!(bench.msr(Reg::MIDR_EL1, 1), Flow::Fault);
    assert_eq!((bench.core.pc, class(bench.core.sys[Reg::ESR_EL1])), (0x1200, 0));
    let mut bench = Bench::at(0);
    assert_eq!(bench.mrs(Reg::MIDR_EL1), Err(Flow::Fault));
    assert_eq!((bench.core.pc, bench.core.el, bench.core.sys[Reg::ESR_EL1]), (0x1400, 1, 0x0200_0000));
}

#[test]
fn a_hypervisor_chooses_what_el1_sees_as_midr() {
    let mut bench = Bench::at(1);
    bench.write(Reg::VPIDR_EL2, 0x1234);
    bench.write(Reg::VMPIDR_EL2, 0x8000_0007);
    assert_eq!((bench.mrs(Reg::MIDR_EL1), bench.mrs(Reg::MPIDR_EL1)), (Ok(0x1234), Ok(0x8000_0007)));
    bench.enter(2);
    assert_eq!((bench.mrs(Reg::MIDR_EL1), bench.mrs(Reg::MPIDR_EL1)), (Ok(0x410f_d034), Ok(0x8000_0001)));
}

#[test]
fn storage_keeps_only_the_bits_that_exist() {
    let mut bench = Bench::at(3);
    for (register, kept) in [
        (Reg::TPIDR_EL0, u64::MAX),
        (Reg::VBAR_EL1, !0x7ff),
        (Reg::ESR_EL1, 0xffff_ffff),
        (Reg::CPACR_EL1, 0x0030_0000),
        (Reg::AFSR0_EL1, 0),
        (Reg::SCR_EL3, 0x3fbf),
        (Reg::CPTR_EL2, 0x8000_37ff),
        (Reg::CNTKCTL_EL1, 0x3ff),
    ] {
        bench.msr(register, u64::MAX);
        assert_eq!(bench.mrs(register), Ok(kept), "{register:?}");
    }
    bench.msr(Reg::CPTR_EL2, 0);
    assert_eq!(bench.mrs(Reg::CPTR_EL2), Ok(0x33ff), "bits reserved as one");
}

#[test]
fn register_31_is_zero_as_a_source_and_nothing_as_a_destination() {
    let mut bench = Bench::at(1);
    bench.msr(Reg::TPIDR_EL1, 7);
    bench.execute(msr_word(Reg::TPIDR_EL1) | 1 << 21 | 31);
    assert_eq!(bench.core.x[31], 0);
    bench.execute(msr_word(Reg::TPIDR_EL1) | 31);
    assert_eq!(bench.mrs(Reg::TPIDR_EL1), Ok(0));
}

/// A trap: where the core is, the registers that arm it, the access, and the level and class that it gives.
struct TrapCase {
    el: u8,
    arm: &'static [(Reg, u64)],
    access: Reg,
    write: bool,
    gives: (u8, u64),
}

const UNDEFINED: u64 = 0x00;
const FP: u64 = 0x07;
const SYSTEM: u64 = 0x18;

fn case(el: u8, arm: &'static [(Reg, u64)], access: Reg, write: bool, gives: (u8, u64)) -> TrapCase {
    TrapCase { el, arm, access, write, gives }
}

#[test]
fn trapped_accesses_go_where_the_controls_say() {
    const RW: u64 = hcr::RW;
    let cases = [
        case(0, &[(Reg::SCTLR_EL1, 0)], Reg::CTR_EL0, false, (1, SYSTEM)),
        case(0, &[(Reg::SCTLR_EL1, sctlr::UCT), (Reg::HCR_EL2, RW | hcr::TID2)], Reg::CTR_EL0, false, (2, SYSTEM)),
        case(0, &[(Reg::HCR_EL2, RW | hcr::TGE), (Reg::SCTLR_EL1, 0)], Reg::DAIF, false, (2, SYSTEM)),
        case(0, &[], Reg::CNTVCT_EL0, false, (1, SYSTEM)),
        case(0, &[], Reg::CNTFRQ_EL0, false, (1, SYSTEM)),
        case(0, &[], Reg::CNTFRQ_EL0, true, (1, UNDEFINED)),
        case(1, &[(Reg::CNTHCTL_EL2, 0)], Reg::CNTPCT_EL0, false, (2, SYSTEM)),
        case(1, &[(Reg::CNTHCTL_EL2, 1)], Reg::CNTP_CTL_EL0, true, (2, SYSTEM)),
        case(1, &[(Reg::HCR_EL2, RW | hcr::TVM)], Reg::TTBR0_EL1, true, (2, SYSTEM)),
        case(1, &[(Reg::HCR_EL2, RW | hcr::TRVM)], Reg::SCTLR_EL1, false, (2, SYSTEM)),
        case(1, &[(Reg::HCR_EL2, RW | hcr::TID3)], Reg::ID_AA64PFR0_EL1, false, (2, SYSTEM)),
        case(1, &[(Reg::HCR_EL2, RW | hcr::TACR)], Reg::ACTLR_EL1, true, (2, SYSTEM)),
        case(1, &[(Reg::CPTR_EL2, 1 << 31)], Reg::CPACR_EL1, true, (2, SYSTEM)),
        case(2, &[(Reg::CPTR_EL3, 1 << 31)], Reg::CPTR_EL2, true, (3, SYSTEM)),
        case(1, &[], Reg::CPUECTLR_EL1, true, (2, SYSTEM)),
        case(2, &[], Reg::CPUECTLR_EL1, true, (3, SYSTEM)),
        case(1, &[], Reg::CNTPS_CTL_EL1, false, (1, UNDEFINED)),
        case(1, &[], Reg::FPCR, false, (1, FP)),
        case(1, &[(Reg::CPACR_EL1, 3 << 20), (Reg::CPTR_EL3, 1 << 10)], Reg::FPSR, true, (3, FP)),
        case(0, &[], Reg::PMCCNTR_EL0, false, (1, SYSTEM)),
        case(0, &[(Reg::PMUSERENR_EL0, 4)], Reg::PMCCNTR_EL0, true, (1, SYSTEM)),
        case(1, &[(Reg::MDCR_EL2, 1 << 6)], Reg::PMCCNTR_EL0, false, (2, SYSTEM)),
        case(0, &[(Reg::MDCR_EL2, 1 << 6)], Reg::PMUSERENR_EL0, false, (2, SYSTEM)),
        case(1, &[(Reg::MDCR_EL3, 1 << 9)], Reg::MDSCR_EL1, false, (3, SYSTEM)),
        case(1, &[(Reg::MDCR_EL2, 1 << 8)], Reg::OSLAR_EL1, true, (2, SYSTEM)),
        // The ROM address is TDA's at EL3 (ARM ARM, MDCR_EL3), and TGE implies EL2's debug traps (ARM ARM, HCR_EL2.TGE).
        case(1, &[(Reg::MDCR_EL3, 1 << 9)], Reg::MDRAR_EL1, false, (3, SYSTEM)),
        case(2, &[(Reg::MDCR_EL3, 1 << 9)], Reg::MDRAR_EL1, false, (3, SYSTEM)),
        case(0, &[(Reg::HCR_EL2, hcr::RW | hcr::TGE)], Reg::MDCCSR_EL0, false, (2, SYSTEM)),
        case(1, &[], Reg::SP_EL1, false, (1, UNDEFINED)),
        case(2, &[], Reg::SCR_EL3, false, (2, UNDEFINED)),
    ];
    for TrapCase { el, arm, access, write, gives } in cases {
        let mut bench = Bench::at(el);
        for &(register, value) in arm {
            bench.write(register, value);
        }
        let flow = if write { bench.msr(access, 0) } else { bench.mrs(access).map_or_else(|flow| flow, |_| Flow::Next) };
        let esr = bench.core.sys[[Reg::ESR_EL1, Reg::ESR_EL2, Reg::ESR_EL3][usize::from(gives.0) - 1]];
        assert_eq!((flow, bench.core.el, class(esr)), (Flow::Fault, gives.0, gives.1), "{access:?} at EL{el}, write {write}");
    }
}

#[test]
fn the_syndrome_of_a_trap_names_the_register() {
    let mut bench = Bench::at(0);
    bench.execute(msr_word(Reg::CNTVCT_EL0) | 1 << 21 | 7);
    // op0 3, op2 2, op1 3, CRn 14, Rt 7, CRm 0, read.
    assert_eq!(bench.core.sys[Reg::ESR_EL1], 0x18 << 26 | 1 << 25 | 3 << 20 | 2 << 17 | 3 << 14 | 14 << 10 | 7 << 5 | 1);
}

#[test]
fn an_unallocated_register_is_undefined_or_trapped_as_implementation_defined() {
    // S3_0_C9_C0_0 does not exist; S3_0_C15_C9_0 is implementation defined and does not exist either.
    let words = [0xd538_9000, 0xd538_f900];
    for word in words {
        let mut bench = Bench::at(1);
        assert_eq!(bench.execute(word), Flow::Fault);
        assert_eq!((bench.core.el, class(bench.core.sys[Reg::ESR_EL1])), (1, UNDEFINED));
    }
    let mut bench = Bench::at(1);
    bench.write(Reg::HCR_EL2, hcr::RW | hcr::TIDCP);
    bench.execute(words[1]);
    assert_eq!((bench.core.el, class(bench.core.sys[Reg::ESR_EL2])), (2, SYSTEM));
}

#[test]
fn a_guest_does_not_flood_the_trace() {
    let mut bench = Bench::at(1);
    assert_eq!([0, 4, 0].map(|pc| bench.core.is_first_at(pc)), [true, true, false]);
    let told = (0..100_000).filter(|pc| bench.core.is_first_at(pc * 4)).count();
    assert!(told < 1000, "{told}");
    // A register that does not exist is told of once.
    let mut bench = Bench::at(1);
    for _ in 0..3 {
        bench.core.pc = 0x4000;
        bench.execute(0xd538_9000);
        assert_eq!(bench.core.reported.len(), 1);
    }
}

#[test]
fn stack_pointers_are_banked_by_level_and_spsel() {
    let mut bench = Bench::at(1);
    bench.core.x[32] = 0x1111;
    bench.msr(Reg::SP_EL0, 0x5000);
    assert_eq!(bench.mrs(Reg::SP_EL0), Ok(0x5000));
    assert_eq!(bench.msr(Reg::SPSEL, 0), Flow::Jump);
    assert_eq!(bench.core.x[32], 0x5000, "SP_EL0 is the live one");
    assert_eq!(bench.mrs(Reg::SP_EL0), Err(Flow::Fault), "and may not be named");
    let mut bench = Bench::at(2);
    bench.msr(Reg::SP_EL1, 0x6000);
    bench.enter(1);
    assert_eq!(bench.core.x[32], 0x6000);
}

#[test]
fn daif_and_nzcv_are_the_core_s_own() {
    let mut bench = Bench::at(1);
    bench.core.nzcv = 0x6000_0000;
    assert_eq!(bench.mrs(Reg::NZCV), Ok(0x6000_0000));
    assert_eq!(bench.msr(Reg::NZCV, u64::MAX), Flow::Next);
    assert_eq!(bench.core.nzcv, 0xf000_0000);
    assert_eq!(bench.msr(Reg::DAIF, 0x3c0), Flow::Next, "masking keeps the block");
    assert_eq!((bench.core.daif, bench.mrs(Reg::DAIF)), (0xf, Ok(0x3c0)));
    let pc = bench.core.pc;
    bench.core.check_interrupts = false;
    assert_eq!(bench.msr(Reg::DAIF, 0x340), Flow::Jump, "unmasking looks at interrupts");
    assert_eq!((bench.core.daif, bench.core.check_interrupts, bench.core.pc), (0xd, true, pc + 4));
}

#[test]
fn a_timer_counts_down_compares_and_tells_the_machine() {
    let mut bench = Bench::at(1);
    bench.bus.count = 1000;
    assert_eq!(bench.msr(Reg::CNTP_TVAL_EL0, 500), Flow::Stop);
    assert_eq!((bench.core.stop.clone(), bench.core.pc), (Stop::Attention, 0x8_0004));
    bench.msr(Reg::CNTP_CTL_EL0, 1);
    assert_eq!(bench.bus.timers, [(Timer::Physical, 0, 1500), (Timer::Physical, 1, 1500)]);
    assert_eq!((bench.mrs(Reg::CNTP_CVAL_EL0), bench.mrs(Reg::CNTP_TVAL_EL0)), (Ok(1500), Ok(500)));
    assert_eq!(bench.mrs(Reg::CNTP_CTL_EL0), Ok(1));
    bench.bus.count = 1510;
    assert_eq!(bench.mrs(Reg::CNTP_CTL_EL0), Ok(5), "ISTATUS");
    assert_eq!(bench.mrs(Reg::CNTP_TVAL_EL0), Ok(0xffff_fff6), "minus ten");
    bench.msr(Reg::CNTP_CTL_EL0, 3);
    assert_eq!((bench.mrs(Reg::CNTP_CTL_EL0), bench.bus.timers[2]), (Ok(7), (Timer::Physical, 3, 1500)));
    bench.msr(Reg::CNTP_CTL_EL0, 0);
    assert_eq!(bench.mrs(Reg::CNTP_CTL_EL0), Ok(0));
}

#[test]
fn a_negative_tval_lies_in_the_past() {
    let mut bench = Bench::at(3);
    bench.bus.count = 100;
    bench.msr(Reg::CNTPS_TVAL_EL1, 0xffff_fffe);
    assert_eq!(bench.bus.timers, [(Timer::SecurePhysical, 0, 98)]);
}

#[test]
fn the_virtual_timer_runs_behind_by_its_offset() {
    let mut bench = Bench::at(2);
    bench.bus.count = 10_000;
    bench.msr(Reg::CNTVOFF_EL2, 4000);
    assert_eq!(bench.mrs(Reg::CNTVCT_EL0), Ok(6000));
    bench.msr(Reg::CNTV_CVAL_EL0, 7000);
    assert_eq!(bench.bus.timers.last(), Some(&(Timer::Virtual, 0, 11_000)));
    bench.msr(Reg::CNTVOFF_EL2, 5000);
    assert_eq!(bench.bus.timers.last(), Some(&(Timer::Virtual, 0, 12_000)), "moved along");
    bench.msr(Reg::CNTVOFF_EL2, 6000u64.wrapping_neg());
    assert_eq!(bench.bus.timers.last(), Some(&(Timer::Virtual, 0, 1000)), "a counter that runs ahead");
    bench.msr(Reg::CNTV_CVAL_EL0, 5000);
    assert_eq!(bench.bus.timers.last(), Some(&(Timer::Virtual, 0, 0)), "due before the counter started");
    bench.msr(Reg::CNTVOFF_EL2, 10);
    bench.msr(Reg::CNTV_CVAL_EL0, u64::MAX);
    assert_eq!(bench.bus.timers.last(), Some(&(Timer::Virtual, 0, u64::MAX)), "never");
    bench.msr(Reg::CNTVOFF_EL2, 1 << 36);
    bench.msr(Reg::CNTV_TVAL_EL0, 500);
    assert_eq!(bench.bus.timers.last(), Some(&(Timer::Virtual, 0, 10_500)), "an offset that the counter has not reached");
    bench.msr(Reg::CNTV_CVAL_EL0, 500);
    assert_eq!(bench.bus.timers.last(), Some(&(Timer::Virtual, 0, 0)), "long passed by such a count");
}

#[test]
fn the_hypervisor_s_timer_is_its_own() {
    let mut bench = Bench::at(2);
    bench.msr(Reg::CNTHP_CVAL_EL2, 77);
    bench.msr(Reg::CNTHP_CTL_EL2, 1);
    assert_eq!(bench.bus.timers, [(Timer::Hypervisor, 0, 77), (Timer::Hypervisor, 1, 77)]);
    bench.enter(1);
    assert_eq!(bench.mrs(Reg::CNTHP_CTL_EL2), Err(Flow::Fault));
}

#[test]
fn isr_shows_what_is_pending() {
    let mut bench = Bench::at(1);
    bench.bus.lines = Lines { irq: true, fiq: false };
    assert_eq!(bench.mrs(Reg::ISR_EL1), Ok(0x80));
    bench.write(Reg::HCR_EL2, hcr::RW | hcr::IMO | hcr::FMO | hcr::VF);
    assert_eq!(bench.mrs(Reg::ISR_EL1), Ok(0x40), "the physical IRQ is EL2's, the virtual FIQ ours");
}

#[test]
fn cycles_and_retired_instructions_are_counted_while_enabled() {
    let mut bench = Bench::at(1);
    bench.msr(Reg::PMCR_EL0, 1);
    assert_eq!(bench.mrs(Reg::PMCR_EL0), Ok(0x4103_3001));
    bench.msr(Reg::PMEVTYPER0_EL0, 0x08);
    bench.msr(Reg::PMCNTENSET_EL0, 1 << 31 | 1);
    bench.core.run_retired += 1000;
    assert_eq!((bench.mrs(Reg::PMCCNTR_EL0), bench.mrs(Reg::PMEVCNTR0_EL0)), (Ok(1000), Ok(1000)));
    bench.msr(Reg::PMCNTENCLR_EL0, 1);
    bench.core.run_retired += 64;
    assert_eq!((bench.mrs(Reg::PMCCNTR_EL0), bench.mrs(Reg::PMEVCNTR0_EL0)), (Ok(1064), Ok(1000)));
    bench.msr(Reg::PMCR_EL0, 0xf);
    bench.core.run_retired += 64 * 5 + 3;
    assert_eq!(bench.mrs(Reg::PMCCNTR_EL0), Ok(5), "reset, then one in 64");
    bench.msr(Reg::PMSELR_EL0, 0);
    bench.msr(Reg::PMXEVCNTR_EL0, 0xffff_ffff);
    bench.msr(Reg::PMCNTENSET_EL0, 1);
    bench.core.run_retired += 1;
    assert_eq!((bench.mrs(Reg::PMXEVCNTR_EL0), bench.mrs(Reg::PMOVSCLR_EL0)), (Ok(0), Ok(1)));
    bench.msr(Reg::PMOVSCLR_EL0, 1);
    assert_eq!(bench.mrs(Reg::PMOVSSET_EL0), Ok(0));
}

#[test]
fn the_event_list_is_what_is_counted() {
    let mut bench = Bench::at(1);
    assert_eq!((bench.mrs(Reg::PMCEID0_EL0), bench.mrs(Reg::PMCEID1_EL0)), (Ok(0x4002_0f01), Ok(0)));
}

/// EL1 counts with event `event` and filter `filter` on counter 0, and cycles with the same filter; then 10 instructions at EL1, an SVC from 20 at
/// EL0, and a return after 5 more at EL1. The two counts.
fn counted(event: u64, filter: u64) -> (u64, u64) {
    let mut bench = Bench::at(1);
    bench.msr(Reg::PMEVTYPER0_EL0, event | filter);
    bench.msr(Reg::PMCCFILTR_EL0, filter);
    bench.msr(Reg::PMCNTENSET_EL0, 1 << 31 | 1);
    bench.msr(Reg::PMCR_EL0, 1);
    bench.core.run_retired += 10;
    bench.core.sys[Reg::SPSR_EL1] = 0;
    bench.core.sys[Reg::ELR_EL1] = 0x9_0000;
    const ERET: u32 = 0xd69f_03e0;
    bench.execute(ERET);
    bench.core.run_retired += 19;
    bench.execute(0xd400_0001); // svc #0, the twentieth
    bench.core.run_retired += 1 + 5;
    bench.execute(ERET);
    bench.enter(1);
    (bench.mrs(Reg::PMEVCNTR0_EL0).expect("allowed"), bench.mrs(Reg::PMCCNTR_EL0).expect("allowed"))
}

#[test]
fn filters_by_level_and_the_events_of_exceptions() {
    const P: u64 = 1 << 31;
    const U: u64 = 1 << 30;
    const NSK: u64 = 1 << 29;
    const NSU: u64 = 1 << 28;
    for event in [0x08, 0x11] {
        for (filter, expected) in [(0, 35), (P, 20), (U, 15), (P | U, 0), (P | NSK, 35), (U | NSU, 35), (NSK, 20), (NSU | P, 0)] {
            assert_eq!(counted(event, filter), (expected, expected), "event {event:#x}, filter {filter:#x}");
        }
    }
    assert_eq!(counted(0x09, 0).0, 1, "one exception taken");
    assert_eq!(counted(0x0a, 0).0, 2, "two returns");
    assert_eq!(counted(0x05, 0).0, 0, "an event that is not there");
}

#[test]
fn counters_of_el2_are_hidden_and_enabled_by_themselves() {
    let mut bench = Bench::at(1);
    bench.write(Reg::MDCR_EL2, 2);
    assert_eq!(bench.mrs(Reg::PMCR_EL0), Ok(0x4103_1000), "EL1 sees two");
    bench.msr(Reg::PMCNTENSET_EL0, u64::MAX);
    assert_eq!(bench.mrs(Reg::PMCNTENSET_EL0), Ok(1 << 31 | 3));
    bench.msr(Reg::PMEVCNTR3_EL0, 7);
    assert_eq!(bench.mrs(Reg::PMEVCNTR3_EL0), Ok(0));
    bench.enter(2);
    assert_eq!(bench.mrs(Reg::PMCR_EL0), Ok(0x4103_3000));
    bench.msr(Reg::PMEVTYPER3_EL0, 0x08 | 1 << 27);
    bench.msr(Reg::PMCNTENSET_EL0, 8);
    bench.core.run_retired += 10;
    assert_eq!(bench.mrs(Reg::PMEVCNTR3_EL0), Ok(0), "HPME is clear");
    bench.write(Reg::MDCR_EL2, 2 | 1 << 7);
    bench.core.run_retired += 10;
    assert_eq!(bench.mrs(Reg::PMEVCNTR3_EL0), Ok(10));
    bench.enter(1);
    bench.msr(Reg::PMCR_EL0, 2);
    bench.enter(2);
    assert_eq!(bench.mrs(Reg::PMEVCNTR3_EL0), Ok(10), "EL1 resets its own");
}

#[test]
fn software_increments_chain_and_context_writes_count() {
    let mut bench = Bench::at(1);
    bench.msr(Reg::PMEVTYPER0_EL0, 0);
    bench.msr(Reg::PMEVTYPER1_EL0, 0x1e);
    bench.msr(Reg::PMEVTYPER2_EL0, 0x0b);
    bench.msr(Reg::PMEVCNTR0_EL0, 0xffff_fffe);
    bench.msr(Reg::PMCNTENSET_EL0, 7);
    bench.msr(Reg::PMCR_EL0, 1);
    for _ in 0..3 {
        bench.msr(Reg::PMSWINC_EL0, 0x3f);
        bench.msr(Reg::CONTEXTIDR_EL1, 5);
    }
    let values = [Reg::PMEVCNTR0_EL0, Reg::PMEVCNTR1_EL0, Reg::PMEVCNTR2_EL0].map(|counter| bench.mrs(counter));
    assert_eq!(values, [Ok(1), Ok(1), Ok(3)]);
    assert_eq!(bench.mrs(Reg::PMOVSSET_EL0), Ok(1));
}

#[test]
fn an_overflow_interrupts_when_it_happens() {
    // Endless `add x0, x0, #1` with a branch back: 64 instructions and the branch.
    let mut words = vec![0x9100_0400; 64];
    words.push(0x17ff_ffc0);
    for (counter, start, event) in [(1u64 << 31, 0xffff_ff00u64, None), (1, 0xffff_ff00, Some(0x08))] {
        let guest = crate::testing::Guest::new(&words);
        let mut bench = Bench { core: guest.core, bus: guest.bus };
        bench.core.sys[Reg::SCR_EL3] = 0x531;
        bench.core.sys[Reg::HCR_EL2] = 1 << 31;
        bench.enter(1);
        bench.core.context_changed();
        if let Some(event) = event {
            bench.msr(Reg::PMEVTYPER0_EL0, event);
            bench.msr(Reg::PMEVCNTR0_EL0, start);
        } else {
            bench.msr(Reg::PMCCNTR_EL0, start);
        }
        bench.msr(Reg::PMINTENSET_EL1, counter);
        bench.msr(Reg::PMCNTENSET_EL0, counter);
        bench.msr(Reg::PMCR_EL0, 1);
        (bench.core.pc, bench.core.x[0]) = (crate::testing::START, 0);
        bench.core.run(&mut bench.bus, 0xff);
        assert!(bench.bus.pmu.is_empty());
        let run = bench.core.run(&mut bench.bus, 1000);
        assert_eq!((run.retired, bench.bus.pmu.as_slice()), (1000, [true].as_slice()), "a limit inside is no end");
        bench.msr(Reg::PMOVSCLR_EL0, counter);
        assert_eq!(bench.bus.pmu, [true, false]);
    }
}

#[test]
fn the_os_lock_locks() {
    let mut bench = Bench::at(1);
    assert_eq!(bench.mrs(Reg::OSLSR_EL1), Ok(0xa), "locked after reset");
    bench.msr(Reg::OSLAR_EL1, 0);
    assert_eq!(bench.mrs(Reg::OSLSR_EL1), Ok(8));
}

#[test]
fn no_register_access_panics_at_any_level_with_any_value() {
    for el in 0..4 {
        let mut bench = Bench::at(el);
        for key in 0..1u32 << 15 {
            for value in [0, u64::MAX, 0x8000_0000_0000_0001, 0x5555_5555_5555_5555] {
                bench.enter(el);
                bench.core.pc = u64::MAX - 3;
                bench.core.x[3] = value;
                bench.execute(0xd510_0000 | key << 5 | 3);
                bench.execute(0xd530_0000 | key << 5 | 3);
            }
        }
    }
}
