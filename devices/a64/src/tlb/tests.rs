//! Tests of what maintenance drops and what it keeps.

use super::NUMBERS;
use crate::TlbScope;
use crate::sysreg::Reg;
use crate::testing::{Guest, START};

#[test]
fn numbers_of_contexts_run_out_in_the_middle_of_a_block() {
    // 1: add x0, x0, #1 ; tlbi vmalle1 ; add x2, x2, #1 ; tlbi alle3is ; subs x1, x1, #1 ; b.ne 1b ; b .
    let words = [0x9100_0400, 0xd508_871f, 0x9100_0442, 0xd50e_831f, 0xf100_0421, 0x54ff_ff61, 0x1400_0000];
    let result = |next: Option<u32>| {
        let mut guest = Guest::new(&words);
        guest.core.x[1] = 100;
        guest.run(7);
        let chunks = guest.core.blocks.chunks();
        if let Some(next) = next {
            guest.core.tlb.next = next;
        }
        let tag = guest.core.tag;
        guest.run(6 * 100);
        assert_eq!(guest.core.blocks.chunks(), chunks, "no operations were dropped");
        (guest.core.x[..3].to_vec(), guest.core.pc, tag < guest.core.tag)
    };
    let usual = result(None);
    assert_eq!(usual, (vec![100, 0, 100], START + 24, true));
    for left in 0..8 {
        let (x, pc, rose) = result(Some(NUMBERS - left));
        assert_eq!((x, pc), (usual.0.clone(), usual.1), "{left} numbers left");
        assert_eq!(rose, usual.2, "tags begin anew");
    }
}

#[test]
fn a_number_that_is_used_again_finds_nothing_of_its_first_use() {
    // The last page of the first 2 MiB branches to the first of the next.
    let mut guest = Guest::new(&[]);
    for (at, entry) in [(0x3000, 0x4003), (0x4000, 0x401), (0x4008, 0x20_0401)] {
        guest.ram.write_u64(at, entry).expect("in RAM");
    }
    guest.core.sys[Reg::MAIR_EL3] = 0xff;
    guest.core.sys[Reg::TTBR0_EL3] = 0x3000;
    guest.core.sys[Reg::TCR_EL3] = 25;
    guest.core.sys[Reg::SCTLR_EL3] |= 1;
    guest.core.context_changed();
    guest.write(0x1f_f000, &[0x1400_0400]);
    guest.write(0x20_0000, &[0xd280_0020, 0x1400_0000]); // mov x0, #1 ; b .
    guest.write(0, &[0xd280_0040, 0x1400_0000]); // mov x0, #2 ; b .
    guest.core.pc = 0x1f_f000;
    guest.run(3);
    let first = guest.core.tag;
    assert_eq!(guest.core.x[0], 1);
    // Mapped elsewhere, and back to the number of the first use by running out.
    guest.ram.write_u64(0x4008, 0x401).expect("in RAM");
    guest.core.tlb.next = NUMBERS;
    guest.core.flush_tlb();
    while guest.core.tag < first {
        guest.core.flush_tlb();
    }
    assert_eq!(guest.core.tag, first);
    guest.core.pc = 0x1f_f000;
    guest.run(3);
    assert_eq!(guest.core.x[0], 2);
}

/// A guest at EL1 with 39 bits of address: pages of the first 2 MiB through the table at 0x5000, then a block, all of it mapped flat.
fn kernel(asid: u64) -> Guest {
    let mut guest = Guest::new(&[]);
    let mut entries = vec![(0x3000, 0x4003), (0x4000, 0x5003), (0x4008, 0x20_0701)];
    entries.extend((0..512).map(|page| (0x5000 + 8 * page, page << 12 | 0xf03)));
    for (at, entry) in entries {
        guest.ram.write_u64(at, entry).expect("in RAM");
    }
    let core = &mut guest.core;
    core.sys[Reg::SCR_EL3] = 0x531;
    core.sys[Reg::HCR_EL2] = 1 << 31;
    core.sys[Reg::MAIR_EL1] = 0xff;
    core.sys[Reg::TCR_EL1] = 1 << 36 | 1 << 23 | 25;
    core.sys[Reg::TTBR0_EL1] = asid << 48 | 0x3000;
    core.sys[Reg::SCTLR_EL1] |= 1;
    core.switch_sp(1, true);
    core.context_changed();
    guest
}

/// Maps a page of the first 2 MiB elsewhere, without any maintenance.
fn remap(guest: &Guest, page: u64, to: u64) {
    guest.ram.write_u64(0x5000 + 8 * page, to << 12 | 0xf03).expect("in RAM");
}

fn load(guest: &mut Guest, va: u64) -> u64 {
    let aligned = guest.core.load(&mut guest.bus, va, 8).expect("mapped");
    let quad = guest.core.load_quad(&mut guest.bus, va).expect("mapped");
    assert_eq!(aligned, quad as u64);
    aligned
}

/// A guest with different numbers in pages 0x100 to 0x103.
fn numbered(asid: u64) -> Guest {
    let guest = kernel(asid);
    for page in 0x100..0x104 {
        guest.ram.write_u64(page << 12, page).expect("in RAM");
    }
    guest
}

#[test]
fn a_page_that_is_named_goes_and_the_others_stay() {
    let mut guest = numbered(0);
    assert_eq!((load(&mut guest, 0x10_0000), load(&mut guest, 0x10_1000)), (0x100, 0x101));
    remap(&guest, 0x100, 0x102);
    remap(&guest, 0x101, 0x103);
    guest.core.invalidate(TlbScope::Page { regime: 0, va: 0x10_0fff });
    assert_eq!(load(&mut guest, 0x10_0000), 0x102);
    assert_eq!(load(&mut guest, 0x10_1000), 0x101, "not named, so still cached");
    guest.core.invalidate(TlbScope::Page { regime: 1, va: 0x10_1000 });
    assert_eq!(load(&mut guest, 0x10_1000), 0x101, "another regime");
    guest.core.invalidate(TlbScope::Regime(0));
    assert_eq!(load(&mut guest, 0x10_1000), 0x103);
    // Filled again after it was dropped, it is flushed with the rest.
    remap(&guest, 0x100, 0x101);
    guest.core.invalidate(TlbScope::All);
    assert_eq!(load(&mut guest, 0x10_0000), 0x101);
}

#[test]
fn any_address_of_a_block_drops_all_of_it() {
    let mut guest = numbered(0);
    guest.ram.write_u64(0x20_0000, 7).expect("in RAM");
    assert_eq!(load(&mut guest, 0x20_0000), 7);
    guest.ram.write_u64(0x4008, 0x701).expect("in RAM"); // to physical 0
    guest.core.invalidate(TlbScope::Page { regime: 0, va: 0x10_0000 });
    assert_eq!(load(&mut guest, 0x20_0000), 7, "another mapping");
    guest.core.invalidate(TlbScope::Page { regime: 0, va: 0x3f_f000 });
    assert_eq!(load(&mut guest, 0x30_0000), 0x100);
    assert_eq!(load(&mut guest, 0x20_0000), guest.ram.read_u64(0).expect("in RAM"));
}

#[test]
fn address_spaces_outlive_a_switch_and_go_by_asid() {
    let mut guest = numbered(1);
    let enter = |guest: &mut Guest, asid: u64| {
        guest.core.sys[Reg::TTBR0_EL1] = asid << 48 | 0x3000;
        guest.core.context_changed();
    };
    for asid in 1..=2 {
        enter(&mut guest, asid);
        assert_eq!(load(&mut guest, 0x10_0000), 0x100);
    }
    remap(&guest, 0x100, 0x102);
    for asid in 1..=2 {
        enter(&mut guest, asid);
        assert_eq!(load(&mut guest, 0x10_0000), 0x100, "cached over the switch");
    }
    guest.core.invalidate(TlbScope::Asid(1));
    assert_eq!(load(&mut guest, 0x10_0000), 0x100, "ASID 2 is not named");
    enter(&mut guest, 1);
    assert_eq!(load(&mut guest, 0x10_0000), 0x102);
    // A page goes from all address spaces.
    remap(&guest, 0x100, 0x103);
    guest.core.invalidate(TlbScope::Page { regime: 0, va: 0x10_0000 });
    for asid in [2, 1] {
        enter(&mut guest, asid);
        assert_eq!(load(&mut guest, 0x10_0000), 0x103);
    }
    // More address spaces than are kept, and each sees its own table.
    for asid in 0..4 * super::SPACES as u64 {
        remap(&guest, 0x100, 0x100 + asid % 4);
        enter(&mut guest, 100 + asid);
        assert_eq!(load(&mut guest, 0x10_0000), 0x100 + asid % 4);
    }
    assert_eq!(guest.core.tlb.spaces.len(), super::SPACES + 2);
    // What is not a table base drops them all.
    guest.core.sys[Reg::TCR_EL1] ^= 1;
    guest.core.context_changed();
    guest.core.sys[Reg::TCR_EL1] ^= 1;
    remap(&guest, 0x100, 0x100);
    enter(&mut guest, 100 + 4 * super::SPACES as u64 - 2);
    assert_eq!(load(&mut guest, 0x10_0000), 0x100);
}

#[test]
fn code_is_looked_up_anew_where_its_page_is_named() {
    let mut guest = kernel(0);
    guest.write(0x10_0000, &[0xd280_0020, 0x1400_0000]); // mov x0, #1 ; b .
    guest.write(0x10_2000, &[0xd280_0040, 0x1400_0000]); // mov x0, #2 ; b .
    let run = |guest: &mut Guest| {
        guest.core.pc = 0x10_0000;
        guest.run(2);
        guest.core.x[0]
    };
    assert_eq!(run(&mut guest), 1);
    remap(&guest, 0x100, 0x102);
    let tag = guest.core.tag;
    guest.core.invalidate(TlbScope::Page { regime: 0, va: 0x10_1000 });
    assert_eq!((run(&mut guest), guest.core.tag), (1, tag), "what data is mapped by does not matter");
    guest.core.invalidate(TlbScope::Page { regime: 0, va: 0x10_0000 });
    assert_eq!(run(&mut guest), 2);
}

#[test]
fn unaligned_accesses_in_a_page_go_by_its_table() {
    let mut guest = kernel(0);
    let pattern: Vec<u8> = (0..64).collect();
    for size in [2u8, 4, 8] {
        for offset in 0..16u64 {
            guest.ram.copy_in(0x10_0fc0, &pattern).expect("in RAM");
            let (va, len) = (0x10_0fe0 + offset, usize::from(size));
            let expected = pattern[0x20 + offset as usize..][..len].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
            let (core, bus) = (&mut guest.core, &mut guest.bus);
            // Twice: by the slow path, and by the table that it has filled.
            for _ in 0..2 {
                assert_eq!(core.load(bus, va, size), Ok(expected), "{size} bytes at {va:#x}");
                assert_eq!(core.store(bus, va, size, 0x8877_6655_4433_2211), Ok(()));
                let mut bytes = pattern.clone();
                guest.ram.copy_out(0x10_0fc0, &mut bytes).expect("in RAM");
                let stored = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88];
                let mut wanted = pattern.clone();
                wanted[0x20 + offset as usize..][..len].copy_from_slice(&stored[..len]);
                assert_eq!(bytes, wanted);
                guest.ram.copy_in(0x10_0fc0, &pattern).expect("in RAM");
            }
        }
    }
    // SCTLR_EL1.A forbids them, whatever the table held.
    guest.core.sys[Reg::SCTLR_EL1] |= 2;
    guest.core.context_changed();
    assert!(guest.core.load(&mut guest.bus, 0x10_0fe1, 4).is_err());
    assert!(guest.core.store(&mut guest.bus, 0x10_0fe1, 4, 0).is_err());
    assert!(guest.core.load_quad(&mut guest.bus, 0x10_0fe1).is_err());
}
