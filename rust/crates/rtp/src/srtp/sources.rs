//! What is known of each source under one key.

use crate::srtp::window::Window;
use crate::srtp::{Refused, SOURCES};

/// A table of at most [`SOURCES`] windows. Nearly always one source speaks: who spoke last lies here, the others apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources {
    last: Option<(u32, Window)>,
    others: Vec<(u32, Window)>,
}

impl Sources {
    pub(super) fn find(&mut self, ssrc: u32) -> Option<&mut Window> {
        if self.last.is_some_and(|(known, _)| known != ssrc) {
            let other = self.others.iter_mut().find(|&&mut (known, _)| known == ssrc)?;
            self.last = self.last.map(|last| std::mem::replace(other, last));
        }
        self.last.as_mut().map(|(_, window)| window)
    }

    /// Whether the source is known, or there is room for it.
    pub(super) fn has_room(&self) -> Result<(), Refused> {
        if self.others.len() + 1 < SOURCES || self.last.is_none() { Ok(()) } else { Err(Refused::Exhausted) }
    }

    /// Notes an index that is new.
    pub(super) fn note(&mut self, ssrc: u32, index: u64) {
        if let Some(window) = self.find(ssrc) {
            window.note(index);
        } else if self.has_room().is_ok() {
            let before = self.last.replace((ssrc, Window::starting_with(index)));
            self.others.extend(before);
        }
    }

    /// Something of it, read so that it is in the cache.
    pub(super) fn touch(&self) -> u64 {
        self.last.map_or(0, |(_, window)| window.highest)
    }
}
