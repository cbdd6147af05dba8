//! What every emailed code promises, whatever it is for.

use chrono::Duration;
use gatelodge::testing::domain::clock::Clock;
use gatelodge::testing::domain::mail::MailKind;
use serde_json::{Value, json};

use crate::support::client::assert_error;
use crate::support::deployment::Deployment;
use crate::support::flow::{Flow, wrong_code};
use crate::support::on_both_deployments;

on_both_deployments! {
    /// The main path: sign up, see oneself, log in again.
    async fn a_user_signs_up_and_signs_in(deployment: Deployment) {
        let app = deployment.start().await;
        let requested = app.request_signup_code("Ada@Example.com", "Ada").await;
        assert_eq!(requested["challenge"]["email"], "ada@example.com");
        assert_eq!(requested["challenge"]["codeLength"], 6);
        let code = app.code(MailKind::SignupCode, "ada@example.com").await;
        let verified = app.verify_signup_code("ada@example.com", &code).await;
        assert_eq!(verified["errors"], json!([]));
        let user = &verified["session"]["user"];
        assert_eq!(user["name"], "Ada");
        assert_eq!(user["emailVerified"], true);
        assert_eq!(user["hasPassword"], false);

        let token = verified["session"]["accessToken"].as_str().unwrap();
        assert_eq!(app.with_token(token).me().await["email"], "ada@example.com");
        assert_eq!(app.me().await, Value::Null);

        let again = app.log_in("ada@example.com").await;
        assert_eq!(user["id"], again.user_id.as_str());
        assert_eq!(app.with_token(&again.access).me().await["name"], "Ada");
    }

    /// The budget of wrong answers is told, and once it is spent the right code is worth nothing;
    /// a new one has a budget of its own.
    async fn wrong_codes_count_down_the_attempts(deployment: Deployment) {
        let app = deployment
            .start_with(&[("MAX_VERIFICATION_ATTEMPTS", "3")])
            .await;
        for flow in Flow::BOTH {
            let email = flow.email(&app).await;
            let code = flow.code(&app, email).await;
            for (n, remaining) in [2, 1, 0].into_iter().enumerate() {
                let answer = flow.verify(&app, email, &wrong_code(&code, n as u64)).await;
                let error = assert_error(&answer, "INVALID_CODE", "code");
                assert_eq!(error["__typename"], "InvalidCodeError");
                assert_eq!(error["attemptsRemaining"], remaining);
            }
            let error = flow.verify(&app, email, &code).await;
            assert_error(&error, "TOO_MANY_ATTEMPTS", "code");

            let newer = flow.code(&app, email).await;
            let error = flow.verify(&app, email, &wrong_code(&newer, 0)).await;
            assert_eq!(
                assert_error(&error, "INVALID_CODE", "code")["attemptsRemaining"],
                2
            );
            assert_ne!(
                flow.verify(&app, email, &newer).await["session"],
                Value::Null
            );
        }
    }

    /// A code lives as long as its challenge says, and not a moment longer.
    async fn a_code_expires(deployment: Deployment) {
        let app = deployment
            .start_with(&[("CODE_EXPIRATION_MINUTES", "10")])
            .await;
        for flow in Flow::BOTH {
            let email = flow.email(&app).await;
            let before = app.clock.now();
            let requested = flow.request(&app, email).await;
            let expires_at = requested["challenge"]["expiresAt"].as_str().unwrap();
            let expires_at = chrono::DateTime::parse_from_rfc3339(expires_at)
                .unwrap()
                .to_utc();
            let lifetime = expires_at - before;
            assert!(lifetime >= Duration::minutes(10), "{lifetime}");
            assert!(lifetime < Duration::minutes(11), "{lifetime}");

            let code = app.code(flow.code_mail(), email).await;
            app.clock.advance(expires_at - app.clock.now());
            assert_error(
                &flow.verify(&app, email, &code).await,
                "CODE_EXPIRED",
                "code",
            );

            let newer = flow.code(&app, email).await;
            app.clock.advance(Duration::seconds(590));
            assert_ne!(
                flow.verify(&app, email, &newer).await["session"],
                Value::Null
            );
        }
    }

    /// A used code is told like a wrong one, and opens no second session.
    async fn a_code_works_once(deployment: Deployment) {
        let app = deployment.start().await;
        for flow in Flow::BOTH {
            let email = flow.email(&app).await;
            let code = flow.code(&app, email).await;
            assert_ne!(
                flow.verify(&app, email, &code).await["session"],
                Value::Null
            );
            let sessions = deployment.count("sessions").await;
            let answer = flow.verify(&app, email, &code).await;
            assert_eq!(
                assert_error(&answer, "INVALID_CODE", "code")["attemptsRemaining"],
                0
            );
            assert_eq!(deployment.count("sessions").await, sessions);
        }
    }

    /// A new code takes the place of the older one at once.
    async fn only_the_newest_code_is_valid(deployment: Deployment) {
        let app = deployment.start().await;
        for flow in Flow::BOTH {
            let email = flow.email(&app).await;
            let older = flow.code(&app, email).await;
            let newer = flow.code(&app, email).await;
            let answer = flow.verify(&app, email, &older).await;
            assert_eq!(
                assert_error(&answer, "INVALID_CODE", "code")["attemptsRemaining"],
                4
            );
            assert_ne!(
                flow.verify(&app, email, &newer).await["session"],
                Value::Null
            );
        }
    }

    /// The order of codes is that of requests, also where the clocks of two processes differ.
    async fn the_newest_code_is_valid_despite_clock_skew(deployment: Deployment) {
        let mut deployment = deployment;
        let ahead = deployment.start().await;
        ahead.clock.advance(Duration::seconds(30));
        ahead.sign_up("ada@example.com").await;
        let older = Flow::Login.code(&ahead, "ada@example.com").await;
        ahead.stop().await;

        deployment.clock = Clock::default();
        let behind = deployment.start().await;
        let newer = Flow::Login.code(&behind, "ada@example.com").await;
        let answer = behind.verify_login_code("ada@example.com", &older).await;
        assert_error(&answer, "INVALID_CODE", "code");
        let answer = behind.verify_login_code("ada@example.com", &newer).await;
        assert_ne!(answer["session"], Value::Null, "{answer}");
    }

    /// A code proves one address for one purpose.
    async fn a_code_of_another_purpose_or_address_is_wrong(deployment: Deployment) {
        let app = deployment.start().await;
        let ada = app.sign_up("ada@example.com").await;
        let login = Flow::Login.code(&app, "ada@example.com").await;
        let signup = Flow::Signup.code(&app, "grace@example.com").await;

        // No code of that purpose waits for the address.
        let answer = app.verify_login_code("grace@example.com", &signup).await;
        assert_eq!(
            assert_error(&answer, "INVALID_CODE", "code")["attemptsRemaining"],
            0
        );
        let answer = app.verify_signup_code("ada@example.com", &login).await;
        assert_eq!(
            assert_error(&answer, "INVALID_CODE", "code")["attemptsRemaining"],
            0
        );
        // One waits, but another.
        app.sign_up("alan@example.com").await;
        let own = Flow::Login.code(&app, "alan@example.com").await;
        let answer = app.verify_login_code("alan@example.com", &login).await;
        assert_eq!(
            assert_error(&answer, "INVALID_CODE", "code")["attemptsRemaining"],
            4
        );

        assert_ne!(
            app.verify_login_code("alan@example.com", &own).await["session"],
            Value::Null
        );
        let answer = app.verify_login_code("ada@example.com", &login).await;
        assert_eq!(answer["session"]["user"]["id"], ada.user_id.as_str());
    }

    /// An address that never asked for a code is answered like a wrong code.
    async fn a_code_without_a_request_is_wrong(deployment: Deployment) {
        let app = deployment.start().await;
        for flow in Flow::BOTH {
            let answer = flow.verify(&app, "nobody@example.com", "123456").await;
            assert_eq!(
                assert_error(&answer, "INVALID_CODE", "code")["attemptsRemaining"],
                0
            );
        }
    }

    /// What cannot be a code is refused without costing the person an attempt.
    async fn a_malformed_code_is_no_attempt(deployment: Deployment) {
        let app = deployment.start().await;
        let long = "1".repeat(10_000);
        for flow in Flow::BOTH {
            let email = flow.email(&app).await;
            let code = flow.code(&app, email).await;
            let texts = [
                "",
                " ",
                "12345",
                "1234567",
                "12345a",
                "１２３４５６",
                "12345\u{0}",
                "' OR 1",
                &long,
            ];
            for text in texts {
                let answer = flow.verify(&app, email, text).await;
                let error = assert_error(&answer, "INVALID_CODE", "code");
                assert_eq!(error["attemptsRemaining"], 5, "{text:?}");
            }
            assert_ne!(
                flow.verify(&app, email, &code).await["session"],
                Value::Null
            );
        }
    }

    /// Codes may be typed as people type them.
    async fn spaces_and_hyphens_in_a_code_do_not_matter(deployment: Deployment) {
        let app = deployment.start().await;
        for flow in Flow::BOTH {
            let email = flow.email(&app).await;
            let code = flow.code(&app, email).await;
            let typed = format!(" {}-{}\u{a0}{}\n", &code[..2], &code[2..4], &code[4..]);
            let answer = flow.verify(&app, email, &typed).await;
            assert_ne!(answer["session"], Value::Null, "{typed:?} {answer}");
        }
    }

    /// Length and alphabet are settings, and clients are told.
    async fn an_alphanumeric_code_is_read_in_either_case(deployment: Deployment) {
        let settings = [("CODE_TYPE", "alphanumeric"), ("CODE_LENGTH", "8")];
        let app = deployment.start_with(&settings).await;
        let info = app
            .run("{ serverInfo { codeLength codeType } }", json!({}))
            .await;
        assert_eq!(
            info["serverInfo"],
            json!({ "codeLength": 8, "codeType": "ALPHANUMERIC" })
        );
        for flow in Flow::BOTH {
            let email = flow.email(&app).await;
            let requested = flow.request(&app, email).await;
            assert_eq!(requested["challenge"]["codeLength"], 8);
            let code = app.code(flow.code_mail(), email).await;
            assert_eq!(code.len(), 8);
            assert!(
                code.bytes()
                    .all(|byte| b"23456789ABCDEFGHJKMNPQRSTVWXYZ".contains(&byte)),
                "{code}"
            );
            let typed = format!("{}-{}", &code[..4], &code[4..]).to_lowercase();
            let answer = flow.verify(&app, email, &typed).await;
            assert_ne!(answer["session"], Value::Null, "{typed:?} {answer}");
        }
    }

    /// Whatever is wrong with an address is told by the same error, everywhere one is given.
    async fn an_invalid_address_is_rejected(deployment: Deployment) {
        let app = deployment.start().await;
        let long = format!(
            "{}@{}.{}.{}.com",
            "a".repeat(64),
            "b".repeat(63),
            "c".repeat(63),
            "d".repeat(58)
        );
        assert_eq!(long.len(), 255);
        let texts = [
            "",
            "ada",
            "ada@",
            "@example.com",
            "ada@localhost",
            "ada@@example.com",
            "a\u{0}@example.com",
            "ada@example.com\r\nBcc: eve@example.com",
            "ada@[127.0.0.1]",
            "\"a b\"@example.com",
            &long,
        ];
        for text in texts {
            for flow in Flow::BOTH {
                assert_error(&flow.request(&app, text).await, "INVALID_EMAIL", "email");
                assert_error(
                    &flow.verify(&app, text, "123456").await,
                    "INVALID_EMAIL",
                    "email",
                );
            }
        }
        assert_eq!(deployment.count("verification_codes").await, 0);
    }

    /// One person has one account, however the address is typed.
    async fn an_address_is_normalized(deployment: Deployment) {
        let app = deployment
            .start_with(&[("MAX_CODE_REQUESTS_PER_HOUR_PER_IP", "1000")])
            .await;
        let long = format!(
            "{}@{}.{}.{}.com",
            "a".repeat(64),
            "b".repeat(63),
            "c".repeat(63),
            "d".repeat(57)
        );
        assert_eq!(long.len(), 254);
        let table = [
            (" Ada@Example.COM ", "ada@example.com", "ADA@EXAMPLE.COM"),
            (
                "ada+tag@example.com",
                "ada+tag@example.com",
                "Ada+Tag@example.com",
            ),
            ("ÄDA@example.com", "äda@example.com", "äda@example.com"),
            (
                "用户@例子.中国",
                "用户@xn--fsqu00a.xn--fiqs8s",
                "用户@xn--fsqu00a.xn--fiqs8s",
            ),
            (
                "ada@BÜCHER.example",
                "ada@xn--bcher-kva.example",
                "ada@bücher.example",
            ),
            (&long, &long, &long.to_uppercase()),
        ];
        for (typed, canonical, other) in table {
            let requested = app.request_signup_code(typed, "Ada").await;
            assert_eq!(requested["challenge"]["email"], canonical, "{requested}");
            let code = app.code(MailKind::SignupCode, canonical).await;
            let signed_up = app.verify_signup_code(other, &code).await;
            assert_eq!(
                signed_up["session"]["user"]["email"], canonical,
                "{signed_up}"
            );
            assert_error(
                &app.request_signup_code(other, "Eve").await,
                "EMAIL_TAKEN",
                "email",
            );

            let requested = app.request_login_code(other).await;
            assert_eq!(requested["challenge"]["email"], canonical, "{requested}");
            let code = app.code(MailKind::LoginCode, canonical).await;
            let logged_in = app.verify_login_code(typed, &code).await;
            assert_eq!(
                logged_in["session"]["user"]["id"],
                signed_up["session"]["user"]["id"]
            );
        }
    }
}
