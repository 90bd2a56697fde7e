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

/// The lanes of a register in place, from bit 0 up.
#[inline(always)]
pub fn view<T: Pod, const N: usize>(v: &u128) -> &[T; N] {
    const { assert!(size_of::<[T; N]>() <= 16 && align_of::<T>() <= align_of::<u128>()) };
    // SAFETY: `T` takes any bits, and the array lies within the register.
    unsafe { &*std::ptr::from_ref(v).cast() }
}

/// The same, to be written.
#[inline(always)]
pub fn view_mut<T: Pod, const N: usize>(v: &mut u128) -> &mut [T; N] {
    const { assert!(size_of::<[T; N]>() <= 16 && align_of::<T>() <= align_of::<u128>()) };
    // SAFETY: `T` takes any bits and leaves none undefined, and the array lies within the register.
    unsafe { &mut *std::ptr::from_mut(v).cast() }
}

/// The lanes of one half of a register.
#[inline(always)]
pub fn view_half<T: Pod, const N: usize>(v: &u128, upper: bool) -> &[T; N] {
    const { assert!(size_of::<[T; N]>() <= 8 && align_of::<T>() <= 8) };
    let halves: &[u64; 2] = view(v);
    // SAFETY: `T` takes any bits, and the array lies within the half.
    unsafe { &*std::ptr::from_ref(&halves[usize::from(upper)]).cast() }
}

/// The same, to be written.
#[inline(always)]
pub fn view_half_mut<T: Pod, const N: usize>(v: &mut u128, upper: bool) -> &mut [T; N] {
    const { assert!(size_of::<[T; N]>() <= 8 && align_of::<T>() <= 8) };
    let halves: &mut [u64; 2] = view_mut(v);
    // SAFETY: `T` takes any bits and leaves none undefined, and the array lies within the half.
    unsafe { &mut *std::ptr::from_mut(&mut halves[usize::from(upper)]).cast() }
}

/// Doublewords as the elements that lie in them, in the order of memory.
#[inline(always)]
pub fn elements<T: Pod>(units: &[u64]) -> &[T] {
    const { assert!(size_of::<T>() <= 8 && align_of::<T>() <= 8) };
    // SAFETY: `T` takes any bits, and divides a doubleword: the slice covers the same bytes.
    unsafe { std::slice::from_raw_parts(units.as_ptr().cast(), size_of_val(units) / size_of::<T>()) }
}

/// The same, to be written.
#[inline(always)]
pub fn elements_mut<T: Pod>(units: &mut [u64]) -> &mut [T] {
    const { assert!(size_of::<T>() <= 8 && align_of::<T>() <= 8) };
    // SAFETY: `T` takes any bits and leaves none undefined, and divides a doubleword: the slice covers the same bytes.
    unsafe { std::slice::from_raw_parts_mut(units.as_mut_ptr().cast(), size_of_val(units) / size_of::<T>()) }
}
