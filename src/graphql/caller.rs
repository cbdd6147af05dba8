//! Who asks, as the transport found out before anything ran.

use async_graphql::Context;

use super::error::{ApiError, Unauthenticated};
use crate::domain::client::Client;
use crate::domain::session::Actor;
use crate::service::Services;

/// Names a request in its answer and in the logs.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The connection.
    pub client: Client,
    /// The account and session of a live access token, if there was one.
    pub actor: Option<Actor>,
    /// The request.
    pub request_id: RequestId,
}

/// What every resolver begins with.
pub(super) trait ContextExt<'a> {
    fn services(&self) -> &'a Services;
    fn caller(&self) -> &'a Caller;
    fn client(&self) -> &'a Client;
    /// The caller's account and session; an error for a caller without a token.
    fn actor(&self) -> Result<Actor, ApiError>;
}

impl<'a> ContextExt<'a> for Context<'a> {
    fn services(&self) -> &'a Services {
        self.data_unchecked()
    }

    fn caller(&self) -> &'a Caller {
        self.data_unchecked()
    }

    fn client(&self) -> &'a Client {
        &self.caller().client
    }

    fn actor(&self) -> Result<Actor, ApiError> {
        self.caller()
            .actor
            .ok_or(ApiError::Unauthenticated(Unauthenticated::Missing))
    }
}
