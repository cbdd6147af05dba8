//! The commands of the binary.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use gatelodge::testing::config::Variables;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::client::{Client, Response, Tokens};
use crate::support::deployment::Deployment;
use crate::support::{eventually, free_port, on_both_deployments, process};

/// The settings are invalid (`EX_CONFIG` of sysexits.h).
const EXIT_CONFIG: i32 = 78;

const SECRET: &str = "a-canary-secret-of-more-than-32-bytes";

fn variables(list: &[(&str, &str)]) -> Variables {
    let list = list.iter();
    list.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn run(directory: &Path, settings: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = process::command(directory, &variables(settings));
    command.args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json_of(output: &Output) -> Value {
    let text = stdout(output);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text:?}"))
}

/// Committed files equal the binary's output, even if the settings are invalid.
#[test]
fn generated_files_are_fresh() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join(".env"), "PORT=nonsense\nbroken").unwrap();
    for (arguments, committed) in [
        (&["schema"][..], include_str!("../../../schema.graphql")),
        (
            &["config", "example"],
            include_str!("../../../.env.example"),
        ),
        (
            &["config", "reference"],
            include_str!("../../../docs/configuration.md"),
        ),
        (&["events"], include_str!("../../../docs/events.md")),
    ] {
        let output = run(directory.path(), &[], arguments);
        assert!(output.status.success(), "{arguments:?}");
        assert!(
            stdout(&output) == committed,
            "{arguments:?} is outdated: run scripts/generate"
        );
        assert_eq!(stderr(&output), "");
    }
}

/// Commands have help, and misspelled ones are rejected.
#[test]
fn commands_have_help_and_reject_typos() {
    let directory = TempDir::new().unwrap();
    for arguments in [
        "",
        "serve",
        "worker",
        "migrate",
        "migrate up",
        "migrate down",
        "migrate status",
        "user",
        "mail",
        "seed",
        "schema",
        "events",
        "config",
        "config check",
        "config example",
        "doctor",
        "healthcheck",
    ] {
        let mut arguments: Vec<_> = arguments.split_whitespace().collect();
        arguments.push("--help");
        let output = run(directory.path(), &[], &arguments);
        assert!(output.status.success(), "{arguments:?}");
        assert!(
            stdout(&output).contains("Usage: gatelodge"),
            "{arguments:?}"
        );
    }
    let version = stdout(&run(directory.path(), &[], &["--version"]));
    assert_eq!(
        version,
        format!("gatelodge {}\n", env!("CARGO_PKG_VERSION"))
    );
    for arguments in [
        &["sevre"][..],
        &["serve", "--no-wroker"],
        &["migrate"],
        &["migrate", "down", "--steps", "x"],
    ] {
        let output = run(directory.path(), &[], arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
    }
}

/// `config check` prints the effective settings and warnings, without secrets.
#[test]
fn valid_settings_are_shown_without_secrets() {
    let directory = TempDir::new().unwrap();
    let settings = [
        ("JWT_SECRET_KEY", SECRET),
        ("CODE_LENGTH", "8"),
        ("CODE_LENGHT", "7"),
        (
            "DATABASE_URL",
            "postgres://ada:a-canary-password@localhost/x",
        ),
    ];
    let text = run(directory.path(), &settings, &["config", "check"]);
    assert_eq!(text.status.code(), Some(0), "{}", stderr(&text));
    let shown = stdout(&text);
    assert!(shown.contains("\nCODE_LENGTH = 8\n"), "{shown}");
    assert!(shown.contains("\nPORT = 8000  (default)\n"), "{shown}");
    assert!(
        shown.contains("warning: CODE_LENGHT is not a setting; the nearest is CODE_LENGTH"),
        "{shown}"
    );

    let json = run(directory.path(), &settings, &["config", "check", "--json"]);
    assert_eq!(json.status.code(), Some(0));
    let report = json_of(&json);
    assert_eq!(report["ok"], true);
    let setting = |name: &str| {
        let settings = report["settings"].as_array().unwrap();
        settings
            .iter()
            .find(|setting| setting["name"] == name)
            .unwrap()
            .clone()
    };
    assert_eq!(
        setting("CODE_LENGTH"),
        json!({ "name": "CODE_LENGTH", "value": "8", "set": true })
    );
    assert_eq!(
        setting("PORT"),
        json!({ "name": "PORT", "value": "8000", "set": false })
    );
    assert_eq!(setting("JWT_SECRET_KEY")["value"], "(set)");
    assert!(
        report["warnings"][0]
            .as_str()
            .unwrap()
            .starts_with("CODE_LENGHT ")
    );
    for output in [&text, &json] {
        let all = stdout(output) + &stderr(output);
        assert!(!all.contains("canary"), "{all}");
    }
}

/// Every command reports all invalid settings at once, without secrets, and starts nothing.
#[test]
fn all_invalid_settings_are_reported_at_once() {
    let directory = TempDir::new().unwrap();
    let settings = [
        ("PORT", "99999"),
        ("CODE_LENGTH", "3"),
        ("APP_ENV", "staging"),
        ("LOG_TO_FILE", "maybe"),
        ("JWT_SECRET_KEY", "a-canary-too-short"),
        ("DATABASE_URL", "mysql://ada:a-canary-password@localhost/x"),
    ];
    let json = run(directory.path(), &settings, &["config", "check", "--json"]);
    let report = json_of(&json);
    assert_eq!(report["ok"], false);
    let problems = report["problems"].as_array().unwrap();
    let mut names: Vec<_> = problems
        .iter()
        .map(|problem| problem["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "APP_ENV",
            "CODE_LENGTH",
            "DATABASE_URL",
            "JWT_SECRET_KEY",
            "LOG_TO_FILE",
            "PORT"
        ]
    );
    for problem in problems {
        assert!(
            problem["found"].is_string() && problem["accepted"].is_string(),
            "{problem}"
        );
    }
    let mut outputs = vec![json];
    for arguments in [
        &["config", "check"][..],
        &[],
        &["serve"],
        &["worker"],
        &["migrate", "up"],
        &["migrate", "status", "--json"],
        &["healthcheck"],
    ] {
        let output = run(directory.path(), &settings, arguments);
        assert_eq!(stdout(&output), "", "{arguments:?}");
        for name in &names {
            assert_eq!(
                stderr(&output).matches(&format!("{name}: found ")).count(),
                1,
                "{arguments:?} {name}"
            );
        }
        outputs.push(output);
    }
    for output in outputs {
        assert_eq!(output.status.code(), Some(EXIT_CONFIG));
        let all = stdout(&output) + &stderr(&output);
        assert!(!all.contains("canary"), "{all}");
    }
    assert!(!directory.path().join("data").exists() && !directory.path().join("logs").exists());
}

/// Environment variables override `.env`. A syntax error is reported with its line number.
#[test]
fn settings_are_read_from_the_env_file() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join(".env");
    let text = format!(
        "APP_NAME=Ship & Shore!  # ours\nPORT=1234\nexport CODE_LENGTH='8'\nJWT_SECRET_KEY={SECRET}\n"
    );
    std::fs::write(&file, text).unwrap();
    let shown = stdout(&run(
        directory.path(),
        &[("PORT", "4321")],
        &["config", "check"],
    ));
    for line in [
        "APP_NAME = Ship & Shore!\n",
        "PORT = 4321\n",
        "CODE_LENGTH = 8\n",
    ] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
    std::fs::write(&file, "PORT=1234\na-canary\nCODE_LENGTH=9").unwrap();
    let output = run(directory.path(), &[], &["config", "check"]);
    assert_eq!(output.status.code(), Some(EXIT_CONFIG));
    let errors = stderr(&output);
    assert!(
        errors.contains(".env line 2: ") && errors.contains("CODE_LENGTH: "),
        "{errors}"
    );
    assert!(!errors.contains("canary"), "{errors}");
}

on_both_deployments! {
    async fn migrations_are_listed_applied_and_reverted(deployment: Deployment) {
        deployment.remove_tables().await;
        let directory = TempDir::new().unwrap();
        let settings = deployment.variables(&[]);
        let run = |arguments: &[&str]| {
            let output = process::command(directory.path(), &settings).args(arguments).output().unwrap();
            assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
            output
        };
        let applied = || -> Vec<bool> {
            let list = json_of(&run(&["migrate", "status", "--json"]));
            let list = list.as_array().unwrap().clone();
            list.iter().map(|state| state["applied"].as_bool().unwrap()).collect()
        };
        let none = applied();
        assert!(!none.is_empty() && !none.contains(&true));
        run(&["migrate", "up"]);
        run(&["migrate", "up"]);
        assert!(!applied().contains(&false));
        let text = stdout(&run(&["migrate", "status"]));
        assert_eq!(text.lines().filter(|line| line.starts_with("applied  m")).count(), none.len(), "{text}");
        run(&["migrate", "down"]);
        let after = applied();
        let reverted = after.iter().filter(|applied| !**applied).count();
        assert_eq!((reverted, after.last()), (1, Some(&false)));
        run(&["migrate", "down", "--steps", "100"]);
        assert_eq!(applied(), none);
    }
}

/// The error names the cause, not only the timeout.
#[test]
fn an_unreachable_database_is_reported_with_the_reason() {
    let directory = TempDir::new().unwrap();
    let settings = [
        ("DATABASE_URL", "postgres://127.0.0.1:1/gatelodge"),
        ("JWT_SECRET_KEY", SECRET),
    ];
    let output = run(directory.path(), &settings, &["migrate", "status"]);
    assert_eq!(output.status.code(), Some(1));
    let error = stderr(&output);
    assert!(error.contains("Connection refused"), "{error}");
}

/// `healthcheck` fails without a server and finds one on any `HOST`.
#[tokio::test]
async fn a_health_check_finds_the_server() {
    let directory = TempDir::new().unwrap();
    for host in ["127.0.0.1", "0.0.0.0", "::1", "::", "127.0.0.2"] {
        let port = free_port().to_string();
        let settings = [("HOST", host), ("PORT", &*port), ("JWT_SECRET_KEY", SECRET)];
        let check = || run(directory.path(), &settings, &["healthcheck"]);
        let failed = check();
        assert_eq!(failed.status.code(), Some(1), "{host}");
        assert!(
            stderr(&failed).starts_with("error: "),
            "{host}: {}",
            stderr(&failed)
        );
        let _server = Server::start(directory.path(), &settings);
        eventually(&format!("a server on {host}"), async || {
            check().status.success().then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_server_warns_of_unknown_settings_when_it_starts() {
    let deployment = Deployment::embedded().await;
    let server = deployment.spawn(&["serve"], &[("CODE_LENGHT", "7")]).await;
    let log = server.output();
    assert!(
        log.contains("config_warning") && log.contains("nearest is CODE_LENGTH"),
        "{log}"
    );
}

/// Processes that start concurrently in a new directory share one key and one database. Each accepts
/// the tokens of the others.
#[tokio::test]
async fn processes_that_start_concurrently_share_a_key() {
    let directory = TempDir::new().unwrap();
    let ports: Vec<_> = (0..3).map(|_| free_port().to_string()).collect();
    let servers: Vec<_> = ports
        .iter()
        .map(|port| Server::start(directory.path(), &[("PORT", port)]))
        .collect();
    let clients: Vec<_> = ports
        .iter()
        .map(|port| Client::new(&format!("http://127.0.0.1:{port}")))
        .collect();
    for port in &ports {
        let check = || run(directory.path(), &[("PORT", port)], &["healthcheck"]);
        eventually("all servers", async || {
            check().status.success().then_some(())
        })
        .await;
    }
    clients[0]
        .request_signup_code("ada@example.com", "Ada")
        .await;
    let code = eventually("the mail", async || {
        for client in &clients {
            let mails = Response::of(client.request(Method::GET, "/dev/mailbox/mails"))
                .await
                .json();
            if let Some(code) = mails[0]["code"].as_str() {
                return Some(code.to_owned());
            }
        }
        None
    })
    .await;
    // The code is derived from the key, too.
    let verified = clients[1]
        .verify_signup_code("ada@example.com", &code)
        .await;
    let tokens = Tokens::of(&verified["session"]);
    for client in &clients {
        assert_eq!(
            client.with_token(&tokens.access).me().await["email"],
            "ada@example.com"
        );
    }
    drop(servers);
    let key = std::fs::read_to_string(directory.path().join("data/secret.key")).unwrap();
    assert!(key.len() >= 32);
}

/// A server in a directory that it shares with others; killed on drop.
struct Server(Child);

impl Server {
    fn start(directory: &Path, settings: &[(&str, &str)]) -> Self {
        let mut command: Command = process::command(directory, &variables(settings));
        Self(command.stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
