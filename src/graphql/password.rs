//! Passwords: registering and logging in with one, resetting and changing it.

use async_graphql::{Context, InputObject, Object, SimpleObject};

use super::code::CodeChallenge;
use super::context::ContextExt;
use super::error::{ApiError, PayloadError};
use super::payload::payloads;
use super::public;
use super::session::AuthSession;
use super::user::User;
use crate::service::{Failure, Registered, Registration};

/// Who wants an account with a password.
#[derive(InputObject)]
pub(super) struct RegisterInput {
    /// The address; a code to prove it is mailed at once.
    email: String,
    /// The password: at least `serverInfo.passwordMinLength` characters, at most 256, not one of
    /// the most common ones, not the address or the name.
    password: String,
    /// The given name, at most 120 characters.
    first_name: String,
    /// The family name, at most 120 characters.
    last_name: String,
    /// Joins this team once the address is proved.
    invitation_token: Option<String>,
}

/// An address and its password.
#[derive(InputObject)]
pub(super) struct LoginInput {
    /// The account's address.
    email: String,
    /// The account's password.
    password: String,
}

/// Whose password was forgotten.
#[derive(InputObject)]
pub(super) struct RequestPasswordResetInput {
    /// The account's address.
    email: String,
}

/// A new password, by a mailed link.
#[derive(InputObject)]
pub(super) struct ResetPasswordInput {
    /// The token in the link.
    token: String,
    /// The new password, by the rule of `register`.
    new_password: String,
}

/// A new password, by whoever is signed in.
#[derive(InputObject)]
pub(super) struct ChangePasswordInput {
    /// Left out only by an account that has no password yet.
    current_password: Option<String>,
    /// The new password, by the rule of `register`.
    new_password: String,
}

/// The answer to `register`. A code to prove the address is mailed at once: `challenge` is the
/// result.
#[derive(SimpleObject)]
pub(super) struct RegisterPayload {
    /// The new account, or null when `ACCOUNT_EXISTENCE_HINTS` is off; then a taken address gets
    /// the same answer (and a mail saying so), and an account must prove its address before its
    /// password opens it.
    user: Option<User>,
    /// The code that is on its way.
    challenge: Option<CodeChallenge>,
    /// What a person can mend; empty if and only if it was done.
    errors: Vec<PayloadError>,
}

impl RegisterPayload {
    fn of(outcome: Result<Registered, Failure>) -> Result<Self, ApiError> {
        match outcome {
            Ok(Registered { user, challenge }) => Ok(Self {
                user: user.map(User::own),
                challenge: Some(challenge.into()),
                errors: Vec::new(),
            }),
            Err(Failure::Refused(errors)) => Ok(Self {
                user: None,
                challenge: None,
                errors: errors.into_iter().map(PayloadError::from).collect(),
            }),
            Err(failure) => Err(failure.into()),
        }
    }
}

payloads! {
    /// The answer to `login`.
    LoginPayload {
        /// The new session.
        session: AuthSession
    }
    /// The answer to `requestPasswordReset`.
    RequestPasswordResetPayload {
        /// What happens next, in English.
        message: String
    }
    /// The answer to `resetPassword`.
    ResetPasswordPayload {
        /// What happened, in English.
        message: String
    }
    /// The answer to `changePassword`.
    ChangePasswordPayload {
        /// The account.
        user: User
    }
}

/// Mutations of passwords.
#[derive(Default)]
pub(super) struct PasswordMutation;

#[Object]
impl PasswordMutation {
    /// Makes an account with a password, and mails a code to prove its address.
    #[graphql(directive = public::apply())]
    async fn register(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who wants an account with a password.")] input: RegisterInput,
    ) -> Result<RegisterPayload, ApiError> {
        let registration = Registration {
            email: &input.email,
            password: &input.password,
            first_name: input.first_name,
            last_name: input.last_name,
            invitation_token: input.invitation_token.as_deref(),
        };
        RegisterPayload::of(ctx.services().register(ctx.operation(), registration).await)
    }

    /// Signs an account in with its password.
    #[graphql(directive = public::apply())]
    async fn login(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "An address and its password.")] input: LoginInput,
    ) -> Result<LoginPayload, ApiError> {
        let LoginInput { email, password } = input;
        LoginPayload::of(
            ctx.services()
                .login(ctx.operation(), &email, &password)
                .await,
        )
    }

    /// Mails a link to choose a new password. A new link takes the place of an older one.
    #[graphql(directive = public::apply())]
    async fn request_password_reset(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose password was forgotten.")] input: RequestPasswordResetInput,
    ) -> Result<RequestPasswordResetPayload, ApiError> {
        let requested = ctx
            .services()
            .request_password_reset(ctx.operation(), &input.email)
            .await;
        RequestPasswordResetPayload::of(
            requested.map(|()| "A link to choose a new password is on its way.".to_owned()),
        )
    }

    /// Sets a new password by the token of a mailed link, and ends every session of the account.
    #[graphql(directive = public::apply())]
    async fn reset_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "A new password, by a mailed link.")] input: ResetPasswordInput,
    ) -> Result<ResetPasswordPayload, ApiError> {
        let ResetPasswordInput {
            token,
            new_password,
        } = input;
        let reset = ctx
            .services()
            .reset_password(ctx.operation(), &token, &new_password)
            .await;
        ResetPasswordPayload::of(
            reset.map(|()| "The new password is set. Log in with it.".to_owned()),
        )
    }

    /// Sets a new password for the signed-in account, and ends its other sessions.
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "A new password, by whoever is signed in.")] input: ChangePasswordInput,
    ) -> Result<ChangePasswordPayload, ApiError> {
        let ChangePasswordInput {
            current_password,
            new_password,
        } = input;
        let current = current_password.as_deref();
        let changed = ctx
            .services()
            .change_password(ctx.operation(), current, &new_password)
            .await;
        ChangePasswordPayload::of(changed.map(User::own))
    }
}
