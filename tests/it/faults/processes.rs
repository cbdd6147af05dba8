//! Our own processes killed.

use std::collections::HashMap;
use std::time::Duration;

use gatelodge::testing::app::Role;

use super::{A_WHILE, wait_until};
use crate::support::deployment::Deployment;
use crate::support::eventually_within;
use crate::support::load::{Load, SETTINGS};
use crate::support::outbox::Outbox;
use crate::support::sink::MailSink;
use crate::support::smtp::{SmtpOptions, SmtpServer};

const MAILS: usize = 300;
/// Far more than a busy machine needs.
const TIMEOUT: Duration = Duration::from_mins(1);

/// A worker killed among three hundred mails: the other one sends what is left, and what the dead
/// one held once its leases end, each at most twice and then recognisably.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn survives_a_worker_killed_while_it_sends() {
    let deployment = Deployment::clustered().await;
    let sink = MailSink::start().await;
    let app = deployment.start_as(Role::Serve, &[("ACCOUNT_EXISTENCE_HINTS", "false")]);
    let app = app.await;
    app.request_login_code("user0@example.com").await;
    let outbox = Outbox::of(&deployment).await;
    outbox.copy_mail(u32::try_from(MAILS).unwrap() - 1).await;
    let mut victim = deployment.spawn(&["worker"], &sink.settings()).await;
    let _other = deployment.spawn(&["worker"], &sink.settings()).await;
    eventually_within(TIMEOUT, "some mails", async || {
        (sink.count() >= MAILS / 5).then_some(())
    })
    .await;
    victim.kill();
    for left in [
        "state = 'pending' AND leased_until IS NULL",
        "state <> 'sent'",
    ] {
        eventually_within(TIMEOUT, "mails to be sent", async || {
            outbox.rows_where(left).await.is_empty().then_some(())
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

/// One of two processes killed under load: whoever was in the middle of a request asks again at the
/// other one, and nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn survives_a_server_killed_under_load() {
    let deployment = Deployment::clustered().await;
    let server = SmtpServer::start(SmtpOptions::default());
    let settings = server.settings(SETTINGS);
    let mut one = deployment.spawn(&[], &settings).await;
    let other = deployment.spawn(&[], &settings).await;
    let outbox = Outbox::of(&deployment).await;
    let load = Load::start(&[&one, &other], &server);
    load.go_on_for(A_WHILE).await;
    one.kill();
    load.go_on_for(A_WHILE).await;
    wait_until(&other, 200, "ready", ("worker", "ok")).await;
    let new = deployment.spawn(&[], &settings).await;
    load.set_doors(&[&other, &new]);
    load.go_on_for(A_WHILE).await;
    // What the dead one held.
    outbox.expire_leases().await;
    let story = load.finish().await;
    // Each of the four has one request at a time.
    assert!(story.failed <= 4, "{}", story.failed);
    story.holds(&new, &server).await;
}
