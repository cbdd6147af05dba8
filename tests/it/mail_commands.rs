//! `gatelodge mail`: an operator at the real binary, while servers run on the same databases.

use std::path::Path;
use std::process::Output;

use chrono::Duration;
use gatelodge::domain::mail::MailKind;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::deployment::Deployment;
use crate::support::outbox::Outbox;
use crate::support::sendgrid::SendGrid;
use crate::support::smtp::{SmtpOptions, SmtpServer, Tls};
use crate::support::{eventually, free_port, on_both_deployments, process};

const ADA: &str = "ada@example.com";

/// Runs `gatelodge mail …` to its end.
async fn run(deployment: &Deployment, settings: &[(&str, &str)], arguments: &[&str]) -> Output {
    let directory = TempDir::new().unwrap();
    run_in(directory.path(), deployment, settings, arguments).await
}

async fn run_in(
    directory: &Path,
    deployment: &Deployment,
    settings: &[(&str, &str)],
    arguments: &[&str],
) -> Output {
    let mut command = process::command(directory, &deployment.variables(settings));
    command.arg("mail").args(arguments);
    process::output(command).await
}

/// What a command printed that must succeed.
async fn printed(deployment: &Deployment, arguments: &[&str]) -> String {
    let output = run(deployment, &[], arguments).await;
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

async fn json_of(deployment: &Deployment, arguments: &[&str]) -> Value {
    serde_json::from_str(&printed(deployment, arguments).await).unwrap()
}

/// What a command said that must be refused, with nothing on standard output.
async fn refused(deployment: &Deployment, arguments: &[&str]) -> String {
    let output = run(deployment, &[], arguments).await;
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    assert_eq!(output.stdout, b"", "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// Standard output and how it ended.
fn told(output: &Output) -> (String, Option<i32>) {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    (text, output.status.code())
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
    async fn mails_and_their_tries_are_shown(deployment: Deployment) {
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
        assert!(error.contains("not the identifier of a mail"), "{error}");
        let error = refused(&deployment, &["show", "00000000-0000-0000-0000-000000000000"]).await;
        assert!(error.contains("there is no mail"), "{error}");
    }

    /// A dead mail that is tried again has all its tries before it and arrives; what was sent, or
    /// is worth nothing, is not tried again.
    async fn dead_mails_are_tried_again(deployment: Deployment) {
        let server = SmtpServer::start(SmtpOptions::default());
        let refusing = SendGrid::start().await;
        let outbox = Outbox::of(&deployment).await;
        let [one, two, over] = ["status401@example.com", "status403@example.com", "status400@example.com"];
        let app = deployment.start_with(&refusing.settings(&[])).await;
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
        assert!(error.contains("its code or link is used, replaced or over"), "{error}");

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
    async fn a_mail_on_its_way_is_left_alone(deployment: Deployment) {
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
    async fn an_erased_account_leaves_nothing_in_the_tries(deployment: Deployment) {
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
        assert!(error.contains("account was erased"), "{error}");
        assert_eq!(printed(&deployment, &["retry", "--dead"]).await, "0 mails are due now\n");
    }
}

/// Sends a test mail with settings; what was told, and how it ended.
async fn test_mail(settings: &[(&str, &str)], address: &str) -> (String, Option<i32>) {
    let deployment = Deployment::embedded().await;
    let output = run(&deployment, settings, &["test", address]).await;
    let (text, code) = told(&output);
    let all = text.clone() + &String::from_utf8_lossy(&output.stderr);
    assert!(
        !all.contains("swordfish") && !all.contains("canary"),
        "{all}"
    );
    // It needs no database.
    assert!(!deployment.path().join("data/test.db").exists());
    (text, code)
}

/// A test mail goes through each provider by itself, and past the outbox.
#[tokio::test(flavor = "multi_thread")]
async fn a_test_mail_goes_through_each_provider() {
    let server = SmtpServer::start(SmtpOptions::default());
    let http = SendGrid::start().await;
    let mut settings = http.settings(&[]);
    settings.extend(server.settings(&[("EMAIL_SERVICE", "sendgrid,smtp")]));
    let (text, code) = test_mail(&settings, ADA).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("sendgrid: ok") && text.contains("smtp: ok"),
        "{text}"
    );
    let mail = server.wait_for(1).remove(0);
    assert_eq!(mail.header("Subject"), ["Test mail from Gatelodge"]);
    assert!(mail.html.contains("test mail"));
    assert_eq!(http.taken(ADA).len(), 1);

    let (text, code) = test_mail(&settings, "status401@example.com").await;
    assert_eq!(code, Some(1));
    assert!(
        text.contains("sendgrid: FAILED") && text.contains("smtp: ok"),
        "{text}"
    );
    let output = run(
        &Deployment::embedded().await,
        &settings,
        &["test", "nonsense"],
    )
    .await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(server.count(), 2);
}

/// Each thing that goes wrong is explained in words a person can act on.
#[tokio::test(flavor = "multi_thread")]
async fn what_went_wrong_is_explained() {
    let plain = SmtpServer::start(SmtpOptions::default());
    let upgraded = SmtpServer::start(SmtpOptions {
        tls: Tls::Upgraded,
        ..SmtpOptions::default()
    });
    let implicit = SmtpServer::start(SmtpOptions {
        tls: Tls::Implicit,
        ..SmtpOptions::default()
    });
    let login = SmtpServer::start(SmtpOptions {
        login: Some(("ada".to_owned(), "swordfish-77".to_owned())),
        ..SmtpOptions::default()
    });
    let http = SendGrid::start().await;
    let closed = free_port().to_string();
    let no_login = login.settings(&[("SMTP_USERNAME", ""), ("SMTP_PASSWORD", "")]);
    let gmail = |password: &'static str| {
        login.settings(&[
            ("EMAIL_SERVICE", "gmail"),
            ("GMAIL_USER", "ada@gmail.com"),
            ("GMAIL_APP_PASSWORD", password),
            ("SMTP_USERNAME", ""),
            ("SMTP_PASSWORD", ""),
        ])
    };
    for (settings, address, words) in [
        (
            plain.settings(&[("SMTP_HOST", "no-such-host.invalid")]),
            ADA,
            "There is no host no-such-host.invalid",
        ),
        (
            plain.settings(&[("SMTP_PORT", &closed)]),
            ADA,
            "Nothing listens at localhost port",
        ),
        (
            plain.settings(&[("SMTP_USE_TLS", "starttls")]),
            ADA,
            "does not offer STARTTLS",
        ),
        (
            plain.settings(&[("SMTP_USE_TLS", "implicit")]),
            ADA,
            "does not speak TLS",
        ),
        (upgraded.settings(&[]), ADA, "is not trusted"),
        (implicit.settings(&[]), ADA, "is not trusted"),
        (
            upgraded.settings(&[("SMTP_USE_TLS", "false")]),
            ADA,
            "takes nothing without TLS",
        ),
        (
            login.settings(&[("SMTP_PASSWORD", "swordfish-78")]),
            ADA,
            "check SMTP_USERNAME",
        ),
        (no_login, ADA, "takes no mail without a login"),
        (
            gmail("swordfish"),
            ADA,
            "is not an app password, which has 16 letters",
        ),
        (
            gmail("abcd efgh ijkl mnop"),
            ADA,
            "Google refuses this login",
        ),
        (
            plain.settings(&[]),
            "reject550@example.com",
            "does not take this recipient",
        ),
        (
            plain.settings(&[]),
            "rejectdata@example.com",
            "refuses what the mail says",
        ),
        (
            plain.settings(&[]),
            "defer451@example.com",
            "says that it cannot now",
        ),
        (
            plain.settings(&[]),
            "close@example.com",
            "ended the connection in the middle",
        ),
        (
            plain.settings(&[("EMAIL_TIMEOUT_SECONDS", "1")]),
            "silent@example.com",
            "EMAIL_TIMEOUT_SECONDS (1)",
        ),
        (
            http.settings(&[]),
            "status401@example.com",
            "SendGrid does not know the key",
        ),
        (
            http.settings(&[]),
            "status403@example.com",
            "verify this sender",
        ),
        (
            http.settings(&[]),
            "status500@example.com",
            "says that it cannot now",
        ),
    ] {
        let (text, code) = test_mail(&settings, address).await;
        assert_eq!(code, Some(1), "{text}");
        assert!(
            text.contains("FAILED") && text.contains(words),
            "{words}:\n{text}"
        );
    }
}

/// Every kind of mail can be looked at without a database, as the templates in force make it.
#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_mail_can_be_looked_at() {
    let deployment = Deployment::embedded().await;
    for kind in MailKind::ALL {
        let text = printed(&deployment, &["preview", kind.name()]).await;
        assert!(
            text.starts_with("Subject: ") && text.contains("\n\n"),
            "{text}"
        );
        let html = printed(&deployment, &["preview", kind.name(), "--html"]).await;
        assert!(html.to_lowercase().starts_with("<!doctype html"), "{html}");
        let plain = printed(&deployment, &["preview", kind.name(), "--text"]).await;
        assert!(text.ends_with(&plain) && !plain.contains('<'), "{plain}");
    }
    assert!(!deployment.path().join("data/test.db").exists());
    let invitation = printed(&deployment, &["preview", "team_invitation"]).await;
    assert!(
        invitation.contains("Analytical Engines") && invitation.contains("7 days"),
        "{invitation}"
    );

    let directory = TempDir::new().unwrap();
    let folder = directory.path().join("templates/login_code");
    std::fs::create_dir_all(&folder).unwrap();
    let preview = ["preview", "login_code"];
    let settings = [("USE_TEMPLATE_FILES", "true")];
    std::fs::write(folder.join("body.txt"), "Ahoy {name}, {code}").unwrap();
    let (text, code) = told(&run_in(directory.path(), &deployment, &settings, &preview).await);
    assert!(
        code == Some(0) && text.contains("\n\nAhoy Ada Lovelace, "),
        "{text}"
    );
    std::fs::write(folder.join("body.txt"), "Ahoy {{ nonsense }}").unwrap();
    let broken = run_in(directory.path(), &deployment, &settings, &preview).await;
    assert_eq!(broken.status.code(), Some(1));
    let error = String::from_utf8(broken.stderr).unwrap();
    assert!(
        error.contains("body.txt:1") && error.contains("nonsense"),
        "{error}"
    );
}

/// A slip of the pen is told with what there is, and settings that cannot be used by their code.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_calls_are_told() {
    let deployment = Deployment::embedded().await;
    for (arguments, words) in [
        (&["preview", "nonsense"][..], "team_invitation"),
        (&["list", "--state", "lost"], "cancelled"),
        (&["retry"], "--dead"),
        (&["retry", "x", "--dead"], "cannot be used with"),
        (
            &["preview", "login_code", "--html", "--text"],
            "cannot be used with",
        ),
    ] {
        let output = run(&deployment, &[], arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(words), "{error}");
    }
    let output = run(&deployment, &[("EMAIL_SERVICE", "pigeon")], &["test", ADA]).await;
    assert_eq!(output.status.code(), Some(78));
}
