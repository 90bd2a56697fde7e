//! The A64 integer instructions: each class with its table.

pub(crate) mod alu;
pub(crate) mod bits;
pub(crate) mod branch;
pub(crate) mod cond;
pub(crate) mod exclusive;
pub(crate) mod fuse;
pub(crate) mod load_store;
pub(crate) mod load_store_fp;
pub(crate) mod muldiv;
#[cfg(test)]
mod tests;

/// A handler's instance by run-time flags: `pick!(handler [1, 2,] a, b)` is `handler::<1, 2, true, false>` where `a && !b`.
macro_rules! pick {
    ($f:ident [$($done:tt)*]) => { $f::<$($done)*> as $crate::decode::Handler };
    ($f:ident [$($done:tt)*] $flag:expr $(, $rest:expr)*) => {
        if $flag { pick!($f [$($done)* true,] $($rest),*) } else { pick!($f [$($done)* false,] $($rest),*) }
    };
}
pub(crate) use pick;

/// N, Z, C, V of a result as in `Core::nzcv`.
#[inline(always)]
fn nzcv(n: bool, z: bool, c: bool, v: bool) -> u32 {
    u32::from(n) << 31 | u32::from(z) << 30 | u32::from(c) << 29 | u32::from(v) << 28
}

/// `a + b + carry` and its flags (AddWithCarry of the ARM ARM), at 64 or 32 bits.
#[inline(always)]
pub(crate) fn add_with_carry<const SF: bool>(a: u64, b: u64, carry: bool) -> (u64, u32) {
    if SF {
        let (sum, c1) = a.overflowing_add(b);
        let (r, c2) = sum.overflowing_add(u64::from(carry));
        (r, nzcv((r as i64) < 0, r == 0, c1 | c2, ((a ^ r) & (b ^ r)) >> 63 != 0))
    } else {
        let (a, b) = (a as u32, b as u32);
        let (sum, c1) = a.overflowing_add(b);
        let (r, c2) = sum.overflowing_add(u32::from(carry));
        (u64::from(r), nzcv((r as i32) < 0, r == 0, c1 | c2, ((a ^ r) & (b ^ r)) >> 31 != 0))
    }
}

/// `a - b` and its flags, at 64 or 32 bits.
#[inline(always)]
pub(crate) fn subtract<const SF: bool>(a: u64, b: u64) -> (u64, u32) {
    if SF {
        let r = a.wrapping_sub(b);
        let flags = (r >> 32) as u32 & 1 << 31 | u32::from(r == 0) << 30 | u32::from(a >= b) << 29;
        (r, flags | (((a ^ b) & (a ^ r)) >> 35) as u32 & 1 << 28)
    } else {
        let (a, b) = (a as u32, b as u32);
        let r = a.wrapping_sub(b);
        let flags = r & 1 << 31 | u32::from(r == 0) << 30 | u32::from(a >= b) << 29;
        (u64::from(r), flags | ((a ^ b) & (a ^ r)) >> 3 & 1 << 28)
    }
}

/// Which of the 16 values of NZCV each condition holds for (ConditionHolds of the ARM ARM).
const CONDITIONS: [u16; 16] = {
    let mut table = [0u16; 16];
    let mut flags = 0;
    while flags < 16 {
        let (n, z, c, v) = (flags & 8 != 0, flags & 4 != 0, flags & 2 != 0, flags & 1 != 0);
        let base = [z, c, n, v, c && !z, n == v, n == v && !z, true];
        let mut i = 0;
        while i < 16 {
            // Condition 15 is "always" too.
            if base[i / 2] != (i & 1 == 1 && i != 15) {
                table[i] |= 1 << flags;
            }
            i += 1;
        }
        flags += 1;
    }
    table
};

/// True if condition `cond` holds for `nzcv`.
#[inline(always)]
pub(crate) fn holds(cond: u8, nzcv: u32) -> bool {
    CONDITIONS[cond as usize & 15] >> (nzcv >> 28) & 1 != 0
}

/// `value` at the operand size.
#[inline(always)]
pub(crate) fn sized<const SF: bool>(value: u64) -> u64 {
    if SF { value } else { u64::from(value as u32) }
}

/// A shifted register operand: `SH` is 0 for no shift, else 1 + the shift type of the encoding (LSL, LSR, ASR, ROR). `amount` is below the size.
#[inline(always)]
pub(crate) fn shifted<const SF: bool, const SH: u8>(value: u64, amount: u8) -> u64 {
    let amount = u32::from(amount);
    match (SH, SF) {
        (0, _) => value,
        (1, true) => value << (amount & 63),
        (1, false) => u64::from((value as u32) << (amount & 31)),
        (2, true) => value >> (amount & 63),
        (2, false) => u64::from(value as u32 >> (amount & 31)),
        (3, true) => ((value as i64) >> (amount & 63)) as u64,
        (3, false) => u64::from((value as i32 >> (amount & 31)) as u32),
        (_, true) => value.rotate_right(amount),
        (_, false) => u64::from((value as u32).rotate_right(amount)),
    }
}

/// An extended register operand (ExtendReg of the ARM ARM): option 0 to 7 is UXTB, UXTH, UXTW, UXTX, SXTB, SXTH, SXTW, SXTX.
#[inline(always)]
pub(crate) fn extended(value: u64, option: u8, shift: u8) -> u64 {
    let value = match option & 7 {
        0 => value & 0xff,
        1 => value & 0xffff,
        2 => value & 0xffff_ffff,
        4 => value as i8 as u64,
        5 => value as i16 as u64,
        6 => value as i32 as u64,
        _ => value,
    };
    value << (shift & 63)
}
