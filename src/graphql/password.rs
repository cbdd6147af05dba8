//! Registering and signing in with a password, resetting and changing it.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};

use super::context::ContextExt;
use super::payload::{PayloadError, payloads, split};
use super::public;
use super::user::User;
use crate::domain::session::SignedIn;
use crate::service::{CodeChallenge, Registration};

/// Input of `register`.
#[derive(InputObject)]
pub(super) struct RegisterInput {
    /// The email address. A code to verify it is sent at once.
    email: String,
    /// The password: at least `serverInfo.passwordMinLength` and at most 256 characters, not a
    /// common password, and not the email address or the name.
    password: String,
    /// The given name, at most 120 characters.
    first_name: String,
    /// The family name, at most 120 characters.
    last_name: String,
    /// The token of an invitation to accept when the email address is verified.
    invitation_token: Option<String>,
}

/// Input of `login`.
#[derive(InputObject)]
pub(super) struct LoginInput {
    /// The user's email address.
    email: String,
    /// The user's password.
    password: String,
}

/// Input of `requestPasswordReset`.
#[derive(InputObject)]
pub(super) struct RequestPasswordResetInput {
    /// The user's email address.
    email: String,
}

/// Input of `resetPassword`.
#[derive(InputObject)]
pub(super) struct ResetPasswordInput {
    /// The token in the link.
    token: String,
    /// The new password. The rules are those of `register`.
    new_password: String,
}

/// Input of `changePassword`.
#[derive(InputObject)]
pub(super) struct ChangePasswordInput {
    /// The current password. Omitted only if the user has no password yet.
    current_password: Option<String>,
    /// The new password. The rules are those of `register`.
    new_password: String,
}

/// The result of `register`: `challenge` is the code that was sent to verify the email address.
#[derive(SimpleObject)]
pub(super) struct RegisterPayload {
    /// The new user. Null if `ACCOUNT_EXISTENCE_HINTS` is off: then the response is the same for an
    /// email address that is already registered (its owner gets an email), and the password works
    /// only after the email address is verified.
    user: Option<User>,
    /// The code that was sent.
    challenge: Option<CodeChallenge>,
    /// Errors that the user can correct. Empty if and only if the mutation succeeded.
    errors: Vec<PayloadError>,
}

payloads! {
    /// The result of `login`: the new session.
    LoginPayload { session: SignedIn }
    /// The result of `requestPasswordReset`: a message for the user, in English.
    RequestPasswordResetPayload { message: String }
    /// The result of `resetPassword`: a message for the user, in English.
    ResetPasswordPayload { message: String }
    /// The result of `changePassword`: the user.
    ChangePasswordPayload { user: User }
}

#[derive(Default)]
pub(super) struct PasswordMutation;

#[Object]
impl PasswordMutation {
    /// Creates a user with a password, and sends a code to verify the email address.
    #[graphql(directive = public::apply())]
    async fn register(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new user.")] input: RegisterInput,
    ) -> Result<RegisterPayload> {
        let registration = Registration {
            email: &input.email,
            password: &input.password,
            first_name: input.first_name,
            last_name: input.last_name,
            invitation_token: input.invitation_token.as_deref(),
        };
        let (registered, errors) = split(ctx.caller().register(registration).await)?;
        let (user, challenge) = registered.map(|new| (new.user, new.challenge)).unzip();
        Ok(RegisterPayload {
            user: user.flatten().map(User::own),
            challenge,
            errors,
        })
    }

    /// Signs a user in with a password.
    #[graphql(directive = public::apply())]
    async fn login(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The email address and the password.")] input: LoginInput,
    ) -> Result<LoginPayload> {
        LoginPayload::of(ctx.caller().login(&input.email, &input.password).await)
    }

    /// Sends a link to choose a new password. It replaces any earlier link.
    #[graphql(directive = public::apply())]
    async fn request_password_reset(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The email address.")] input: RequestPasswordResetInput,
    ) -> Result<RequestPasswordResetPayload> {
        let requested = ctx.caller().request_password_reset(&input.email).await;
        RequestPasswordResetPayload::of(
            requested.map(|()| "We sent you an email with a link to choose a new password."),
        )
    }

    /// Sets a new password with the token of an emailed link, and ends all sessions of the user.
    #[graphql(directive = public::apply())]
    async fn reset_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token in the link and the new password.")] input: ResetPasswordInput,
    ) -> Result<ResetPasswordPayload> {
        let reset = ctx
            .caller()
            .reset_password(&input.token, &input.new_password)
            .await;
        ResetPasswordPayload::of(
            reset.map(|()| "Your password has been changed. You can now sign in with it."),
        )
    }

    /// Sets a new password for the signed-in user, and ends their other sessions.
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The current and the new password.")] input: ChangePasswordInput,
    ) -> Result<ChangePasswordPayload> {
        let current = input.current_password.as_deref();
        let changed = ctx
            .caller()
            .change_password(current, &input.new_password)
            .await;
        ChangePasswordPayload::of(changed.map(User::own))
    }
}
