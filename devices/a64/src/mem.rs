//! Loads and stores of guest virtual memory.

use crate::bus::Bus;
use crate::core::Core;
use crate::exception::Exception;

impl Core {
    /// Loads `size` (1, 2, 4, 8) bytes at a virtual address with the current exception level's rights, zero extended.
    ///
    /// # Errors
    /// The data abort (or alignment fault) that the guest gets.
    pub fn load(&mut self, _bus: &mut dyn Bus, _va: u64, _size: u8) -> Result<u64, Exception> {
        Err(Exception::UNDEFINED)
    }

    /// Stores the low `size` (1, 2, 4, 8) bytes of `value` at a virtual address.
    ///
    /// # Errors
    /// The data abort (or alignment fault) that the guest gets.
    pub fn store(&mut self, _bus: &mut dyn Bus, _va: u64, _size: u8, _value: u64) -> Result<(), Exception> {
        Err(Exception::UNDEFINED)
    }
}
