//! The signed-in user's own profile.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result};

use super::context::ContextExt;
use super::payload::payloads;
use super::user::User;
use crate::domain::user::ProfileChanges;

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

payloads! {
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
        let deleted = ctx.caller().delete_me(&input.confirm_email).await;
        DeleteMePayload::of(deleted)
    }
}
