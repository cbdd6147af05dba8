//! What a parsed document would do, before it is run.

use std::collections::HashSet;

use async_graphql::Positioned;
use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection,
};

/// Whether the operation that a request means is a query, a mutation or a subscription.
///
/// `None` if the document has no such operation, or has several and none is named; async-graphql
/// does not run such a request either.
pub fn operation_type(
    document: &ExecutableDocument,
    operation_name: Option<&str>,
) -> Option<OperationType> {
    select(document, operation_name).map(|operation| operation.node.ty)
}

/// The names (not the aliases) of the fields at the top of the operation that a request means,
/// those that come from fragments included, in no promised order and each as often as it is
/// written. Directives are not looked at, so a skipped field is named too.
///
/// Empty where [`operation_type`] is `None`.
pub fn root_field_names<'d>(
    document: &'d ExecutableDocument,
    operation_name: Option<&str>,
) -> Vec<&'d str> {
    let mut names = Vec::new();
    let mut spread = HashSet::new();
    let mut pending: Vec<_> = select(document, operation_name)
        .map(|operation| &operation.node.selection_set)
        .into_iter()
        .collect();
    while let Some(set) = pending.pop() {
        for selection in &set.node.items {
            match &selection.node {
                Selection::Field(field) => names.push(field.node.name.node.as_str()),
                Selection::InlineFragment(inline) => pending.push(&inline.node.selection_set),
                Selection::FragmentSpread(outside) => {
                    let name = &outside.node.fragment_name.node;
                    // Once is enough, and fragments may spread each other in a circle.
                    if spread.insert(name)
                        && let Some(fragment) = document.fragments.get(name)
                    {
                        pending.push(&fragment.node.selection_set);
                    }
                }
            }
        }
    }
    names
}

/// The operation that async-graphql would run.
pub(super) fn select<'d>(
    document: &'d ExecutableDocument,
    operation_name: Option<&str>,
) -> Option<&'d Positioned<OperationDefinition>> {
    match (&document.operations, operation_name) {
        (DocumentOperations::Single(operation), None) => Some(operation),
        (DocumentOperations::Single(_), Some(_)) => None,
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name),
        (DocumentOperations::Multiple(operations), None) => {
            let mut all = operations.values();
            all.next().filter(|_| all.next().is_none())
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn names(text: &str, operation_name: Option<&str>) -> Vec<String> {
        let document = parse_query(text).unwrap();
        let mut names: Vec<_> = root_field_names(&document, operation_name)
            .into_iter()
            .map(str::to_owned)
            .collect();
        names.sort();
        names
    }

    #[test]
    fn fields_are_found_behind_aliases_and_fragments() {
        let text = "
            query { serverInfo { codeLength } hello: me { teams { id } } ... { invitation }
                    ... on Query { ...A } ...Missing }
            fragment A on Query { teams ...B sessions { id } }
            fragment B on Query { team ...A }
        ";
        assert_eq!(
            names(text, None),
            [
                "invitation",
                "me",
                "serverInfo",
                "sessions",
                "team",
                "teams"
            ]
        );
    }

    #[test]
    fn a_field_that_only_another_operation_asks_for_is_left_out() {
        let text = "query One { me { id } } mutation Two { logout { endedSessionId } }";
        assert_eq!(names(text, Some("One")), ["me"]);
        assert_eq!(names(text, Some("Two")), ["logout"]);
        assert!(names(text, Some("Three")).is_empty());
        assert!(names(text, None).is_empty());
    }

    #[test]
    fn the_operation_is_chosen_as_async_graphql_does() {
        let kind = |text: &str, name| operation_type(&parse_query(text).unwrap(), name);
        let two = "query One { me { id } } mutation Two { logout { endedSessionId } }";
        assert_eq!(kind(two, Some("One")), Some(OperationType::Query));
        assert_eq!(kind(two, Some("Two")), Some(OperationType::Mutation));
        assert_eq!(kind(two, None), None);
        assert_eq!(kind(two, Some("")), None);
        assert_eq!(
            kind("mutation A { a }", None),
            Some(OperationType::Mutation)
        );
        assert_eq!(kind("{ a }", None), Some(OperationType::Query));
        assert_eq!(kind("{ a }", Some("A")), None);
    }
}
