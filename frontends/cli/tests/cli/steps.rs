//! A guest that does one thing at known times, as words: 64x48 pixels of 32 bits; 24 steps, 25 ms of guest time apart. Step n, from 0, paints 40
//! pixels of line 2n from column n on, in colour (n + 1) * 0x091e7b. Then it switches the power off.

use crate::program::Folder;

/// Steps, and time between them.
pub const STEPS: u64 = 24;
pub const STEP_NS: u64 = 25_000_000;

const PROGRAM: &[u32] = &[
    // The property message to the mailbox, and its answer.
    0x5800_0a42,
    0x1000_05e3,
    0x1100_2064,
    0xb940_1845,
    0x37ff_ffe5,
    0xb900_2044,
    0xb940_1845,
    0x37f7_ffe5,
    0xb940_0045,
    // The buffer's address.
    0x1000_07c3,
    0xb940_0066,
    0x1200_74c6,
    // The physical timer's interrupt wakes core 0.
    0xd2a8_0007,
    0x5280_0048,
    0xb900_40e8,
    // Step 0; colour and ticks from the pool.
    0x5280_0009,
    0x1800_078a,
    0x1800_078b,
    // step: start the timer; wfi until it has come.
    0xd51b_e20b,
    0xd280_002c,
    0xd51b_e22c,
    0xd503_207f,
    0xd53b_e22c,
    0x3617_ffcc,
    // Address and colour.
    0x5280_400d,
    0x1b0d_192e,
    0x0b09_09ce,
    0x1b0a_7d2f,
    0x0b0a_01ef,
    // 40 pixels.
    0x5280_0510,
    0xb800_45cf,
    0x7100_0610,
    0x54ff_ffc1,
    // The next step.
    0x1100_0529,
    0x7100_613f,
    0x54ff_fde1,
    // RSTS, WDOG and RSTC: off; wfi for ever.
    0x5800_0602,
    0x1800_0523,
    0xb900_0443,
    0x1800_0503,
    0xb900_0843,
    0x1800_04e3,
    0xb900_0043,
    0xd503_207f,
    0x17ff_ffff,
    // To a multiple of 16.
    0xd503_201f,
    0xd503_201f,
    0xd503_201f,
    // The message: sizes, depth, order, allocation.
    0x0000_0068,
    0x0000_0000,
    0x0004_8003,
    0x0000_0008,
    0x0000_0000,
    0x0000_0040,
    0x0000_0030,
    0x0004_8004,
    0x0000_0008,
    0x0000_0000,
    0x0000_0040,
    0x0000_0030,
    0x0004_8005,
    0x0000_0004,
    0x0000_0000,
    0x0000_0020,
    0x0004_8006,
    0x0000_0004,
    0x0000_0000,
    0x0000_0001,
    0x0004_0001,
    0x0000_0008,
    0x0000_0000,
    0x0000_1000,
    0x0000_0000,
    0x0000_0000,
    // The pool.
    0xd503_201f,
    0xd503_201f,
    0x0009_1e7b,
    0x0007_5300,
    0x5a00_0555,
    0x5a00_000a,
    0x5a00_0020,
    0x0000_0000,
    0x3f00_b880,
    0x0000_0000,
    0x3f10_001c,
    0x0000_0000,
];

impl Folder {
    /// Writes the guest to `steps.img`.
    pub fn steps(&self) {
        let bytes: Vec<u8> = PROGRAM.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.file("steps.img", &bytes);
    }
}
