//! Big-endian data.

use super::*;

#[test]
fn big_endian_data_is_reversed_by_element_on_every_path() {
    const FROM: u64 = DATA;
    const TO: u64 = DATA + 0x200;
    // A load from x1 and the store of the same registers to x2; bytes per element, elements, and what is added to both addresses.
    let cases: &[(&str, u32, u32, u64, u64, u64)] = &[
        ("ldrb w3 ; strb w3", 0x3940_0023, 0x3900_0043, 1, 1, 1),
        ("ldrh w3 ; strh w3", 0x7940_0023, 0x7900_0043, 2, 1, 0),
        ("ldr w3 ; str w3", 0xb940_0023, 0xb900_0043, 4, 1, 3),
        ("ldr x3 ; str x3", 0xf940_0023, 0xf900_0043, 8, 1, 0),
        ("ldr x3 ; str x3", 0xf940_0023, 0xf900_0043, 8, 1, 0x5d),
        ("ldtr x3 ; sttr x3", 0xf840_0823, 0xf800_0843, 8, 1, 0),
        ("ldp w3, w4 ; stp w3, w4", 0x2940_1023, 0x2900_1043, 4, 2, 0),
        ("ldp x3, x4 ; stp x3, x4", 0xa940_1023, 0xa900_1043, 8, 2, 4),
        ("ldar w3 ; stlr w3", 0x88df_fc23, 0x889f_fc43, 4, 1, 0),
        ("ldr d0 ; str d0", 0xfd40_0020, 0xfd00_0040, 8, 1, 0),
        ("ldr q0 ; str q0", 0x3dc0_0020, 0x3d80_0040, 16, 1, 0),
        ("ldr q0 ; str q0", 0x3dc0_0020, 0x3d80_0040, 16, 1, 7),
        ("ldp q0, q1 ; stp q0, q1", 0xad40_0420, 0xad00_0440, 16, 2, 0),
        ("ld1 {v0.8h} ; st1 {v0.8h}", 0x4c40_7420, 0x4c00_7440, 2, 8, 2),
        ("ld1 {v0.2d} ; st1 {v0.2d}", 0x4c40_7c20, 0x4c00_7c40, 8, 2, 0),
    ];
    let bytes = |guest: &Guest, at: u64, len: u64| {
        let mut bytes = vec![0; len as usize];
        guest.ram.copy_out(at, &mut bytes).expect("in RAM");
        bytes
    };
    for &(text, load, store, size, count, offset) in cases {
        for (load_big, store_big) in [(true, true), (true, false), (false, true)] {
            let mut guest = one(load, FROM + offset);
            guest.write(START + 4, &[store]);
            with_mmu(&mut guest);
            guest.core.x[2] = TO + offset;
            let order = |guest: &mut Guest, big: bool| {
                let value = guest.core.sys[Reg::SCTLR_EL3] & !(1 << 25) | u64::from(big) << 25;
                guest.core.sys[Reg::SCTLR_EL3] = value;
                // Page tables have the order of data: the block at the table's start.
                let entry: u64 = 0x401;
                guest.ram.write_u64(0x3000, if big { entry.swap_bytes() } else { entry }).expect("in RAM");
                guest.core.context_changed();
            };
            // The software TLB knows the pages little-endian.
            for at in [FROM, TO] {
                guest.core.load(&mut guest.bus, at, 8).expect("mapped");
                guest.core.store(&mut guest.bus, at + 0x180, 8, 0).expect("mapped");
            }
            let len = size * count;
            let mut expected = bytes(&guest, FROM + offset, len);
            order(&mut guest, load_big);
            assert_eq!(guest.run(1).retired, 1);
            order(&mut guest, store_big);
            assert_eq!(guest.run(1).retired, 1);
            assert_eq!(guest.core.pc, START + 8, "{text}");
            if load_big != store_big {
                expected.chunks_mut(size as usize).for_each(<[u8]>::reverse);
            }
            assert_eq!(bytes(&guest, TO + offset, len), expected, "{text} at {offset}, big-endian {load_big}, {store_big}");
        }
    }
}

#[test]
fn big_endian_exclusives_store_what_they_loaded() {
    // ldxr x3 ; ldxr w3 ; ldxp x3, x4 ; ldxp w3, w4 with their stores, all at x1, status to w5.
    for (load, store, size, pair) in [
        (0xc85f_7c23, 0xc805_7c23, 8, false),
        (0x885f_7c23, 0x8805_7c23, 4, false),
        (0xc87f_1023, 0xc825_1023, 8, true),
        (0x887f_1023, 0x8825_1023, 4, true),
    ] {
        let mut guest = one(load, DATA);
        guest.write(START + 4, &[0x9100_0463, store]); // add x3, x3, #1
        guest.core.sys[Reg::SCTLR_EL3] |= 1 << 25;
        guest.core.context_changed();
        guest.core.x[5] = 7;
        let big =
            |guest: &Guest, at: u64| (at..at + size).fold(0u64, |value, at| value << 8 | u64::from(guest.ram.read_u8(at).expect("in RAM")));
        let before = big(&guest, DATA);
        let high = guest.ram.read_u64(DATA + 8);
        guest.run(3);
        assert_eq!((guest.core.x[5], guest.core.x[3]), (0, before + 1), "{load:#x}");
        assert_eq!(big(&guest, DATA), before + 1, "{load:#x}");
        assert_eq!(guest.ram.read_u64(DATA + 8), high, "{load:#x}");
        if pair {
            assert_eq!(guest.core.x[4], big(&guest, DATA + size), "{load:#x}");
        }
    }
}

#[test]
fn e0e_reverses_data_of_el0_alone() {
    for (el, sctlr, big) in [(0, 1 << 24, true), (0, 1 << 25, false), (1, 1 << 24, false), (1, 1 << 25, true)] {
        let mut guest = one(0xf940_0020, DATA); // ldr x0, [x1]
        guest.core.sys[Reg::SCR_EL3] = 0x531;
        guest.core.sys[Reg::HCR_EL2] = 1 << 31;
        guest.core.sys[Reg::SCTLR_EL1] = sctlr;
        guest.core.switch_sp(el, false);
        guest.core.context_changed();
        guest.run(1);
        let little = pattern(DATA, 8);
        assert_eq!(guest.core.x[0], if big { little.swap_bytes() } else { little }, "EL{el} {sctlr:#x}");
    }
}
