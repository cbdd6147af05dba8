//! Simulates a full disk by limiting the size of a process's files.

use std::fs::{self, File};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use gatelodge::testing::config::Variables;
use tempfile::TempDir;

use super::process::{Process, command};

/// A process whose files can be limited in size. Writing fails as on a full disk, also in the
/// middle of a line.
pub(crate) struct Cramped {
    pub(crate) process: Process,
    directory: Arc<TempDir>,
}

impl Cramped {
    /// Starts the binary with a directory of its own.
    pub(crate) async fn spawn(mut variables: Variables) -> Self {
        let directory = Arc::new(TempDir::new().unwrap());
        variables.insert("LOG_TO_CONSOLE".into(), "true".into());
        let errors = File::create(directory.path().join("errors")).unwrap();
        let binary = command(directory.path(), &variables);
        // Otherwise a signal ends a process that writes beyond the limit.
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", r#"trap "" XFSZ; exec "$0""#])
            .arg(binary.get_program())
            .current_dir(directory.path())
            .env_clear()
            .envs(&variables)
            .stderr(Stdio::from(errors));
        Self {
            process: Process::run(shell, Arc::clone(&directory)).await,
            directory,
        }
    }

    /// Limits files to this number of bytes.
    pub(crate) fn fill(&self, bytes: u64) {
        self.limit(&bytes.to_string());
    }

    /// Removes the limit.
    pub(crate) fn make_room(&self) {
        self.limit("unlimited");
    }

    fn limit(&self, bytes: &str) {
        let done = Command::new("prlimit")
            .args(["--pid", &self.process.id().to_string()])
            .arg(format!("--fsize={bytes}:"))
            .status();
        assert!(done.unwrap().success());
    }

    /// Appends to a file in its directory.
    pub(crate) fn append(&self, name: &str, text: &str) {
        let path = self.directory.path().join(name);
        let mut file = File::options().append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// The size of a file in its directory, in bytes.
    pub(crate) fn size(&self, name: &str) -> u64 {
        let path = self.directory.path().join(name);
        path.metadata().unwrap().len()
    }

    /// The text of a file in its directory.
    pub(crate) fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.directory.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
