//! Memory that forgets: an allocator that wipes what is freed, and a process that
//! cannot be dumped.
//!
//! `serde_json`, hyper and others leave copies of a secret in buffers that they
//! free or outgrow; no type of ours can reach those. The allocator can. It does not
//! reach stacks, registers, or what the kernel buffers.

use mimalloc::MiMalloc;
use std::alloc::{GlobalAlloc, Layout};

/// The allocator beneath. A broker has as many requests in memory as it has clients; blocks of
/// one size in such numbers cost mimalloc half of what they cost the C library's allocator.
const BENEATH: MiMalloc = MiMalloc;

/// An allocator that wipes every block before it gives it back.
///
/// `realloc` is deliberately left to its default (allocate, copy, deallocate), so
/// that a block which moves is wiped as well.
#[derive(Clone, Copy, Debug, Default)]
pub struct WipingAllocator;

#[expect(
    unsafe_code,
    reason = "a global allocator is an unsafe trait; every call is handed on to the one beneath"
)]
// SAFETY: allocation is that of the allocator beneath; before a block goes back, its whole
// layout, which belongs to the caller until then, is overwritten.
unsafe impl GlobalAlloc for WipingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps `GlobalAlloc`'s contract.
        unsafe { BENEATH.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller hands back a block of this layout, all of which may be written.
        // The empty assembly may read memory as far as the compiler knows, so that it cannot
        // drop the stores as dead; unlike volatile stores, they go by whole vectors.
        unsafe {
            block.write_bytes(0, layout.size());
            std::arch::asm!("/* {0} */", in(reg) block, options(nostack, preserves_flags));
            BENEATH.dealloc(block, layout);
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps `GlobalAlloc`'s contract.
        unsafe { BENEATH.alloc_zeroed(layout) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "the test looks into a block that was given back")]
    fn freed_blocks_are_wiped() {
        // Large enough that the allocator keeps its own notes elsewhere than in the middle.
        let layout = Layout::from_size_align(64 * 1024, 16).unwrap();
        // SAFETY: the block is written within its layout; after it is given back, its address is
        // only looked for in the fresh block, which may or may not be the same memory.
        unsafe {
            let block = WipingAllocator.alloc(layout);
            block.write_bytes(0xA5, layout.size());
            WipingAllocator.dealloc(block, layout);
            let again = BENEATH.alloc(layout);
            let seen = std::slice::from_raw_parts(again, layout.size());
            assert!(seen.iter().filter(|&&b| b == 0xA5).count() < 64, "the content outlived the block");
            BENEATH.dealloc(again, layout);
        }
    }
}
