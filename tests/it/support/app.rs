//! The app, running in the test's process.

use std::collections::HashSet;
use std::ops::Deref;
use std::sync::Mutex;

use gatelodge::testing::app::App;
use gatelodge::testing::domain::clock::Clock;
use gatelodge::testing::domain::id::MailId;
use gatelodge::testing::domain::mail::{MailKind, RenderedMail};
use gatelodge::testing::domain::mailbox::Mailbox;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::client::{Client, Tokens};
use super::eventually;

/// A running app with its mailbox and clock. Dereferences to a [`Client`] without a token.
///
/// Dropping it fails the test if a mail was not read, unless
/// [`allow_unread_mail`](Self::allow_unread_mail) was called.
pub(crate) struct TestApp {
    pub(crate) clock: Clock,
    client: Client,
    /// A client of the metrics port, if `METRICS_PORT` is set.
    pub(crate) metrics_client: Option<Client>,
    mailbox: Mailbox,
    read: Mutex<HashSet<MailId>>,
    stop: CancellationToken,
    running: Option<JoinHandle<()>>,
    allows_unread_mail: bool,
}

impl Deref for TestApp {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl TestApp {
    pub(crate) fn run(app: App, clock: Clock) -> Self {
        let stop = CancellationToken::new();
        Self {
            clock,
            client: Client::new(&format!("http://127.0.0.1:{}", app.port())),
            metrics_client: app
                .metrics_port()
                .map(|port| Client::new(&format!("http://127.0.0.1:{port}"))),
            mailbox: app.mailbox().clone(),
            read: Mutex::default(),
            running: Some(tokio::spawn(app.run_until(stop.clone()))),
            stop,
            allows_unread_mail: false,
        }
    }

    pub(crate) fn allow_unread_mail(mut self) -> Self {
        self.allows_unread_mail = true;
        self
    }

    /// Stops the app as SIGTERM does and waits until it has stopped.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        if let Some(running) = self.running.take() {
            running.await.unwrap();
        }
    }

    /// Waits for an unread mail of a kind to a recipient; returns the oldest.
    pub(crate) async fn mail(&self, kind: MailKind, email: &str) -> RenderedMail {
        eventually(&format!("{kind} to {email}"), async || {
            let mut read = self.read.lock().unwrap();
            let mails = self
                .mailbox
                .mails()
                .into_iter()
                .map(|delivered| delivered.mail);
            let found = mails.into_iter().find(|mail| {
                mail.kind == kind && mail.to.as_str() == email && !read.contains(&mail.id)
            })?;
            read.insert(found.id);
            Some(found)
        })
        .await
    }

    /// Waits for an unread mail of a kind to a recipient; returns the code in the oldest.
    pub(crate) async fn code(&self, kind: MailKind, email: &str) -> String {
        let mail = self.mail(kind, email).await;
        mail.code
            .expect("this kind of mail contains a code")
            .expose()
            .to_owned()
    }

    /// All mails delivered so far, read or not.
    pub(crate) fn mails(&self) -> Vec<RenderedMail> {
        self.mailbox
            .mails()
            .into_iter()
            .map(|delivered| delivered.mail)
            .collect()
    }

    /// Signs up a user with an emailed code.
    pub(crate) async fn sign_up(&self, email: &str) -> Tokens {
        let requested = self.request_signup_code(email, "Ada Lovelace").await;
        assert_eq!(requested["errors"], Value::Array(Vec::new()), "{requested}");
        let code = self.code(MailKind::SignupCode, email).await;
        Tokens::of(&self.verify_signup_code(email, &code).await["session"])
    }

    /// Signs in with an emailed code.
    pub(crate) async fn log_in(&self, email: &str) -> Tokens {
        let requested = self.request_login_code(email).await;
        assert_eq!(requested["errors"], Value::Array(Vec::new()), "{requested}");
        let code = self.code(MailKind::LoginCode, email).await;
        Tokens::of(&self.verify_login_code(email, &code).await["session"])
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.stop.cancel();
        if std::thread::panicking() || self.allows_unread_mail {
            return;
        }
        let read = self.read.lock().unwrap();
        let unread: Vec<_> = self
            .mails()
            .into_iter()
            .filter(|m| !read.contains(&m.id))
            .collect();
        assert!(unread.is_empty(), "unread mails: {unread:?}");
    }
}
