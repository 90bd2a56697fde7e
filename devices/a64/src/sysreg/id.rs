//! Identification registers that are more than a constant.

use super::Reg;
use crate::bus::Bus;
use crate::core::Core;
use crate::decode::Op;

/// Caches by CSSELR_EL1 (level and instruction bit): geometry of 32 KiB 4-way data, 32 KiB 2-way instruction, 512 KiB 16-way L2, 64-byte lines.
const CCSIDR: [(u64, u64); 3] = [(0, 0x700f_e01a), (1, 0x201f_e00a), (2, 0x703f_e07a)];

/// ID_AA64ISAR0_EL1: AES with PMULL, SHA1, SHA2.
pub(super) const AA64_CRYPTO: u64 = 0x1120;
/// The same of ID_ISAR5_EL1.
pub(super) const AA32_CRYPTO: u64 = 0x1120;

/// DCZID_EL0: 64 bytes; DZP where DC ZVA is not allowed.
const DCZID_BLOCK: u64 = 4;
const DCZID_PROHIBITED: u64 = 1 << 4;

pub(super) fn read_ccsidr(core: &mut Core, _: &mut dyn Bus, _: &Op) -> u64 {
    let select = core.sys[Reg::CSSELR_EL1];
    CCSIDR.iter().find(|(cache, _)| *cache == select).map_or(0, |(_, geometry)| *geometry)
}

pub(super) fn read_dczid(core: &mut Core, _: &mut dyn Bus, _: &Op) -> u64 {
    let prohibited = core.check_zva().is_err();
    DCZID_BLOCK | if prohibited { DCZID_PROHIBITED } else { 0 }
}

/// MIDR_EL1 at non-secure EL1 is what EL2 put into VPIDR_EL2.
pub(super) fn read_midr(core: &mut Core, _: &mut dyn Bus, _: &Op) -> u64 {
    let guest = core.el == 1 && !core.secure();
    core.sys[if guest { Reg::VPIDR_EL2 } else { Reg::MIDR_EL1 }]
}

/// MPIDR_EL1 at non-secure EL1 is what EL2 put into VMPIDR_EL2.
pub(super) fn read_mpidr(core: &mut Core, _: &mut dyn Bus, _: &Op) -> u64 {
    let guest = core.el == 1 && !core.secure();
    core.sys[if guest { Reg::VMPIDR_EL2 } else { Reg::MPIDR_EL1 }]
}
