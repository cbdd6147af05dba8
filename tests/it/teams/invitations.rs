//! Invitations: to whom they go, what their link opens, and when it opens nothing.

use chrono::Duration;
use futures::future::join_all;
use gatelodge::testing::domain::mail::MailKind;
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::client::{SESSION, assert_error, error_codes};
use crate::support::deployment::Deployment;
use crate::support::team::NO_LIMITS;
use crate::support::{eventually, on_both_deployments};

const MEMBER: &str = "MEMBER";
const ADMIN: &str = "ADMIN";

/// Registers an account that does not prove its address, and signs it in.
async fn unproved(app: &TestApp, email: &str) -> crate::support::client::Tokens {
    let password = "plover-quartz-41-dinghy";
    let input =
        json!({ "email": email, "password": password, "firstName": "Eve", "lastName": "M" });
    let registered = app.mutate("register", input, "user { id }").await;
    assert_eq!(registered["errors"], json!([]), "{registered}");
    app.mail(MailKind::VerifyEmail, email).await;
    let input = json!({ "email": email, "password": password });
    let logged_in = app.mutate("login", input, SESSION).await;
    crate::support::client::Tokens::of(&logged_in["session"])
}

/// Inviting again while the invitation is declined or cleaned away makes another one, whose link
/// works. SQLite has one writer at a time, so this can happen on PostgreSQL only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_deleted_during_a_renewal_is_created_again() {
    let deployment = Deployment::clustered().await;
    let app = deployment.start_with(NO_LIMITS).await;
    let ada = app.user("ada@example.com").await;
    let team = ada.create_team("Engines").await;
    for (email, going) in [
        (
            "one@example.com",
            "UPDATE invitations SET declined_at = now()",
        ),
        ("two@example.com", "DELETE FROM invitations"),
    ] {
        let old = app.invite_by_email(&ada, &team, email, MEMBER).await;
        let database = deployment.database().await;
        let holding = database.begin().await.unwrap();
        let of_email = format!("{going} WHERE email = '{email}'");
        holding.execute_unprepared(&of_email).await.unwrap();
        let going = async {
            eventually("the renewal to wait for the row", async || {
                let waiting = deployment
                    .count("pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
                    .await;
                (waiting > 0).then_some(())
            })
            .await;
            holding.commit().await.unwrap();
        };
        let (new, ()) = futures::join!(app.invite_by_email(&ada, &team, email, ADMIN), going);
        assert_eq!(app.preview(&old).await, Value::Null);
        assert_eq!(app.preview(&new).await["role"], ADMIN, "{email}");
        database.close().await.unwrap();
    }
}

on_both_deployments! {
    /// An account that has proved its address joins at once and is told.
    async fn a_verified_user_joins_at_once(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let (ada, grace) = (app.user("ada@example.com").await, app.user("grace@example.com").await);
        let team = ada.create_team("Engines").await;
        let invited = ada.invite(&team, " Grace@Example.COM ", ADMIN).await;
        assert_eq!(invited["errors"], json!([]));
        assert_eq!(invited["invitation"], Value::Null);
        assert_eq!(invited["membership"]["role"], ADMIN);
        assert_eq!(invited["membership"]["user"]["id"], grace.id());
        assert_eq!(invited["membership"]["user"]["emailVerified"], Value::Null);
        let mail = app.mail(MailKind::TeamAdded, "grace@example.com").await;
        assert!(mail.text.contains("Engines") && mail.text.contains("Ada Lovelace"), "{}", mail.text);
        assert!(mail.link.is_none() && mail.code.is_none());
        assert_eq!(grace.team(&team).await["viewerRole"], ADMIN);
        assert_eq!(deployment.count("invitations").await, 0);

        for email in ["grace@example.com", "ada@example.com"] {
            assert_error(&ada.invite(&team, email, MEMBER).await, "ALREADY_MEMBER", "email");
        }
        assert_eq!(grace.team(&team).await["viewerRole"], ADMIN);
        assert_error(&ada.invite(&team, "not an address", MEMBER).await, "INVALID_EMAIL", "email");
    }

    /// An unknown address and an account that never proved its own are asked by mail, with a link
    /// into the application; the answer tells nobody which of the two it is.
    async fn other_addresses_get_an_invitation_by_mail(deployment: Deployment) {
        let settings = [NO_LIMITS, &[("APP_URL", "https://app.example.com")]].concat();
        let app = deployment.start_with(&settings).await;
        let ada = app.user("ada@example.com").await;
        let team = ada.create_team("Engines").await;
        let eve = unproved(&app, "eve@example.com").await;
        for email in ["eve@example.com", "nobody@example.com"] {
            let invited = ada.invite(&team, email, MEMBER).await;
            assert_eq!(invited["errors"], json!([]));
            assert_eq!(invited["membership"], Value::Null);
            assert_eq!(invited["invitation"]["email"], email);
            assert_eq!(invited["invitation"]["invitedBy"]["id"], ada.id());
            let mail = app.mail(MailKind::TeamInvitation, email).await;
            let link = mail.link.unwrap();
            let start = "https://app.example.com/accept-invitation?token=";
            let token = link.expose().strip_prefix(start).unwrap();
            assert!(mail.text.contains(link.expose()), "{}", mail.text);
            assert!(app.preview(token).await["expiresAt"] == invited["invitation"]["expiresAt"]);
        }
        assert!(app.with_token(&eve.access).teams().await.is_empty());
    }

    /// There is one open invitation per team and address: inviting again renews it, and only the
    /// newest link opens anything.
    async fn inviting_again_renews_the_invitation(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let ada = app.user("ada@example.com").await;
        let team = ada.create_team("Engines").await;
        let first = ada.invite(&team, "new@example.com", MEMBER).await["invitation"].clone();
        let old = app.invitation_token("new@example.com").await;
        deployment.clock.advance(Duration::hours(1));
        let second = ada.invite(&team, "New@example.com", ADMIN).await["invitation"].clone();
        let new = app.invitation_token("new@example.com").await;
        assert_eq!(second["id"], first["id"]);
        assert_eq!(second["role"], ADMIN);
        assert!(second["expiresAt"].as_str() > first["expiresAt"].as_str());
        assert_eq!(ada.team(&team).await["invitations"]["totalCount"], 1);
        assert_eq!(app.preview(&old).await, Value::Null);
        assert_eq!(app.preview(&new).await["role"], ADMIN);
        // Another team's invitation is another one.
        let other = ada.create_team("Compilers").await;
        app.invite_by_email(&ada, &other, "new@example.com", MEMBER).await;
        assert_eq!(app.preview(&new).await["role"], ADMIN);

        let many = join_all((0..10).map(|_| ada.invite(&team, "many@example.com", MEMBER))).await;
        assert!(many.iter().all(|payload| payload["errors"] == json!([])), "{many:?}");
        let open = "invitations WHERE email = 'many@example.com'";
        assert_eq!(deployment.count(open).await, 1);
        let _ = app.allow_unread_mail();
    }

    /// An expired invitation can be sent again, and then lives again.
    async fn an_expired_invitation_can_be_sent_again(deployment: Deployment) {
        let settings = [NO_LIMITS, &[("INVITATION_EXPIRATION_HOURS", "2")]].concat();
        let app = deployment.start_with(&settings).await;
        let ada = app.user("ada@example.com").await;
        let team = ada.create_team("Engines").await;
        let old = app.invite_by_email(&ada, &team, "new@example.com", MEMBER).await;
        deployment.clock.advance(Duration::minutes(119));
        assert_ne!(app.preview(&old).await, Value::Null);
        deployment.clock.advance(Duration::minutes(1));
        assert_eq!(app.preview(&old).await, Value::Null);
        assert_eq!(ada.team(&team).await["invitations"], json!({ "nodes": [], "totalCount": 0 }));
        let new = app.invite_by_email(&ada, &team, "new@example.com", MEMBER).await;
        assert_eq!(app.preview(&old).await, Value::Null);
        let person = app.user("new@example.com").await;
        assert_eq!(person.accept(&new).await["errors"], json!([]));
    }

    /// Whatever is wrong with an invitation, its token opens nothing, and nobody can tell why:
    /// all answers are those to a token that never was.
    async fn expired_and_unknown_tokens_are_indistinguishable(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let root = crate::teams::members::superuser(&deployment, &app, "root@example.com").await;
        let mut dead = vec![("empty", String::new()), ("nonsense", "nonsense".to_owned())];
        let mut n = 0;
        let mut next = || { n += 1; n };
        let invited = async |app: &TestApp, n: i32| {
            let admin = app.user(&format!("admin{n}@example.com")).await;
            let team = admin.create_team("Engines").await;
            let guest = app.user(&format!("heir{n}@example.com")).await;
            app.add_member(&admin, &team, &guest, ADMIN).await;
            let token = app.invite_by_email(&admin, &team, &format!("new{n}@example.com"), MEMBER).await;
            assert_ne!(app.preview(&token).await, Value::Null);
            (admin, guest, team, token)
        };

        let (admin, _, team, token) = invited(&app, next()).await;
        let id = admin.team(&team).await["invitations"]["nodes"][0]["id"].clone();
        let revoked = admin.revoke(id.as_str().unwrap()).await;
        assert_eq!(revoked["invitation"]["id"], id);
        assert_error(&admin.revoke(id.as_str().unwrap()).await, "NOT_FOUND", "invitationId");
        dead.push(("revoked", token));

        let (_, _, _, token) = invited(&app, next()).await;
        assert_ne!(app.decline(&token).await["message"], Value::Null);
        dead.push(("declined", token));

        let number = next();
        let (_, _, _, token) = invited(&app, number).await;
        let new = app.user(&format!("new{number}@example.com")).await;
        assert_eq!(new.accept(&token).await["errors"], json!([]));
        dead.push(("accepted", token));

        let (admin, heir, team, token) = invited(&app, next()).await;
        assert_eq!(heir.change_role(&team, admin.id(), MEMBER).await["errors"], json!([]));
        dead.push(("inviter demoted", token));

        let (admin, heir, team, token) = invited(&app, next()).await;
        assert_eq!(heir.remove_member(&team, admin.id()).await["errors"], json!([]));
        dead.push(("inviter removed", token));

        let (admin, _, _, token) = invited(&app, next()).await;
        assert_eq!(admin.delete_account().await["errors"], json!([]));
        dead.push(("inviter erased", token));

        let (admin, _, _, token) = invited(&app, next()).await;
        let disable = format!("UPDATE users SET is_active = false WHERE email = '{}'", admin.email);
        assert_eq!(deployment.execute(&disable).await, 1);
        dead.push(("inviter disabled", token));

        let (_, heir, team, token) = invited(&app, next()).await;
        assert_eq!(heir.delete_team(&team).await["errors"], json!([]));
        dead.push(("team deleted", token));

        let (admin, _, team, token) = invited(&app, next()).await;
        let email = admin.team(&team).await["invitations"]["nodes"][0]["email"].clone();
        let live = app.invite_by_email(&admin, &team, email.as_str().unwrap(), MEMBER).await;
        dead.push(("renewed", token));

        for at in 0..live.len() {
            let byte = if live.as_bytes()[at] == b'A' { "B" } else { "A" };
            let changed = format!("{}{byte}{}", &live[..at], &live[at + 1..]);
            dead.push(("one byte changed", changed));
        }

        for (why, token) in &dead {
            assert_eq!(app.preview(token).await, Value::Null, "{why}");
        }
        let never = app.accept("never").await;
        assert_error(&never, "INVALID_TOKEN", "token");
        let declined = app.decline("never").await;
        assert_error(&declined, "INVALID_TOKEN", "token");
        for (why, token) in &dead {
            assert_eq!(app.accept(token).await, never, "{why}");
            assert_eq!(root.accept(token).await, never, "{why}");
            assert_eq!(app.decline(token).await, declined, "{why}");
            let input = json!({ "email": "other@example.com", "name": "Eve", "invitationToken": token });
            let payload = app.mutate("requestSignupCode", input, "challenge { email }").await;
            assert_error(&payload, "INVALID_TOKEN", "invitationToken");
        }
        assert_eq!(deployment.count("team_members m JOIN users u ON u.id = m.user_id WHERE u.email LIKE 'new%'").await, 1);

        deployment.clock.advance(Duration::hours(168));
        assert_eq!(app.accept(&live).await, never, "expired");
        assert_eq!(app.decline(&live).await, declined, "expired");
    }

    /// Whoever is signed in as somebody else cannot use a link that came into their hands; without
    /// an account for the address there is nobody to join.
    async fn only_the_invited_address_can_use_the_token(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let ada = app.user("ada@example.com").await;
        let stranger = app.user("stranger@example.com").await;
        let team = ada.create_team("Engines").await;
        let token = app.invite_by_email(&ada, &team, "new@example.com", MEMBER).await;
        for other in [&stranger, &ada] {
            assert_error(&other.accept(&token).await, "INVITATION_EMAIL_MISMATCH", "token");
        }
        assert_error(&app.accept(&token).await, "ACCOUNT_NOT_FOUND", "");
        assert_eq!(deployment.count("users").await, 2);

        let new = app.user("new@example.com").await;
        assert_error(&stranger.accept(&token).await, "INVITATION_EMAIL_MISMATCH", "token");
        assert!(new.teams().await.is_empty());
        let disable = |is: bool| format!("UPDATE users SET is_active = {is} WHERE email = 'new@example.com'");
        deployment.execute(&disable(false)).await;
        assert_error(&app.accept(&token).await, "ACCOUNT_DISABLED", "");
        deployment.execute(&disable(true)).await;
        // Whoever presents it without being signed in has it from the mail.
        let accepted = app.accept(&token).await;
        assert_eq!(accepted["membership"]["user"]["id"], new.id());
        assert_eq!(accepted["membership"]["user"]["emailVerified"], Value::Null);
        assert_eq!(new.team(&team).await["viewerRole"], MEMBER);
    }

    /// However many accept at once, there is one membership; the others are told that the token
    /// is used.
    async fn concurrent_acceptances_create_one_membership(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let ada = app.user("ada@example.com").await;
        let team = ada.create_team("Engines").await;
        let token = app.invite_by_email(&ada, &team, "new@example.com", MEMBER).await;
        let new = app.user("new@example.com").await;
        let answers = join_all((0..20).map(async |n| match n % 2 {
            0 => app.accept(&token).await,
            _ => new.accept(&token).await,
        }))
        .await;
        let joined = answers.iter().filter(|answer| !answer["membership"].is_null()).count();
        assert_eq!(joined, 1, "{answers:?}");
        for answer in answers.iter().filter(|answer| answer["membership"].is_null()) {
            assert_error(answer, "INVALID_TOKEN", "token");
        }
        assert_eq!(ada.team(&team).await["members"]["totalCount"], 2);
    }

    /// A token answered in two ways at once has one outcome.
    async fn accepting_and_revoking_concurrently_has_one_outcome(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let ada = app.user("ada@example.com").await;
        for n in 0..10 {
            let team = ada.create_team("Engines").await;
            let email = format!("new{n}@example.com");
            let new = app.user(&format!("other{n}@example.com")).await;
            let change = format!("UPDATE users SET email = '{email}' WHERE email = 'other{n}@example.com'");
            let token = app.invite_by_email(&ada, &team, &email, MEMBER).await;
            deployment.execute(&change).await;
            let id = ada.team(&team).await["invitations"]["nodes"][0]["id"].clone();
            let id = id.as_str().unwrap();
            let (accepted, other) = match n % 3 {
                0 => futures::join!(new.accept(&token), ada.revoke(id)),
                1 => futures::join!(new.accept(&token), app.decline(&token)),
                _ => futures::join!(new.accept(&token), ada.delete_team(&team)),
            };
            for answer in [&accepted, &other] {
                assert!(matches!(error_codes(answer)[..], [] | ["INVALID_TOKEN" | "NOT_FOUND"]), "{answer}");
            }
            let is_member = !new.teams().await.is_empty();
            if n % 3 == 2 {
                assert!(!is_member && other["deletedTeamId"] == team.as_str());
            } else {
                assert_eq!(is_member, error_codes(&accepted).is_empty(), "{accepted} {other}");
                assert_eq!(is_member, !error_codes(&other).is_empty(), "{accepted} {other}");
            }
        }
    }

    /// Who registered an address without owning it has no way in once its owner has accepted; the
    /// account's own session may accept and stays.
    async fn accepting_resets_an_unverified_account(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let ada = app.user("ada@example.com").await;
        let team = ada.create_team("Engines").await;
        let eve = unproved(&app, "eve@example.com").await;
        let session = app.with_token(&eve.access);
        assert_eq!(session.me().await["id"], eve.user_id);
        let token = app.invite_by_email(&ada, &team, "eve@example.com", MEMBER).await;
        let accepted = app.accept(&token).await;
        assert_eq!(accepted["membership"]["user"]["id"], eve.user_id);
        app.mail(MailKind::PasswordChanged, "eve@example.com").await;
        assert_eq!(session.post("{ teams { totalCount } }", json!({})).await.status, 401);
        assert_error(&app.refresh(&eve.refresh).await, "INVALID_TOKEN", "refreshToken");
        let input = json!({ "email": "eve@example.com", "password": "plover-quartz-41-dinghy" });
        assert_error(&app.mutate("login", input, SESSION).await, "INVALID_CREDENTIALS", "");
        let proved = "users WHERE email = 'eve@example.com' AND email_verified_at IS NOT NULL";
        assert_eq!(deployment.count(proved).await, 1);

        let mallory = unproved(&app, "mallory@example.com").await;
        let session = app.with_token(&mallory.access);
        let token = app.invite_by_email(&ada, &team, "mallory@example.com", MEMBER).await;
        assert_eq!(session.accept(&token).await["membership"]["user"]["emailVerified"], true);
        let me = session.run("{ me { emailVerified hasPassword } }", json!({})).await;
        assert_eq!(me["me"], json!({ "emailVerified": true, "hasPassword": true }));
        assert_eq!(session.teams().await.len(), 1);
    }

    /// A team, and an admin of however many teams, can be made to mail only so often.
    async fn invitations_are_limited_per_team_and_admin(deployment: Deployment) {
        let limit = [("MAX_INVITATIONS_PER_HOUR_PER_TEAM", "3")];
        let app = deployment.start_with(&limit).await;
        let (ada, grace) =
            (app.user("ada@example.com").await, app.user("grace@example.com").await);
        let (team, other) = (ada.create_team("Engines").await, ada.create_team("Other").await);
        for n in 0..3 {
            app.invite_by_email(&ada, &team, &format!("new{n}@example.com"), MEMBER).await;
        }
        for team in [&team, &other] {
            let payload = ada.invite(team, "new4@example.com", MEMBER).await;
            assert_eq!(error_codes(&payload), ["RATE_LIMITED"]);
            assert_eq!(payload["errors"][0]["retryAfterSeconds"], 3600);
        }
        let graces = grace.create_team("Compilers").await;
        app.invite_by_email(&grace, &graces, "new4@example.com", MEMBER).await;
        deployment.clock.advance(Duration::minutes(60));
        let tokens = app.refresh(&ada.tokens.refresh).await;
        let ada = app.with_token(tokens["session"]["accessToken"].as_str().unwrap());
        app.invite_by_email(&ada, &team, "new4@example.com", MEMBER).await;
    }

    /// However many admins and teams there are, one address is invited only so often.
    async fn invitations_are_limited_per_address(deployment: Deployment) {
        let app = deployment.start_with(&[("MAX_CODE_REQUESTS_PER_HOUR", "2")]).await;
        for (n, admin) in ["ada@example.com", "grace@example.com", "mary@example.com"].iter().enumerate() {
            let admin = app.user(admin).await;
            let team = admin.create_team("Engines").await;
            let invited = admin.invite(&team, "victim@example.com", MEMBER).await;
            if n < 2 {
                assert_eq!(invited["errors"], json!([]));
                app.mail(MailKind::TeamInvitation, "victim@example.com").await;
            } else {
                assert_eq!(error_codes(&invited), ["RATE_LIMITED"]);
            }
        }
    }

    /// Nobody mails strangers in the name of an address that may not be theirs.
    async fn an_unverified_user_cannot_invite(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let eve = app.with_token(&unproved(&app, "eve@example.com").await.access);
        let team = eve.create_team("Engines").await;
        let invited = eve.invite(&team, "ada@example.com", MEMBER).await;
        assert_error(&invited, "EMAIL_NOT_VERIFIED", "");
        assert_eq!(deployment.count("invitations").await, 0);
    }

    /// Without hints an invitation does not tell who has an account: everybody is asked.
    async fn without_hints_everybody_gets_an_invitation(deployment: Deployment) {
        let settings = [NO_LIMITS, &[("ACCOUNT_EXISTENCE_HINTS", "false")]].concat();
        let app = deployment.start_with(&settings).await;
        let (ada, grace) =
            (app.user("ada@example.com").await, app.user("grace@example.com").await);
        let team = ada.create_team("Engines").await;
        for email in ["grace@example.com", "nobody@example.com"] {
            let invited = ada.invite(&team, email, MEMBER).await;
            assert_eq!(invited["errors"], json!([]));
            assert_eq!(invited["membership"], Value::Null);
            assert_eq!(invited["invitation"]["email"], email);
            app.mail(MailKind::TeamInvitation, email).await;
        }
        assert!(grace.teams().await.is_empty());
    }
}
