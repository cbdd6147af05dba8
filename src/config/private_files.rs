//! What only the service's own user may see.

use std::fs::DirBuilder;
use std::io;
use std::path::Path;

/// Makes a folder that nobody else may enter, and those above it, where they are missing.
pub fn make_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
