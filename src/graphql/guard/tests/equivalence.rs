use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use proptest::prelude::*;

use super::super::expansion::Size;
use super::{check_default, measure};

/// What the guard computes, computed the slow way from what the parser read. `None` above a
/// hundred thousand.
fn expand(document: &ExecutableDocument) -> Option<Size> {
    fn walk(
        document: &ExecutableDocument,
        set: &SelectionSet,
        at_root: bool,
        size: &mut Size,
    ) -> Option<()> {
        for selection in &set.items {
            size.selections += 1;
            if size.selections > 100_000 {
                return None;
            }
            match &selection.node {
                Selection::Field(field) => {
                    size.root_fields += usize::from(at_root);
                    walk(document, &field.node.selection_set.node, false, size)?;
                }
                Selection::InlineFragment(inline) => {
                    walk(document, &inline.node.selection_set.node, at_root, size)?;
                }
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node)
                    {
                        walk(document, &fragment.node.selection_set.node, at_root, size)?;
                    }
                }
            }
        }
        Some(())
    }

    let mut whole = Size::default();
    for (_, operation) in document.operations.iter() {
        let mut size = Size::default();
        walk(
            document,
            &operation.node.selection_set.node,
            true,
            &mut size,
        )?;
        whole.selections += size.selections;
        whole.root_fields = whole.root_fields.max(size.root_fields);
    }
    Some(whole)
}

/// Selection sets as lists of tokens. Fragment `F9` is never defined, and `on` is a fragment.
fn selection_set() -> impl Strategy<Value = Vec<String>> {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let leaf = prop_oneof![
        prop_oneof![
            Just("a"),
            Just("on"),
            Just("fragment : b"),
            Just("a ( x : [ { y : \"}{\" } ] )"),
            Just("a @ include ( if : $ v )"),
            Just("b ( x : \"\"\"\"{...F1\"\"\" )"),
        ]
        .prop_map(words),
        (0..10_u8).prop_map(move |n| vec!["...".to_owned(), format!("F{n}")]),
        Just("... on @ x").prop_map(words),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let head = prop_oneof![
            Just("a"),
            Just("on : b"),
            Just("a ( x : {y:1} ) @ skip ( if : true )"),
            Just("..."),
            Just("... on T"),
            Just("... @ include ( if : $ v )"),
        ];
        (head, prop::collection::vec(inner, 1..4)).prop_map(move |(head, items)| {
            let mut tokens = words(head);
            tokens.push("{".to_owned());
            tokens.extend(items.into_iter().flatten());
            tokens.push("}".to_owned());
            tokens
        })
    })
}

/// Documents whose fragments spread later ones only, with all that may stand between tokens.
fn document() -> impl Strategy<Value = String> {
    let definitions = prop::collection::vec(prop::collection::vec(selection_set(), 1..4), 1..7);
    let separator = prop_oneof![
        8 => Just(" "), 1 => Just("\n"), 1 => Just(", "), 1 => Just("#{\"\n"), 1 => Just(" #}\n\t"),
        1 => Just("\u{feff}"),
    ];
    (
        definitions,
        prop::collection::vec(separator, 64),
        1..3_usize,
    )
        .prop_map(|(definitions, separators, operations)| {
            let mut tokens = Vec::new();
            for (n, selections) in definitions.into_iter().enumerate() {
                let (own, head) = match n.checked_sub(operations) {
                    None => (None, format!("query Q{n} ( $ v : B = {{ x : 1 }} )")),
                    Some(0) => (Some(0), "fragment on on T @ x".to_owned()),
                    Some(own) => (Some(own), format!("fragment F{own} on T")),
                };
                tokens.extend(head.split(' ').map(str::to_owned));
                tokens.push("{".to_owned());
                for token in selections.into_iter().flatten() {
                    // Only forwards: the spread of an earlier fragment becomes a field.
                    let target = token
                        .strip_prefix('F')
                        .and_then(|n| n.parse::<usize>().ok());
                    match (own, target) {
                        (Some(own), Some(target)) if target <= own => {
                            tokens.pop();
                            tokens.push("a".to_owned());
                        }
                        _ => tokens.push(token),
                    }
                }
                tokens.push("}".to_owned());
            }
            let separators = separators.iter().cycle();
            tokens
                .iter()
                .zip(separators)
                .flat_map(|(token, separator)| [token.as_str(), *separator])
                .collect()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn sizes_are_those_of_expanding_what_the_parser_reads(text in document()) {
        if let Ok(parsed) = parse_query(&text) {
            match measure(&text) {
                Some((_, size)) => prop_assert_eq!(Some(size), expand(&parsed).or(Some(size))),
                // A comment behind `... on` made a circle.
                None => prop_assert!(text.contains('#')),
            }
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in "(\\PC|[\\s\"\\\\#{}()@:.,$-]|\"\"\"|\\.\\.\\.|on|fragment|0|a){0,60}") {
        let _ = check_default(&text);
    }
}
