//! TLS on the listener, with a certificate that can be replaced while the server runs.

use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::{Accept, TlsAcceptor};

use crate::config::TlsConfig;
use crate::telemetry::event;

/// How often the files are read to see whether they have changed.
const RELOAD_INTERVAL: Duration = Duration::from_secs(2);

/// TLS 1.2 and 1.3, with HTTP/2 and HTTP/1.1.
pub struct Tls {
    files: TlsConfig,
    /// What the files held when the server started.
    initial: Contents,
    /// What new connections use. Open connections keep what they began with.
    acceptor: watch::Sender<TlsAcceptor>,
}

/// The bytes of the certificates and of the key.
type Contents = (Vec<u8>, Vec<u8>);

impl Tls {
    pub fn load(files: TlsConfig) -> anyhow::Result<Self> {
        let initial = read(&files)?;
        let (acceptor, _) = watch::channel(acceptor(&files, &initial)?);
        Ok(Self {
            files,
            initial,
            acceptor,
        })
    }

    /// Starts the handshake on a connection.
    pub(super) fn accept(&self, stream: TcpStream) -> Accept<TcpStream> {
        self.acceptor.borrow().accept(stream)
    }

    /// Loads the files whenever they have changed, forever. Files that cannot be used change
    /// nothing, so it does not matter which of the two is written first.
    pub(super) async fn reload_on_change(&self) -> Infallible {
        let mut last = Some(self.initial.clone());
        loop {
            tokio::time::sleep(RELOAD_INTERVAL).await;
            let files = self.files.clone();
            let reading = tokio::task::spawn_blocking(move || read(&files));
            let Ok(found) = reading.await else {
                continue;
            };
            let contents = found.as_ref().ok().cloned();
            if contents == last {
                continue;
            }
            last = contents;
            match found.and_then(|contents| acceptor(&self.files, &contents)) {
                Ok(acceptor) => {
                    self.acceptor.send_replace(acceptor);
                    event::emit(event::CertificateReloaded {});
                }
                Err(error) => event::emit(event::CertificateReloadFailed { error: &*error }),
            }
        }
    }
}

fn read(files: &TlsConfig) -> anyhow::Result<Contents> {
    let read = |setting: &str, path: &Path| {
        fs::read(path).with_context(|| format!("{setting}: {} cannot be read", path.display()))
    };
    let certificates = read("TLS_CERT_FILE", &files.certificate)?;
    Ok((certificates, read("TLS_KEY_FILE", &files.key)?))
}

fn acceptor(files: &TlsConfig, (certificates, key): &Contents) -> anyhow::Result<TlsAcceptor> {
    let (certificate_file, key_file) = (files.certificate.display(), files.key.display());
    let chain = CertificateDer::pem_slice_iter(certificates)
        .collect::<Result<Vec<_>, _>>()
        .and_then(|chain| match chain[..] {
            [] => Err(pem::Error::NoItemsFound),
            _ => Ok(chain),
        })
        .with_context(|| {
            format!("TLS_CERT_FILE: {certificate_file} holds no certificate in PEM")
        })?;
    let private_key = PrivateKeyDer::from_pem_slice(key)
        .with_context(|| format!("TLS_KEY_FILE: {key_file} holds no private key in PEM"))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(chain, private_key)
        })
        .with_context(|| {
            let files = format!("TLS_CERT_FILE {certificate_file} and TLS_KEY_FILE {key_file}");
            format!("{files} cannot be used together")
        })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
