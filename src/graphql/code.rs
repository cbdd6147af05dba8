//! Signing up and signing in with emailed codes.

use async_graphql::{Context, InputObject, Object, Result};

use super::context::ContextExt;
use super::payload::payloads;
use super::public;
use crate::domain::clock::Timestamp;
use crate::domain::session::SignedIn;
use crate::domain::user::ProfileInput;
use crate::service::CodeChallenge;

/// A code that was sent by email.
#[Object]
impl CodeChallenge {
    /// The email address that it was sent to, in lower case.
    async fn email(&self) -> &str {
        self.email.as_str()
    }

    /// The number of characters of the code.
    async fn code_length(&self) -> usize {
        self.code_length
    }

    /// When the code expires.
    async fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

/// Input of `requestSignupCode`.
#[derive(InputObject)]
pub(super) struct RequestSignupCodeInput {
    /// The email address to send the code to.
    email: String,
    /// The display name, 1 to 120 characters.
    name: String,
    /// The given name, at most 120 characters.
    first_name: Option<String>,
    /// The family name, at most 120 characters.
    last_name: Option<String>,
    /// The phone number, at most 40 characters.
    phone: Option<String>,
    /// The company, at most 120 characters.
    company: Option<String>,
    /// The token of an invitation to accept when the code is verified.
    invitation_token: Option<String>,
}

/// Input of `verifySignupCode`.
#[derive(InputObject)]
pub(super) struct VerifySignupCodeInput {
    /// The email address that the code was sent to.
    email: String,
    /// The code. Spaces, hyphens and case are ignored.
    code: String,
    /// Replaces the name given with `requestSignupCode`.
    name: Option<String>,
}

/// Input of `requestLoginCode`.
#[derive(InputObject)]
pub(super) struct RequestLoginCodeInput {
    /// The user's email address.
    email: String,
}

/// Input of `verifyLoginCode`.
#[derive(InputObject)]
pub(super) struct VerifyLoginCodeInput {
    /// The email address that the code was sent to.
    email: String,
    /// The code. Spaces, hyphens and case are ignored.
    code: String,
}

payloads! {
    /// The result of `requestSignupCode`: the code that was sent.
    RequestSignupCodePayload { challenge: CodeChallenge }
    /// The result of `verifySignupCode`: the session of the new user.
    VerifySignupCodePayload { session: SignedIn }
    /// The result of `requestLoginCode`: the code that was sent.
    RequestLoginCodePayload { challenge: CodeChallenge }
    /// The result of `verifyLoginCode`: the new session.
    VerifyLoginCodePayload { session: SignedIn }
}

#[derive(Default)]
pub(super) struct CodeMutation;

#[Object]
impl CodeMutation {
    /// Sends a code to the email address of a new user. It replaces any earlier code.
    #[graphql(directive = public::apply())]
    async fn request_signup_code(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new user.")] input: RequestSignupCodeInput,
    ) -> Result<RequestSignupCodePayload> {
        let profile = ProfileInput {
            name: input.name,
            first_name: input.first_name,
            last_name: input.last_name,
            phone: input.phone,
            company: input.company,
        };
        let invitation = input.invitation_token.as_deref();
        let sent = ctx
            .caller()
            .request_signup_code(&input.email, profile, invitation);
        RequestSignupCodePayload::of(sent.await)
    }

    /// Verifies a sign-up code, creates the user and signs them in.
    #[graphql(directive = public::apply())]
    async fn verify_signup_code(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The code and the email address.")] input: VerifySignupCodeInput,
    ) -> Result<VerifySignupCodePayload> {
        let (email, code, name) = (&input.email, &input.code, input.name.as_deref());
        VerifySignupCodePayload::of(ctx.caller().verify_signup_code(email, code, name).await)
    }

    /// Sends a sign-in code to the email address of a user. It replaces any earlier code.
    #[graphql(directive = public::apply())]
    async fn request_login_code(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The email address to send the code to.")] input: RequestLoginCodeInput,
    ) -> Result<RequestLoginCodePayload> {
        RequestLoginCodePayload::of(ctx.caller().request_login_code(&input.email).await)
    }

    /// Verifies a sign-in code and signs the user in.
    #[graphql(directive = public::apply())]
    async fn verify_login_code(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The code and the email address.")] input: VerifyLoginCodeInput,
    ) -> Result<VerifyLoginCodePayload> {
        VerifyLoginCodePayload::of(
            ctx.caller()
                .verify_login_code(&input.email, &input.code)
                .await,
        )
    }
}
