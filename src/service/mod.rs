//! The use cases, one public function each. Callers check nothing: every rule and every limit is
//! applied here.

use std::ops::Deref;
use std::sync::Arc;

use chrono::Duration;

use crate::cache::Cache;
use crate::config::{CodesConfig, LimitsConfig, MailConfig, PasswordsConfig, TokensConfig};
use crate::crypto::{self, AccessTokens, Hasher, Keys};
use crate::db::Db;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::id::{IdEntropy, RequestUuid};
use crate::domain::operation::{Client, NotSignedIn, OperationContext, UserSession};
use crate::limits::Limiter;
use crate::queue::Queue;
use crate::telemetry::Throttle;
use crate::telemetry::event::Event;
use crate::telemetry::metrics::Metrics;

mod accounts;
mod anomalies;
mod codes;
mod documents;
mod email;
mod error;
mod export;
mod invitations;
mod limits;
mod mails;
mod members;
mod outbox;
mod passwordless;
mod passwords;
mod profile;
mod readiness;
mod registration;
mod retention;
mod seed;
mod session_status;
mod sessions;
mod sign_in;
mod teams;

pub use codes::CodeChallenge;
pub use documents::DocumentHash;
pub use error::{Failure, Reason, ReasonKind, ServiceError, UserError};
pub use invitations::{InvitationPreview, Invited};
pub use mails::{MailDetails, RetriedMails, Retry};
pub use outbox::LeasedMail;
pub use readiness::{Condition, WORKER_AGE_MAX};
pub use registration::Registration;
pub use retention::{Cleaned, LeaseHolder};
pub use session_status::{AuthenticationError, Rejection};
pub use teams::{TeamAdmin, TeamView};

/// Everything the use cases need. Clones share it.
#[derive(Clone)]
pub struct Services(Arc<Dependencies>);

pub struct Dependencies {
    pub db: Db,
    pub cache: Cache,
    pub limiter: Limiter,
    pub queue: Queue,
    pub clock: Clock,
    /// Derives codes and opaque tokens.
    pub keys: Keys,
    pub access_tokens: AccessTokens,
    pub hasher: Hasher,
    pub app_url: String,
    pub codes: CodesConfig,
    pub limits: LimitsConfig,
    pub invitation_lifetime: Duration,
    pub data_retention: Duration,
    pub passwords: PasswordsConfig,
    pub tokens: TokensConfig,
    pub mail: MailConfig,
    pub throttle: Throttle,
    pub metrics: Metrics,
}

/// The use cases for one caller: who acts, from where and in which request. Clones share it.
#[derive(Clone)]
pub struct Caller {
    services: Services,
    context: Arc<OperationContext>,
}

impl Deref for Caller {
    type Target = Services;

    fn deref(&self) -> &Services {
        &self.services
    }
}

impl Caller {
    /// The same caller, signed in.
    pub fn signed_in_as(self, session: UserSession) -> Self {
        self.services.in_context(OperationContext {
            session: Some(session),
            ..OperationContext::clone(&self.context)
        })
    }

    /// The signed-in user, for operations that need one.
    pub fn user(&self) -> Result<UserSession, NotSignedIn> {
        self.context.session.ok_or(NotSignedIn)
    }

    /// The signed-in user's session, if there is one.
    pub fn session(&self) -> Option<UserSession> {
        self.context.session
    }

    pub fn is_superuser(&self) -> bool {
        self.session().is_some_and(|session| session.is_superuser)
    }

    pub fn request_id(&self) -> Option<&str> {
        self.context.request_id.as_deref()
    }

    /// Logs an event with what is known of the caller.
    pub fn emit(&self, event: impl Event) {
        self.context.emit(event);
    }
}

impl Services {
    pub fn new(parts: Dependencies) -> Self {
        Self(Arc::new(parts))
    }

    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    fn new_id<T: From<(Timestamp, IdEntropy)>>(&self) -> T {
        T::from((self.now(), crypto::id_entropy()))
    }

    /// The sender of a request, who is not known yet.
    pub fn caller(&self, client: Client, request_id: String) -> Caller {
        self.in_context(OperationContext {
            session: None,
            client: Some(client),
            request_id: Some(request_id),
        })
    }

    /// An administrator on the command line.
    pub fn operator(&self) -> Caller {
        self.in_context(OperationContext::default())
    }

    fn in_context(&self, context: OperationContext) -> Caller {
        Caller {
            services: self.clone(),
            context: Arc::new(context),
        }
    }

    /// For a request that came without an ID.
    pub fn new_request_id(&self) -> String {
        self.new_id::<RequestUuid>().to_string()
    }

    pub fn codes(&self) -> &CodesConfig {
        &self.0.codes
    }

    pub fn passwords(&self) -> PasswordsConfig {
        self.0.passwords
    }

    /// The public keys of access tokens, as a JWK set (RFC 7517).
    pub fn public_keys(&self) -> serde_json::Value {
        self.0.access_tokens.public_keys()
    }
}
