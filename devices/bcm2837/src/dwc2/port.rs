//! The root port.

use super::registers::*;
use serde::{Deserialize, Serialize};

/// The port's register.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Port {
    /// HPRT0.
    pub hprt0: u32,
}

/// What a write to the port does to the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// A reset begins: frames stop, devices forget their addresses.
    Reset,
    /// The port is enabled: frames begin.
    Enabled,
    /// Frames go on.
    Resumed,
    /// Frames stop.
    Stopped,
}

impl Port {
    /// True if frames are sent.
    pub fn is_running(&self) -> bool {
        self.hprt0 & HPRT0_ENABLE != 0 && self.hprt0 & HPRT0_SUSPEND == 0
    }

    /// Something has changed that the guest has not acknowledged.
    pub fn has_changes(&self) -> bool {
        self.hprt0 & HPRT0_CHANGES != 0
    }

    /// A write to HPRT0. With `full_speed`, nothing faster is agreed on in a reset.
    pub fn write(&mut self, value: u32, full_speed: bool) -> Change {
        let before = *self;
        let rises = |bit: u32| value & bit != 0 && before.hprt0 & bit == 0;
        let falls = |bit: u32| value & bit == 0 && before.hprt0 & bit != 0;
        self.hprt0 &= !(value & HPRT0_CHANGES) & !(HPRT0_POWER | HPRT0_RESET | HPRT0_TEST | HPRT0_RESUME);
        self.hprt0 |= value & (HPRT0_POWER | HPRT0_RESET | HPRT0_TEST | HPRT0_RESUME);
        if falls(HPRT0_POWER) {
            self.hprt0 = 0;
            return Change::Stopped;
        }
        if rises(HPRT0_POWER) {
            self.hprt0 |= HPRT0_CONNECT | HPRT0_CONNECT_CHANGE | HPRT0_LINE_J | HPRT0_FULL_SPEED;
        }
        if self.hprt0 & HPRT0_POWER == 0 {
            self.hprt0 &= !HPRT0_RESET;
            return Change::None;
        }
        if rises(HPRT0_RESET) {
            self.hprt0 &= !(HPRT0_ENABLE | HPRT0_SUSPEND);
            return Change::Reset;
        }
        if falls(HPRT0_RESET) {
            let speed = if full_speed { HPRT0_FULL_SPEED } else { 0 };
            self.hprt0 = self.hprt0 & !HPRT0_FULL_SPEED | HPRT0_ENABLE | HPRT0_ENABLE_CHANGE | speed;
            return Change::Enabled;
        }
        // Writing 1 to what says that it is enabled disables it.
        if value & before.hprt0 & HPRT0_ENABLE != 0 {
            self.hprt0 &= !(HPRT0_ENABLE | HPRT0_SUSPEND);
        } else if falls(HPRT0_RESUME) {
            self.hprt0 &= !HPRT0_SUSPEND;
        } else if value & HPRT0_SUSPEND != 0 && value & HPRT0_RESUME == 0 && self.hprt0 & HPRT0_ENABLE != 0 {
            self.hprt0 |= HPRT0_SUSPEND;
        }
        match (before.is_running(), self.is_running()) {
            (true, false) => Change::Stopped,
            (false, true) => Change::Resumed,
            _ => Change::None,
        }
    }
}
