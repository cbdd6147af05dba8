//! Ten thousand mails that are due at once.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use gatelodge::testing::app::Role;

use crate::support::deployment::Deployment;
use crate::support::eventually_within;
use crate::support::outbox::Outbox;
use crate::support::process::Process;
use crate::support::redis::RedisServer;
use crate::support::sink::MailSink;

const MAILS: u32 = 10_000;
/// Fewer, after which a process has all the buffers and connections that it will need.
const WARM_UP: u32 = 1_000;
/// Far more than a debug build needs on a busy machine, far less than the 20 s for each thousand
/// that a queue filled now and then would take.
const TIMEOUT: Duration = Duration::from_mins(5);

/// Writes mails that are due into the outbox.
async fn write(deployment: &Deployment, mails: u32) {
    let hints_off = [("ACCOUNT_EXISTENCE_HINTS", "false")];
    let app = deployment.start_as(Role::Serve, &hints_off).await;
    deployment.execute("DELETE FROM outbox_mails").await;
    // Nobody has this address, and the mail says so: it carries no code that others would need.
    app.request_login_code("user0@example.com").await;
    app.stop().await;
    Outbox::of(deployment).await.copy_mail(mails - 1).await;
}

/// Waits until all mails are sent, and sees that none was lost and none doubled.
async fn drained(deployment: &Deployment, sink: &MailSink, before: usize, mails: u32) {
    let begun = Instant::now();
    let mails = mails as usize;
    eventually_within(TIMEOUT, "every mail", async || {
        (sink.count() >= before + mails).then_some(())
    })
    .await;
    println!("{mails} mails taken after {:?}", begun.elapsed());
    eventually_within(TIMEOUT, "every mail to be recorded", async || {
        let left = "outbox_mails WHERE state <> 'sent' OR attempts <> 1";
        (deployment.count(left).await == 0).then_some(())
    })
    .await;
    let taken = sink.mails().split_off(before);
    let recipients: HashSet<_> = taken.iter().map(|mail| &mail.to).collect();
    let ids: HashSet<_> = taken.iter().map(|mail| &mail.message_id).collect();
    assert_eq!(
        (taken.len(), recipients.len(), ids.len()),
        (mails, mails, mails)
    );
}

/// The queue in the process: what it grew by is less than a kilobyte for each mail, so it keeps
/// none of them.
#[tokio::test(flavor = "multi_thread")]
async fn the_queue_in_process_drains() {
    let deployment = Deployment::embedded().await;
    let sink = MailSink::start().await;
    write(&deployment, WARM_UP).await;
    let process = deployment.spawn(&[], &sink.settings()).await;
    drained(&deployment, &sink, 0, WARM_UP).await;
    let before = process.resident_kilobytes();
    write(&deployment, MAILS).await;
    drained(&deployment, &sink, WARM_UP as usize, MAILS).await;
    let grown = process.resident_kilobytes().saturating_sub(before);
    println!("the process grew by {grown} kB from {before}");
    assert!(grown < u64::from(MAILS), "{grown} kB");
}

/// The queue on Redis, with two processes that share the work: each does a good part, and nothing
/// is left in Redis.
#[tokio::test(flavor = "multi_thread")]
async fn the_queue_on_redis_drains() {
    let deployment = Deployment::with_own_redis().await;
    let sink = MailSink::start().await;
    let redis = deployment.redis_server();
    write(&deployment, WARM_UP).await;
    let workers = [
        deployment.spawn(&["worker"], &sink.settings()).await,
        deployment.spawn(&["worker"], &sink.settings()).await,
    ];
    drained(&deployment, &sink, 0, WARM_UP).await;
    left_tidy(redis).await;
    let before = redis.used_bytes().await;
    write(&deployment, MAILS).await;
    drained(&deployment, &sink, WARM_UP as usize, MAILS).await;
    left_tidy(redis).await;
    let after = redis.used_bytes().await;
    println!("Redis held {before} bytes before and {after} after");
    // A finished job takes 684 bytes: this is a tenth of what they would take.
    let grown = after.saturating_sub(before);
    assert!(grown < 684_000, "{grown} bytes");
    let sent = workers.each_ref().map(sent_by);
    println!("the two sent {sent:?}");
    let all = (MAILS + WARM_UP) as usize;
    assert!(sent.iter().all(|&sent| sent > all / 5), "{sent:?}");
    assert_eq!(sent[0] + sent[1], all);
}

fn sent_by(process: &Process) -> usize {
    process.output().matches(" email_sent ").count()
}

/// Waits until nothing of a job is left, only what apalis keeps about each worker.
async fn left_tidy(redis: &RedisServer) {
    eventually_within(TIMEOUT, "the queue to be tidied", async || {
        let mut keys = redis.keys("gatelodge:mail:*").await;
        keys.retain(|key| !key.starts_with("gatelodge:mail:workers"));
        keys.is_empty().then_some(())
    })
    .await;
}
