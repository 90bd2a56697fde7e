//! RAM in a state: pages that are not zero.

use super::StateError;
use tayberry_ram::{GuestRam, PAGE_BYTES};

/// Bytes of a page.
const PAGE: usize = PAGE_BYTES as usize;

/// The pages of a machine's RAM that are not zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pages {
    /// Their numbers, ascending.
    pub numbers: Vec<u32>,
    /// Their bytes, one page behind the other.
    pub bytes: Vec<u8>,
}

fn is_zero(page: &[u8]) -> bool {
    page.iter().all(|&byte| byte == 0)
}

impl Pages {
    /// The pages of `ram`.
    pub fn of(ram: &GuestRam) -> Self {
        let mut pages = Self::default();
        let mut page = [0; PAGE];
        for number in 0..ram.len() / PAGE_BYTES {
            if ram.copy_out(number * PAGE_BYTES, &mut page).is_some() && !is_zero(&page) {
                pages.numbers.push(number as u32);
                pages.bytes.extend_from_slice(&page);
            }
        }
        pages
    }

    /// Puts them into `ram`, and zeroes everywhere else. Pages that are as they should be are only read.
    ///
    /// # Errors
    /// [`StateError::Damaged`] if there are not as many bytes as pages, or they are out of order or outside of `ram`.
    pub fn load(&self, ram: &GuestRam) -> Result<(), StateError> {
        let ascend = self.numbers.is_sorted_by(|a, b| a < b);
        let inside = self.numbers.last().is_none_or(|&last| u64::from(last) < ram.len() / PAGE_BYTES);
        if !ascend || !inside || self.bytes.len() != self.numbers.len() * PAGE {
            return Err(StateError::Damaged("RAM".into()));
        }
        let (mut saved, zeroes) = (self.numbers.iter().zip(self.bytes.chunks_exact(PAGE)).peekable(), [0; PAGE]);
        let mut now = [0; PAGE];
        for number in 0..(ram.len() / PAGE_BYTES) as u32 {
            let wanted = saved.next_if(|(saved, _)| **saved == number).map_or(&zeroes[..], |(_, bytes)| bytes);
            let at = u64::from(number) * PAGE_BYTES;
            if ram.copy_out(at, &mut now).is_some() && now != wanted {
                ram.copy_in(at, wanted);
            }
        }
        Ok(())
    }
}
