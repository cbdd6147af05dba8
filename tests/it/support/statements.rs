//! Counts the statements that the app executes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// A PostgreSQL proxy that counts executed statements.
pub(crate) struct StatementCounter {
    /// The URL of the proxy.
    pub(crate) url: String,
    executed: Arc<AtomicUsize>,
}

impl StatementCounter {
    pub(crate) async fn start(url: &str) -> Self {
        let address = url
            .split(['@', '/'])
            .find(|part| part.contains(':') && !part.ends_with(':'));
        let address =
            address.filter(|part| part.rsplit_once(':').unwrap().1.parse::<u16>().is_ok());
        let server = address.expect("the URL has a host and a port").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap().to_string();
        let counter = Self {
            url: url.replacen(&server, &here, 1),
            executed: Arc::default(),
        };
        let executed = Arc::clone(&counter.executed);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                let (mut from_server, to_server) = server.into_split();
                let (from_client, mut to_client) = client.into_split();
                tokio::spawn(forward(from_client, to_server, Arc::clone(&executed)));
                tokio::spawn(
                    async move { tokio::io::copy(&mut from_server, &mut to_client).await },
                );
            }
        });
        counter
    }

    /// Returns the number of statements since the last call.
    pub(crate) fn take(&self) -> usize {
        self.executed.swap(0, Ordering::SeqCst)
    }
}

/// Forwards a client's messages. Each has a type (except startup messages), a length that includes
/// itself, and a body.
async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    executed: Arc<AtomicUsize>,
) -> std::io::Result<()> {
    const SSL_REQUEST: [u8; 4] = 80_877_103_u32.to_be_bytes();
    let mut started = false;
    loop {
        let kind = if started { from.read_u8().await? } else { 0 };
        let length = from.read_u32().await?;
        let mut body = vec![0; length as usize - 4];
        from.read_exact(&mut body).await?;
        if started {
            to.write_all(&[kind]).await?;
            // `Execute` of a prepared statement, or a simple `Query`.
            if matches!(kind, b'E' | b'Q') {
                executed.fetch_add(1, Ordering::SeqCst);
            }
        } else {
            started = body != SSL_REQUEST;
        }
        to.write_all(&length.to_be_bytes()).await?;
        to.write_all(&body).await?;
    }
}
