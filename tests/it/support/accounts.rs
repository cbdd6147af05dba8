//! Operations with passwords, email addresses and sessions.

use gatelodge::testing::domain::mail::MailKind;
use serde_json::{Value, json};

use super::app::TestApp;
use super::client::{CHALLENGE, Client, SESSION, Tokens};
use super::deployment::Deployment;

/// A password that passes the policy.
pub(crate) const PASSWORD: &str = "violet kettle 43";
/// Another valid password.
pub(crate) const OTHER_PASSWORD: &str = "seven stairs 71";

const USER: &str = "user { id email name firstName lastName phone company emailVerified \
    hasPassword isActive updatedAt }";

impl Client {
    /// Registers a user named Ada Lovelace.
    pub(crate) async fn register(&self, email: &str, password: &str) -> Value {
        let input = json!({
            "email": email, "password": password, "firstName": "Ada", "lastName": "Lovelace",
        });
        self.register_with(input).await
    }

    pub(crate) async fn register_with(&self, input: Value) -> Value {
        self.mutate("register", input, &format!("{CHALLENGE} {USER}"))
            .await
    }

    pub(crate) async fn login(&self, email: &str, password: &str) -> Value {
        let input = json!({ "email": email, "password": password });
        self.mutate("login", input, SESSION).await
    }

    pub(crate) async fn request_password_reset(&self, email: &str) -> Value {
        let input = json!({ "email": email });
        self.mutate("requestPasswordReset", input, "message").await
    }

    pub(crate) async fn reset_password(&self, token: &str, password: &str) -> Value {
        let input = json!({ "token": token, "newPassword": password });
        self.mutate("resetPassword", input, "message").await
    }

    pub(crate) async fn change_password(&self, current: Option<&str>, new: &str) -> Value {
        let input = json!({ "currentPassword": current, "newPassword": new });
        self.mutate("changePassword", input, USER).await
    }

    pub(crate) async fn verify_email(&self, email: &str, code: &str) -> Value {
        let input = json!({ "email": email, "code": code });
        self.mutate("verifyEmail", input, USER).await
    }

    pub(crate) async fn request_email_change(&self, new_email: &str) -> Value {
        let input = json!({ "newEmail": new_email });
        self.mutate("requestEmailChange", input, CHALLENGE).await
    }

    pub(crate) async fn confirm_email_change(&self, code: &str) -> Value {
        self.mutate("confirmEmailChange", json!({ "code": code }), USER)
            .await
    }

    pub(crate) async fn update_me(&self, input: Value) -> Value {
        self.mutate("updateMe", input, USER).await
    }

    pub(crate) async fn delete_me(&self, confirm_email: &str) -> Value {
        let input = json!({ "confirmEmail": confirm_email });
        self.mutate("deleteMe", input, "deletedUserId").await
    }

    /// The signed-in user's active sessions.
    pub(crate) async fn sessions(&self) -> Vec<Value> {
        let query =
            "{ sessions { id createdAt lastUsedAt expiresAt userAgent ipAddress isCurrent } }";
        let data = self.run(query, json!({})).await;
        data["sessions"].as_array().unwrap().clone()
    }

    pub(crate) async fn revoke_session(&self, id: &str) -> Value {
        let input = json!({ "sessionId": id });
        self.mutate("revokeSession", input, "endedSessionId").await
    }

    /// Signs in with a password and returns the tokens.
    pub(crate) async fn password_login(&self, email: &str, password: &str) -> Tokens {
        let response = self.login(email, password).await;
        assert_eq!(response["errors"], json!([]), "{response}");
        Tokens::of(&response["session"])
    }
}

impl Deployment {
    /// Registers a user and verifies the email address with the code from the database.
    pub(crate) async fn register(&self, client: &Client, email: &str, password: &str) {
        let registered = client.register(email, password).await;
        assert_eq!(registered["errors"], json!([]), "{registered}");
        let code = self.derived_code("verify_email", email).await;
        let verified = client.verify_email(email, &code).await;
        assert_eq!(verified["errors"], json!([]), "{verified}");
    }
}

impl TestApp {
    /// Registers a user and verifies the email address with the mailed code.
    pub(crate) async fn register_verified(&self, email: &str, password: &str) {
        let registered = self.register(email, password).await;
        assert_eq!(registered["errors"], json!([]), "{registered}");
        let code = self.code(MailKind::VerifyEmail, email).await;
        let verified = self.verify_email(email, &code).await;
        assert_eq!(verified["errors"], json!([]), "{verified}");
    }

    /// Requests a password reset and returns the token in the mail.
    pub(crate) async fn reset_token(&self, email: &str) -> String {
        let requested = self.request_password_reset(email).await;
        assert_eq!(requested["errors"], json!([]), "{requested}");
        let mail = self.mail(MailKind::PasswordReset, email).await;
        let link = mail.link.expect("a reset mail contains a link");
        let (page, token) = link.expose().split_once("?token=").unwrap();
        assert_eq!(page, "http://localhost:8000/reset-password");
        assert!(mail.text.contains(link.expose()), "{}", mail.text);
        token.to_owned()
    }
}
