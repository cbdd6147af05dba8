//! Teams: made, shown, changed and deleted.

use futures::future::join_all;
use gatelodge::testing::app::Role;
use gatelodge::testing::domain::mail::MailKind;
use serde_json::{Value, json};

use crate::support::client::{assert_error, error_codes_and_fields};
use crate::support::deployment::Deployment;
use crate::support::jwt::Jwt;
use crate::support::team::NO_LIMITS;
use crate::support::{eventually, on_both_deployments};

fn team(name: &str, role: &str) -> (String, String) {
    (name.to_owned(), role.to_owned())
}

on_both_deployments! {
    /// The main path: somebody makes a team, invites somebody who has no account yet, who signs
    /// up, accepts, sees the team and leaves it again.
    async fn a_team_is_created_joined_and_left(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let ada = app.user("ada@example.com").await;
        let created = ada
            .mutate(
                "createTeam",
                json!({ "name": " Analytical\nEngines ", "description": "We compute." }),
                "team { id name description viewerRole createdAt updatedAt }",
            )
            .await;
        assert_eq!(created["errors"], json!([]));
        assert_eq!(created["team"]["name"], "Analytical Engines");
        assert_eq!(created["team"]["description"], "We compute.");
        assert_eq!(created["team"]["viewerRole"], "ADMIN");
        assert_eq!(created["team"]["createdAt"], created["team"]["updatedAt"]);
        let id = created["team"]["id"].as_str().unwrap();

        let token = app.invite_by_email(&ada, id, "grace@example.com", "MEMBER").await;
        let preview = app.preview(&token).await;
        assert_eq!(preview["teamName"], "Analytical Engines");
        assert_eq!(preview["inviterName"], "Ada Lovelace");
        assert_eq!(preview["email"], "grace@example.com");
        assert_eq!(preview["role"], "MEMBER");
        let shown = ada.team(id).await;
        assert_eq!(shown["invitations"]["totalCount"], 1);
        assert_eq!(shown["invitations"]["nodes"][0]["email"], "grace@example.com");
        assert_eq!(shown["invitations"]["nodes"][0]["invitedBy"]["id"], ada.id());
        assert_eq!(shown["invitations"]["nodes"][0]["expiresAt"], preview["expiresAt"]);

        let grace = app.user("grace@example.com").await;
        assert_eq!(grace.team(id).await, Value::Null);
        let accepted = grace.accept(&token).await;
        assert_eq!(accepted["errors"], json!([]));
        assert_eq!(accepted["membership"]["role"], "MEMBER");
        assert_eq!(accepted["membership"]["user"]["id"], grace.id());
        assert_eq!(accepted["membership"]["team"]["viewerRole"], "MEMBER");

        let shown = grace.team(id).await;
        assert_eq!(shown["viewerRole"], "MEMBER");
        assert_eq!(shown["members"]["totalCount"], 2);
        assert_eq!(shown["members"]["nodes"][0]["user"]["id"], ada.id());
        assert_eq!(shown["members"]["nodes"][1]["user"]["id"], grace.id());
        assert_eq!(shown["invitations"], Value::Null);
        assert_eq!(ada.team(id).await["invitations"]["totalCount"], 0);
        let second = grace.create_team("Compilers").await;
        assert_eq!(
            grace.teams().await,
            [team("Analytical Engines", "MEMBER"), team("Compilers", "ADMIN")]
        );

        let left = grace.leave(id).await;
        assert_eq!(left, json!({ "leftTeamId": id, "errors": [] }));
        assert_eq!(grace.team(id).await, Value::Null);
        assert_eq!(grace.teams().await, [team("Compilers", "ADMIN")]);
        assert_eq!(ada.team(id).await["members"]["totalCount"], 1);
        assert_eq!(grace.leave(&second).await["leftTeamId"], second);
        assert_eq!(deployment.count("teams").await, 1);
    }

    /// What is wrong with a name or description is told for each field, whoever asks first.
    async fn names_and_descriptions_have_limits(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let ada = app.user("ada@example.com").await;
        let both = json!({ "name": " \n ", "description": "x".repeat(1001) });
        let payload = ada.mutate("createTeam", both, "team { id }").await;
        assert_eq!(payload["team"], Value::Null);
        let wrong = [("INVALID_NAME", "name"), ("INVALID_INPUT", "description")];
        let wrong = wrong.map(|(code, field)| (code.to_owned(), field.to_owned()));
        assert_eq!(error_codes_and_fields(&payload), wrong);
        let long = ada.mutate("createTeam", json!({ "name": "x".repeat(121) }), "team { id }").await;
        assert_error(&long, "INVALID_NAME", "name");
        assert_eq!(deployment.count("teams").await, 0);

        let id = ada.create_team(&"x".repeat(120)).await;
        let empty = json!({ "teamId": id, "name": "" });
        let payload = ada.mutate("updateTeam", empty, "team { id }").await;
        assert_error(&payload, "INVALID_NAME", "name");
    }

    /// What is left out of a change stays, and an empty description empties it.
    async fn an_update_changes_only_the_given_fields(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let ada = app.user("ada@example.com").await;
        let id = ada.create_team("Engines").await;
        let fields = "team { name description createdAt updatedAt viewerRole }";
        deployment.clock.advance(chrono::Duration::seconds(5));
        let described = json!({ "teamId": id, "description": "We compute." });
        let described = ada.mutate("updateTeam", described, fields).await["team"].clone();
        assert_eq!(described["name"], "Engines");
        assert_eq!(described["description"], "We compute.");
        assert!(described["updatedAt"].as_str() > described["createdAt"].as_str());
        let renamed = json!({ "teamId": id, "name": "Machines" });
        let renamed = ada.mutate("updateTeam", renamed, fields).await["team"].clone();
        assert_eq!(renamed["name"], "Machines");
        assert_eq!(renamed["description"], "We compute.");
        let emptied = json!({ "teamId": id, "description": "" });
        ada.mutate("updateTeam", emptied, fields).await;
        let shown = ada.team(&id).await;
        assert_eq!(shown["description"], Value::Null);
        assert_eq!(shown["name"], "Machines");
    }

    /// Two admins who change a team at once do not undo what the other did.
    async fn concurrent_changes_do_not_overwrite_each_other(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let ada = app.user("ada@example.com").await;
        let id = ada.create_team("Engines").await;
        for round in 0..20 {
            let name = json!({ "teamId": id, "name": format!("Name {round}") });
            let description = json!({ "teamId": id, "description": format!("Purpose {round}") });
            futures::join!(
                ada.mutate("updateTeam", name, "team { id }"),
                ada.mutate("updateTeam", description, "team { id }"),
            );
            let shown = ada.team(&id).await;
            assert_eq!(shown["name"], format!("Name {round}"));
            assert_eq!(shown["description"], format!("Purpose {round}"));
        }
    }

    /// A deleted team is gone with its members and invitations, and the mails about it that still
    /// wait are not sent.
    async fn deleting_a_team_cancels_its_queued_mails(deployment: Deployment) {
        // Nobody works, so that the mails wait.
        let app = deployment.start_with(NO_LIMITS).await;
        let ada = app.user("ada@example.com").await;
        app.stop().await;
        let idle = deployment.start_as(Role::Serve, NO_LIMITS).await;
        let ada_at = ada.at_process(&idle);
        let (id, kept) = (ada_at.create_team("Engines").await, ada_at.create_team("Kept").await);
        for team in [&id, &kept] {
            for n in 0..3 {
                let invited = ada_at.invite(team, &format!("m{n}@example.com"), "MEMBER").await;
                assert_eq!(invited["errors"], json!([]), "{invited}");
            }
        }
        assert_eq!(deployment.count("outbox_mails WHERE state = 'pending'").await, 6);
        let deleted = ada_at.delete_team(&id).await;
        assert_eq!(deleted, json!({ "deletedTeamId": id, "errors": [] }));
        assert_eq!(ada_at.team(&id).await, Value::Null);
        assert_eq!(ada_at.teams().await, [team("Kept", "ADMIN")]);
        assert_eq!(deployment.count("invitations").await, 3);
        assert_eq!(deployment.count("outbox_mails WHERE state = 'cancelled'").await, 3);
        assert_error(&ada_at.delete_team(&id).await, "NOT_FOUND", "teamId");

        let app = deployment.start_with(NO_LIMITS).await;
        for n in 0..3 {
            let mail = app.mail(MailKind::TeamInvitation, &format!("m{n}@example.com")).await;
            assert!(mail.text.contains("Kept"), "{}", mail.text);
        }
        eventually("every mail to be done", async || {
            let pending = deployment.count("outbox_mails WHERE state = 'pending'").await;
            (pending == 0).then_some(())
        })
        .await;
    }

    /// Renewed tokens say which teams the account is in and what it may do there; more than fifty
    /// are cut off, and the token says so.
    async fn access_tokens_name_the_teams(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let ada = app.user("ada@example.com").await;
        let grace = app.user("grace@example.com").await;
        assert_eq!(Jwt::read(&ada.tokens.access).claims["teams"], json!([]));
        let own = ada.create_team("Engines").await;
        let other = grace.create_team("Compilers").await;
        app.add_member(&grace, &other, &ada, "MEMBER").await;
        let session = app.refresh(&ada.tokens.refresh).await["session"].clone();
        let claims = Jwt::read(session["accessToken"].as_str().unwrap()).claims;
        assert_eq!(
            claims["teams"],
            json!([{ "id": own, "role": "ADMIN" }, { "id": other, "role": "MEMBER" }])
        );
        assert_eq!(claims.get("teams_truncated"), None);

        join_all((0..48).map(|_| ada.create_team("One of many"))).await;
        let session = app.refresh(session["refreshToken"].as_str().unwrap()).await["session"].clone();
        let claims = Jwt::read(session["accessToken"].as_str().unwrap()).claims;
        assert_eq!(claims["teams"].as_array().unwrap().len(), 50);
        assert_eq!(claims.get("teams_truncated"), None);
        let last = ada.create_team("One too many").await;
        let tokens = app.log_in("ada@example.com").await;
        let claims = Jwt::read(&tokens.access).claims;
        let teams = claims["teams"].as_array().unwrap();
        assert_eq!(teams.len(), 50);
        assert_eq!(claims["teams_truncated"], true);
        assert!(teams.iter().all(|team| team["id"] != last.as_str()));
        // What the token does not name can be used all the same.
        let ada = app.with_token(&tokens.access);
        assert_eq!(ada.team(&last).await["viewerRole"], "ADMIN");
    }

    /// A changed role, a removed member and a deleted team count from the next request on, on
    /// every process, whatever the tokens in hand say.
    async fn rights_change_at_once_on_every_process(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let other = deployment.start_as(Role::Serve, NO_LIMITS).await;
        let (ada, grace) = (app.user("ada@example.com").await, app.user("grace@example.com").await);
        let id = ada.create_team("Engines").await;
        app.add_member(&ada, &id, &grace, "ADMIN").await;
        let there = grace.at_process(&other);
        let rename = || there.mutate("updateTeam", json!({ "teamId": id, "name": "Mine" }), "team { id }");
        for _ in 0..5 {
            assert_eq!(rename().await["errors"], json!([]));
            assert_eq!(ada.change_role(&id, grace.id(), "MEMBER").await["errors"], json!([]));
            assert_error(&rename().await, "NOT_TEAM_ADMIN", "");
            assert_eq!(there.team(&id).await["viewerRole"], "MEMBER");
            assert_eq!(there.team(&id).await["invitations"], Value::Null);
            assert_eq!(ada.change_role(&id, grace.id(), "ADMIN").await["errors"], json!([]));
            assert_eq!(there.team(&id).await["viewerRole"], "ADMIN");
            assert_eq!(ada.remove_member(&id, grace.id()).await["removedUserId"], grace.id());
            assert_eq!(there.team(&id).await, Value::Null);
            assert!(there.teams().await.is_empty());
            assert_error(&rename().await, "NOT_FOUND", "teamId");
            app.add_member(&ada, &id, &grace, "ADMIN").await;
        }
        ada.delete_team(&id).await;
        assert_eq!(there.team(&id).await, Value::Null);
        assert_error(&rename().await, "NOT_FOUND", "teamId");
    }
}

/// What happens to a team is logged, with the team and the account.
#[tokio::test]
async fn team_changes_are_logged() {
    let deployment = Deployment::embedded().await;
    let settings = [NO_LIMITS, &[("LOG_FORMAT", "json")]].concat();
    let process = deployment.spawn(&["serve"], &settings).await;
    let tokens = |email: &'static str| {
        let process = &process;
        async move {
            process.request_signup_code(email, "Ada").await;
            let code = process.code(email).await;
            let session = process.verify_signup_code(email, &code).await["session"].clone();
            crate::support::client::Tokens::of(&session)
        }
    };
    let (ada, grace) = (
        tokens("ada@example.com").await,
        tokens("grace@example.com").await,
    );
    let (ada_id, grace_id) = (ada.user_id, grace.user_id);
    let (ada, grace) = (
        process.with_token(&ada.access),
        process.with_token(&grace.access),
    );
    let team = ada.create_team("Engines").await;
    ada.mutate(
        "updateTeam",
        json!({ "teamId": team, "name": "Machines" }),
        "team { id }",
    )
    .await;
    ada.invite(&team, "grace@example.com", "MEMBER").await;
    ada.change_role(&team, &grace_id, "ADMIN").await;
    grace.leave(&team).await;
    ada.invite(&team, "grace@example.com", "MEMBER").await;
    ada.remove_member(&team, &grace_id).await;
    let revoked = ada.invite(&team, "m@example.com", "MEMBER").await;
    ada.revoke(revoked["invitation"]["id"].as_str().unwrap())
        .await;
    process.accept("nonsense").await;
    ada.delete_team(&team).await;
    let expected = [
        ("team_created", &ada_id),
        ("team_updated", &ada_id),
        ("team_member_added", &grace_id),
        ("team_role_changed", &grace_id),
        ("team_member_removed", &grace_id),
        ("team_member_added", &grace_id),
        ("team_member_removed", &grace_id),
        ("team_invitation_sent", &ada_id),
        ("team_invitation_revoked", &ada_id),
        ("team_deleted", &ada_id),
    ];
    let logged = eventually("the events", async || {
        let output = process.output();
        let lines = output
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let of_team = lines.filter(|line| {
            line["event"]
                .as_str()
                .is_some_and(|e| e.starts_with("team_"))
        });
        let lines: Vec<Value> = of_team.collect();
        lines
            .iter()
            .any(|line| line["event"] == "team_deleted")
            .then_some(lines)
    })
    .await;
    let (rejected, logged): (Vec<_>, Vec<_>) = logged
        .into_iter()
        .partition(|line| line["event"] == "team_invitation_rejected");
    assert_eq!(rejected.len(), 1);
    let found: Vec<_> = logged
        .iter()
        .map(|line| {
            (
                line["event"].as_str().unwrap(),
                line["user_id"].as_str().unwrap(),
            )
        })
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(event, user)| (*event, user.as_str()))
        .collect();
    assert_eq!(found, expected);
    assert!(
        logged.iter().all(|line| line["team_id"] == team.as_str()),
        "{logged:?}"
    );
}
