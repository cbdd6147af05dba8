//! Codes and tokens are known to the client and to the mail, and to nothing that is kept.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use reqwest::Method;
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, Statement};
use serde_json::{Value, json};

use crate::support::client::{Client, Response, Tokens, error_codes};
use crate::support::deployment::Deployment;
use crate::support::on_both_deployments;
use crate::support::outbox::Outbox;
use crate::support::process::Process;
use crate::support::smtp::{SmtpOptions, SmtpServer};

const ADA: &str = "ada@example.com";
/// The most talkative there is, and codes that no number looks like by chance.
const TALKATIVE: [(&str, &str); 10] = [
    ("LOG_LEVEL", "DEBUG"),
    ("LOG_FORMAT", "json"),
    ("LOG_TO_FILE", "true"),
    ("ENABLE_SECURITY_LOG", "true"),
    ("CODE_TYPE", "alphanumeric"),
    ("CODE_LENGTH", "8"),
    ("REFRESH_GRACE_SECONDS", "0"),
    ("EMAIL_TIMEOUT_SECONDS", "1"),
    ("EMAIL_MAX_ATTEMPTS", "1"),
    ("SMTP_PASSWORD", SMTP_PASSWORD),
];
const SMTP_PASSWORD: &str = "swordfish-77-canary";
const SECRET_KEY: &str = "a-secret-for-tests-of-at-least-32-bytes";

/// What was only ever told to the client, or by mail.
#[derive(Default)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    pub(crate) fn add(&mut self, secret: &str) -> String {
        assert!(secret.len() >= 8, "{secret:?} is found by chance");
        self.0.push(secret.to_owned());
        secret.to_owned()
    }

    pub(crate) fn tokens(&mut self, session: &Value) -> Tokens {
        let tokens = Tokens::of(session);
        self.add(&tokens.refresh);
        self.add(&tokens.access);
        // What is worth something of an access token is its signature.
        self.add(tokens.access.rsplit('.').next().unwrap());
        tokens
    }

    /// Fails if a text has one, as it is, in other letters, or as hexadecimal digits.
    pub(crate) fn assert_absent(&self, place: &str, text: &str) {
        let text = text.to_lowercase();
        for secret in &self.0 {
            let secret = secret.to_lowercase();
            assert!(!text.contains(&secret), "{secret} is in {place}");
            for letters in [secret.to_uppercase(), secret] {
                let hex = letters.bytes().fold(String::new(), |mut hex, byte| {
                    let _ = write!(hex, "{byte:02x}");
                    hex
                });
                assert!(!text.contains(&hex), "{letters}, as {hex}, is in {place}");
            }
        }
    }
}

on_both_deployments! {
    /// Whatever happens, and however talkative the log is: no code and no token is in a log, in
    /// the database or in Redis, at any time.
    async fn codes_and_tokens_are_never_stored_or_logged(deployment: Deployment) {
        let server = SmtpServer::start(SmtpOptions {
            login: Some(("ada".to_owned(), SMTP_PASSWORD.to_owned())),
            ..SmtpOptions::default()
        });
        let deployment = deployment.on_own_redis().await;
        let monitor = match &deployment.redis {
            Some(_) => Some(deployment.redis_server().monitor().await),
            None => None,
        };
        let mut process = deployment.spawn(&[], &server.settings(&TALKATIVE)).await;
        let mut secrets = Secrets::default();
        secrets.add(SMTP_PASSWORD);
        secrets.add(SECRET_KEY);

        let tokens = sign_up_and_log_in(&process, &server, &mut secrets).await;
        let during = kept(&deployment).await;
        use_and_misuse(&process, &tokens, &mut secrets).await;
        fail_to_mail(&process, &deployment, &server, &mut secrets).await;
        let after = kept(&deployment).await;
        assert_eq!(process.terminate().await.code(), Some(0));

        let printed = without_fallback(&process.output(), &mut secrets);
        secrets.assert_absent("standard output", &printed);
        assert_lines_are_complete(&printed);

        assert!(during.contains(ADA) && after.contains(ADA));
        secrets.assert_absent("the database or Redis during the run", &during);
        secrets.assert_absent("the database or Redis after the run", &after);
        secrets.assert_absent("the database or Redis after the end", &kept(&deployment).await);
        if let Some(monitor) = monitor {
            let told = monitor.commands();
            assert!(told.contains("gatelodge:mail"), "{told}");
            secrets.assert_absent("what Redis was told", &told);
        }
        let logs = process.directory.path().join("logs");
        for (name, contains) in [("app.log", "request_served"), ("security.log", "used_code_tried")] {
            let log = read(&logs.join(name));
            assert!(log.contains(contains) && log.contains(ADA), "{log}");
            secrets.assert_absent(name, &log);
            assert_lines_are_complete(&log);
        }
    }
}

/// The good ways, and the ways in which codes are given wrongly.
async fn sign_up_and_log_in(
    client: &Client,
    server: &SmtpServer,
    secrets: &mut Secrets,
) -> Vec<Tokens> {
    client.request_signup_code(ADA, "Ada").await;
    let replaced = secrets.add(&server.wait_for(1)[0].code());
    client.request_signup_code(ADA, "Ada").await;
    let code = secrets.add(&server.wait_for(2)[1].code());
    for wrong in ["WRONGWRONG", "22222222", replaced.as_str()] {
        let answer = client.verify_signup_code(ADA, wrong).await;
        assert_eq!(error_codes(&answer), ["INVALID_CODE"], "{wrong}");
    }
    // For another address, and as an address.
    client.verify_signup_code("eve@example.com", &code).await;
    client.verify_login_code(ADA, &code).await;
    client.verify_signup_code(&code, &code).await;
    let verified = client.verify_signup_code(ADA, &code).await;
    let first = secrets.tokens(&verified["session"]);
    let used = client.verify_signup_code(ADA, &code).await;
    assert_eq!(error_codes(&used), ["INVALID_CODE"]);
    let taken = client.request_signup_code(ADA, "Eve").await;
    assert_eq!(error_codes(&taken), ["EMAIL_TAKEN"]);

    client.request_login_code(ADA).await;
    let code = secrets.add(&server.wait_for(3)[2].code());
    let verified = client.verify_login_code(ADA, &code.to_lowercase()).await;
    vec![first, secrets.tokens(&verified["session"])]
}

/// What can be done with tokens, and the ways in which requests are malformed.
async fn use_and_misuse(client: &Client, tokens: &[Tokens], secrets: &mut Secrets) {
    let [first, second] = tokens else {
        panic!("two sessions are needed")
    };
    let signed_in = client.with_token(&first.access);
    assert_eq!(signed_in.me().await["email"], ADA);
    let refreshed = client.refresh(&first.refresh).await;
    let third = secrets.tokens(&refreshed["session"]);
    assert_eq!(client.with_token(&third.access).me().await["email"], ADA);
    let stolen = client.refresh(&first.refresh).await;
    assert_eq!(error_codes(&stolen), ["INVALID_TOKEN"]);
    client.refresh(&third.refresh).await;
    let cut = &second.access[..second.access.len() - 1];
    for (token, reason) in [
        (&*third.access, "REVOKED"),
        (cut, "INVALID"),
        ("Bearer x", "INVALID"),
    ] {
        let query = "mutation { logout { endedSessionId } }";
        let refused = client.with_token(token).post(query, json!({})).await;
        assert!(refused.text.contains(reason), "{refused:?}");
    }

    let (access, refresh) = (&second.access, &second.refresh);
    let quoted = format!("mutation {{ refreshSession(input: {{refreshToken: \"{refresh}\"}}) {{");
    let unknown = quoted.clone() + " nothing } }";
    let misplaced = format!("{{ {} }}", access.replace(['.', '-'], "_"));
    for query in [&*quoted, &unknown, &misplaced, access] {
        client.post(query, json!({ "token": refresh })).await;
    }
    let typed = "mutation($input: RefreshSessionInput!) { refreshSession(input: $input) { session { accessToken } } }";
    for input in [
        json!(refresh),
        json!({ "refreshToken": [refresh] }),
        json!({ refresh: 1 }),
    ] {
        client.post(typed, json!({ "input": input })).await;
    }
    for request in [
        client.request(
            Method::GET,
            &format!("/graphql?query={access}&token={refresh}"),
        ),
        client.request(Method::GET, &format!("/nowhere?token={access}")),
        client
            .request(Method::POST, "/graphql")
            .body(refresh.clone()),
        client
            .request(Method::POST, "/graphql")
            .header("content-type", "application/json")
            .body(refresh.clone()),
        client
            .request(Method::POST, "/graphql")
            .header("authorization", format!("Basic {access}")),
        client
            .request(Method::GET, "/healthz")
            .header("cookie", format!("token={access}")),
        client
            .request(Method::GET, "/healthz")
            .header("x-request-id", access.as_str()),
    ] {
        Response::of(request).await;
    }
    client
        .with_token(access)
        .run("mutation { logout { endedSessionId } }", json!({}))
        .await;
}

/// Mails that a server refuses, one of which it quotes, and one that it takes without saying so.
async fn fail_to_mail(
    process: &Process,
    deployment: &Deployment,
    server: &SmtpServer,
    secrets: &mut Secrets,
) {
    let outbox = Outbox::of(deployment).await;
    for local in ["rejectdata", "reject550"] {
        let address = format!("{local}@example.com");
        process.request_signup_code(&address, "Ada").await;
        let dead = outbox.wait_for_state(&address, "dead").await;
        process.wait_for(&format!("To:   {address}")).await;
        if local == "rejectdata" {
            assert!(dead.last_error.unwrap().contains("***"));
        }
    }
    let taken = "takenonce@example.com";
    process.request_signup_code(taken, "Ada").await;
    outbox.wait_for_state(taken, "sent").await;
    secrets.add(&server.mail_to(taken).await.code());
}

/// Standard output without the codes of dead mails, which are meant to be seen there.
fn without_fallback(output: &str, secrets: &mut Secrets) -> String {
    let rule = "=".repeat(64);
    let (blocks, rest): (Vec<_>, Vec<_>) = output
        .split(&rule)
        .partition(|part| part.contains("MAIL NOT SENT"));
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        let (_, code) = block.trim_end().rsplit_once("Code: ").unwrap();
        secrets.add(code);
    }
    rest.concat()
}

/// The database and Redis, as text. SQLite's files too, where deleted rows live on.
pub(crate) async fn kept(deployment: &Deployment) -> String {
    let mut kept = dump(&deployment.database().await).await;
    for file in fs::read_dir(deployment.path().join("data"))
        .into_iter()
        .flatten()
    {
        // The last connection to be closed takes the log of writes with it.
        let bytes = fs::read(file.unwrap().path()).unwrap_or_default();
        kept.push_str(&String::from_utf8_lossy(&bytes));
    }
    if let Some(redis) = &deployment.redis {
        kept.push_str(&redis.dump().await);
    }
    kept
}

/// Every column of every table, as text.
async fn dump(database: &DatabaseConnection) -> String {
    let backend = database.get_database_backend();
    let texts = async |query: String| -> Vec<String> {
        let rows = database
            .query_all_raw(Statement::from_string(backend, query))
            .await
            .unwrap();
        let text = rows
            .iter()
            .map(|row| row.try_get_by_index::<Option<String>>(0).unwrap());
        text.map(Option::unwrap_or_default).collect()
    };
    let (tables, columns) = match backend {
        DatabaseBackend::Sqlite => (
            "SELECT name FROM sqlite_master WHERE type = 'table'",
            "SELECT name FROM pragma_table_info('TABLE')",
        ),
        _ => (
            "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'",
            "SELECT column_name::text FROM information_schema.columns WHERE table_name = 'TABLE'",
        ),
    };
    let mut dump = String::new();
    let tables = texts(tables.to_owned()).await;
    assert!(tables.len() >= 4, "{tables:?}");
    for table in tables {
        for column in texts(columns.replace("TABLE", &table)).await {
            let text = match backend {
                DatabaseBackend::Sqlite => format!(
                    "CASE typeof(\"{column}\") WHEN 'blob' THEN hex(\"{column}\") ELSE \"{column}\" END"
                ),
                _ => format!("\"{column}\"::text"),
            };
            for value in texts(format!("SELECT CAST({text} AS TEXT) FROM \"{table}\"")).await {
                let _ = writeln!(dump, "{table}.{column}: {value}");
            }
        }
    }
    dump
}

pub(crate) fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
}

/// Every line is a JSON object with bunyan's fields, and with the request it belongs to.
fn assert_lines_are_complete(log: &str) {
    /// What happens outside of requests.
    const BACKGROUND: [&str; 7] = [
        "config_",
        "server_",
        "worker_",
        "email_",
        "queue_",
        "migration_",
        "retention_",
    ];
    for line in log.lines().filter(|line| !line.is_empty()) {
        let fields: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        for (name, is_right) in [
            (
                "time",
                fields["time"]
                    .as_str()
                    .is_some_and(|time| time.ends_with('Z')),
            ),
            ("level", fields["level"].is_u64()),
            (
                "msg",
                fields["msg"].as_str().is_some_and(|text| !text.is_empty()),
            ),
            ("v", fields["v"] == 0),
            ("pid", fields["pid"].is_u64()),
            ("hostname", fields["hostname"].is_string()),
            ("name", fields["name"] == "gatelodge"),
        ] {
            assert!(is_right, "{name} is wrong in {line}");
        }
        if let Some(event) = fields["event"].as_str()
            && !BACKGROUND.iter().any(|prefix| event.starts_with(prefix))
        {
            let id = fields["request_id"].as_str();
            assert!(
                id.is_some_and(|id| !id.is_empty()),
                "no request_id in {line}"
            );
        }
    }
}
