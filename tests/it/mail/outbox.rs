//! The outbox: what becomes of a mail that cannot be sent at once.

use chrono::Duration;
use sea_orm::ConnectionTrait;

use crate::support::deployment::Deployment;
use crate::support::outbox::{MailRow, Outbox};
use crate::support::smtp::{SmtpOptions, SmtpServer};
use crate::support::{eventually, on_both_deployments};

const ADA: &str = "ada@example.com";

on_both_deployments! {
    /// A server that says "later" is asked again, not before its time, and the code is the one
    /// that was asked for.
    async fn a_deferred_mail_is_sent_later(deployment: Deployment) {
        let server = SmtpServer::start(SmtpOptions::default());
        let app = deployment.start_with(&server.settings(&[])).await;
        let outbox = Outbox::of(&deployment).await;
        let address = "deferonce@example.com";
        app.request_signup_code(address, "Ada").await;
        let failed = outbox.wait_for_failures(address, 1).await;
        assert_eq!(failed.state, "pending");
        assert!(failed.last_error.unwrap().contains("451"));

        // The sweep that finds another mail, which is due, leaves this one.
        let other = "deferonce@example.org";
        app.request_signup_code(other, "Ada").await;
        outbox.wait_for_failures(other, 1).await;
        outbox.make_due(other).await;
        outbox.wait_for_state(other, "sent").await;
        assert_eq!(outbox.rows(address).await[0].attempts, 1);

        app.clock.advance(Duration::seconds(7));
        let code = server.mail_to(address).await.code();
        let sent = outbox.wait_for_state(address, "sent").await;
        assert_eq!((sent.attempts, sent.last_error), (2, None));
        let verified = app.verify_signup_code(address, &code).await;
        assert_eq!(verified["session"]["user"]["email"], address);
    }

    /// After its last attempt a mail is given up, and kept with the reason.
    async fn a_mail_has_a_limited_number_of_attempts(deployment: Deployment) {
        let server = SmtpServer::start(SmtpOptions::default());
        let settings = [("EMAIL_MAX_ATTEMPTS", "3"), ("ACCOUNT_EXISTENCE_HINTS", "false")];
        let app = deployment.start_with(&server.settings(&settings)).await;
        let outbox = Outbox::of(&deployment).await;
        let address = "defer451@example.com";
        // The mail that nobody has an account here, which is worth sending for ever.
        app.request_login_code(address).await;
        for tries in 1..=2 {
            let failed = outbox.wait_for_failures(address, tries).await;
            assert_eq!(failed.state, "pending");
            app.clock.advance(Duration::minutes(80));
        }
        let dead = outbox.wait_for_state(address, "dead").await;
        assert_eq!(dead.attempts, 3);
        assert!(dead.last_error.unwrap().contains("451"));
        assert!(server.mails().is_empty());
    }

    /// A server that says "never" is not asked again.
    async fn a_permanently_rejected_mail_is_dead_at_once(deployment: Deployment) {
        let server = SmtpServer::start(SmtpOptions::default());
        let app = deployment.start_with(&server.settings(&[])).await;
        let outbox = Outbox::of(&deployment).await;
        let address = "reject550@example.com";
        app.request_signup_code(address, "Ada").await;
        let dead = outbox.wait_for_state(address, "dead").await;
        assert_eq!(dead.attempts, 1);
        assert!(dead.last_error.unwrap().contains("5.1.1 no such mailbox"));
    }

    /// A newer code takes the place of an older one, in the outbox too.
    async fn a_mail_whose_code_was_replaced_is_not_sent(deployment: Deployment) {
        let mut server = SmtpServer::start(SmtpOptions::default());
        server.stop();
        let app = deployment.start_with(&server.settings(&[])).await;
        let outbox = Outbox::of(&deployment).await;
        app.request_signup_code(ADA, "Ada").await;
        outbox.wait_for_failures(ADA, 1).await;
        app.request_signup_code(ADA, "Ada").await;
        outbox.wait_for_failures(ADA, 1).await;

        server.restart();
        app.clock.advance(Duration::seconds(7));
        let mail = server.mail_to(ADA).await;
        let verified = app.verify_signup_code(ADA, &mail.code()).await;
        assert_eq!(verified["session"]["user"]["email"], ADA, "{verified}");
        outbox.wait_for_state(ADA, "sent").await;
        eventually("the older mail to be cancelled", async || {
            (outbox.rows(ADA).await[0].state == "cancelled").then_some(())
        })
        .await;
        assert_eq!(server.mails().len(), 1);
    }

    /// A mail that arrived although its server's answer was lost is not sent again once its code
    /// was used.
    async fn a_mail_whose_code_was_used_is_not_sent(deployment: Deployment) {
        let server = SmtpServer::start(SmtpOptions::default());
        let app = deployment.start_with(&server.settings(&[("EMAIL_TIMEOUT_SECONDS", "1")])).await;
        let outbox = Outbox::of(&deployment).await;
        let address = "takenonce@example.com";
        app.request_signup_code(address, "Ada").await;
        let code = server.mail_to(address).await.code();
        let failed = outbox.wait_for_failures(address, 1).await;
        assert!(failed.last_error.unwrap().contains("no answer within 1 s"));
        let verified = app.verify_signup_code(address, &code).await;
        assert_eq!(verified["session"]["user"]["email"], address, "{verified}");

        app.clock.advance(Duration::seconds(7));
        outbox.wait_for_state(address, "cancelled").await;
        assert_eq!(server.mails().len(), 1);
    }

    /// A mail taken by a server whose answer was lost is sent again, recognisably the same.
    async fn a_lost_response_sends_a_second_copy(deployment: Deployment) {
        let server = SmtpServer::start(SmtpOptions::default());
        let app = deployment.start_with(&server.settings(&[("EMAIL_TIMEOUT_SECONDS", "1")])).await;
        let outbox = Outbox::of(&deployment).await;
        let address = "takenonce@example.com";
        app.request_signup_code(address, "Ada").await;
        outbox.wait_for_failures(address, 1).await;
        app.clock.advance(Duration::seconds(7));
        outbox.wait_for_state(address, "sent").await;
        let mails = server.wait_for(2);
        assert_eq!(mails[0].message_id, mails[1].message_id);
        assert_eq!(mails[0].code(), mails[1].code());
    }

    /// More than an hour without a mail server costs delay: all that is still worth something
    /// arrives, whatever the attempts. A code that ends before the next try is given up instead,
    /// while it still works.
    async fn an_hour_without_a_mail_server_loses_nothing(deployment: Deployment) {
        let mut server = SmtpServer::start(SmtpOptions::default());
        let settings = [
            ("ACCOUNT_EXISTENCE_HINTS", "false"),
            ("PASSWORD_RESET_EXPIRATION_MINUTES", "180"),
        ];
        let app = deployment.start_with(&server.settings(&settings)).await;
        let outbox = Outbox::of(&deployment).await;
        app.request_signup_code(ADA, "Ada").await;
        let code = server.mail_to(ADA).await.code();
        let session = app.verify_signup_code(ADA, &code).await["session"].clone();
        let admin = app.with_token(session["accessToken"].as_str().unwrap());
        let team = admin.create_team("Crew").await;

        server.stop();
        admin.invite(&team, "bob@example.com", "MEMBER").await;
        app.request_password_reset(ADA).await;
        app.request_login_code("nobody@example.com").await;
        app.request_login_code(ADA).await;
        let lasting = "kind IN ('team_invitation', 'password_reset', 'no_account')";
        let failures = async |condition: &str, count: usize, tries: i32| {
            eventually(&format!("failure {tries}"), async || {
                let rows = outbox.rows_where(condition).await;
                let failed = |row: &MailRow| row.attempts == tries && !row.is_leased;
                (rows.len() == count && rows.iter().all(failed)).then_some(())
            })
            .await;
        };
        // The longest that each wait can be: 51 minutes.
        for (tries, seconds) in (1..).zip([6, 12, 24, 48, 96, 192, 384, 768, 1536]) {
            if tries <= 8 {
                failures("kind <> 'signup_code'", 4, tries).await;
            }
            failures(lasting, 3, tries).await;
            app.clock.advance(Duration::seconds(seconds));
        }
        failures(lasting, 3, 10).await;
        let login_code = outbox.rows_where("kind = 'login_code'").await.remove(0);
        assert_eq!((&*login_code.state, login_code.attempts), ("dead", 8));

        app.clock.advance(Duration::minutes(15));
        server.restart();
        app.clock.advance(Duration::minutes(47));
        eventually("all to be recorded", async || {
            let rows = outbox.rows_where(lasting).await;
            rows.iter().all(|row| row.state == "sent").then_some(())
        })
        .await;
        let mails = server.wait_for(4);
        let mut to: Vec<_> = mails.iter().map(|mail| &*mail.to[0]).collect();
        to.sort_unstable();
        assert_eq!(to, [ADA, ADA, "bob@example.com", "nobody@example.com"]);
        assert!(mails.iter().any(|mail| mail.text.contains("/reset-password?token=")));
    }

    /// A server that never answers holds up one place for as long as the timeout says, and no
    /// other mail.
    async fn a_silent_server_blocks_only_one_slot(deployment: Deployment) {
        let server = SmtpServer::start(SmtpOptions::default());
        let settings = [("EMAIL_TIMEOUT_SECONDS", "12"), ("WORKER_CONCURRENCY", "2")];
        let app = deployment.start_with(&server.settings(&settings)).await;
        let outbox = Outbox::of(&deployment).await;
        let silent = "silent@example.com";
        app.request_signup_code(silent, "Ada").await;
        outbox.wait_until(silent, "leased", |row| row.is_leased).await;
        for n in 0..10 {
            let address = format!("user{n}@example.com");
            app.request_signup_code(&address, "Ada").await;
            outbox.wait_for_state(&address, "sent").await;
        }
        let held = outbox.rows(silent).await.remove(0);
        assert!(held.is_leased && held.attempts == 1, "{held:?}");
        let failed = outbox.wait_for_failures(silent, 1).await;
        assert!(failed.last_error.unwrap().contains("no answer within 12 s"));
    }

    /// The code of a dead mail is shown on the console, and works, where that is wanted.
    async fn the_code_of_a_dead_mail_is_printed_if_enabled(deployment: Deployment) {
        let server = SmtpServer::start(SmtpOptions::default());
        let address = "reject550@example.com";
        for wanted in ["true", "false"] {
            let settings = server.settings(&[
                ("EMAIL_FALLBACK_TO_CONSOLE", wanted),
                ("LOG_TO_FILE", "true"),
                ("LOG_LEVEL", "DEBUG"),
            ]);
            let mut process = deployment.spawn(&[], &settings).await;
            process.request_signup_code(address, "Ada").await;
            process.wait_for("email_dead").await;
            if wanted == "true" {
                process.wait_for("Code: ").await;
                let output = process.output();
                let (_, block) = output.split_once("MAIL NOT SENT (signup_code)").unwrap();
                assert!(block.contains(&format!("To:   {address}")), "{block}");
                let (_, code) = block.split_once("Code: ").unwrap();
                let code = code.lines().next().unwrap();
                // Not through the logger: no line of the log, here or in the file, has it.
                let file = process.directory.path().join("logs/app.log");
                let log = eventually("the log file", async || {
                    let log = std::fs::read_to_string(&file).unwrap();
                    log.contains("email_dead").then_some(log)
                })
                .await;
                assert!(!log.contains(code), "{log}");
                assert_eq!(output.matches(code).count(), 1, "{output}");
                let verified = process.verify_signup_code(address, code).await;
                assert_eq!(verified["session"]["user"]["email"], address, "{verified}");
                // So that the next one may sign up again.
                deployment.database().await.execute_unprepared("DELETE FROM users").await.unwrap();
            } else {
                assert_eq!(process.terminate().await.code(), Some(0));
                assert!(!process.output().contains("MAIL NOT SENT"));
            }
        }
    }
}
