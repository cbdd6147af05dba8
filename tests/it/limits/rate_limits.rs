//! How often something may be done, by whom, and what is said to whoever does it more often.

use std::fmt::Write;

use chrono::Duration;
use gatelodge::testing::app::Role;
use serde_json::{Value, json};

use crate::support::client::{assert_error, error_codes};
use crate::support::deployment::Deployment;
use crate::support::flow::{Flow, wrong_code};
use crate::support::on_both_deployments;

const ADA: &str = "ada@example.com";

/// The seconds a payload asks to wait.
fn retry_after(payload: &Value) -> i64 {
    let error = assert_error(payload, "RATE_LIMITED", "");
    assert_eq!(error["__typename"], "RateLimitedError");
    error["retryAfterSeconds"].as_i64().unwrap()
}

on_both_deployments! {
    /// Five codes an hour for one address, sign-up and login together; then it is said how long to
    /// wait, and waiting that long helps.
    async fn code_requests_are_limited_per_address(deployment: Deployment) {
        deployment.clock.freeze();
        let app = deployment.start().await.allow_unread_mail();
        app.sign_up(ADA).await;
        for _ in 0..4 {
            assert_eq!(app.request_login_code(ADA).await["errors"], json!([]));
        }
        let wait = retry_after(&app.request_login_code(ADA).await);
        assert_eq!(wait, 3600);
        retry_after(&app.request_signup_code(" Ada@Example.com", "Ada").await);
        assert_eq!(
            app.request_signup_code("grace@example.com", "Grace").await["errors"],
            json!([])
        );
        assert_eq!(
            deployment
                .count(&format!("outbox_mails WHERE recipient = '{ADA}'"))
                .await,
            5
        );

        app.clock.advance(Duration::minutes(50));
        let wait = retry_after(&app.request_login_code(ADA).await);
        assert_eq!(wait, 600);
        app.clock.advance(Duration::seconds(wait));
        assert_eq!(app.request_login_code(ADA).await["errors"], json!([]));
    }

    /// An address without an account counts like one that has one, so that the limit tells nothing.
    async fn unknown_addresses_are_counted_too(deployment: Deployment) {
        let app = deployment
            .start_with(&[("MAX_CODE_REQUESTS_PER_HOUR", "3")])
            .await;
        app.sign_up(ADA).await;
        for _ in 0..2 {
            assert_error(
                &app.request_signup_code(ADA, "Eve").await,
                "EMAIL_TAKEN",
                "email",
            );
        }
        for _ in 0..3 {
            assert_error(
                &app.request_login_code("nobody@example.com").await,
                "ACCOUNT_NOT_FOUND",
                "email",
            );
        }
        retry_after(&app.request_signup_code(ADA, "Eve").await);
        retry_after(&app.request_login_code("nobody@example.com").await);
    }

    /// What is wrong with the input is said before anything is counted.
    async fn a_malformed_request_is_not_counted(deployment: Deployment) {
        let app = deployment
            .start_with(&[("MAX_CODE_REQUESTS_PER_HOUR", "1")])
            .await;
        for _ in 0..3 {
            assert_error(
                &app.request_signup_code(ADA, " ").await,
                "INVALID_NAME",
                "name",
            );
        }
        app.sign_up(ADA).await;
    }

    /// Aliases in one document cost as much as requests of their own.
    async fn each_alias_counts_as_a_request(deployment: Deployment) {
        let app = deployment.start().await.allow_unread_mail();
        let mut document = String::from("mutation {");
        for n in 0..8 {
            write!(
                document,
                " a{n}: requestSignupCode(input: {{ email: \"{ADA}\", name: \"Ada\" }}) \
                {{ challenge {{ email }} errors {{ code }} }}"
            )
            .unwrap();
        }
        document.push('}');
        let data = app.run(&document, json!({})).await;
        let answers: Vec<_> = data.as_object().unwrap().values().collect();
        assert_eq!(answers.len(), 8);
        assert_eq!(
            answers
                .iter()
                .filter(|answer| answer["errors"] == json!([]))
                .count(),
            5
        );
        let limited = answers
            .iter()
            .filter(|answer| error_codes(answer) == ["RATE_LIMITED"]);
        assert_eq!(limited.count(), 3);
        assert_eq!(deployment.count("outbox_mails").await, 5);
    }

    /// Fifty requests at once are counted one by one.
    async fn concurrent_requests_do_not_exceed_the_limit(deployment: Deployment) {
        let settings = [("MAX_CODE_REQUESTS_PER_HOUR_PER_IP", "1000")];
        for attempt in 0..5 {
            let process = deployment.spawn(&[], &settings).await;
            let email = format!("ada{attempt}@example.com");
            let requests = (0..50).map(|_| process.request_signup_code(&email, "Ada"));
            let answers = futures::future::join_all(requests).await;
            let let_through = answers.iter().filter(|answer| answer["errors"] == json!([]));
            let let_through = let_through.count();
            if let_through == 5 {
                return;
            }
            // On a busy machine Redis may answer too late. Then the process counts that request
            // alone and logs it, and this attempt proves nothing.
            assert!(let_through > 5, "{let_through}");
            process.wait_for("limiter_degraded").await;
        }
        panic!("Redis answered too late in each attempt");
    }

    /// One network asks for so many codes an hour, for whichever addresses; another network and
    /// the budgets of the addresses are not touched by what it is refused.
    async fn code_requests_are_limited_per_network(deployment: Deployment) {
        deployment.clock.freeze();
        let app = deployment
            .start_with(&[
                ("MAX_CODE_REQUESTS_PER_HOUR_PER_IP", "7"),
                ("MAX_CODE_REQUESTS_PER_HOUR", "2"),
            ])
            .await
            .allow_unread_mail();
        for n in 0..7 {
            let answer = app
                .request_signup_code(&format!("ada{n}@example.com"), "Ada")
                .await;
            assert_eq!(answer["errors"], json!([]));
        }
        for _ in 0..3 {
            let wait = retry_after(&app.request_signup_code(ADA, "Ada").await);
            assert_eq!(wait, 3600);
        }
        retry_after(&app.request_login_code("nobody@example.com").await);

        let elsewhere = app.with_ip("127.0.0.2");
        for _ in 0..2 {
            assert_eq!(
                elsewhere.request_signup_code(ADA, "Ada").await["errors"],
                json!([])
            );
        }
        retry_after(&elsewhere.request_signup_code(ADA, "Ada").await);

        app.clock.advance(Duration::hours(1));
        assert_eq!(
            app.request_signup_code(ADA, "Ada").await["errors"],
            json!([])
        );
    }

    /// Forwarding headers are not believed from just anybody.
    async fn forwarding_headers_do_not_change_the_network(deployment: Deployment) {
        let app = deployment
            .start_with(&[("MAX_CODE_REQUESTS_PER_HOUR_PER_IP", "1")])
            .await
            .allow_unread_mail();
        assert_eq!(
            app.request_signup_code(ADA, "Ada").await["errors"],
            json!([])
        );
        let query = "mutation { \
            requestSignupCode(input: { email: \"b@example.com\", name: \"B\" }) \
            { challenge { email } errors { code field } } }";
        for header in [
            "x-forwarded-for",
            "forwarded",
            "x-real-ip",
            "cf-connecting-ip",
        ] {
            let request = app
                .request(reqwest::Method::POST, "/graphql")
                .header(header, "192.0.2.1");
            let answer =
                crate::support::client::Response::of(request.json(&json!({ "query": query }))).await;
            assert_error(
                &answer.json()["data"]["requestSignupCode"],
                "RATE_LIMITED",
                "",
            );
        }
    }

    /// One guess on each of many accounts is still many guesses. A right code is not a guess, and
    /// neither does it make up for the guesses before.
    async fn wrong_codes_are_limited_per_network(deployment: Deployment) {
        deployment.clock.freeze();
        let app = deployment
            .start_with(&[("MAX_VERIFICATIONS_PER_15_MINUTES_PER_IP", "4")])
            .await;
        for n in 0..6 {
            app.sign_up(&format!("ada{n}@example.com")).await;
        }
        let code = Flow::Login.code(&app, "ada0@example.com").await;
        let wrong = wrong_code(&code, 0);
        for n in 1..4 {
            let answer = app
                .verify_login_code(&format!("nobody{n}@example.com"), "123456")
                .await;
            assert_error(&answer, "INVALID_CODE", "code");
        }
        // The fourth guess is this one, and the right code before it changes nothing.
        app.log_in("ada1@example.com").await;
        assert_error(
            &app.verify_login_code("ada0@example.com", &wrong).await,
            "INVALID_CODE",
            "code",
        );
        let wait = retry_after(&app.verify_login_code("ada0@example.com", &code).await);
        assert_eq!(wait, 900);
        retry_after(&app.verify_signup_code("ada0@example.com", "").await);
        let attempts: i32 = deployment
            .value(
                "SELECT attempts FROM verification_codes
                WHERE purpose = 'login' AND used_at IS NULL",
            )
            .await;
        assert_eq!(
            attempts, 1,
            "what is refused for its network is not compared"
        );

        app.clock.advance(Duration::minutes(14));
        let elsewhere = app
            .with_ip("127.0.0.2")
            .verify_login_code("ada0@example.com", &code)
            .await;
        assert_ne!(elsewhere["session"], Value::Null);
        app.clock.advance(Duration::minutes(1));
        app.log_in("ada0@example.com").await;
    }
}

/// Two processes count together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_share_rate_limits() {
    let deployment = Deployment::clustered().await;
    let one = deployment.start().await.allow_unread_mail();
    let other = deployment.start_as(Role::Serve, &[]).await;
    for client in [&one, &other, &one, &other, &one] {
        assert_eq!(
            client.request_signup_code(ADA, "Ada").await["errors"],
            json!([])
        );
    }
    retry_after(&one.request_signup_code(ADA, "Ada").await);
    retry_after(&other.request_signup_code(ADA, "Ada").await);
}

/// Without Redis each process counts for itself, and people do not wait for it, whether it is
/// gone or hangs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rate_limits_hold_without_redis() {
    let deployment = Deployment::with_own_redis().await;
    let app = deployment.start().await.allow_unread_mail();
    assert_eq!(
        app.request_signup_code(ADA, "Ada").await["errors"],
        json!([])
    );
    for (hangs, email) in [(true, "paused@example.com"), (false, "killed@example.com")] {
        let redis = deployment.redis_server();
        if hangs {
            redis.pause();
        } else {
            redis.resume();
            redis.kill();
        }
        for n in 0..7 {
            let answer = app.request_signup_code(email, "Ada").await;
            if n < 5 {
                assert_eq!(answer["errors"], json!([]));
            } else {
                retry_after(&answer);
            }
        }
    }
    deployment.redis_server().restart().await;
    let again = crate::support::eventually("the shared counters to be used again", async || {
        let answer = app.request_login_code("nobody@example.com").await;
        let dump = deployment.redis.as_ref().unwrap().dump().await;
        dump.contains("gatelodge:limit:").then_some(answer)
    })
    .await;
    assert!(
        matches!(error_codes(&again)[0], "ACCOUNT_NOT_FOUND" | "RATE_LIMITED"),
        "{again}"
    );
}
