//! Real processes: killed, stopped, started again, and several at once.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
/// Far less than the 20 s that requests and mails in flight may take.
const AT_ONCE: Duration = Duration::from_secs(5);

on_both_deployments! {
    /// A mail that nobody could send is sent by whoever comes next, and its code works.
    async fn mail_is_sent_although_its_process_was_killed(deployment: Deployment) {
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

    /// A process killed after the server took the mail and before it said so leaves a lease. When
    /// that ends, the mail is sent once more, recognisably the same.
    async fn an_interrupted_mail_is_sent_again(deployment: Deployment) {
        let server = SmtpServer::start(SmtpOptions::default());
        let outbox_of = async || Outbox::of(&deployment).await;
        let mut process = deployment.spawn(&[], &server.settings(&[])).await;
        let address = "takenonce@example.com";
        process.request_signup_code(address, "Ada").await;
        server.mail_to(address).await;
        process.kill();
        let outbox = outbox_of().await;
        let row = outbox.rows(address).await.remove(0);
        assert!(row.state == "pending" && row.is_leased, "{row:?}");

        let process = deployment.spawn(&[], &server.settings(&[])).await;
        // While the lease lasts, another mail overtakes it.
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

    /// SIGTERM and SIGINT let a request and a mail in flight end, record the mail, and exit with 0.
    async fn work_in_progress_completes_before_shutdown(deployment: Deployment) {
        for signal in ["TERM", "INT"] {
            let server = SmtpServer::start(SmtpOptions {
                // Longer than the process waits for anything but mails in flight.
                delay: Duration::from_secs(3),
                ..SmtpOptions::default()
            });
            let mut process = deployment.spawn(&[], &server.settings(&[])).await;
            let outbox = Outbox::of(&deployment).await;
            let address = format!("{}@example.com", signal.to_lowercase());
            process.request_signup_code(&address, "Ada").await;
            outbox.wait_until(&address, "leased", |row| row.is_leased).await;
            let mut request = HalfRequest::begin(process.address()).await;
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

    /// A connection that is kept open and says nothing does not keep an idle process.
    async fn an_idle_process_stops_at_once(deployment: Deployment) {
        let mut process = deployment.spawn(&[], &[]).await;
        let _silent = TcpStream::connect(process.address()).await.unwrap();
        process.me().await;
        let told = Instant::now();
        assert_eq!(process.terminate().await.code(), Some(0));
        assert!(told.elapsed() < AT_ONCE, "{:?}", told.elapsed());
    }

    /// Sessions, codes and refresh tokens outlive the process, however it ended.
    async fn a_new_process_continues_after_a_kill(deployment: Deployment) {
        let mut process = deployment.spawn(&[], &[]).await;
        let held = Held::begin(&process).await;
        process.kill();
        let process = deployment.spawn(&[], &[]).await;
        held.go_on(&process).await;
    }
}

/// With no settings at all the key and the database are kept in the working directory.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_without_settings_continues_everything() {
    let variables = Variables::from([("PORT".to_owned(), "0".to_owned())]);
    let directory = Arc::new(TempDir::new().unwrap());
    let mut process = Process::spawn_in(directory.clone(), &[], variables.clone()).await;
    let held = Held::begin(&process).await;
    assert_eq!(process.terminate().await.code(), Some(0));
    for file in ["data/secret.key", "data/gatelodge.db", "logs/app.log"] {
        assert!(directory.path().join(file).is_file(), "{file}");
    }
    let process = Process::spawn_in(directory, &[], variables).await;
    held.go_on(&process).await;
}

/// What a client holds while the server is away.
struct Held {
    tokens: Tokens,
    login_code: String,
}

impl Held {
    async fn begin(process: &Process) -> Self {
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

    async fn go_on(&self, process: &Process) {
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

/// Any process of an installation continues what another began.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_requested_at_one_process_is_verified_at_another() {
    let deployment = Deployment::clustered().await;
    let server = SmtpServer::start(SmtpOptions::default());
    let one = deployment.spawn(&[], &server.settings(&[])).await;
    let other = deployment.spawn(&[], &server.settings(&[])).await;
    one.request_signup_code(ADA, "Ada").await;
    let code = server.mail_to(ADA).await.code();
    let verified = other.verify_signup_code(ADA, &code).await;
    let tokens = Tokens::of(&verified["session"]);
    assert_eq!(one.with_token(&tokens.access).me().await["email"], ADA);

    // Ended at one, dead at the other, although that one has just found it alive.
    other.with_token(&tokens.access).me().await;
    one.with_token(&tokens.access)
        .run("mutation { logout { endedSessionId } }", json!({}))
        .await;
    let refused = other
        .with_token(&tokens.access)
        .post("{ sessions { id } }", json!({}))
        .await;
    assert!(!refused.text.contains(&tokens.user_id));
    assert_eq!(
        one.refresh(&tokens.refresh).await["errors"][0]["code"],
        "INVALID_TOKEN"
    );
}

/// A thousand sign-ups at once over two processes: a thousand mails, each once, and nothing of
/// them stays in Redis.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_sign_ups_send_a_thousand_mails() {
    const SIGNUPS: usize = 1_000;
    /// What open files allow everywhere.
    const CONNECTIONS: usize = 300;
    let deployment = Deployment::clustered().await;
    let server = SmtpServer::start(SmtpOptions::default());
    let settings = server.settings(&[("MAX_CODE_REQUESTS_PER_HOUR_PER_IP", "1000000")]);
    let processes = [
        deployment.spawn(&[], &settings).await,
        deployment.spawn(&[], &settings).await,
    ];
    let begun = Instant::now();
    let requests = (0..SIGNUPS).map(|n| {
        let client = &processes[n % 2];
        async move {
            let address = format!("user{n}@example.com");
            let requested = client.request_signup_code(&address, "Ada").await;
            assert_eq!(requested["errors"], json!([]), "{address}");
        }
    });
    let answered = futures::stream::iter(requests).buffer_unordered(CONNECTIONS);
    assert_eq!(answered.count().await, SIGNUPS);
    println!("{SIGNUPS} requests answered after {:?}", begun.elapsed());

    eventually_within(Duration::from_mins(2), "a thousand mails", async || {
        (server.count() >= SIGNUPS).then_some(())
    })
    .await;
    println!("{SIGNUPS} mails taken after {:?}", begun.elapsed());
    let outbox = Outbox::of(&deployment).await;
    eventually("every mail to be recorded", async || {
        let left = outbox.rows_where("state <> 'sent'").await;
        left.is_empty().then_some(())
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
    eventually("the queue to be tidied", async || {
        let mut keys = redis.keys("gatelodge:mail:*").await;
        keys.retain(|key| !key.starts_with("gatelodge:mail:workers"));
        keys.is_empty().then_some(())
    })
    .await;
}

/// A request of which the server has seen the beginning and asked for the rest.
struct HalfRequest(TcpStream);

impl HalfRequest {
    const BODY: &str = r#"{"query":"{ me { id } }"}"#;

    async fn begin(address: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /graphql HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
            Self::BODY.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut go_ahead = [0; 25];
        stream.read_exact(&mut go_ahead).await.unwrap();
        assert_eq!(&go_ahead, b"HTTP/1.1 100 Continue\r\n\r\n");
        Self(stream)
    }

    /// Sends the rest; the answer.
    async fn finish(&mut self) -> String {
        self.0.write_all(Self::BODY.as_bytes()).await.unwrap();
        let mut response = String::new();
        self.0.read_to_string(&mut response).await.unwrap();
        response
    }
}
