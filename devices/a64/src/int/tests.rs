//! Tests of the integer instructions, run as guests.

mod big_endian;
mod edges;

use crate::core::{SLOT_SINK, SLOT_SP, SLOT_ZR, Stop};
use crate::sysreg::Reg;
use crate::testing::{Guest, RAM_TOP, START};
use std::sync::Arc;
use tayberry_ram::GuestRam;

/// Assembly, word, x1 to x3 before (x0 starts as x3), NZCV before, x0 after, NZCV after.
type Case = (&'static str, u32, [u64; 3], u32, u64, u32);

fn check(cases: &[Case]) {
    for &(text, word, [x1, x2, x3], before, x0, after) in cases {
        let mut guest = Guest::new(&[word]);
        guest.core.x[..4].copy_from_slice(&[x3, x1, x2, x3]);
        guest.core.nzcv = before << 28;
        assert_eq!(guest.run(1).retired, 1);
        assert_eq!((guest.core.pc, guest.core.x[0], guest.core.nzcv >> 28), (START + 4, x0, after), "{text}: {:#x}", guest.core.x[0]);
        assert_eq!(guest.core.x[usize::from(SLOT_ZR)], 0, "{text}");
    }
}

mod table {
    use super::{Case, check};

    const ARITHMETIC: &[Case] = &[
        ("add x0, x1, #0xfff, lsl #12", 0x917ffc20, [0xffffffff80000000, 0x0, 0x0], 0x0, 0xffffffff80fff000, 0x0),
        ("adds x0, x1, #1", 0xb1000420, [0x7fffffffffffffff, 0x0, 0x0], 0x0, 0x8000000000000000, 0x9),
        ("adds w0, w1, #1", 0x31000420, [0xffffffff, 0x0, 0x0], 0x0, 0x0, 0x6),
        ("subs x0, x1, #1", 0xf1000420, [0x0, 0x0, 0x0], 0x0, 0xffffffffffffffff, 0x8),
        ("subs w0, w1, #1", 0x71000420, [0x80000000, 0x0, 0x0], 0x0, 0x7fffffff, 0x3),
        ("add x0, x1, x2, lsl #63", 0x8b02fc20, [0x123456789abcdef0, 0x1, 0x0], 0x0, 0x923456789abcdef0, 0x0),
        ("sub w0, w1, w2, asr #31", 0x4b827c20, [0x5, 0x80000000, 0x0], 0x0, 0x6, 0x0),
        ("adds x0, x1, x2, lsr #1", 0xab420420, [0x8000000000000001, 0xffffffff80000000, 0x0], 0x0, 0xffffffffc0000001, 0x8),
        ("subs w0, w1, w2, lsl #4", 0x6b021020, [0x10, 0x1, 0x0], 0x0, 0x0, 0x6),
        ("add x0, x1, w2, sxtb #4", 0x8b229020, [0x123456789abcdef0, 0x80, 0x0], 0x0, 0x123456789abcd6f0, 0x0),
        ("sub x0, x1, w2, uxth #1", 0xcb222420, [0x123456789abcdef0, 0x1ffff, 0x0], 0x0, 0x123456789abadef2, 0x0),
        ("adds x0, x1, w2, sxtw", 0xab22c020, [0x123456789abcdef0, 0x80000000, 0x0], 0x0, 0x123456781abcdef0, 0x2),
        ("subs x0, x1, x2, sxtx #3", 0xeb22ec20, [0x123456789abcdef0, 0xffffffff80000000, 0x0], 0x0, 0x1234567c9abcdef0, 0x0),
        ("adc x0, x1, x2", 0x9a020020, [0x7fffffffffffffff, 0x1, 0x0], 0x2, 0x8000000000000001, 0x2),
        ("adcs w0, w1, w2", 0x3a020020, [0xffffffff, 0x0, 0x0], 0x2, 0x0, 0x6),
        ("sbcs x0, x1, x2", 0xfa020020, [0x0, 0x0, 0x0], 0x0, 0xffffffffffffffff, 0x8),
        ("sbc w0, w1, w2", 0x5a020020, [0x5, 0x6, 0x0], 0x2, 0xffffffff, 0x2),
    ];

    const LOGIC: &[Case] = &[
        ("and x0, x1, #0xff00ff00ff00ff00", 0x92089c20, [0x123456789abcdef0, 0x0, 0x0], 0x0, 0x120056009a00de00, 0x0),
        ("orr w0, w1, #0x80000001", 0x32010420, [0x123456789abcdef0, 0x0, 0x0], 0x0, 0x9abcdef1, 0x0),
        ("eor x0, x1, #0x5555555555555555", 0xd200f020, [0x123456789abcdef0, 0x0, 0x0], 0x0, 0x4761032dcfe98ba5, 0x0),
        ("ands w0, w1, #0xf0f0f0f0", 0x7204cc20, [0x80000000, 0x0, 0x0], 0x3, 0x80000000, 0x8),
        ("ands x0, x1, #0x7ffffffffffffffe", 0xf27ff420, [0x8000000000000001, 0x0, 0x0], 0x3, 0x0, 0x4),
        ("bic x0, x1, x2, ror #4", 0x8ae21020, [0x123456789abcdef0, 0xff, 0x0], 0x0, 0x23456789abcdef0, 0x0),
        ("orn w0, w1, w2, lsr #3", 0x2a620c20, [0x123456789abcdef0, 0x8000000000000001, 0x0], 0x0, 0xffffffff, 0x0),
        ("eon x0, x1, x2, asr #60", 0xcaa2f020, [0x123456789abcdef0, 0x8000000000000001, 0x0], 0x0, 0x123456789abcdef7, 0x0),
        ("bics w0, w1, w2", 0x6a220020, [0xf, 0xf, 0x0], 0xb, 0x0, 0x4),
        ("movn w0, #0x1234, lsl #16", 0x12a24680, [0x0, 0x0, 0x0], 0x0, 0xedcbffff, 0x0),
        ("movz x0, #0xbeef, lsl #48", 0xd2f7dde0, [0x0, 0x0, 0x0], 0x0, 0xbeef000000000000, 0x0),
        ("movk w0, #0xbeef, lsl #16", 0x72b7dde0, [0x0, 0x0, 0x123456789abcdef0], 0x0, 0xbeefdef0, 0x0),
        ("mov w0, w1", 0x2a0103e0, [0x123456789abcdef0, 0x0, 0x0], 0x0, 0x9abcdef0, 0x0),
    ];

    const BITS: &[Case] = &[
        ("ubfx x0, x1, #4, #12", 0xd3443c20, [0x123456789abcdef0, 0x0, 0x0], 0x0, 0xdef, 0x0),
        ("sbfx w0, w1, #4, #4", 0x13041c20, [0xf0, 0x0, 0x0], 0x0, 0xffffffff, 0x0),
        ("sbfiz x0, x1, #60, #4", 0x93440c20, [0x123456789abcdef9, 0x0, 0x0], 0x0, 0x9000000000000000, 0x0),
        ("bfi x0, x1, #8, #16", 0xb3783c20, [0x123456789abcdef0, 0x0, 0xffffffff80000000], 0x0, 0xffffffff80def000, 0x0),
        ("bfxil w0, w1, #28, #4", 0x331c7c20, [0x123456789abcdef0, 0x0, 0xffffffff80000000], 0x0, 0x80000009, 0x0),
        ("lsl w0, w1, #31", 0x53010020, [0x123456789abcdef1, 0x0, 0x0], 0x0, 0x80000000, 0x0),
        ("asr x0, x1, #63", 0x937ffc20, [0x8000000000000001, 0x0, 0x0], 0x0, 0xffffffffffffffff, 0x0),
        ("sxtw x0, w1", 0x93407c20, [0x80000000, 0x0, 0x0], 0x0, 0xffffffff80000000, 0x0),
        ("extr x0, x1, x2, #4", 0x93c21020, [0x123456789abcdef0, 0xffffffff80000000, 0x0], 0x0, 0xffffffff8000000, 0x0),
        ("ror w0, w1, #8", 0x13812020, [0x123456789abcdef0, 0x0, 0x0], 0x0, 0xf09abcde, 0x0),
        ("lsl x0, x1, x2", 0x9ac22020, [0x123456789abcdef0, 0x44, 0x0], 0x0, 0x23456789abcdef00, 0x0),
        ("lsr w0, w1, w2", 0x1ac22420, [0x123456789abcdef0, 0x21, 0x0], 0x0, 0x4d5e6f78, 0x0),
        ("asr w0, w1, w2", 0x1ac22820, [0x80000000, 0x1f, 0x0], 0x0, 0xffffffff, 0x0),
        ("ror x0, x1, x2", 0x9ac22c20, [0x123456789abcdef0, 0x4, 0x0], 0x0, 0x123456789abcdef, 0x0),
        ("rbit w0, w1", 0x5ac00020, [0x123456789abcdef0, 0x0, 0x0], 0x0, 0xf7b3d59, 0x0),
        ("rev16 x0, x1", 0xdac00420, [0x123456789abcdef0, 0x0, 0x0], 0x0, 0x34127856bc9af0de, 0x0),
        ("rev w0, w1", 0x5ac00820, [0x123456789abcdef0, 0x0, 0x0], 0x0, 0xf0debc9a, 0x0),
        ("rev32 x0, x1", 0xdac00820, [0x123456789abcdef0, 0x0, 0x0], 0x0, 0x78563412f0debc9a, 0x0),
        ("rev x0, x1", 0xdac00c20, [0x123456789abcdef0, 0x0, 0x0], 0x0, 0xf0debc9a78563412, 0x0),
        ("clz w0, w1", 0x5ac01020, [0x1, 0x0, 0x0], 0x0, 0x1f, 0x0),
        ("clz x0, x1", 0xdac01020, [0x0, 0x0, 0x0], 0x0, 0x40, 0x0),
        ("cls x0, x1", 0xdac01420, [0xffffffff80000000, 0x0, 0x0], 0x0, 0x20, 0x0),
        ("cls w0, w1", 0x5ac01420, [0xffffffff, 0x0, 0x0], 0x0, 0x1f, 0x0),
        ("crc32b w0, w1, w2", 0x1ac24020, [0xffffffff, 0x31, 0x0], 0x0, 0x7c231048, 0x0),
        ("crc32x w0, w1, x2", 0x9ac24c20, [0x0, 0x123456789abcdef0, 0x0], 0x0, 0x7c00d823, 0x0),
        ("crc32cw w0, w1, w2", 0x1ac25820, [0xffffffff, 0x123456789abcdef0, 0x0], 0x0, 0x34865ba5, 0x0),
        ("crc32ch w0, w1, w2", 0x1ac25420, [0x7, 0x123456789abcdef0, 0x0], 0x0, 0x415cb9b7, 0x0),
    ];

    const MULTIPLY: &[Case] = &[
        ("madd x0, x1, x2, x3", 0x9b020c20, [0x123456789abcdef0, 0xffffffff80000000, 0x7], 0x0, 0xb2a1908800000007, 0x0),
        ("msub w0, w1, w2, w3", 0x1b028c20, [0x123456789abcdef0, 0xffffffff80000000, 0x7], 0x0, 0x7, 0x0),
        ("smaddl x0, w1, w2, x3", 0x9b220c20, [0x80000000, 0x2, 0x1], 0x0, 0xffffffff00000001, 0x0),
        ("smsubl x0, w1, w2, x3", 0x9b228c20, [0xffffffff, 0x5, 0x0], 0x0, 0x5, 0x0),
        ("umaddl x0, w1, w2, x3", 0x9ba20c20, [0xffffffff, 0xffffffff, 0x1], 0x0, 0xfffffffe00000002, 0x0),
        ("umsubl x0, w1, w2, x3", 0x9ba28c20, [0x2, 0x3, 0x1], 0x0, 0xfffffffffffffffb, 0x0),
        ("smulh x0, x1, x2", 0x9b427c20, [0x8000000000000001, 0x123456789abcdef0, 0x0], 0x0, 0xf6e5d4c3b2a19088, 0x0),
        ("umulh x0, x1, x2", 0x9bc27c20, [0x8000000000000001, 0x123456789abcdef0, 0x0], 0x0, 0x91a2b3c4d5e6f78, 0x0),
        ("udiv x0, x1, x2", 0x9ac20820, [0x123456789abcdef0, 0x0, 0x0], 0x0, 0x0, 0x0),
        ("udiv w0, w1, w2", 0x1ac20820, [0x123456789abcdef0, 0xa, 0x0], 0x0, 0xf79497e, 0x0),
        ("sdiv x0, x1, x2", 0x9ac20c20, [0x8000000000000000, 0xffffffffffffffff, 0x0], 0x0, 0x8000000000000000, 0x0),
        ("sdiv w0, w1, w2", 0x1ac20c20, [0x80000000, 0xffffffff, 0x0], 0x0, 0x80000000, 0x0),
        ("sdiv w0, w1, w2", 0x1ac20c20, [0xfffffff9, 0x2, 0x0], 0x0, 0xfffffffd, 0x0),
        ("sdiv w0, w1, w2", 0x1ac20c20, [0x5, 0xf00000000, 0x0], 0x0, 0x0, 0x0),
    ];

    const CONDITIONAL: &[Case] = &[
        ("ccmp x1, x2, #5, eq", 0xfa420025, [0x1, 0x2, 0x0], 0x4, 0x0, 0x8),
        ("ccmp x1, x2, #5, ne", 0xfa421025, [0x1, 0x2, 0x0], 0x4, 0x0, 0x5),
        ("ccmn w1, #31, #0, cs", 0x3a5f2820, [0xffffffe1, 0x0, 0x0], 0x2, 0x0, 0x6),
        ("ccmp w1, #3, #15, vs", 0x7a43682f, [0x3, 0x0, 0x0], 0x1, 0x0, 0x6),
        ("csel x0, x1, x2, hi", 0x9a828020, [0x123456789abcdef0, 0xffffffff80000000, 0x0], 0x2, 0x123456789abcdef0, 0x2),
        ("csel w0, w1, w2, hi", 0x1a828020, [0x123456789abcdef0, 0xffffffff80000000, 0x0], 0x6, 0x80000000, 0x6),
        ("csinc w0, w1, w2, ge", 0x1a82a420, [0x1, 0xffffffff, 0x0], 0x8, 0x0, 0x8),
        ("csinv x0, x1, x2, lt", 0xda82b020, [0x1, 0x0, 0x0], 0x0, 0xffffffffffffffff, 0x0),
        ("csneg x0, x1, x2, le", 0xda82d420, [0x1, 0x8000000000000000, 0x0], 0x0, 0x8000000000000000, 0x0),
        ("csneg w0, w1, w2, pl", 0x5a825420, [0x1, 0x1, 0x0], 0x8, 0xffffffff, 0x8),
        ("csel x0, x1, x2, nv", 0x9a82f020, [0x123456789abcdef0, 0xffffffff80000000, 0x0], 0x0, 0x123456789abcdef0, 0x0),
    ];

    #[test]
    fn arithmetic() {
        check(ARITHMETIC);
    }

    #[test]
    fn logic() {
        check(LOGIC);
    }

    #[test]
    fn bits() {
        check(BITS);
    }

    #[test]
    fn multiply_and_divide() {
        check(MULTIPLY);
    }

    #[test]
    fn conditional() {
        check(CONDITIONAL);
    }
}

/// Where the data of these tests is.
const DATA: u64 = 0x1_0000;

/// Makes all memory Normal, mapped flat by one block of the given descriptor at EL3.
fn with_mmu(guest: &mut Guest) {
    const TABLE: u64 = 0x3000;
    // A block of level 1: valid, access flag, attribute 0. The next GiB is not mapped.
    guest.ram.write_u64(TABLE, 0x401).expect("in RAM");
    guest.core.sys[Reg::MAIR_EL3] = 0xff;
    guest.core.sys[Reg::TTBR0_EL3] = TABLE;
    guest.core.sys[Reg::TCR_EL3] = 25;
    guest.core.sys[Reg::SCTLR_EL3] |= 1;
    guest.core.context_changed();
}

/// A guest of one word, with x1 = `base`, a pattern in memory, and a vector table at 0x1800 that holds branches to themselves.
fn one(word: u32, base: u64) -> Guest {
    let mut guest = Guest::new(&[word]);
    for i in 0..0x1100u64 {
        guest.ram.write_u8(DATA - 0x80 + i, (i as u8).wrapping_mul(3) | 0x80).expect("in RAM");
    }
    guest.core.sys[Reg::VBAR_EL3] = 0x1800;
    guest.write(0x1800 + 0x200, &[0x1400_0000]);
    guest.core.x[1] = base;
    guest
}

/// True if the word's run ended in a synchronous exception with this ISS.
fn faulted(guest: &Guest, iss: u64) -> bool {
    guest.core.pc == 0x1a00 && guest.core.sys[Reg::ELR_EL3] == START && guest.core.sys[Reg::ESR_EL3] & 0x1ff_ffff == iss
}

/// The little-endian value of `size` bytes of the pattern.
fn pattern(at: u64, size: u64) -> u64 {
    (0..size).fold(0, |value, i| value | u64::from(((at + i - (DATA - 0x80)) as u8).wrapping_mul(3) | 0x80) << (8 * i))
}

#[test]
fn loads_of_every_addressing_mode() {
    // Word, x2, register (0, 3) values expected as (address offset, size, signed to), x1's change.
    let cases: [(&str, u32, u64, u64, u64); 7] = [
        ("ldr x0, [x1], #8", 0xf840_8420, 0, pattern(DATA, 8), 8),
        ("ldr w0, [x1, #-4]!", 0xb85f_cc20, 0, pattern(DATA - 4, 4), 4u64.wrapping_neg()),
        ("ldrsb x0, [x1, #1]", 0x3980_0420, 0, pattern(DATA + 1, 1) as i8 as u64, 0),
        ("ldrsh w0, [x1, w2, sxtw #1]", 0x78e2_d820, 0xffff_fffe, u64::from(pattern(DATA - 4, 2) as i16 as u32), 0),
        ("ldrsw x0, [x1, x2]", 0xb8a2_6820, 12, pattern(DATA + 12, 4) as i32 as u64, 0),
        ("ldr x0, [x1, #4088]", 0xf947_fc20, 0, pattern(DATA + 4088, 8), 0),
        ("ldar w0, [x1]", 0x88df_fc20, 0, pattern(DATA, 4), 0),
    ];
    for (text, word, x2, x0, change) in cases {
        let mut guest = one(word, DATA);
        guest.core.x[2] = x2;
        guest.run(1);
        assert_eq!((guest.core.x[0], guest.core.x[1]), (x0, DATA.wrapping_add(change)), "{text}");
    }
    let mut guest = one(0x68ff_0c20, DATA); // ldpsw x0, x3, [x1], #-8
    guest.run(1);
    assert_eq!((guest.core.x[0], guest.core.x[3]), (pattern(DATA, 4) as i32 as u64, pattern(DATA + 4, 4) as i32 as u64));
    assert_eq!(guest.core.x[1], DATA - 8);
    let mut guest = one(0x3ce2_7822, DATA); // ldr q2, [x1, x2, lsl #4]
    guest.core.x[2] = 2;
    guest.run(1);
    assert_eq!(guest.core.fp.v[2], u128::from(pattern(DATA + 32, 8)) | u128::from(pattern(DATA + 40, 8)) << 64);
    let mut guest = one(0xbd40_0023, DATA); // ldr s3, [x1]
    guest.core.fp.v[3] = u128::MAX;
    guest.run(1);
    assert_eq!(guest.core.fp.v[3], u128::from(pattern(DATA, 4)), "the rest of the register is cleared");
}

#[test]
fn stores_write_what_they_say_and_no_more() {
    let mut guest = one(0xa9bf_0c20, DATA); // stp x0, x3, [x1, #-16]!
    (guest.core.x[0], guest.core.x[3]) = (0x0102_0304_0506_0708, 0x1112_1314_1516_1718);
    guest.run(1);
    assert_eq!(guest.ram.read_u64(DATA - 16), Some(0x0102_0304_0506_0708));
    assert_eq!(guest.ram.read_u64(DATA - 8), Some(0x1112_1314_1516_1718));
    assert_eq!((guest.ram.read_u64(DATA), guest.core.x[1]), (Some(pattern(DATA, 8)), DATA - 16));
    let mut guest = one(0x3822_7820, DATA); // strb w0, [x1, x2]
    (guest.core.x[0], guest.core.x[2]) = (0xabcd, 3);
    guest.run(1);
    assert_eq!(guest.ram.read_u32(DATA), Some(pattern(DATA, 4) as u32 & 0xff_ffff | 0xcd00_0000));
    let mut guest = one(0xb900_003f, DATA); // str wzr, [x1]
    guest.core.x[usize::from(SLOT_SINK)] = 7;
    guest.run(1);
    assert_eq!(guest.ram.read_u32(DATA), Some(0));
}

#[test]
fn unaligned_accesses_fault_on_device_memory_and_work_on_normal_memory() {
    for offset in [1, 2, 3, 5, 7, 0xffd] {
        // With the MMU off, data is Device-nGnRnE.
        let mut guest = one(0xf940_0020, DATA + offset); // ldr x0, [x1]
        guest.run(1);
        assert!(faulted(&guest, 0x21), "load at {offset}");
        assert_eq!(guest.core.sys[Reg::FAR_EL3], DATA + offset);
        let mut guest = one(0xf900_0020, DATA + offset); // str x0, [x1]
        guest.run(1);
        assert!(faulted(&guest, 0x61), "store at {offset}");
        assert_eq!(guest.ram.read_u64(DATA), Some(pattern(DATA, 8)));

        let mut guest = one(0xf940_0020, DATA + offset);
        with_mmu(&mut guest);
        guest.run(1);
        assert_eq!(guest.core.x[0], pattern(DATA + offset, 8));
        let mut guest = one(0xf900_0020, DATA + offset);
        with_mmu(&mut guest);
        guest.core.x[0] = 0x1122_3344_5566_7788;
        guest.run(1);
        let mut bytes = [0; 8];
        guest.ram.copy_out(DATA + offset, &mut bytes).expect("in RAM");
        assert_eq!(u64::from_le_bytes(bytes), 0x1122_3344_5566_7788);

        // SCTLR.A checks Normal memory too; exclusives are always checked.
        for (word, checked, iss) in
            [(0xf940_0020, true, 0x21), (0xc85f_7c20, false, 0x21), (0xc804_7c22, false, 0x61), (0xc89f_fc20, false, 0x61)]
        {
            let mut guest = one(word, DATA + offset);
            with_mmu(&mut guest);
            if checked {
                guest.core.sys[Reg::SCTLR_EL3] |= 2;
                guest.core.context_changed();
            }
            guest.run(1);
            assert!(faulted(&guest, iss), "{word:#x} at {offset}");
        }
    }
}

#[test]
fn faults_are_precise() {
    // The second half of each lies in the GiB that is not mapped.
    let edge = 0x4000_0000;
    for word in [0xa9bf_0c20u32, 0xad00_8420 /* stp q0, q1, [x1, #16] */] {
        let base = if word == 0xa9bf_0c20 { edge + 8 } else { edge - 32 };
        let ram = Arc::new(GuestRam::new(edge).expect("1 GiB, not touched"));
        let mut guest = one(word, base);
        guest.core.config.ram = ram.clone();
        guest.core.config.ram_top = edge;
        guest.ram = ram;
        guest.write(START, &[word]);
        with_mmu(&mut guest);
        guest.core.fp.v[0] = u128::MAX;
        guest.core.x[0] = u64::MAX;
        guest.run(1);
        assert_eq!(guest.core.sys[Reg::ELR_EL3], START, "{word:#x}");
        assert_eq!(guest.core.sys[Reg::FAR_EL3], edge, "{word:#x}");
        assert_eq!(guest.core.x[1], base, "{word:#x}: no writeback");
        assert_eq!(guest.ram.read_u64(edge - 8), Some(0), "{word:#x}: nothing stored");
        assert_eq!(guest.ram.read_u64(edge - 16), Some(0), "{word:#x}: nothing stored");
    }
    // A load with writeback from outside changes nothing.
    let mut guest = one(0xf840_8420, edge); // ldr x0, [x1], #8
    with_mmu(&mut guest);
    guest.core.x[0] = 5;
    guest.run(1);
    assert_eq!((guest.core.x[0], guest.core.x[1]), (5, edge));
}

#[test]
fn a_misaligned_stack_pointer_faults_where_that_is_checked() {
    let mut guest = one(0xf900_03e0, 0); // str x0, [sp]
    guest.core.x[usize::from(SLOT_SP)] = DATA + 8;
    guest.core.sys[Reg::SCTLR_EL3] |= 8;
    guest.run(1);
    assert!(faulted(&guest, 0));
    assert_eq!(guest.core.sys[Reg::ESR_EL3] >> 26, 0x26);
    let mut guest = one(0xf900_03e0, 0);
    guest.core.x[usize::from(SLOT_SP)] = DATA + 8;
    guest.core.sys[Reg::SCTLR_EL3] &= !8;
    guest.run(1);
    assert_eq!((guest.core.pc, guest.ram.read_u64(DATA + 8)), (START + 4, Some(0)));
    // EL0 has a bit of its own: SA0 of SCTLR_EL1.
    for (sctlr, checked) in [(1 << 4, true), (1 << 3, false)] {
        let mut guest = one(0xf940_03e0, 0); // ldr x0, [sp]
        guest.core.sys[Reg::SCR_EL3] = 0x531;
        guest.core.sys[Reg::HCR_EL2] = 1 << 31;
        guest.core.sys[Reg::SCTLR_EL1] = sctlr;
        guest.core.switch_sp(0, false);
        guest.core.context_changed();
        guest.core.x[usize::from(SLOT_SP)] = DATA + 8;
        guest.run(1);
        let taken = guest.core.el == 1 && guest.core.sys[Reg::ESR_EL1] >> 26 == 0x26 && guest.core.sys[Reg::ELR_EL1] == START;
        assert_eq!(taken, checked, "SCTLR_EL1 {sctlr:#x}");
    }
}

#[test]
fn fetches_from_devices_and_odd_addresses_abort() {
    let mut guest = one(0xd61f_0020, RAM_TOP); // br x1
    guest.run(2);
    assert_eq!((guest.core.sys[Reg::ESR_EL3] >> 26, guest.core.sys[Reg::ELR_EL3]), (0x21, RAM_TOP));
    let mut guest = one(0xd61f_0020, START + 2);
    guest.run(2);
    assert_eq!((guest.core.sys[Reg::ESR_EL3] >> 26, guest.core.sys[Reg::FAR_EL3]), (0x22, START + 2));
}

#[test]
fn exclusives_fail_without_a_monitor_on_other_addresses_and_after_other_stores() {
    // ldxr x0, [x1] ; (filler) ; stxr w4, x2, [x1]
    let status = |filler: u32, change: &dyn Fn(&mut Guest)| {
        let mut guest = one(0xc85f_7c20, DATA);
        guest.write(START + 4, &[filler, 0xc804_7c22]);
        guest.core.x[2] = 0x77;
        guest.run(2);
        change(&mut guest);
        guest.run(1);
        (guest.core.x[4], guest.ram.read_u64(DATA))
    };
    let old = Some(pattern(DATA, 8));
    assert_eq!(status(0x9100_0400, &|_| ()), (0, Some(0x77)));
    assert_eq!(status(0xd503_3f5f, &|_| ()), (1, old), "after CLREX");
    assert_eq!(status(0x9100_0400, &|guest| guest.core.x[1] = DATA + 8), (1, old), "another address");
    assert_eq!(
        status(0x9100_0400, &|guest| {
            guest.ram.write_u64(DATA, 1).expect("in RAM");
        }),
        (1, Some(1)),
        "another master stored"
    );
    // ldxp x0, x3, [x1] ; stlxp w4, x2, x5, [x1]
    let mut guest = one(0xc87f_0c20, DATA);
    guest.write(START + 4, &[0xc824_9422]);
    (guest.core.x[2], guest.core.x[5]) = (1, 2);
    guest.run(2);
    assert_eq!((guest.core.x[0], guest.core.x[3]), (pattern(DATA, 8), pattern(DATA + 8, 8)));
    assert_eq!((guest.core.x[4], guest.ram.read_u64(DATA), guest.ram.read_u64(DATA + 8)), (0, Some(1), Some(2)));
}

#[test]
fn cores_on_host_threads_increment_one_word_without_loss() {
    const EACH: u64 = 100_000;
    // 1: ldxr x0, [x1] ; add x0, x0, #1 ; stxr w4, x0, [x1] ; cbnz w4, 1b ; subs x6, x6, #1 ; b.ne 1b ; b .
    let words = [0xc85f_7c20, 0x9100_0400, 0xc804_7c20, 0x35ff_ffa4, 0xf100_04c6, 0x54ff_ff61, 0x1400_0000];
    let first = Guest::new(&words);
    first.ram.write_u64(DATA, 0).expect("in RAM");
    std::thread::scope(|scope| {
        for id in 0..4 {
            let (ram, words) = (first.ram.clone(), &words);
            scope.spawn(move || {
                let mut guest = Guest::new(words);
                guest.core.config.id = id;
                guest.core.config.ram = ram.clone();
                guest.ram = ram;
                guest.core.x[1] = DATA;
                guest.core.x[6] = EACH;
                while guest.core.pc != START + 24 {
                    assert_eq!(guest.run(10_000).stop, Stop::Budget);
                }
            });
        }
    });
    assert_eq!(first.ram.read_u64(DATA), Some(4 * EACH));
}

#[test]
fn any_words_in_any_state_never_panic() {
    let mut seed = 0x1234_5678_9abc_def1u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for round in 0..400 {
        let mut guest = Guest::new(&[]);
        for i in 0..256u64 {
            // Half of them loads and stores, which random words seldom are.
            let word = random() as u32;
            let word = if i % 2 == 0 { word & !(5 << 25) | 4 << 25 } else { word };
            guest.write(START + 4 * i, &[word]);
        }
        for slot in 0..33 {
            if slot != usize::from(SLOT_ZR) {
                // Some lie at edges: of a page, of RAM, of the address space.
                let edge = [0, DATA, DATA + 0x1000, RAM_TOP, 0x4000_0000][(random() % 5) as usize];
                guest.core.x[slot] =
                    if random() % 3 == 0 { edge.wrapping_add(random() % 96).wrapping_sub(48) } else { random() >> (random() & 63) };
            }
        }
        guest.core.sys[Reg::VBAR_EL3] = START;
        guest.core.sys[Reg::SCTLR_EL3] ^= random() & (0xa | 1 << 25);
        if round % 3 == 0 {
            with_mmu(&mut guest);
        }
        let mut left = 3000;
        while left > 0 {
            let run = guest.run(left);
            left -= run.retired.max(1).min(left);
            if matches!(run.stop, Stop::Stuck(_) | Stop::Lost(_)) {
                break;
            }
        }
    }
}
