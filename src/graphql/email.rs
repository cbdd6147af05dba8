//! Verifying and changing a user's email address.

use async_graphql::{Context, InputObject, Object, Result};

use super::context::ContextExt;
use super::payload::payloads;
use super::public;
use super::user::User;
use crate::service::CodeChallenge;

/// Input of `verifyEmail`.
#[derive(InputObject)]
pub(super) struct VerifyEmailInput {
    /// The email address that the code was sent to.
    email: String,
    /// The code. Spaces, hyphens and case are ignored.
    code: String,
}

/// Input of `requestEmailChange`.
#[derive(InputObject)]
pub(super) struct RequestEmailChangeInput {
    /// The new email address.
    new_email: String,
}

/// Input of `confirmEmailChange`.
#[derive(InputObject)]
pub(super) struct ConfirmEmailChangeInput {
    /// The code. Spaces, hyphens and case are ignored.
    code: String,
}

payloads! {
    /// The result of `requestEmailVerification`: the code that was sent.
    RequestEmailVerificationPayload { challenge: CodeChallenge }
    /// The result of `verifyEmail`: the user, with a verified email address.
    VerifyEmailPayload { user: User }
    /// The result of `requestEmailChange`: the code that was sent to the new email address.
    RequestEmailChangePayload { challenge: CodeChallenge }
    /// The result of `confirmEmailChange`: the user, with the new email address.
    ConfirmEmailChangePayload { user: User }
}

#[derive(Default)]
pub(super) struct EmailMutation;

#[Object]
impl EmailMutation {
    /// Sends a code to verify the email address of the signed-in user.
    async fn request_email_verification(
        &self,
        ctx: &Context<'_>,
    ) -> Result<RequestEmailVerificationPayload> {
        RequestEmailVerificationPayload::of(ctx.caller().request_email_verification().await)
    }

    /// Verifies the email address of a user who registered with a password.
    #[graphql(directive = public::apply())]
    async fn verify_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The code and the email address that it was sent to.")]
        input: VerifyEmailInput,
    ) -> Result<VerifyEmailPayload> {
        let verified = ctx.caller().verify_email(&input.email, &input.code).await;
        VerifyEmailPayload::of(verified.map(User::own))
    }

    /// Sends a code to the new email address, and a notice to the current one.
    async fn request_email_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new email address.")] input: RequestEmailChangeInput,
    ) -> Result<RequestEmailChangePayload> {
        RequestEmailChangePayload::of(ctx.caller().request_email_change(&input.new_email).await)
    }

    /// Changes the email address of the signed-in user, and sends a notice to the previous one.
    async fn confirm_email_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The code that was sent to the new email address.")]
        input: ConfirmEmailChangeInput,
    ) -> Result<ConfirmEmailChangePayload> {
        let confirmed = ctx.caller().confirm_email_change(&input.code).await;
        ConfirmEmailChangePayload::of(confirmed.map(User::own))
    }
}
