//! What is known of each source under one key.

use crate::srtp::window::Window;
use crate::srtp::{Refused, SOURCES};

/// A table of at most [`SOURCES`] windows. Nearly always one source speaks, therefore the last one is tried first.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources {
    known: Vec<(u32, Window)>,
    last: usize,
}

impl Sources {
    pub(super) fn find(&mut self, ssrc: u32) -> Option<&mut Window> {
        if self.known.get(self.last).is_none_or(|&(known, _)| known != ssrc) {
            self.last = self.known.iter().position(|&(known, _)| known == ssrc)?;
        }
        self.known.get_mut(self.last).map(|(_, window)| window)
    }

    /// Whether the source is known, or there is room for it.
    pub(super) fn has_room(&self) -> Result<(), Refused> {
        if self.known.len() < SOURCES { Ok(()) } else { Err(Refused::Exhausted) }
    }

    /// Notes an index that is new.
    pub(super) fn note(&mut self, ssrc: u32, index: u64) {
        if let Some(window) = self.find(ssrc) {
            window.note(index);
        } else if self.known.len() < SOURCES {
            self.known.push((ssrc, Window::starting_with(index)));
        }
    }
}
