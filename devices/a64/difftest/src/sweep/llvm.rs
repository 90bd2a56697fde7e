//! LLVM's AArch64 disassembler, through `llvm.cc`.

use std::ffi::{CStr, c_char, c_void};
use std::ptr::NonNull;
use std::sync::Once;
use tayberry_a64::Features;

/// ARMv8.0-A with floating point, Advanced SIMD and CRC32, EL3, and nothing of later versions.
const FEATURES: &CStr = c"+fp-armv8,+neon,+crc,+el3";
/// The same with the Cryptographic Extension.
const WITH_CRYPTO: &CStr = c"+fp-armv8,+neon,+crc,+el3,+aes,+sha2";

// SAFETY: declared as in `llvm.cc`.
unsafe extern "C" {
    fn tayberry_llvm_init();
    fn tayberry_llvm_open(features: *const c_char) -> *mut c_void;
    fn tayberry_llvm_close(handle: *mut c_void);
    fn tayberry_llvm_decode(handle: *mut c_void, word: u32) -> u32;
    fn tayberry_llvm_name(handle: *mut c_void, opcode: u32, length: *mut usize) -> *const c_char;
}

/// A disassembler. Each thread has its own.
pub struct Llvm(NonNull<c_void>);

impl Llvm {
    /// For a Cortex-A53 with these extensions.
    ///
    /// # Panics
    /// If this LLVM has no AArch64.
    pub fn new(features: Features) -> Self {
        static INIT: Once = Once::new();
        // SAFETY: called once, before all else.
        INIT.call_once(|| unsafe { tayberry_llvm_init() });
        let features = if features.crypto { WITH_CRYPTO } else { FEATURES };
        // SAFETY: a terminated string.
        Self(NonNull::new(unsafe { tayberry_llvm_open(features.as_ptr()) }).expect("an LLVM with AArch64"))
    }

    /// LLVM's number of the instruction, if the word is one.
    pub fn decode(&self, word: u32) -> Option<u32> {
        // SAFETY: a valid handle, used by one thread (it is neither `Send` nor `Sync`).
        let opcode = unsafe { tayberry_llvm_decode(self.0.as_ptr(), word) };
        (opcode != 0).then_some(opcode)
    }

    /// LLVM's name of an instruction.
    pub fn name(&self, opcode: u32) -> String {
        let mut length = 0;
        // SAFETY: a valid handle, and a number that `decode` gave; the name is as long as said.
        let name = unsafe {
            let text = tayberry_llvm_name(self.0.as_ptr(), opcode, &mut length);
            std::slice::from_raw_parts(text.cast::<u8>(), length)
        };
        String::from_utf8_lossy(name).into_owned()
    }
}

impl Drop for Llvm {
    fn drop(&mut self) {
        // SAFETY: a valid handle, used no more.
        unsafe { tayberry_llvm_close(self.0.as_ptr()) };
    }
}
