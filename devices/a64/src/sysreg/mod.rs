//! System registers (ARM ARM D13) and system instructions (C5.3 to C5.5).

/// The system registers that hold state.
#[derive(Clone, Debug)]
pub struct SysRegs {
    /// MPIDR_EL1.
    pub mpidr: u64,
}

impl SysRegs {
    /// Reset values of core `id`.
    pub fn new(id: u8) -> Self {
        Self { mpidr: 0x8000_0000 | u64::from(id) }
    }
}
