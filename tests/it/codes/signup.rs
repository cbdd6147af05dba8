//! Signing up by emailed code: what is kept of the profile, and every way to be refused.

use gatelodge::testing::domain::mail::MailKind;
use serde_json::{Value, json};

use crate::support::client::{CHALLENGE, Client, SESSION, assert_error, error_codes_and_fields};
use crate::support::deployment::Deployment;
use crate::support::flow::Flow;
use crate::support::on_both_deployments;

const ADA: &str = "ada@example.com";

async fn request(client: &Client, input: Value) -> Value {
    client.mutate("requestSignupCode", input, CHALLENGE).await
}

async fn verify(client: &Client, input: Value) -> Value {
    client.mutate("verifySignupCode", input, SESSION).await
}

on_both_deployments! {
    /// What is told with the request is what the account has after the verification.
    async fn the_profile_is_kept_until_verification(deployment: Deployment) {
        let app = deployment.start().await;
        let input = json!({
            "email": ADA, "name": "  Ada \r\n Lovelace ",
            "firstName": "Ada", "lastName": "von  L'Ovelace 🎩", "phone": " +44 20 7946 0000",
            "company": "Analytical <Engines> & {{ Sons }}",
        });
        assert_eq!(request(&app, input).await["errors"], json!([]));
        let code = app.code(MailKind::SignupCode, ADA).await;
        let session = app.verify_signup_code(ADA, &code).await["session"].clone();
        let user = &session["user"];
        assert_eq!(user["name"], "Ada Lovelace");
        assert_eq!(user["firstName"], "Ada");
        assert_eq!(user["lastName"], "von L'Ovelace 🎩");
        assert_eq!(user["phone"], "+44 20 7946 0000");
        assert_eq!(user["company"], "Analytical <Engines> & {{ Sons }}");
        assert_eq!(user["isActive"], true);
        assert_eq!(user["isSuperuser"], false);
        assert_eq!(user["hasPassword"], false);
        assert_eq!(user["emailVerified"], true);
        assert_eq!(user["createdAt"], user["lastLoginAt"]);
        assert_eq!(user["createdAt"], user["updatedAt"]);

        let client = app.with_token(session["accessToken"].as_str().unwrap());
        let me = client
            .run(
                "{ me { id name firstName lastName phone company } }",
                json!({}),
            )
            .await;
        for (field, value) in me["me"].as_object().unwrap() {
            assert_eq!(&user[field], value, "{field}");
        }
    }

    /// Left out, null and blank mean the same.
    async fn optional_fields_may_be_null_or_blank(deployment: Deployment) {
        let app = deployment.start().await;
        let input = json!({
            "email": ADA, "name": "Ada", "firstName": null, "lastName": "",
            "phone": " \t", "company": null, "invitationToken": null,
        });
        assert_eq!(request(&app, input).await["errors"], json!([]));
        let code = app.code(MailKind::SignupCode, ADA).await;
        let verified = verify(&app, json!({ "email": ADA, "code": code, "name": null })).await;
        let user = &verified["session"]["user"];
        assert_eq!(user["name"], "Ada");
        for field in ["firstName", "lastName", "phone", "company"] {
            assert_eq!(user[field], Value::Null, "{field}");
        }
    }

    /// A required field that is null never reaches a use case.
    async fn a_required_field_cannot_be_null(deployment: Deployment) {
        let app = deployment.start().await;
        let query = "mutation($input: RequestSignupCodeInput!) \
            { requestSignupCode(input: $input) { errors { code } } }";
        let inputs = [
            json!({ "email": null, "name": "Ada" }),
            json!({ "email": ADA, "name": null }),
            json!({ "email": ADA }),
            json!({ "email": 1, "name": "Ada" }),
            json!(null),
            json!([]),
            json!({ "email": ADA, "name": "Ada", "isSuperuser": true }),
        ];
        for input in inputs {
            let answer = app.post(query, json!({ "input": input })).await;
            assert_eq!(answer.code(), "BAD_USER_INPUT", "{input} {answer:?}");
        }
        assert_eq!(deployment.count("verification_codes").await, 0);
    }

    /// The name given with the code takes the place of the one given with the request.
    async fn the_name_can_be_overridden_when_verifying(deployment: Deployment) {
        let app = deployment.start().await;
        let code = Flow::Signup.code(&app, ADA).await;
        let input = json!({ "email": ADA, "code": code, "name": " Countess  of Lovelace" });
        let verified = verify(&app, input).await;
        assert_eq!(verified["session"]["user"]["name"], "Countess of Lovelace");
    }

    /// A person who mistypes the name can use the same code again.
    async fn an_invalid_name_does_not_use_up_the_code(deployment: Deployment) {
        let app = deployment.start().await;
        let code = Flow::Signup.code(&app, ADA).await;
        for name in ["", " \n", "a\u{7}b", &"x".repeat(121)] {
            let answer = verify(&app, json!({ "email": ADA, "code": code, "name": name })).await;
            assert_error(&answer, "INVALID_NAME", "name");
        }
        let attempts: i32 = deployment
            .value("SELECT attempts FROM verification_codes")
            .await;
        assert_eq!(attempts, 0);
        let input = json!({ "email": ADA, "code": code, "name": "é".repeat(120) });
        assert_eq!(verify(&app, input).await["errors"], json!([]));
    }

    /// Everything that is wrong is told at once, each under its field.
    async fn all_input_errors_are_reported_at_once(deployment: Deployment) {
        let app = deployment.start().await;
        let long = "x".repeat(121);
        let answer = request(
            &app,
            json!({
                "email": "ada", "name": " ", "firstName": long, "lastName": long,
                "phone": "5".repeat(41), "company": "a\u{0}b",
            }),
        )
        .await;
        assert_eq!(answer["challenge"], Value::Null);
        let told = [
            ("INVALID_EMAIL", "email"),
            ("INVALID_NAME", "name"),
            ("INVALID_INPUT", "firstName"),
            ("INVALID_INPUT", "lastName"),
            ("INVALID_INPUT", "phone"),
            ("INVALID_INPUT", "company"),
        ];
        assert_eq!(
            error_codes_and_fields(&answer),
            told.map(|(code, field)| (code.to_owned(), field.to_owned()))
        );
        for error in answer["errors"].as_array().unwrap() {
            assert!(!error["message"].as_str().unwrap().is_empty());
        }
        // The longest that is allowed, in characters rather than bytes.
        let longest = "é".repeat(120);
        let answer = request(
            &app,
            json!({
                "email": ADA, "name": longest, "firstName": longest, "lastName": longest,
                "phone": "5".repeat(40), "company": longest,
            }),
        )
        .await;
        assert_eq!(answer["errors"], json!([]));
        app.mail(MailKind::SignupCode, ADA).await;
    }

    /// There are no invitations yet, so a token for one is never right.
    async fn an_unknown_invitation_is_rejected(deployment: Deployment) {
        let app = deployment.start().await;
        let input = json!({ "email": ADA, "name": "Ada", "invitationToken": "AAAA" });
        assert_error(
            &request(&app, input).await,
            "INVALID_TOKEN",
            "invitationToken",
        );
        assert_eq!(deployment.count("verification_codes").await, 0);
    }

    /// An address with an account is told so, and gets no mail (an unread one fails the test).
    async fn an_address_with_an_account_cannot_sign_up_again(deployment: Deployment) {
        let app = deployment.start().await;
        app.sign_up(ADA).await;
        assert_error(
            &app.request_signup_code(" ADA@example.com", "Eve").await,
            "EMAIL_TAKEN",
            "email",
        );
        assert_eq!(deployment.count("outbox_mails").await, 1);
        assert_eq!(deployment.count("users").await, 1);
    }

    /// Where the address got an account between request and verification, nothing is overwritten.
    async fn an_address_taken_meanwhile_is_reported_on_verification(deployment: Deployment) {
        let app = deployment.start().await;
        let ada = app.sign_up("grace@example.com").await;
        let code = Flow::Signup.code(&app, ADA).await;
        let changed = deployment
            .execute("UPDATE users SET email = 'ada@example.com'")
            .await;
        assert_eq!(changed, 1);
        assert_error(
            &app.verify_signup_code(ADA, &code).await,
            "EMAIL_TAKEN",
            "email",
        );
        assert_eq!(deployment.count("users").await, 1);
        assert_eq!(deployment.count("sessions").await, 1);
        let me = app.with_token(&ada.access).me().await;
        assert_eq!(me["name"], "Ada Lovelace");
    }
}
