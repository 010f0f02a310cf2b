//! The replay window of one source (RFC 3711 §3.3.2).

/// How many indexes behind the highest are known one by one.
const WIDTH: u64 = 128;

/// Indexes that were seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    /// The highest index that was seen.
    pub(super) highest: u64,
    /// Bit n: whether `highest - n` was seen.
    seen: u128,
}

impl Window {
    /// A window that has seen this index.
    pub(super) fn starting_with(index: u64) -> Self {
        Self { highest: index, seen: 1 }
    }

    /// Whether the index is new.
    pub(super) fn is_new(&self, index: u64) -> bool {
        match self.highest.checked_sub(index) {
            None => true,
            Some(behind) => behind < WIDTH && self.seen >> behind & 1 == 0,
        }
    }

    /// Notes an index that is new.
    pub(super) fn note(&mut self, index: u64) {
        if let Some(ahead @ 1..) = index.checked_sub(self.highest) {
            self.seen = if ahead < WIDTH { self.seen << ahead } else { 0 };
            self.highest = index;
        }
        let behind = self.highest - index;
        if behind < WIDTH {
            self.seen |= 1 << behind;
        }
    }
}

/// The index of an RTP packet by its sequence number, nearest to the highest that was seen (RFC 3711 §3.3.1);
/// `None` if it would lie before the first.
pub(super) fn nearest_index(highest: u64, sequence: u16) -> Option<u64> {
    let difference = sequence.wrapping_sub(highest as u16) as i16;
    let index = highest.checked_add_signed(i64::from(difference))?;
    (index >> 48 == 0).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_new_once_and_the_too_old_never() {
        let mut window = Window::starting_with(1000);
        assert!(!window.is_new(1000));
        for index in [1001, 1003, 1002, 1130, 1100, 1003 + 127] {
            assert_eq!(window.is_new(index), index != 1130 || window.highest < 1130, "{index}");
            window.note(index);
            assert!(!window.is_new(index));
        }
        assert!(!window.is_new(1002), "too old to tell");
        assert!(window.is_new(1004));
        window.note(5000);
        assert!(window.is_new(4999) && !window.is_new(4872) && window.is_new(4873));
    }

    #[test]
    fn the_index_is_the_nearest_with_that_number() {
        assert_eq!(nearest_index(10, 9), Some(9));
        assert_eq!(nearest_index(65_530, 3), Some(65_539));
        assert_eq!(nearest_index(65_539, 65_530), Some(65_530));
        assert_eq!(nearest_index(3, 65_530), None);
        assert_eq!(nearest_index((1 << 48) - 1, 0), None);
        assert_eq!(nearest_index(5 << 16 | 40_000, 10), Some(6 << 16 | 10));
    }
}
