//! Accounts with a password: made, opened, and given another password.

use gatelodge::testing::domain::mail::MailKind;
use serde_json::{Value, json};

use crate::support::accounts::{OTHER_PASSWORD, PASSWORD};
use crate::support::client::{SESSION, Tokens, assert_error, error_codes_and_fields};
use crate::support::deployment::Deployment;
use crate::support::on_both_deployments;
use crate::support::rejected_tokens::{
    assert_access_token_rejected, assert_refresh_token_rejected,
};

const ADA: &str = "ada@example.com";

on_both_deployments! {
    /// `register` makes an account and mails a code; the account is open before and after the
    /// address is proved, and proving it does not touch the password.
    async fn a_user_registers_and_verifies(deployment: Deployment) {
        let app = deployment.start().await;
        let registered = app.register("Ada@Example.com", PASSWORD).await;
        assert_eq!(registered["errors"], json!([]));
        let challenge = &registered["challenge"];
        assert_eq!((&challenge["email"], &challenge["codeLength"]), (&json!(ADA), &json!(6)));
        let user = &registered["user"];
        for (field, value) in [
            ("email", json!(ADA)), ("name", json!("Ada Lovelace")), ("firstName", json!("Ada")),
            ("lastName", json!("Lovelace")), ("emailVerified", json!(false)),
            ("hasPassword", json!(true)), ("isActive", json!(true)),
        ] {
            assert_eq!(user[field], value, "{field}");
        }

        let before = app.password_login("ADA@example.com", PASSWORD).await;
        assert_eq!(user["id"], before.user_id.as_str());
        let code = app.code(MailKind::VerifyEmail, ADA).await;
        let proved = app.verify_email(ADA, &code).await;
        assert_eq!(proved["user"]["emailVerified"], true, "{proved}");
        assert_error(&app.verify_email(ADA, &code).await, "INVALID_CODE", "code");
        assert_eq!(app.with_token(&before.access).me().await["email"], ADA);
        let after = app.login(ADA, PASSWORD).await;
        assert_eq!(after["session"]["user"]["emailVerified"], true);
        assert_ne!(after["session"]["user"]["lastLoginAt"], Value::Null);
    }

    /// Every bad field is told by its name in the input, and nothing is made.
    async fn registration_errors_name_their_fields(deployment: Deployment) {
        let app = deployment.start().await;
        let good = json!({
            "email": ADA, "password": PASSWORD, "firstName": "Ada", "lastName": "Lovelace",
        });
        let long = "x".repeat(121);
        let too_long = format!("{PASSWORD}{}", "x".repeat(241));
        for (changes, blame) in [
            (json!({ "email": "nonsense" }), vec![("INVALID_EMAIL", "email")]),
            (json!({ "firstName": " ", "lastName": "" }), vec![("INVALID_NAME", "firstName")]),
            (json!({ "firstName": &long }), vec![("INVALID_INPUT", "firstName")]),
            (json!({ "lastName": "a\u{0}b" }), vec![("INVALID_INPUT", "lastName")]),
            (
                json!({ "email": "@", "firstName": &long, "lastName": &long }),
                vec![
                    ("INVALID_EMAIL", "email"),
                    ("INVALID_INPUT", "firstName"),
                    ("INVALID_INPUT", "lastName"),
                ],
            ),
            (json!({ "password": "" }), vec![("WEAK_PASSWORD", "password")]),
            (json!({ "password": "zX9-qui" }), vec![("WEAK_PASSWORD", "password")]),
            (json!({ "password": too_long }), vec![("WEAK_PASSWORD", "password")]),
            (json!({ "password": "Password123" }), vec![("WEAK_PASSWORD", "password")]),
            (json!({ "password": "ADA@example.com" }), vec![("WEAK_PASSWORD", "password")]),
            (json!({ "password": "ada lovelace" }), vec![("WEAK_PASSWORD", "password")]),
        ] {
            let mut input = good.clone();
            input.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            let answer = app.register_with(input).await;
            let expected: Vec<_> = blame
                .into_iter()
                .map(|(code, field)| (code.to_owned(), field.to_owned()))
                .collect();
            assert_eq!(error_codes_and_fields(&answer), expected, "{changes}: {answer}");
            assert_eq!((&answer["user"], &answer["challenge"]), (&Value::Null, &Value::Null));
        }
        assert_eq!(deployment.count("users").await, 0);
        assert_eq!(deployment.count("outbox_mails").await, 0);

        app.register_verified(ADA, PASSWORD).await;
        let again = app.register("ADA@EXAMPLE.COM", PASSWORD).await;
        assert_eq!(error_codes_and_fields(&again), [("EMAIL_TAKEN".to_owned(), "email".to_owned())]);
        assert_eq!(deployment.count("users").await, 1);
    }

    /// A given and a family name that are each allowed are allowed together.
    async fn two_long_names_make_one_display_name(deployment: Deployment) {
        let app = deployment.start().await.allow_unread_mail();
        let (first, last) = ("É".repeat(120), "z".repeat(120));
        let answer = app.register_with(json!({
            "email": ADA, "password": PASSWORD, "firstName": &first, "lastName": &last,
        })).await;
        assert_eq!(answer["errors"], json!([]), "{answer}");
        let user = &answer["user"];
        assert_eq!((&user["firstName"], &user["lastName"]), (&json!(first), &json!(last)));
        assert_eq!(user["name"], first.as_str());
    }

    /// The same text is the same password from every keyboard, whole: nothing is cut off after 72
    /// bytes, and no NUL ends it.
    async fn passwords_are_normalized_and_not_truncated(deployment: Deployment) {
        let app = deployment.start().await;
        app.register_verified(ADA, "Übermäßig-é-43").await;
        app.password_login(ADA, "U\u{308}berma\u{308}ßig-e\u{301}-43").await;
        assert_error(&app.login(ADA, "Ubermaßig-e-43").await, "INVALID_CREDENTIALS", "");

        let long = "zX9-quilt ".repeat(20);
        app.register_verified("long@example.com", &format!("{long}1")).await;
        assert_error(&app.login("long@example.com", &format!("{long}2")).await, "INVALID_CREDENTIALS", "");
        assert_error(&app.login("long@example.com", &long).await, "INVALID_CREDENTIALS", "");
        app.password_login("long@example.com", &format!("{long}1")).await;

        app.register_verified("nul@example.com", "before \u{0} after").await;
        assert_error(&app.login("nul@example.com", "before \u{0} other").await, "INVALID_CREDENTIALS", "");
        app.password_login("nul@example.com", "before \u{0} after").await;
    }

    /// Nobody learns from `login` whether an address has an account or a password.
    async fn every_failed_login_gets_the_same_response(deployment: Deployment) {
        for hints in ["true", "false"] {
            let app = deployment.start_with(&[("ACCOUNT_EXISTENCE_HINTS", hints)]).await;
            let own = |name: &str| format!("{name}-{hints}@example.com");
            app.register_verified(&own("ada"), PASSWORD).await;
            app.sign_up(&own("codes")).await;
            let query = format!(
                "mutation($input: LoginInput!) {{ login(input: $input) {{ {SESSION} \
                 errors {{ __typename code message field }} }} }}"
            );
            let mut answers = Vec::new();
            for (email, password) in [
                (own("ada"), OTHER_PASSWORD), (own("ada"), ""), (own("codes"), PASSWORD),
                (own("codes"), ""), (own("nobody"), PASSWORD), (own("nobody"), ""),
            ] {
                let input = json!({ "input": { "email": email, "password": password } });
                let answer = app.post(&query, input).await;
                answers.push((answer.status, answer.text));
            }
            assert!(answers[0].1.contains("INVALID_CREDENTIALS"), "{answers:?}");
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
            assert_error(&app.login("nonsense", PASSWORD).await, "INVALID_EMAIL", "email");
        }
    }

    /// Hashes of another system's bcrypt can be imported: they open the account, and give way to
    /// one of ours, which opens it too. What is too long for plain bcrypt is just wrong.
    async fn an_imported_hash_works_and_is_upgraded(deployment: Deployment) {
        let app = deployment.start().await;
        for (prefix, email) in [("2a", "a@example.com"), ("2b", "b@example.com"), ("2y", "y@example.com")] {
            app.sign_up(email).await;
            let hash = bcrypt::hash("imported 43", 4).unwrap().replacen("2b", prefix, 1);
            let set = format!("UPDATE users SET password_hash = '{hash}' WHERE email = '{email}'");
            assert_eq!(deployment.execute(&set).await, 1);
            let stored = format!("SELECT password_hash FROM users WHERE email = '{email}'");

            for wrong in ["imported 44", "", "a\u{0}b", &"x".repeat(5000)] {
                assert_error(&app.login(email, wrong).await, "INVALID_CREDENTIALS", "");
            }
            assert_eq!(deployment.value::<String>(&stored).await, hash);
            app.password_login(email, "imported 43").await;
            let renewed: String = deployment.value(&stored).await;
            assert!(renewed.starts_with("sha256$$2b$04$"), "{renewed}");
            app.password_login(email, "imported 43").await;
            assert_error(&app.login(email, "imported 44").await, "INVALID_CREDENTIALS", "");
            assert_eq!(deployment.value::<String>(&stored).await, renewed);
        }
    }

    /// Whoever registers an address that is not theirs loses password and sessions when its owner
    /// proves it by a login code, and the owner is told.
    async fn verifying_by_login_code_resets_the_account(deployment: Deployment) {
        let app = deployment.start().await;
        app.register(ADA, PASSWORD).await;
        let open_code = app.code(MailKind::VerifyEmail, ADA).await;
        let stranger = app.password_login(ADA, PASSWORD).await;
        let second = app.password_login(ADA, PASSWORD).await;
        assert_eq!(app.with_token(&stranger.access).me().await["email"], ADA);

        let owner = app.log_in(ADA).await;
        assert_eq!(owner.user_id, stranger.user_id);
        for tokens in [&stranger, &second] {
            assert_access_token_rejected(&app, &tokens.access, "REVOKED").await;
            assert_refresh_token_rejected(&app, &tokens.refresh).await;
        }
        assert_error(&app.login(ADA, PASSWORD).await, "INVALID_CREDENTIALS", "");
        assert_error(&app.verify_email(ADA, &open_code).await, "INVALID_CODE", "code");
        let mail = app.mail(MailKind::PasswordChanged, ADA).await;
        assert!(mail.subject.contains("was removed"), "{}", mail.subject);

        // The address is proved now: what the owner sets is theirs.
        let owner = app.with_token(&owner.access);
        let changed = owner.change_password(None, OTHER_PASSWORD).await;
        assert_eq!(changed["user"]["hasPassword"], true, "{changed}");
        app.mail(MailKind::PasswordChanged, ADA).await;
        app.log_in(ADA).await;
        app.password_login(ADA, OTHER_PASSWORD).await;
        assert_eq!(owner.me().await["email"], ADA);
    }

    /// Changing the password asks for the old one, ends every other session, keeps one's own, and
    /// is told by mail.
    async fn a_changed_password_revokes_other_sessions(deployment: Deployment) {
        let app = deployment.start().await;
        app.register_verified(ADA, PASSWORD).await;
        let (own, other) = (app.password_login(ADA, PASSWORD).await, app.log_in(ADA).await);
        let client = app.with_token(&own.access);
        for wrong in [None, Some(""), Some(OTHER_PASSWORD)] {
            let answer = client.change_password(wrong, "another good one 9").await;
            assert_error(&answer, "INVALID_CREDENTIALS", "currentPassword");
        }
        let weak = client.change_password(Some(PASSWORD), "ada@example.com").await;
        assert_error(&weak, "WEAK_PASSWORD", "newPassword");
        assert_eq!(app.with_token(&other.access).me().await["email"], ADA);

        let changed = client.change_password(Some(PASSWORD), OTHER_PASSWORD).await;
        assert_eq!(changed["errors"], json!([]), "{changed}");
        assert_eq!(client.sessions().await.len(), 1);
        assert_access_token_rejected(&app, &other.access, "REVOKED").await;
        assert_refresh_token_rejected(&app, &other.refresh).await;
        assert_eq!(app.refresh(&own.refresh).await["errors"], json!([]));
        assert_error(&app.login(ADA, PASSWORD).await, "INVALID_CREDENTIALS", "");
        app.password_login(ADA, OTHER_PASSWORD).await;
        let mail = app.mail(MailKind::PasswordChanged, ADA).await;
        assert!(mail.subject.contains("was changed"), "{}", mail.subject);
        let unsigned = app.post(
            "mutation { changePassword(input: { newPassword: \"x\" }) { errors { code } } }",
            json!({}),
        ).await;
        assert_eq!(unsigned.code(), "UNAUTHENTICATED");
    }

    /// With hints off an account opens by its password only once its address is proved: nobody
    /// can tell a registration that made an account from one that did not.
    async fn without_hints_an_unverified_user_cannot_log_in(deployment: Deployment) {
        let app = deployment.start_with(&[("ACCOUNT_EXISTENCE_HINTS", "false")]).await;
        let registered = app.register(ADA, PASSWORD).await;
        assert_eq!((&registered["user"], &registered["errors"]), (&Value::Null, &json!([])));
        assert_error(&app.login(ADA, PASSWORD).await, "INVALID_CREDENTIALS", "");
        let code = app.code(MailKind::VerifyEmail, ADA).await;
        assert_eq!(app.verify_email(ADA, &code).await["user"]["hasPassword"], true);
        app.password_login(ADA, PASSWORD).await;
    }
}

/// Two accounts never have one password hash in common, and no table holds a password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_passwords_have_different_hashes() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    app.register_verified(ADA, PASSWORD).await;
    app.register_verified("grace@example.com", PASSWORD).await;
    let kinds = "SELECT count(DISTINCT password_hash) FROM users";
    assert_eq!(deployment.value::<i64>(kinds).await, 2);
    let plain = format!("users WHERE password_hash LIKE '%{PASSWORD}%'");
    assert_eq!(deployment.count(&plain).await, 0);
    let session = app.login(ADA, PASSWORD).await;
    assert_eq!(Tokens::of(&session["session"]).user_id.len(), 36);
}
