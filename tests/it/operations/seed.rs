//! `gatelodge seed`, and the banner of a development server.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::Response;
use crate::support::deployment::Deployment;
use crate::support::{on_both_deployments, process};

async fn seed(deployment: &Deployment, settings: &[(&str, &str)]) -> std::process::Output {
    let mut command = process::command(deployment.path(), &deployment.variables(settings));
    command.args(["seed", "--json"]);
    process::output(command).await
}

async fn accounts(deployment: &Deployment) -> Vec<Value> {
    let output = seed(deployment, &[]).await;
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    report["accounts"].as_array().unwrap().clone()
}

on_both_deployments! {
    /// Seeded users can log in with the printed password and are in the printed teams. A second run
    /// changes nothing.
    async fn seeded_users_can_log_in(deployment: Deployment) {
        let app = deployment.start().await;
        let seeded = accounts(&deployment).await;
        assert!(seeded.len() >= 3);
        for account in &seeded {
            let text = |field: &str| account[field].as_str().unwrap();
            let tokens = app.password_login(text("email"), text("password")).await;
            let client = app.with_token(&tokens.access);
            let me = client.run("{ me { emailVerified isSuperuser } }", json!({})).await;
            assert_eq!(me["me"]["emailVerified"], true);
            assert_eq!(me["me"]["isSuperuser"], account["isSuperuser"]);
            let mut teams: Vec<_> = client.teams().await.into_iter().map(|(name, _)| name).collect();
            teams.sort();
            let mut expected: Vec<_> = account["teams"].as_array().unwrap().iter()
                .map(|name| name.as_str().unwrap().to_owned()).collect();
            expected.sort();
            assert_eq!(teams, expected, "{account}");
        }
        for account in accounts(&deployment).await {
            assert_eq!((&account["isNew"], &account["password"]), (&json!(false), &Value::Null));
        }
        let first = &seeded[0];
        let tokens = app.password_login(first["email"].as_str().unwrap(), first["password"].as_str().unwrap()).await;
        let teams = app.with_token(&tokens.access).teams().await;
        assert_eq!(teams.len(), first["teams"].as_array().unwrap().len());
    }
}

#[tokio::test]
async fn production_is_not_seeded() {
    let deployment = Deployment::embedded().await;
    let output = seed(&deployment, &PRODUCTION).await;
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("APP_ENV is production"), "{error}");
    assert_eq!(deployment.count("users").await, 0);
}

const PRODUCTION: [(&str, &str); 7] = [
    ("APP_ENV", "production"),
    ("APP_URL", "https://app.example.com"),
    ("EMAIL_SERVICE", "smtp"),
    ("SMTP_HOST", "127.0.0.1"),
    ("SMTP_PORT", "1"),
    ("EMAIL_FROM_ADDRESS", "ada@gatelodge.invalid"),
    ("BCRYPT_COST", "10"),
];

/// Every URL in the banner works.
#[tokio::test]
async fn a_development_server_prints_a_banner() {
    let deployment = Deployment::embedded().await;
    let server = deployment.spawn(&[], &[]).await;
    let output = server.output();
    let (_, port) = server.address().rsplit_once(':').unwrap();
    let base = format!("http://localhost:{port}");
    let paths: Vec<_> = output
        .split_whitespace()
        .filter_map(|word| word.strip_prefix(&*base))
        .collect();
    assert_eq!(
        paths,
        ["/", "/demo", "/graphql", "/dev/mailbox", "/readyz"],
        "{output}"
    );
    for path in paths {
        let request = server
            .request(Method::GET, path)
            .header("accept", "text/html");
        let response = Response::of(request).await;
        assert_eq!(response.status, 200, "{path}: {}", response.text);
    }
}

/// In production and with `LOG_FORMAT=json`, standard output has only log lines.
#[tokio::test]
async fn production_prints_no_banner() {
    for settings in [&[("LOG_FORMAT", "json")][..], &PRODUCTION] {
        let deployment = Deployment::embedded().await;
        let server = deployment.spawn(&[], settings).await;
        for line in server.output().lines() {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
            assert!(line["event"].is_string());
        }
    }
    let text = [("LOG_FORMAT", "text")];
    let settings = [&PRODUCTION[..], &text].concat();
    let deployment = Deployment::embedded().await;
    let server = deployment.spawn(&[], &settings).await;
    for line in server.output().lines() {
        let is_log_line = line.contains(" [INFO] ") || line.contains(" [WARNING] ");
        assert!(is_log_line, "{line}");
    }
}
