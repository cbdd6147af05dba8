//! Access tokens that somebody made up, changed or stole: all refused, none an error of the server.

use aws_lc_rs::hmac::{HMAC_SHA256, HMAC_SHA384, HMAC_SHA512};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use gatelodge::testing::crypto;
use reqwest::Method;
use sea_orm::prelude::Uuid;
use serde_json::{Value, json};

use crate::support::client::Response;
use crate::support::deployment::{Deployment, SECRET};
use crate::support::jwt::{CLAIMS, Jwt, signing_key};
use crate::support::on_both_deployments;
use crate::support::rejected_tokens::{assert_authorization_rejected, assert_bearer_rejected};

const ADA: &str = "ada@example.com";

fn some_id() -> String {
    Uuid::from_bytes(crypto::random()).to_string()
}

on_both_deployments! {
    /// No header of a token, no algorithm and no signature but the right one is accepted.
    async fn a_forged_signature_is_refused(deployment: Deployment) {
        let app = deployment.start().await;
        let tokens = app.sign_up(ADA).await;
        let (token, key) = (Jwt::read(&tokens.access), signing_key(SECRET));
        // Made by hand but right: so whatever follows is refused for what is wrong with it.
        let right = token.clone().signed(HMAC_SHA256, &key);
        assert_eq!(app.with_token(&right).me().await["email"], ADA);

        let unsigned = |name: &str, value: Value| {
            let token = Jwt {
                signature: String::new(),
                ..token.clone()
            };
            token.header(name, value).unsigned()
        };
        let signed =
            |name: &str, value: Value| token.clone().header(name, value).signed(HMAC_SHA256, &key);
        let mut flipped = tokens.access.clone();
        let (at, other) = (
            flipped.len() - 3,
            if flipped.ends_with("AAA") { "B" } else { "A" },
        );
        let other = if &flipped[at..=at] == other {
            "C"
        } else {
            other
        };
        flipped.replace_range(at..=at, other);
        let (start, _) = tokens.access.rsplit_once('.').unwrap();
        let forged = [
            ("a changed signature", flipped),
            ("no signature", format!("{start}.")),
            ("two parts", start.to_owned()),
            ("four parts", format!("{}.x", tokens.access)),
            (
                "changed claims",
                token
                    .clone()
                    .claim("email", json!("eve@example.com"))
                    .unsigned(),
            ),
            ("alg none", unsigned("alg", json!("none"))),
            ("alg None", unsigned("alg", json!("None"))),
            (
                "alg none with the signature",
                token.clone().header("alg", json!("none")).unsigned(),
            ),
            (
                "HS384",
                token
                    .clone()
                    .header("alg", json!("HS384"))
                    .signed(HMAC_SHA384, &key),
            ),
            (
                "HS512",
                token
                    .clone()
                    .header("alg", json!("HS512"))
                    .signed(HMAC_SHA512, &key),
            ),
            ("HS384 said, HS256 made", signed("alg", json!("HS384"))),
            ("RS256 said, HS256 made", signed("alg", json!("RS256"))),
            ("EdDSA said, HS256 made", signed("alg", json!("EdDSA"))),
            ("an unknown alg", signed("alg", json!("HS1"))),
            ("no alg", signed("alg", Value::Null)),
            ("alg of a wrong type", signed("alg", json!(256))),
            (
                "another key",
                token
                    .clone()
                    .signed(HMAC_SHA256, &signing_key("another secret")),
            ),
            (
                "the secret itself as key",
                token.clone().signed(HMAC_SHA256, SECRET.as_bytes()),
            ),
            ("an empty key", token.clone().signed(HMAC_SHA256, b"")),
            ("typ JWT", signed("typ", json!("JWT"))),
            ("no typ", signed("typ", Value::Null)),
            ("typ of a wrong type", signed("typ", json!(["at+jwt"]))),
            ("no kid", signed("kid", Value::Null)),
            ("an unknown kid", signed("kid", json!("../../dev/null"))),
            ("kid of a wrong type", signed("kid", json!(1))),
            ("crit", signed("crit", json!(["exp"]))),
        ];
        for (what, token) in &forged {
            assert_bearer_rejected(&app, token, "INVALID", what).await;
        }
        assert_eq!(app.with_token(&tokens.access).me().await["email"], ADA);
    }

    /// Every claim must be there, of the right type, and ours.
    async fn a_token_with_wrong_claims_is_refused(deployment: Deployment) {
        let app = deployment.start().await;
        let tokens = app.sign_up(ADA).await;
        let other = app.sign_up("eve@example.com").await;
        let (token, key) = (Jwt::read(&tokens.access), signing_key(SECRET));
        let with =
            |name: &str, value: Value| token.clone().claim(name, value).signed(HMAC_SHA256, &key);
        for name in CLAIMS {
            assert_bearer_rejected(
                &app,
                &with(name, Value::Null),
                "INVALID",
                &format!("no {name}"),
            )
            .await;
        }
        let now = app.clock.now().timestamp();
        let wrong = [
            ("sub", json!(1)),
            ("sub", json!("ada")),
            ("sub", json!("")),
            ("sub", json!(other.user_id)),
            ("sub", json!(some_id())),
            ("email", json!(1)),
            ("teams", json!("x")),
            ("teams", json!([1])),
            ("teams", json!({})),
            ("roles", json!("superuser")),
            ("roles", json!([1])),
            ("sid", json!(1)),
            ("sid", json!("x")),
            ("jti", json!([])),
            ("jti", json!("x")),
            ("iss", json!("https://evil.example")),
            ("iss", json!("")),
            ("iss", json!(["http://localhost:8000"])),
            ("iss", json!({})),
            ("aud", json!("Other")),
            ("aud", json!("gatelodge")),
            ("aud", json!("")),
            ("aud", json!([])),
            ("aud", json!(["Gatelodge"])),
            ("aud", json!(1)),
            ("iat", json!("now")),
            ("iat", json!(-1.5)),
            ("iat", json!(now + 3600)),
            ("iat", json!(i64::MAX)),
            ("exp", json!("never")),
            ("exp", json!(1.5)),
            ("exp", json!(u64::MAX)),
            ("exp", json!(1e300)),
            ("exp", json!([])),
            ("exp", json!(true)),
            ("exp", json!(-1)),
            ("exp", json!(i64::MIN)),
        ];
        for (name, value) in wrong {
            assert_bearer_rejected(
                &app,
                &with(name, value.clone()),
                "INVALID",
                &format!("{name} {value}"),
            )
            .await;
        }
        for exp in [now, now - 1, 0] {
            assert_bearer_rejected(
                &app,
                &with("exp", json!(exp)),
                "EXPIRED",
                &format!("exp {exp}"),
            )
            .await;
        }
        assert_bearer_rejected(
            &app,
            &with("sid", json!(some_id())),
            "REVOKED",
            "a session that never was",
        )
        .await;
        // The session of one account does not serve another.
        let theirs = Jwt::read(&other.access).claims["sid"].clone();
        assert_bearer_rejected(
            &app,
            &with("sid", theirs),
            "INVALID",
            "somebody else's session",
        )
        .await;
        // What else a token says does not matter.
        let more = with("nbf", json!(now + 3600));
        assert_eq!(app.with_token(&more).me().await["email"], ADA);
        let roles = with("roles", json!(["superuser"]));
        let me = app
            .with_token(&roles)
            .run("{ me { isSuperuser } }", json!({}))
            .await;
        assert_eq!(me["me"]["isSuperuser"], false);
    }

    /// What is no token at all is told like a forged one, and is never an error of the server.
    async fn garbage_is_refused(deployment: Deployment) {
        let app = deployment.start().await;
        let tokens = app.sign_up(ADA).await;
        let base64 = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let header = tokens.access.split_once('.').unwrap().0;
        let key = signing_key(SECRET);
        let odd = |claims: Value| {
            Jwt {
                claims,
                ..Jwt::read(&tokens.access)
            }
            .signed(HMAC_SHA256, &key)
        };
        let long = "A".repeat(6_000);
        let garbage = [
            "",
            "x",
            ".",
            "..",
            "...",
            "a.b.c",
            "null",
            "{}",
            &long,
            &format!("{header}.{long}.{long}"),
            &format!("{}.{}.{}", base64("null"), base64("{}"), base64("x")),
            &format!("{}.{}.x", base64("{\"alg\":"), base64("{}")),
            &odd(json!([])),
            &odd(json!("x")),
            &odd(Value::Null),
            &odd(json!({})),
            &tokens.refresh,
            &format!("{0} {0}", tokens.access),
            &format!("\"{}\"", tokens.access),
        ];
        for token in garbage {
            assert_bearer_rejected(&app, token, "INVALID", token).await;
        }
        let headers = [
            "",
            "Bearer",
            "Basic YTpi",
            "Token x",
            &tokens.access,
            "Bearer\tx",
            "bearer: x",
        ];
        for header in headers {
            assert_authorization_rejected(&app, header.as_bytes(), "INVALID", header).await;
        }
        assert_authorization_rejected(
            &app,
            b"Bearer \xff\xfe",
            "INVALID",
            "bytes that are no text",
        )
        .await;
        assert_authorization_rejected(&app, "Bearer ä".as_bytes(), "INVALID", "beyond ASCII").await;
        // The scheme is written in any case.
        let request = app.request(Method::POST, "/graphql");
        let request = request.header("authorization", format!("bEARER  {}", tokens.access));
        let answer = Response::of(request.json(&json!({ "query": "{ me { email } }" }))).await;
        assert_eq!(answer.json()["data"]["me"]["email"], ADA);
    }
}
