//! Memory that forgets: an allocator that wipes what is freed, and a process that
//! cannot be dumped.
//!
//! `serde_json`, hyper and others leave copies of a secret in buffers that they
//! free or outgrow; no type of ours can reach those. The allocator can. It does not
//! reach stacks, registers, or what the kernel buffers.

use std::alloc::{GlobalAlloc, Layout, System};
use zeroize::Zeroize;

/// The system's allocator, with every block wiped before it is given back.
///
/// `realloc` is deliberately left to its default (allocate, copy, deallocate), so
/// that a block which moves is wiped as well.
#[derive(Clone, Copy, Debug, Default)]
pub struct WipingAllocator;

#[expect(
    unsafe_code,
    reason = "a global allocator is an unsafe trait; every call is handed on to the system's"
)]
// SAFETY: allocation is the system's own; before a block goes back, its whole
// layout, which belongs to the caller until then, is overwritten.
unsafe impl GlobalAlloc for WipingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps `GlobalAlloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller hands back a block of this layout, all of which may be written.
        unsafe {
            std::slice::from_raw_parts_mut(block.cast::<std::mem::MaybeUninit<u8>>(), layout.size())
                .zeroize();
            System.dealloc(block, layout);
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps `GlobalAlloc`'s contract.
        unsafe { System.alloc_zeroed(layout) }
    }
}

/// Keeps this process's memory out of core dumps and out of other processes' reach
/// (`ptrace`, `/proc/PID/mem`), except for a process with CAP_SYS_PTRACE.
pub fn forbid_dumps() {
    // A kernel that refuses leaves things as they were; there is nothing better to do.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
}
