//! Access tokens signed with a private key: verified by others with the public half alone, and
//! keys that take each other's place.

use std::path::PathBuf;
use std::process::Command;

use gatelodge::testing::domain::mail::MailKind;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode,
};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::app::TestApp;
use crate::support::client::Response;
use crate::support::deployment::Deployment;
use crate::support::rejected_tokens::assert_bearer_rejected;
use crate::support::{on_both_deployments, process};

const ADA: &str = "ada@example.com";
const ED25519: &[&str] = &["-algorithm", "ed25519"];
const P256: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
const P384: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
const RSA: &[&str] = &["-algorithm", "RSA"];

/// A key as an operator makes it.
struct PrivateKey {
    directory: TempDir,
}

impl PrivateKey {
    fn make(kind: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        let key = Self { directory };
        let made = Command::new("openssl")
            .arg("genpkey")
            .args(kind)
            .arg("-out")
            .arg(key.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        key
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("key.pem")
    }

    fn name(&self) -> String {
        self.path().to_str().unwrap().to_owned()
    }

    fn pem(&self) -> String {
        std::fs::read_to_string(self.path()).unwrap()
    }

    fn public_pem(&self) -> String {
        let shown = Command::new("openssl")
            .args(["pkey", "-pubout", "-in"])
            .arg(self.path())
            .output()
            .unwrap();
        String::from_utf8(shown.stdout).unwrap()
    }

    fn signs(&self, algorithm: Algorithm) -> EncodingKey {
        let pem = self.pem();
        match algorithm {
            Algorithm::EdDSA => EncodingKey::from_ed_pem(pem.as_bytes()).unwrap(),
            _ => EncodingKey::from_ec_pem(pem.as_bytes()).unwrap(),
        }
    }
}

/// The published keys.
async fn public_keys(app: &TestApp) -> (Value, JwkSet) {
    let answer = Response::of(app.request(Method::GET, "/.well-known/jwks.json")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    (answer.json(), serde_json::from_str(&answer.text).unwrap())
}

/// What another service does: nothing but the published keys, issuer and audience.
fn verify_offline(keys: &JwkSet, token: &str, algorithm: Algorithm) -> Value {
    let header = decode_header(token).unwrap();
    assert_eq!(
        (header.alg, header.typ.as_deref()),
        (algorithm, Some("at+jwt"))
    );
    let key = keys
        .find(&header.kid.unwrap())
        .expect("the key is published");
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&["http://localhost:8000"]);
    validation.set_audience(&["Gatelodge"]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let key = DecodingKey::from_jwk(key).unwrap();
    decode::<Value>(token, &key, &validation).unwrap().claims
}

on_both_deployments! {
    /// The published key is enough to verify a token, and holds nothing private.
    async fn tokens_are_verified_with_the_published_key(deployment: Deployment) {
        for (kind, algorithm, alg, email) in [
            (ED25519, Algorithm::EdDSA, "EdDSA", ADA),
            (P256, Algorithm::ES256, "ES256", "grace@example.com"),
        ] {
            let key = PrivateKey::make(kind);
            let app = deployment.start_with(&[("JWT_PRIVATE_KEY_FILE", &key.name())]).await;
            let tokens = app.sign_up(email).await;
            assert_eq!(app.with_token(&tokens.access).me().await["email"], email);
            let (json, keys) = public_keys(&app).await;
            assert_eq!(json["keys"].as_array().unwrap().len(), 1, "{json}");
            assert_eq!(json["keys"][0]["alg"], alg);
            assert_eq!(json["keys"][0].get("d"), None);
            let claims = verify_offline(&keys, &tokens.access, algorithm);
            assert_eq!(claims["sub"], tokens.user_id.as_str());
            assert_eq!(claims["email"], email);
            assert_eq!(app.refresh(&tokens.refresh).await["errors"], json!([]));
        }
    }

    /// A token is good only with the algorithm of its key: neither another one with the right
    /// private key, nor HMAC with the public key as its secret, nor none.
    async fn a_key_is_for_one_algorithm(deployment: Deployment) {
        for (kind, right, wrong) in [
            (ED25519, Algorithm::EdDSA, Algorithm::ES256),
            (P256, Algorithm::ES256, Algorithm::EdDSA),
        ] {
            let key = PrivateKey::make(kind);
            let app = deployment.start_with(&[("JWT_PRIVATE_KEY_FILE", &key.name())]).await;
            let email = format!("{right:?}@example.com").to_lowercase();
            let tokens = app.sign_up(&email).await;
            let (_, keys) = public_keys(&app).await;
            let claims = verify_offline(&keys, &tokens.access, right);
            let header = decode_header(&tokens.access).unwrap();
            let signed = |algorithm, key: &EncodingKey| {
                encode(&Header { alg: algorithm, ..header.clone() }, &claims, key).unwrap()
            };
            let again = signed(right, &key.signs(right));
            assert_eq!(app.with_token(&again).me().await["email"], email.as_str());

            let other = PrivateKey::make(if wrong == Algorithm::EdDSA { ED25519 } else { P256 });
            let stranger = PrivateKey::make(kind);
            let public = key.public_pem();
            for (what, token) in [
                ("another key", signed(right, &stranger.signs(right))),
                ("another algorithm", signed(wrong, &other.signs(wrong))),
                ("the public key as a secret", signed(
                    Algorithm::HS256, &EncodingKey::from_secret(public.as_bytes()),
                )),
                ("its text as a secret", signed(
                    Algorithm::HS256, &EncodingKey::from_secret(public.trim().as_bytes()),
                )),
                ("the header changed", relabelled(&again, wrong)),
                ("no algorithm", unsigned(&again)),
                ("no kid", encode(
                    &Header { kid: None, ..header.clone() }, &claims, &key.signs(right),
                ).unwrap()),
                ("another type", encode(
                    &Header { typ: Some("JWT".to_owned()), ..header.clone() }, &claims, &key.signs(right),
                ).unwrap()),
            ] {
                assert_bearer_rejected(&app, &token, "INVALID", what).await;
            }
        }
    }

    /// From a secret to a private key to another one: tokens of the key before are good until
    /// they expire, new ones are signed with the new key, and both are published.
    async fn signing_keys_can_be_rotated(deployment: Deployment) {
        let (first, second) = (PrivateKey::make(ED25519), PrivateKey::make(ED25519));
        let app = deployment.start().await;
        let (json, _) = public_keys(&app).await;
        assert_eq!(json, json!({ "keys": [] }));
        let by_secret = app.sign_up(ADA).await;
        assert_eq!(decode_header(&by_secret.access).unwrap().alg, Algorithm::HS256);
        app.stop().await;

        let app = deployment.start_with(&[("JWT_PRIVATE_KEY_FILE", &first.name())]).await;
        assert_eq!(app.with_token(&by_secret.access).me().await["email"], ADA);
        let by_first = app.log_in(ADA).await;
        app.stop().await;

        let app = deployment
            .start_with(&[
                ("JWT_PRIVATE_KEY_FILE", &second.name()),
                ("JWT_PRIVATE_KEY_PREVIOUS_FILE", &first.name()),
            ])
            .await;
        let by_second = app.log_in(ADA).await;
        for tokens in [&by_secret, &by_first, &by_second] {
            assert_eq!(app.with_token(&tokens.access).me().await["email"], ADA);
            assert_eq!(app.refresh(&tokens.refresh).await["errors"], json!([]));
        }
        let (json, keys) = public_keys(&app).await;
        assert_eq!(json["keys"].as_array().unwrap().len(), 2, "{json}");
        let kid = |token: &str| decode_header(token).unwrap().kid.unwrap();
        assert_ne!(kid(&by_first.access), kid(&by_second.access));
        for tokens in [&by_first, &by_second] {
            verify_offline(&keys, &tokens.access, Algorithm::EdDSA);
        }
        app.stop().await;

        // A key that is no longer in the settings is good for nothing.
        let app = deployment.start_with(&[("JWT_PRIVATE_KEY_FILE", &second.name())]).await;
        assert_bearer_rejected(&app, &by_first.access, "INVALID", "the key before").await;
        assert_eq!(app.with_token(&by_second.access).me().await["email"], ADA);
    }

    /// An installation that has only a private key derives everything else from it; when another
    /// takes its place, sessions and codes stay good.
    async fn an_installation_can_have_only_private_keys(deployment: Deployment) {
        let (first, second) = (PrivateKey::make(ED25519), PrivateKey::make(P256));
        let old = [("JWT_PRIVATE_KEY_FILE", &*first.name()), ("JWT_SECRET_KEY", "")];
        let app = deployment.start_with(&old).await;
        let tokens = app.sign_up(ADA).await;
        app.request_login_code(ADA).await;
        let code = app.code(MailKind::LoginCode, ADA).await;
        app.stop().await;
        let app = deployment
            .start_with(&[
                ("JWT_PRIVATE_KEY_FILE", &second.name()),
                ("JWT_PRIVATE_KEY_PREVIOUS_FILE", &first.name()),
                ("JWT_SECRET_KEY", ""),
            ])
            .await;
        assert_eq!(app.with_token(&tokens.access).me().await["email"], ADA);
        assert_eq!(app.refresh(&tokens.refresh).await["errors"], json!([]));
        assert_eq!(app.verify_login_code(ADA, &code).await["errors"], json!([]));
    }
}

/// The token with another algorithm in its header, and the signature it had.
fn relabelled(token: &str, algorithm: Algorithm) -> String {
    with_header(token, &json!({ "alg": algorithm }))
}

/// The token with no algorithm and no signature.
fn unsigned(token: &str) -> String {
    let changed = with_header(token, &json!({ "alg": "none" }));
    let (signed, _) = changed.rsplit_once('.').unwrap();
    format!("{signed}.")
}

fn with_header(token: &str, changes: &Value) -> String {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
    let (header, rest) = token.split_once('.').unwrap();
    let mut header: Value = serde_json::from_slice(&BASE64.decode(header).unwrap()).unwrap();
    let changes = changes.as_object().unwrap().clone();
    header.as_object_mut().unwrap().extend(changes);
    format!("{}.{rest}", BASE64.encode(header.to_string()))
}

/// A key that cannot be used stops the start, and the message names the setting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_key_prevents_the_start() {
    let deployment = Deployment::embedded().await;
    let good = PrivateKey::make(ED25519);
    let cut = good.pem().replace("MC4CAQ", "MC4CAA");
    let broken = "-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n";
    for setting in ["JWT_PRIVATE_KEY", "JWT_PRIVATE_KEY_PREVIOUS"] {
        for (what, pem) in [
            ("nonsense", "nonsense"),
            ("broken", broken),
            ("cut", &cut),
            ("public", &good.public_pem()),
            ("P-384", &PrivateKey::make(P384).pem()),
            ("RSA", &PrivateKey::make(RSA).pem()),
        ] {
            let directory = TempDir::new().unwrap();
            let path = directory.path().join("broken.pem");
            std::fs::write(&path, pem).unwrap();
            let name = format!("{setting}_FILE");
            let variables = deployment.variables(&[(&name, path.to_str().unwrap())]);
            let mut command = process::command(directory.path(), &variables);
            let output = tokio::task::spawn_blocking(move || command.output())
                .await
                .unwrap()
                .unwrap();
            let told = String::from_utf8(output.stderr).unwrap();
            assert!(!output.status.success(), "{setting} {what}");
            let named = [':', ' '].map(|end| told.contains(&format!("{setting}{end}")));
            assert!(named.contains(&true), "{what}: {told}");
            assert!(!told.contains("MC4CA"), "{told}");
        }
    }
}
