//! Values of variables and arguments. Wrong ones are rejected before anything runs.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::deployment::Deployment;
use crate::support::on_both_deployments;

const INVITE: &str = "mutation($input: InviteToTeamInput!) \
    { inviteToTeam(input: $input) { invitation { role } errors { code field } } }";

/// A variable and a literal have the same error, with the path in the message.
#[tokio::test]
async fn wrong_input_objects_are_rejected() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    for (literal, input, path, problem) in [
        ("7", json!(7), "", "is not of the type InviteToTeamInput."),
        ("[]", json!([]), "", "is not of the type InviteToTeamInput."),
        ("null", json!(null), "", "is required."),
        (
            r#"{email: "a@example.com", role: MEMBER}"#,
            json!({ "email": "a@example.com", "role": "MEMBER" }),
            ".teamId",
            "is required.",
        ),
        (
            r#"{teamId: "x", email: null, role: MEMBER}"#,
            json!({ "teamId": "x", "email": null, "role": "MEMBER" }),
            ".email",
            "is required.",
        ),
        (
            r#"{teamId: "x", email: 7, role: MEMBER}"#,
            json!({ "teamId": "x", "email": 7, "role": "MEMBER" }),
            ".email",
            "is not of the type String.",
        ),
        (
            r#"{teamId: "x", email: ["a"], role: MEMBER}"#,
            json!({ "teamId": "x", "email": ["a"], "role": "MEMBER" }),
            ".email",
            "is not of the type String.",
        ),
        (
            r#"{teamId: 1.5, email: "a", role: MEMBER}"#,
            json!({ "teamId": 1.5, "email": "a", "role": "MEMBER" }),
            ".teamId",
            "is not of the type ID.",
        ),
        (
            r#"{teamId: "x", email: "a", role: OWNER}"#,
            json!({ "teamId": "x", "email": "a", "role": "OWNER" }),
            ".role",
            "is not of the type TeamRole.",
        ),
        (
            r#"{teamId: "x", email: "a", role: MEMBER, name: "b"}"#,
            json!({ "teamId": "x", "email": "a", "role": "MEMBER", "name": "b" }),
            "",
            "has no field \"name\".",
        ),
    ] {
        let by_variable = app.post(INVITE, json!({ "input": input })).await;
        let document = INVITE
            .replace("($input: InviteToTeamInput!)", "")
            .replace("$input", literal);
        let by_literal = app.post(&document, Value::Null).await;
        for (response, root) in [(by_variable, "$input"), (by_literal, "input")] {
            assert_eq!(response.status, StatusCode::OK, "{literal}");
            let body = response.json();
            assert_eq!(body.get("data"), None, "{literal}: {body}");
            let error = &body["errors"][0];
            assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{error}");
            assert_eq!(error["message"], format!("\"{root}{path}\" {problem}"));
            assert_eq!(error.get("path"), None, "{error}");
            assert!(error["locations"][0]["line"].is_u64(), "{error}");
        }
    }
}

/// Scalar variables, arguments of fields and arguments of directives.
#[tokio::test]
async fn wrong_scalars_are_rejected() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let preview = "query($t: String!) { serverInfo { appName } invitation(token: $t) { email } }";
    let page = "query($n: Int) { teams(first: $n) { totalCount } }";
    let skip = "query($b: Boolean!) { serverInfo @skip(if: $b) { appName } }";
    let role = "mutation($r: TeamRole!) { changeMemberRole(input: {teamId: \"x\", userId: \"y\", role: $r}) { errors { code } } }";
    for (document, variables, message) in [
        (
            preview,
            json!({ "t": 7 }),
            "\"$t\" is not of the type String.",
        ),
        (
            preview,
            json!({ "t": ["x"] }),
            "\"$t\" is not of the type String.",
        ),
        (preview, json!({ "t": null }), "\"$t\" is required."),
        (preview, json!({}), "\"$t\" is required."),
        (page, json!({ "n": "1" }), "\"$n\" is not of the type Int."),
        (page, json!({ "n": 1.5 }), "\"$n\" is not of the type Int."),
        (
            page,
            json!({ "n": 3_000_000_000_u64 }),
            "\"$n\" is not of the type Int.",
        ),
        (
            skip,
            json!({ "b": "true" }),
            "\"$b\" is not of the type Boolean.",
        ),
        (
            role,
            json!({ "r": "OWNER" }),
            "\"$r\" is not of the type TeamRole.",
        ),
        (
            "{ invitation(token: 7) { email } }",
            json!({}),
            "\"token\" is not of the type String.",
        ),
        (
            "{ teams(first: \"1\") { totalCount } }",
            json!({}),
            "\"first\" is not of the type Int.",
        ),
    ] {
        // Twice, because the second time the document is in the cache of valid documents.
        for _ in 0..2 {
            let response = app.post(document, variables.clone()).await;
            let body = response.json();
            assert_eq!(
                response.code(),
                "BAD_USER_INPUT",
                "{document} {variables}: {body}"
            );
            assert_eq!(body["errors"][0]["message"], message, "{document}");
            assert_eq!(body.get("data"), None, "{body}");
        }
        let valid = json!({ "t": "x", "n": 1, "b": true, "r": "ADMIN" });
        app.post(document, valid).await;
    }
}

on_both_deployments! {
    /// Enum values as strings, numbers as IDs, and null or nothing for optional values.
    async fn values_that_clients_send_are_accepted(deployment: Deployment) {
        let app = deployment.start().await.allow_unread_mail();
        let ada = app.with_token(&app.sign_up("ada@example.com").await.access);
        let created = "mutation($name: String!, $description: String) \
            { createTeam(input: {name: $name, description: $description}) { team { id } errors { code } } }";
        let data = ada.run(created, json!({ "name": "Engines" })).await;
        let team = data["createTeam"]["team"]["id"].clone();
        assert!(team.is_string(), "{data}");

        let invited = json!({ "input": { "teamId": team, "email": "bob@example.com", "role": "ADMIN" } });
        let data = ada.run(INVITE, invited).await;
        assert_eq!(data["inviteToTeam"]["invitation"]["role"], "ADMIN", "{data}");
        let unknown = json!({ "input": { "teamId": 7, "email": "bob@example.com", "role": "ADMIN" } });
        let data = ada.run(INVITE, unknown).await;
        assert_eq!(data["inviteToTeam"]["errors"][0]["code"], "NOT_FOUND", "{data}");

        let page = "query Teams($first: Int, $after: String) \
            { teams(first: $first, after: $after) { totalCount } me { teams(last: $first) { totalCount } } }";
        for variables in [json!({}), json!({ "first": null, "after": null }), json!({ "first": 1 })] {
            let data = ada.run(page, variables.clone()).await;
            assert_eq!(data["teams"]["totalCount"], 1, "{variables}: {data}");
            assert_eq!(data["me"]["teams"]["totalCount"], 1, "{variables}: {data}");
        }

        // An omitted field keeps its value, null clears it.
        let update = "mutation($phone: String, $company: String) \
            { updateMe(input: {phone: $phone, company: $company}) { user { phone company } } }";
        ada.run(update, json!({ "phone": "1", "company": "2" })).await;
        let data = ada.run(update, json!({ "phone": null })).await;
        assert_eq!(data["updateMe"]["user"], json!({ "phone": null, "company": "2" }));
    }
}
