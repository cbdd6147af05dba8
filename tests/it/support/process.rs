//! The binary, running as a separate process.

use std::io::{BufRead, BufReader};
use std::ops::Deref;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};

use gatelodge::testing::config::Variables;
use serde_json::Value;
use tempfile::TempDir;

use super::client::Client;
use super::deployment::Deployment;
use super::{TIMEOUT, eventually};

const BINARY: &str = env!("CARGO_BIN_EXE_gatelodge");

/// A running process. Dereferences to a [`Client`] if it serves requests.
pub(crate) struct Process {
    child: Child,
    output: Arc<Mutex<String>>,
    client: Option<Client>,
    pub(crate) directory: Arc<TempDir>,
}

impl Deref for Process {
    type Target = Client;

    fn deref(&self) -> &Client {
        self.client.as_ref().expect("the process serves requests")
    }
}

/// A command that runs the binary in a directory, with only these environment variables.
pub(crate) fn command(directory: &Path, variables: &Variables) -> Command {
    let mut command = Command::new(BINARY);
    command.current_dir(directory).env_clear().envs(variables);
    command
}

/// Runs a command and waits until it exits. Kills it and panics after [`TIMEOUT`].
pub(crate) async fn output(mut command: Command) -> Output {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let id = child.id();
    let exited = tokio::task::spawn_blocking(move || child.wait_with_output());
    let Ok(output) = tokio::time::timeout(TIMEOUT, exited).await else {
        send_signal(id, "KILL");
        panic!("the process did not exit");
    };
    output.unwrap().unwrap()
}

impl Deployment {
    /// Runs `gatelodge mail …` in a new directory.
    pub(crate) async fn mail(&self, settings: &[(&str, &str)], arguments: &[&str]) -> Output {
        let directory = TempDir::new().unwrap();
        self.mail_in(directory.path(), settings, arguments).await
    }

    /// Runs `gatelodge mail …` in an existing directory.
    pub(crate) async fn mail_in(
        &self,
        directory: &Path,
        settings: &[(&str, &str)],
        arguments: &[&str],
    ) -> Output {
        let mut command = command(directory, &self.variables(settings));
        command.arg("mail").args(arguments);
        output(command).await
    }
}

pub(crate) fn send_signal(id: u32, signal: &str) {
    let done = Command::new("kill")
        .args([format!("-{signal}"), id.to_string()])
        .status();
    assert!(done.unwrap().success());
}

impl Process {
    /// Starts the binary in a new directory and waits for its `server_started` event.
    pub(crate) async fn spawn(arguments: &[&str], variables: Variables) -> Self {
        Self::spawn_in(Arc::new(TempDir::new().unwrap()), arguments, variables).await
    }

    /// [`spawn`](Self::spawn) in the directory of an earlier process.
    pub(crate) async fn spawn_in(
        directory: Arc<TempDir>,
        arguments: &[&str],
        variables: Variables,
    ) -> Self {
        let mut command = command(directory.path(), &variables);
        command.args(arguments);
        Self::run(command, directory).await
    }

    /// [`spawn`](Self::spawn) with a command that executes the binary.
    pub(crate) async fn run(mut command: Command, directory: Arc<TempDir>) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let output = Arc::new(Mutex::new(String::new()));
        let (stdout, sink) = (child.stdout.take().unwrap(), Arc::clone(&output));
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let mut output = sink.lock().unwrap();
                output.push_str(&line);
                output.push('\n');
            }
        });
        let mut process = Self {
            child,
            output,
            client: None,
            directory,
        };
        let started = eventually("server_started", async || {
            process
                .output()
                .lines()
                .find(|line| line.contains("server_started"))
                .map(str::to_owned)
        })
        .await;
        process.client = started
            .split_once(" on port ")
            .map(|(_, rest)| {
                rest.chars()
                    .take_while(char::is_ascii_digit)
                    .collect::<String>()
            })
            .map(|port| Client::new(&format!("http://127.0.0.1:{port}")));
        process
    }

    /// The standard output so far.
    pub(crate) fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// Waits until a request is complete, and returns its log lines. Requires `LOG_FORMAT=json`.
    pub(crate) async fn request_log(&self, request_id: &str) -> Vec<Value> {
        eventually(&format!("the log of request {request_id}"), async || {
            let output = self.output();
            let lines = output
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let lines: Vec<_> = lines
                .filter(|line| line["request_id"] == request_id)
                .collect();
            let ended = |line: &Value| {
                line["event"] == "request_refused"
                    || line["event"] == "request_served"
                    || line["event"] == "internal_error"
            };
            lines.iter().any(ended).then_some(lines)
        })
        .await
    }

    /// Waits until standard output contains a text.
    pub(crate) async fn wait_for(&self, text: &str) {
        eventually(&format!("{text:?}"), async || {
            self.output().contains(text).then_some(())
        })
        .await;
    }

    /// Waits until the mock provider prints a mail to a recipient, and returns the newest code.
    pub(crate) async fn code(&self, email: &str) -> String {
        eventually(&format!("a code for {email}"), async || {
            let output = self.output();
            let (_, mail) = output.rsplit_once(&format!("To:      {email}"))?;
            let (_, code) = mail.split_once("Code:    ")?;
            Some(code.lines().next()?.trim().to_owned())
        })
        .await
    }

    pub(crate) fn resident_kilobytes(&self) -> u64 {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.unwrap().parse().unwrap()
    }

    /// Sends SIGTERM and waits until the process exits.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait_for_exit().await
    }

    pub(crate) async fn wait_for_exit(&mut self) -> ExitStatus {
        eventually("the process to exit", async || {
            self.child.try_wait().unwrap()
        })
        .await
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGKILL and waits until the process has exited.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn signal(&self, signal: &str) {
        send_signal(self.child.id(), signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
