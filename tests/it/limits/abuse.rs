//! Limits cannot be dodged: not by one document with many fields, not by many addresses, not by
//! many networks; and they end when they say.

use std::fmt::Write;

use chrono::Duration;
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::client::{Response, error_codes};
use crate::support::deployment::Deployment;
use crate::support::on_both_deployments;

const ADA: &str = "ada@example.com";
const PROXY: (&str, &str) = ("TRUSTED_PROXIES", "127.0.0.0/8");

/// A mutation with so many fields, each for an address of its own.
fn many_addresses(fields: usize) -> String {
    let mut document = String::from("mutation {");
    for n in 0..fields {
        write!(
            document,
            " a{n}: requestSignupCode(input: {{ email: \"ada{n}@example.com\", name: \"Ada\" }}) \
            {{ errors {{ code }} }}"
        )
        .unwrap();
    }
    document + "}"
}

/// Asks for a login code as a client behind the proxy.
async fn login_code_from(app: &TestApp, ip: &str, email: &str) -> Value {
    let query = "mutation($email: String!) { requestLoginCode(input: { email: $email }) \
        { errors { code ... on RateLimitedError { retryAfterSeconds } } } }";
    let body = json!({ "query": query, "variables": { "email": email } });
    let request = app.request(reqwest::Method::POST, "/graphql");
    let answer = Response::of(request.header("x-forwarded-for", ip).json(&body)).await;
    answer.json()["data"]["requestLoginCode"].clone()
}

on_both_deployments! {
    /// Ten addresses in one document are ten requests of one network.
    async fn many_addresses_in_one_document_count_one_each(deployment: Deployment) {
        let settings = [("MAX_CODE_REQUESTS_PER_HOUR_PER_IP", "4")];
        let app = deployment.start_with(&settings).await.allow_unread_mail();
        let data = app.run(&many_addresses(10), json!({})).await;
        let answers = data.as_object().unwrap().values();
        let served = answers.filter(|answer| answer["errors"] == json!([])).count();
        assert_eq!(served, 4);
        assert_eq!(deployment.count("outbox_mails").await, 4);
    }

    /// A batch is refused as a whole: nothing of it happens.
    async fn batches_run_nothing(deployment: Deployment) {
        let app = deployment.start().await;
        let one = json!({ "query": many_addresses(1) });
        let batch = Value::Array(vec![one; 20]);
        let request = app.request(reqwest::Method::POST, "/graphql").json(&batch);
        assert_eq!(Response::of(request).await.status, 400);
        assert_eq!(deployment.count("outbox_mails").await, 0);
    }

    /// Twenty networks together send one address no more codes than one network would.
    async fn an_address_has_one_limit_for_all_networks(deployment: Deployment) {
        let app = deployment.start_with(&[PROXY]).await.allow_unread_mail();
        app.sign_up(ADA).await;
        let mut served = 1;
        for n in 0..20 {
            let answer = login_code_from(&app, &format!("203.0.113.{n}"), ADA).await;
            served += usize::from(answer["errors"] == json!([]));
        }
        assert_eq!(served, 5);
    }

    /// Whoever has a /64 has 2^64 addresses, and one limit.
    async fn an_ipv6_prefix_is_one_network(deployment: Deployment) {
        let settings = [PROXY, ("MAX_CODE_REQUESTS_PER_HOUR_PER_IP", "3")];
        let app = deployment.start_with(&settings).await;
        let mut limited = 0;
        for n in 0..8 {
            let ip = format!("2001:db8:7:7:{n}::{n}");
            let answer = login_code_from(&app, &ip, &format!("nobody{n}@example.com")).await;
            limited += usize::from(error_codes(&answer) == ["RATE_LIMITED"]);
        }
        assert_eq!(limited, 5);
        let neighbour = login_code_from(&app, "2001:db8:7:8::1", "nobody@example.com").await;
        assert_eq!(error_codes(&neighbour), ["ACCOUNT_NOT_FOUND"]);
    }

    /// Waiting as long as one is told is enough, and a little less is not: for the limit of an
    /// address and for that of a network.
    async fn retry_after_is_exact(deployment: Deployment) {
        deployment.clock.freeze();
        let settings = [
            PROXY,
            ("MAX_CODE_REQUESTS_PER_HOUR", "2"),
            ("MAX_CODE_REQUESTS_PER_HOUR_PER_IP", "2"),
        ];
        let app = deployment.start_with(&settings).await;
        let wait = |answer: &Value| {
            assert_eq!(error_codes(answer), ["RATE_LIMITED"], "{answer}");
            answer["errors"][0]["retryAfterSeconds"].as_i64().unwrap()
        };
        for (by_network, ip) in [(true, "203.0.113.1"), (false, "203.0.113.2")] {
            let ask = async |n: usize| {
                if by_network {
                    login_code_from(&app, ip, &format!("nobody{n}@example.com")).await
                } else {
                    login_code_from(&app, &format!("198.51.100.{n}"), "nobody@example.com").await
                }
            };
            ask(0).await;
            app.clock.advance(Duration::minutes(7));
            ask(1).await;
            let seconds = wait(&ask(2).await);
            assert_eq!(seconds, 53 * 60);
            app.clock.advance(Duration::seconds(seconds - 1));
            let rest = wait(&ask(3).await);
            assert_eq!(rest, 1);
            app.clock.advance(Duration::seconds(rest));
            assert_eq!(error_codes(&ask(4).await), ["ACCOUNT_NOT_FOUND"]);
            app.clock.advance(Duration::hours(2));
        }
    }
}
