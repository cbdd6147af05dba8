//! Simulates a full disk by limiting the size of a process's files (`RLIMIT_FSIZE`).

use std::fs::{self, File};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use gatelodge::testing::config::Variables;
use tempfile::TempDir;

use super::process::{Process, command};

/// A process whose files can be limited in size. A write beyond the limit fails, possibly in the
/// middle of a line.
pub(crate) struct SizeLimitedProcess {
    pub(crate) process: Process,
    directory: Arc<TempDir>,
}

impl SizeLimitedProcess {
    /// Starts the binary in a new directory. Standard error goes to the file `errors`.
    pub(crate) async fn spawn(mut variables: Variables) -> Self {
        let directory = Arc::new(TempDir::new().unwrap());
        variables.insert("LOG_TO_CONSOLE".into(), "true".into());
        let errors = File::create(directory.path().join("errors")).unwrap();
        let binary = command(directory.path(), &variables);
        // By default, SIGXFSZ kills a process that writes beyond the limit.
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

    pub(crate) fn limit_file_size(&self, bytes: u64) {
        self.set_limit(&bytes.to_string());
    }

    pub(crate) fn remove_limit(&self) {
        self.set_limit("unlimited");
    }

    fn set_limit(&self, bytes: &str) {
        let done = Command::new("prlimit")
            .args(["--pid", &self.process.id().to_string()])
            .arg(format!("--fsize={bytes}:"))
            .status();
        assert!(done.unwrap().success());
    }

    /// Appends to a file in the process's directory.
    pub(crate) fn append(&self, name: &str, text: &str) {
        let path = self.directory.path().join(name);
        let mut file = File::options().append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// The size of a file in the process's directory, in bytes.
    pub(crate) fn size(&self, name: &str) -> u64 {
        let path = self.directory.path().join(name);
        path.metadata().unwrap().len()
    }

    /// The text of a file in the process's directory.
    pub(crate) fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.directory.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
