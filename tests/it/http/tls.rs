//! HTTPS by the server itself: both protocols, a certificate that can be replaced, and connections
//! that are no TLS.

use std::fs;
use std::path::Path;

use gatelodge::testing::app::{App, Role};
use hyper::Request;
use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::rustls::DEFAULT_VERSIONS;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use crate::support::certificate::Certificate;
use crate::support::client::Response;
use crate::support::deployment::Deployment;
use crate::support::process;
use crate::support::socket::{Http2, get, http2_post, read_to_end, read_until};
use crate::support::{TIMEOUT, eventually};

const ALIVE: &str = "{\"status\":\"alive\"}";
const HSTS: &str = "strict-transport-security: max-age=31536000\r\n";

/// HTTP/1.1 and HTTP/2, as the client chooses, over TLS 1.2 and 1.3; and browsers are told to come
/// back the same way.
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

/// A new certificate is used for new connections, without a restart; open ones go on. One that
/// cannot be used is told of, and changes nothing.
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
    connect(&other).await.expect_err("it is not yet this one");

    // The key of one and the certificate of the other; then no certificate; then none of the files.
    fs::copy(&other.certificate, &used.certificate).unwrap();
    server.wait_for("certificate_reload_failed").await;
    connect(&one).await.expect("the old one is still in use");
    let failures = |count| {
        let server = &server;
        eventually("the next failure", async move || {
            let told = server.output().matches("certificate_reload_failed").count();
            (told >= count).then_some(())
        })
    };
    fs::write(&used.certificate, "-----BEGIN CERTIFICATE-----\n").unwrap();
    failures(2).await;
    fs::remove_file(&used.key).unwrap();
    failures(3).await;
    connect(&one).await.expect("the old one is still in use");

    other.copy_to(&used);
    server.wait_for("certificate_reloaded").await;
    connect(&other).await.expect("the new one is in use");
    connect(&one).await.expect_err("the old one is not");
    open.write_all(get("/healthz").as_bytes()).await.unwrap();
    read_until(&mut open, ALIVE).await;
}

/// What is wrong with a certificate or key is said at the start, with the file and the setting.
#[tokio::test]
async fn an_invalid_certificate_prevents_the_start() {
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
    for (certificate, key, told) in [
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
            panic!("started: {told}");
        };
        let mut said = error.to_string();
        if let Some(cause) = error.source() {
            said = format!("{said}: {cause}");
        }
        let told = told.replace("{}", deployment.path().to_str().unwrap());
        assert!(said.starts_with(&told), "{said}\nis not\n{told}");
    }
    assert!(started(&one.certificate, &one.key).await.is_ok());
}

/// Who does not speak TLS on a TLS port is not answered, and who says nothing is sent away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_without_tls_are_closed() {
    let deployment = Deployment::embedded().await;
    let certificate = Certificate::make(deployment.path(), "one");
    let mut settings = vec![("HEADER_TIMEOUT_SECONDS", "1")];
    settings.extend(certificate.settings());
    let app = deployment.start_with(&settings).await;
    for begun in [
        &b""[..],
        b"\x16\x03\x01",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(app.address()).await.unwrap();
        stream.write_all(begun).await.unwrap();
        let said = read_to_end(&mut stream).await;
        assert!(!said.contains("HTTP"), "{said}");
    }

    // The same deadline for the first request after the handshake.
    let connected = certificate
        .connect(app.address(), DEFAULT_VERSIONS, &[])
        .await;
    let mut silent = connected.unwrap();
    let mut nothing = Vec::new();
    let closed = tokio::time::timeout(TIMEOUT, silent.read_to_end(&mut nothing));
    let _ = closed.await.expect("it is closed");
    assert!(nothing.is_empty());
}

/// A container's health check works with TLS too, whatever name the certificate is made out to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_health_check_speaks_tls() {
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
