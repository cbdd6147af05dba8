//! `gatelodge doctor`, run as an operator would.

use std::path::Path;
use std::time::{Duration, Instant};

use gatelodge::testing::config::Variables;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::deployment::Deployment;
use crate::support::smtp::{SmtpOptions, SmtpServer, Tls};
use crate::support::{eventually, free_port, on_both_deployments, process};

/// Less than the timeouts of two checks together: the checks run at the same time.
const AT_MOST: Duration = Duration::from_secs(9);

/// What it found, and its exit code.
struct Report {
    code: i32,
    found: Value,
    took: Duration,
}

impl Report {
    async fn of(directory: &Path, variables: &Variables) -> Self {
        let mut command = process::command(directory, variables);
        command.args(["doctor", "--json"]);
        let begun = Instant::now();
        let output = process::output(command).await;
        let found = serde_json::from_slice(&output.stdout);
        Self {
            code: output.status.code().unwrap(),
            found: found.unwrap_or_else(|error| panic!("{error}: {output:?}")),
            took: begun.elapsed(),
        }
    }

    /// The findings of a check: their states and texts.
    fn all(&self, check: &str) -> Vec<(&str, &str)> {
        let findings = self.found["findings"].as_array().unwrap().iter();
        let of_check = findings.filter(|finding| finding["check"] == check);
        of_check
            .map(|finding| {
                let text = |name: &str| finding[name].as_str().unwrap();
                let is_bad = ["warning", "failed"].contains(&text("state"));
                assert_eq!(is_bad, finding["advice"].is_string(), "{finding}");
                (text("state"), text("found"))
            })
            .collect()
    }

    /// The one finding of a check.
    fn one(&self, check: &str) -> (&str, &str) {
        let all = self.all(check);
        let [one] = &*all else { panic!("{all:?}") };
        *one
    }
}

on_both_deployments! {
    /// Where everything is as it should be it says so and exits with 0; it makes no table and no
    /// file meanwhile.
    async fn a_working_installation_passes(deployment: Deployment) {
        deployment.remove_tables().await;
        let directory = TempDir::new().unwrap();
        let variables = deployment.variables(&[]);
        let before = Report::of(directory.path(), &variables).await;
        if deployment.redis.is_some() {
            assert_eq!((before.code, before.one("migrations").0), (1, "warning"));
        } else {
            assert_eq!(before.code, 0, "{}", before.found);
            assert!(before.one("database").1.contains("does not exist yet"), "{}", before.found);
            assert!(!deployment.path().join("data").exists());
        }

        let _app = deployment.start().await;
        let report = eventually("a worker's sign of life", async || {
            let report = Report::of(directory.path(), &variables).await;
            (report.one("worker").0 == "ok").then_some(report)
        })
        .await;
        assert_eq!((report.code, &report.found["state"]), (0, &json!("ok")), "{}", report.found);
        assert!(report.one("migrations").1.starts_with("all "));
        assert_eq!((report.one("outbox").0, report.one("worker").0), ("ok", "ok"));
        assert_eq!(report.one("mail").0, "skipped");
        assert_eq!(report.one("guessing").0, "ok");
        let (database, redis, clocks) = match &deployment.redis {
            Some(_) => ("PostgreSQL 1", "ok", 2),
            None => ("SQLite 3", "skipped", 0),
        };
        assert!(report.one("database").1.starts_with(database));
        assert_eq!((report.one("redis").0, report.all("clock").len()), (redis, clocks));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    /// Mails that nobody sends for minutes say that no worker runs.
    async fn overdue_mail_is_reported(deployment: Deployment) {
        let app = deployment.start_as(gatelodge::testing::app::Role::Serve, &[]).await;
        app.request_signup_code("ada@example.com", "Ada").await;
        let directory = TempDir::new().unwrap();
        let variables = deployment.variables(&[]);
        let fresh = Report::of(directory.path(), &variables).await;
        assert_eq!(fresh.one("outbox").0, "ok", "{}", fresh.found);
        assert_eq!(fresh.one("worker").0, "warning", "{}", fresh.found);
        let database = deployment.database().await;
        let long_ago = "UPDATE outbox_mails SET next_attempt_at = '2026-01-01 00:00:00+00:00'";
        sea_orm::ConnectionTrait::execute_unprepared(&database, long_ago).await.unwrap();
        let report = Report::of(directory.path(), &variables).await;
        assert_eq!(report.code, 2);
        let (state, found) = report.one("outbox");
        assert!(state == "failed" && found.starts_with("1 mails are overdue"), "{found}");
    }
}

/// Servers that are gone, and ones that hang, are told within seconds, all of them, and without
/// the passwords of their addresses.
#[tokio::test]
async fn unreachable_servers_are_reported_quickly() {
    let hanging = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hangs = hanging.local_addr().unwrap().port();
    let gone = free_port();
    for (port, word) in [(gone, "refused"), (hangs, "no answer within")] {
        let directory = TempDir::new().unwrap();
        let smtp_port = port.to_string();
        let database = format!("postgres://ada:a-canary@127.0.0.1:{port}/x");
        let redis = format!("redis://:a-canary@127.0.0.1:{port}");
        let settings = [
            ("DATABASE_URL", &*database),
            ("REDIS_URL", &redis),
            ("EMAIL_SERVICE", "smtp"),
            ("SMTP_HOST", "127.0.0.1"),
            ("SMTP_PORT", &smtp_port),
            ("SMTP_USERNAME", "ada"),
            ("SMTP_PASSWORD", "a-canary"),
            ("SMTP_USE_TLS", "false"),
            ("EMAIL_FROM_ADDRESS", "ada@gatelodge.invalid"),
            ("JWT_SECRET_KEY", "a-canary-secret-of-more-than-32-bytes"),
            ("LOG_TO_FILE", "false"),
        ];
        let own = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let report = Report::of(directory.path(), &Variables::from(own)).await;
        assert_eq!(report.code, 2);
        assert!(report.took < AT_MOST, "{:?}", report.took);
        for check in ["database", "mail"] {
            let (state, found) = report.one(check);
            assert!(
                state == "failed" && found.contains(word),
                "{check}: {found}"
            );
        }
        assert_eq!(report.one("redis").0, "failed");
        let all = report.found.to_string();
        assert!(!all.contains("canary"), "{all}");
    }
}

/// The login of the mail server is tried, encrypted as set, and no mail is sent.
#[tokio::test]
async fn the_login_at_the_mail_server_is_checked() {
    let password = "swordfish-77";
    let server = SmtpServer::start(SmtpOptions {
        tls: Tls::StartTls,
        login: Some(("ada".to_owned(), password.to_owned())),
        ..SmtpOptions::default()
    });
    let ca = server.ca().unwrap().display().to_string();
    for (given, state) in [(password, "ok"), ("wrong-canary", "failed")] {
        let deployment = Deployment::embedded().await;
        let settings = server.settings(&[("SMTP_PASSWORD", given), ("SSL_CERT_FILE", &ca)]);
        let variables = deployment.variables(&settings);
        let report = Report::of(deployment.path(), &variables).await;
        let (found_state, found) = report.one("mail");
        assert_eq!(found_state, state, "{found}");
        assert!(!report.found.to_string().contains("canary"), "{found}");
    }
    assert_eq!(server.count(), 0);
}

/// What only fits a laptop is told in production, and what only fits production on a laptop.
#[tokio::test]
async fn settings_unfit_for_production_are_reported() {
    let deployment = Deployment::embedded().await;
    let production = [
        ("APP_ENV", "production"),
        ("APP_URL", "https://localhost"),
        ("CORS_ALLOWED_ORIGINS", "http://app.example.com"),
        ("EMAIL_SERVICE", "smtp"),
        ("SMTP_HOST", "127.0.0.1"),
        ("SMTP_PORT", "1"),
        ("EMAIL_FROM_ADDRESS", "ada@gatelodge.invalid"),
        ("BCRYPT_COST", "10"),
        ("CODE_LENGTH", "4"),
    ];
    let variables = deployment.variables(&production);
    let report = Report::of(deployment.path(), &variables).await;
    let told = report.all("settings");
    for (state, text) in [
        ("failed", "APP_URL is https://localhost"),
        ("warning", "CORS_ALLOWED_ORIGINS has http://app.example.com"),
        ("warning", "DATABASE_URL is SQLite"),
        ("warning", "REDIS_URL is not set"),
        ("warning", "CODE_LENGTH is 4"),
    ] {
        let found = told
            .iter()
            .any(|(s, found)| *s == state && found.starts_with(text));
        assert!(found, "{text}: {told:?}");
    }
    assert_eq!(report.one("guessing").0, "warning");

    let variables = deployment.variables(&[("HOST", "0.0.0.0")]);
    let report = Report::of(deployment.path(), &variables).await;
    assert_eq!(report.code, 1);
    let told = report.all("settings");
    assert!(
        told.iter()
            .any(|(_, found)| found.starts_with("HOST is 0.0.0.0")),
        "{told:?}"
    );
}

/// Secrets that every user of the machine can read are told, and so is a log that cannot be
/// written. What Gatelodge makes itself nobody else can read.
#[cfg(unix)]
#[tokio::test]
async fn wrong_file_permissions_are_reported() {
    use std::os::unix::fs::PermissionsExt;

    let directory = TempDir::new().unwrap();
    let set_mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set_mode(directory.path(), 0o755);
    let variables = Variables::from([("PORT".to_owned(), "0".to_owned())]);
    let mut server = process::Process::spawn_in(
        std::sync::Arc::new(TempDir::new_in(directory.path()).unwrap()),
        &[],
        variables.clone(),
    )
    .await;
    set_mode(server.directory.path(), 0o755);
    let report = Report::of(server.directory.path(), &variables).await;
    assert_eq!(report.one("files").0, "ok", "{}", report.found);
    assert_eq!(server.terminate().await.code(), Some(0));

    let secret = server.directory.path().join("jwt.secret");
    std::fs::write(&secret, "a-canary-secret-of-more-than-32-bytes").unwrap();
    set_mode(&secret, 0o644);
    let mut settings = variables;
    for (name, value) in [
        ("JWT_SECRET_KEY_FILE", secret.to_str().unwrap()),
        ("LOG_FILE", "data/gatelodge.db/app.log"),
        ("TLS_CERT_FILE", "nowhere.pem"),
        ("TLS_KEY_FILE", secret.to_str().unwrap()),
    ] {
        settings.insert(name.to_owned(), value.to_owned());
    }
    let report = Report::of(server.directory.path(), &settings).await;
    let told = report.all("files");
    let is_told = |state, part| {
        told.iter()
            .any(|(s, found)| *s == state && found.contains(part))
    };
    assert!(is_told("failed", "TLS_CERT_FILE"), "{told:?}");
    assert!(
        is_told("warning", "jwt.secret") && is_told("failed", "app.log"),
        "{told:?}"
    );
    assert_eq!(report.code, 2);
}

/// Settings that cannot be used are told as by `config check`, with the same exit code.
#[tokio::test]
async fn invalid_settings_have_their_own_exit_code() {
    let directory = TempDir::new().unwrap();
    let variables = Variables::from([("PORT".to_owned(), "99999".to_owned())]);
    let report = Report::of(directory.path(), &variables).await;
    assert_eq!(report.code, 78);
    assert_eq!(report.found["problems"][0]["name"], "PORT");
}
