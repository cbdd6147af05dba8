//! Patterns that raise an event of their own: once for a window, over all processes, and without
//! anything being refused because of them.

use serde_json::{Value, json};

use crate::support::client::error_codes;
use crate::support::deployment::Deployment;
use crate::support::flow::wrong_code;
use crate::support::process::Process;
use crate::support::smtp::{SmtpOptions, SmtpServer};
use crate::support::{eventually, on_both_deployments};

const ADA: &str = "ada@example.com";
const SETTINGS: [(&str, &str); 6] = [
    ("LOG_FORMAT", "json"),
    ("SUSPICIOUS_FAILURES_PER_ADDRESS", "3"),
    ("SUSPICIOUS_FAILURES_PER_IP", "5"),
    ("SUSPICIOUS_ADDRESSES_PER_IP", "4"),
    ("SUSPICIOUS_DEAD_CODES", "2"),
    ("MAX_VERIFICATION_ATTEMPTS", "100"),
];

/// The suspicious events in a log, in their order.
fn told(process: &Process) -> Vec<Value> {
    let output = process.output();
    let lines = output.lines().filter(|line| line.contains("\"suspicious_"));
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Waits for an event; its line.
async fn wait_for(process: &Process, event: &str) -> Value {
    eventually(event, async || {
        told(process)
            .into_iter()
            .find(|line| line["event"] == event)
    })
    .await
}

fn names(process: &Process) -> Vec<String> {
    let lines = told(process);
    let mut names: Vec<_> = lines
        .iter()
        .map(|line| line["event"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

async fn fail_login(process: &Process, email: &str) {
    let input = json!({ "email": email, "password": "not the password" });
    let payload = process
        .mutate("login", input, "session { accessToken }")
        .await;
    assert_eq!(error_codes(&payload), ["INVALID_CREDENTIALS"]);
}

on_both_deployments! {
    /// Wrong codes for one address are told when they are as many as the setting says, and not
    /// again; then those of the network. Each goes on being answered as it was.
    async fn many_wrong_codes_are_reported_once(deployment: Deployment) {
        let process = deployment.spawn(&[], &SETTINGS).await;
        process.request_signup_code(ADA, "Ada").await;
        let code = process.code(ADA).await;
        for n in 0..2 {
            process.verify_signup_code(ADA, &wrong_code(&code, n)).await;
        }
        // The marker: whatever the wrong codes led to was counted before it.
        fail_login(&process, "marker@example.com").await;
        assert_eq!(names(&process), [""; 0]);
        for n in 2..4 {
            let answer = process.verify_signup_code(ADA, &wrong_code(&code, n)).await;
            assert_eq!(error_codes(&answer), ["INVALID_CODE"]);
        }
        let line = wait_for(&process, "suspicious_codes_for_address").await;
        assert_eq!((&line["email"], &line["limit"]), (&json!(ADA), &json!(3)), "{line}");
        assert_eq!((&line["level"], &line["security"]), (&json!(50), &json!(true)), "{line}");
        assert!(line["request_id"].is_string() && line["ip_address"] == "127.0.0.1", "{line}");

        for n in 4..7 {
            process.verify_signup_code("grace@example.com", &wrong_code(&code, n)).await;
        }
        let line = wait_for(&process, "suspicious_codes_from_ip").await;
        assert_eq!((&line["email"], &line["limit"]), (&Value::Null, &json!(5)), "{line}");
        wait_for(&process, "suspicious_codes_for_address").await;
        let signed_up = process.verify_signup_code(ADA, &code).await;
        assert_eq!(error_codes(&signed_up), [""; 0], "nothing was blocked");
        let grace = eventually("Grace's event", async || {
            let lines = told(&process);
            (lines.len() == 3).then_some(lines)
        })
        .await;
        assert_eq!(grace.iter().filter(|line| line["email"] == ADA).count(), 1, "{grace:?}");
    }

    /// So are failed logins, for addresses with and without an account alike.
    async fn many_failed_logins_are_reported_once(deployment: Deployment) {
        let process = deployment.spawn(&[], &SETTINGS).await;
        for _ in 0..4 {
            fail_login(&process, ADA).await;
        }
        wait_for(&process, "suspicious_logins_for_address").await;
        for n in 0..3 {
            fail_login(&process, &format!("other{n}@example.com")).await;
        }
        wait_for(&process, "suspicious_logins_from_ip").await;
        assert_eq!(names(&process), ["suspicious_logins_for_address", "suspicious_logins_from_ip"]);
    }

    /// Used codes tried again are told apart from wrong ones.
    async fn reused_codes_are_reported(deployment: Deployment) {
        let process = deployment.spawn(&[], &SETTINGS).await;
        process.request_signup_code(ADA, "Ada").await;
        let code = process.code(ADA).await;
        process.verify_signup_code(ADA, &code).await;
        for _ in 0..3 {
            process.verify_signup_code(ADA, &code).await;
        }
        wait_for(&process, "suspicious_dead_codes_for_address").await;
        wait_for(&process, "suspicious_dead_codes_from_ip").await;
        assert_eq!(names(&process).len(), 2);
    }

    /// A network that asks for codes for many addresses is told; one that asks again and again
    /// for the same is not.
    async fn codes_for_many_addresses_are_reported(deployment: Deployment) {
        let server = SmtpServer::start(SmtpOptions::default());
        let process = deployment.spawn(&[], &server.settings(&SETTINGS)).await;
        for _ in 0..5 {
            process.request_signup_code(ADA, "Ada").await;
        }
        for name in ["grace", "edsger"] {
            process.request_signup_code(&format!("{name}@example.com"), "Ada").await;
        }
        fail_login(&process, "marker@example.com").await;
        assert_eq!(names(&process), [""; 0]);
        process.request_signup_code("barbara@example.com", "Ada").await;
        let line = wait_for(&process, "suspicious_addresses_from_ip").await;
        assert_eq!((&line["email"], &line["limit"]), (&Value::Null, &json!(4)), "{line}");
    }

    /// A threshold of 0 is never reached.
    async fn anomaly_detection_can_be_disabled(deployment: Deployment) {
        let mut settings = SETTINGS.to_vec();
        settings.push(("SUSPICIOUS_FAILURES_PER_ADDRESS", "0"));
        let process = deployment.spawn(&[], &settings).await;
        for _ in 0..6 {
            fail_login(&process, ADA).await;
        }
        wait_for(&process, "suspicious_logins_from_ip").await;
        assert_eq!(names(&process), ["suspicious_logins_from_ip"]);
    }
}

/// An attack that is spread over two processes is seen as the one that it is.
#[tokio::test(flavor = "multi_thread")]
async fn anomalies_are_counted_across_processes() {
    let deployment = Deployment::clustered().await;
    let one = deployment.spawn(&[], &SETTINGS).await;
    let other = deployment.spawn(&[], &SETTINGS).await;
    for process in [&one, &other, &one, &other] {
        fail_login(process, ADA).await;
    }
    let both = async || {
        let mut names = names(&one);
        names.extend(self::names(&other));
        (!names.is_empty()).then_some(names)
    };
    let told = eventually("the event", both).await;
    assert_eq!(told, ["suspicious_logins_for_address"]);
}

/// A network that is over its limit leaves nothing behind for each address that it names: else it
/// could fill the memory of Redis, or of the process, with as many as it likes.
#[tokio::test(flavor = "multi_thread")]
async fn rejected_requests_are_not_counted_as_signals() {
    let deployment = Deployment::clustered().await;
    let mut settings = SETTINGS.to_vec();
    settings.push(("MAX_CODE_REQUESTS_PER_HOUR_PER_IP", "1"));
    let process = deployment.spawn(&[], &settings).await;
    process.request_signup_code(ADA, "Ada").await;
    for n in 0..5 {
        let input = json!({ "email": format!("a{n}@example.com"), "name": "A" });
        let address = json!({ "email": input["email"] });
        for (field, input, selection) in [
            ("requestSignupCode", input, "challenge { email }"),
            ("requestPasswordReset", address, "message"),
        ] {
            let payload = process.mutate(field, input, selection).await;
            assert_eq!(error_codes(&payload), ["RATE_LIMITED"], "{field}");
        }
    }
    let redis = deployment.redis.as_ref().unwrap();
    let remembered = async || redis.keys("*address_of_ip*").await;
    eventually("the first address", async || {
        (!remembered().await.is_empty()).then_some(())
    })
    .await;
    // The marker: what was noticed before it has been counted.
    for _ in 0..3 {
        fail_login(&process, "marker@example.com").await;
    }
    wait_for(&process, "suspicious_logins_for_address").await;
    assert_eq!(remembered().await.len(), 1);
}
