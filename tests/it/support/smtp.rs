//! An SMTP server: `smtp_server.py`, running as a separate process.

use std::io::{BufRead, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde::Deserialize;
use tempfile::TempDir;

use super::process::send_signal;
use super::{TIMEOUT, eventually};

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/it/support/smtp_server.py"
);
/// The interpreter if `TEST_PYTHON` is not set: Debian's, which has aiosmtpd.
const PYTHON: &str = "/usr/bin/python3";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tls {
    #[default]
    None,
    /// By STARTTLS.
    Required,
    Implicit,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct SmtpOptions {
    pub(crate) tls: Tls,
    /// The required user name and password.
    pub(crate) login: Option<(String, String)>,
    /// Whether it accepts non-ASCII email addresses.
    pub(crate) smtputf8: bool,
    /// The delay before every response to mail content.
    pub(crate) delay: Duration,
    /// The delay before the response to a mail to `late@…`.
    pub(crate) late: Duration,
}

/// An accepted mail.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ReceivedMail {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    /// Names and decoded values.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) message_id: String,
    pub(crate) text: String,
    pub(crate) html: String,
    pub(crate) raw: String,
    /// The number of the connection, from 1 since the server was started.
    pub(crate) connection: u32,
    pub(crate) tls: bool,
    /// The authenticated user.
    pub(crate) user: Option<String>,
}

impl ReceivedMail {
    /// The code in the plain text.
    pub(crate) fn code(&self) -> String {
        let line = self.text.lines().find_map(|line| line.strip_prefix("    "));
        line.expect("this mail contains a code").trim().to_owned()
    }

    /// The values of all headers with a name.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        let named = self
            .headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }
}

/// A running SMTP server; killed on drop.
pub(crate) struct SmtpServer {
    options: SmtpOptions,
    directory: TempDir,
    port: u16,
    port_setting: String,
    ca: Option<PathBuf>,
    child: Option<Child>,
    received: Arc<Received>,
}

/// The accepted mails of a server.
#[derive(Clone)]
pub(crate) struct Inbox(Arc<Received>);

impl Inbox {
    /// The mails to a recipient, in order.
    pub(crate) fn mails_to(&self, address: &str) -> Vec<ReceivedMail> {
        let mails = self.0.mails.lock().unwrap();
        let matching = mails.iter().filter(|mail| mail.to == [address]);
        matching.cloned().collect()
    }
}

#[derive(Default)]
struct Received {
    mails: Mutex<Vec<ReceivedMail>>,
    changed: Condvar,
}

#[derive(Deserialize)]
struct Ready {
    port: u16,
    ca: Option<PathBuf>,
}

impl SmtpServer {
    /// Starts a server on a free port of 127.0.0.1 and waits until it listens.
    pub(crate) fn start(options: SmtpOptions) -> Self {
        let mut server = Self {
            options,
            directory: TempDir::new().unwrap(),
            port: 0,
            port_setting: String::new(),
            ca: None,
            child: None,
            received: Arc::default(),
        };
        server.restart();
        server
    }

    /// Starts a stopped server again on the same port. Accepted mails are kept.
    pub(crate) fn restart(&mut self) {
        assert!(self.child.is_none(), "the server is running");
        let mut child = self
            .command()
            .spawn()
            .expect("python3 and python3-aiosmtpd are installed");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        self.child = Some(child);
        let line = lines
            .next()
            .expect("python3-aiosmtpd is installed")
            .unwrap();
        let ready: Ready = serde_json::from_str(&line).unwrap();
        self.port = ready.port;
        self.port_setting = ready.port.to_string();
        self.ca = ready.ca;
        let received = self.received.clone();
        std::thread::spawn(move || received.read(lines));
    }

    fn command(&self) -> Command {
        let python = std::env::var("TEST_PYTHON").unwrap_or_else(|_| PYTHON.to_owned());
        let mut command = Command::new(python);
        command
            .arg(SCRIPT)
            .arg("--directory")
            .arg(self.directory.path());
        command.args(["--port", &self.port.to_string()]);
        command.args(["--delay", &self.options.delay.as_secs_f64().to_string()]);
        command.args(["--late", &self.options.late.as_secs_f64().to_string()]);
        match self.options.tls {
            Tls::None => {}
            Tls::Required => drop(command.arg("--starttls")),
            Tls::Implicit => drop(command.arg("--implicit-tls")),
        }
        if let Some((user, password)) = &self.options.login {
            command.args(["--user", user, "--password", password]);
        }
        if self.options.smtputf8 {
            command.arg("--smtputf8");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command
    }

    /// The accepted mails, readable while the server is stopped.
    pub(crate) fn inbox(&self) -> Inbox {
        Inbox(Arc::clone(&self.received))
    }

    /// Suspends the server; connections stay open, and the kernel still accepts new ones.
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let child = self.child.as_ref().expect("the server is running");
        send_signal(child.id(), signal);
    }

    /// Kills the server; its connections are closed.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The settings of an app that uses this server, overridden by `more`.
    pub(crate) fn settings<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut settings = vec![
            ("EMAIL_SERVICE", "smtp"),
            ("EMAIL_FROM_ADDRESS", "no-reply@gatelodge.example"),
            ("SMTP_HOST", "localhost"),
            ("SMTP_PORT", &self.port_setting),
        ];
        let encryption = match self.options.tls {
            Tls::None => "false",
            Tls::Required => "starttls",
            Tls::Implicit => "implicit",
        };
        settings.push(("SMTP_USE_TLS", encryption));
        if let Some((user, password)) = &self.options.login {
            settings.extend([("SMTP_USERNAME", &**user), ("SMTP_PASSWORD", &**password)]);
        }
        settings.extend_from_slice(more);
        settings
    }

    /// The CA certificate, for `SSL_CERT_FILE`.
    pub(crate) fn ca(&self) -> Option<&PathBuf> {
        self.ca.as_ref()
    }

    /// All accepted mails, in order.
    pub(crate) fn mails(&self) -> Vec<ReceivedMail> {
        self.received.mails.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.received.mails.lock().unwrap().len()
    }

    /// The accepted mails to a recipient, in order.
    pub(crate) fn mails_to(&self, address: &str) -> Vec<ReceivedMail> {
        let mails = self.mails().into_iter();
        mails.filter(|mail| mail.to == [address]).collect()
    }

    /// Waits for a mail to a recipient and returns the newest.
    pub(crate) async fn mail_to(&self, address: &str) -> ReceivedMail {
        eventually(&format!("a mail to {address}"), async || {
            self.mails_to(address).pop()
        })
        .await
    }

    /// Waits for a number of mails and returns all. Blocks the thread.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<ReceivedMail> {
        let deadline = Instant::now() + TIMEOUT;
        let mut mails = self.received.mails.lock().unwrap();
        while mails.len() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} mails instead of {count}", mails.len());
            mails = self.received.changed.wait_timeout(mails, left).unwrap().0;
        }
        mails.clone()
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Received {
    fn read(&self, lines: Lines<BufReader<ChildStdout>>) {
        for line in lines.map_while(Result::ok) {
            let mail = serde_json::from_str(&line).unwrap();
            self.mails.lock().unwrap().push(mail);
            self.changed.notify_all();
        }
    }
}
