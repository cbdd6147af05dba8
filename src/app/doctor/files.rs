//! The files that are read and written: whether they can be, and who else can.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use super::Finding;
use crate::config::{Loaded, LogFileConfig};
use crate::http::Tls;
use crate::telemetry::with_sources;

const CHECK: &str = "files";
/// Where containers get their secrets; there is no other user who could read them.
const CONTAINER_SECRETS: &str = "/run/secrets";

pub(super) fn check(loaded: &Loaded) -> Vec<Finding> {
    let config = &loaded.config;
    let mut findings = Vec::new();
    if let Some(file) = config.database.sqlite_file() {
        findings.extend(written(file, "the database"));
        findings.extend(read_by_others(file, "accounts and hashes of passwords"));
    }
    let logs = [&config.log.file, &config.log.security_file];
    for LogFileConfig { path, .. } in logs.into_iter().flatten() {
        findings.extend(written(path, "the log"));
        findings.extend(read_by_others(path, "addresses of people"));
    }
    if let Some(files) = &config.http.tls {
        findings.extend(read_by_others(&files.key, "the key of the certificate"));
        findings.extend(Tls::load(files.clone()).err().map(|error| {
            let advice =
                "Name a certificate with its chain and the key it was made with, both PEM.";
            Finding::failed(CHECK, with_sources(&error), advice)
        }));
    }
    let secrets = loaded.secret_files.iter().map(|file| &**file);
    let secrets = secrets.filter(|file| !file.starts_with(CONTAINER_SECRETS));
    for file in secrets.chain([Path::new(".env")]) {
        findings.extend(read_by_others(file, "secrets"));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(
            CHECK,
            "what is to be written can be, and nobody else reads what is private",
        ));
    }
    findings
}

/// A finding if a file cannot be written, or could not be made.
fn written(file: &Path, what: &str) -> Option<Finding> {
    let folder = file.parent().filter(|folder| *folder != Path::new(""));
    let folder = folder.unwrap_or(Path::new("."));
    let tried = if file.exists() {
        let opened = OpenOptions::new().append(true).open(file).map(drop);
        opened.and_then(|()| try_folder(folder))
    } else {
        // The folders that are missing will be made.
        let mut there = folder.ancestors().filter(|folder| folder.exists());
        try_folder(there.next().unwrap_or(Path::new(".")))
    };
    let error = tried.err()?;
    Some(Finding::failed(
        CHECK,
        format!("{what} cannot be written to {}: {error}", file.display()),
        "Give the file and its folder to the user that Gatelodge runs as, and run this as that user.",
    ))
}

/// Makes a file and removes it: permissions alone do not tell whether that is possible.
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
fn read_by_others(file: &Path, what: &str) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt;
    let file = fs::canonicalize(file).ok()?;
    let mode = |path: &Path| fs::metadata(path).map_or(0, |found| found.permissions().mode());
    let readable = mode(&file) & 0o004 != 0;
    let reachable = file
        .ancestors()
        .skip(1)
        .all(|folder| mode(folder) & 0o001 != 0);
    (readable && reachable).then(|| {
        Finding::warning(
            CHECK,
            format!(
                "every user of this machine can read {}: {what}",
                file.display()
            ),
            format!("chmod o-rwx {}", file.display()),
        )
    })
}

/// Elsewhere the standard library does not tell who may read a file.
#[cfg(not(unix))]
fn read_by_others(_: &Path, _: &str) -> Option<Finding> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::State;
    use super::*;

    #[test]
    fn a_file_that_others_can_reach_and_read_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secret");
        fs::write(&file, "x").unwrap();
        let told = |folder, own| {
            for (path, mode) in [(directory.path(), folder), (&file, own)] {
                fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            }
            read_by_others(&file, "secrets").is_some()
        };
        assert!(told(0o755, 0o644));
        assert!(!told(0o755, 0o640));
        assert!(!told(0o700, 0o644));
        assert!(read_by_others(&directory.path().join("none"), "secrets").is_none());
    }

    #[test]
    fn a_folder_that_is_no_folder_is_told_and_probes_leave_nothing() {
        let directory = tempfile::tempdir().unwrap();
        assert!(written(&directory.path().join("a/b/new.log"), "the log").is_none());
        let file = directory.path().join("file");
        fs::write(&file, "x").unwrap();
        assert!(written(&file, "the log").is_none());
        let finding = written(&file.join("app.log"), "the log").unwrap();
        assert_eq!(finding.state, State::Failed);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        assert_eq!(fs::read_to_string(file).unwrap(), "x");
    }
}
