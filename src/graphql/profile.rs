//! The signed-in user's own profile.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object};

use super::context::ContextExt;
use super::error::ApiError;
use super::payload::payloads;
use super::user::User;
use crate::domain::id::UserId;
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

impl From<UpdateMeInput> for ProfileChanges {
    fn from(input: UpdateMeInput) -> Self {
        let change = |field: MaybeUndefined<String>| match field {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(text) => Some(Some(text)),
        };
        Self {
            name: input.name,
            first_name: change(input.first_name),
            last_name: change(input.last_name),
            phone: change(input.phone),
            company: change(input.company),
        }
    }
}

/// Input of `deleteMe`.
#[derive(InputObject)]
pub(super) struct DeleteMeInput {
    /// The user's own email address, to confirm.
    confirm_email: String,
}

payloads! {
    /// The result of `updateMe`.
    UpdateMePayload {
        /// The updated user.
        user: User
    }
    /// The result of `deleteMe`.
    DeleteMePayload {
        /// The ID of the deleted user.
        deleted_user_id: ID
    }
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
    ) -> Result<UpdateMePayload, ApiError> {
        let (services, operation) = ctx.parts();
        let updated = services.update_me(operation, input.into()).await;
        UpdateMePayload::of(updated.map(User::own))
    }

    /// Deletes the signed-in user. Refused while they are the last admin of a team with other
    /// members.
    async fn delete_me(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The confirmation.")] input: DeleteMeInput,
    ) -> Result<DeleteMePayload, ApiError> {
        let (services, operation) = ctx.parts();
        let deleted = services.delete_me(operation, &input.confirm_email).await;
        DeleteMePayload::of(deleted.map(|id: UserId| ID::from(id.to_string())))
    }
}
