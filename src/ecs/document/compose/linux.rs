//! What of a service becomes `linuxParameters`: capabilities, devices, shared memory, tmpfs.

use super::keys::{Keys, object};
use super::service::Members;
use super::values::{bytes, list, mebibytes, number, one_or_more, scalar_at, text};
use crate::json::Node;
use std::ops::Range;

pub(super) fn linux(keys: &mut Keys<'_>, to: &mut Members, span: &Range<usize>) {
    let mut members = Vec::new();
    let mut capabilities = Vec::new();
    keys.pass("cap_add", "add", &mut capabilities);
    keys.pass("cap_drop", "drop", &mut capabilities);
    if !capabilities.is_empty() {
        members.push(("capabilities", object(span, capabilities)));
    }
    if let Some(member) = keys.take("devices") {
        let devices =
            member.value.array().unwrap_or_default().iter().filter_map(scalar_at).map(|(device, span)| {
                let mut parts = device.split(':');
                let mut members = vec![("hostPath", text(parts.next().unwrap_or_default(), span))];
                members.extend(parts.next().map(|path| ("containerPath", text(path, span))));
                if let Some(permissions) = parts.next() {
                    let words = [('r', "read"), ('w', "write"), ('m', "mknod")];
                    let words = words
                        .iter()
                        .filter(|(c, _)| permissions.contains(*c))
                        .map(|(_, word)| text(*word, span));
                    members.push(("permissions", list(words.collect(), span)));
                }
                object(span, members)
            });
        members.push(("devices", list(devices.collect(), &member.value.span)));
    }
    if let Some(member) = keys.take("shm_size") {
        match mebibytes(&member.value) {
            Some(node) => members.push(("sharedMemorySize", node)),
            None => keys.unreadable(&member.value.span, "`shm_size` is no size such as 64m"),
        }
    }
    if let Some(member) = keys.take("tmpfs") {
        let mounts = one_or_more(&member.value);
        let mounts = mounts.array().unwrap_or_default().iter().filter_map(|node| tmpfs(node, keys));
        members.push(("tmpfs", list(mounts.collect(), &member.value.span)));
    }
    if !members.is_empty() {
        to.push(("linuxParameters", object(span, members)));
    }
}

/// `PATH:size=64m,OPTION,...`; the size has to be there.
fn tmpfs(node: &Node, keys: &Keys<'_>) -> Option<Node> {
    let (written, span) = scalar_at(node)?;
    let (path, options) = written.split_once(':').unwrap_or((&written, ""));
    let (size, others): (Vec<&str>, Vec<&str>) =
        options.split(',').filter(|o| !o.is_empty()).partition(|o| o.starts_with("size="));
    let size = size.first().and_then(|size| bytes(&text(size.trim_start_matches("size="), span)));
    let Some(size) = size.map(|bytes| bytes >> 20).filter(|size| *size > 0) else {
        keys.unreadable(
            span,
            &format!("`{written}`: tmpfs needs a path and a size of at least 1m: PATH:size=64m"),
        );
        return None;
    };
    let options = others.into_iter().map(|option| text(option, span)).collect();
    Some(object(
        span,
        vec![
            ("containerPath", text(path, span)),
            ("size", number(size, span)),
            ("mountOptions", list(options, span)),
        ],
    ))
}
