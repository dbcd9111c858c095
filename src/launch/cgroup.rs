//! The cgroup around all containers of a task, which bounds them together.
//!
//! ```text
//! /sys/fs/cgroup/memory/sealdock/TASK-ID/memory.limit_in_bytes     version 1; Docker adds CONTAINER-ID/
//! /sys/fs/cgroup/cpu/sealdock/TASK-ID/cpu.cfs_quota_us
//! /sys/fs/cgroup/sealdock/TASK-ID/memory.max, cpu.max              version 2
//! ```
//!
//! CPU units become a quota over 100 ms, MiB a limit, as the ECS agent does it. It can be made by
//! root only, and where Docker itself makes directories there (its cgroup driver
//! `cgroupfs`); the driver `systemd` keeps the tree to systemd. Elsewhere the limits of the task
//! bound each container by itself.
//!
//! Source: the agent's `task_linux.go` (`BuildLinuxResourceSpec`).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the kernel shows cgroups.
pub(super) const ROOT: &str = "/sys/fs/cgroup";
const PARENT: &str = "sealdock";
const PERIOD_MICROSECONDS: u64 = 100_000;
const UNITS: u64 = 1024;
const MIB: u64 = 1024 * 1024;
/// Docker removes the directories of containers a moment after them.
const REMOVAL_TRIES: u32 = 20;
const REMOVAL_PAUSE: Duration = Duration::from_millis(50);

/// How the kernel arranges cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hierarchy {
    /// One tree for each controller.
    Version1,
    /// One tree.
    Version2,
}

/// What a task may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// 1024 are one core.
    pub(super) cpu_units: Option<u32>,
    pub(super) memory_mib: Option<u32>,
}

/// The name of a task's cgroup, as Docker takes it for a parent.
pub(super) fn parent(task_id: &str) -> String {
    format!("/{PARENT}/{task_id}")
}

/// Makes the cgroup of a task. What has been made of it when this fails is for [`remove`].
///
/// # Errors
/// The first file that cannot be made or written, and why.
pub(super) fn make(
    root: &Path,
    hierarchy: Hierarchy,
    task_id: &str,
    limits: Limits,
) -> Result<(), (PathBuf, io::Error)> {
    let quota = limits.cpu_units.map(|units| u64::from(units) * PERIOD_MICROSECONDS / UNITS);
    let memory = limits.memory_mib.map(|mib| u64::from(mib) * MIB);
    match hierarchy {
        Hierarchy::Version1 => {
            if let Some(bytes) = memory {
                let directory = directory(root.join("memory"), task_id)?;
                // Kernels before 5.11 bound the sum of what is below only when told to; later ones always do.
                let _ = fs::write(directory.join("memory.use_hierarchy"), "1");
                write(&directory, "memory.limit_in_bytes", &bytes.to_string())?;
            }
            if let Some(quota) = quota {
                let directory = directory(root.join("cpu"), task_id)?;
                write(&directory, "cpu.cfs_period_us", &PERIOD_MICROSECONDS.to_string())?;
                write(&directory, "cpu.cfs_quota_us", &quota.to_string())?;
            }
        }
        Hierarchy::Version2 => {
            write(root, "cgroup.subtree_control", "+cpu +memory")?;
            let directory = directory(root.to_owned(), task_id)?;
            write(&root.join(PARENT), "cgroup.subtree_control", "+cpu +memory")?;
            if let Some(bytes) = memory {
                write(&directory, "memory.max", &bytes.to_string())?;
            }
            if let Some(quota) = quota {
                write(&directory, "cpu.max", &format!("{quota} {PERIOD_MICROSECONDS}"))?;
            }
        }
    }
    Ok(())
}

/// Removes the cgroup of a task, in every tree, once its containers are gone. What cannot be
/// removed is empty and bounds nobody.
pub(super) async fn remove(root: &Path, task_id: &str) {
    let name = Path::new(PARENT).join(task_id);
    let mut left = vec![root.join(&name)];
    left.extend(fs::read_dir(root).into_iter().flatten().flatten().map(|tree| tree.path().join(&name)));
    left.retain(|directory| directory.is_dir());
    for _ in 0..REMOVAL_TRIES {
        // The directory of a cgroup counts as empty although it shows files.
        left.retain(|directory| fs::remove_dir(directory).is_err() && directory.is_dir());
        if left.is_empty() {
            return;
        }
        tokio::time::sleep(REMOVAL_PAUSE).await;
    }
}

fn directory(tree: PathBuf, task_id: &str) -> Result<PathBuf, (PathBuf, io::Error)> {
    let directory = tree.join(PARENT).join(task_id);
    match fs::create_dir_all(&directory) {
        Ok(()) => Ok(directory),
        Err(error) => Err((directory, error)),
    }
}

fn write(directory: &Path, file: &str, value: &str) -> Result<(), (PathBuf, io::Error)> {
    let path = directory.join(file);
    fs::write(&path, value).map_err(|error| (path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { cpu_units: Some(512), memory_mib: Some(64) };

    #[tokio::test]
    async fn limits_are_written_where_the_kernel_reads_them() {
        let root = tempfile::tempdir().unwrap();
        let read = |path: &str| fs::read_to_string(root.path().join(path)).unwrap();
        make(root.path(), Hierarchy::Version1, "t", LIMITS).unwrap();
        assert_eq!(read("memory/sealdock/t/memory.limit_in_bytes"), "67108864");
        assert_eq!(read("cpu/sealdock/t/cpu.cfs_quota_us"), "50000");
        make(root.path(), Hierarchy::Version2, "u", LIMITS).unwrap();
        assert_eq!(
            (read("sealdock/u/memory.max"), read("sealdock/u/cpu.max")),
            ("67108864".into(), "50000 100000".into())
        );
        assert_eq!(read("sealdock/cgroup.subtree_control"), "+cpu +memory");
        make(root.path(), Hierarchy::Version1, "v", Limits { cpu_units: None, memory_mib: None }).unwrap();
        assert!(!root.path().join("cpu/sealdock/v").exists());
    }

    #[test]
    fn what_cannot_be_written_is_named() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("memory"), "a file").unwrap();
        let (path, _) = make(root.path(), Hierarchy::Version1, "t", LIMITS).unwrap_err();
        assert!(path.ends_with("memory/sealdock/t"), "{}", path.display());
    }
}
