//! Vector registers as arrays of lanes.

#[cfg(target_endian = "big")]
compile_error!("lane 0 is the low end of a register, which arrays give only on little-endian hosts");

/// Types whose every bit pattern is a value, and which have no padding.
///
/// # Safety
/// Implementors must be such types.
pub unsafe trait Pod: Copy + 'static {}

macro_rules! pods {
    ($($t:ty)*) => {$(
        // SAFETY: a primitive number.
        unsafe impl Pod for $t {}
    )*};
}
pods! { u8 u16 u32 u64 u128 i8 i16 i32 i64 i128 }

/// The low `N` lanes.
#[inline(always)]
pub fn split<T: Pod, const N: usize>(v: u128) -> [T; N] {
    const { assert!(size_of::<[T; N]>() <= 16) };
    // SAFETY: `T` takes any bits, and the array is no larger than the source.
    unsafe { std::ptr::from_ref(&v).cast::<[T; N]>().read_unaligned() }
}

/// Lanes from the low end of a register up; the rest is zero.
#[inline(always)]
pub fn join<T: Pod, const N: usize>(lanes: [T; N]) -> u128 {
    const { assert!(size_of::<[T; N]>() <= 16) };
    let mut v = 0u128;
    // SAFETY: `T` has no padding, and the array is no larger than the destination.
    unsafe { std::ptr::from_mut(&mut v).cast::<[T; N]>().write_unaligned(lanes) };
    v
}
