//! TLS.

use std::fs;
use std::path::Path;

use gatelodge::testing::app::{App, Role};
use hyper::Request;
use reqwest::Method;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::rustls::DEFAULT_VERSIONS;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use crate::support::certificate::Certificate;
use crate::support::client::Response;
use crate::support::deployment::Deployment;
use crate::support::eventually;
use crate::support::process;
use crate::support::socket::{Http2, get, http2_post, read_to_end, read_until};

const ALIVE: &str = "{\"status\":\"alive\"}";
const HSTS: &str = "strict-transport-security: max-age=31536000\r\n";

/// HTTP/1.1 and HTTP/2 over TLS 1.2 and 1.3, with HSTS.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn https_is_served() {
    let deployment = Deployment::embedded().await;
    let certificate = Certificate::make(deployment.path(), "one");
    let app = deployment.start_with(&certificate.settings()).await;
    for versions in [[&TLS12], [&TLS13]] {
        let mut stream = certificate
            .connect(app.address(), &versions, &["http/1.1"])
            .await
            .unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        stream.write_all(get("/healthz").as_bytes()).await.unwrap();
        let response = read_until(&mut stream, ALIVE).await;
        assert!(
            response.starts_with("HTTP/1.1 200 OK\r\n") && response.contains(HSTS),
            "{response}"
        );

        let stream = certificate
            .connect(app.address(), &versions, &["h2", "http/1.1"])
            .await
            .unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let mut http2 = Http2::over(stream).await;
        let (_, text) = http2
            .send(http2_post(), r#"{"query":"{me{id}}"}"#)
            .await
            .unwrap();
        assert_eq!(text, r#"{"data":{"me":null}}"#);
        let missing = Request::get("https://localhost/missing").body(()).unwrap();
        let mut requests = http2.requests.ready().await.unwrap();
        let (response, _) = requests.send_request(missing, true).unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.status(), 404);
        assert_eq!(
            response.headers()["strict-transport-security"],
            "max-age=31536000"
        );
    }

    let plain = deployment.start().await;
    let response = Response::of(plain.request(Method::GET, "/healthz")).await;
    assert_eq!(response.header("strict-transport-security"), None);
}

/// New connections use the new certificate without a restart; open ones stay open. An invalid
/// certificate is logged and not used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_can_be_replaced() {
    let deployment = Deployment::embedded().await;
    let one = Certificate::make(deployment.path(), "one");
    let other = Certificate::make(deployment.path(), "other");
    let used = Certificate::make(deployment.path(), "used");
    one.copy_to(&used);
    let server = deployment.spawn(&["serve"], &used.settings()).await;
    let connect = async |certificate: &Certificate| {
        certificate
            .connect(server.address(), DEFAULT_VERSIONS, &["http/1.1"])
            .await
    };
    let mut open = connect(&one).await.unwrap();
    open.write_all(get("/healthz").as_bytes()).await.unwrap();
    read_until(&mut open, ALIVE).await;
    connect(&other)
        .await
        .expect_err("the first certificate is in use");

    // A certificate without its key, then an invalid certificate, then a missing key.
    fs::copy(&other.certificate, &used.certificate).unwrap();
    server.wait_for("certificate_reload_failed").await;
    connect(&one)
        .await
        .expect("the first certificate is still in use");
    let failures = |count| {
        let server = &server;
        eventually("the next failed reload", async move || {
            let failures = server.output().matches("certificate_reload_failed").count();
            (failures >= count).then_some(())
        })
    };
    fs::write(&used.certificate, "-----BEGIN CERTIFICATE-----\n").unwrap();
    failures(2).await;
    fs::remove_file(&used.key).unwrap();
    failures(3).await;
    connect(&one)
        .await
        .expect("the first certificate is still in use");

    other.copy_to(&used);
    server.wait_for("certificate_reloaded").await;
    connect(&other)
        .await
        .expect("the new certificate is in use");
    connect(&one)
        .await
        .expect_err("the first certificate is no longer in use");
    open.write_all(get("/healthz").as_bytes()).await.unwrap();
    read_until(&mut open, ALIVE).await;
}

/// The error names the setting and the file.
#[tokio::test]
async fn the_server_does_not_start_with_an_invalid_certificate() {
    let deployment = Deployment::embedded().await;
    let one = Certificate::make(deployment.path(), "one");
    let other = Certificate::make(deployment.path(), "other");
    let empty = deployment.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    let missing = deployment.path().join("missing.pem");
    let started = async |certificate: &Path, key: &Path| {
        let settings = [
            ("TLS_CERT_FILE", certificate.to_str().unwrap()),
            ("TLS_KEY_FILE", key.to_str().unwrap()),
        ];
        let clock = deployment.clock.clone();
        App::build(deployment.config(&settings), Role::Serve, clock).await
    };
    for (certificate, key, expected) in [
        (
            &missing,
            &one.key,
            "TLS_CERT_FILE: {}/missing.pem cannot be read: No such file",
        ),
        (
            &one.certificate,
            &missing,
            "TLS_KEY_FILE: {}/missing.pem cannot be read: No such file",
        ),
        (
            &empty,
            &one.key,
            "TLS_CERT_FILE: {}/empty.pem holds no certificate in PEM",
        ),
        (
            &one.key,
            &one.key,
            "TLS_CERT_FILE: {}/one.key holds no certificate in PEM",
        ),
        (
            &one.certificate,
            &empty,
            "TLS_KEY_FILE: {}/empty.pem holds no private key in PEM",
        ),
        (
            &one.certificate,
            &one.certificate,
            "TLS_KEY_FILE: {}/one.crt holds no private key in PEM",
        ),
        (
            &one.certificate,
            &other.key,
            "TLS_CERT_FILE {}/one.crt and TLS_KEY_FILE {}/other.key cannot be used together: \
             keys may not be consistent: KeyMismatch",
        ),
    ] {
        let Err(error) = started(certificate, key).await else {
            panic!("started: {expected}");
        };
        let mut message = error.to_string();
        if let Some(cause) = error.source() {
            message = format!("{message}: {cause}");
        }
        let expected = expected.replace("{}", deployment.path().to_str().unwrap());
        assert!(message.starts_with(&expected), "{message}\n{expected}");
    }
    assert!(started(&one.certificate, &one.key).await.is_ok());
}

/// The header timeout applies to the TLS handshake and to the first request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_without_tls_are_closed() {
    let deployment = Deployment::embedded().await;
    let certificate = Certificate::make(deployment.path(), "one");
    let mut settings = vec![("HEADER_TIMEOUT_SECONDS", "1")];
    settings.extend(certificate.settings());
    let app = deployment.start_with(&settings).await;
    for prefix in [
        &b""[..],
        b"\x16\x03\x01",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(app.address()).await.unwrap();
        stream.write_all(prefix).await.unwrap();
        let response = read_to_end(&mut stream).await;
        assert!(!response.contains("HTTP"), "{response}");
    }

    let connected = certificate
        .connect(app.address(), DEFAULT_VERSIONS, &[])
        .await;
    assert_eq!(read_to_end(&mut connected.unwrap()).await, "");
}

/// `healthcheck` works with TLS and any host name in the certificate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_health_check_supports_tls() {
    let deployment = Deployment::embedded().await;
    let certificate = Certificate::make(deployment.path(), "one");
    let app = deployment.start_with(&certificate.settings()).await;
    let (_, port) = app.address().rsplit_once(':').unwrap();
    let mut settings = vec![("PORT", port)];
    settings.extend(certificate.settings());
    let variables = deployment.variables(&settings);
    let mut command = process::command(deployment.path(), &variables);
    command.arg("healthcheck");
    let output = process::output(command).await;
    assert!(output.status.success(), "{output:?}");
}
