//! What an account says of itself is for its own eyes and a superuser's, whichever way somebody
//! else comes to it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::deployment::Deployment;
use crate::support::on_both_deployments;
use crate::support::team::NO_LIMITS;
use crate::teams::members::superuser;

const PRIVATE: [&str; 9] = [
    "emailVerified",
    "hasPassword",
    "isActive",
    "isSuperuser",
    "phone",
    "company",
    "updatedAt",
    "lastLoginAt",
    "teams",
];
const USER: &str = "{ id email emailVerified hasPassword isActive isSuperuser phone company \
    updatedAt lastLoginAt teams { totalCount } }";

/// How many private fields each account shows, at most and at least, wherever it is in an answer.
fn shown(answer: &Value, into: &mut BTreeMap<String, (usize, usize)>) {
    match answer {
        Value::Array(items) => items.iter().for_each(|item| shown(item, into)),
        Value::Object(fields) => {
            if let (Some(email), true) = (fields.get("email"), fields.contains_key("phone")) {
                let count = PRIVATE
                    .iter()
                    .filter(|name| !fields[**name].is_null())
                    .count();
                let entry = into
                    .entry(email.as_str().unwrap().to_owned())
                    .or_insert((count, count));
                *entry = (entry.0.max(count), entry.1.min(count));
            }
            fields.values().for_each(|field| shown(field, into));
        }
        _ => {}
    }
}

async fn asked(client: &Client, document: String) -> BTreeMap<String, (usize, usize)> {
    let answer = client.post(&document, json!({})).await.json();
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    let mut found = BTreeMap::new();
    shown(&answer["data"], &mut found);
    found
}

/// Every way from the root to an account, each over another one.
fn ways(team: &str) -> Vec<String> {
    let members = format!("members(first: 5) {{ nodes {{ user {USER} }} }}");
    let edges = format!("members(last: 5) {{ edges {{ node {{ user {USER} }} }} }}");
    let invitations = format!("invitations(first: 5) {{ nodes {{ invitedBy {USER} }} }}");
    vec![
        format!("{{ team(id: \"{team}\") {{ {members} }} }}"),
        format!("{{ team(id: \"{team}\") {{ {edges} }} }}"),
        format!(
            "{{ team(id: \"{team}\") {{ members(first: 3) {{ nodes {{ team {{ {members} }} }} }} }} }}"
        ),
        format!("{{ team(id: \"{team}\") {{ {invitations} {members} }} }}"),
        format!(
            "{{ teams(first: 2) {{ nodes {{ user {USER} team {{ {members} {invitations} }} }} }} }}"
        ),
        format!(
            "{{ me {{ email teams(first: 2) {{ nodes {{ user {USER} team {{ {edges} }} }} }} }} }}"
        ),
    ]
}

on_both_deployments! {
    /// Members and admins see nothing private of others, and everything of themselves.
    async fn private_fields_are_hidden_from_others(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await.allow_unread_mail();
        let ada = app.user("ada@example.com").await;
        let (grace, mary) = (app.user("grace@example.com").await, app.user("mary@example.com").await);
        let team = ada.create_team("Engines").await;
        app.add_member(&ada, &team, &grace, "ADMIN").await;
        app.add_member(&ada, &team, &mary, "MEMBER").await;
        for (inviter, email) in [(&ada, "one@example.com"), (&grace, "two@example.com")] {
            app.invite_by_email(inviter, &team, email, "MEMBER").await;
        }
        deployment.execute("UPDATE users SET phone = '1', company = 'C'").await;
        for viewer in [&ada, &grace, &mary] {
            for document in ways(&team) {
                let found = asked(viewer, document.clone()).await;
                assert_eq!(found.len(), 3, "{document}");
                for (email, shown) in found {
                    let expected = if email == viewer.email { PRIVATE.len() } else { 0 };
                    assert_eq!(shown, (expected, expected), "{email} in {document}");
                }
            }
        }
        let root = superuser(&deployment, &app, "root@example.com").await;
        deployment.execute("UPDATE users SET phone = '1', company = 'C'").await;
        for document in &ways(&team)[..4] {
            let found = asked(&root, document.clone()).await;
            assert_eq!(found.len(), 3);
            assert!(found.values().all(|shown| *shown == (PRIVATE.len(), PRIVATE.len())), "{found:?}");
        }
    }

    /// Nor is it in what mutations answer with, even to somebody who is not signed in.
    async fn private_fields_are_hidden_in_mutations(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await.allow_unread_mail();
        let ada = app.user("ada@example.com").await;
        let (grace, mary) = (app.user("grace@example.com").await, app.user("mary@example.com").await);
        let team = ada.create_team("Engines").await;
        app.add_member(&ada, &team, &grace, "MEMBER").await;
        deployment.execute("UPDATE users SET phone = '1', company = 'C'").await;
        let membership = format!("membership {{ user {USER} team {{ members(first: 5) {{ nodes {{ user {USER} }} }} \
            invitations(first: 5) {{ nodes {{ invitedBy {USER} }} }} }} }} errors {{ code }}");
        let token = app.invite_by_email(&ada, &team, "new@example.com", "MEMBER").await;
        app.user("new@example.com").await;
        deployment.execute("UPDATE users SET phone = '1', company = 'C'").await;
        let accept = format!("mutation {{ acceptInvitation(input: {{ token: \"{token}\" }}) {{ {membership} }} }}");
        let found = asked(&app, accept).await;
        assert_eq!(found.len(), 3);
        assert!(found.values().all(|shown| *shown == (0, 0)), "{found:?}");

        let invite = format!("mutation {{ inviteToTeam(input: {{ teamId: \"{team}\", role: MEMBER, \
            email: \"{}\" }}) {{ {membership} }} }}", mary.email);
        let change = format!("mutation {{ changeMemberRole(input: {{ teamId: \"{team}\", role: ADMIN, \
            userId: \"{}\" }}) {{ {membership} }} }}", grace.id());
        for document in [invite, change] {
            let found = asked(&ada, document).await;
            assert_eq!(found.len(), 4);
            for (email, shown) in found {
                let expected = if email == ada.email { PRIVATE.len() } else { 0 };
                assert_eq!(shown, (expected, expected), "{email}");
            }
        }
    }

    /// Whoever signs in sees the own teams in the answer to it.
    async fn signing_in_shows_ones_own_teams(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let ada = app.user("ada@example.com").await;
        let team = ada.create_team("Engines").await;
        app.request_login_code("ada@example.com").await;
        let code = app.code(gatelodge::testing::domain::mail::MailKind::LoginCode, "ada@example.com").await;
        let input = json!({ "email": "ada@example.com", "code": code });
        let selection = "session { user { teams { totalCount nodes { role user { hasPassword } \
            team { id viewerRole invitations { totalCount } } } } } }";
        let payload = app.mutate("verifyLoginCode", input, selection).await;
        assert_eq!(
            payload["session"]["user"]["teams"],
            json!({ "totalCount": 1, "nodes": [{ "role": "ADMIN", "user": { "hasPassword": false },
                "team": { "id": team, "viewerRole": "ADMIN", "invitations": { "totalCount": 0 } } }] })
        );
    }
}
