//! RAM in a state: pages that are not zero.

use super::StateError;
use std::fmt;
use std::sync::Arc;
use tayberry_ram::{GuestRam, PAGE_BYTES};

/// Bytes of a page.
pub(super) const PAGE: usize = PAGE_BYTES as usize;

/// A page's bytes.
pub(super) type Page = [u8; PAGE];

/// The pages of a machine's RAM that are not zero. States of one machine share those that are the same.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Pages {
    /// The pages and their numbers, ascending.
    pages: Vec<(u32, Arc<Page>)>,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pages({})", self.len())
    }
}

const ZEROES: Page = [0; PAGE];

impl Pages {
    /// The pages of `ram`.
    pub fn of(ram: &GuestRam) -> Self {
        Self::since(ram, &Self::default())
    }

    /// The same, where most pages may be as in `earlier`.
    pub fn since(ram: &GuestRam, earlier: &Self) -> Self {
        let mut pages = Vec::with_capacity(earlier.pages.len());
        let mut earlier = earlier.pages.iter().peekable();
        let mut now = ZEROES;
        for number in numbers(ram) {
            while earlier.next_if(|(other, _)| *other < number).is_some() {}
            if ram.copy_out(u64::from(number) * PAGE_BYTES, &mut now).is_none() || now == ZEROES {
                continue;
            }
            let same = earlier.next_if(|(other, page)| *other == number && **page == now);
            pages.push((number, same.map_or_else(|| Arc::new(now), |(_, page)| Arc::clone(page))));
        }
        Self { pages }
    }

    /// Pages that are not zero.
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// All of RAM is zero.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// Bytes that nothing of `other` shares: what keeping this one beside it takes.
    pub fn bytes_beside(&self, other: &Self) -> usize {
        let mut others = other.pages.iter().peekable();
        let own = |(number, page): &&(u32, Arc<Page>)| {
            while others.next_if(|(other, _)| other < number).is_some() {}
            others.next_if(|(other, theirs)| other == number && Arc::ptr_eq(page, theirs)).is_none()
        };
        self.pages.iter().filter(own).count() * PAGE
    }

    /// The pages and their numbers, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Page)> {
        self.pages.iter().map(|(number, page)| (*number, &**page))
    }

    /// Adds a page behind all others.
    ///
    /// # Errors
    /// [`StateError::Damaged`] if it does not belong there.
    pub(super) fn push(&mut self, number: u32, page: Arc<Page>) -> Result<(), StateError> {
        if self.pages.last().is_some_and(|(last, _)| *last >= number) {
            return Err(StateError::Damaged("RAM".into()));
        }
        self.pages.push((number, page));
        Ok(())
    }

    /// Puts them into `ram`, and zeroes everywhere else. Pages that are as they should be are only read.
    ///
    /// # Errors
    /// [`StateError::Damaged`] if they do not all lie in `ram`.
    pub fn load(&self, ram: &GuestRam) -> Result<(), StateError> {
        let end = ram.len() / PAGE_BYTES;
        if self.pages.last().is_some_and(|(last, _)| u64::from(*last) >= end) {
            return Err(StateError::Damaged("RAM".into()));
        }
        let mut now = ZEROES;
        let mut put = |number: u32, wanted: &Page| {
            let at = u64::from(number) * PAGE_BYTES;
            if ram.copy_out(at, &mut now).is_some() && now != *wanted {
                ram.copy_in(at, wanted);
            }
        };
        let mut saved = self.pages.iter().peekable();
        // What nobody has touched is zero.
        for number in numbers(ram) {
            while let Some((before, page)) = saved.next_if(|(saved, _)| *saved < number) {
                put(*before, page);
            }
            put(number, saved.next_if(|(saved, _)| *saved == number).map_or(&ZEROES, |(_, page)| page));
        }
        saved.for_each(|(number, page)| put(*number, page));
        Ok(())
    }
}

/// Numbers of the pages that may be something other than zero, ascending.
fn numbers(ram: &GuestRam) -> impl Iterator<Item = u32> {
    ram.touched().into_iter().flat_map(|range| (range.start / PAGE_BYTES) as u32..range.end.div_ceil(PAGE_BYTES) as u32)
}
