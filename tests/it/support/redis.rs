//! Redis: a database on the shared server, or a server for one test, which may pause or kill it.

use std::io::{self, BufRead, BufReader};
use std::ops::Deref;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::process::send_signal;
use super::{eventually, free_port};

/// One numbered database of a Redis server. Each test uses its own.
#[derive(Clone)]
pub(crate) struct RedisDatabase {
    url: String,
}

impl RedisDatabase {
    /// Reserves an unused database on the server that `scripts/services` started.
    pub(crate) async fn claim() -> Self {
        let server = std::env::var("TEST_REDIS_URL")
            .expect("TEST_REDIS_URL is set: run the tests through scripts/test");
        // Database 0 holds the counter of reserved databases.
        let counter = Self {
            url: server.clone(),
        };
        let mut connection = counter.connect().await.unwrap();
        let number: u32 = redis::cmd("INCR")
            .arg("databases")
            .query_async(&mut connection)
            .await
            .unwrap();
        Self {
            url: format!("{}/{number}", server.trim_end_matches('/')),
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) async fn connect(&self) -> redis::RedisResult<redis::aio::MultiplexedConnection> {
        redis::Client::open(self.url())?
            .get_multiplexed_async_connection()
            .await
    }

    /// The keys that match a pattern.
    pub(crate) async fn keys(&self, pattern: &str) -> Vec<String> {
        let mut connection = self.connect().await.unwrap();
        let mut command = redis::cmd("KEYS");
        let keys = command.arg(pattern).query_async(&mut connection).await;
        keys.unwrap()
    }

    pub(crate) async fn flush(&self) {
        let mut connection = self.connect().await.unwrap();
        let command = redis::cmd("FLUSHDB");
        command.exec_async(&mut connection).await.unwrap();
    }

    /// All keys with their serialized values.
    pub(crate) async fn dump(&self) -> String {
        let mut connection = self.connect().await.unwrap();
        let mut dump = String::new();
        for key in self.keys("*").await {
            let value: Vec<u8> = redis::cmd("DUMP")
                .arg(&key)
                .query_async(&mut connection)
                .await
                .unwrap_or_default();
            dump.push_str(&key);
            dump.push('\n');
            dump.push_str(&String::from_utf8_lossy(&value));
            dump.push('\n');
        }
        dump
    }
}

/// A Redis server for one test.
pub(crate) struct RedisServer {
    database: RedisDatabase,
    child: Mutex<Child>,
    port: u16,
    directory: TempDir,
}

impl Deref for RedisServer {
    type Target = RedisDatabase;

    fn deref(&self) -> &RedisDatabase {
        &self.database
    }
}

impl RedisServer {
    pub(crate) async fn start() -> Self {
        let (port, directory) = (free_port(), TempDir::new().unwrap());
        let server = Self {
            database: RedisDatabase {
                url: format!("redis://127.0.0.1:{port}"),
            },
            child: Mutex::new(spawn(port, &directory)),
            port,
            directory,
        };
        server.wait_until_ready().await;
        server
    }

    /// Kills the server; its data is lost.
    pub(crate) fn kill(&self) {
        kill(&mut self.child.lock().unwrap()).unwrap();
    }

    /// Starts it again on the same port, without data.
    pub(crate) async fn restart(&self) {
        *self.child.lock().unwrap() = spawn(self.port, &self.directory);
        self.wait_until_ready().await;
    }

    /// Suspends the server; connections stay open.
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        send_signal(self.child.lock().unwrap().id(), signal);
    }

    /// The memory used by the data, in bytes.
    pub(crate) async fn used_bytes(&self) -> u64 {
        let mut connection = self.connect().await.unwrap();
        let mut command = redis::cmd("INFO");
        let asked = command.arg("memory").query_async(&mut connection).await;
        let memory: String = asked.unwrap();
        let dataset = memory
            .lines()
            .find_map(|line| line.strip_prefix("used_memory_dataset:"));
        dataset.unwrap().trim().parse().unwrap()
    }

    /// Starts recording all commands.
    pub(crate) async fn monitor(&self) -> Monitor {
        let mut child = Command::new("redis-cli")
            .args(["-p", &self.port.to_string(), "MONITOR"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("redis-cli is installed: run the tests through scripts/test");
        let commands = Arc::new(Mutex::new(String::new()));
        let (stdout, sink) = (child.stdout.take().unwrap(), Arc::clone(&commands));
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                sink.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        let monitor = Monitor { child, commands };
        eventually("MONITOR to start", async || {
            monitor.commands().starts_with("OK").then_some(())
        })
        .await;
        monitor
    }

    async fn wait_until_ready(&self) {
        eventually("Redis", async || {
            let mut connection = self.connect().await.ok()?;
            redis::cmd("PING")
                .query_async::<String>(&mut connection)
                .await
                .ok()
        })
        .await;
    }
}

/// A running `redis-cli MONITOR`.
pub(crate) struct Monitor {
    child: Child,
    commands: Arc<Mutex<String>>,
}

impl Monitor {
    pub(crate) fn commands(&self) -> String {
        self.commands.lock().unwrap().clone()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = kill(&mut self.child);
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = kill(&mut self.child.lock().unwrap());
    }
}

fn kill(child: &mut Child) -> io::Result<()> {
    child.kill()?;
    child.wait().map(|_| ())
}

fn spawn(port: u16, directory: &TempDir) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no", "--rdbcompression", "no"])
        .arg("--dir")
        .arg(directory.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is installed: run the tests through scripts/test")
}
