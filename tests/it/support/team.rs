//! Signed-in users, and operations on teams and invitations.

use std::ops::Deref;

use gatelodge::testing::domain::mail::MailKind;
use serde_json::{Value, json};

use super::app::TestApp;
use super::client::{Client, Tokens};

/// Settings that effectively disable rate limits.
pub(crate) const NO_LIMITS: &[(&str, &str)] = &[
    ("MAX_CODE_REQUESTS_PER_HOUR", "100000"),
    ("MAX_CODE_REQUESTS_PER_HOUR_PER_IP", "100000"),
    ("MAX_VERIFICATIONS_PER_15_MINUTES_PER_IP", "100000"),
    ("MAX_REGISTRATIONS_PER_HOUR_PER_IP", "100000"),
    ("MAX_INVITATIONS_PER_HOUR_PER_TEAM", "100000"),
];

/// A signed-in user. Dereferences to a [`Client`] with the user's access token.
pub(crate) struct TestUser {
    client: Client,
    pub(crate) email: String,
    pub(crate) tokens: Tokens,
}

impl Deref for TestUser {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl TestUser {
    /// The same user with another client.
    pub(crate) fn of(client: Client, user: &Self) -> Self {
        Self {
            client,
            email: user.email.clone(),
            tokens: user.tokens.clone(),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.tokens.user_id
    }

    /// A client of another process with the user's access token.
    pub(crate) fn at_process(&self, app: &Client) -> Client {
        app.with_token(&self.tokens.access)
    }

    pub(crate) async fn delete_account(&self) -> Value {
        let input = json!({ "confirmEmail": self.email });
        self.mutate("deleteMe", input, "deletedUserId").await
    }
}

impl TestApp {
    /// Signs up a new user.
    pub(crate) async fn user(&self, email: &str) -> TestUser {
        let tokens = self.sign_up(email).await;
        TestUser {
            client: self.with_token(&tokens.access),
            email: email.to_owned(),
            tokens,
        }
    }

    /// The same user in another session.
    pub(crate) async fn log_in_again(&self, user: TestUser) -> TestUser {
        let tokens = self.log_in(&user.email).await;
        TestUser {
            client: self.with_token(&tokens.access),
            tokens,
            ..user
        }
    }

    /// Adds a verified user to a team and reads the notification mail.
    pub(crate) async fn add_member(
        &self,
        admin: &TestUser,
        team: &str,
        user: &TestUser,
        role: &str,
    ) {
        let invited = admin.invite(team, &user.email, role).await;
        assert_eq!(invited["errors"], json!([]), "{invited}");
        assert_eq!(invited["membership"]["role"], role, "{invited}");
        self.mail(MailKind::TeamAdded, &user.email).await;
    }

    /// Invites an email address without a verified user; returns the token from the mail.
    pub(crate) async fn invite_by_email(
        &self,
        admin: &Client,
        team: &str,
        email: &str,
        role: &str,
    ) -> String {
        let invited = admin.invite(team, email, role).await;
        assert_eq!(invited["errors"], json!([]), "{invited}");
        assert_ne!(invited["invitation"], Value::Null, "{invited}");
        self.invitation_token(email).await
    }

    /// Waits for an invitation mail and returns its token.
    pub(crate) async fn invitation_token(&self, email: &str) -> String {
        let mail = self.mail(MailKind::TeamInvitation, email).await;
        let link = mail.link.expect("an invitation has a link");
        let (_, token) = link.expose().split_once("?token=").unwrap();
        token.to_owned()
    }
}

impl Client {
    /// Creates a team and returns its ID.
    pub(crate) async fn create_team(&self, name: &str) -> String {
        let created = self
            .mutate("createTeam", json!({ "name": name }), "team { id }")
            .await;
        let id = created["team"]["id"].as_str();
        id.unwrap_or_else(|| panic!("{created}")).to_owned()
    }

    pub(crate) async fn invite(&self, team: &str, email: &str, role: &str) -> Value {
        let input = json!({ "teamId": team, "email": email, "role": role });
        let selection = format!("{MEMBERSHIP} invitation {INVITATION}");
        self.mutate("inviteToTeam", input, &selection).await
    }

    pub(crate) async fn preview(&self, token: &str) -> Value {
        let query = "query($token: String!) { invitation(token: $token) \
            { teamName inviterName email role expiresAt } }";
        self.run(query, json!({ "token": token })).await["invitation"].clone()
    }

    pub(crate) async fn accept(&self, token: &str) -> Value {
        self.mutate("acceptInvitation", json!({ "token": token }), MEMBERSHIP)
            .await
    }

    pub(crate) async fn decline(&self, token: &str) -> Value {
        self.mutate("declineInvitation", json!({ "token": token }), "message")
            .await
    }

    pub(crate) async fn revoke(&self, invitation: &str) -> Value {
        let input = json!({ "invitationId": invitation });
        let selection = format!("invitation {INVITATION}");
        self.mutate("revokeInvitation", input, &selection).await
    }

    pub(crate) async fn change_role(&self, team: &str, user: &str, role: &str) -> Value {
        let input = json!({ "teamId": team, "userId": user, "role": role });
        self.mutate("changeMemberRole", input, MEMBERSHIP).await
    }

    pub(crate) async fn remove_member(&self, team: &str, user: &str) -> Value {
        let input = json!({ "teamId": team, "userId": user });
        self.mutate("removeMember", input, "removedUserId").await
    }

    pub(crate) async fn leave(&self, team: &str) -> Value {
        self.mutate("leaveTeam", json!({ "teamId": team }), "leftTeamId")
            .await
    }

    pub(crate) async fn delete_team(&self, team: &str) -> Value {
        self.mutate("deleteTeam", json!({ "teamId": team }), "deletedTeamId")
            .await
    }

    /// A team with its first page of members and, for an admin, of invitations; or null.
    pub(crate) async fn team(&self, id: &str) -> Value {
        let query = format!(
            "query($id: ID!) {{ team(id: $id) {{ id name description createdAt updatedAt viewerRole \
            members {{ nodes {{ role user {{ id email }} }} totalCount }} \
            invitations {{ nodes {INVITATION} totalCount }} }} }}"
        );
        self.run(&query, json!({ "id": id })).await["team"].clone()
    }

    /// The names of the signed-in user's teams, with their role in each.
    pub(crate) async fn teams(&self) -> Vec<(String, String)> {
        let data = self
            .run("{ teams { nodes { role team { name } } } }", json!({}))
            .await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let nodes = data["teams"]["nodes"].as_array().unwrap().iter();
        nodes
            .map(|node| (text(&node["team"]["name"]), text(&node["role"])))
            .collect()
    }
}

const MEMBERSHIP: &str = "membership { id role joinedAt team { id name viewerRole } \
    user { id email emailVerified } }";
const INVITATION: &str = "{ id email role createdAt expiresAt invitedBy { id email } }";
