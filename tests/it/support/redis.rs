//! A Redis of one test's own, which it may stop, pause and kill.

use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{eventually, free_port};

pub(crate) struct RedisServer {
    child: Child,
    port: u16,
    directory: TempDir,
}

impl RedisServer {
    pub(crate) async fn start() -> Self {
        let (port, directory) = (free_port(), TempDir::new().unwrap());
        let server = Self {
            child: spawn(port, &directory),
            port,
            directory,
        };
        server.wait_until_ready().await;
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    pub(crate) async fn connect(&self) -> redis::RedisResult<redis::aio::MultiplexedConnection> {
        redis::Client::open(self.url())?
            .get_multiplexed_async_connection()
            .await
    }

    /// Kills it; what it held is lost.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same port, empty.
    pub(crate) async fn start_again(&mut self) {
        self.child = spawn(self.port, &self.directory);
        self.wait_until_ready().await;
    }

    /// Stops it in mid-work without closing a connection.
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    /// Every key and value it holds, as text.
    pub(crate) async fn dump(&self) -> String {
        let mut connection = self.connect().await.unwrap();
        let keys: Vec<Vec<u8>> = redis::cmd("KEYS")
            .arg("*")
            .query_async(&mut connection)
            .await
            .unwrap();
        let mut dump = String::new();
        for key in keys {
            let value: Vec<u8> = redis::cmd("DUMP")
                .arg(&key)
                .query_async(&mut connection)
                .await
                .unwrap_or_default();
            dump.push_str(&String::from_utf8_lossy(&key));
            dump.push('\n');
            dump.push_str(&String::from_utf8_lossy(&value));
            dump.push('\n');
        }
        dump
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

    fn signal(&self, signal: &str) {
        let done = Command::new("kill")
            .args([format!("-{signal}"), self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(done.success());
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
