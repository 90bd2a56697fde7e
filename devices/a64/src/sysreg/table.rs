//! The register table.
//!
//! One line a register: storage and encoding in one place. Values marked A53 are from the Cortex-A53 TRM (r0p4), as integrated in the BCM2837:
//! four cores, 32 KiB L1 caches, 512 KiB L2, no cryptography extension, no GIC interface.

use super::access::*;
use super::{Register, Trap, at, debug, id, pmu, timer};
use std::sync::LazyLock;

macro_rules! registers {
    ($($name:ident = $entry:expr;)*) => {
        /// A system register, as an index of [`super::SysRegs`].
        #[expect(non_camel_case_types, reason = "the names of the ARM ARM")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u16)]
        pub enum Reg { $(#[doc = concat!("`", stringify!($name), "`")] $name,)* }

        /// Number of registers.
        pub(super) const COUNT: usize = [$(stringify!($name)),*].len();

        /// All registers, by [`Reg`].
        pub(crate) static TABLE: [Register; COUNT] = [$($entry.named(stringify!($name))),*];
    };
}

/// Bits that a new SCTLR_EL1 keeps, those that ARMv8.0 reserves as one included.
const SCTLR_EL1_MASK: u64 = 0x37dd_dbbf;
/// The same of SCTLR_EL2 and SCTLR_EL3.
const SCTLR_EL23_MASK: u64 = 0x32cd_183f;
const WORD: u64 = 0xffff_ffff;

/// PMUSERENR_EL0: all, and one more each for software increment, cycle and event counters.
const PMU_EN: u8 = 1;
const PMU_SW: u8 = 1 | 2;
const PMU_CR: u8 = 1 | 4;
const PMU_ER: u8 = 1 | 8;

/// An event counter's value and its type.
const fn event_counter(n: u16) -> Register {
    at(3, 3, 14, 8, n).rw(0).mask(WORD).trap(Trap::PmuCounter(PMU_ER)).reads(pmu::read_event).writes(pmu::write_event)
}
const fn event_type(n: u16) -> Register {
    at(3, 3, 14, 12, n).rw(0).mask(WORD).trap(Trap::Pmu(PMU_EN)).reads(pmu::read_event_type).writes(pmu::write_event_type)
}
/// A register of the 32-bit ID group, trapped by TID3.
const fn id3(crm: u16, op2: u16, value: u64) -> Register {
    at(3, 0, 0, crm, op2).ro(1).trap(Trap::Id3).reset(value)
}
const fn breakpoint_value(n: u16) -> Register {
    at(2, 0, 0, n, 4).rw(1).trap(Trap::Debug).writes(debug::write_debug)
}
const fn breakpoint_control(n: u16) -> Register {
    at(2, 0, 0, n, 5).rw(1).trap(Trap::Debug).mask(0x00ff_e1e7).writes(debug::write_debug)
}
const fn watchpoint_value(n: u16) -> Register {
    at(2, 0, 0, n, 6).rw(1).trap(Trap::Debug).mask(!3).writes(debug::write_debug)
}
const fn watchpoint_control(n: u16) -> Register {
    at(2, 0, 0, n, 7).rw(1).trap(Trap::Debug).mask(0x1fff_ffff).writes(debug::write_debug)
}

registers! {
    // Identification (A53 4.3.1 to 4.3.28).
    MIDR_EL1 = at(3, 0, 0, 0, 0).ro(1).reset(0x410f_d034).reads(id::read_midr);
    MPIDR_EL1 = at(3, 0, 0, 0, 5).ro(1).reads(id::read_mpidr);
    REVIDR_EL1 = at(3, 0, 0, 0, 6).ro(1).trap(Trap::Id1);
    AIDR_EL1 = at(3, 1, 0, 0, 7).ro(1).trap(Trap::Id1);
    ID_PFR0_EL1 = id3(1, 0, 0x0000_0131);
    ID_PFR1_EL1 = id3(1, 1, 0x0001_1011);
    ID_DFR0_EL1 = id3(1, 2, 0x0301_0066);
    ID_AFR0_EL1 = id3(1, 3, 0);
    ID_MMFR0_EL1 = id3(1, 4, 0x1020_1105);
    ID_MMFR1_EL1 = id3(1, 5, 0x4000_0000);
    ID_MMFR2_EL1 = id3(1, 6, 0x0126_0000);
    ID_MMFR3_EL1 = id3(1, 7, 0x0210_2211);
    ID_ISAR0_EL1 = id3(2, 0, 0x0210_1110);
    ID_ISAR1_EL1 = id3(2, 1, 0x1311_2111);
    ID_ISAR2_EL1 = id3(2, 2, 0x2123_2042);
    ID_ISAR3_EL1 = id3(2, 3, 0x0111_2131);
    ID_ISAR4_EL1 = id3(2, 4, 0x0001_1142);
    ID_ISAR5_EL1 = id3(2, 5, 0x0001_0001);
    ID_MMFR4_EL1 = id3(2, 6, 0);
    ID_RES_2_7 = id3(2, 7, 0);
    MVFR0_EL1 = id3(3, 0, 0x1011_0222);
    MVFR1_EL1 = id3(3, 1, 0x1211_1111);
    MVFR2_EL1 = id3(3, 2, 0x0000_0043);
    ID_RES_3_3 = id3(3, 3, 0);
    ID_RES_3_4 = id3(3, 4, 0);
    ID_RES_3_5 = id3(3, 5, 0);
    ID_RES_3_6 = id3(3, 6, 0);
    ID_RES_3_7 = id3(3, 7, 0);
    ID_AA64PFR0_EL1 = id3(4, 0, 0x0000_2222);
    ID_AA64PFR1_EL1 = id3(4, 1, 0);
    ID_RES_4_2 = id3(4, 2, 0);
    ID_RES_4_3 = id3(4, 3, 0);
    ID_RES_4_4 = id3(4, 4, 0);
    ID_RES_4_5 = id3(4, 5, 0);
    ID_RES_4_6 = id3(4, 6, 0);
    ID_RES_4_7 = id3(4, 7, 0);
    ID_AA64DFR0_EL1 = id3(5, 0, 0x1030_5106);
    ID_AA64DFR1_EL1 = id3(5, 1, 0);
    ID_RES_5_2 = id3(5, 2, 0);
    ID_RES_5_3 = id3(5, 3, 0);
    ID_AA64AFR0_EL1 = id3(5, 4, 0);
    ID_AA64AFR1_EL1 = id3(5, 5, 0);
    ID_RES_5_6 = id3(5, 6, 0);
    ID_RES_5_7 = id3(5, 7, 0);
    // CRC32, no AES, SHA1, SHA2.
    ID_AA64ISAR0_EL1 = id3(6, 0, 0x0001_0000);
    ID_AA64ISAR1_EL1 = id3(6, 1, 0);
    ID_RES_6_2 = id3(6, 2, 0);
    ID_RES_6_3 = id3(6, 3, 0);
    ID_RES_6_4 = id3(6, 4, 0);
    ID_RES_6_5 = id3(6, 5, 0);
    ID_RES_6_6 = id3(6, 6, 0);
    ID_RES_6_7 = id3(6, 7, 0);
    // 40 bits of physical address, 4 KiB and 64 KiB granules, 16-bit ASIDs.
    ID_AA64MMFR0_EL1 = id3(7, 0, 0x0000_1122);
    ID_AA64MMFR1_EL1 = id3(7, 1, 0);
    ID_RES_7_2 = id3(7, 2, 0);
    ID_RES_7_3 = id3(7, 3, 0);
    ID_RES_7_4 = id3(7, 4, 0);
    ID_RES_7_5 = id3(7, 5, 0);
    ID_RES_7_6 = id3(7, 6, 0);
    ID_RES_7_7 = id3(7, 7, 0);
    CCSIDR_EL1 = at(3, 1, 0, 0, 0).ro(1).trap(Trap::Id2).reads(id::read_ccsidr);
    CLIDR_EL1 = at(3, 1, 0, 0, 1).ro(1).trap(Trap::Id2).reset(0x0a20_0023);
    CSSELR_EL1 = at(3, 2, 0, 0, 0).rw(1).trap(Trap::Id2).mask(0xf);
    CTR_EL0 = at(3, 3, 0, 0, 1).ro(0).trap(Trap::CacheType).reset(0x8444_8004);
    DCZID_EL0 = at(3, 3, 0, 0, 7).ro(0).reads(id::read_dczid);
    VPIDR_EL2 = at(3, 4, 0, 0, 0).rw(2).word().reset(0x410f_d034);
    VMPIDR_EL2 = at(3, 4, 0, 0, 5).rw(2);

    // Control.
    SCTLR_EL1 = at(3, 0, 1, 0, 0).rw(1).trap(Trap::VirtualMemory).context().mask(SCTLR_EL1_MASK).reset(0x00c5_0838);
    ACTLR_EL1 = at(3, 0, 1, 0, 1).rw(1).trap(Trap::Actlr).zero();
    CPACR_EL1 = at(3, 0, 1, 0, 2).rw(1).trap(Trap::Cpacr).context().mask(0x0030_0000);
    SCTLR_EL2 = at(3, 4, 1, 0, 0).rw(2).context().mask(SCTLR_EL23_MASK).reset(0x30c5_0838);
    ACTLR_EL2 = at(3, 4, 1, 0, 1).rw(2).mask(0x73);
    HCR_EL2 = at(3, 4, 1, 1, 0).rw(2).mask(0x3_dfff_ffff).writes(write_hcr);
    MDCR_EL2 = at(3, 4, 1, 1, 1).rw(2).mask(0xfff).reset(6).writes(pmu::write_debug_control);
    CPTR_EL2 = at(3, 4, 1, 1, 2).rw(2).trap(Trap::Cpacr).context().mask(0x8000_0400).ones(0x33ff);
    HSTR_EL2 = at(3, 4, 1, 1, 3).rw(2).mask(0xbfef);
    HACR_EL2 = at(3, 4, 1, 1, 7).rw(2).zero();
    SCTLR_EL3 = at(3, 6, 1, 0, 0).rw(3).context().mask(SCTLR_EL23_MASK).reset(0x00c5_0838);
    ACTLR_EL3 = at(3, 6, 1, 0, 1).rw(3).mask(0x73);
    SCR_EL3 = at(3, 6, 1, 1, 0).rw(3).mask(0x3f8f).ones(0x30).writes(write_scr);
    SDER32_EL3 = at(3, 6, 1, 1, 1).rw(3).mask(3);
    CPTR_EL3 = at(3, 6, 1, 1, 2).rw(3).context().mask(0x8000_0400);
    MDCR_EL3 = at(3, 6, 1, 3, 1).rw(3).mask(0x0033_c640).writes(pmu::write_debug_control);

    // Translation.
    TTBR0_EL1 = at(3, 0, 2, 0, 0).rw(1).trap(Trap::VirtualMemory).context();
    TTBR1_EL1 = at(3, 0, 2, 0, 1).rw(1).trap(Trap::VirtualMemory).context();
    TCR_EL1 = at(3, 0, 2, 0, 2).rw(1).trap(Trap::VirtualMemory).context().mask(0x77_ffff_ffbf);
    TTBR0_EL2 = at(3, 4, 2, 0, 0).rw(2).context();
    TCR_EL2 = at(3, 4, 2, 0, 2).rw(2).context().mask(0x0017_ff3f).ones(0x8080_0000);
    VTTBR_EL2 = at(3, 4, 2, 1, 0).rw(2).context().mask(0x00ff_ffff_ffff_ffff);
    VTCR_EL2 = at(3, 4, 2, 1, 2).rw(2).context().mask(0x0007_ffff).ones(0x8000_0000);
    TTBR0_EL3 = at(3, 6, 2, 0, 0).rw(3).context();
    TCR_EL3 = at(3, 6, 2, 0, 2).rw(3).context().mask(0x0017_ff3f).ones(0x8080_0000);
    MAIR_EL1 = at(3, 0, 10, 2, 0).rw(1).trap(Trap::VirtualMemory).context();
    MAIR_EL2 = at(3, 4, 10, 2, 0).rw(2).context();
    MAIR_EL3 = at(3, 6, 10, 2, 0).rw(3).context();
    AMAIR_EL1 = at(3, 0, 10, 3, 0).rw(1).trap(Trap::VirtualMemory).zero();
    AMAIR_EL2 = at(3, 4, 10, 3, 0).rw(2).zero();
    AMAIR_EL3 = at(3, 6, 10, 3, 0).rw(3).zero();
    CONTEXTIDR_EL1 = at(3, 0, 13, 0, 1).rw(1).trap(Trap::VirtualMemory).word().writes(pmu::write_context_id);
    PAR_EL1 = at(3, 0, 7, 4, 0).rw(1);
    DACR32_EL2 = at(3, 4, 3, 0, 0).rw(2).word();

    // Exceptions.
    SPSR_EL1 = at(3, 0, 4, 0, 0).rw(1).word();
    ELR_EL1 = at(3, 0, 4, 0, 1).rw(1);
    SPSR_EL2 = at(3, 4, 4, 0, 0).rw(2).word();
    ELR_EL2 = at(3, 4, 4, 0, 1).rw(2);
    SPSR_EL3 = at(3, 6, 4, 0, 0).rw(3).word();
    ELR_EL3 = at(3, 6, 4, 0, 1).rw(3);
    SPSR_IRQ = at(3, 4, 4, 3, 0).rw(2).word();
    SPSR_ABT = at(3, 4, 4, 3, 1).rw(2).word();
    SPSR_UND = at(3, 4, 4, 3, 2).rw(2).word();
    SPSR_FIQ = at(3, 4, 4, 3, 3).rw(2).word();
    AFSR0_EL1 = at(3, 0, 5, 1, 0).rw(1).trap(Trap::VirtualMemory).zero();
    AFSR1_EL1 = at(3, 0, 5, 1, 1).rw(1).trap(Trap::VirtualMemory).zero();
    ESR_EL1 = at(3, 0, 5, 2, 0).rw(1).trap(Trap::VirtualMemory).word();
    AFSR0_EL2 = at(3, 4, 5, 1, 0).rw(2).zero();
    AFSR1_EL2 = at(3, 4, 5, 1, 1).rw(2).zero();
    ESR_EL2 = at(3, 4, 5, 2, 0).rw(2).word();
    AFSR0_EL3 = at(3, 6, 5, 1, 0).rw(3).zero();
    AFSR1_EL3 = at(3, 6, 5, 1, 1).rw(3).zero();
    ESR_EL3 = at(3, 6, 5, 2, 0).rw(3).word();
    IFSR32_EL2 = at(3, 4, 5, 0, 1).rw(2).word();
    FPEXC32_EL2 = at(3, 4, 5, 3, 0).rw(2).trap(Trap::Fp).mask(0x4000_0000).ones(0x700);
    FAR_EL1 = at(3, 0, 6, 0, 0).rw(1).trap(Trap::VirtualMemory);
    FAR_EL2 = at(3, 4, 6, 0, 0).rw(2);
    HPFAR_EL2 = at(3, 4, 6, 0, 4).rw(2).mask(0x0000_00ff_ffff_fff0);
    FAR_EL3 = at(3, 6, 6, 0, 0).rw(3);
    VBAR_EL1 = at(3, 0, 12, 0, 0).rw(1).mask(!0x7ff);
    VBAR_EL2 = at(3, 4, 12, 0, 0).rw(2).mask(!0x7ff);
    VBAR_EL3 = at(3, 6, 12, 0, 0).rw(3).mask(!0x7ff);
    RVBAR_EL3 = at(3, 6, 12, 0, 1).ro(3);
    RMR_EL3 = at(3, 6, 12, 0, 2).rw(3).reset(1).mask(3).writes(write_rmr);
    ISR_EL1 = at(3, 0, 12, 1, 0).ro(1).reads(read_isr);

    // Processor state and stack pointers.
    SPSEL = at(3, 0, 4, 2, 0).rw(1).mask(1).reads(read_spsel).writes(write_spsel);
    CURRENTEL = at(3, 0, 4, 2, 2).ro(1).reads(read_current_el);
    NZCV = at(3, 3, 4, 2, 0).rw(0).mask(0xf000_0000).reads(read_nzcv).writes(write_nzcv);
    DAIF = at(3, 3, 4, 2, 1).rw(0).mask(0x3c0).trap(Trap::Daif).reads(read_daif).writes(write_daif);
    FPCR = at(3, 3, 4, 4, 0).rw(0).mask(0x07c0_0000).trap(Trap::Fp).reads(read_fpcr).writes(write_fpcr);
    FPSR = at(3, 3, 4, 4, 1).rw(0).mask(0xf800_009f).trap(Trap::Fp).reads(read_fpsr).writes(write_fpsr);
    SP_EL0 = at(3, 0, 4, 1, 0).rw(1).trap(Trap::SpEl0).reads(read_sp).writes(write_sp);
    SP_EL1 = at(3, 4, 4, 1, 0).rw(2).reads(read_sp).writes(write_sp);
    SP_EL2 = at(3, 6, 4, 1, 0).rw(3).reads(read_sp).writes(write_sp);

    // Thread registers.
    TPIDR_EL0 = at(3, 3, 13, 0, 2).rw(0);
    TPIDRRO_EL0 = Register { read_el: 0, ..at(3, 3, 13, 0, 3).rw(1) };
    TPIDR_EL1 = at(3, 0, 13, 0, 4).rw(1);
    TPIDR_EL2 = at(3, 4, 13, 0, 2).rw(2);
    TPIDR_EL3 = at(3, 6, 13, 0, 2).rw(3);

    // Generic timers.
    CNTFRQ_EL0 = Register { read_el: 0, ..at(3, 3, 14, 0, 0).rw(3) }.word().trap(Trap::CounterFrequency);
    CNTPCT_EL0 = at(3, 3, 14, 0, 1).ro(0).trap(Trap::PhysicalCounter).reads(timer::read_physical_count);
    CNTVCT_EL0 = at(3, 3, 14, 0, 2).ro(0).trap(Trap::VirtualCounter).reads(timer::read_virtual_count);
    CNTVOFF_EL2 = at(3, 4, 14, 0, 3).rw(2).writes(timer::write_offset);
    CNTKCTL_EL1 = at(3, 0, 14, 1, 0).rw(1).mask(0x3ff);
    CNTHCTL_EL2 = at(3, 4, 14, 1, 0).rw(2).mask(0xff).reset(3);
    CNTP_TVAL_EL0 = at(3, 3, 14, 2, 0).rw(0).trap(Trap::PhysicalTimer).reads(timer::read_value).writes(timer::write_value);
    CNTP_CTL_EL0 = at(3, 3, 14, 2, 1).rw(0).trap(Trap::PhysicalTimer).reads(timer::read_control).writes(timer::write_control);
    CNTP_CVAL_EL0 = at(3, 3, 14, 2, 2).rw(0).trap(Trap::PhysicalTimer).writes(timer::write_compare);
    CNTV_TVAL_EL0 = at(3, 3, 14, 3, 0).rw(0).trap(Trap::VirtualTimer).reads(timer::read_value).writes(timer::write_value);
    CNTV_CTL_EL0 = at(3, 3, 14, 3, 1).rw(0).trap(Trap::VirtualTimer).reads(timer::read_control).writes(timer::write_control);
    CNTV_CVAL_EL0 = at(3, 3, 14, 3, 2).rw(0).trap(Trap::VirtualTimer).writes(timer::write_compare);
    CNTHP_TVAL_EL2 = at(3, 4, 14, 2, 0).rw(2).reads(timer::read_value).writes(timer::write_value);
    CNTHP_CTL_EL2 = at(3, 4, 14, 2, 1).rw(2).reads(timer::read_control).writes(timer::write_control);
    CNTHP_CVAL_EL2 = at(3, 4, 14, 2, 2).rw(2).writes(timer::write_compare);
    CNTPS_TVAL_EL1 = at(3, 7, 14, 2, 0).rw(1).trap(Trap::SecureTimer).reads(timer::read_value).writes(timer::write_value);
    CNTPS_CTL_EL1 = at(3, 7, 14, 2, 1).rw(1).trap(Trap::SecureTimer).reads(timer::read_control).writes(timer::write_control);
    CNTPS_CVAL_EL1 = at(3, 7, 14, 2, 2).rw(1).trap(Trap::SecureTimer).writes(timer::write_compare);

    // Performance monitors.
    PMCR_EL0 = at(3, 3, 9, 12, 0).rw(0).trap(Trap::PmuControl).reads(pmu::read_control).writes(pmu::write_control);
    PMCNTENSET_EL0 = at(3, 3, 9, 12, 1).rw(0).trap(Trap::Pmu(PMU_EN)).mask(pmu::COUNTER_BITS).reads(pmu::read_enable).writes(pmu::set_enable);
    PMCNTENCLR_EL0 = at(3, 3, 9, 12, 2).rw(0).trap(Trap::Pmu(PMU_EN)).mask(pmu::COUNTER_BITS).reads(pmu::read_enable).writes(pmu::clear_enable);
    PMOVSCLR_EL0 = at(3, 3, 9, 12, 3).rw(0).trap(Trap::Pmu(PMU_EN)).mask(pmu::COUNTER_BITS).reads(pmu::read_overflow).writes(pmu::clear_overflow);
    PMSWINC_EL0 = at(3, 3, 9, 12, 4).wo(0).trap(Trap::Pmu(PMU_SW)).mask(0x3f).writes(pmu::software_increment);
    PMSELR_EL0 = at(3, 3, 9, 12, 5).rw(0).trap(Trap::Pmu(PMU_ER)).mask(0x1f);
    PMCEID0_EL0 = at(3, 3, 9, 12, 6).ro(0).trap(Trap::Pmu(PMU_EN)).reset(pmu::EVENTS_COUNTED);
    PMCEID1_EL0 = at(3, 3, 9, 12, 7).ro(0).trap(Trap::Pmu(PMU_EN));
    PMCCNTR_EL0 = at(3, 3, 9, 13, 0).rw(0).trap(Trap::PmuCounter(PMU_CR)).reads(pmu::read_cycles).writes(pmu::write_cycles);
    PMXEVTYPER_EL0 = at(3, 3, 9, 13, 1).rw(0).trap(Trap::Pmu(PMU_EN)).word().reads(pmu::read_event_type).writes(pmu::write_event_type);
    PMXEVCNTR_EL0 = at(3, 3, 9, 13, 2).rw(0).trap(Trap::PmuCounter(PMU_ER)).word().reads(pmu::read_event).writes(pmu::write_event);
    PMUSERENR_EL0 = Register { read_el: 0, ..at(3, 3, 9, 14, 0).rw(1) }.mask(0xf).trap(Trap::PmuUser);
    PMOVSSET_EL0 = at(3, 3, 9, 14, 3).rw(0).trap(Trap::Pmu(PMU_EN)).mask(pmu::COUNTER_BITS).reads(pmu::read_overflow).writes(pmu::set_overflow);
    PMINTENSET_EL1 = at(3, 0, 9, 14, 1).rw(1).trap(Trap::Pmu(PMU_EN)).mask(pmu::COUNTER_BITS).reads(pmu::read_interrupt_enable).writes(pmu::set_interrupt_enable);
    PMINTENCLR_EL1 = at(3, 0, 9, 14, 2).rw(1).trap(Trap::Pmu(PMU_EN)).mask(pmu::COUNTER_BITS).reads(pmu::read_interrupt_enable).writes(pmu::clear_interrupt_enable);
    PMEVCNTR0_EL0 = event_counter(0);
    PMEVCNTR1_EL0 = event_counter(1);
    PMEVCNTR2_EL0 = event_counter(2);
    PMEVCNTR3_EL0 = event_counter(3);
    PMEVCNTR4_EL0 = event_counter(4);
    PMEVCNTR5_EL0 = event_counter(5);
    PMEVTYPER0_EL0 = event_type(0);
    PMEVTYPER1_EL0 = event_type(1);
    PMEVTYPER2_EL0 = event_type(2);
    PMEVTYPER3_EL0 = event_type(3);
    PMEVTYPER4_EL0 = event_type(4);
    PMEVTYPER5_EL0 = event_type(5);
    PMCCFILTR_EL0 = at(3, 3, 14, 15, 7).rw(0).trap(Trap::Pmu(PMU_EN)).mask(0xfc00_0000).writes(pmu::write_cycle_filter);

    // Debug.
    OSDTRRX_EL1 = at(2, 0, 0, 0, 2).rw(1).trap(Trap::Debug).word();
    MDCCINT_EL1 = at(2, 0, 0, 2, 0).rw(1).trap(Trap::Debug).mask(0x6000_0000);
    MDSCR_EL1 = at(2, 0, 0, 2, 2).rw(1).trap(Trap::Debug).mask(debug::MDSCR_KEPT).writes(debug::write_mdscr);
    OSDTRTX_EL1 = at(2, 0, 0, 3, 2).rw(1).trap(Trap::Debug).word();
    OSECCR_EL1 = at(2, 0, 0, 6, 2).rw(1).trap(Trap::Debug).word();
    MDCCSR_EL0 = at(2, 3, 0, 1, 0).ro(0).trap(Trap::Debug);
    DBGDTR_EL0 = at(2, 3, 0, 4, 0).rw(0).trap(Trap::Debug).reads(debug::read_nothing);
    DBGDTRX_EL0 = at(2, 3, 0, 5, 0).rw(0).trap(Trap::Debug).word().reads(debug::read_nothing);
    DBGVCR32_EL2 = at(2, 4, 0, 7, 0).rw(2).trap(Trap::Debug).word();
    DBGBVR0_EL1 = breakpoint_value(0);
    DBGBVR1_EL1 = breakpoint_value(1);
    DBGBVR2_EL1 = breakpoint_value(2);
    DBGBVR3_EL1 = breakpoint_value(3);
    DBGBVR4_EL1 = breakpoint_value(4);
    DBGBVR5_EL1 = breakpoint_value(5);
    DBGBCR0_EL1 = breakpoint_control(0);
    DBGBCR1_EL1 = breakpoint_control(1);
    DBGBCR2_EL1 = breakpoint_control(2);
    DBGBCR3_EL1 = breakpoint_control(3);
    DBGBCR4_EL1 = breakpoint_control(4);
    DBGBCR5_EL1 = breakpoint_control(5);
    DBGWVR0_EL1 = watchpoint_value(0);
    DBGWVR1_EL1 = watchpoint_value(1);
    DBGWVR2_EL1 = watchpoint_value(2);
    DBGWVR3_EL1 = watchpoint_value(3);
    DBGWCR0_EL1 = watchpoint_control(0);
    DBGWCR1_EL1 = watchpoint_control(1);
    DBGWCR2_EL1 = watchpoint_control(2);
    DBGWCR3_EL1 = watchpoint_control(3);
    MDRAR_EL1 = at(2, 0, 1, 0, 0).ro(1).trap(Trap::DebugRom);
    OSLAR_EL1 = at(2, 0, 1, 0, 4).wo(1).trap(Trap::DebugOs).writes(debug::write_os_lock);
    OSLSR_EL1 = at(2, 0, 1, 1, 4).ro(1).trap(Trap::DebugOs).reset(debug::OSLSR_RESET);
    OSDLR_EL1 = at(2, 0, 1, 3, 4).rw(1).trap(Trap::DebugOs).mask(1).writes(debug::write_debug);
    DBGPRCR_EL1 = at(2, 0, 1, 4, 4).rw(1).trap(Trap::DebugOs).mask(1);
    DBGCLAIMSET_EL1 = at(2, 0, 7, 8, 6).rw(1).trap(Trap::Debug).mask(debug::CLAIM_BITS).reads(debug::read_claim_set).writes(debug::set_claim);
    DBGCLAIMCLR_EL1 = at(2, 0, 7, 9, 6).rw(1).trap(Trap::Debug).mask(debug::CLAIM_BITS).writes(debug::clear_claim);
    DBGAUTHSTATUS_EL1 = at(2, 0, 7, 14, 6).ro(1).trap(Trap::Debug).reset(0xaa);

    // Implementation defined (A53 4.3.64 to 4.3.77).
    L2CTLR_EL1 = at(3, 1, 11, 0, 2).rw(1).trap(Trap::Implementation(1 << 4)).mask(0x3f).ones(0x0300_0000);
    L2ECTLR_EL1 = at(3, 1, 11, 0, 3).rw(1).trap(Trap::Implementation(1 << 5)).mask(0x6000_0007);
    L2ACTLR_EL1 = at(3, 1, 15, 0, 0).rw(1).trap(Trap::Implementation(1 << 6)).word().reset(0x8000_0000);
    CPUACTLR_EL1 = at(3, 1, 15, 2, 0).rw(1).trap(Trap::Implementation(1 << 0)).reset(0x090c_a000);
    CPUECTLR_EL1 = at(3, 1, 15, 2, 1).rw(1).trap(Trap::Implementation(1 << 1)).mask(0x7f);
    CPUMERRSR_EL1 = at(3, 1, 15, 2, 2).rw(1).trap(Trap::Implementation(0)).mask(0x8000_0000_0000_0000);
    L2MERRSR_EL1 = at(3, 1, 15, 2, 3).rw(1).trap(Trap::Implementation(0)).mask(0x8000_0000_0000_0000);
    CBAR_EL1 = at(3, 1, 15, 3, 0).ro(1).trap(Trap::Implementation(0));
}

/// Table indices in order of their keys.
static BY_KEY: LazyLock<Vec<(u16, usize)>> = LazyLock::new(|| {
    let mut index: Vec<_> = TABLE.iter().enumerate().map(|(at, register)| (register.key, at)).collect();
    index.sort_unstable();
    index
});

/// Finds a register by instruction bits 19 to 5.
pub(super) fn find(key: u16) -> Option<usize> {
    BY_KEY.binary_search_by_key(&key, |entry| entry.0).ok().map(|at| BY_KEY[at].1)
}

/// Name of a register by instruction bits 19 to 5.
pub(crate) fn name_of(key: u16) -> Option<&'static str> {
    find(key).map(|at| TABLE[at].name)
}
