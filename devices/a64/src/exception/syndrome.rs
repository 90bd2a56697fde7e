//! What the syndrome of a stage 2 data abort says about the instruction (ARM ARM D13.2.37, ISS of a data abort): a hypervisor that
//! emulates a device reads size, register and extension from it, and not the guest's code.

use super::{Class, Exception};
use crate::decode::field;

/// ISS.ISV: the fields below are valid.
const ISV: u32 = 1 << 24;
/// ISS.S1PTW: the fault is of a table walk, about which the instruction says nothing.
const S1PTW: u32 = 1 << 7;

impl Exception {
    /// The exception, with what its syndrome says about `insn`.
    pub(crate) fn of_instruction(mut self, insn: u32) -> Self {
        if matches!(self.class, Class::Stage2DataAbort { .. }) && self.iss & S1PTW == 0 {
            self.iss |= access(insn).unwrap_or(0);
        }
        self
    }
}

/// ISV to AR (bits 24 to 14) for a load or store of one general register without writeback; others have none.
fn access(insn: u32) -> Option<u32> {
    let is = |mask, value| insn & mask == value;
    let (size, opc) = (field(insn, 31, 30), field(insn, 23, 22));
    let unsigned_offset = is(0x3b00_0000, 0x3900_0000);
    let unscaled_or_unprivileged = is(0x3b20_0400, 0x3800_0000);
    let register_offset = is(0x3b20_0c00, 0x3820_0800);
    // log2 of the bytes, sign extension, a 64-bit register, acquire or release
    let (size, signed, wide, ordered) = if unsigned_offset || unscaled_or_unprivileged || register_offset {
        (size, opc >= 2, if opc >= 2 { opc == 2 } else { size == 3 }, false)
    } else if is(0x3f00_0000, 0x1800_0000) {
        // LDR and LDRSW of a literal
        (if size == 1 { 3 } else { 2 }, size == 2, size != 0, false)
    } else if is(0x3fa0_8000, 0x0880_8000) {
        // LDAR and STLR
        (size, false, size == 3, true)
    } else {
        return None;
    };
    let general = insn & 1 << 26 == 0;
    let fields = size << 22 | u32::from(signed) << 21 | field(insn, 4, 0) << 16 | u32::from(wide) << 15 | u32::from(ordered) << 14;
    general.then_some(ISV | fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_general_registers_without_writeback_are_described() {
        let cases: &[(&str, u32, u32)] = &[
            ("STRB W10, [X9]", 0x3900_012a, 0x10a_0000),
            ("LDR W11, [X9, #24]", 0xb940_192b, 0x18b_0000),
            ("STRH W10, [X9, #4]", 0x7900_092a, 0x14a_0000),
            ("LDRSB X12, [X9, #8]", 0x3980_212c, 0x12c_8000),
            ("LDRSB W12, [X9, #8]", 0x39c0_212c, 0x12c_0000),
            ("LDRSW X1, [X9, #4]", 0xb980_0521, 0x1a1_8000),
            ("LDR X3, [X2]", 0xf940_0043, 0x1c3_8000),
            ("STR XZR, [X2]", 0xf900_005f, 0x1df_8000),
            ("LDUR X3, [X2, #1]", 0xf840_1043, 0x1c3_8000),
            ("LDTR W3, [X2]", 0xb840_0843, 0x183_0000),
            ("LDR W3, [X2, X1]", 0xb861_6843, 0x183_0000),
            ("LDR X3, literal", 0x5800_0003, 0x1c3_8000),
            ("LDRSW X3, literal", 0x9800_0003, 0x1a3_8000),
            ("LDAR W3, [X2]", 0x88df_fc43, 0x183_4000),
            ("STLR X3, [X2]", 0xc89f_fc43, 0x1c3_c000),
            ("LDR X3, [X2], #8", 0xf840_8443, 0),
            ("LDR X3, [X2, #8]!", 0xf840_8c43, 0),
            ("LDP X3, X4, [X2]", 0xa940_1043, 0),
            ("LDXR X3, [X2]", 0xc85f_7c43, 0),
            ("LDAXR X3, [X2]", 0xc85f_fc43, 0),
            ("LDR D3, [X2]", 0xfd40_0043, 0),
            ("LDR S3, literal", 0x1c00_0003, 0),
            ("LD1 {V0.16B}, [X2]", 0x4c40_7040, 0),
            ("DC ZVA, X2", 0xd50b_7422, 0),
        ];
        for (text, insn, expected) in cases {
            assert_eq!(access(*insn).unwrap_or(0), *expected, "{text}");
        }
    }

    #[test]
    fn only_stage_2_says_so() {
        let load = 0xf940_0043;
        let stage2 = Exception { class: Class::Stage2DataAbort { ipa: 0 }, iss: 0x06, far: Some(0) };
        assert_eq!(stage2.of_instruction(load).iss, 0x1c3_8006);
        assert_eq!(Exception { iss: 0x86, ..stage2 }.of_instruction(load).iss, 0x86, "the fault of a walk");
        assert_eq!(Exception { class: Class::DataAbort, ..stage2 }.of_instruction(load).iss, 0x06);
    }
}
