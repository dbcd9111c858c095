//! [`Grams`]: a quick "certainly not" before a pattern is compared with a text.
//!
//! A text can only match a pattern if it has all groups of three characters that the pattern's
//! literal parts have. The groups of a text are kept as a set of 128 bits, so that to ask this of a
//! statement costs one comparison of memory that lies together, whatever the statement holds; most
//! statements about other resources go no further. Two groups may share a bit: then the
//! answer is "perhaps", never a wrong "certainly not".

/// Groups of three bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Grams(u128);

impl Grams {
    /// Whatever is asked for may be there.
    pub(super) const ANY: Self = Self(u128::MAX);

    /// Those of a text.
    pub(super) fn of(text: &str) -> Self {
        let groups = text.as_bytes().windows(3).filter_map(|group| group.try_into().ok());
        Self(groups.fold(0, |bits, group| bits | bit(group)))
    }

    /// Those that are in one or the other.
    pub(super) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are in both.
    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether they may all be in `text`.
    pub(super) fn may_be_in(self, text: Self) -> bool {
        self.0 & !text.0 == 0
    }
}

fn bit([one, two, three]: [u8; 3]) -> u128 {
    // Fibonacci hashing: the upper bits of the product are the best mixed ones.
    let hash = u32::from_le_bytes([one, two, three, 0]).wrapping_mul(0x9E37_79B1);
    1 << (hash >> 25)
}
