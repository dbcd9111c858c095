//! Values as files on a tmpfs that only the container has.
//!
//! ```text
//! config.json gets   mounts:              a tmpfs over each directory with files (read-only in the end)
//!                    hooks.createRuntime: this program, `runtime-hook --place /proc/PID/fd/N`
//! runc               makes the mounts, then runs the hook, then makes the tmpfs read-only
//! the hook           reads the values from the memory file, writes them through the container's
//!                    own view of the file system, and ends
//! ```
//!
//! The memory file belongs to the process that called runc and ends with it; the
//! tmpfs exists in the container's mount namespace only. No file of the host ever
//! has a value, and none is left when the container ends.
//!
//! Source: OCI Runtime Specification, "POSIX-platform Hooks"; runc runs
//! `createRuntime` after it has made the mounts and before `pivot_root`.

use super::HookError;
use super::edits::Edits;
use super::memory_file::MemoryFile;
use super::reference::{FileTarget, Variable};
use super::spec::Spec;
use crate::json::Node;
use crate::secret::SecretValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::fs::{AtFlags, Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::thread::{set_thread_res_gid, set_thread_res_uid};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// `statfs` type of a tmpfs.
const TMPFS: i64 = 0x0102_1994;
/// Seconds that runc gives the hook.
const PATIENCE: u64 = 30;

/// What the writing process needs to know.
#[derive(Serialize, Deserialize)]
struct Order {
    /// Root file system, as the host names it.
    root: PathBuf,
    /// The host's ids of the container's root user and group.
    root_user: (u32, u32),
    files: Vec<Content>,
}

#[derive(Serialize, Deserialize)]
struct Content {
    path: PathBuf,
    mode: u32,
    uid: u32,
    gid: u32,
    /// The value in Base64.
    text: Zeroizing<String>,
}

/// Files that are ready to be placed.
pub(super) struct Placement {
    memory: MemoryFile,
    /// Directories, with the bytes that each has to hold.
    directories: BTreeMap<PathBuf, usize>,
}

impl Placement {
    /// The files of a container; `None` if it has none. `bundle` is what a relative root means.
    ///
    /// # Errors
    /// Two variables with one file, a directory that is taken, or no memory.
    #[expect(
        clippy::disallowed_methods,
        reason = "the value goes into a memory file for the process that writes it"
    )]
    pub(super) fn new(spec: &Spec, values: &[SecretValue], bundle: &Path) -> Result<Option<Self>, HookError> {
        let user = spec.root().get("process").and_then(|p| p.get("user"));
        let own = |key| user.and_then(|u| number(u.get(key)?)).unwrap_or(0);
        let root = bundle.join(root_path(spec.root())?);
        let mut order = Order { root, root_user: (0, 0), files: Vec::new() };
        let mut directories = BTreeMap::new();
        for (variable, value) in spec.variables().iter().zip(values) {
            let Some(file) = &variable.file else { continue };
            check(spec.root(), variable, file)?;
            if order.files.iter().any(|other| other.path == file.path) {
                let path = file.path.display();
                return Err(refused(variable, &format!("`{path}` is the file of another variable already")));
            }
            *directories.entry(file.directory().to_owned()).or_default() += value.len() + 4096;
            let user = |id| on_host(spec.root(), "uidMappings", id, variable);
            let group = |id| on_host(spec.root(), "gidMappings", id, variable);
            order.root_user = (user(0)?, group(0)?);
            order.files.push(Content {
                path: file.path.clone(),
                mode: file.mode,
                uid: user(file.uid.unwrap_or_else(|| own("uid")))?,
                gid: group(file.gid.unwrap_or_else(|| own("gid")))?,
                text: Zeroizing::new(STANDARD.encode(value.expose())),
            });
        }
        if order.files.is_empty() {
            return Ok(None);
        }
        let text = Zeroizing::new(serde_json::to_vec(&order).map_err(|e| HookError::Spec(e.to_string()))?);
        let memory = MemoryFile::new(&text).map_err(|e| super::io_error("cannot hold", &order.root, e))?;
        Ok(Some(Self { memory, directories }))
    }

    /// Adds the mounts and the hook to the description of the container.
    pub(super) fn describe(&self, root: &Node, edits: &mut Edits) -> Result<(), HookError> {
        let mounts: Vec<String> = self
            .directories
            .iter()
            .map(|(path, size)| {
                let options =
                    ["nosuid", "nodev", "noexec", "ro", "mode=0755", &format!("size={}", size + 65_536)];
                json!({ "destination": path, "type": "tmpfs", "source": "tmpfs", "options": options })
                    .to_string()
            })
            .collect();
        let mounts = mounts.join(",");
        match root.get("mounts") {
            Some(list) if list.array().is_some() => edits.append(list, &mounts),
            Some(_) => return Err(HookError::Spec("`mounts` is not an array".into())),
            None => edits.add_member(root, "mounts", &format!("[{mounts}]")),
        }
        let program = format!("/proc/{}/exe", std::process::id());
        let source = self.memory.path();
        let arguments = ["sealdock", "runtime-hook", "--place", &source.to_string_lossy(), "--"];
        let hook = json!({ "path": program, "args": arguments, "timeout": PATIENCE }).to_string();
        match root.get("hooks") {
            None => edits.add_member(root, "hooks", &format!("{{\"createRuntime\":[{hook}]}}")),
            Some(hooks) if hooks.object().is_some() => match hooks.get("createRuntime") {
                None => edits.add_member(hooks, "createRuntime", &format!("[{hook}]")),
                Some(list) if list.array().is_some() => edits.append(list, &hook),
                Some(_) => return Err(HookError::Spec("`hooks.createRuntime` is not an array".into())),
            },
            Some(_) => return Err(HookError::Spec("`hooks` is not an object".into())),
        }
        Ok(())
    }
}

/// Writes the files of the order at `source` into the container whose state is on standard input.
///
/// # Errors
/// Whatever keeps one of them from being written; the container is not made then.
pub(super) fn place(source: &Path) -> Result<(), HookError> {
    #[derive(Deserialize)]
    struct State {
        pid: i32,
    }
    let mut state = String::new();
    std::io::stdin()
        .read_to_string(&mut state)
        .map_err(|e| super::io_error("cannot read the state of", source, e))?;
    let state: State =
        serde_json::from_str(&state).map_err(|e| HookError::Spec(format!("the container's state: {e}")))?;
    let text = Zeroizing::new(std::fs::read(source).map_err(|e| super::io_error("cannot read", source, e))?);
    let order: Order =
        serde_json::from_slice(&text).map_err(|e| HookError::Spec(format!("the files: {e}")))?;
    // Before `pivot_root`: the container's processes still see the host's names, with their own mounts.
    let below = order.root.strip_prefix("/").unwrap_or(&order.root);
    let root = Path::new("/proc").join(state.pid.to_string()).join("root").join(below);
    let root = File::open(&root).map_err(|e| super::io_error("cannot open", &root, e))?;
    order.files.iter().try_for_each(|file| write(&root, order.root_user, file))
}

fn write(root: &File, root_user: (u32, u32), content: &Content) -> Result<(), HookError> {
    let failed = |e: rustix::io::Errno| super::io_error("cannot write", &content.path, e.into());
    let directory = content.path.parent().unwrap_or(Path::new("/"));
    let name = content.path.file_name().ok_or_else(|| failed(rustix::io::Errno::INVAL))?;
    // The image may have links in the way; none of them leads out of the container's root.
    let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::openat2(root, directory, flags, Mode::empty(), inside).map_err(failed)?;
    if rustix::fs::fstatfs(&directory).map_err(failed)?.f_type != TMPFS {
        return Err(HookError::Spec(format!("`{}` is not on a tmpfs", content.path.display())));
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let create = || rustix::fs::openat(&directory, name, flags, Mode::RUSR | Mode::WUSR);
    let file = as_user(root_user, create).map_err(failed)?.map_err(failed)?;
    let bytes =
        Zeroizing::new(STANDARD.decode(content.text.as_bytes()).map_err(|e| HookError::Spec(e.to_string()))?);
    File::from(file).write_all(&bytes).map_err(|e| super::io_error("cannot write", &content.path, e))?;
    let (uid, gid) = (Uid::from_raw(content.uid), Gid::from_raw(content.gid));
    rustix::fs::chownat(&directory, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
    rustix::fs::chmodat(&directory, name, Mode::from_raw_mode(content.mode), AtFlags::empty()).map_err(failed)
}

/// Does it with the ids of the container's root user. In a user namespace the tmpfs belongs to that
/// namespace, and there is no host's root in it that a new file could belong to.
fn as_user<T>((uid, gid): (u32, u32), work: impl FnOnce() -> T) -> rustix::io::Result<T> {
    if (uid, gid) == (0, 0) {
        return Ok(work());
    }
    let set = |uid, gid| {
        set_thread_res_gid(Gid::ROOT, gid, Gid::ROOT)?;
        set_thread_res_uid(Uid::ROOT, uid, Uid::ROOT)
    };
    set(Uid::from_raw(uid), Gid::from_raw(gid))?;
    let done = work();
    // The user first: a group can be taken back by the host's root only.
    set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)?;
    set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
    Ok(done)
}

fn root_path(root: &Node) -> Result<&Path, HookError> {
    let path = root.get("root").and_then(|r| r.get("path")).and_then(Node::string);
    path.map(Path::new).ok_or_else(|| HookError::Spec("the container has no root file system".into()))
}

/// A tmpfs must hide no other mount, and nothing but a tmpfs may be where it comes.
fn check(root: &Node, variable: &Variable, file: &FileTarget) -> Result<(), HookError> {
    let mounts = root.get("mounts").and_then(Node::array).unwrap_or_default();
    let destinations = mounts.iter().filter_map(|m| m.get("destination").and_then(Node::string));
    match destinations.map(Path::new).find(|d| d.starts_with(file.directory())) {
        None => Ok(()),
        Some(taken) => Err(refused(
            variable,
            &format!(
                "`{}` cannot become a tmpfs, since `{}` is mounted there: choose another directory with `path=`",
                file.directory().display(),
                taken.display()
            ),
        )),
    }
}

/// The id that the host knows for one of the container.
fn on_host(root: &Node, mappings: &str, id: u32, variable: &Variable) -> Result<u32, HookError> {
    let Some(mappings) = root.get("linux").and_then(|l| l.get(mappings)).and_then(Node::array) else {
        return Ok(id);
    };
    if mappings.is_empty() {
        return Ok(id);
    }
    let mapped = mappings.iter().find_map(|mapping| {
        let field = |key| mapping.get(key).and_then(number);
        let offset = id.checked_sub(field("containerID")?)?;
        (offset < field("size")?).then(|| field("hostID")?.checked_add(offset))?
    });
    mapped.ok_or_else(|| refused(variable, &format!("the container's user namespace has no id {id}")))
}

fn number(node: &Node) -> Option<u32> {
    match &node.value {
        crate::json::Value::Number(text) => text.parse().ok(),
        _ => None,
    }
}

fn refused(variable: &Variable, reason: &str) -> HookError {
    HookError::Unresolved(format!("environment variable `{}`: {reason}", variable.name))
}
