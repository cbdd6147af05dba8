//! What is over is deleted after `DATA_RETENTION_DAYS`, by one process at a time, and nothing else.

use chrono::Duration;
use futures::future::join_all;
use gatelodge::testing::app::{App, Role};
use gatelodge::testing::db::{Db, leases};
use gatelodge::testing::domain::mail::MailKind;
use gatelodge::testing::service::{Cleaned, Services};
use sea_orm::ConnectionTrait;
use sea_orm::prelude::Uuid;
use serde_json::json;

use crate::support::deployment::Deployment;
use crate::support::outbox::Outbox;
use crate::support::team::NO_LIMITS;
use crate::support::{eventually, on_both_deployments};

const ADA: &str = "ada@example.com";
const GRACE: &str = "grace@example.com";
const NEW: &str = "new@example.com";
/// Longer ago than anything is kept, as both databases write it.
const LONG_AGO: &str = "'2001-01-01T00:00:00+00:00'";
/// After a clean-up the next is an hour later.
const NEXT_TURN: Duration = Duration::minutes(61);

/// The use cases of another process, which keeps what is over for a day. It sends no mail and does
/// not clean up by itself.
async fn process(deployment: &Deployment) -> Services {
    let config = deployment.config(&[("DATA_RETENTION_DAYS", "1")]);
    let app = App::build(config, Role::Serve, deployment.clock.clone());
    app.await.unwrap().services().clone()
}

/// Cleans up as a process that is there for the first time; `None` if it is another's turn.
async fn clean_up(services: &Services) -> Option<Cleaned> {
    let holder = services.new_lease_holder();
    services.clean_up(holder).await.unwrap().cleaned
}

/// Leaves one mail in the outbox, which was sent long ago, and `copies` more.
async fn old_mails(deployment: &Deployment, copies: u32) {
    let app = deployment.start_as(Role::Serve, &[]).await;
    app.request_signup_code(GRACE, "Grace").await;
    app.stop().await;
    Outbox::of(deployment).await.copy_mail(copies).await;
    deployment
        .execute(&format!(
            "UPDATE outbox_mails SET state = 'sent', sent_at = {LONG_AGO}"
        ))
        .await;
}

on_both_deployments! {
    /// Codes, sessions, mails and invitations go when they have been over for so long, and not
    /// before; what lives stays, however old it is.
    async fn cleanup_deletes_only_expired_data(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let ada = app.user(ADA).await;
        let other = app.log_in(ADA).await;
        app.with_token(&other.access).run("mutation { logout { endedSessionId } }", json!({})).await;
        app.request_signup_code(GRACE, "Grace").await;
        app.mail(MailKind::SignupCode, GRACE).await;
        let team = ada.create_team("Engines").await;
        let token = app.invite_by_email(&ada, &team, NEW, "MEMBER").await;
        app.register_with(json!({
            "email": NEW, "password": "plover-quartz-41-dinghy", "firstName": "New",
            "lastName": "One", "invitationToken": token,
        }))
        .await;
        app.mail(MailKind::VerifyEmail, NEW).await;
        app.invite_by_email(&ada, &team, "gone@example.com", "MEMBER").await;
        deployment
            .execute("UPDATE invitations SET revoked_at = created_at WHERE email = 'gone@example.com'")
            .await;
        app.allow_unread_mail().stop().await;
        // Of the six mails one is dead, one cancelled, and one still to be sent.
        for (recipient, state) in [(GRACE, "dead"), (NEW, "cancelled"), (NEW, "pending")] {
            let change = format!(
                "UPDATE outbox_mails SET state = '{state}', sent_at = NULL WHERE id =
                 (SELECT id FROM outbox_mails WHERE recipient = '{recipient}' AND state = 'sent' LIMIT 1)"
            );
            assert_eq!(deployment.execute(&change).await, 1);
        }
        let services = process(&deployment).await;
        let nothing = Cleaned::default();

        deployment.clock.advance(Duration::hours(23));
        assert_eq!(clean_up(&services).await, Some(nothing));
        deployment.clock.advance(NEXT_TURN);
        let cleaned = Cleaned { sessions: 1, mails: 5, invitations: 1, ..nothing };
        assert_eq!(clean_up(&services).await, Some(cleaned));
        // Codes live for a quarter of an hour. The one that goes with an invitation stays with it.
        deployment.clock.advance(NEXT_TURN);
        assert_eq!(clean_up(&services).await, Some(Cleaned { codes: 3, ..nothing }));
        assert_eq!(deployment.count("verification_codes WHERE purpose = 'verify_email'").await, 1);
        // Invitations live for a week.
        deployment.clock.advance(Duration::days(6));
        assert_eq!(clean_up(&services).await, Some(nothing));
        deployment.clock.advance(Duration::days(1));
        let cleaned = Cleaned { codes: 1, invitations: 1, ..nothing };
        assert_eq!(clean_up(&services).await, Some(cleaned));

        let app = deployment.start_as(Role::Serve, &[]).await;
        let me = app.with_token(&ada.tokens.access).me().await;
        assert_eq!(me["email"], ADA, "her session lives for two months");
        assert_eq!(deployment.count("outbox_mails WHERE state = 'pending'").await, 1);
        assert_eq!(deployment.count("users").await, 2);
        // A session ends without anybody ending it, too.
        deployment.clock.advance(Duration::days(60));
        assert_eq!(clean_up(&services).await, Some(Cleaned { sessions: 1, ..nothing }));
    }

    /// A clean-up between asking for a code and answering with it takes nothing from either.
    async fn an_open_code_is_kept(deployment: Deployment) {
        let app = deployment.start().await.allow_unread_mail();
        let services = process(&deployment).await;
        let code = {
            app.request_signup_code(GRACE, "Grace").await;
            app.code(MailKind::SignupCode, GRACE).await
        };
        deployment.clock.advance(Duration::minutes(14));
        clean_up(&services).await;
        let verified = app.verify_signup_code(GRACE, &code).await;
        assert_eq!(verified["session"]["user"]["email"], GRACE, "{verified}");
    }

    /// A mail that nobody could send before its code was deleted is cancelled, like any that comes
    /// too late.
    async fn a_mail_whose_code_was_deleted_is_cancelled(deployment: Deployment) {
        let app = deployment.start_as(Role::Serve, &[]).await;
        app.request_signup_code(ADA, "Ada").await;
        deployment.clock.advance(Duration::days(2));
        let services = process(&deployment).await;
        let cleaned = Cleaned { codes: 1, ..Cleaned::default() };
        assert_eq!(clean_up(&services).await, Some(cleaned));
        let _worker = deployment.start_as(Role::Work, &[]).await;
        Outbox::of(&deployment).await.wait_for_state(ADA, "cancelled").await;
    }

    /// Of processes that want to clean up at once one does, all of it, however many statements
    /// that takes; the others hear when to ask again.
    async fn one_of_many_processes_cleans_up(deployment: Deployment) {
        old_mails(&deployment, 2_500).await;
        let processes = [process(&deployment).await, process(&deployment).await];
        let asked = (0..10).map(|n| {
            let services = processes[n % 2].clone();
            tokio::spawn(async move { services.clean_up(services.new_lease_holder()).await.unwrap() })
        });
        let answers: Vec<_> = join_all(asked).await.into_iter().map(Result::unwrap).collect();
        let cleaned: Vec<_> = answers.iter().filter_map(|answer| answer.cleaned).collect();
        assert_eq!(cleaned, [Cleaned { mails: 2_501, ..Cleaned::default() }]);
        assert_eq!(deployment.count("outbox_mails").await, 0);
        let now = deployment.clock.now();
        assert!(answers.iter().all(|answer| answer.next > now), "{answers:?}");

        // One turn later it is anybody's turn again.
        deployment.clock.advance(NEXT_TURN);
        assert_eq!(clean_up(&processes[0]).await, Some(Cleaned::default()));
        assert_eq!(clean_up(&processes[1]).await, None);
    }

    /// Who took the turn and never came back loses it.
    async fn an_abandoned_lease_expires(deployment: Deployment) {
        old_mails(&deployment, 0).await;
        let services = process(&deployment).await;
        let db = Db::connect(&deployment.config(&[]).database).await.unwrap();
        let now = deployment.clock.now();
        let until = now + Duration::minutes(5);
        let (lost, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert!(leases::take(&db, "retention", lost, now, until).await.unwrap());
        assert!(!leases::take(&db, "retention", other, now, until).await.unwrap());

        let refused = services.clean_up(services.new_lease_holder()).await.unwrap();
        assert_eq!((refused.cleaned, refused.next), (None, until));
        deployment.clock.advance(Duration::minutes(5));
        let cleaned = clean_up(&services).await;
        assert_eq!(cleaned, Some(Cleaned { mails: 1, ..Cleaned::default() }));
        let late = leases::take(&db, "retention", lost, deployment.clock.now(), until).await;
        assert!(!late.unwrap(), "the one who lost it does not get it back");
    }

    /// A worker cleans up by itself, soon after its start and then every hour, and says what it did.
    async fn a_worker_cleans_up_by_itself(deployment: Deployment) {
        old_mails(&deployment, 10).await;
        let process = deployment.spawn(&[], &[]).await;
        process.wait_for("retention_cleaned").await;
        let counts = "0 codes, 0 sessions, 11 mails, 0 invitations";
        assert!(process.output().contains(counts), "{}", process.output());
        drop(process);

        let worker = deployment.start().await;
        old_mails(&deployment, 0).await;
        deployment.clock.advance(NEXT_TURN);
        eventually("the next clean-up", async || {
            (deployment.count("outbox_mails").await == 0).then_some(())
        })
        .await;
        worker.allow_unread_mail().stop().await;
    }

    /// A clean-up that fails is told of, and harms nothing else.
    async fn a_failed_cleanup_is_logged(deployment: Deployment) {
        let process = deployment.spawn(&[], &[]).await;
        deployment.execute("ALTER TABLE leases RENAME TO gone").await;
        process.wait_for("retention_failed").await;
        process.request_signup_code(ADA, "Ada").await;
        process.code(ADA).await;
    }
}

/// A process that is killed in the middle of it is followed by another.
#[tokio::test(flavor = "multi_thread")]
async fn another_process_takes_over_cleanup() {
    let deployment = Deployment::clustered().await;
    old_mails(&deployment, 0).await;
    let blocker = deployment.database().await;
    let block = "BEGIN; LOCK TABLE outbox_mails IN SHARE MODE";
    blocker.execute_unprepared(block).await.unwrap();
    let mut killed = deployment.spawn(&["worker"], &[]).await;
    eventually("the clean-up to wait", async || {
        let waiting = "pg_stat_activity WHERE datname = current_database()
            AND wait_event_type = 'Lock' AND query LIKE 'DELETE FROM%'";
        (deployment.count(waiting).await == 1).then_some(())
    })
    .await;
    killed.kill();
    // PostgreSQL would notice only after the statement.
    let hang_up = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'gatelodge'";
    blocker.execute_unprepared(hang_up).await.unwrap();
    blocker.execute_unprepared("COMMIT").await.unwrap();

    let services = process(&deployment).await;
    assert_eq!(clean_up(&services).await, None, "its turn lasts");
    deployment.clock.advance(Duration::minutes(6));
    let mails = Cleaned {
        mails: 1,
        ..Cleaned::default()
    };
    assert_eq!(clean_up(&services).await, Some(mails));
}
