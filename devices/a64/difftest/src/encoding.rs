//! Classes of A64 instructions by the tables of the ARM ARM, section C4.1: independent of how the core's decoder is organised.

/// One class: a name, and what its words look like.
struct Class {
    name: &'static str,
    mask: u32,
    bits: u32,
}

/// A class from a pattern of up to 32 characters, bit 31 first: `0` and `1` are fixed, `x` and what is missing at the end are not.
const fn class(name: &'static str, pattern: &str) -> Class {
    let text = pattern.as_bytes();
    let (mut mask, mut bits, mut bit, mut i) = (0u32, 0u32, 32, 0);
    while i < text.len() {
        let c = text[i];
        i += 1;
        if c == b' ' {
            continue;
        }
        assert!(c == b'0' || c == b'1' || c == b'x', "0, 1 or x");
        bit -= 1;
        mask |= ((c != b'x') as u32) << bit;
        bits |= ((c == b'1') as u32) << bit;
    }
    Class { name, mask, bits }
}

/// All classes; the first that fits counts.
static CLASSES: &[Class] = &[
    class("reserved", "xxx 0000"),
    class("unallocated", "xxx 00x1"),
    class("SVE", "xxx 0010"),
    // Data processing, immediate.
    class("PC-relative address", "xxx 10000"),
    class("add/subtract, immediate", "xxx 100010"),
    class("add/subtract, tags", "xxx 100011"),
    class("logical, immediate", "xxx 100100"),
    class("move wide", "xxx 100101"),
    class("bitfield", "xxx 100110"),
    class("extract", "xxx 100111"),
    // Branches, exception generation, system.
    class("conditional branch", "010 1010"),
    class("exception generation", "110 10100"),
    class("hints", "1101 0101 0000 0011 0010"),
    class("barriers", "1101 0101 0000 0011 0011"),
    class("PSTATE", "1101 0101 0000 0xxx 0100"),
    class("system instructions", "1101 0101 00x0 1"),
    class("system register move", "1101 0101 00x1"),
    class("system, other", "1101 0101"),
    class("branch, register", "110 1011"),
    class("branch, immediate", "x00 101"),
    class("compare and branch", "x01 1010"),
    class("test and branch", "x01 1011"),
    class("branches, other", "xxx 101"),
    // Loads and stores.
    class("load/store structures", "0x00 1100 0x00 0000"),
    class("load/store structures, post-indexed", "0x00 1100 1x0"),
    class("load/store single structure", "0x00 1101 0xx0 0000"),
    class("load/store single structure, post-indexed", "0x00 1101 1"),
    class("load/store exclusive and ordered", "xx00 1000"),
    class("load literal", "xx01 1x00"),
    class("load/store pair, no allocate", "xx10 1x00 0"),
    class("load/store pair, post-indexed", "xx10 1x00 1"),
    class("load/store pair, offset", "xx10 1x01 0"),
    class("load/store pair, pre-indexed", "xx10 1x01 1"),
    class("load/store, unscaled", "xx11 1x00 xx0x xxxx xxxx 00"),
    class("load/store, post-indexed", "xx11 1x00 xx0x xxxx xxxx 01"),
    class("load/store, unprivileged", "xx11 1x00 xx0x xxxx xxxx 10"),
    class("load/store, pre-indexed", "xx11 1x00 xx0x xxxx xxxx 11"),
    class("atomics", "xx11 1x00 xx1x xxxx xxxx 00"),
    class("load/store, register offset", "xx11 1x00 xx1x xxxx xxxx 10"),
    class("load with authentication", "xx11 1x00 xx1x xxxx xxxx x1"),
    class("load/store, unsigned offset", "xx11 1x01"),
    class("loads and stores, other", "xxxx 1x0"),
    // Data processing, register.
    class("logical, shifted register", "xxx0 1010"),
    class("add/subtract, shifted register", "xxx0 1011 xx0"),
    class("add/subtract, extended register", "xxx0 1011 xx1"),
    class("add/subtract with carry", "xxx1 1010 000x xxxx 0000 00"),
    class("conditional compare", "xxx1 1010 010"),
    class("conditional select", "xxx1 1010 100"),
    class("three sources", "xxx1 1011"),
    class("two sources", "x0x1 1010 110"),
    class("one source", "x1x1 1010 110"),
    class("data processing, register, other", "xxxx 101"),
    // Scalar floating point.
    class("FP and fixed point", "x0x1 1110 xx0"),
    class("FP and integer", "x0x1 1110 xx1x xxxx 0000 00"),
    class("FP one source", "x0x1 1110 xx1x xxxx x100 00"),
    class("FP compare", "x0x1 1110 xx1x xxxx xx10 00"),
    class("FP immediate", "x0x1 1110 xx1x xxxx xxx1 00"),
    class("FP conditional compare", "x0x1 1110 xx1x xxxx xxxx 01"),
    class("FP two sources", "x0x1 1110 xx1x xxxx xxxx 10"),
    class("FP conditional select", "x0x1 1110 xx1x xxxx xxxx 11"),
    class("FP three sources", "x0x1 1111"),
    class("FP, other", "x0x1 111"),
    // Advanced SIMD, scalar.
    class("AES", "0100 1110 xx10 100x xxxx 10"),
    class("SHA, three registers", "0101 1110 xx0x xxxx 0xxx 00"),
    class("SHA, two registers", "0101 1110 xx10 100x xxxx 10"),
    class("SIMD scalar copy", "01x1 1110 000x xxxx 0xxx x1"),
    class("SIMD scalar three same, half", "01x1 1110 x10x xxxx 00xx x1"),
    class("SIMD scalar two misc, half", "01x1 1110 x111 100x xxxx 10"),
    class("SIMD scalar three same, extra", "01x1 1110 xx0x xxxx 1xxx x1"),
    class("SIMD scalar two misc", "01x1 1110 xx10 000x xxxx 10"),
    class("SIMD scalar pairwise", "01x1 1110 xx11 000x xxxx 10"),
    class("SIMD scalar three different", "01x1 1110 xx1x xxxx xxxx 00"),
    class("SIMD scalar three same", "01x1 1110 xx1x xxxx xxxx x1"),
    class("SIMD scalar shift", "01x1 1111 0xxx xxxx xxxx x1"),
    class("SIMD scalar by element", "01x1 1111 xxxx xxxx xxxx x0"),
    class("SIMD scalar, other", "01x1 111"),
    // Advanced SIMD, vector.
    class("SIMD table lookup", "0x00 1110 xx0x xxxx 0xxx 00"),
    class("SIMD permute", "0x00 1110 xx0x xxxx 0xxx 10"),
    class("SIMD extract", "0x10 1110 xx0x xxxx 0xxx x0"),
    class("SIMD copy", "0xx0 1110 000x xxxx 0xxx x1"),
    class("SIMD three same, half", "0xx0 1110 x10x xxxx 00xx x1"),
    class("SIMD two misc, half", "0xx0 1110 x111 100x xxxx 10"),
    class("SIMD three same, extra", "0xx0 1110 xx0x xxxx 1xxx x1"),
    class("SIMD two misc", "0xx0 1110 xx10 000x xxxx 10"),
    class("SIMD across lanes", "0xx0 1110 xx11 000x xxxx 10"),
    class("SIMD three different", "0xx0 1110 xx1x xxxx xxxx 00"),
    class("SIMD three same", "0xx0 1110 xx1x xxxx xxxx x1"),
    class("SIMD modified immediate", "0xx0 1111 0000 0xxx xxxx x1"),
    class("SIMD shift", "0xx0 1111 0xxx xxxx xxxx x1"),
    class("SIMD by element", "0xx0 1111 xxxx xxxx xxxx x0"),
    class("SIMD and FP, other", ""),
];

/// Number of the class of short programs, which is none of the ARM ARM's: after all others.
pub fn programs() -> usize {
    CLASSES.len()
}

/// Number of classes, with the programs.
pub fn count() -> usize {
    CLASSES.len() + 1
}

/// Number of the class that a word belongs to.
pub fn class_of(word: u32) -> usize {
    CLASSES.iter().position(|class| (word ^ class.bits) & class.mask == 0).unwrap_or(CLASSES.len() - 1)
}

/// Name of a class.
pub fn name(class: usize) -> &'static str {
    CLASSES.get(class).map_or("short programs", |class| class.name)
}

/// True for words of the top-level group "Loads and Stores" (bits 28 to 25 are x1x0).
pub fn is_load_or_store(word: u32) -> bool {
    word >> 27 & 1 == 1 && word >> 25 & 1 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_in_the_classes_that_the_manual_puts_them_in() {
        for (word, expected) in [
            (0x0000_0000, "reserved"),
            (0x1000_0000, "PC-relative address"),
            (0x9100_0400, "add/subtract, immediate"),
            (0xd280_0000, "move wide"),
            (0x5400_0001, "conditional branch"),
            (0xd400_0001, "exception generation"),
            (0xd503_201f, "hints"),
            (0xd503_3fdf, "barriers"),
            (0xd538_0000, "system register move"),
            (0xd50b_7420, "system instructions"),
            (0xd65f_03c0, "branch, register"),
            (0xa900_8822, "load/store pair, offset"),
            (0xf940_0020, "load/store, unsigned offset"),
            (0x4c40_7000, "load/store structures"),
            (0xc85f_7c20, "load/store exclusive and ordered"),
            (0x8b01_0000, "add/subtract, shifted register"),
            (0x9ac0_0800, "two sources"),
            (0xdac0_1000, "one source"),
            (0x1e22_2820, "FP two sources"),
            (0x1e20_4020, "FP one source"),
            (0x1e22_2020, "FP compare"),
            (0x9e67_0000, "FP and integer"),
            (0x1f02_0c20, "FP three sources"),
            (0x4e22_d420, "SIMD three same"),
            (0x4f00_e400, "SIMD modified immediate"),
            (0x0f08_a420, "SIMD shift"),
            (0x4ea0_f820, "SIMD two misc"),
            (0x4e02_2820, "SIMD permute"),
        ] {
            assert_eq!(name(class_of(word)), expected, "{word:#010x}");
        }
    }

    #[test]
    fn only_loads_and_stores_are_loads_and_stores() {
        assert!(is_load_or_store(0xf940_0020) && is_load_or_store(0x4c40_7000) && is_load_or_store(0xc85f_7c20));
        assert!(!is_load_or_store(0x8b01_0000) && !is_load_or_store(0x1e22_2820) && !is_load_or_store(0xd503_201f));
    }
}
