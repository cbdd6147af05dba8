//! `gatelodge doctor`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gatelodge::testing::app::Role;
use gatelodge::testing::config::Variables;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::support::deployment::Deployment;
use crate::support::smtp::{SmtpOptions, SmtpServer, Tls};
use crate::support::{eventually, free_port, on_both_deployments, process};

struct Report {
    code: i32,
    output: Value,
}

impl Report {
    async fn of(directory: &Path, variables: &Variables) -> Self {
        let mut command = process::command(directory, variables);
        command.args(["doctor", "--json"]);
        let output = process::output(command).await;
        let json = serde_json::from_slice(&output.stdout);
        Self {
            code: output.status.code().unwrap(),
            output: json.unwrap_or_else(|error| panic!("{error}: {output:?}")),
        }
    }

    /// The states and texts of a check's findings.
    fn all(&self, check: &str) -> Vec<(&str, &str)> {
        let findings = self.output["findings"].as_array().unwrap().iter();
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

    /// The only finding of a check.
    fn one(&self, check: &str) -> (&str, &str) {
        let all = self.all(check);
        let [one] = &*all else { panic!("{all:?}") };
        *one
    }
}

on_both_deployments! {
    /// The command creates no table and no file.
    async fn a_working_installation_passes(deployment: Deployment) {
        deployment.remove_tables().await;
        let directory = TempDir::new().unwrap();
        let variables = deployment.variables(&[]);
        let before = Report::of(directory.path(), &variables).await;
        if deployment.redis.is_some() {
            assert_eq!((before.code, before.one("migrations").0), (1, "warning"));
        } else {
            assert_eq!(before.code, 0, "{}", before.output);
            assert!(before.one("database").1.contains("does not exist yet"), "{}", before.output);
            assert!(!deployment.path().join("data").exists());
        }

        let _app = deployment.start().await;
        let report = eventually("a worker's heartbeat", async || {
            let report = Report::of(directory.path(), &variables).await;
            (report.one("worker").0 == "ok").then_some(report)
        })
        .await;
        assert_eq!((report.code, &report.output["state"]), (0, &json!("ok")), "{}", report.output);
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

    async fn overdue_mail_is_reported(deployment: Deployment) {
        let app = deployment.start_as(Role::Serve, &[]).await;
        app.request_signup_code("ada@example.com", "Ada").await;
        let directory = TempDir::new().unwrap();
        let variables = deployment.variables(&[]);
        let fresh = Report::of(directory.path(), &variables).await;
        assert_eq!(fresh.one("outbox").0, "ok", "{}", fresh.output);
        assert_eq!(fresh.one("worker").0, "warning", "{}", fresh.output);
        deployment.execute("UPDATE outbox_mails SET next_attempt_at = '2026-01-01 00:00:00+00:00'").await;
        let report = Report::of(directory.path(), &variables).await;
        assert_eq!(report.code, 2);
        let (state, found) = report.one("outbox");
        assert!(state == "failed" && found.starts_with("1 mails are overdue"), "{found}");
    }
}

/// A server that accepts connections and never responds.
struct HangingServer {
    port: u16,
    connections: Arc<Connections>,
}

#[derive(Default)]
struct Connections {
    open: AtomicUsize,
    /// The largest number of connections that were open at the same time.
    peak: AtomicUsize,
}

impl HangingServer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            connections: Arc::default(),
        };
        let connections = Arc::clone(&server.connections);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let connections = Arc::clone(&connections);
                let open = connections.open.fetch_add(1, Ordering::SeqCst) + 1;
                connections.peak.fetch_max(open, Ordering::SeqCst);
                tokio::spawn(async move {
                    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                    connections.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        server
    }
}

/// Runs the command with all servers at `port`, which fail for a reason that contains `word`.
async fn assert_unreachable(port: u16, word: &str) {
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
    let variables = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let report = Report::of(directory.path(), &Variables::from(variables)).await;
    assert_eq!(report.code, 2);
    for check in ["database", "mail"] {
        let (state, found) = report.one(check);
        assert!(
            state == "failed" && found.contains(word),
            "{check}: {found}"
        );
    }
    assert_eq!(report.one("redis").0, "failed");
    let all = report.output.to_string();
    assert!(!all.contains("canary"), "{all}");
}

/// All unreachable servers are reported, without passwords.
#[tokio::test]
async fn unreachable_servers_are_reported() {
    assert_unreachable(free_port(), "refused").await;
}

/// Servers are checked concurrently, so that their timeouts do not add up.
#[tokio::test]
async fn hanging_servers_are_checked_concurrently() {
    let server = HangingServer::start().await;
    assert_unreachable(server.port, "no answer within").await;
    let peak = server.connections.peak.load(Ordering::SeqCst);
    assert!(peak > 1, "{peak} connections at the same time");
}

/// The check authenticates over TLS and sends no mail.
#[tokio::test]
async fn mail_server_credentials_are_checked() {
    let password = "swordfish-77";
    let server = SmtpServer::start(SmtpOptions {
        tls: Tls::Required,
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
        assert!(!report.output.to_string().contains("canary"), "{found}");
    }
    assert_eq!(server.count(), 0);
}

/// Development settings are reported in production, and public ones in development.
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
    let findings = report.all("settings");
    for (state, text) in [
        ("failed", "APP_URL is https://localhost"),
        ("warning", "CORS_ALLOWED_ORIGINS has http://app.example.com"),
        ("warning", "DATABASE_URL is SQLite"),
        ("warning", "REDIS_URL is not set"),
        ("warning", "CODE_LENGTH is 4"),
    ] {
        let is_reported = findings
            .iter()
            .any(|(s, found)| *s == state && found.starts_with(text));
        assert!(is_reported, "{text}: {findings:?}");
    }
    assert_eq!(report.one("guessing").0, "warning");

    let variables = deployment.variables(&[("HOST", "0.0.0.0")]);
    let report = Report::of(deployment.path(), &variables).await;
    assert_eq!(report.code, 1);
    let findings = report.all("settings");
    assert!(
        findings
            .iter()
            .any(|(_, found)| found.starts_with("HOST is 0.0.0.0")),
        "{findings:?}"
    );
}

/// World-readable secrets and an unwritable log are reported; files that Gatelodge created are not.
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
    assert_eq!(report.one("files").0, "ok", "{}", report.output);
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
    let findings = report.all("files");
    for (state, text) in [
        ("failed", "TLS_CERT_FILE"),
        ("warning", "jwt.secret"),
        ("failed", "app.log"),
    ] {
        let is_reported = findings
            .iter()
            .any(|(s, found)| *s == state && found.contains(text));
        assert!(is_reported, "{text}: {findings:?}");
    }
    assert_eq!(report.code, 2);
}

/// Invalid settings have the same report and exit code as in `config check`.
#[tokio::test]
async fn invalid_settings_have_their_own_exit_code() {
    let directory = TempDir::new().unwrap();
    let variables = Variables::from([("PORT".to_owned(), "99999".to_owned())]);
    let report = Report::of(directory.path(), &variables).await;
    assert_eq!(report.code, 78);
    assert_eq!(report.output["problems"][0]["name"], "PORT");
}
