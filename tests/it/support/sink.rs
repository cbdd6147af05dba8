//! A fast SMTP server that accepts every mail and stores only its recipient and Message-ID.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct MailSink {
    port: String,
    mails: Arc<Mutex<Vec<SinkMail>>>,
}

#[derive(Clone, Debug)]
pub(crate) struct SinkMail {
    pub(crate) to: String,
    pub(crate) message_id: String,
}

impl MailSink {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let mails: Arc<Mutex<Vec<SinkMail>>> = Arc::default();
        let received = Arc::clone(&mails);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // Errors are ignored: a killed process closes its connections in the middle of a mail.
                tokio::spawn(handle_connection(client, Arc::clone(&received)));
            }
        });
        Self { port, mails }
    }

    /// The settings of an app that uses this server.
    pub(crate) fn settings(&self) -> [(&str, &str); 5] {
        [
            ("EMAIL_SERVICE", "smtp"),
            ("SMTP_HOST", "127.0.0.1"),
            ("SMTP_PORT", &self.port),
            ("SMTP_USE_TLS", "false"),
            ("EMAIL_FROM_ADDRESS", "no-reply@gatelodge.example"),
        ]
    }

    pub(crate) fn count(&self) -> usize {
        self.mails.lock().unwrap().len()
    }

    pub(crate) fn mails(&self) -> Vec<SinkMail> {
        self.mails.lock().unwrap().clone()
    }
}

async fn handle_connection(
    mut client: TcpStream,
    mails: Arc<Mutex<Vec<SinkMail>>>,
) -> std::io::Result<()> {
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
            mails.lock().unwrap().push(SinkMail { to, message_id });
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
