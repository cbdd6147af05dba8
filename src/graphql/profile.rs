//! What signed-in people do about their own account.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object};

use super::context::ContextExt;
use super::error::ApiError;
use super::payload::payloads;
use super::user::User;
use crate::domain::id::UserId;
use crate::domain::user::ProfileChanges;

/// Changes to what the account says about itself. A field that is left out stays as it is; null
/// empties it.
#[derive(InputObject)]
pub(super) struct UpdateMeInput {
    /// The display name, 1 to 120 characters; null leaves it as it is.
    name: Option<String>,
    /// The given name, at most 120 characters.
    first_name: MaybeUndefined<String>,
    /// The family name, at most 120 characters.
    last_name: MaybeUndefined<String>,
    /// A telephone number, at most 40 characters.
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

/// That the account is really to be erased.
#[derive(InputObject)]
pub(super) struct DeleteMeInput {
    /// The account's address, typed again.
    confirm_email: String,
}

payloads! {
    /// The answer to `updateMe`.
    UpdateMePayload {
        /// The account as it is now.
        user: User
    }
    /// The answer to `deleteMe`.
    DeleteMePayload {
        /// The account that is no more.
        deleted_user_id: ID
    }
}

/// Mutations of the own account.
#[derive(Default)]
pub(super) struct ProfileMutation;

#[Object]
impl ProfileMutation {
    /// Changes what the signed-in account says about itself.
    async fn update_me(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Changes to what the account says about itself.")] input: UpdateMeInput,
    ) -> Result<UpdateMePayload, ApiError> {
        let updated = ctx
            .services()
            .update_me(ctx.operation(), input.into())
            .await;
        UpdateMePayload::of(updated.map(User::own))
    }

    /// Erases the account; refused while it is the last admin of a team with other members.
    async fn delete_me(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "That the account is really to be erased.")] input: DeleteMeInput,
    ) -> Result<DeleteMePayload, ApiError> {
        let services = ctx.services();
        let deleted = services
            .delete_me(ctx.operation(), &input.confirm_email)
            .await;
        DeleteMePayload::of(deleted.map(|id: UserId| ID::from(id.to_string())))
    }
}
