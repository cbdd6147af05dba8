use async_graphql::Context;

use crate::domain::operation::OperationContext;
use crate::service::Services;

/// What every resolver begins with.
pub(super) trait ContextExt<'a> {
    fn services(&self) -> &'a Services;
    fn operation(&self) -> &'a OperationContext;
    fn parts(&self) -> (&'a Services, &'a OperationContext);
}

impl<'a> ContextExt<'a> for Context<'a> {
    fn services(&self) -> &'a Services {
        self.data_unchecked()
    }

    fn operation(&self) -> &'a OperationContext {
        self.data_unchecked()
    }

    fn parts(&self) -> (&'a Services, &'a OperationContext) {
        (self.services(), self.operation())
    }
}
