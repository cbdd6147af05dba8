use async_graphql::Context;

use crate::service::Caller;

pub(super) trait ContextExt<'a> {
    fn caller(&self) -> &'a Caller;
}

impl<'a> ContextExt<'a> for Context<'a> {
    fn caller(&self) -> &'a Caller {
        self.data_unchecked()
    }
}
