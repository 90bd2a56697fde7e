//! Handlers that scalar instructions (one lane) and vector instructions share. Each tries the host's arithmetic and leaves the rest to a twin that is
//! out of its way.

use super::vector::{Binary, HostFormat, Unary, fast_mul_add, fast1, fast2, fuses, read, soft_mul_add, soft1, soft2, write};
use crate::bus::Bus;
use crate::core::Core;
use crate::decode::{Flow, Handler, Op, next};
use std::array::from_fn;

/// Where the third register of a multiplication comes from.
pub(crate) const WHOLE: bool = false;
/// One element of it, by `aux[1]`, for all lanes.
pub(crate) const ELEMENT: bool = true;

/// The lanes of `rm`, or its element for all of them.
#[inline(always)]
fn factor<F: HostFormat, const BY: bool, const N: usize>(core: &Core, op: &Op) -> [F; N] {
    if BY == WHOLE {
        return read(core, op.rm);
    }
    let at = (u32::from(op.aux[1]) * F::BITS) & 127;
    [F::from_bits((core.fp.v[usize::from(op.rm & 31)] >> at) as u64); N]
}

/// `rd = O(rn)`.
pub(crate) fn unary<F: HostFormat, O: Unary, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let n = read::<F, N>(core, op.rn);
    let Some(result) = fast1::<F, O, N>(core, n) else { return unary_soft::<F, O, N>(core, bus, op) };
    write(core, op.rd, result);
    next(core, bus, op)
}

/// [`unary`] by integers; also for operations that the host is never asked for.
#[inline(never)]
pub(crate) fn unary_soft<F: HostFormat, O: Unary, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let n = read::<F, N>(core, op.rn);
    let result = soft1::<F, O, N>(core, n);
    write(core, op.rd, result);
    next(core, bus, op)
}

/// `rd = O(rn, rm)`.
pub(crate) fn binary<F: HostFormat, O: Binary, const BY: bool, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let (n, m) = (read::<F, N>(core, op.rn), factor::<F, BY, N>(core, op));
    let Some(result) = fast2::<F, O, N>(core, n, m) else { return binary_soft::<F, O, BY, N>(core, bus, op) };
    write(core, op.rd, result);
    next(core, bus, op)
}

#[cold]
#[inline(never)]
fn binary_soft<F: HostFormat, O: Binary, const BY: bool, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let (n, m) = (read::<F, N>(core, op.rn), factor::<F, BY, N>(core, op));
    let result = soft2::<F, O, N>(core, n, m);
    write(core, op.rd, result);
    next(core, bus, op)
}

/// Neighbouring lanes of the concatenated sources, as operands of a [`Binary`].
#[inline(always)]
fn neighbours<F: HostFormat, const N: usize>(core: &Core, op: &Op) -> ([F; N], [F; N]) {
    let (n, m) = (read::<F, N>(core, op.rn), read::<F, N>(core, op.rm));
    let lane = |i: usize| if i < N { n[i] } else { m[i - N] };
    (from_fn(|i| lane(2 * i)), from_fn(|i| lane(2 * i + 1)))
}

/// `rd = O` of the neighbours in `rn` and `rm`.
pub(crate) fn pairwise<F: HostFormat, O: Binary, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let (a, b) = neighbours::<F, N>(core, op);
    let Some(result) = fast2::<F, O, N>(core, a, b) else { return pairwise_soft::<F, O, N>(core, bus, op) };
    write(core, op.rd, result);
    next(core, bus, op)
}

#[cold]
#[inline(never)]
fn pairwise_soft<F: HostFormat, O: Binary, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let (a, b) = neighbours::<F, N>(core, op);
    let result = soft2::<F, O, N>(core, a, b);
    write(core, op.rd, result);
    next(core, bus, op)
}

/// `rd = ±ra + (±rn) * rm`, rounded once: the handler for this host. In vector forms `ra` is `rd`.
pub(crate) fn mul_add<F: HostFormat, const NEG_A: bool, const NEG_N: bool, const BY: bool, const N: usize>() -> Handler {
    if fuses() { mul_add_host::<F, NEG_A, NEG_N, BY, N> } else { mul_add_soft::<F, NEG_A, NEG_N, BY, N> }
}

#[inline(always)]
fn mul_add_inlined<F: HostFormat, const NEG_A: bool, const NEG_N: bool, const BY: bool, const N: usize>(
    core: &mut Core,
    bus: &mut dyn Bus,
    op: &Op,
) -> Flow {
    let (a, n, m) = (read::<F, N>(core, op.ra), read::<F, N>(core, op.rn), factor::<F, BY, N>(core, op));
    let Some(result) = fast_mul_add::<F, NEG_A, NEG_N, N>(core, a, n, m) else {
        return mul_add_soft::<F, NEG_A, NEG_N, BY, N>(core, bus, op);
    };
    write(core, op.rd, result);
    next(core, bus, op)
}

/// Picked only where [`fuses`] holds.
fn mul_add_host<F: HostFormat, const NEG_A: bool, const NEG_N: bool, const BY: bool, const N: usize>(
    core: &mut Core,
    bus: &mut dyn Bus,
    op: &Op,
) -> Flow {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "fma")]
        fn with_fma<F: HostFormat, const NEG_A: bool, const NEG_N: bool, const BY: bool, const N: usize>(
            core: &mut Core,
            bus: &mut dyn Bus,
            op: &Op,
        ) -> Flow {
            mul_add_inlined::<F, NEG_A, NEG_N, BY, N>(core, bus, op)
        }
        // SAFETY: the host has the feature that the function is compiled for: `mul_add` asked before it gave this handler away.
        unsafe { with_fma::<F, NEG_A, NEG_N, BY, N>(core, bus, op) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    mul_add_inlined::<F, NEG_A, NEG_N, BY, N>(core, bus, op)
}

#[cold]
#[inline(never)]
fn mul_add_soft<F: HostFormat, const NEG_A: bool, const NEG_N: bool, const BY: bool, const N: usize>(
    core: &mut Core,
    bus: &mut dyn Bus,
    op: &Op,
) -> Flow {
    let (a, n, m) = (read::<F, N>(core, op.ra), read::<F, N>(core, op.rn), factor::<F, BY, N>(core, op));
    let result = soft_mul_add::<F, NEG_A, NEG_N, N>(core, a, n, m);
    write(core, op.rd, result);
    next(core, bus, op)
}
