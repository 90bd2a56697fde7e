use super::*;
use crate::Lines;
use crate::bench::{Bench, RAM, sys_word};
use crate::bus::{Maintenance, TlbScope};

const WFE: u32 = 0xd503_205f;
const WFI: u32 = 0xd503_207f;
const SEV: u32 = 0xd503_209f;
const SEVL: u32 = 0xd503_20bf;
const DSB_SY: u32 = 0xd503_3f9f;
const ISB: u32 = 0xd503_3fdf;

#[test]
fn unallocated_hints_do_nothing() {
    for hint in 0..128 {
        if !(2..=5).contains(&hint) {
            let mut bench = Bench::at(0);
            assert_eq!(bench.execute(0xd503_201f | hint << 5), Flow::Next, "hint {hint}");
        }
    }
}

#[test]
fn wfi_waits_unless_an_interrupt_is_pending_even_if_masked() {
    let mut bench = Bench::at(1);
    assert_eq!(bench.execute(WFI), Flow::Stop);
    assert_eq!((bench.core.stop.clone(), bench.core.pc), (Stop::Wfi, 0x8_0004));
    bench.core.daif = 0xf;
    bench.bus.lines = Lines { irq: true, fiq: false };
    assert_eq!(bench.execute(WFI), Flow::Jump);
    assert_eq!(bench.core.pc, 0x8_0008);
}

#[test]
fn wfe_takes_an_event_from_here_or_elsewhere_and_else_waits() {
    let mut bench = Bench::at(1);
    assert_eq!(bench.execute(SEVL), Flow::Next);
    assert_eq!(bench.bus.events, 0);
    assert_eq!(bench.execute(WFE), Flow::Next);
    bench.core.config.doorbell.store(doorbell::EVENT | doorbell::STOP, Ordering::Release);
    assert_eq!(bench.execute(WFE), Flow::Next);
    assert_eq!(bench.core.config.doorbell.load(Ordering::Acquire), doorbell::STOP, "the rest of the doorbell stays");
    assert_eq!(bench.execute(WFE), Flow::Stop);
    assert_eq!(bench.core.stop, Stop::Wfe { armed: false });
    bench.execute(SEV);
    assert_eq!((bench.bus.events, bench.execute(WFE)), (1, Flow::Next));
    bench.msr(Reg::CNTKCTL_EL1, 1 << 2);
    bench.execute(WFE);
    assert_eq!(bench.core.stop, Stop::Wfe { armed: true }, "the event stream is an event");
}

#[test]
fn a_trapped_wfe_goes_on_if_there_is_an_event() {
    let mut bench = Bench::at(0);
    bench.write(Reg::SCTLR_EL1, 0);
    bench.core.event = true;
    assert_eq!(bench.execute(WFE), Flow::Next);
    assert_eq!(bench.execute(WFE), Flow::Fault);
    assert_eq!(bench.core.sys[Reg::ESR_EL1], 0x01 << 26 | 1 << 25 | 0x1e << 20 | 1);
}

#[test]
fn dsb_waits_for_the_other_cores_after_broadcast_maintenance_only() {
    let mut bench = Bench::at(1);
    assert_eq!(bench.execute(DSB_SY), Flow::Next);
    assert_eq!(bench.execute(sys_word(0, 8, 7, 0)), Flow::Jump, "TLBI VMALLE1");
    assert_eq!((bench.execute(DSB_SY), bench.bus.broadcasts.len()), (Flow::Next, 0));
    bench.core.x[0] = 7 << 48 | 0x123;
    assert_eq!(bench.execute(sys_word(0, 8, 3, 1)), Flow::Jump, "TLBI VAE1IS");
    assert_eq!(bench.bus.broadcasts, [Maintenance::Tlb(TlbScope::Page { regime: 0, va: 0x12_3000 })]);
    let pc = bench.core.pc;
    assert_eq!(bench.execute(DSB_SY), Flow::Stop);
    assert_eq!((bench.core.stop.clone(), bench.core.pc), (Stop::Sync, pc + 4));
    assert_eq!(bench.execute(DSB_SY), Flow::Next, "once");
    bench.write(Reg::HCR_EL2, hcr::RW | hcr::FB);
    bench.execute(sys_word(0, 8, 7, 0));
    assert_eq!(bench.bus.broadcasts.len(), 2, "EL2 has EL1's maintenance broadcast");
}

#[test]
fn barriers_and_clrex_are_executed_and_isb_leaves_the_block() {
    let mut bench = Bench::at(0);
    for word in [0xd503_3fbf, 0xd503_39bf, 0xd503_3abf, 0xd503_3f5f] {
        assert_eq!(bench.execute(word), Flow::Next);
    }
    assert_eq!((bench.execute(ISB), bench.core.pc), (Flow::Jump, 0x8_0004));
}

#[test]
fn ic_ivau_drops_decoded_code_everywhere() {
    let mut bench = Bench::at(1);
    bench.core.x[0] = 0x1234;
    assert_eq!(bench.execute(sys_word(3, 7, 5, 1)), Flow::Jump);
    assert!(bench.bus.broadcasts.is_empty(), "no code there");
    bench.core.config.ram.code().mark(0x1210);
    bench.execute(sys_word(3, 7, 5, 1));
    assert_eq!(bench.bus.broadcasts, [Maintenance::Code]);
    assert_eq!(bench.core.config.doorbell.load(Ordering::Acquire), doorbell::CODE, "this core too");
    assert_eq!(bench.execute(DSB_SY), Flow::Stop);
}

#[test]
fn cache_maintenance_faults_where_the_address_does() {
    let mut bench = Bench::at(1);
    bench.write(Reg::SCTLR_EL1, sctlr::M);
    bench.core.context_changed();
    bench.core.x[0] = 0x4000;
    assert_eq!(bench.execute(sys_word(0, 7, 6, 2)), Flow::Next, "DC ISW has no address");
    assert_eq!(bench.execute(sys_word(3, 7, 10, 1)), Flow::Fault, "DC CVAC");
    // No table at 0: a translation fault of level 0; CM and WnR are set.
    assert_eq!((bench.core.sys[Reg::ESR_EL1], bench.core.sys[Reg::FAR_EL1]), (0x9600_0144, 0x4000));
}

#[test]
fn user_maintenance_and_zeroing_need_leave() {
    for (word, bit) in [(sys_word(3, 7, 10, 1), sctlr::UCI), (sys_word(3, 7, 5, 1), sctlr::UCI), (sys_word(3, 7, 4, 1), sctlr::DZE)] {
        let mut bench = Bench::at(0);
        bench.write(Reg::SCTLR_EL1, 0);
        bench.execute(word);
        assert_eq!((bench.core.el, bench.core.sys[Reg::ESR_EL1] >> 26), (1, 0x18), "{word:#x}");
        let mut bench = Bench::at(0);
        bench.write(Reg::SCTLR_EL1, bit);
        bench.core.x[0] = 0x4000;
        bench.execute(word);
        assert_ne!(bench.core.sys[Reg::ESR_EL1] >> 26, 0x18, "{word:#x}");
    }
    let mut bench = Bench::at(0);
    bench.write(Reg::SCTLR_EL1, 0);
    assert_eq!(bench.mrs(Reg::DCZID_EL0), Ok(0x14), "DZP");
}

/// Maps the first 2 MiB one to one as Normal memory for EL1.
fn with_mmu() -> Bench {
    let mut bench = Bench::at(1);
    bench.core.config.ram.write_u64(0x2_0000, 0x2_1003).expect("in RAM");
    bench.core.config.ram.write_u64(0x2_1000, 0x0000_0401).expect("in RAM");
    bench.msr(Reg::MAIR_EL1, 0xff);
    bench.msr(Reg::TCR_EL1, 25);
    bench.msr(Reg::TTBR0_EL1, 0x2_0000);
    bench.msr(Reg::SCTLR_EL1, sctlr::M);
    bench
}

#[test]
fn dc_zva_zeroes_a_line_of_normal_memory_only() {
    let mut bench = with_mmu();
    bench.core.config.ram.fill(0x4000, 0xc0, 0xee).expect("in RAM");
    bench.core.x[0] = 0x4055;
    assert_eq!(bench.execute(sys_word(3, 7, 4, 1)), Flow::Next);
    let ram = &bench.core.config.ram;
    for at in (0x4000..0x40c0).step_by(8) {
        let zeroed = (0x4040..0x4080).contains(&at);
        assert_eq!(ram.read_u64(at), Some(if zeroed { 0 } else { 0xeeee_eeee_eeee_eeee }), "{at:#x}");
    }
    let mut bench = Bench::at(1);
    bench.core.x[0] = RAM;
    assert_eq!(bench.execute(sys_word(3, 7, 4, 1)), Flow::Fault);
    assert_eq!((bench.core.sys[Reg::ESR_EL1], bench.core.sys[Reg::FAR_EL1]), (0x9600_0061, RAM), "Device memory: alignment fault");
}

#[test]
fn el2_traps_maintenance_of_el1() {
    for (word, bit) in [
        (sys_word(0, 7, 6, 2), hcr::TSW),
        (sys_word(0, 7, 6, 1), hcr::TPC),
        (sys_word(0, 7, 5, 0), hcr::TPU),
        (sys_word(0, 8, 7, 0), hcr::TTLB),
        (sys_word(3, 7, 4, 1), hcr::TDZ),
    ] {
        let mut bench = Bench::at(1);
        bench.write(Reg::HCR_EL2, hcr::RW | bit);
        assert_eq!((bench.execute(word), bench.core.el, bench.core.sys[Reg::ESR_EL2] >> 26), (Flow::Fault, 2, 0x18), "{word:#x}");
    }
}

#[test]
fn maintenance_of_higher_levels_is_undefined_below() {
    for (el, word) in [(0, sys_word(0, 8, 7, 0)), (1, sys_word(4, 8, 7, 4)), (2, sys_word(6, 8, 7, 0)), (1, sys_word(4, 7, 8, 4))] {
        let mut bench = Bench::at(el);
        assert_eq!(bench.execute(word), Flow::Fault, "{word:#x} at EL{el}");
        assert_eq!(bench.core.el, el.max(1));
    }
}

#[test]
fn no_system_instruction_panics_at_any_level_with_any_operand() {
    for el in 0..4 {
        let mut bench = with_mmu();
        for code in 0..1u32 << 14 {
            for value in [0, u64::MAX, 0xffff_ffff_ffff_ffc0, RAM - 8, 0x5555_5555_5555_5555] {
                bench.enter(el);
                bench.core.pc = u64::MAX - 3;
                bench.core.x[3] = value;
                bench.execute(0xd508_0000 | code << 5 | 3);
                bench.execute(0xd528_0000 | code << 5 | 3);
            }
        }
    }
}

#[test]
fn hints_barriers_and_plain_registers_run_in_the_middle_of_a_block() {
    use crate::testing::{Guest, START};
    let words = [
        0xd503_201f, // nop
        0xd503_203f, // yield
        0xd503_3bbf, // dmb ish
        0xd503_39bf, // dmb ishld
        0xd503_3abf, // dmb ishst
        0xd503_3f9f, // dsb sy
        0xd503_3f5f, // clrex
        0xd51b_d041, // msr tpidr_el0, x1
        0xd53b_d042, // mrs x2, tpidr_el0
        0xd51b_4203, // msr nzcv, x3
        0xd53b_4204, // mrs x4, nzcv
        0xd503_4fdf, // msr daifset, #15
        0xd53b_4225, // mrs x5, daif
        0xd538_4246, // mrs x6, currentel
        0xd538_4107, // mrs x7, sp_el0
        0xd538_00bf, // mrs xzr, mpidr_el1
        0x1400_0000,
    ];
    let guest = |el: u8| {
        let mut guest = Guest::new(&words);
        guest.core.sys[Reg::SCR_EL3] = 0x531;
        guest.core.sys[Reg::HCR_EL2] = 1 << 31;
        guest.core.sys[Reg::SCTLR_EL1] = sctlr::UMA;
        guest.core.sys.sp[0] = 0x5500;
        guest.core.switch_sp(el, el > 0);
        guest.core.context_changed();
        guest.core.daif = 0;
        (guest.core.x[1], guest.core.x[3]) = (0x1234, u64::MAX);
        guest
    };
    // In slices of every size the same.
    let run = |guest: &mut Guest, budget: u64, slice: u64| {
        let mut left = budget;
        while left > 0 {
            let retired = guest.run(slice.min(left)).retired;
            assert_ne!(retired, 0);
            left -= retired;
        }
    };
    for slice in [1, 3, 100] {
        let mut kernel = guest(1);
        run(&mut kernel, 16 + 2, slice);
        assert_eq!((kernel.core.pc, kernel.core.daif), (START + 64, 0xf));
        assert_eq!(kernel.core.x[2], 0x1234);
        assert_eq!(kernel.core.x[4..8], [0xf000_0000, 0x3c0, 4, 0x5500]);
        assert_eq!(kernel.core.x[usize::from(crate::core::SLOT_ZR)], 0);
        if slice == 100 {
            assert_eq!(kernel.core.blocks.count(), 2, "all up to the branch, and the branch");
        }
        // EL0 may do all but read CurrentEL: the exception counts as one.
        let mut user = guest(0);
        run(&mut user, 14, slice);
        assert_eq!((user.core.el, user.core.sys[Reg::ELR_EL1], user.core.sys[Reg::ESR_EL1] >> 26), (1, START + 4 * 13, 0));
        assert_eq!((user.core.x[5], user.core.sys[Reg::SPSR_EL1] >> 6 & 0xf), (0x3c0, 0xf));
    }
}

#[test]
fn broadcast_tlb_maintenance_says_what_it_names() {
    let page = |regime| TlbScope::Page { regime, va: 0x12_3000 };
    for (op1, crm, op2, scope) in [
        (0, 3, 0, TlbScope::Regime(0)), // VMALLE1IS
        (0, 3, 1, page(0)),             // VAE1IS
        (0, 3, 2, TlbScope::Asid(7)),   // ASIDE1IS
        (0, 3, 3, page(0)),             // VAAE1IS
        (0, 3, 5, page(0)),             // VALE1IS
        (0, 3, 7, page(0)),             // VAALE1IS
        (4, 0, 1, TlbScope::Regime(0)), // IPAS2E1IS
        (4, 0, 5, TlbScope::Regime(0)), // IPAS2LE1IS
        (4, 3, 0, TlbScope::Regime(1)), // ALLE2IS
        (4, 3, 1, page(1)),             // VAE2IS
        (4, 3, 4, TlbScope::Regime(0)), // ALLE1IS
        (4, 3, 5, page(1)),             // VALE2IS
        (4, 3, 6, TlbScope::Regime(0)), // VMALLS12E1IS
        (6, 3, 0, TlbScope::Regime(2)), // ALLE3IS
        (6, 3, 1, page(2)),             // VAE3IS
        (6, 3, 5, page(2)),             // VALE3IS
    ] {
        let mut bench = Bench::at(3);
        bench.core.x[0] = 7 << 48 | 0x123;
        assert_eq!(bench.execute(sys_word(op1, 8, crm, op2)), Flow::Jump);
        assert_eq!(bench.bus.broadcasts, [Maintenance::Tlb(scope)], "TLBI #{op1}, C{crm}, #{op2}");
    }
}
