//! The one writer thread of the embedded store.
