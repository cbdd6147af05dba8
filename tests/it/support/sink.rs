//! A fast mail server that accepts everything and stores only the Message-ID and the recipient of
//! each mail.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A running sink, in the process of the test.
pub(crate) struct MailSink {
    port: String,
    mails: Arc<Mutex<Vec<SinkMail>>>,
}

/// An accepted mail.
#[derive(Clone, Debug)]
pub(crate) struct SinkMail {
    pub(crate) to: String,
    pub(crate) message_id: String,
}

impl MailSink {
    /// Listens on a free port of 127.0.0.1.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let mails: Arc<Mutex<Vec<SinkMail>>> = Arc::default();
        let kept = Arc::clone(&mails);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // A killed process leaves its connections in the middle of a mail.
                tokio::spawn(converse(client, Arc::clone(&kept)));
            }
        });
        Self { port, mails }
    }

    /// The settings of an app that sends through it.
    pub(crate) fn settings(&self) -> [(&str, &str); 5] {
        [
            ("EMAIL_SERVICE", "smtp"),
            ("SMTP_HOST", "127.0.0.1"),
            ("SMTP_PORT", &self.port),
            ("SMTP_USE_TLS", "false"),
            ("EMAIL_FROM_ADDRESS", "no-reply@gatelodge.example"),
        ]
    }

    /// The number of accepted mails.
    pub(crate) fn count(&self) -> usize {
        self.mails.lock().unwrap().len()
    }

    /// All accepted mails.
    pub(crate) fn mails(&self) -> Vec<SinkMail> {
        self.mails.lock().unwrap().clone()
    }
}

async fn converse(mut client: TcpStream, kept: Arc<Mutex<Vec<SinkMail>>>) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let (reader, mut writer) = client.split();
    let mut lines = BufReader::new(reader).lines();
    let (mut to, mut message_id, mut in_content) = (String::new(), String::new(), false);
    writer.write_all(b"220 sink\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        if in_content {
            if let Some(id) = line.strip_prefix("Message-ID: ") {
                id.clone_into(&mut message_id);
            }
            if line != "." {
                continue;
            }
            in_content = false;
            let (to, message_id) = (std::mem::take(&mut to), std::mem::take(&mut message_id));
            kept.lock().unwrap().push(SinkMail { to, message_id });
        } else if let Some(address) = line.strip_prefix("RCPT TO:<") {
            to = address.split('>').next().unwrap().to_owned();
        } else if line == "DATA" {
            in_content = true;
            writer.write_all(b"354 go on\r\n").await?;
            continue;
        }
        writer.write_all(b"250 OK\r\n").await?;
    }
    Ok(())
}
