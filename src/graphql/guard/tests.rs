use std::fmt::Write as _;
use std::path::Path;

use async_graphql::parser::parse_query;

use super::*;
use crate::config;
use crate::graphql::error::code;

/// The limits that apply where nothing is set.
pub(in crate::graphql) fn default_limits() -> GraphqlConfig {
    let secret = ("JWT_SECRET_KEY".to_owned(), "k".repeat(32));
    let loaded = config::load(&[secret].into(), Path::new("nowhere"));
    loaded.unwrap().config.graphql
}

/// Checks a document as far as the parser reads it: the message if it is refused.
fn check(text: &str, limits: &GraphqlConfig) -> Result<(), String> {
    let told = |refusal: ServerError| {
        assert_eq!(code(&refusal), Some("QUERY_TOO_COMPLEX"), "{text}");
        refusal.message
    };
    check_text(text, &limits.document).map_err(told)?;
    match parse_query(text) {
        Ok(document) => measure(&document, limits).map(drop).map_err(told),
        Err(_) => Ok(()),
    }
}

/// A screen of an Apollo client: a fragment per component, `__typename` everywhere.
#[test]
fn large_documents_of_clients_pass() {
    let mut screen = "query Screen($team: ID!, $first: Int = 20, $hints: Boolean! = true) {
        me { ...Part0 __typename } team(id: $team) { ...Part1 __typename }"
        .to_owned();
    for n in 0..20 {
        write!(screen, " list{n}: teams(first: $first) {{ ...Part{n} }}").unwrap();
    }
    screen.push('}');
    for n in 0..40 {
        let fields: Vec<_> = (0..15).map(|f| format!("field{f}")).collect();
        let fields = fields.join(" ");
        let spreads: Vec<_> = (1..3)
            .filter(|step| n + step * 9 < 40)
            .map(|step| format!("node{step} {{ ...Part{} __typename }} ", n + step * 9))
            .collect();
        let spreads = spreads.concat();
        write!(
            screen,
            "\n# part {n}\nfragment Part{n} on Thing {{ id {fields} owner(role: {{in: [A, B]}}) \
             @include(if: $hints) {{ id name __typename }} {spreads} __typename }}",
        )
        .unwrap();
    }
    assert!(parse_query(&screen).is_ok());
    assert_eq!(check(&screen, &default_limits()), Ok(()));
}

#[test]
fn each_limit_holds_exactly() {
    let limits = GraphqlConfig {
        document: DocumentLimits {
            max_bytes: 120,
            max_tokens: 30,
            max_nesting: 4,
            max_aliases: 2,
            max_directives: 2,
            max_spreads: 2,
            max_root_fields: 3,
            max_expanded_selections: 6,
        },
        ..default_limits()
    };
    for (at_most, too_much, message) in [
        (
            format!("{{a}}{}", " ".repeat(117)),
            format!("{{a}}{}", " ".repeat(118)),
            "The document has more than 120 bytes.",
        ),
        (
            format!("{{a(b:[{}])}}", "1 ".repeat(21)),
            format!("{{a(b:[{}])}}", "1 ".repeat(22)),
            "The document has more than 30 tokens.",
        ),
        (
            "{a(b:[{c:1}])}".to_owned(),
            "{a(b:[{c:[1]}])}".to_owned(),
            "The document is nested more than 4 levels deep.",
        ),
        (
            "{a:x b:x}".to_owned(),
            "{a:x b:x c{d:x}}".to_owned(),
            "The document has more than 2 aliases.",
        ),
        (
            "query($a:A@x){a@y}".to_owned(),
            "query($a:A@x)@y{a@y}".to_owned(),
            "The document has more than 2 directives.",
        ),
        (
            "{...A...{b}} fragment A on Q{a}".to_owned(),
            "{...A...{b...on Q{a}}} fragment A on Q{a}".to_owned(),
            "The document has more than 2 fragment spreads.",
        ),
        (
            "{a...A} fragment A on Q{b{x y}c}".to_owned(),
            "{a b c...A} fragment A on Q{d}".to_owned(),
            "The document has more than 3 root fields.",
        ),
        (
            "{a{b c d e f}}".to_owned(),
            "{x{...A...A}} fragment A on Q{a b}".to_owned(),
            "The document has more than 6 selections once its fragments are expanded.",
        ),
    ] {
        assert_eq!(check(&at_most, &limits), Ok(()), "{at_most}");
        assert_eq!(
            check(&too_much, &limits),
            Err(message.to_owned()),
            "{too_much}"
        );
    }
}

/// Strings and comments are skipped as the parser skips them, whatever they hold.
#[test]
fn brackets_in_strings_and_comments_do_not_count() {
    let limits = default_limits();
    let deep = "{".repeat(100);
    for hidden in [
        format!(r#""{deep}""#),
        format!(r#""\"{deep}\\""#),
        format!(r#""""{deep} " \""" {deep}""""#),
        format!("# \" {deep}\n"),
        format!("# {deep}\r"),
    ] {
        let document = format!("{{ a(b: {hidden}) }}");
        assert_eq!(check(&document, &limits), Ok(()), "{document}");
        let behind = format!("{{ a(b: {hidden} {deep}");
        assert!(check(&behind, &limits).is_err(), "{behind}");
    }
    // The parser reads an empty string here, and then the brackets.
    let open = format!("{{ a(b: \"\"\"{}", "[".repeat(100));
    assert!(check(&open, &limits).unwrap_err().contains("block string"));
}

#[test]
fn a_cycle_of_fragments_is_refused() {
    for document in [
        "{ a } fragment A on Q { ...A }",
        "{ ...A } fragment A on Q { b { ...B } } fragment B on Q { ... { ...A } }",
        // async-graphql accepts a name without a space before it, and `on` as a name.
        "{ ...A } fragmentA on Q { ...A }",
        "{ a } fragment on on Q { ...on #\n Q }",
    ] {
        let refused = check(document, &default_limits()).unwrap_err();
        assert!(refused.contains("spreads itself"), "{document}: {refused}");
    }
}

/// Each byte is read once: on a megabyte anything quadratic would not end.
#[test]
fn a_megabyte_of_anything_is_read_once() {
    let mut limits = default_limits().document;
    limits.max_bytes = usize::MAX;
    limits.max_tokens = usize::MAX;
    for piece in [
        "[]", "a:b ", "\"\"", "\"\\\"\"", "\"\"\"", "\"", "#", "#\n", "\\", "0", "-1.5e3 ", "é",
    ] {
        let _ = check_text(&piece.repeat((1 << 20) / piece.len()), &limits);
    }
}
