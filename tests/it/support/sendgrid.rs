//! A fake of SendGrid's API.
//!
//! The response depends on the recipient's local part:
//!
//! - `status401` (any status): that status, with an error in SendGrid's format that contains the
//!   API key and the text
//! - `once429`: 429 with `Retry-After: 60` for the first request, then 202
//! - `reset429`: 429 with `X-RateLimit-Reset` in one minute
//! - `silent`: no response
//! - `close`: the connection is closed without a response
//! - `hangup`: 202, then the connection is closed without `Connection: close`

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::UNIX_EPOCH;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::eventually;

/// A received request, accepted or not.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
    pub(crate) status: u16,
}

impl Request {
    pub(crate) fn to(&self) -> &str {
        let to = &self.body["personalizations"][0]["to"][0]["email"];
        to.as_str().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The code in the plain text.
    pub(crate) fn code(&self) -> String {
        let text = self.body["content"][0]["value"].as_str().unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("    "));
        line.expect("this mail contains a code").trim().to_owned()
    }
}

/// A running fake server; stopped on drop.
pub(crate) struct SendGrid {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
    _serving: JoinSet<()>,
}

impl SendGrid {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let seen = Arc::<Mutex<HashSet<String>>>::default();
        let mut serving = JoinSet::new();
        let received = Arc::clone(&requests);
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (requests, seen) = (Arc::clone(&received), Arc::clone(&seen));
                connections.spawn(async move {
                    let _ = handle_connection(stream, &requests, &seen).await;
                });
            }
        });
        Self {
            url,
            requests,
            _serving: serving,
        }
    }

    /// The settings of an app that uses this server, overridden by `more`.
    pub(crate) fn settings<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut settings = vec![
            ("EMAIL_SERVICE", "sendgrid"),
            ("EMAIL_FROM_ADDRESS", "no-reply@gatelodge.example"),
            ("SENDGRID_API_KEY", KEY),
            ("SENDGRID_BASE_URL", &self.url),
        ];
        settings.extend_from_slice(more);
        settings
    }

    /// All requests, in order.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The accepted mails to a recipient, in order.
    pub(crate) fn mails_to(&self, address: &str) -> Vec<Request> {
        let requests = self.requests().into_iter();
        requests
            .filter(|request| request.status == 202 && request.to() == address)
            .collect()
    }

    /// Waits for a mail to a recipient and returns the newest.
    pub(crate) async fn mail_to(&self, address: &str) -> Request {
        eventually(&format!("a mail to {address}"), async || {
            self.mails_to(address).pop()
        })
        .await
    }
}

/// The API key in the settings.
pub(crate) const KEY: &str = "SG.a-canary-key";

async fn handle_connection(
    stream: TcpStream,
    requests: &Mutex<Vec<Request>>,
    seen: &Mutex<HashSet<String>>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let mut headers = Vec::new();
        loop {
            let mut header = String::new();
            stream.read_line(&mut header).await?;
            let Some((name, value)) = header.trim_end().split_once(':') else {
                break;
            };
            headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
        stream.read_exact(&mut body).await?;
        let mut request = Request {
            line: line.trim_end().to_owned(),
            headers,
            body: serde_json::from_slice(&body).unwrap(),
            status: 0,
        };
        let to = request.to().to_owned();
        let is_first = seen.lock().unwrap().insert(to.clone());
        let local = to.split('@').next().unwrap_or_default();
        let (status, more) = match local {
            "close" => return Ok(()),
            "once429" if is_first => (429, "Retry-After: 60\r\n".to_owned()),
            "reset429" => {
                let now = UNIX_EPOCH.elapsed().unwrap().as_secs();
                (429, format!("X-RateLimit-Reset: {}\r\n", now + 60))
            }
            _ => match local.strip_prefix("status") {
                Some(status) => (status.parse().unwrap(), String::new()),
                None => (202, String::new()),
            },
        };
        request.status = status;
        let echo = json!({ "errors": [{
            "message": format!("not so: {} {}", request.header("authorization").unwrap_or_default(), request.body["content"][0]["value"]),
            "field": "from.email",
        }] });
        let response = if status == 202 {
            String::new()
        } else {
            echo.to_string()
        };
        requests.lock().unwrap().push(request);
        if local == "silent" {
            std::future::pending::<()>().await;
        }
        let head = format!(
            "HTTP/1.1 {status} Whatever\r\nContent-Length: {}\r\nContent-Type: application/json\r\n\
             {more}\r\n{response}",
            response.len()
        );
        stream.write_all(head.as_bytes()).await?;
        if local == "hangup" {
            return Ok(());
        }
    }
}
