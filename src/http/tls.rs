//! TLS on the listener, with a certificate that can be replaced while it is in use.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::digest;
use tokio::net::TcpStream;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::{Accept, TlsAcceptor};

use crate::config::TlsConfig;
use crate::telemetry::event;

/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing, or not ours to read.
    #[error("{setting}: {} cannot be read", path.display())]
    Unreadable {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is no PEM, or holds nothing of the kind.
    #[error("{setting}: {} holds no {wanted} in PEM", path.display())]
    Malformed {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// The certificate is none, the key is of an unknown kind, or one does not belong to the other.
    #[error(
        "TLS_CERT_FILE {} and TLS_KEY_FILE {} cannot be used together",
        certificate.display(),
        key.display()
    )]
    Unusable {
        /// `TLS_CERT_FILE`.
        certificate: PathBuf,
        /// `TLS_KEY_FILE`.
        key: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    SetUp(#[from] rustls::Error),
}

/// Makes connections TLS connections: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
pub struct Tls {
    acceptor: TlsAcceptor,
    files: TlsConfig,
    current: Arc<Current>,
    /// What the files held when they were last looked at, usable or not.
    seen: Mutex<Contents>,
}

/// The certificate in use. Connections that are open keep what they began with.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&current))
    }
}

/// Tells whether files have changed; their dates would not, where they come from an archive.
type Contents = [u8; digest::SHA256_OUTPUT_LEN];

impl Tls {
    /// Reads the files.
    pub fn load(files: TlsConfig) -> Result<Self, TlsError> {
        let (certified, contents) = read(&files)?;
        let current = Arc::new(Current(RwLock::new(Arc::new(certified?))));
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as _);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            files,
            current,
            seen: Mutex::new(contents),
        })
    }

    /// Begins TLS on a connection.
    pub(super) fn accept(&self, stream: TcpStream) -> Accept<TcpStream> {
        self.acceptor.accept(stream)
    }

    /// Takes the certificate over whenever the files have changed, for ever. What cannot be used
    /// changes nothing; a pair of which only one half is written yet becomes whole the next time.
    pub(super) async fn keep_fresh(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            let tls = Arc::clone(&self);
            // A panic has been told of where it happened.
            let _ = tokio::task::spawn_blocking(move || tls.look()).await;
        }
    }

    fn look(&self) {
        let renewed = match read(&self.files) {
            Ok((certified, contents)) => {
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                if *seen == contents {
                    return;
                }
                *seen = contents;
                certified
            }
            Err(error) => {
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                // Told of once, until there is something to read again.
                if *seen == Contents::default() {
                    return;
                }
                *seen = Contents::default();
                Err(error)
            }
        };
        match renewed {
            Ok(certified) => {
                let mut current = self
                    .current
                    .0
                    .write()
                    .unwrap_or_else(PoisonError::into_inner);
                *current = Arc::new(certified);
                event::emit(event::CertificateReloaded {});
            }
            Err(error) => event::emit(event::CertificateReloadFailed { error: &error }),
        }
    }
}

/// What the files make together, and their contents.
fn read(files: &TlsConfig) -> Result<(Result<CertifiedKey, TlsError>, Contents), TlsError> {
    let certificates = read_file("TLS_CERT_FILE", &files.certificate)?;
    let key = read_file("TLS_KEY_FILE", &files.key)?;
    let mut contents = digest::Context::new(&digest::SHA256);
    for file in [&certificates, &key] {
        contents.update(&file.len().to_be_bytes());
        contents.update(file);
    }
    let mut digest = Contents::default();
    digest.copy_from_slice(contents.finish().as_ref());
    Ok((certified(files, &certificates, &key), digest))
}

fn read_file(setting: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Unreadable {
        setting,
        path: path.to_owned(),
        source,
    })
}

fn certified(files: &TlsConfig, certificates: &[u8], key: &[u8]) -> Result<CertifiedKey, TlsError> {
    let no_certificate = |source| TlsError::Malformed {
        setting: "TLS_CERT_FILE",
        path: files.certificate.clone(),
        wanted: "certificate",
        source,
    };
    let chain = CertificateDer::pem_slice_iter(certificates)
        .collect::<Result<Vec<_>, _>>()
        .map_err(no_certificate)?;
    if chain.is_empty() {
        return Err(no_certificate(pem::Error::NoItemsFound));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|source| TlsError::Malformed {
        setting: "TLS_KEY_FILE",
        path: files.key.clone(),
        wanted: "private key",
        source,
    })?;
    CertifiedKey::from_der(chain, key, &default_provider()).map_err(|source| TlsError::Unusable {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        source,
    })
}
