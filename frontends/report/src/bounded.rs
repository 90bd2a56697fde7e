//! Lists of which the first and the last entries are kept.

use std::collections::VecDeque;

/// A list that keeps its first and its last entries.
#[derive(Debug)]
pub struct HeadTail<T> {
    head: Vec<T>,
    tail: VecDeque<T>,
    most: (usize, usize),
    left_out: u64,
}

impl<T> HeadTail<T> {
    /// An empty list that keeps `head` entries from the beginning and `tail`, at least one, to the end.
    pub fn new(head: usize, tail: usize) -> Self {
        Self { head: Vec::new(), tail: VecDeque::new(), most: (head, tail.max(1)), left_out: 0 }
    }

    /// Adds an entry.
    pub fn push(&mut self, entry: T) {
        if self.head.len() < self.most.0 {
            return self.head.push(entry);
        }
        if self.tail.len() == self.most.1 {
            self.tail.pop_front();
            self.left_out += 1;
        }
        self.tail.push_back(entry);
    }

    /// The latest entry.
    pub fn last_mut(&mut self) -> Option<&mut T> {
        self.tail.back_mut().or(self.head.last_mut())
    }

    /// The first entries, those that follow them without a gap or after one.
    pub fn parts(&self) -> (&[T], impl Iterator<Item = &T>) {
        (&self.head, self.tail.iter())
    }

    /// All that are kept, the latest first.
    pub fn newest_first_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.tail.iter_mut().rev().chain(self.head.iter_mut().rev())
    }

    /// Entries that are missing between the first and the last ones.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Entries that there ever were.
    pub fn total(&self) -> u64 {
        (self.head.len() + self.tail.len()) as u64 + self.left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_left_out() {
        let mut list = HeadTail::new(2, 3);
        let kept = |list: &HeadTail<u32>| {
            let (head, tail) = list.parts();
            head.iter().chain(tail).copied().collect::<Vec<_>>()
        };
        assert_eq!(list.last_mut(), None);
        assert_eq!(list.total(), 0);
        (0..5).for_each(|at| list.push(at));
        assert_eq!((kept(&list), list.left_out()), (vec![0, 1, 2, 3, 4], 0));
        (5..100).for_each(|at| list.push(at));
        assert_eq!((kept(&list), list.left_out(), list.total()), (vec![0, 1, 97, 98, 99], 95, 100));
        assert_eq!(list.last_mut(), Some(&mut 99));
        assert_eq!(list.newest_first_mut().map(|at| *at).collect::<Vec<_>>(), [99, 98, 97, 1, 0]);
    }
}
