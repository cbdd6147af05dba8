//! Limits on guessing codes while Redis is unavailable.

use serde_json::json;

use crate::support::client::{Client, error_codes};
use crate::support::deployment::Deployment;
use crate::support::flow::wrong_code;
use crate::support::smtp::{SmtpOptions, SmtpServer};

const ADA: &str = "ada@example.com";

/// Submits a sign-up code and returns the error code.
async fn guess(client: &Client, email: &str, code: &str) -> String {
    let verified = client.verify_signup_code(email, code).await;
    error_codes(&verified).concat()
}

/// Attempts are counted in the database. Redis is killed after two of the five attempts; two
/// processes together allow three more, and then reject the correct code.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_attempts_of_a_code_are_limited_with_and_without_redis() {
    let deployment = Deployment::with_own_redis().await;
    let server = SmtpServer::start(SmtpOptions::default());
    let settings = server.settings(&[]);
    let one = deployment.spawn(&[], &settings).await;
    let other = deployment.spawn(&["serve", "--no-worker"], &settings).await;
    one.request_signup_code(ADA, "Ada").await;
    let code = server.mail_to(ADA).await.code();
    for (n, client) in [&one, &other].into_iter().enumerate() {
        let wrong = wrong_code(&code, n as u64);
        assert_eq!(guess(client, ADA, &wrong).await, "INVALID_CODE");
    }
    deployment.redis_server().kill();
    // Ten concurrent guesses.
    let guesses = (2..12).map(|n| {
        let client: &Client = if n % 2 == 0 { &one } else { &other };
        let wrong = wrong_code(&code, n);
        async move { guess(client, ADA, &wrong).await }
    });
    let results = futures::future::join_all(guesses).await;
    let allowed = results.iter().filter(|code| *code == "INVALID_CODE");
    assert_eq!(allowed.count(), 3, "{results:?}");
    assert_eq!(guess(&one, ADA, &code).await, "TOO_MANY_ATTEMPTS");
    deployment.redis_server().restart().await;
    assert_eq!(guess(&other, ADA, &code).await, "TOO_MANY_ATTEMPTS");
}

/// Without Redis, each process counts wrong codes per IP address in memory, from zero. A Redis that
/// restarts and then hangs resets nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ip_address_is_rate_limited_without_redis() {
    const MAX: usize = 10;
    let deployment = Deployment::with_own_redis().await;
    let max = MAX.to_string();
    let settings = [("MAX_VERIFICATIONS_PER_15_MINUTES_PER_IP", max.as_str())];
    let processes = [
        deployment.spawn(&["serve", "--no-worker"], &settings).await,
        deployment.spawn(&["serve", "--no-worker"], &settings).await,
    ];
    // The number of guesses that are not rate limited, each for another email address.
    let allowed = async |client: &Client, guesses: usize| {
        let mut allowed = 0;
        for n in 0..guesses {
            let email = format!("user{n}@example.com");
            match &*guess(client, &email, "123456").await {
                "INVALID_CODE" => allowed += 1,
                "RATE_LIMITED" => {}
                code => panic!("{code}"),
            }
        }
        allowed
    };
    assert_eq!(allowed(&processes[0], MAX - 2).await, MAX - 2);
    deployment.redis_server().kill();
    for process in &processes {
        assert_eq!(allowed(process, 2 * MAX).await, MAX);
        assert_eq!(allowed(process, 5).await, 0);
    }
    processes[0].wait_for("limiter_degraded").await;
    let redis = deployment.redis_server();
    redis.restart().await;
    redis.pause();
    assert_eq!(allowed(&processes[0], 5).await, 0);
    let requested = processes[0].request_signup_code(ADA, "Ada").await;
    assert_eq!(requested["errors"], json!([]));
}
