//! Accesses at the ends of pages, RAM and the address space.

use super::*;

#[test]
fn accesses_at_the_end_of_ram_go_on_in_the_device() {
    // ldr x0, [x1] ; str x0, [x1]: four bytes of RAM, four of the device, which gives its addresses back.
    let mut guest = one(0xf940_0020, RAM_TOP - 4);
    guest.write(START + 4, &[0xf900_0020]);
    guest.ram.write_u32(RAM_TOP - 4, 0x8877_6655).expect("in RAM");
    with_mmu(&mut guest);
    assert_eq!(guest.run(2).retired, 2);
    assert_eq!(guest.core.x[0], 0x0302_0100_8877_6655);
    let written: Vec<_> = guest.bus.writes.iter().map(|(at, value)| (at.pa, at.size, *value)).collect();
    assert_eq!(written, [(RAM_TOP, 1, 0), (RAM_TOP + 1, 1, 1), (RAM_TOP + 2, 1, 2), (RAM_TOP + 3, 1, 3)]);
    // ldp q0, q1, [x1]: the second is the device's.
    let mut guest = one(0xad40_0420, RAM_TOP - 16);
    with_mmu(&mut guest);
    guest.run(1);
    assert_eq!(guest.core.fp.v[1], u128::from(RAM_TOP) | u128::from(RAM_TOP + 8) << 64);
    assert_eq!(guest.bus.reads.len(), 2);
}

#[test]
fn accesses_that_wrap_around_the_address_space_fault() {
    // ldr x0 ; str x0 ; ldp x2, x3 ; stp x2, x3 ; ldr q0 ; str q0 ; stp q0, q1 ; ld1 {v0.16b, v1.16b} ; st1 ; all at [x1]
    let words = [0xf940_0020, 0xf900_0020, 0xa940_0c22, 0xa900_0c22, 0x3dc0_0020, 0x3d80_0020, 0xad00_0420, 0x4c40_a020, 0x4c00_a020];
    for word in words {
        for back in [1, 4, 7, 8, 12, 16, 24, 31] {
            for mmu in [false, true] {
                let base = 0u64.wrapping_sub(back);
                let mut guest = one(word, base);
                if mmu {
                    with_mmu(&mut guest);
                }
                guest.run(1);
                let esr = guest.core.sys[Reg::ESR_EL3];
                assert_eq!((guest.core.pc, esr >> 26), (0x1a00, 0x25), "{word:#x} at {base:#x}");
                assert_eq!(guest.core.x[1], base);
                assert_eq!(guest.ram.read_u64(0), Some(0), "{word:#x} at {base:#x}");
            }
        }
    }
}

#[test]
fn exclusive_pairs_at_the_end_of_a_page_and_of_ram() {
    // ldxp x3, x4, [x1] ; stxp w5, x6, x6, [x1]
    let guest = |base: u64| {
        let mut guest = one(0xc87f_1023, base);
        guest.write(START + 4, &[0xc825_1826]);
        guest.core.x[6] = 0x1234;
        with_mmu(&mut guest);
        guest
    };
    for base in [DATA + 0xff0, RAM_TOP - 16] {
        let mut guest = guest(base);
        guest.run(2);
        assert_eq!((guest.core.x[5], guest.ram.read_u64(base), guest.ram.read_u64(base + 8)), (0, Some(0x1234), Some(0x1234)));
    }
    for base in [DATA + 0xff8, RAM_TOP - 8] {
        let mut guest = guest(base);
        guest.run(1);
        assert!(faulted(&guest, 0x21));
    }
}

#[test]
fn zeroing_a_line_stays_in_it() {
    // dc zva, x1
    for base in [RAM_TOP - 1, RAM_TOP - 64] {
        let mut guest = one(0xd50b_7421, base);
        for at in (RAM_TOP - 128..RAM_TOP).step_by(8) {
            guest.ram.write_u64(at, u64::MAX).expect("in RAM");
        }
        with_mmu(&mut guest);
        guest.run(1);
        for at in (RAM_TOP - 128..RAM_TOP).step_by(8) {
            let expected = if at < RAM_TOP - 64 { u64::MAX } else { 0 };
            assert_eq!(guest.ram.read_u64(at), Some(expected));
        }
        assert!(guest.bus.writes.is_empty());
    }
    let mut guest = one(0xd50b_7421, RAM_TOP + 63);
    with_mmu(&mut guest);
    guest.run(1);
    assert_eq!((guest.bus.writes.len(), guest.bus.writes[0].0.pa), (8, RAM_TOP));
    // Over code that runs: what follows is the zeroes.
    let mut guest = one(0xd50b_7421, START);
    guest.write(START + 4, &[0x17ff_ffff]);
    with_mmu(&mut guest);
    guest.run(3);
    assert_eq!((guest.core.sys[Reg::ELR_EL3], guest.core.sys[Reg::ESR_EL3] >> 26), (START + 4, 0));
}

#[test]
fn a_load_pair_whose_second_page_faults_changes_nothing() {
    let edge = 0x4000_0000;
    // ldp x3, x4, [x1], #16 ; ldp x3, x4, [x1, #16]! ; ldp q0, q1, [x1], #32 ; ldpsw x3, x4, [x1], #8
    for (word, base) in [(0xa8c1_1023, edge - 8), (0xa9c1_1023, edge - 24), (0xacc1_0420, edge - 16), (0x68c1_1023, edge - 4)] {
        let mut guest = one(word, base);
        with_mmu(&mut guest);
        guest.core.x[3] = 5;
        guest.core.fp.v[0] = 6;
        guest.run(1);
        assert_eq!((guest.core.pc, guest.core.sys[Reg::FAR_EL3]), (0x1a00, edge), "{word:#x}");
        assert_eq!((guest.core.x[1], guest.core.x[3], guest.core.fp.v[0]), (base, 5, 6), "{word:#x}");
    }
}
