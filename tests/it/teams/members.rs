//! Members of teams: their roles, and that a team with members always has an admin.

use gatelodge::testing::app::Role;
use gatelodge::testing::domain::mail::MailKind;
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::client::{assert_error, error_codes};
use crate::support::deployment::Deployment;
use crate::support::on_both_deployments;
use crate::support::team::{NO_LIMITS, TestUser};

/// A team of three: two admins and a member.
async fn three(app: &TestApp) -> (String, TestUser, TestUser, TestUser) {
    let (ada, grace) = (
        app.user("ada@example.com").await,
        app.user("grace@example.com").await,
    );
    let mary = app.user("mary@example.com").await;
    let team = ada.create_team("Engines").await;
    app.add_member(&ada, &team, &grace, "ADMIN").await;
    app.add_member(&ada, &team, &mary, "MEMBER").await;
    (team, ada, grace, mary)
}

/// Teams that have members and no admin, or not even members.
async fn orphaned(deployment: &Deployment) -> i64 {
    deployment
        .count(
            "teams WHERE NOT EXISTS (SELECT 1 FROM team_members
            WHERE team_id = teams.id AND role = 'admin')",
        )
        .await
}

/// How two who race answer: with nothing but success and these refusals.
#[track_caller]
fn only(answers: &[&Value], codes: &[&str]) {
    for answer in answers {
        for code in error_codes(answer) {
            assert!(codes.contains(&code), "{answer}");
        }
    }
}

on_both_deployments! {
    /// The last admin stays one while others remain, whichever way it would go.
    async fn the_last_admin_cannot_leave_other_members(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let (team, ada, grace, mary) = three(&app).await;
        let demoted = ada.change_role(&team, grace.id(), "MEMBER").await;
        assert_eq!(demoted["membership"]["role"], "MEMBER");
        assert_eq!(demoted["membership"]["team"]["viewerRole"], "ADMIN");

        assert_error(&ada.leave(&team).await, "LAST_ADMIN", "");
        assert_error(&ada.remove_member(&team, ada.id()).await, "LAST_ADMIN", "");
        assert_error(&ada.change_role(&team, ada.id(), "MEMBER").await, "LAST_ADMIN", "");
        assert_error(&ada.delete_account().await, "LAST_ADMIN", "");
        assert_eq!(ada.team(&team).await["members"]["totalCount"], 3);
        assert_eq!(ada.me().await["email"], ada.email);
        // What changes nothing may be asked for.
        let same = ada.change_role(&team, ada.id(), "ADMIN").await;
        assert_eq!(same["membership"]["role"], "ADMIN");

        let promoted = ada.change_role(&team, mary.id(), "ADMIN").await;
        assert_eq!(promoted["membership"]["role"], "ADMIN");
        let demoted = ada.change_role(&team, ada.id(), "MEMBER").await;
        assert_eq!(demoted["membership"]["role"], "MEMBER");
        assert_eq!(demoted["membership"]["team"]["viewerRole"], "MEMBER");
        assert_error(&ada.change_role(&team, ada.id(), "ADMIN").await, "NOT_TEAM_ADMIN", "");
        assert_eq!(ada.delete_account().await["deletedUserId"], ada.id());
        assert_eq!(mary.remove_member(&team, grace.id()).await["removedUserId"], grace.id());
        assert_eq!(mary.team(&team).await["members"]["totalCount"], 1);
    }

    /// Whoever is the last in a team takes it along, whichever way they go.
    async fn a_team_is_deleted_when_its_last_member_leaves(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let ada = app.user("ada@example.com").await;
        let (left, removed, erased) = (
            ada.create_team("Left").await,
            ada.create_team("Removed").await,
            ada.create_team("Erased").await,
        );
        let token = app.invite_by_email(&ada, &erased, "grace@example.com", "MEMBER").await;
        assert_eq!(ada.leave(&left).await["leftTeamId"], left);
        assert_eq!(ada.remove_member(&removed, ada.id()).await["removedUserId"], ada.id());
        assert_eq!(deployment.count("teams").await, 1);
        assert_eq!(ada.delete_account().await["deletedUserId"], ada.id());
        for table in ["teams", "team_members", "invitations"] {
            assert_eq!(deployment.count(table).await, 0, "{table}");
        }
        assert_eq!(app.preview(&token).await, Value::Null);
    }

    /// A member who is none (any more) is not found, and says nothing about other accounts.
    async fn non_members_are_not_found(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let (team, ada, grace, mary) = three(&app).await;
        let stranger = app.user("stranger@example.com").await;
        mary.leave(&team).await;
        for user in [mary.id(), stranger.id(), "018f0000-0000-7000-8000-000000000000", "x", ""] {
            let changed = ada.change_role(&team, user, "ADMIN").await;
            assert_error(&changed, "NOT_FOUND", "userId");
            assert_error(&ada.remove_member(&team, user).await, "NOT_FOUND", "userId");
        }
        assert_eq!(grace.team(&team).await["members"]["totalCount"], 2);
    }

    /// Two admins who go at the same instant, whichever way each goes, leave a team behind that
    /// has an admin, or none at all; and each is told what came of it.
    async fn two_admins_cannot_leave_at_once(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let other = deployment.start_as(Role::Serve, NO_LIMITS).await;
        let (team, ada, grace, mary) = three(&app).await;
        let there = grace.at_process(&other);
        for round in 0..24 {
            let (one, two) = match round % 4 {
                0 => futures::join!(ada.leave(&team), there.leave(&team)),
                1 => futures::join!(
                    ada.change_role(&team, ada.id(), "MEMBER"),
                    there.change_role(&team, grace.id(), "MEMBER"),
                ),
                2 => futures::join!(
                    ada.change_role(&team, grace.id(), "MEMBER"),
                    there.change_role(&team, ada.id(), "MEMBER"),
                ),
                _ => futures::join!(
                    ada.remove_member(&team, grace.id()),
                    there.remove_member(&team, ada.id()),
                ),
            };
            only(&[&one, &two], &["LAST_ADMIN", "NOT_TEAM_ADMIN", "NOT_FOUND"]);
            let succeeded = [&one, &two].iter().filter(|a| error_codes(a).is_empty()).count();
            assert_eq!(succeeded, 1, "{one} {two}");
            assert_eq!(orphaned(&deployment).await, 0);
            // Whoever is left lets the other one in again.
            let (stayed, gone) = if ada.team(&team).await["viewerRole"] == "ADMIN" {
                (&ada, &grace)
            } else {
                (&grace, &ada)
            };
            if stayed.team(&team).await["members"]["totalCount"] == 3 {
                stayed.change_role(&team, gone.id(), "ADMIN").await;
            } else {
                app.add_member(stayed, &team, gone, "ADMIN").await;
            }
        }
        assert_eq!(mary.team(&team).await["members"]["totalCount"], 3);
    }

    /// Two admins who erase their accounts, or one who does while the other one goes another way,
    /// leave a team behind that has an admin.
    async fn concurrent_deletions_leave_an_admin(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let other = deployment.start_as(Role::Serve, NO_LIMITS).await;
        let mary = app.user("mary@example.com").await;
        for round in 0..12 {
            let ada = app.user(&format!("ada{round}@example.com")).await;
            let grace = app.user(&format!("grace{round}@example.com")).await;
            let team = ada.create_team("Engines").await;
            app.add_member(&ada, &team, &mary, "MEMBER").await;
            app.add_member(&ada, &team, &grace, "ADMIN").await;
            let there = TestUser::of(grace.at_process(&other), &grace);
            let (one, two) = match round % 3 {
                0 => futures::join!(ada.delete_account(), there.delete_account()),
                1 => futures::join!(ada.delete_account(), there.leave(&team)),
                _ => futures::join!(
                    ada.delete_account(),
                    there.change_role(&team, grace.id(), "MEMBER"),
                ),
            };
            only(&[&one, &two], &["LAST_ADMIN"]);
            let succeeded = [&one, &two].iter().filter(|a| error_codes(a).is_empty()).count();
            assert_eq!(succeeded, 1, "{one} {two}");
            assert_eq!(orphaned(&deployment).await, 0, "round {round}");
        }
    }

    /// Somebody who erases the account in the instant in which it becomes an admin, and the old
    /// admin goes, leaves no team without one.
    async fn a_user_can_be_deleted_during_a_promotion(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await.allow_unread_mail();
        let other = deployment.start_as(Role::Serve, NO_LIMITS).await;
        let mary = app.user("mary@example.com").await;
        for round in 0..12 {
            let ada = app.user(&format!("ada{round}@example.com")).await;
            let grace = app.user(&format!("grace{round}@example.com")).await;
            let team = ada.create_team("Engines").await;
            app.add_member(&ada, &team, &mary, "MEMBER").await;
            if round % 2 == 0 {
                app.add_member(&ada, &team, &grace, "MEMBER").await;
            }
            let hand_over = async {
                let promoted = if round % 2 == 0 {
                    ada.change_role(&team, grace.id(), "ADMIN").await
                } else {
                    ada.invite(&team, &grace.email, "ADMIN").await
                };
                (promoted, ada.leave(&team).await)
            };
            let there = TestUser::of(grace.at_process(&other), &grace);
            let ((promoted, left), erased) = futures::join!(hand_over, there.delete_account());
            only(&[&promoted, &left, &erased], &["LAST_ADMIN", "NOT_FOUND"]);
            assert_eq!(orphaned(&deployment).await, 0, "{promoted} {left} {erased}");
        }
    }

    /// Somebody who makes a team while the account is erased leaves no team that nobody is in.
    async fn a_user_can_be_deleted_while_creating_a_team(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        for round in 0..12 {
            let ada = app.user(&format!("ada{round}@example.com")).await;
            let create = ada.post(
                "mutation { createTeam(input: { name: \"Engines\" }) { team { id } errors { code } } }",
                json!({}),
            );
            let (created, erased) = futures::join!(create, ada.delete_account());
            assert_eq!(erased["deletedUserId"], ada.id());
            assert_ne!(created.code(), "INTERNAL", "{}", created.text);
            assert_eq!(deployment.count("teams").await, 0);
        }
    }

    /// A superuser may do to any team what its admins may, without being in it.
    async fn a_superuser_counts_as_an_admin(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let (team, ada, grace, mary) = three(&app).await;
        let root = superuser(&deployment, &app, "root@example.com").await;
        assert_eq!(root.team(&team).await["viewerRole"], "ADMIN");
        assert!(root.teams().await.is_empty());
        let demoted = root.change_role(&team, grace.id(), "MEMBER").await;
        assert_eq!(demoted["membership"]["role"], "MEMBER");
        assert_error(&root.change_role(&team, ada.id(), "MEMBER").await, "LAST_ADMIN", "");
        assert_error(&root.leave(&team).await, "NOT_FOUND", "teamId");
        let token = app.invite_by_email(&root, &team, "new@example.com", "ADMIN").await;
        let new = app.user("new@example.com").await;
        assert_eq!(new.accept(&token).await["membership"]["role"], "ADMIN");

        // Also where a superuser is but a member.
        let invited = ada.invite(&team, &root.email, "MEMBER").await;
        assert_eq!(invited["errors"], json!([]));
        app.mail(MailKind::TeamAdded, &root.email).await;
        let listed = root
            .run("{ teams { nodes { role team { viewerRole invitations { totalCount } } } } }", json!({}))
            .await;
        assert_eq!(
            listed["teams"]["nodes"],
            json!([{ "role": "MEMBER", "team": {
                "viewerRole": "ADMIN", "invitations": { "totalCount": 0 } } }])
        );
        assert_eq!(mary.team(&team).await["members"]["totalCount"], 5);
        assert_eq!(root.delete_team(&team).await["deletedTeamId"], team);
    }
}

/// An account that may do everything.
pub(crate) async fn superuser(deployment: &Deployment, app: &TestApp, email: &str) -> TestUser {
    let person = app.user(email).await;
    let promote = format!("UPDATE users SET is_superuser = true WHERE email = '{email}'");
    assert_eq!(deployment.execute(&promote).await, 1);
    // A session knows what its account was.
    app.log_in_again(person).await
}
