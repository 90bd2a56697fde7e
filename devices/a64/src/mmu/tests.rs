use super::*;
use crate::bench::{Bench, RAM, sys_word};
use proptest::prelude::*;

const VALID: u64 = 1;
const TABLE: u64 = 3;
const PAGE: u64 = 3;
const AF: u64 = 1 << 10;
const READ_ONLY: u64 = 1 << 7;
const USER: u64 = 1 << 6;
const NOT_GLOBAL: u64 = 1 << 11;
const PXN: u64 = 1 << 53;
const UXN: u64 = 1 << 54;
/// Attribute index 1: Normal memory, by [`MAIR`].
const NORMAL_INDEX: u64 = 1 << 2;
const MAIR: u64 = 0xff00;
const EL1: u64 = 0x1_0000;
const UPPER: u64 = 0xffff_0000_0000_0000;

/// A bench with EL1's tables at [`EL1`] for both halves: 48 bits (T0SZ and T1SZ of 16), 4 KiB granules, 40 bits of physical address.
fn bench() -> Bench {
    let mut bench = Bench::at(1);
    bench.msr(Reg::MAIR_EL1, MAIR);
    bench.msr(Reg::TCR_EL1, 2 << 32 | 2 << 30 | 16 << 16 | 16);
    bench.msr(Reg::TTBR0_EL1, EL1);
    bench.msr(Reg::TTBR1_EL1, EL1);
    bench.msr(Reg::SCTLR_EL1, sctlr::M);
    bench
}

impl Bench {
    fn put(&self, table: u64, index: u64, descriptor: u64) {
        self.core.config.ram.write_u64(table + 8 * index, descriptor).expect("in RAM");
    }

    /// Maps virtual 0x40_0000 to 0x5000 by a page, 0x60_0000 by a block of 2 MiB, and 1 GiB by a block.
    fn map(&self, page_bits: u64) {
        self.put(EL1, 0, (EL1 + 0x1000) | TABLE);
        self.put(EL1 + 0x1000, 0, (EL1 + 0x2000) | TABLE);
        self.put(EL1 + 0x1000, 1, 0x8000_0000 | VALID | AF);
        self.put(EL1 + 0x2000, 2, (EL1 + 0x3000) | TABLE);
        self.put(EL1 + 0x2000, 3, 0x0020_0000 | VALID | AF | NORMAL_INDEX);
        self.put(EL1 + 0x3000, 0, 0x5000 | PAGE | page_bits);
    }

    fn walk(&self, va: u64, kind: Kind, el: u8) -> Result<Translation, (Class, u32)> {
        self.core.translate(va, kind, el).map_err(|exception| {
            assert_eq!(exception.far, Some(va));
            (exception.class, exception.iss)
        })
    }
}

#[test]
fn pages_and_blocks_of_both_halves_are_found() {
    let bench = bench();
    bench.map(AF | NORMAL_INDEX | NOT_GLOBAL | 3 << 8);
    for half in [0, UPPER] {
        let page = bench.walk(half | 0x40_0123, Kind::Read, 1).expect("a page");
        assert_eq!((page.pa, page.page_shift, page.device, page.non_global), (0x5123, 12, false, true));
        assert_eq!((page.attributes, page.shareability), (0xff, 3));
        let block = bench.walk(half | 0x6a_bcde, Kind::Read, 1).expect("2 MiB");
        assert_eq!((block.pa, block.page_shift, block.device), (0x2a_bcde, 21, false));
        let block = bench.walk(half | 0x7fff_ffff, Kind::Read, 1).expect("1 GiB");
        assert_eq!((block.pa, block.page_shift, block.device), (0xbfff_ffff, 30, true));
    }
}

#[test]
fn faults_name_their_kind_and_level() {
    let bench = bench();
    bench.map(AF);
    let data = Class::DataAbort;
    assert_eq!(bench.walk(1 << 39, Kind::Read, 1), Err((data, 0x04)), "translation, level 0");
    assert_eq!(bench.walk(2 << 30, Kind::Read, 1), Err((data, 0x05)), "translation, level 1");
    assert_eq!(bench.walk(4 << 21, Kind::Write, 1), Err((data, 0x46)), "translation, level 2, a write");
    assert_eq!(bench.walk(0x40_1000, Kind::Execute, 1), Err((Class::InstructionAbort, 0x07)), "translation, level 3");
    assert_eq!(bench.walk(0x0001_0000_0000_0000, Kind::Read, 1), Err((data, 0x04)), "between the halves");
    assert_eq!(bench.walk(0x5500_0000_0040_0000, Kind::Read, 1), Err((data, 0x04)), "a tag where none is ignored");
    bench.put(EL1, 2, 0x5000 | VALID | AF);
    assert_eq!(bench.walk(2 << 39, Kind::Read, 1), Err((data, 0x04)), "no block at level 0");
    bench.put(EL1 + 0x3000, 1, 0x5000 | VALID | AF);
    assert_eq!(bench.walk(0x40_1000, Kind::Read, 1), Err((data, 0x07)), "no block at level 3");
    bench.put(EL1 + 0x3000, 2, 0x5000 | PAGE);
    assert_eq!(bench.walk(0x40_2000, Kind::Read, 1), Err((data, 0x0b)), "access flag, level 3");
    bench.put(EL1 + 0x2000, 5, VALID | READ_ONLY);
    assert_eq!(bench.walk(5 << 21, Kind::Write, 1), Err((data, 0x4a)), "access flag before permission");
    bench.put(EL1 + 0x2000, 5, VALID | READ_ONLY | AF);
    assert_eq!(bench.walk(5 << 21, Kind::Write, 1), Err((data, 0x4e)), "permission, level 2");
    bench.put(EL1 + 0x2000, 6, 0x100_0000_0000 | VALID);
    assert_eq!(bench.walk(6 << 21, Kind::Read, 1), Err((data, 0x02)), "address size, level 2, before the access flag");
    bench.put(EL1 + 0x1000, 7, 0x200_0000_0000 | TABLE);
    assert_eq!(bench.walk(7 << 30, Kind::Read, 1), Err((data, 0x01)), "address size of a table");
    bench.put(EL1 + 0x1000, 8, RAM | TABLE);
    assert_eq!(bench.walk(8 << 30, Kind::Read, 1), Err((data, 0x16)), "external abort on the walk at level 2");
}

#[test]
fn the_control_register_limits_both_halves() {
    let mut bench = bench();
    bench.map(AF);
    let tcr = bench.core.sys[Reg::TCR_EL1];
    bench.msr(Reg::TCR_EL1, tcr | 1 << 7);
    assert_eq!(bench.walk(0x40_0000, Kind::Read, 1), Err((Class::DataAbort, 0x04)), "EPD0");
    assert!(bench.walk(UPPER | 0x40_0000, Kind::Read, 1).is_ok());
    bench.msr(Reg::TCR_EL1, tcr | 1 << 23);
    assert_eq!(bench.walk(UPPER | 0x40_0000, Kind::Read, 1), Err((Class::DataAbort, 0x04)), "EPD1");
    bench.msr(Reg::TCR_EL1, tcr | 1 << 37);
    assert_eq!(bench.walk(0x5500_0000_0040_0000, Kind::Read, 1).map(|t| t.pa), Ok(0x5000), "TBI0");
    assert!(bench.walk(0xff5f_0000_0040_0000 & !(1 << 55), Kind::Read, 1).is_err(), "the tag is bits 63 to 56 only");
    bench.msr(Reg::TCR_EL1, tcr | 1 << 38);
    assert_eq!(bench.walk(0x55ff_0000_0040_0000, Kind::Read, 1).map(|t| t.pa), Ok(0x5000), "TBI1");
    bench.msr(Reg::TCR_EL1, tcr & !(7 << 32));
    bench.put(EL1 + 0x1000, 9, 0x1_0000_0000 | VALID | AF);
    assert_eq!(bench.walk(9 << 30, Kind::Read, 1), Err((Class::DataAbort, 0x01)), "IPS of 32 bits");
    bench.msr(Reg::TTBR0_EL1, 0x1_0000_0000);
    assert_eq!(bench.walk(0, Kind::Read, 1), Err((Class::DataAbort, 0x00)), "a table beyond IPS");
}

#[test]
fn small_spaces_start_at_lower_levels() {
    let mut bench = bench();
    // 25 bits (T0SZ of 39): one table of level 2, with sixteen entries, aligned to 128 bytes.
    bench.msr(Reg::TCR_EL1, 2 << 32 | 39);
    bench.msr(Reg::TTBR0_EL1, 0x2_0080);
    bench.put(0x2_0080, 15, 0x0020_0000 | VALID | AF);
    assert_eq!(bench.walk(0x1ff_ffff, Kind::Read, 1).map(|t| t.pa), Ok(0x3f_ffff));
    assert_eq!(bench.walk(0x200_0000, Kind::Read, 1), Err((Class::DataAbort, 0x04)));
    // 39 bits: level 1.
    bench.msr(Reg::TCR_EL1, 2 << 32 | 25);
    bench.msr(Reg::TTBR0_EL1, 0x3_0000);
    bench.put(0x3_0000, 511, 0x4000_0000 | VALID | AF);
    assert_eq!(bench.walk(0x7f_ffff_ffff, Kind::Read, 1).map(|t| t.pa), Ok(0x7fff_ffff));
}

#[test]
fn granules_of_64_kib_have_levels_of_their_own() {
    let mut bench = bench();
    // 42 bits, so level 2 is the first.
    bench.msr(Reg::TCR_EL1, 2 << 32 | 1 << 14 | 22);
    bench.msr(Reg::TTBR0_EL1, 0x4_0000);
    bench.put(0x4_0000, 0, 0x5_0000 | TABLE);
    bench.put(0x4_0000, 1, 0x6000_0000 | VALID | AF);
    bench.put(0x5_0000, 2, 0x7_0000 | PAGE | AF);
    let page = bench.walk(0x2_1234, Kind::Read, 1).expect("a page");
    assert_eq!((page.pa, page.page_shift), (0x7_1234, 16));
    let block = bench.walk(0x3234_5678, Kind::Read, 1).expect("512 MiB");
    assert_eq!((block.pa, block.page_shift), (0x7234_5678, 29));
    // 48 bits: level 1 has tables only.
    bench.msr(Reg::TCR_EL1, 2 << 32 | 1 << 14 | 16);
    bench.put(0x4_0000, 1, 0x6000_0000 | VALID | AF);
    assert_eq!(bench.walk(1 << 42, Kind::Read, 1), Err((Class::DataAbort, 0x05)));
}

#[test]
fn rights_follow_ap_xn_wxn_and_the_level() {
    // Descriptor bits, WXN, and read, write, execute at EL0 and EL1.
    let cases: &[(u64, bool, [bool; 3], [bool; 3])] = &[
        (0, false, [false, false, true], [true, true, true]),
        (USER, false, [true, true, true], [true, true, false]),
        (READ_ONLY, false, [false, false, true], [true, false, true]),
        (READ_ONLY | USER, false, [true, false, true], [true, false, true]),
        (UXN, false, [false, false, false], [true, true, true]),
        (PXN, false, [false, false, true], [true, true, false]),
        (0, true, [false, false, true], [true, true, false]),
        (USER, true, [true, true, false], [true, true, false]),
        (READ_ONLY | USER, true, [true, false, true], [true, false, true]),
    ];
    for &(bits, wxn, el0, el1) in cases {
        let mut bench = bench();
        bench.map(AF | bits);
        bench.msr(Reg::SCTLR_EL1, sctlr::M | if wxn { sctlr::WXN } else { 0 });
        for (el, rights) in [(0, el0), (1, el1)] {
            for (kind, allowed) in [Kind::Read, Kind::Write, Kind::Execute].into_iter().zip(rights) {
                let found = bench.walk(0x40_0000, kind, el);
                assert_eq!(found.is_ok(), allowed, "{kind:?} at EL{el}, bits {bits:#x}, WXN {wxn}");
                if let Ok(found) = found {
                    assert_eq!([found.read, found.write, found.execute], rights);
                } else {
                    assert_eq!(found.map_err(|(_, iss)| iss & 0x3f), Err(0x0f));
                }
            }
        }
    }
}

#[test]
fn tables_take_rights_away_from_what_is_below() {
    // Bits of a table descriptor, and read, write, execute at EL0 and EL1 of a page that allows all that a page can.
    let cases: &[(u64, [bool; 3], [bool; 3])] = &[
        (0, [true, true, true], [true, true, false]),
        (1 << 61, [false, false, true], [true, true, true]),
        (1 << 62, [true, false, true], [true, false, true]),
        (3 << 61, [false, false, true], [true, false, true]),
        (1 << 60, [true, true, false], [true, true, false]),
        (1 << 59 | 1 << 62, [true, false, true], [true, false, false]),
    ];
    for &(bits, el0, el1) in cases {
        let bench = bench();
        bench.map(AF | USER);
        bench.put(EL1, 0, (EL1 + 0x1000) | TABLE | bits);
        for (el, rights) in [(0, el0), (1, el1)] {
            let got = [Kind::Read, Kind::Write, Kind::Execute].map(|kind| bench.walk(0x40_0000, kind, el).is_ok());
            assert_eq!(got, rights, "EL{el}, table bits {bits:#x}");
        }
    }
}

#[test]
fn with_the_mmu_off_data_is_device_memory() {
    let bench = Bench::at(1);
    for el in 0..4 {
        let data = bench.walk(0x1234_5678, Kind::Read, el).expect("flat");
        assert_eq!((data.pa, data.device, data.read, data.write), (0x1234_5678, true, true, true));
        let code = bench.walk(0x1234_5678, Kind::Execute, el).expect("flat");
        assert_eq!((code.pa, code.execute), (0x1234_5678, true));
        assert_eq!(bench.walk(1 << 40, Kind::Write, el), Err((Class::DataAbort, 0x40)), "address size, level 0");
    }
}

#[test]
fn higher_levels_have_one_half_and_execute_never() {
    for (el, tcr, ttbr, sctlr_el) in [(2, Reg::TCR_EL2, Reg::TTBR0_EL2, Reg::SCTLR_EL2), (3, Reg::TCR_EL3, Reg::TTBR0_EL3, Reg::SCTLR_EL3)]
    {
        let mut bench = Bench::at(el);
        bench.msr(tcr, 2 << 16 | 16);
        bench.msr(ttbr, EL1);
        bench.msr(sctlr_el, sctlr::M);
        bench.map(AF | UXN);
        assert_eq!(bench.walk(0x40_0040, Kind::Write, el).map(|t| (t.pa, t.non_global)), Ok((0x5040, false)));
        assert_eq!(bench.walk(0x40_0040, Kind::Execute, el), Err((Class::InstructionAbort, 0x0f)));
        assert_eq!(bench.walk(UPPER | 0x40_0040, Kind::Read, el), Err((Class::DataAbort, 0x04)));
        bench.msr(tcr, 1 << 20 | 2 << 16 | 16);
        assert_eq!(bench.walk(0x8100_0000_0040_0040, Kind::Read, el).map(|t| t.pa), Ok(0x5040), "TBI");
        // EL1 is not concerned.
        assert_eq!(bench.walk(0x40_0040, Kind::Read, 1).map(|t| t.pa), Ok(0x40_0040));
    }
}

#[test]
fn tables_may_be_big_endian() {
    let mut bench = bench();
    bench.map(AF);
    for table in [EL1, EL1 + 0x1000, EL1 + 0x2000, EL1 + 0x3000] {
        for index in 0..8 {
            let word = bench.core.config.ram.read_u64(table + 8 * index).expect("in RAM");
            bench.put(table, index, word.swap_bytes());
        }
    }
    assert!(bench.walk(0x40_0000, Kind::Read, 1).is_err());
    bench.msr(Reg::SCTLR_EL1, sctlr::M | sctlr::EE);
    assert_eq!(bench.walk(0x40_0000, Kind::Read, 1).map(|t| t.pa), Ok(0x5000));
}

/// Stage 2 of 40 bits by 4 KiB granules: a level 1 table of two pages (concatenated), at 0x8_0000. The first 2 MiB by a block, with `bits`.
fn with_stage2(bits: u64) -> Bench {
    let mut bench = bench();
    bench.map(AF | NORMAL_INDEX);
    bench.write(Reg::VTCR_EL2, 2 << 16 | 1 << 6 | 24);
    bench.write(Reg::VTTBR_EL2, 0x8_0000);
    bench.write(Reg::HCR_EL2, hcr::RW | hcr::VM);
    bench.put(0x8_0000, 0, 0x8_4000 | TABLE);
    bench.put(0x8_4000, 0, VALID | AF | bits);
    bench
}

/// S2AP of reads; MemAttr of Normal memory.
const S2_READ: u64 = 1 << 6;
const S2_NORMAL: u64 = 0xf << 2;

#[test]
fn stage_2_translates_what_stage_1_gives() {
    let bench = with_stage2(S2_READ | S2_NORMAL);
    let found = bench.walk(0x40_0123, Kind::Read, 1).expect("both stages");
    assert_eq!((found.pa, found.page_shift, found.device), (0x5123, 12, false));
    assert_eq!([found.read, found.write, found.execute], [true, false, true]);
    let abort = |ipa| Class::Stage2DataAbort { ipa };
    assert_eq!(bench.walk(0x40_0123, Kind::Write, 1), Err((abort(0x5123), 0x4e)), "permission, level 2");
    assert_eq!(bench.walk(0x60_0000, Kind::Read, 1), Err((abort(0x20_0000), 0x06)), "translation, level 2");
    assert_eq!(bench.walk(0x40_0000, Kind::Write, 2).map(|t| t.pa), Ok(0x40_0000), "EL2 has its own regime");
    let bench = with_stage2(S2_READ | 1 << 2);
    assert_eq!(bench.walk(0x40_0000, Kind::Read, 1).map(|t| (t.device, t.attributes)), Ok((true, 4)), "Device-nGnRE by stage 2");
}

#[test]
fn attributes_of_both_stages_combine_to_the_stricter() {
    for (first, second, both) in [
        (0xff, 0xcc, 0xff),
        (0xff, 0x88, 0xbb),
        (0xff, 0x4c, 0x4f),
        (0xbb, 0xcc, 0xbb),
        (0x44, 0xcc, 0x44),
        (0x0c, 0x04, 0x04),
        (0x04, 0xcc, 0x04),
        (0xff, 0x08, 0x08),
    ] {
        assert_eq!(combined_attributes(first, second), both, "{first:#x} and {second:#x}");
    }
}

#[test]
fn a_walk_that_stage_2_does_not_map_is_said_to_be_one() {
    let mut bench = with_stage2(S2_READ | S2_NORMAL);
    bench.msr(Reg::TTBR0_EL1, 0x20_0000);
    let fault = bench.walk(0x40_0000, Kind::Write, 1);
    assert_eq!(fault, Err((Class::Stage2DataAbort { ipa: 0x20_0000 }, 0x46 | 1 << 7)), "S1PTW");
    let mut bench = with_stage2(S2_READ);
    bench.write(Reg::HCR_EL2, hcr::RW | hcr::VM | hcr::PTW);
    let fault = bench.walk(0x40_0000, Kind::Read, 1);
    assert_eq!(fault, Err((Class::Stage2DataAbort { ipa: EL1 }, 0x0e | 1 << 7)), "tables in Device memory");
}

#[test]
fn at_puts_the_result_into_par() {
    let mut bench = bench();
    bench.map(AF | NORMAL_INDEX | READ_ONLY | 3 << 8);
    let mut at = |el: u8, op1: u32, op2: u32, va: u64| {
        bench.enter(el);
        bench.core.x[0] = va;
        bench.execute(sys_word(op1, 7, 8, op2));
        bench.mrs(Reg::PAR_EL1).expect("readable")
    };
    assert_eq!(at(1, 0, 0, 0x40_0123), 0xff00_0000_0000_5980, "S1E1R");
    assert_eq!(at(1, 0, 1, 0x40_0123), 0x0000_081f, "S1E1W: permission, level 3");
    assert_eq!(at(1, 0, 2, 0x40_0123), 0x0000_081f, "S1E0R");
    assert_eq!(at(1, 0, 0, 0x40_1000), 0x0000_080f, "translation, level 3");
    assert_eq!(at(2, 4, 0, 0x40_1000), 0x0040_1900, "S1E2R, with the MMU off");
    let mut bench = with_stage2(S2_READ | S2_NORMAL);
    let mut at = |el: u8, op1: u32, op2: u32, va: u64| {
        bench.enter(el);
        bench.core.x[0] = va;
        bench.execute(sys_word(op1, 7, 8, op2));
        bench.mrs(Reg::PAR_EL1).expect("readable")
    };
    assert_eq!(at(2, 4, 4, 0x60_0000), 0x0000_0a0d, "S12E1R: stage 2, translation, level 2");
    assert_eq!(at(1, 0, 0, 0x60_0000) & !(3 << 7), 0xff00_0000_0020_0800, "S1E1R: stage 1 alone");
}

fn any_descriptor() -> impl Strategy<Value = u64> {
    // Mostly tables and pages within RAM, so that walks get far.
    prop_oneof![
        any::<u64>(),
        (0..RAM >> 12, any::<u64>()).prop_map(|(page, bits)| page << 12 | TABLE | AF | bits & 0xfff0_0000_0000_0ffc),
        (0..RAM >> 16, any::<u64>()).prop_map(|(page, bits)| page << 16 | TABLE | AF | bits & 0xfff0_0000_0000_0ffc),
    ]
}

proptest! {
    #[test]
    fn no_table_and_no_control_value_panics(
        descriptors in prop::collection::vec(any_descriptor(), 64),
        controls in prop::collection::vec(any::<u64>(), 12),
        addresses in prop::collection::vec(prop_oneof![any::<u64>(), 0..1u64 << 48, any::<u64>().prop_map(|low| low | UPPER)], 16),
    ) {
        let mut bench = Bench::at(1);
        for (n, descriptor) in descriptors.iter().cycle().take((RAM / 8 / 61) as usize).enumerate() {
            bench.core.config.ram.write_u64(8 * 61 * n as u64, *descriptor).expect("in RAM");
        }
        let registers = [
            Reg::TCR_EL1, Reg::TCR_EL2, Reg::TCR_EL3, Reg::VTCR_EL2, Reg::HCR_EL2, Reg::SCR_EL3, Reg::MAIR_EL1, Reg::TTBR0_EL1, Reg::TTBR1_EL1,
            Reg::TTBR0_EL2, Reg::TTBR0_EL3, Reg::VTTBR_EL2,
        ];
        for (register, value) in registers.into_iter().zip(&controls) {
            let value = if register as u16 >= Reg::TTBR0_EL1 as u16 && value & 1 != 0 { value % RAM } else { *value };
            bench.write(register, value);
        }
        for sctlr in [Reg::SCTLR_EL1, Reg::SCTLR_EL2, Reg::SCTLR_EL3] {
            bench.write(sctlr, controls[0] | sctlr::M);
        }
        for va in addresses {
            for (kind, el) in [(Kind::Read, 0), (Kind::Write, 1), (Kind::Execute, 2), (Kind::Read, 3)] {
                if let Ok(found) = bench.core.translate(va, kind, el) {
                    prop_assert!(found.pa < 1 << 40);
                    prop_assert!((12..=40).contains(&found.page_shift));
                    let low = (1 << found.page_shift.min(12)) - 1;
                    prop_assert_eq!(found.pa & low, va & low);
                }
            }
        }
    }
}

#[test]
fn shareability_widens_and_what_no_cache_holds_is_outer_shareable() {
    for (first, second, both) in [(0, 0, 0), (0, 3, 3), (3, 0, 3), (3, 2, 2), (2, 3, 2), (2, 0, 2), (3, 3, 3)] {
        assert_eq!(combined_shareability(first, second), both, "{first} and {second}");
    }
    let bench = Bench::at(1);
    let flat = bench.core.translate(0x1000, Kind::Read, 1).expect("no stage is on");
    for (attributes, sh) in [(0xff, 3), (0x44, 2), (0x4f, 3), (0xf4, 3)] {
        let found = Translation { device: false, attributes, shareability: 3, ..flat };
        assert_eq!(found.par_shareability(), sh, "{attributes:#x}");
    }
    assert_eq!(Translation { device: true, attributes: 0x04, shareability: 3, ..flat }.par_shareability(), 2);
}
