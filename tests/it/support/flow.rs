//! Sign-up and login by emailed code, for tests of what they have in common.

use gatelodge::testing::domain::mail::MailKind;
use serde_json::{Value, json};

use super::app::TestApp;
use super::client::Client;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Signup,
    Login,
}

impl Flow {
    pub(crate) const BOTH: [Self; 2] = [Self::Signup, Self::Login];

    /// The purpose of the codes in the database.
    pub(crate) fn purpose(self) -> &'static str {
        match self {
            Self::Signup => "signup",
            Self::Login => "login",
        }
    }

    /// The mail that contains the code.
    pub(crate) fn code_mail(self) -> MailKind {
        match self {
            Self::Signup => MailKind::SignupCode,
            Self::Login => MailKind::LoginCode,
        }
    }

    /// The mail sent instead of a code when existence hints are off.
    pub(crate) fn rejection_mail(self) -> MailKind {
        match self {
            Self::Signup => MailKind::AccountExists,
            Self::Login => MailKind::NoAccount,
        }
    }

    /// An email address that gets a code: registered for login, unregistered for sign-up.
    pub(crate) async fn email(self, app: &TestApp) -> &'static str {
        match self {
            Self::Signup => "grace@example.com",
            Self::Login => {
                app.sign_up("ada@example.com").await;
                "ada@example.com"
            }
        }
    }

    /// Requests a code and returns the payload.
    pub(crate) async fn request(self, client: &Client, email: &str) -> Value {
        match self {
            Self::Signup => client.request_signup_code(email, "Ada").await,
            Self::Login => client.request_login_code(email).await,
        }
    }

    /// Requests a code and returns it from the mail.
    pub(crate) async fn code(self, app: &TestApp, email: &str) -> String {
        let requested = self.request(app, email).await;
        assert_eq!(requested["errors"], json!([]), "{requested}");
        app.code(self.code_mail(), email).await
    }

    /// Submits a code and returns the payload.
    pub(crate) async fn verify(self, client: &Client, email: &str, code: &str) -> Value {
        match self {
            Self::Signup => client.verify_signup_code(email, code).await,
            Self::Login => client.verify_login_code(email, code).await,
        }
    }
}

/// A wrong numeric code of the same length, different for each `n` below 999,999.
pub(crate) fn wrong_code(code: &str, n: u64) -> String {
    let modulus = 10_u64.pow(u32::try_from(code.len()).unwrap());
    let wrong = (code.parse::<u64>().unwrap() + 1 + n) % modulus;
    format!("{wrong:0width$}", width = code.len())
}
