//! Guessing while Redis is away.

use serde_json::json;

use crate::support::client::{Client, error_codes};
use crate::support::deployment::Deployment;
use crate::support::flow::wrong_code;
use crate::support::smtp::{SmtpOptions, SmtpServer};

const ADA: &str = "ada@example.com";

/// What came of an answer to a sign-up code.
async fn guess(client: &Client, address: &str, code: &str) -> String {
    let verified = client.verify_signup_code(address, code).await;
    error_codes(&verified).concat()
}

/// The answers that a code takes are counted in the database: with Redis killed after the second,
/// there are five of them over two processes all the same, and the right one comes too late.
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
    // Ten guesses at once.
    let guesses = (2..12).map(|n| {
        let client: &Client = if n % 2 == 0 { &one } else { &other };
        let wrong = wrong_code(&code, n);
        async move { guess(client, ADA, &wrong).await }
    });
    let answers = futures::future::join_all(guesses).await;
    let compared = answers.iter().filter(|code| *code == "INVALID_CODE");
    assert_eq!(compared.count(), 3, "{answers:?}");
    assert_eq!(guess(&one, ADA, &code).await, "TOO_MANY_ATTEMPTS");
    deployment.redis_server().restart().await;
    assert_eq!(guess(&other, ADA, &code).await, "TOO_MANY_ATTEMPTS");
}

/// The answers that one network may get wrong are counted by each process while Redis is away. So
/// there are at most as many again for each, and not one more for a Redis that comes and goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_is_rate_limited_without_redis() {
    const MAX: usize = 10;
    let deployment = Deployment::with_own_redis().await;
    let max = MAX.to_string();
    let settings = [("MAX_VERIFICATIONS_PER_15_MINUTES_PER_IP", max.as_str())];
    let processes = [
        deployment.spawn(&["serve", "--no-worker"], &settings).await,
        deployment.spawn(&["serve", "--no-worker"], &settings).await,
    ];
    // How many of so many guesses are let through, each for another address.
    let let_through = async |client: &Client, guesses: usize| {
        let mut passed = 0;
        for n in 0..guesses {
            let address = format!("somebody{n}@example.com");
            match &*guess(client, &address, "123456").await {
                "INVALID_CODE" => passed += 1,
                "RATE_LIMITED" => {}
                code => panic!("{code}"),
            }
        }
        passed
    };
    assert_eq!(let_through(&processes[0], MAX - 2).await, MAX - 2);
    deployment.redis_server().kill();
    for process in &processes {
        assert_eq!(let_through(process, 2 * MAX).await, MAX);
        assert_eq!(let_through(process, 5).await, 0);
    }
    processes[0].wait_for("limiter_degraded").await;
    let redis = deployment.redis_server();
    redis.restart().await;
    redis.pause();
    assert_eq!(let_through(&processes[0], 5).await, 0);
    let requested = processes[0].request_signup_code(ADA, "Ada").await;
    assert_eq!(requested["errors"], json!([]), "others go on");
}
