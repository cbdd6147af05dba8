//! `gatelodge mail list|show|retry`: an operator at the real binary, while servers run on the same
//! databases.

use chrono::Duration;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::support::deployment::Deployment;
use crate::support::outbox::Outbox;
use crate::support::sendgrid::SendGrid;
use crate::support::smtp::{SmtpOptions, SmtpServer};
use crate::support::{eventually, on_both_deployments};

/// What a command printed that must succeed.
async fn printed(deployment: &Deployment, arguments: &[&str]) -> String {
    let output = deployment.mail(&[], arguments).await;
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

async fn json_of(deployment: &Deployment, arguments: &[&str]) -> Value {
    serde_json::from_str(&printed(deployment, arguments).await).unwrap()
}

/// What a command said that must be refused, with nothing on standard output.
async fn refused(deployment: &Deployment, arguments: &[&str]) -> String {
    let output = deployment.mail(&[], arguments).await;
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    assert_eq!(output.stdout, b"", "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// The identifier of the newest mail to an address.
async fn id_of(deployment: &Deployment, address: &str) -> String {
    let mails = json_of(deployment, &["list", "--json", "--limit", "1000"]).await;
    let mails = mails.as_array().unwrap();
    let found = mails.iter().find(|mail| mail["recipient"] == address);
    found.unwrap()["id"].as_str().unwrap().to_owned()
}

on_both_deployments! {
    /// An operator sees every mail, every try to send it and what providers said; no code, not even
    /// where a server quotes it.
    async fn mails_and_their_attempts_are_listed(deployment: Deployment) {
        let server = SmtpServer::start(SmtpOptions::default());
        let app = deployment.start_with(&server.settings(&[])).await;
        let outbox = Outbox::of(&deployment).await;
        assert_eq!(printed(&deployment, &["list"]).await, "no mails\n");
        assert_eq!(json_of(&deployment, &["list", "--json"]).await, json!([]));

        let (twice, never) = ("deferonce@example.com", "rejectdata@example.com");
        app.request_signup_code(twice, "Ada").await;
        outbox.wait_for_failures(twice, 1).await;
        app.clock.advance(Duration::seconds(7));
        outbox.wait_for_state(twice, "sent").await;
        let code = server.mail_to(twice).await.code();
        app.request_signup_code(never, "Ada").await;
        outbox.wait_for_state(never, "dead").await;

        let all = json_of(&deployment, &["list", "--json"]).await;
        let listed: Vec<_> = all.as_array().unwrap().iter().map(|m| (&m["recipient"], &m["state"])).collect();
        assert_eq!(listed, [(&json!(never), &json!("dead")), (&json!(twice), &json!("sent"))]);
        for (state, count) in [("dead", 1), ("sent", 1), ("pending", 0), ("cancelled", 0)] {
            let mails = json_of(&deployment, &["list", "--state", state, "--json"]).await;
            assert_eq!(mails.as_array().unwrap().len(), count, "{state}");
        }
        let one = json_of(&deployment, &["list", "--limit", "1", "--json"]).await;
        assert_eq!(one, json!([all[0]]));

        let id = all[1]["id"].as_str().unwrap();
        let shown = json_of(&deployment, &["show", id, "--json"]).await;
        assert_eq!((&shown["kind"], &shown["attempts"]), (&json!("signup_code"), &json!(2)));
        let history = shown["history"].as_array().unwrap();
        let outcomes: Vec<_> = history.iter().map(|t| (&t["number"], &t["outcome"], &t["provider"])).collect();
        let smtp = json!("smtp");
        assert_eq!(outcomes, [(&json!(1), &json!("failed"), &smtp), (&json!(2), &json!("sent"), &smtp)]);
        assert!(history[0]["error"].as_str().unwrap().contains("451"), "{shown}");
        assert_eq!(history[1]["error"], Value::Null);

        let text = printed(&deployment, &["list"]).await;
        let lines: Vec<_> = text.lines().collect();
        assert!(lines.len() == 3 && lines[0].starts_with("ID "), "{text}");
        let column = lines[0].find("STATE").unwrap();
        assert!(lines[1][column..].starts_with("dead ") && lines[2][column..].starts_with("sent "));
        let dead = printed(&deployment, &["show", all[0]["id"].as_str().unwrap()]).await;
        assert!(dead.contains("\n1    ") && dead.contains("554"), "{dead}");
        assert!(dead.contains("***"), "the server quoted the code: {dead}");
        let quoted = deployment.derived_code("signup", never).await;
        for printed in [&text, &dead, &all.to_string(), &shown.to_string()] {
            assert!(!printed.contains(&code) && !printed.contains(&quoted), "{printed}");
        }
        let error = refused(&deployment, &["show", "nonsense"]).await;
        assert!(error.contains("not the id of a mail"), "{error}");
        let error = refused(&deployment, &["show", "00000000-0000-0000-0000-000000000000"]).await;
        assert!(error.contains("there is no mail"), "{error}");
    }

    /// A dead mail that is tried again has all its tries before it and arrives; what was sent, or
    /// is worth nothing, is not tried again.
    async fn dead_mails_can_be_retried(deployment: Deployment) {
        let server = SmtpServer::start(SmtpOptions::default());
        let refusing = SendGrid::start().await;
        let [one, two, over] = ["status401@example.com", "status403@example.com", "status400@example.com"];
        let app = deployment.start_with(&refusing.settings(&[])).await;
        let outbox = Outbox::of(&deployment).await;
        for address in [one, two, over] {
            app.request_signup_code(address, "Ada").await;
            outbox.wait_for_state(address, "dead").await;
        }
        // Its code has been replaced: the older of its mails is worth nothing.
        let old = id_of(&deployment, over).await;
        app.request_signup_code(over, "Ada").await;
        outbox.wait_for_state(over, "dead").await;
        app.stop().await;

        let app = deployment.start_with(&server.settings(&[])).await;
        let id = id_of(&deployment, one).await;
        let due = printed(&deployment, &["retry", &id]).await;
        assert_eq!(due, format!("mail {id} is due now\n"));
        let code = server.mail_to(one).await.code();
        let verified = app.verify_signup_code(one, &code).await;
        assert_eq!(verified["session"]["user"]["email"], one, "{verified}");
        assert_eq!(outbox.wait_for_state(one, "sent").await.attempts, 2);
        let shown = json_of(&deployment, &["show", &id, "--json"]).await;
        assert_eq!(shown["history"].as_array().unwrap().len(), 2, "{shown}");
        assert!(shown["retriedAt"].is_string() && shown["worthSending"] == false, "{shown}");

        let error = refused(&deployment, &["retry", &id]).await;
        assert!(error.contains("it was sent"), "{error}");
        let error = refused(&deployment, &["retry", &old]).await;
        assert!(error.contains("its code or link is used, replaced or expired"), "{error}");

        let done = printed(&deployment, &["retry", "--dead"]).await;
        assert_eq!(done, "2 mails are due now; 1 stay dead: their code or link no longer works\n");
        for address in [two, over] {
            let code = server.mail_to(address).await.code();
            let verified = app.verify_signup_code(address, &code).await;
            assert_eq!(verified["session"]["user"]["email"], address, "{verified}");
        }
        assert_eq!(server.count(), 3);
    }

    /// A mail that was cancelled stays so, one on its way is left alone, and one that waits for its
    /// next try is sent at once.
    async fn a_mail_in_delivery_is_not_retried(deployment: Deployment) {
        let server = SmtpServer::start(SmtpOptions::default());
        let app = deployment.start_with(&server.settings(&[])).await;
        let outbox = Outbox::of(&deployment).await;
        let held = "silent@example.com";
        app.request_signup_code(held, "Ada").await;
        outbox.wait_until(held, "leased", |row| row.is_leased).await;
        let id = id_of(&deployment, held).await;
        let error = refused(&deployment, &["retry", &id]).await;
        assert!(error.contains("it is being sent right now"), "{error}");
        let shown = printed(&deployment, &["show", &id]).await;
        assert!(shown.contains("being sent right now") && shown.contains("under way"), "{shown}");

        let waiting = "deferonce@example.com";
        app.request_signup_code(waiting, "Ada").await;
        outbox.wait_for_failures(waiting, 1).await;
        printed(&deployment, &["retry", &id_of(&deployment, waiting).await]).await;
        outbox.wait_for_state(waiting, "sent").await;

        let replaced = "deferonce@example.org";
        app.request_signup_code(replaced, "Ada").await;
        outbox.wait_for_failures(replaced, 1).await;
        let id = id_of(&deployment, replaced).await;
        app.request_signup_code(replaced, "Ada").await;
        app.clock.advance(Duration::seconds(7));
        eventually("the older mail to be cancelled", async || {
            let older = outbox.rows(replaced).await.remove(0);
            (older.state == "cancelled").then_some(())
        })
        .await;
        let error = refused(&deployment, &["retry", &id]).await;
        assert!(error.contains("it was cancelled"), "{error}");
        let shown = json_of(&deployment, &["show", &id, "--json"]).await;
        let last = shown["history"].as_array().unwrap().last().unwrap().clone();
        assert_eq!((&last["outcome"], &last["provider"]), (&json!("cancelled"), &Value::Null));
    }

    /// What providers said of an erased account's mails is erased too: it may quote the address.
    async fn a_deleted_user_leaves_nothing_in_the_attempts(deployment: Deployment) {
        let server = SmtpServer::start(SmtpOptions::default());
        let app = deployment.start_with(&server.settings(&[])).await;
        let outbox = Outbox::of(&deployment).await;
        let address = "deferonce@example.com";
        app.request_signup_code(address, "Ada").await;
        outbox.wait_for_failures(address, 1).await;
        app.clock.advance(Duration::seconds(7));
        let code = server.mail_to(address).await.code();
        outbox.wait_for_state(address, "sent").await;
        let id = id_of(&deployment, address).await;
        let session = app.verify_signup_code(address, &code).await["session"].clone();
        assert_eq!(deployment.count("mail_attempts WHERE error IS NOT NULL").await, 1);
        let ada = app.with_token(session["accessToken"].as_str().unwrap());
        let deleted = ada.mutate("deleteMe", json!({ "confirmEmail": address }), "deletedUserId").await;
        assert_eq!(deleted["errors"], json!([]), "{deleted}");

        assert_eq!(deployment.count("mail_attempts WHERE error IS NOT NULL").await, 0);
        let shown = printed(&deployment, &["show", &id, "--json"]).await;
        assert!(!shown.contains("deferonce") && shown.contains(r#""recipient": null"#), "{shown}");
        // And dead ones are not brought back to nobody.
        let make_dead = "UPDATE outbox_mails SET state = 'dead'";
        deployment.database().await.execute_unprepared(make_dead).await.unwrap();
        let error = refused(&deployment, &["retry", &id]).await;
        assert!(error.contains("account was deleted"), "{error}");
        assert_eq!(printed(&deployment, &["retry", "--dead"]).await, "0 mails are due now\n");
    }
}
