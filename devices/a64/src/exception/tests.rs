use super::interrupt::*;
use super::leave::*;
use super::*;
use crate::bench::Bench;
use crate::bus::Lines;
use crate::sysreg::hcr;
use crate::{Exception, Flow, Stop};

const SVC: u32 = 0xd400_0001;
const HVC: u32 = 0xd400_0002;
const SMC: u32 = 0xd400_0003;
const BRK: u32 = 0xd420_0000;
const ERET: u32 = 0xd69f_03e0;
const IRQ: Lines = Lines { irq: true, fiq: false };
const FIQ: Lines = Lines { irq: false, fiq: true };

fn data_abort(status: u32) -> Exception {
    Exception { class: Class::DataAbort, iss: status, far: Some(0xdead_beef) }
}

#[test]
fn a_call_banks_state_and_goes_to_the_vector_of_the_lower_level() {
    let mut bench = Bench::at(0);
    bench.core.nzcv = 0xa000_0000;
    bench.core.daif = 0x2;
    bench.core.x[32] = 0x7777;
    assert_eq!(bench.execute(SVC | 0x1234 << 5), Flow::Fault);
    let core = &bench.core;
    assert_eq!((core.el, core.spsel, core.daif, core.pc), (1, true, 0xf, 0x1400));
    assert_eq!(core.sys[Reg::ELR_EL1], 0x8_0004);
    assert_eq!(core.sys[Reg::SPSR_EL1], 0xa000_0080);
    assert_eq!(core.sys[Reg::ESR_EL1], 0x15 << 26 | 1 << 25 | 0x1234);
    assert_eq!(core.sys.sp[0], 0x7777);
}

#[test]
fn the_vector_depends_on_the_stack_pointer_in_use() {
    let mut bench = Bench::at(1);
    bench.execute(SVC);
    assert_eq!(bench.core.pc, 0x1200);
    let mut bench = Bench::at(1);
    bench.core.switch_sp(1, false);
    bench.execute(SVC);
    assert_eq!((bench.core.pc, bench.core.sys[Reg::SPSR_EL1] & 0xf), (0x1000, 4));
}

/// An instruction at a level under some controls, and the level and class (ESR_ELx.EC) that it ends at, with its return address's offset.
type Route = (u8, &'static [(Reg, u64)], u32, (u8, u64, u64));

#[test]
fn exceptions_are_routed_by_level_and_controls() {
    const NS: u64 = 0x431;
    const TGE: &[(Reg, u64)] = &[(Reg::HCR_EL2, hcr::RW | hcr::TGE)];
    let routes: &[Route] = &[
        (0, &[], SVC, (1, 0x15, 4)),
        (0, TGE, SVC, (2, 0x15, 4)),
        (1, &[], SVC, (1, 0x15, 4)),
        (2, &[], SVC, (2, 0x15, 4)),
        (3, &[], SVC, (3, 0x15, 4)),
        (0, &[], HVC, (1, 0x00, 0)),
        (1, &[], HVC, (2, 0x16, 4)),
        (2, &[], HVC, (2, 0x16, 4)),
        (3, &[], HVC, (3, 0x16, 4)),
        (1, &[(Reg::SCR_EL3, NS)], HVC, (1, 0x00, 0)),
        (1, &[(Reg::SCR_EL3, 0x530)], HVC, (1, 0x00, 0)),
        (0, &[], SMC, (1, 0x00, 0)),
        (1, &[], SMC, (3, 0x17, 4)),
        (2, &[], SMC, (3, 0x17, 4)),
        (1, &[(Reg::HCR_EL2, hcr::RW | hcr::TSC)], SMC, (2, 0x17, 0)),
        (2, &[(Reg::SCR_EL3, NS | scr::SMD)], SMC, (2, 0x00, 0)),
        (1, &[(Reg::SCR_EL3, NS | scr::SMD), (Reg::HCR_EL2, hcr::RW | hcr::TSC)], SMC, (2, 0x17, 0)),
        (0, &[], BRK, (1, 0x3c, 0)),
        (1, &[(Reg::MDCR_EL2, MDCR_EL2_TDE)], BRK, (2, 0x3c, 0)),
        (0, TGE, BRK, (2, 0x3c, 0)),
        (2, &[], BRK, (2, 0x3c, 0)),
        (3, &[], BRK, (3, 0x3c, 0)),
        (0, &[], ERET, (1, 0x00, 0)),
        // HLT, DCPS1, DRPS, MSR SPSel at EL0, and an unallocated MSR (immediate).
        (1, &[], 0xd440_0000, (1, 0x00, 0)),
        (1, &[], 0xd4a0_0001, (1, 0x00, 0)),
        (1, &[], 0xd6bf_03e0, (1, 0x00, 0)),
        (0, &[], 0xd500_40bf, (1, 0x00, 0)),
        (1, &[], 0xd500_409f, (1, 0x00, 0)),
        // MSR DAIFSet at EL0; WFI and WFE there.
        (0, &[(Reg::SCTLR_EL1, 0)], 0xd503_42df, (1, 0x18, 0)),
        (0, &[(Reg::SCTLR_EL1, 0)], 0xd503_207f, (1, 0x01, 0)),
        (0, &[(Reg::SCTLR_EL1, 0)], 0xd503_205f, (1, 0x01, 0)),
        (1, &[(Reg::HCR_EL2, hcr::RW | hcr::TWI)], 0xd503_207f, (2, 0x01, 0)),
        (2, &[(Reg::SCR_EL3, NS | scr::TWE)], 0xd503_205f, (3, 0x01, 0)),
    ];
    for (el, arm, word, gives) in routes {
        let mut bench = Bench::at(*el);
        for &(register, value) in *arm {
            bench.write(register, value);
        }
        assert_eq!(bench.execute(*word), Flow::Fault, "{word:#x} at EL{el}");
        let now = bench.core.el;
        let got = (now, bench.core.sys[esr_of(now)] >> 26, bench.core.sys[elr_of(now)] - 0x8_0000);
        assert_eq!(got, *gives, "{word:#x} at EL{el} under {arm:x?}");
        let vector = 0x1000 * u64::from(now) + if now == *el { 0x200 } else { 0x400 };
        assert_eq!(bench.core.pc, vector);
    }
}

#[test]
fn aborts_have_their_classes_addresses_and_external_ones_their_own_route() {
    let mut bench = Bench::at(1);
    bench.core.raise(data_abort(0x21), 0x8_0000);
    assert_eq!(bench.core.sys[Reg::ESR_EL1], 0x9600_0021, "from the same level");
    assert_eq!(bench.core.sys[Reg::FAR_EL1], 0xdead_beef);
    let mut bench = Bench::at(0);
    bench.core.raise(Exception { class: Class::InstructionAbort, ..data_abort(0x07) }, 0x8_0000);
    assert_eq!(bench.core.sys[Reg::ESR_EL1], 0x8200_0007, "from a lower level");
    let mut bench = Bench::at(1);
    bench.write(Reg::SCR_EL3, 0x431 | scr::EA);
    bench.core.raise(data_abort(0x07), 0x8_0000);
    assert_eq!(bench.core.el, 1, "not external");
    bench.core.raise(data_abort(0x15), 0x8_0000);
    assert_eq!((bench.core.el, bench.core.sys[Reg::FAR_EL3]), (3, 0xdead_beef));
}

#[test]
fn a_stage_2_abort_goes_to_el2_with_the_intermediate_address() {
    let mut bench = Bench::at(0);
    let exception = Exception { class: Class::Stage2DataAbort { ipa: 0x12_3456_7abc }, ..data_abort(0x07) };
    bench.core.raise(exception, 0x8_0000);
    assert_eq!((bench.core.el, bench.core.sys[Reg::HPFAR_EL2]), (2, 0x1234_5670));
    assert_eq!((bench.core.sys[Reg::ESR_EL2] >> 26, bench.core.sys[Reg::FAR_EL2]), (0x24, 0xdead_beef));
}

/// A level, controls, and the level and class that FP instructions are trapped with.
type FpCase = (u8, &'static [(Reg, u64)], Option<(u8, u64)>);

#[test]
fn floating_point_is_trapped_by_three_levels_in_turn() {
    let cases: &[FpCase] = &[
        (1, &[], Some((1, 0x07))),
        (0, &[(Reg::CPACR_EL1, 1 << 20)], Some((1, 0x07))),
        (1, &[(Reg::CPACR_EL1, 1 << 20)], None),
        (0, &[(Reg::CPACR_EL1, 3 << 20)], None),
        (0, &[(Reg::HCR_EL2, hcr::RW | hcr::TGE)], Some((2, 0x00))),
        // CPACR_EL1 comes first (ARM ARM, AArch64.CheckFPAdvSIMDEnabled).
        (0, &[(Reg::HCR_EL2, hcr::RW | hcr::TGE), (Reg::CPTR_EL2, CPTR_TFP)], Some((2, 0x00))),
        (0, &[(Reg::HCR_EL2, hcr::RW | hcr::TGE), (Reg::CPACR_EL1, 3 << 20), (Reg::CPTR_EL2, CPTR_TFP)], Some((2, 0x07))),
        (0, &[(Reg::CPACR_EL1, 3 << 20), (Reg::CPTR_EL2, CPTR_TFP)], Some((2, 0x07))),
        (2, &[], None),
        (2, &[(Reg::CPTR_EL2, CPTR_TFP)], Some((2, 0x07))),
        (2, &[(Reg::CPTR_EL3, CPTR_TFP)], Some((3, 0x07))),
        (3, &[(Reg::CPTR_EL2, CPTR_TFP)], None),
        (3, &[(Reg::CPTR_EL3, CPTR_TFP)], Some((3, 0x07))),
    ];
    for (el, arm, gives) in cases {
        let mut bench = Bench::at(*el);
        for &(register, value) in *arm {
            bench.write(register, value);
        }
        let got = bench.core.fp_trap().map(|exception| {
            bench.core.raise(exception, 0x8_0000);
            (bench.core.el, bench.core.sys[esr_of(bench.core.el)] >> 26)
        });
        assert_eq!(got, *gives, "EL{el} under {arm:x?}");
    }
}

#[test]
fn interrupts_are_routed_and_masked_by_level() {
    const TO_EL3: u64 = 0x431 | scr::IRQ;
    const TO_EL2: u64 = hcr::RW | hcr::IMO;
    // Level, SCR_EL3, HCR_EL2, PSTATE.I, and the level that takes an IRQ, if any.
    let cases: &[(u8, u64, u64, bool, Option<u8>)] = &[
        (0, 0x431, hcr::RW, false, Some(1)),
        (0, 0x431, hcr::RW, true, None),
        (1, 0x431, hcr::RW, false, Some(1)),
        (1, 0x431, hcr::RW, true, None),
        (2, 0x431, hcr::RW, false, None),
        (3, 0x431, hcr::RW, false, None),
        (0, 0x431, TO_EL2, true, Some(2)),
        (1, 0x431, TO_EL2, true, Some(2)),
        (2, 0x431, TO_EL2, true, None),
        (2, 0x431, TO_EL2, false, Some(2)),
        (0, 0x431, hcr::RW | hcr::TGE, true, Some(2)),
        (3, 0x431, TO_EL2, false, None),
        (1, TO_EL3, TO_EL2, true, Some(3)),
        (2, TO_EL3, hcr::RW, true, Some(3)),
        (3, TO_EL3, hcr::RW, true, None),
        (3, TO_EL3, hcr::RW, false, Some(3)),
        // Secure state: EL2 has no say.
        (1, 0x430, TO_EL2, false, Some(1)),
    ];
    for &(el, scr_el3, hcr_el2, masked, taken) in cases {
        let mut bench = Bench::at(el);
        bench.write(Reg::SCR_EL3, scr_el3);
        bench.write(Reg::HCR_EL2, hcr_el2);
        bench.core.daif = if masked { MASK_I } else { 0 };
        let got = bench.core.interrupt_pending(IRQ).map(|interrupt| {
            assert_eq!(interrupt, Interrupt::Irq);
            bench.core.take_interrupt(interrupt);
            assert_eq!(bench.core.pc & 0x1ff, 0x80);
            bench.core.el
        });
        assert_eq!(got, taken, "EL{el}, SCR {scr_el3:#x}, HCR {hcr_el2:#x}, masked {masked}");
        assert_eq!(bench.core.interrupt_pending(Lines::default()), None);
    }
}

#[test]
fn fiq_comes_first_and_has_its_own_vector() {
    let mut bench = Bench::at(1);
    assert_eq!(bench.core.interrupt_pending(Lines { irq: true, fiq: true }), Some(Interrupt::Fiq));
    bench.core.daif = MASK_I;
    assert_eq!(bench.core.interrupt_pending(IRQ), None);
    bench.core.take_interrupt(bench.core.interrupt_pending(FIQ).expect("not masked"));
    assert_eq!((bench.core.pc, bench.core.sys[Reg::ELR_EL1], bench.core.sys[Reg::SPSR_EL1]), (0x1300, 0x8_0000, 0x85));
}

#[test]
fn virtual_interrupts_reach_el1_only_where_el2_owns_the_physical_ones() {
    let mut bench = Bench::at(1);
    bench.write(Reg::HCR_EL2, hcr::RW | hcr::VI);
    assert_eq!(bench.core.interrupt_pending(Lines::default()), None, "not owned");
    bench.write(Reg::HCR_EL2, hcr::RW | hcr::VI | hcr::IMO);
    assert!(bench.core.wakes(Lines::default()));
    assert_eq!(bench.core.interrupt_pending(Lines::default()), Some(Interrupt::VirtualIrq));
    bench.core.daif = MASK_I;
    assert_eq!(bench.core.interrupt_pending(Lines::default()), None, "masked");
    bench.core.daif = 0;
    bench.enter(2);
    assert_eq!(bench.core.interrupt_pending(Lines::default()), None, "EL2 has none");
    bench.enter(0);
    bench.write(Reg::HCR_EL2, hcr::RW | hcr::VSE | hcr::AMO);
    bench.core.take_interrupt(bench.core.interrupt_pending(Lines::default()).expect("a virtual SError"));
    assert_eq!((bench.core.el, bench.core.pc, bench.core.sys[Reg::HCR_EL2]), (1, 0x1580, hcr::RW | hcr::AMO));
}

/// SPSR_EL3 of a return with DAIF masked.
fn return_from_el3(bench: &mut Bench, spsr: u64) -> Flow {
    bench.enter(3);
    bench.msr(Reg::SPSR_EL3, spsr);
    bench.msr(Reg::ELR_EL3, 0x4000);
    bench.execute(ERET)
}

#[test]
fn eret_restores_state_and_is_an_event() {
    let mut bench = Bench::at(3);
    bench.write(Reg::SP_EL0, 0x9000);
    bench.core.check_interrupts = false;
    assert_eq!(return_from_el3(&mut bench, 0x6000_0144), Flow::Jump);
    let core = &bench.core;
    assert_eq!((core.el, core.spsel, core.daif, core.nzcv, core.pc), (1, false, 5, 0x6000_0000, 0x4000));
    assert_eq!((core.x[32], core.event, core.check_interrupts), (0x9000, true, true));
}

#[test]
fn the_firmware_hands_over_in_el2() {
    let mut bench = Bench::reset();
    bench.core.enter_kernel(0x8_0000);
    assert_eq!((bench.core.el, bench.core.spsel, bench.core.daif, bench.core.pc), (2, true, 0xf, 0x8_0000));
    assert_eq!((bench.mrs(Reg::CNTFRQ_EL0), bench.mrs(Reg::CPUECTLR_EL1)), (Ok(19_200_000), Ok(0x40)));
    assert_eq!(bench.core.fp_trap(), None);
    assert_eq!(bench.execute(SMC), Flow::Fault);
    assert_eq!((bench.core.el, bench.core.sys[Reg::ESR_EL2] >> 26), (2, 0), "SMC is undefined");
}

#[test]
fn illegal_returns_stay_and_raise_illegal_state() {
    // Reserved mode, EL0 with SPSel, EL1 with TGE, EL2 while Secure, EL1 as AArch64 while it is AArch32.
    let cases: &[(u64, u64, u64)] = &[
        (0x431, hcr::RW, 0x6),
        (0x431, hcr::RW, 0x1),
        (0x431, hcr::RW | hcr::TGE, 0x5),
        (0x430, hcr::RW, 0x9),
        (0x431, 0, 0x5),
        (0x031, hcr::RW, 0x9),
        (0x431, hcr::RW, 0x14),
    ];
    for &(scr_el3, hcr_el2, spsr) in cases {
        let mut bench = Bench::at(3);
        bench.write(Reg::SCR_EL3, scr_el3);
        bench.write(Reg::HCR_EL2, hcr_el2);
        assert_eq!(return_from_el3(&mut bench, spsr), Flow::Jump);
        let core = &bench.core;
        assert_eq!((core.el, core.pc, core.sys[Reg::ESR_EL3] >> 26), (3, 0x3200, 0x0e), "SPSR {spsr:#x}");
        assert_eq!((core.sys[Reg::ELR_EL3], core.sys[Reg::SPSR_EL3] & SPSR_IL), (0x4000, SPSR_IL));
    }
    let mut bench = Bench::at(1);
    bench.msr(Reg::SPSR_EL1, 0x9);
    assert_eq!(bench.execute(ERET), Flow::Jump, "to a higher level");
    assert_eq!((bench.core.el, bench.core.sys[Reg::ESR_EL1] >> 26), (1, 0x0e));
}

#[test]
fn spsr_il_raises_illegal_state_at_the_target() {
    let mut bench = Bench::at(3);
    return_from_el3(&mut bench, SPSR_IL | 0x5);
    assert_eq!((bench.core.el, bench.core.pc, bench.core.sys[Reg::ESR_EL1] >> 26), (1, 0x1200, 0x0e));
}

#[test]
fn a_return_to_aarch32_loses_the_core_in_words() {
    let mut bench = Bench::at(1);
    bench.msr(Reg::SPSR_EL1, 0x10);
    bench.msr(Reg::ELR_EL1, 0x1_0000);
    assert_eq!(bench.execute(ERET), Flow::Stop);
    let Stop::Lost(reason) = &bench.core.stop else { panic!("{:?}", bench.core.stop) };
    // Which core it is says who collects the reasons.
    assert!(!reason.contains("core") && reason.contains("AArch32") && reason.contains("to 0x10000"), "{reason}");
    assert!(reason.contains("PC 0x80000") && reason.contains("SPSR 0x10"), "{reason}");
}

#[test]
fn a_return_address_loses_its_tag_where_tags_are_ignored() {
    let mut bench = Bench::at(3);
    assert_eq!(bench.core.canonical(0x5a00_0000_0000_4000, 1), 0x5a00_0000_0000_4000);
    bench.write(Reg::TCR_EL1, 3 << 37);
    assert_eq!(bench.core.canonical(0x5a00_0000_0000_4000, 1), 0x4000);
    assert_eq!(bench.core.canonical(0x5af0_0000_0000_4000, 0), 0xfff0_0000_0000_4000);
    bench.write(Reg::TCR_EL2, 1 << 20);
    assert_eq!(bench.core.canonical(0x5af0_0000_0000_4000, 2), 0x00f0_0000_0000_4000);
}

#[test]
fn exceptions_that_lead_nowhere_stop_the_core_and_others_do_not() {
    let abort = Exception { class: Class::InstructionAbort, iss: 0x07, far: Some(0x1200) };
    let mut bench = Bench::at(1);
    let mut taken = 0;
    while bench.core.raise(abort, 0x1200) == Flow::Fault {
        // The run loop counts an exception as one instruction.
        bench.core.run_retired += 1;
        taken += 1;
        assert!(taken < 100, "never lost");
    }
    assert_eq!(taken, super::progress::REPEATS_STUCK);
    let Stop::Stuck(reason) = &bench.core.stop else { panic!("{:?}", bench.core.stop) };
    assert!(reason.contains("instruction abort: translation fault, level 3 at 0x1200") && reason.contains("VBAR_EL1"), "{reason}");

    let mut bench = Bench::at(1);
    for _ in 0..100 {
        assert_eq!(bench.core.raise(abort, 0x1200), Flow::Fault);
        bench.core.run_retired += 2;
    }
}

#[test]
fn software_step_lets_one_instruction_through() {
    let mut bench = Bench::at(1);
    bench.msr(Reg::OSLAR_EL1, 0);
    bench.msr(Reg::MDSCR_EL1, 1);
    assert!(!bench.core.step_enabled(), "EL1 itself needs KDE");
    bench.msr(Reg::SPSR_EL1, SPSR_SS);
    bench.msr(Reg::ELR_EL1, 0x4000);
    bench.execute(ERET);
    assert!(bench.core.step_enabled());
    assert_eq!(bench.core.step(), None, "the first instruction");
    bench.core.pc += 4;
    assert_eq!(bench.core.step(), Some(Flow::Fault));
    assert_eq!((bench.core.el, bench.core.sys[Reg::ELR_EL1]), (1, 0x4004));
    assert_eq!((bench.core.sys[Reg::ESR_EL1], bench.core.sys[Reg::SPSR_EL1]), (0xcb00_0022, 0));
}

#[test]
fn a_stepped_instruction_that_faults_is_stepped_again_and_a_call_is_complete() {
    const SVC: u32 = 0xd400_0001;
    for (word, ss) in [(0xd440_0000, SPSR_SS), (0xd420_0000, SPSR_SS), (SVC, 0)] {
        let mut bench = Bench::at(1);
        bench.msr(Reg::OSLAR_EL1, 0);
        bench.msr(Reg::MDSCR_EL1, 1);
        bench.msr(Reg::SPSR_EL1, SPSR_SS);
        bench.msr(Reg::ELR_EL1, 0x4000);
        bench.execute(ERET);
        assert_eq!(bench.core.step(), None);
        assert_eq!(bench.execute(word), Flow::Fault);
        assert_eq!(bench.core.sys[Reg::SPSR_EL1] & SPSR_SS, ss, "{word:#x}");
    }
}

#[test]
fn software_step_tells_of_the_instruction_that_was_stepped() {
    // SPSR_EL1.SS, the instruction at 0x4000, and ESR_EL1 (ARM ARM D13.2.37, ISS of a software step): ISV and EX.
    for (spsr, word, esr) in [(0, 0xd503_201f, 0xca00_0022), (SPSR_SS, 0xd503_201f, 0xcb00_0022), (SPSR_SS, 0xc85f_7c20, 0xcb00_0062)] {
        let mut bench = Bench::at(1);
        bench.msr(Reg::OSLAR_EL1, 0);
        bench.msr(Reg::MDSCR_EL1, 1);
        bench.core.config.ram.write_u32(0x4000, word).expect("in RAM");
        bench.msr(Reg::SPSR_EL1, spsr);
        bench.msr(Reg::ELR_EL1, 0x4000);
        bench.execute(ERET);
        if spsr != 0 {
            assert_eq!(bench.core.step(), None);
        }
        assert_eq!(bench.core.step(), Some(Flow::Fault));
        assert_eq!(bench.core.sys[Reg::ESR_EL1], esr, "{word:#x}");
    }
}
