//! Whole files: bounded reading, writing that leaves all or nothing.

use std::io::{Read, Write};
use std::path::Path;

use super::IoError;

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// `Read`, `TooLarge`.
pub fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>, IoError> {
    let read = |source| IoError::Read { path: path.into(), source };
    let file = std::fs::File::open(path).map_err(read)?;
    let meta = file.metadata().map_err(read)?;
    if meta.is_dir() {
        return Err(read(std::io::Error::from(std::io::ErrorKind::IsADirectory)));
    }
    if meta.len() > limit {
        return Err(IoError::TooLarge { path: path.into(), bytes: meta.len(), limit });
    }
    let mut bytes = Vec::with_capacity(meta.len() as usize);
    // Pipes have no length beforehand.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(read)?;
    if bytes.len() as u64 > limit {
        return Err(IoError::TooLarge { path: path.into(), bytes: bytes.len() as u64, limit });
    }
    Ok(bytes)
}

/// Writes a file through a temporary one in the same folder, so that readers see the old or the new content only.
/// `secret` keeps it from other users.
///
/// # Errors
/// `Write`; the temporary file is removed then.
pub fn write_atomic(path: &Path, bytes: &[u8], secret: bool) -> Result<(), IoError> {
    write_atomic_with(path, secret, |file| file.write_all(bytes))
}

/// [`write_atomic`] of what `content` writes.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_atomic_with(
    path: &Path,
    secret: bool,
    content: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<(), IoError> {
    let write = |source| IoError::Write { path: path.into(), source };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(write)?;
    let mut buffer = std::io::BufWriter::with_capacity(1 << 20, file.as_file_mut());
    content(&mut buffer).and_then(|()| buffer.flush()).map_err(write)?;
    drop(buffer);
    #[cfg(unix)]
    if !secret {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::Permissions::from_mode(0o644);
        file.as_file().set_permissions(mode).map_err(write)?;
    }
    file.as_file().sync_all().map_err(write)?;
    file.persist(path).map_err(|e| write(e.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roundtrips_and_leaves_no_other_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write_atomic(&path, b"one", false).unwrap();
        write_atomic(&path, b"two", true).unwrap();
        assert_eq!(read_limited(&path, 3).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn rejects_large_files_folders_and_bad_paths() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write_atomic(&path, b"one", false).unwrap();
        assert!(matches!(read_limited(&path, 2), Err(IoError::TooLarge { bytes: 3, limit: 2, .. })));
        assert!(matches!(read_limited(dir.path(), 2), Err(IoError::Read { .. })));
        assert!(matches!(write_atomic(dir.path(), b"x", false), Err(IoError::Write { .. })));
        assert!(matches!(write_atomic(&dir.path().join("no/such"), b"x", false), Err(IoError::Write { .. })));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
