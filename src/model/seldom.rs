//! State that most objects never need.

use std::ops::{Deref, DerefMut};

/// What a [`Seldom`] reads as until it is changed.
pub trait Blank: Default + Sync + 'static {
    /// The one in which nothing is; equal to the default.
    fn blank() -> &'static Self;
}

/// A `T` that is made when it is first changed and takes the place of a pointer until then: a broker has queues by the
/// thousand, of which few ever hold a dead letter.
///
/// Whatever borrows it mutably makes it, so look before you take something out.
#[derive(Debug)]
pub struct Seldom<T> {
    made: Option<Box<T>>,
}

impl<T> Seldom<T> {
    /// Whether there is one.
    #[must_use]
    pub fn is_made(&self) -> bool {
        self.made.is_some()
    }
}

impl<T> Default for Seldom<T> {
    fn default() -> Self {
        Self { made: None }
    }
}

impl<T: Blank> Deref for Seldom<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match &self.made {
            Some(made) => made,
            None => T::blank(),
        }
    }
}

impl<T: Blank> DerefMut for Seldom<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.made.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Notes {
        taken: Vec<u32>,
    }

    impl Blank for Notes {
        fn blank() -> &'static Self {
            static BLANK: Notes = Notes { taken: Vec::new() };
            &BLANK
        }
    }

    #[test]
    fn it_is_made_by_the_first_change_and_by_no_look() {
        let mut notes = Seldom::<Notes>::default();
        assert!(notes.taken.is_empty() && !notes.is_made());
        notes.taken.push(1);
        assert_eq!(notes.taken, [1]);
        assert!(notes.is_made());
        assert_eq!(size_of::<Seldom<Notes>>(), size_of::<usize>());
    }
}
