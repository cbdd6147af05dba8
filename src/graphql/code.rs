//! Signing up and logging in by emailed code.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::context::ContextExt;
use super::error::ApiError;
use super::payload::payloads;
use super::public;
use super::session::AuthSession;
use crate::domain::user::ProfileInput;
use crate::service;

/// A code is on its way.
#[derive(SimpleObject)]
pub(super) struct CodeChallenge {
    /// Where it goes, in lower case.
    email: String,
    /// How many characters it has.
    code_length: u32,
    /// From when it is worth nothing.
    expires_at: DateTime<Utc>,
}

impl From<service::CodeChallenge> for CodeChallenge {
    fn from(challenge: service::CodeChallenge) -> Self {
        Self {
            email: challenge.email.as_str().to_owned(),
            code_length: u32::try_from(challenge.code_length).unwrap_or(u32::MAX),
            expires_at: challenge.expires_at,
        }
    }
}

/// Who wants an account.
#[derive(InputObject)]
pub(super) struct RequestSignupCodeInput {
    /// Where the code goes.
    email: String,
    /// The display name, 1 to 120 characters.
    name: String,
    /// The given name, at most 120 characters.
    first_name: Option<String>,
    /// The family name, at most 120 characters.
    last_name: Option<String>,
    /// A telephone number, at most 40 characters.
    phone: Option<String>,
    /// The company, at most 120 characters.
    company: Option<String>,
    /// Joins this team on verification.
    invitation_token: Option<String>,
}

/// The answer to a sign-up code.
#[derive(InputObject)]
pub(super) struct VerifySignupCodeInput {
    /// The address the code was sent to.
    email: String,
    /// The code; spaces, hyphens and case do not matter.
    code: String,
    /// Overrides the name given with the request.
    name: Option<String>,
}

/// Who wants to log in.
#[derive(InputObject)]
pub(super) struct RequestLoginCodeInput {
    /// The account's address.
    email: String,
}

/// The answer to a login code.
#[derive(InputObject)]
pub(super) struct VerifyLoginCodeInput {
    /// The address the code was sent to.
    email: String,
    /// The code; spaces, hyphens and case do not matter.
    code: String,
}

payloads! {
    /// The answer to `requestSignupCode`.
    RequestSignupCodePayload {
        /// The code that is on its way.
        challenge: CodeChallenge
    }
    /// The answer to `verifySignupCode`.
    VerifySignupCodePayload {
        /// The session of the new account.
        session: AuthSession
    }
    /// The answer to `requestLoginCode`.
    RequestLoginCodePayload {
        /// The code that is on its way.
        challenge: CodeChallenge
    }
    /// The answer to `verifyLoginCode`.
    VerifyLoginCodePayload {
        /// The new session.
        session: AuthSession
    }
}

/// Mutations of the code flows.
#[derive(Default)]
pub(super) struct CodeMutation;

#[Object]
impl CodeMutation {
    /// Mails a code to an address that wants an account. A new code takes the place of an older
    /// one.
    #[graphql(directive = public::apply())]
    async fn request_signup_code(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who wants an account.")] input: RequestSignupCodeInput,
    ) -> Result<RequestSignupCodePayload, ApiError> {
        let profile = ProfileInput {
            name: input.name,
            first_name: input.first_name,
            last_name: input.last_name,
            phone: input.phone,
            company: input.company,
        };
        let invitation = input.invitation_token.as_deref();
        let challenge = ctx
            .services()
            .request_signup_code(ctx.operation(), &input.email, profile, invitation)
            .await;
        RequestSignupCodePayload::of(challenge)
    }

    /// Makes the account that a code was asked for, and signs it in.
    #[graphql(directive = public::apply())]
    async fn verify_signup_code(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The code, and whom it was sent to.")] input: VerifySignupCodeInput,
    ) -> Result<VerifySignupCodePayload, ApiError> {
        let VerifySignupCodeInput { email, code, name } = input;
        let signed_in = ctx
            .services()
            .verify_signup_code(ctx.operation(), &email, &code, name.as_deref())
            .await;
        VerifySignupCodePayload::of(signed_in)
    }

    /// Mails a code to an account that wants to log in. A new code takes the place of an older
    /// one.
    #[graphql(directive = public::apply())]
    async fn request_login_code(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who wants to log in.")] input: RequestLoginCodeInput,
    ) -> Result<RequestLoginCodePayload, ApiError> {
        let challenge = ctx
            .services()
            .request_login_code(ctx.operation(), &input.email)
            .await;
        RequestLoginCodePayload::of(challenge)
    }

    /// Signs an account in with the code that was mailed to it.
    #[graphql(directive = public::apply())]
    async fn verify_login_code(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The code, and whom it was sent to.")] input: VerifyLoginCodeInput,
    ) -> Result<VerifyLoginCodePayload, ApiError> {
        let VerifyLoginCodeInput { email, code } = input;
        let signed_in = ctx
            .services()
            .verify_login_code(ctx.operation(), &email, &code)
            .await;
        VerifyLoginCodePayload::of(signed_in)
    }
}
