//! The signed-in user's own profile and email address.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result};

use super::context::ContextExt;
use super::payload::payloads;
use super::public;
use super::user::User;
use crate::domain::user::ProfileChanges;
use crate::service::CodeChallenge;

/// Input of `updateMe`. A field that is omitted stays as it is; null clears it.
#[derive(InputObject)]
pub(super) struct UpdateMeInput {
    /// The display name, 1 to 120 characters. Null leaves it as it is.
    name: Option<String>,
    /// The given name, at most 120 characters.
    first_name: MaybeUndefined<String>,
    /// The family name, at most 120 characters.
    last_name: MaybeUndefined<String>,
    /// The phone number, at most 40 characters.
    phone: MaybeUndefined<String>,
    /// The company, at most 120 characters.
    company: MaybeUndefined<String>,
}

/// Input of `deleteMe`.
#[derive(InputObject)]
pub(super) struct DeleteMeInput {
    /// The user's own email address, to confirm.
    confirm_email: String,
}

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
    /// The result of `updateMe`: the updated user.
    UpdateMePayload { user: User }
    /// The result of `deleteMe`: the ID of the deleted user.
    DeleteMePayload { deleted_user_id: ID }
}

#[derive(Default)]
pub(super) struct ProfileMutation;

#[Object]
impl ProfileMutation {
    /// Changes the profile of the signed-in user.
    async fn update_me(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The fields to change.")] input: UpdateMeInput,
    ) -> Result<UpdateMePayload> {
        let changes = ProfileChanges {
            name: input.name,
            first_name: input.first_name.into(),
            last_name: input.last_name.into(),
            phone: input.phone.into(),
            company: input.company.into(),
        };
        let updated = ctx.caller().update_me(changes).await;
        UpdateMePayload::of(updated.map(User::own))
    }

    /// Deletes the signed-in user. Refused while they are the last admin of a team with other
    /// members.
    async fn delete_me(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The confirmation.")] input: DeleteMeInput,
    ) -> Result<DeleteMePayload> {
        DeleteMePayload::of(ctx.caller().delete_me(&input.confirm_email).await)
    }

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
        #[graphql(desc = "The code and the email address.")] input: VerifyEmailInput,
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
        #[graphql(desc = "The code.")] input: ConfirmEmailChangeInput,
    ) -> Result<ConfirmEmailChangePayload> {
        let confirmed = ctx.caller().confirm_email_change(&input.code).await;
        ConfirmEmailChangePayload::of(confirmed.map(User::own))
    }
}
