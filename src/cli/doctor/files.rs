//! Whether the files can be read and written, and whether other users can read them.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use super::Finding;
use crate::config::{Loaded, LogFileConfig};
use crate::http::Tls;

const CHECK: &str = "files";
/// Where containers mount their secrets; a container has no other users.
const CONTAINER_SECRETS: &str = "/run/secrets";

pub(super) fn check(loaded: &Loaded) -> Vec<Finding> {
    let config = &loaded.config;
    let mut findings = Vec::new();
    if let Some(file) = config.database.sqlite_file() {
        findings.extend(check_writable(file, "the database"));
        findings.extend(check_private(file, "accounts and password hashes"));
    }
    let logs = [&config.log.file, &config.log.security_file];
    for LogFileConfig { path, .. } in logs.into_iter().flatten() {
        findings.extend(check_writable(path, "the log"));
        findings.extend(check_private(path, "email addresses"));
    }
    if let Some(files) = &config.http.tls {
        findings.extend(check_private(
            &files.key,
            "the private key of the certificate",
        ));
        findings.extend(Tls::load(files.clone()).err().map(|error| {
            let advice =
                "Set both to PEM files: a certificate with its chain, and its private key.";
            Finding::error(CHECK, &*error, advice)
        }));
    }
    let secrets = loaded.secret_files.iter().map(|file| &**file);
    let secrets = secrets.filter(|file| !file.starts_with(CONTAINER_SECRETS));
    for file in secrets.chain([Path::new(".env")]) {
        findings.extend(check_private(file, "secrets"));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(
            CHECK,
            "all files can be written, and other users cannot read them",
        ));
    }
    findings
}

/// A finding if a file cannot be written or created.
fn check_writable(file: &Path, what: &str) -> Option<Finding> {
    let folder = file.parent().filter(|folder| *folder != Path::new(""));
    let folder = folder.unwrap_or(Path::new("."));
    let attempt = if file.exists() {
        let opened = OpenOptions::new().append(true).open(file).map(drop);
        opened.and_then(|()| try_folder(folder))
    } else {
        // Missing folders are created at start.
        let mut existing = folder.ancestors().filter(|folder| folder.exists());
        try_folder(existing.next().unwrap_or(Path::new(".")))
    };
    let error = attempt.err()?;
    let found = format!("{what} cannot be written to {}: {error}", file.display());
    Some(Finding::ok(CHECK, found).failed(
        "Make the user that Gatelodge runs as the owner of the file and its folder, and run this as that user.",
    ))
}

/// Creates a file and removes it: permissions alone do not say whether that is possible.
fn try_folder(folder: &Path) -> io::Result<()> {
    let probe = folder.join(format!(".gatelodge-doctor-{}", std::process::id()));
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&probe)?;
    fs::remove_file(probe)
}

/// A finding if every user of the machine can read a file.
#[cfg(unix)]
fn check_private(file: &Path, what: &str) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt;
    let path = fs::canonicalize(file).ok()?;
    let mode = |path: &Path| fs::metadata(path).map_or(0, |found| found.permissions().mode());
    let readable = mode(&path) & 0o004 != 0;
    let reachable = path
        .ancestors()
        .skip(1)
        .all(|folder| mode(folder) & 0o001 != 0);
    let file = path.display();
    (readable && reachable).then(|| {
        let found = format!("every user of this machine can read {file}, which holds {what}");
        Finding::ok(CHECK, found).warning(format!("chmod o-rwx {file}"))
    })
}

/// On other systems the standard library does not say who may read a file.
#[cfg(not(unix))]
fn check_private(_: &Path, _: &str) -> Option<Finding> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::FindingState;
    use super::*;

    #[test]
    fn a_file_that_others_can_read_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secret");
        fs::write(&file, "x").unwrap();
        let is_found = |folder, own| {
            for (path, mode) in [(directory.path(), folder), (&file, own)] {
                fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            }
            check_private(&file, "secrets").is_some()
        };
        assert!(is_found(0o755, 0o644));
        assert!(!is_found(0o755, 0o640));
        assert!(!is_found(0o700, 0o644));
        assert!(check_private(&directory.path().join("none"), "secrets").is_none());
    }

    #[test]
    fn a_file_that_cannot_be_created_is_found_and_nothing_is_left_behind() {
        let directory = tempfile::tempdir().unwrap();
        assert!(check_writable(&directory.path().join("a/b/new.log"), "the log").is_none());
        let file = directory.path().join("file");
        fs::write(&file, "x").unwrap();
        assert!(check_writable(&file, "the log").is_none());
        let finding = check_writable(&file.join("app.log"), "the log").unwrap();
        assert_eq!(finding.state, FindingState::Failed);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        assert_eq!(fs::read_to_string(file).unwrap(), "x");
    }
}
