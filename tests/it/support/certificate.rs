//! Self-signed certificates for `localhost`, and TLS connections that trust only one of them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

/// The files of a certificate and its key.
pub(crate) struct Certificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificate {
    /// Creates a self-signed certificate in files named after `name`.
    pub(crate) fn make(directory: &Path, name: &str) -> Self {
        let made = Self {
            certificate: directory.join(format!("{name}.crt")),
            key: directory.join(format!("{name}.key")),
        };
        let output = Command::new("openssl")
            .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split(' '))
            .args(["-subj", &format!("/CN={name}")])
            .args(["-addext", "subjectAltName=DNS:localhost"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(&made.key)
            .arg("-out")
            .arg(&made.certificate)
            .output()
            .expect("openssl is installed");
        assert!(output.status.success(), "{output:?}");
        made
    }

    /// The settings that make a server use this certificate.
    pub(crate) fn settings(&self) -> [(&'static str, &str); 2] {
        [
            ("TLS_CERT_FILE", self.certificate.to_str().unwrap()),
            ("TLS_KEY_FILE", self.key.to_str().unwrap()),
        ]
    }

    /// Copies this certificate and key over the files of another.
    pub(crate) fn copy_to(&self, other: &Self) {
        std::fs::copy(&self.certificate, &other.certificate).unwrap();
        std::fs::copy(&self.key, &other.key).unwrap();
    }

    /// Connects with TLS, offering the ALPN `protocols`, and trusts only this certificate.
    pub(crate) async fn connect(
        &self,
        address: &str,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&str],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        let own = CertificateDer::from_pem_file(&self.certificate).unwrap();
        roots.add(own).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        let stream = TcpStream::connect(address).await?;
        let name = "localhost".try_into().unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    }
}
