//! Memory for host code: never writable and executable at one address.
//!
//! One memory file is mapped twice, once to be written and once to be executed. Code is placed by bumping; when there is no room, all of it is
//! given up at once. Only the core that owns the memory writes it, while it does not execute it.

use std::io;

/// Both mappings of a core's code memory.
pub(crate) struct CodeMemory {
    write: memmap2::MmapRaw,
    execute: memmap2::Mmap,
    used: usize,
    #[cfg(target_os = "linux")]
    file: rustix::fd::OwnedFd,
}

impl CodeMemory {
    /// Reserves `bytes`; the host commits what is used.
    ///
    /// # Errors
    /// What the host says when it refuses memory files or executable mappings.
    #[cfg(target_os = "linux")]
    pub(crate) fn new(bytes: usize) -> io::Result<Self> {
        use memmap2::MmapOptions;
        use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
        let file = memfd_create("tayberry-code", MemfdFlags::CLOEXEC)?;
        ftruncate(&file, bytes as u64)?;
        let write = MmapOptions::new().len(bytes).map_raw(&file)?;
        // SAFETY: the file is anonymous and its descriptor stays here, so that only the two mappings change it; nothing is read
        // through this one but by the processor's fetch and by code made here.
        let execute = unsafe { MmapOptions::new().len(bytes).map_exec(&file)? };
        Ok(Self { write, execute, used: 0, file })
    }

    /// There is no way to map memory twice that we know of.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn new(_bytes: usize) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Bytes that are free.
    pub(crate) fn room(&self) -> usize {
        self.write.len() - self.used
    }

    /// Where the next code will be executed.
    pub(crate) fn next(&self) -> *const u8 {
        self.execute.as_ptr().wrapping_add(self.used)
    }

    /// Places code, made to run at [`CodeMemory::next`]. `None` if there is no room.
    pub(crate) fn place(&mut self, code: &[u8]) -> Option<*const u8> {
        if code.len() > self.room() {
            return None;
        }
        let at = self.next();
        // SAFETY: `[used, used + len)` was checked to be in the mapping; `code` is none of it; the core that would execute there is the one
        // that is here.
        unsafe { std::ptr::copy_nonoverlapping(code.as_ptr(), self.write.as_mut_ptr().add(self.used), code.len()) };
        self.used = (self.used + code.len()).next_multiple_of(16).min(self.write.len());
        Some(at)
    }

    /// Gives up all code after the first `keep` bytes.
    pub(crate) fn truncate(&mut self, keep: usize) {
        self.used = self.used.min(keep);
    }

    /// Bytes in use.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// Gives the pages that are not in use back to the host; they read as zeros until code is placed there again.
    pub(crate) fn release(&mut self) {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{FallocateFlags, fallocate};
            let from = self.used.next_multiple_of(4096).min(self.write.len());
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            if let Err(error) = fallocate(&self.file, flags, from as u64, (self.write.len() - from) as u64) {
                tracing::debug!(target: "jit", "memory of dropped code is kept: {error}");
            }
        }
    }

    /// Sets the word at `at`, an address to execute at, which code reads as data.
    pub(crate) fn set_word(&mut self, at: *const u8, value: u64) {
        let offset = (at as usize).wrapping_sub(self.execute.as_ptr() as usize);
        if offset.is_multiple_of(8) && offset < self.used && self.used - offset >= 8 {
            // SAFETY: an aligned word of the mapping.
            unsafe { self.write.as_mut_ptr().add(offset).cast::<u64>().write_volatile(value) };
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn no_page_is_writable_and_executable() {
        let mut memory = CodeMemory::new(1 << 16).expect("Linux has memory files");
        let at = memory.place(&[0x90; 8]).expect("room");
        memory.set_word(at, 7);
        // SAFETY: just placed.
        assert_eq!(unsafe { at.cast::<u64>().read_volatile() }, 7, "both mappings are one memory");
        let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux");
        let code: Vec<&str> = maps.lines().filter(|line| line.contains("tayberry-code")).collect();
        assert!(code.len() >= 2, "{maps}");
        assert!(code.iter().all(|line| !line.contains("rwx")), "{maps}");
        assert!(memory.place(&vec![0; 1 << 16]).is_none(), "no room");
        memory.truncate(0);
        assert_eq!(memory.room(), 1 << 16);
    }
}
