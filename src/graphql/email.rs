//! Proving the address of an account, and changing it.

use async_graphql::{Context, InputObject, Object};

use super::code::CodeChallenge;
use super::context::ContextExt;
use super::error::ApiError;
use super::payload::payloads;
use super::public;
use super::user::User;

/// The answer to a verification code.
#[derive(InputObject)]
pub(super) struct VerifyEmailInput {
    /// The address the code was sent to.
    email: String,
    /// The code; spaces, hyphens and case do not matter.
    code: String,
}

/// Which address the account is to have.
#[derive(InputObject)]
pub(super) struct RequestEmailChangeInput {
    /// The new address.
    new_email: String,
}

/// The answer to the code at the new address.
#[derive(InputObject)]
pub(super) struct ConfirmEmailChangeInput {
    /// The code; spaces, hyphens and case do not matter.
    code: String,
}

payloads! {
    /// The answer to `requestEmailVerification`.
    RequestEmailVerificationPayload {
        /// The code that is on its way.
        challenge: CodeChallenge
    }
    /// The answer to `verifyEmail`.
    VerifyEmailPayload {
        /// The account, its address proved.
        user: User
    }
    /// The answer to `requestEmailChange`.
    RequestEmailChangePayload {
        /// The code that is on its way to the new address.
        challenge: CodeChallenge
    }
    /// The answer to `confirmEmailChange`.
    ConfirmEmailChangePayload {
        /// The account with its new address.
        user: User
    }
}

/// Mutations of addresses.
#[derive(Default)]
pub(super) struct EmailMutation;

#[Object]
impl EmailMutation {
    /// Mails a code to prove the address of the signed-in account.
    async fn request_email_verification(
        &self,
        ctx: &Context<'_>,
    ) -> Result<RequestEmailVerificationPayload, ApiError> {
        let requested = ctx
            .services()
            .request_email_verification(ctx.operation())
            .await;
        RequestEmailVerificationPayload::of(requested)
    }

    /// Proves the address of an account that was registered with a password.
    #[graphql(directive = public::apply())]
    async fn verify_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The answer to a verification code.")] input: VerifyEmailInput,
    ) -> Result<VerifyEmailPayload, ApiError> {
        let VerifyEmailInput { email, code } = input;
        let verified = ctx
            .services()
            .verify_email(ctx.operation(), &email, &code)
            .await;
        VerifyEmailPayload::of(verified.map(User::own))
    }

    /// Mails a code to the new address; the old address is told.
    async fn request_email_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which address the account is to have.")] input: RequestEmailChangeInput,
    ) -> Result<RequestEmailChangePayload, ApiError> {
        let services = ctx.services();
        let requested = services
            .request_email_change(ctx.operation(), &input.new_email)
            .await;
        RequestEmailChangePayload::of(requested)
    }

    /// Gives the signed-in account its new address; the old address is told.
    async fn confirm_email_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The answer to the code at the new address.")]
        input: ConfirmEmailChangeInput,
    ) -> Result<ConfirmEmailChangePayload, ApiError> {
        let services = ctx.services();
        let confirmed = services
            .confirm_email_change(ctx.operation(), &input.code)
            .await;
        ConfirmEmailChangePayload::of(confirmed.map(User::own))
    }
}
