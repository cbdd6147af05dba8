//! A PostgreSQL server that one test may stop, pause, kill and restart.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sea_orm::{ConnectOptions, Database};
use tempfile::TempDir;

use super::{eventually, free_port};

/// Fast start and little memory, because many tests run concurrently.
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "shared_buffers=8MB",
    "max_connections=60",
    "max_wal_senders=0",
    "autovacuum=off",
    // Data survives SIGKILL without it.
    "fsync=off",
    "full_page_writes=off",
];

pub(crate) struct PostgresServer {
    child: Child,
    port: u16,
    directory: TempDir,
}

impl PostgresServer {
    pub(crate) async fn start() -> Self {
        // Not in TMPDIR, which PostgreSQL's user may not have access to.
        let directory = TempDir::with_prefix_in("gatelodge-postgres.", "/tmp").unwrap();
        if is_root() {
            change_owner(directory.path());
        }
        let made = command("initdb", directory.path())
            .args(["--username", "postgres", "--auth", "trust"])
            .args(["--encoding", "UTF8", "--no-locale", "--no-sync"])
            .arg("--pgdata")
            .arg(directory.path().join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let port = free_port();
        let server = Self {
            child: spawn(port, &directory),
            port,
            directory,
        };
        eventually("PostgreSQL", async || server.is_ready().await.then_some(())).await;
        server
    }

    pub(crate) fn url(&self) -> String {
        Self::url_at(self.port)
    }

    /// The URL through a proxy's port.
    pub(crate) fn url_at(port: u16) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable")
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Shuts it down; clients are notified.
    pub(crate) fn stop(&mut self) {
        self.signal("INT");
        self.child.wait().unwrap();
    }

    /// Sends SIGKILL to all its processes, as the out-of-memory killer does.
    pub(crate) fn kill(&mut self) {
        let mut processes = self.children();
        processes.push(self.child.id());
        signal_all(&processes, "KILL");
        self.child.wait().unwrap();
    }

    /// Starts it again on the same port with the same data.
    pub(crate) async fn restart(&mut self) {
        // The start fails while a process of the previous server is still running.
        eventually("PostgreSQL to restart", async || {
            if self.child.try_wait().unwrap().is_some() {
                self.child = spawn(self.port, &self.directory);
            }
            self.is_ready().await.then_some(())
        })
        .await;
    }

    /// Suspends all its processes; connections stay open.
    pub(crate) fn pause(&self) {
        // The parent first, so that it starts no others.
        self.signal("STOP");
        signal_all(&self.children(), "STOP");
    }

    /// Resumes them.
    pub(crate) fn resume(&self) {
        signal_all(&self.children(), "CONT");
        self.signal("CONT");
    }

    async fn is_ready(&self) -> bool {
        let mut options = ConnectOptions::new(self.url());
        options
            .max_connections(1)
            .connect_timeout(Duration::from_secs(1))
            .acquire_timeout(Duration::from_secs(1))
            .sqlx_logging(false);
        match Database::connect(options).await {
            Ok(database) => database.close().await.is_ok(),
            Err(_) => false,
        }
    }

    fn signal(&self, signal: &str) {
        signal_all(&[self.child.id()], signal);
    }

    fn children(&self) -> Vec<u32> {
        let id = self.child.id();
        let list = format!("/proc/{id}/task/{id}/children");
        let list = fs::read_to_string(list).unwrap_or_default();
        list.split_whitespace()
            .map(|id| id.parse().unwrap())
            .collect()
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.kill();
        }
    }
}

fn spawn(port: u16, directory: &TempDir) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(directory.path().join("log"))
        .unwrap();
    let settings = SETTINGS.iter().flat_map(|setting| ["-c", setting]);
    command("postgres", directory.path())
        .arg("-D")
        .arg(directory.path().join("data"))
        .args(["-p", &port.to_string()])
        .args(settings)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("PostgreSQL's programs are on the PATH: run the tests through scripts/test")
}

/// A PostgreSQL program. PostgreSQL refuses to run as root, so root switches to another user.
fn command(program: &str, directory: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        let user = database_user();
        command.args(["--reuid", &user, "--regid", &group(&user), "--clear-groups"]);
        command.args(["--", program]);
        command
    } else {
        Command::new(program)
    };
    command.current_dir(directory);
    command
}

fn is_root() -> bool {
    stdout("id", &["-u"]) == "0"
}

fn database_user() -> String {
    let known = Command::new("id").arg("postgres").output().unwrap();
    let user = if known.status.success() {
        "postgres"
    } else {
        "nobody"
    };
    user.to_owned()
}

fn group(user: &str) -> String {
    stdout("id", &["-g", user])
}

fn change_owner(directory: &Path) {
    let owner = database_user();
    let done = Command::new("chown").arg(owner).arg(directory).status();
    assert!(done.unwrap().success());
}

fn stdout(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn signal_all(ids: &[u32], signal: &str) {
    // One of them may have exited.
    let _ = Command::new("kill")
        .arg(format!("-{signal}"))
        .args(ids.iter().map(u32::to_string))
        .stderr(Stdio::null())
        .status();
}
