//! Processes that are killed, stopped and restarted, and several processes together.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use gatelodge::testing::config::Variables;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::client::Tokens;
use crate::support::deployment::Deployment;
use crate::support::outbox::Outbox;
use crate::support::process::Process;
use crate::support::smtp::{SmtpOptions, SmtpServer};
use crate::support::{eventually, eventually_within, on_both_deployments};

const ADA: &str = "ada@example.com";

on_both_deployments! {
    async fn mail_of_a_killed_process_is_sent_by_another(deployment: Deployment) {
        let server = SmtpServer::start(SmtpOptions::default());
        let settings = server.settings(&[]);
        let mut serving = deployment.spawn(&["serve", "--no-worker"], &settings).await;
        let requested = serving.request_signup_code(ADA, "Ada").await;
        assert_eq!(requested["errors"], json!([]));
        serving.kill();
        let row = Outbox::of(&deployment).await.rows(ADA).await.remove(0);
        assert_eq!((&*row.state, row.attempts), ("pending", 0));

        let _worker = deployment.spawn(&["worker"], &settings).await;
        let code = server.mail_to(ADA).await.code();
        let serving = deployment.spawn(&["serve", "--no-worker"], &settings).await;
        let verified = serving.verify_signup_code(ADA, &code).await;
        assert_eq!(verified["session"]["user"]["email"], ADA, "{verified}");
        assert_eq!(server.mails().len(), 1);
    }

    /// A process that is killed after the mail server accepted a mail and before it responded leaves
    /// a lease. After the lease expires, the mail is sent again with the same Message-ID and code.
    async fn an_interrupted_mail_is_sent_again(deployment: Deployment) {
        let server = SmtpServer::start(SmtpOptions::default());
        let mut process = deployment.spawn(&[], &server.settings(&[])).await;
        let address = "takenonce@example.com";
        process.request_signup_code(address, "Ada").await;
        server.mail_to(address).await;
        process.kill();
        let outbox = Outbox::of(&deployment).await;
        let row = outbox.rows(address).await.remove(0);
        assert!(row.state == "pending" && row.is_leased, "{row:?}");

        let process = deployment.spawn(&[], &server.settings(&[])).await;
        // Before the lease expires, only other mails are sent.
        process.request_signup_code(ADA, "Ada").await;
        outbox.wait_for_state(ADA, "sent").await;
        assert_eq!(server.mails_to(address).len(), 1);
        outbox.expire_leases().await;
        let row = outbox.wait_for_state(address, "sent").await;
        assert_eq!(row.attempts, 2);
        let mails = server.mails_to(address);
        assert_eq!(mails.len(), 2);
        assert_eq!(mails[0].message_id, mails[1].message_id);
        assert_eq!(mails[0].code(), mails[1].code());
        let verified = process.verify_signup_code(address, &mails[0].code()).await;
        assert_eq!(verified["session"]["user"]["email"], address, "{verified}");
    }

    /// On SIGTERM and SIGINT, the process finishes requests and mails in progress and exits with 0.
    async fn work_in_progress_completes_before_shutdown(deployment: Deployment) {
        for signal in ["TERM", "INT"] {
            let server = SmtpServer::start(SmtpOptions {
                // Longer than the process waits for anything but mails in progress.
                delay: Duration::from_secs(3),
                ..SmtpOptions::default()
            });
            let mut process = deployment.spawn(&[], &server.settings(&[])).await;
            let outbox = Outbox::of(&deployment).await;
            let address = format!("{}@example.com", signal.to_lowercase());
            process.request_signup_code(&address, "Ada").await;
            outbox.wait_until(&address, "leased", |row| row.is_leased).await;
            let mut request = PartialRequest::start(process.address()).await;
            process.signal(signal);
            process.wait_for("server_stopping").await;

            let response = request.finish().await;
            assert!(response.starts_with("HTTP/1.1 200 OK"), "{response}");
            assert!(response.contains(r#"{"data":{"me":null}}"#), "{response}");
            assert_eq!(process.wait_for_exit().await.code(), Some(0));
            assert_eq!(outbox.rows(&address).await[0].state, "sent");
            assert_eq!(server.mails_to(&address).len(), 1);
            assert!(process.output().contains("server_stopped"));
        }
    }

    async fn a_process_with_an_idle_connection_stops(deployment: Deployment) {
        let mut process = deployment.spawn(&[], &[]).await;
        let _idle = TcpStream::connect(process.address()).await.unwrap();
        process.me().await;
        assert_eq!(process.terminate().await.code(), Some(0));
    }

    async fn sessions_and_codes_survive_a_kill(deployment: Deployment) {
        let mut process = deployment.spawn(&[], &[]).await;
        let state = ClientState::create(&process).await;
        process.kill();
        let process = deployment.spawn(&[], &[]).await;
        state.assert_valid(&process).await;
    }
}

/// Without settings, the key and the database are files in the working directory.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_and_codes_survive_a_restart_without_settings() {
    let variables = Variables::from([("PORT".to_owned(), "0".to_owned())]);
    let directory = Arc::new(TempDir::new().unwrap());
    let mut process = Process::spawn_in(directory.clone(), &[], variables.clone()).await;
    let state = ClientState::create(&process).await;
    assert_eq!(process.terminate().await.code(), Some(0));
    for file in ["data/secret.key", "data/gatelodge.db", "logs/app.log"] {
        assert!(directory.path().join(file).is_file(), "{file}");
    }
    let process = Process::spawn_in(directory, &[], variables).await;
    state.assert_valid(&process).await;
}

/// The tokens and the unused code of a user.
struct ClientState {
    tokens: Tokens,
    login_code: String,
}

impl ClientState {
    async fn create(process: &Process) -> Self {
        process.request_signup_code(ADA, "Ada").await;
        let code = process.code(ADA).await;
        let verified = process.verify_signup_code(ADA, &code).await;
        process.request_login_code(ADA).await;
        process.wait_for("Your sign-in code").await;
        Self {
            tokens: Tokens::of(&verified["session"]),
            login_code: process.code(ADA).await,
        }
    }

    async fn assert_valid(&self, process: &Process) {
        let me = process.with_token(&self.tokens.access).me().await;
        assert_eq!(me["id"], self.tokens.user_id.as_str());
        let refreshed = process.refresh(&self.tokens.refresh).await;
        let refreshed = Tokens::of(&refreshed["session"]);
        assert_eq!(
            process.with_token(&refreshed.access).me().await["email"],
            ADA
        );
        let verified = process.verify_login_code(ADA, &self.login_code).await;
        assert_eq!(
            verified["session"]["user"]["id"],
            self.tokens.user_id.as_str()
        );
    }
}

/// Codes and sessions of one process are valid at another, and so are sign-outs.
#[tokio::test(flavor = "multi_thread")]
async fn processes_share_codes_and_sessions() {
    let deployment = Deployment::clustered().await;
    let server = SmtpServer::start(SmtpOptions::default());
    let one = deployment.spawn(&[], &server.settings(&[])).await;
    let other = deployment.spawn(&[], &server.settings(&[])).await;
    one.request_signup_code(ADA, "Ada").await;
    let code = server.mail_to(ADA).await.code();
    let verified = other.verify_signup_code(ADA, &code).await;
    let tokens = Tokens::of(&verified["session"]);
    assert_eq!(one.with_token(&tokens.access).me().await["email"], ADA);

    // A sign-out at one process is effective at the other, which has the session in its cache.
    other.with_token(&tokens.access).me().await;
    one.with_token(&tokens.access)
        .run("mutation { logout { endedSessionId } }", json!({}))
        .await;
    let response = other
        .with_token(&tokens.access)
        .post("{ sessions { id } }", json!({}))
        .await;
    assert_eq!(response.code(), "UNAUTHENTICATED");
    assert_eq!(
        one.refresh(&tokens.refresh).await["errors"][0]["code"],
        "INVALID_TOKEN"
    );
}

/// Two processes send a thousand mails, each exactly once, and leave no queue entries in Redis.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_sign_ups_send_a_thousand_mails() {
    const SIGNUPS: usize = 1_000;
    /// Below the usual limit of open files.
    const CONNECTIONS: usize = 300;
    let deployment = Deployment::clustered().await;
    let server = SmtpServer::start(SmtpOptions::default());
    let settings = server.settings(&[("MAX_CODE_REQUESTS_PER_HOUR_PER_IP", "1000000")]);
    let processes = [
        deployment.spawn(&[], &settings).await,
        deployment.spawn(&[], &settings).await,
    ];
    let requests = (0..SIGNUPS).map(|n| {
        let client = &processes[n % 2];
        async move {
            let address = format!("user{n}@example.com");
            let requested = client.request_signup_code(&address, "Ada").await;
            assert_eq!(requested["errors"], json!([]), "{address}");
        }
    });
    let responses = futures::stream::iter(requests).buffer_unordered(CONNECTIONS);
    assert_eq!(responses.count().await, SIGNUPS);

    eventually_within(Duration::from_mins(2), "a thousand mails", async || {
        (server.count() >= SIGNUPS).then_some(())
    })
    .await;
    let outbox = Outbox::of(&deployment).await;
    eventually("every mail to be recorded as sent", async || {
        let unsent = outbox.rows_where("state <> 'sent'").await;
        unsent.is_empty().then_some(())
    })
    .await;
    let mails = server.mails();
    assert_eq!(mails.len(), SIGNUPS);
    let recipients: HashSet<_> = mails.iter().map(|mail| &mail.to[0]).collect();
    let ids: HashSet<_> = mails.iter().map(|mail| &mail.message_id).collect();
    assert_eq!((recipients.len(), ids.len()), (SIGNUPS, SIGNUPS));
    let rows = outbox.rows_where("1 = 1").await;
    assert!(rows.iter().all(|row| row.attempts == 1));

    let redis = deployment.redis.as_ref().unwrap();
    eventually("the queue to be cleaned up", async || {
        let mut keys = redis.keys("gatelodge:mail:*").await;
        keys.retain(|key| !key.starts_with("gatelodge:mail:workers"));
        keys.is_empty().then_some(())
    })
    .await;
}

/// A request whose head the server has read and whose body it has not.
struct PartialRequest(TcpStream);

impl PartialRequest {
    const BODY: &str = r#"{"query":"{ me { id } }"}"#;

    async fn start(address: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /graphql HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
            Self::BODY.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut interim = [0; 25];
        stream.read_exact(&mut interim).await.unwrap();
        assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
        Self(stream)
    }

    /// Sends the body and returns the response.
    async fn finish(&mut self) -> String {
        self.0.write_all(Self::BODY.as_bytes()).await.unwrap();
        let mut response = String::new();
        self.0.read_to_string(&mut response).await.unwrap();
        response
    }
}
