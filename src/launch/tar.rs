//! The little of the tar format that Docker needs to take files: regular files
//! under absolute paths of a container.

const BLOCK: usize = 512;

/// An archive of files: path, mode, content.
pub(super) fn archive(files: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (path, mode, content) in files {
        archive.extend(header(path.trim_start_matches('/'), *mode, content.len()));
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    archive
}

fn header(path: &str, mode: u32, length: usize) -> Vec<u8> {
    // INVARIANT: paths are our own, at most 100 bytes long.
    let mut header = path.as_bytes().to_vec();
    header.resize(100, 0);
    for (value, width) in [(mode as usize, 7), (0, 7), (0, 7), (length, 11), (0, 11)] {
        header.extend(format!("{value:0width$o}\0").into_bytes());
    }
    // The checksum is summed up with blanks in its own place.
    header.extend_from_slice(b"        0");
    header.resize(257, 0);
    header.extend_from_slice(b"ustar\x0000");
    header.resize(BLOCK, 0);
    let sum: usize = header.iter().map(|byte| usize::from(*byte)).sum();
    header.splice(148..156, format!("{sum:06o}\0 ").into_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tar_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.tar");
        std::fs::write(&path, archive(&[("/etc/x.conf", 0o644, b"one\n"), ("pause", 0o755, &[7; 600])]))
            .unwrap();
        let output = std::process::Command::new("tar").args(["-tvf"]).arg(&path).output().unwrap();
        let listed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && listed.contains("-rw-r--r--") && listed.contains(" 4 "),
            "{listed}"
        );
        assert!(
            listed.contains("etc/x.conf") && listed.contains("-rwxr-xr-x") && listed.contains(" 600 "),
            "{listed}"
        );
    }
}
