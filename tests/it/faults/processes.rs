//! Gatelodge's processes are killed under load.

use std::collections::HashMap;
use std::time::Duration;

use gatelodge::testing::app::Role;

use super::{SOME_REQUESTS, wait_until};
use crate::support::deployment::Deployment;
use crate::support::eventually_within;
use crate::support::load::{Load, SETTINGS, USERS};
use crate::support::outbox::Outbox;
use crate::support::sink::MailSink;
use crate::support::smtp::{SmtpOptions, SmtpServer};

const MAILS: usize = 300;
const TIMEOUT: Duration = Duration::from_mins(1);

/// The other worker sends the remaining mails, and those of the killed worker after their leases
/// expire. A mail that is sent twice has the same Message-ID.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn survives_a_worker_killed_while_it_sends() {
    let deployment = Deployment::clustered().await;
    let sink = MailSink::start().await;
    let app = deployment.start_as(Role::Serve, &[("ACCOUNT_EXISTENCE_HINTS", "false")]);
    let app = app.await;
    app.request_login_code("user0@example.com").await;
    let outbox = Outbox::of(&deployment).await;
    outbox.copy_mail(u32::try_from(MAILS).unwrap() - 1).await;
    let mut killed = deployment.spawn(&["worker"], &sink.settings()).await;
    let _other = deployment.spawn(&["worker"], &sink.settings()).await;
    eventually_within(TIMEOUT, "some mails", async || {
        (sink.count() >= MAILS / 5).then_some(())
    })
    .await;
    killed.kill();
    for unsent in [
        "state = 'pending' AND leased_until IS NULL",
        "state <> 'sent'",
    ] {
        eventually_within(TIMEOUT, "mails to be sent", async || {
            outbox.rows_where(unsent).await.is_empty().then_some(())
        })
        .await;
        outbox.expire_leases().await;
    }
    let mut copies: HashMap<String, Vec<String>> = HashMap::new();
    for mail in sink.mails() {
        copies.entry(mail.to).or_default().push(mail.message_id);
    }
    assert_eq!(copies.len(), MAILS);
    for ids in copies.values() {
        assert!(
            ids.len() <= 2 && ids.iter().all(|id| *id == ids[0]),
            "{ids:?}"
        );
    }
    wait_until(&app, 200, "ready", ("outbox", "ok")).await;
}

/// Only requests in progress at the killed process fail. Clients repeat them at the other process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn survives_a_server_killed_under_load() {
    let deployment = Deployment::clustered().await;
    let server = SmtpServer::start(SmtpOptions::default());
    let settings = server.settings(SETTINGS);
    let mut one = deployment.spawn(&[], &settings).await;
    let other = deployment.spawn(&[], &settings).await;
    let outbox = Outbox::of(&deployment).await;
    let load = Load::start(&[&one, &other], &server);
    load.wait_for_requests(SOME_REQUESTS).await;
    one.kill();
    load.wait_for_requests(SOME_REQUESTS).await;
    wait_until(&other, 200, "ready", ("worker", "ok")).await;
    let new = deployment.spawn(&[], &settings).await;
    load.set_servers(&[&other, &new]);
    load.wait_for_requests(SOME_REQUESTS).await;
    // Leases of the killed process.
    outbox.expire_leases().await;
    let report = load.finish().await;
    // Each user has one request in progress.
    assert!(report.failed <= USERS, "{}", report.failed);
    report.assert_consistent(&new, &server).await;
}
