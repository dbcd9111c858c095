//! The one thread that writes the log.

/// Proof that the record with this sequence number is on disk. Only the writer makes one.
#[derive(Debug)]
pub(super) struct Durable(u64);

impl Durable {
    pub(super) fn sequence(&self) -> u64 {
        self.0
    }

    /// This record and those after it, which became durable with it.
    pub(super) fn onward(self) -> impl Iterator<Item = Self> {
        (self.0..).map(Self)
    }
}
