//! Every query of a hot path has an index. The queries are those that the program makes: a
//! connection that stands in between writes them down, and the database is asked how it would
//! run them.

use chrono::Duration;
use gatelodge::testing::crypto;
use gatelodge::testing::db::{
    DbError, codes, credentials, invitations, outbox, sessions, teams, users,
};
use gatelodge::testing::domain::clock::Timestamp;
use gatelodge::testing::domain::code::Purpose;
use gatelodge::testing::domain::credential::CredentialKind;
use gatelodge::testing::domain::email::EmailAddress;
use gatelodge::testing::domain::mail::{AttemptOutcome, MailAttempt};
use gatelodge::testing::domain::session::RevokeReason;
use gatelodge::testing::domain::team::{Page, PageEnd};
use sea_orm::prelude::Uuid;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::support::deployment::Deployment;
use crate::support::on_both_deployments;
use crate::support::recording::{RecordingConnection, key_index};

on_both_deployments! {
    /// What each request or each sign-in asks does not get slower as the tables grow.
    async fn hot_queries_use_an_index(deployment: Deployment) {
        let db = RecordingConnection::of(&deployment).await;
        let now: Timestamp = deployment.clock.now();
        let email = EmailAddress::parse("ada@example.com").unwrap();
        let id = Uuid::from_bytes(crypto::random());
        let (user_key, session_key) = (key_index(&db, "users", "id"), key_index(&db, "sessions", "id"));
        let (code_key, mail_key) = (
            key_index(&db, "verification_codes", "id"),
            key_index(&db, "outbox_mails", "id"),
        );

        db.assert_uses(
            users::find_by_email(&db, &email),
            &[&key_index(&db, "users", "email")],
        )
        .await;
        db.assert_uses(users::find(&db, id.into()), &[&user_key]).await;
        db.assert_uses(
            credentials::find(&db, id.into(), CredentialKind::Password),
            &["credentials_"],
        )
        .await;
        db.assert_uses(outbox::oldest_due(&db, now), &["outbox_mails_due"]).await;
        let newest = "verification_codes_purpose_email_created_at";
        for purpose in [Purpose::Signup, Purpose::Login] {
            db.assert_uses(codes::find_newest(&db, purpose, &email), &[newest])
                .await;
        }
        db.assert_uses(codes::find(&db, id.into()), &[&code_key]).await;
        db.assert_uses(codes::count_attempt(&db, id.into(), 5), &[&code_key])
            .await;
        db.assert_uses(codes::consume(&db, id.into(), now), &[&code_key])
            .await;

        db.assert_uses(sessions::find_with_user(&db, id.into()), &[&session_key])
            .await;
        db.assert_uses(
            sessions::rotate(&db, id.into(), 1, now, now),
            &[&session_key],
        )
        .await;
        db.assert_uses(sessions::touch(&db, id.into(), now), &[&session_key])
            .await;
        db.assert_uses(
            sessions::revoke(&db, id.into(), now, RevokeReason::Logout),
            &[&session_key],
        )
        .await;

        db.assert_uses(outbox::due(&db, now, 100), &["outbox_mails_due"])
            .await;
        db.assert_uses(
            outbox::lease(&db, id.into(), now, now + Duration::minutes(1)),
            &[&mail_key],
        )
        .await;
        let attempt = MailAttempt {
            number: 1,
            started_at: now,
            ended_at: now,
            outcome: AttemptOutcome::Sent,
            provider: Some("smtp".to_owned()),
            error: None,
        };
        db.assert_uses(outbox::finish(&db, id.into(), attempt, None), &[&mail_key])
            .await;
    }

    /// What is over is found without looking at what is not.
    async fn cleanup_uses_an_index(deployment: Deployment) {
        let db = RecordingConnection::of(&deployment).await;
        let end: Timestamp = deployment.clock.now() - Duration::days(30);
        let expired = ["verification_codes_expires_at", "sessions_", "invitations_", "outbox_mails_ended_at"];
        db.assert_uses(codes::delete_expired(&db, end, 1_000), &expired[..1]).await;
        db.assert_uses(sessions::delete_ended(&db, end, 1_000), &expired[1..2]).await;
        db.assert_uses(invitations::delete_ended(&db, end, 1_000), &expired[2..3]).await;
        db.assert_uses(outbox::delete_ended(&db, end, 1_000), &expired[3..]).await;
    }

    /// Nor do teams, however many members one has and however far into them a page is.
    async fn pages_of_teams_use_an_index(deployment: Deployment) {
        let db = RecordingConnection::of(&deployment).await;
        let now: Timestamp = deployment.clock.now();
        let email = EmailAddress::parse("ada@example.com").unwrap();
        // One that has rows, where the database chooses by what the tables hold.
        let (team, user) = db.largest_team_and_busiest_user().await;
        let by_team = "team_members_team_id";
        let (of_members, of_user) = ("team_members_team_id_id", "team_members_user_id_id");
        let of_invitations = "invitations_team_id_id";
        // Of a few rows the planner may prefer to sort all; whether it could use the index counts.
        db.avoid_sorting(true).await;
        let place = Uuid::from_u128(u128::MAX / 2);
        for (after, before) in [(None, None), (Some(place), None), (None, Some(place))] {
            for end in [PageEnd::First, PageEnd::Last] {
                let members = page(end, after, before);
                db.assert_uses(teams::members(&db, team.into(), members), &[of_members]).await;
                db.assert_uses(teams::of_user(&db, user.into(), members), &[of_user]).await;
                let open = invitations::open_of_team(&db, team.into(), now, page(end, after, before));
                db.assert_uses(open, &[of_invitations]).await;
            }
        }
        db.avoid_sorting(false).await;
        let one = "team_members_team_id_user_id";
        db.assert_uses(teams::membership(&db, team.into(), user.into()), &[one]).await;
        db.assert_uses(teams::member(&db, team.into(), user.into()), &[one]).await;
        db.assert_uses(teams::find(&db, team.into()), &[&key_index(&db, "teams", "id")]).await;
        db.assert_uses(teams::count_members(&db, team.into()), &[by_team]).await;
        db.assert_uses(teams::count_admins(&db, team.into()), &[by_team]).await;
        db.assert_uses(teams::count_of_user(&db, user.into()), &[of_user]).await;
        db.assert_uses(teams::memberships_of_user(&db, user.into(), 51), &[of_user]).await;
        db.assert_uses(invitations::find_pending(&db, team.into(), &email), &["invitations_one_open"])
            .await;
        db.assert_uses(invitations::count_open(&db, team.into(), now), &["invitations"]).await;
        let ids = [user.into(), place.into()];
        db.assert_uses(users::find_all(&db, &ids), &[&key_index(&db, "users", "id")]).await;
        db.assert_uses(invitations::cancel_mails_of(&db, place.into()), &["outbox_mails"]).await;
        db.assert_uses(invitations::cancel_mails_of_team(&db, team.into()), &["outbox_mails", "invitations"])
            .await;
    }
}

fn page<Id: From<Uuid>>(end: PageEnd, after: Option<Uuid>, before: Option<Uuid>) -> Page<Id> {
    Page {
        size: 100,
        end,
        after: after.map(Id::from),
        before: before.map(Id::from),
    }
}

/// The test above can fail: a query without an index is seen.
#[tokio::test]
#[should_panic(expected = "SCAN")]
async fn a_query_without_an_index_is_noticed() {
    let deployment = Deployment::embedded().await;
    let db = RecordingConnection::of(&deployment).await;
    let by_name = Statement::from_string(DbBackend::Sqlite, "SELECT id FROM users WHERE name = ''");
    let query = async { db.query_all_raw(by_name).await.map_err(DbError::from) };
    db.assert_uses(query, &[]).await;
}
