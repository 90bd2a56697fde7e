//! Tests of what maintenance drops and what it keeps.

use super::NUMBERS;
use crate::TlbScope;
use crate::sysreg::Reg;
use crate::testing::{Guest, START};
use tayberry_ram::{Forget, PageState};

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
    kernel_of(Guest::new(&[]), asid)
}

fn kernel_of(mut guest: Guest, asid: u64) -> Guest {
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

/// Checks that a store is known to the page map: after it the page's state is not what a reader may rely on.
fn assert_seen(guest: &Guest, pa: u64, before: PageState, what: &str) {
    assert!(before.is_settled(), "{what}: the test begins with a settled page");
    assert!(!before.is_still(guest.ram.pages().state(pa)), "{what}: the store was not seen");
}

/// Settles all of RAM, as the machine does between slices.
fn settle(guest: &mut Guest) {
    let all = 0..guest.ram.len();
    if let Some(what) = guest.ram.pages().to_forget(all.clone()) {
        guest.core.forget_writes(what);
        guest.ram.pages().settle(all);
    }
}

/// Sets X0 to X3 and runs `words` once.
fn run_once(guest: &mut Guest, words: &[u32], x: [u64; 4]) {
    // Code that changes drops the tables for stores: only what is not there is written.
    if !(START..).step_by(4).zip(words).all(|(at, &word)| guest.ram.read_u32(at) == Some(word)) {
        guest.write(START, words);
    }
    guest.core.x[..4].copy_from_slice(&x);
    guest.core.pc = START;
    let run = guest.run(words.len() as u64);
    assert_eq!((run.retired, guest.core.pc), (words.len() as u64, START + 4 * words.len() as u64), "{words:x?}");
}

/// Stores to \[x0\] and its like, of all kinds.
const STORES: [(&str, &[u32], u64); 22] = [
    ("strb w1, [x0]", &[0x3900_0001], 1),
    ("strh w1, [x0]", &[0x7900_0001], 2),
    ("str w1, [x0]", &[0xb900_0001], 4),
    ("str x1, [x0]", &[0xf900_0001], 8),
    ("stur x1, [x0, #1], unaligned", &[0xf800_1001], 9),
    ("sttr w1, [x0]", &[0xb800_0801], 4),
    ("stp w1, w2, [x0]", &[0x2900_0801], 8),
    ("stp x1, x2, [x0]", &[0xa900_0801], 16),
    ("str s1, [x0]", &[0xbd00_0001], 4),
    ("str q1, [x0]", &[0x3d80_0001], 16),
    ("stur q1, [x0, #3], unaligned", &[0x3c80_3001], 19),
    ("stp d1, d2, [x0]", &[0x6d00_0801], 16),
    ("stp q1, q2, [x0]", &[0xad00_0801], 32),
    ("stlr x1, [x0]", &[0xc89f_fc01], 8),
    ("stlrb w1, [x0]", &[0x089f_fc01], 1),
    ("ldxr x3, [x0]; stxr w2, x1, [x0]", &[0xc85f_7c03, 0xc802_7c01], 8),
    ("ldaxrb w3, [x0]; stlxrb w2, w1, [x0]", &[0x085f_fc03, 0x0802_fc01], 1),
    ("ldxp x3, x4, [x0]; stxp w2, x1, x5, [x0]", &[0xc87f_1003, 0xc822_1401], 16),
    ("ldxp w3, w4, [x0]; stlxp w2, w1, w5, [x0]", &[0x887f_1003, 0x8822_9401], 8),
    ("st1 {v1.16b-v4.16b}, [x0]", &[0x4c00_2001], 64),
    ("st4 {v1.8h-v4.8h}, [x0]", &[0x4c00_0401], 64),
    ("st1 {v1.h}[3], [x0]", &[0x0d00_5801], 2),
];
/// DC ZVA needs a Normal page.
const ZERO: (&str, &[u32], u64) = ("dc zva, x0", &[0xd50b_7420], 64);

/// [`kernel_of`] with pages 0x101 and 0x102 for EL0 as well, and floating point.
fn shared(guest: Guest) -> Guest {
    let mut guest = kernel_of(guest, 0);
    guest.core.sys[Reg::CPACR_EL1] = 3 << 20;
    guest.core.context_changed();
    for page in [0x101, 0x102] {
        guest.ram.write_u64(0x5000 + 8 * page, page << 12 | 0xf43).expect("in RAM");
    }
    guest
}

/// Runs every store twice in a row from a settled page: the one that fills the table, and one that may find it.
fn every_store_is_seen(mut guest: Guest, prepare: impl Fn(&mut Guest)) {
    for (what, words, _) in STORES.into_iter().chain([ZERO]) {
        prepare(&mut guest);
        settle(&mut guest);
        for turn in 0..3 {
            for at in [0x10_1040, 0x10_2080] {
                let before = guest.ram.pages().state(at);
                let value = 0x1111_1111_1111_1111 * (turn + 1);
                run_once(&mut guest, words, [at, value, value, 0]);
                assert_seen(&guest, at, before, what);
                run_once(&mut guest, words, [at, value ^ u64::MAX, value, 0]);
                assert!(!guest.ram.pages().state(at).is_settled(), "{what}: a table may hold the page");
            }
            assert!(guest.ram.pages().state(0x10_3000).is_settled(), "{what}: nobody has stored there");
            let before = guest.ram.pages().state(0x10_1000);
            settle(&mut guest);
            let after = guest.ram.pages().state(0x10_1000);
            assert!(after.is_settled() && after != before, "{what}");
            settle(&mut guest);
            assert_eq!(guest.ram.pages().state(0x10_1000), after, "{what}: nothing has happened");
        }
    }
}

#[test]
fn every_kind_of_store_is_seen_through_the_page_map() {
    every_store_is_seen(shared(Guest::new(&[])), |_| {});
    // Stores that stay out of the table: to a page with code, of big-endian data, to a watched page.
    every_store_is_seen(shared(Guest::new(&[])), |guest| {
        let _ = guest.ram.code().mark(0x10_1fc0);
        let _ = guest.ram.code().mark(0x10_2fc0);
        guest.core.flush_write_tlb();
    });
    let mut big = shared(Guest::new(&[]));
    for at in (0x3000..0x6000).step_by(8) {
        big.ram.write_u64(at, big.ram.read_u64(at).expect("in RAM").swap_bytes()).expect("in RAM");
    }
    big.core.sys[Reg::SCTLR_EL1] |= 1 << 25;
    big.core.context_changed();
    every_store_is_seen(big, |_| {});
    let mut watched = shared(Guest::new(&[]));
    watched.core.sys[Reg::OSLSR_EL1] = 8;
    watched.core.sys[Reg::MDSCR_EL1] = 1 << 15;
    watched.core.sys[Reg::DBGWVR0_EL1] = 0x10_1f00;
    watched.core.sys[Reg::DBGWCR0_EL1] = 0xff << 5 | 0b10 << 3 | 0b01 << 1 | 1;
    watched.core.context_changed();
    every_store_is_seen(watched, |_| {});
}

#[test]
fn every_kind_of_translated_store_is_seen_through_the_page_map() {
    #[cfg(target_arch = "x86_64")]
    {
        let mut guest = shared(Guest::translated(&[], 1 << 20));
        run_once(&mut guest, &[0xd503_201f], [0; 4]);
        every_store_is_seen(guest, |_| {});
    }
}

#[test]
fn a_store_over_two_pages_is_seen_in_both() {
    for (what, words, len) in STORES {
        // Exclusives and those with release are aligned.
        if words.len() > 1 || what.starts_with("stlr") || len == 1 {
            continue;
        }
        let mut guest = shared(Guest::new(&[]));
        for turn in 0..3 {
            settle(&mut guest);
            let before = [0x10_1000, 0x10_2000].map(|at| guest.ram.pages().state(at));
            run_once(&mut guest, words, [0x10_2001 - len, turn, turn, turn]);
            assert_seen(&guest, 0x10_1000, before[0], what);
            assert_seen(&guest, 0x10_2000, before[1], what);
        }
    }
}

#[test]
fn loads_and_stores_that_fail_leave_a_page_settled() {
    let mut guest = kernel(0);
    remap(&guest, 0x104, 0);
    guest.ram.write_u64(0x5000 + 8 * 0x104, 0).expect("in RAM");
    settle(&mut guest);
    let before: Vec<_> = guest.ram.pages().states(0x10_0000..0x10_8000).collect();
    let (core, bus) = (&mut guest.core, &mut guest.bus);
    assert!(core.load(bus, 0x10_1008, 8).is_ok() && core.load_quad(bus, 0x10_2001).is_ok());
    assert!(core.store(bus, 0x10_4000, 8, 1).is_err() && core.store_quad(bus, 0x10_3ff8, 1).is_err());
    let after: Vec<_> = guest.ram.pages().states(0x10_0000..0x10_8000).collect();
    assert_eq!(after, before);
}

#[test]
fn all_address_spaces_and_aliases_forget_a_page_and_keep_the_others() {
    let mut guest = kernel(0);
    // Two addresses of one page.
    remap(&guest, 0x101, 0x100);
    let enter = |guest: &mut Guest, asid: u64| {
        guest.core.sys[Reg::TTBR0_EL1] = asid << 48 | 0x3000;
        guest.core.context_changed();
    };
    settle(&mut guest);
    for round in 1..4 {
        for asid in 0..super::SPACES as u64 {
            enter(&mut guest, asid);
            for va in [0x10_0000, 0x10_1000] {
                guest.core.store(&mut guest.bus, va, 8, round).expect("mapped");
                assert!(guest.core.tlb.write.lookup(va, 8).is_some());
            }
        }
        let pages = guest.ram.pages();
        assert_eq!(pages.to_forget(0x10_0000..0x10_1000), Some(Forget::Tracked));
        guest.core.forget_writes(Forget::Tracked);
        pages.settle(0x10_0000..0x10_1000);
        for asid in 0..super::SPACES as u64 {
            enter(&mut guest, asid);
            assert!(guest.core.tlb.write.lookup(0x10_0000, 8).is_none() && guest.core.tlb.write.lookup(0x10_1000, 8).is_none());
        }
    }
}

#[test]
fn pages_that_nobody_settled_are_not_noted_and_cost_no_misses() {
    let mut guest = kernel(0);
    for page in 0x100..0x110 {
        guest.core.store(&mut guest.bus, page << 12, 8, 1).expect("mapped");
    }
    assert_eq!(guest.ram.pages().to_forget(0x10_4000..0x10_5000), Some(Forget::All));
    guest.core.forget_writes(Forget::All);
    guest.ram.pages().settle(0x10_4000..0x10_5000);
    for page in 0x100..0x110 {
        guest.core.store(&mut guest.bus, page << 12, 8, 2).expect("mapped");
    }
    assert_eq!(guest.ram.pages().to_forget(0x10_4000..0x10_5000), Some(Forget::Tracked));
    guest.core.forget_writes(Forget::Tracked);
    let kept = (0x100..0x110).filter(|page| guest.core.tlb.write.lookup(page << 12, 8).is_some()).count();
    assert_eq!(kept, 15, "all but the tracked one");
}

#[test]
fn more_tracked_stores_than_are_noted_are_forgotten_all_the_same() {
    let mut guest = kernel(0);
    // Two addresses with the same index: 32 MiB apart, by a block of each gigabyte.
    guest.ram.write_u64(0x4000 + 8 * 16, 0x701).expect("in RAM");
    settle(&mut guest);
    for turn in 0..super::ENTRIES as u64 {
        for va in [0x10_0000, 0x210_0000] {
            guest.core.store(&mut guest.bus, va, 8, turn).expect("mapped");
        }
    }
    guest.core.store(&mut guest.bus, 0x10_1000, 8, 1).expect("mapped");
    settle(&mut guest);
    for va in [0x10_0000, 0x210_0000, 0x10_1000] {
        assert!(guest.core.tlb.write.lookup(va, 8).is_none());
    }
    let before = guest.ram.pages().state(0x10_0000);
    guest.core.store(&mut guest.bus, 0x210_0000, 8, 9).expect("mapped");
    assert_seen(&guest, 0x10_0000, before, "the other address");
}
