//! A disk that is full: files of a process that may not grow.

use std::fs::{self, File};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use gatelodge::testing::config::Variables;
use tempfile::TempDir;

use super::process::{Process, command};

/// A process that can be denied room for its files. Writing fails for it as it does on a full
/// disk, in the middle of a line too.
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
        // Otherwise a signal ends whoever writes beyond the limit.
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

    /// No file may have more bytes than this from now on.
    pub(crate) fn fill(&self, bytes: u64) {
        self.limit(&bytes.to_string());
    }

    /// There is room again.
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

    /// Adds to a file of its directory.
    pub(crate) fn append(&self, name: &str, text: &str) {
        let path = self.directory.path().join(name);
        let mut file = File::options().append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// How long a file of its directory is, in bytes.
    pub(crate) fn size(&self, name: &str) -> u64 {
        let path = self.directory.path().join(name);
        path.metadata().unwrap().len()
    }

    /// A file of its directory, as far as it is text.
    pub(crate) fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.directory.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
