use std::fmt::Write as _;
use std::path::Path;
use std::sync::LazyLock;

use async_graphql::parser::parse_query;

use super::expansion::Size;
use super::*;
use crate::config;

mod equivalence;

/// What the tools of graphql-js 16 ask for, with every option on.
const INTROSPECTION: &str = "
query IntrospectionQuery {
  __schema {
    description
    queryType { name kind } mutationType { name kind } subscriptionType { name kind }
    types { ...FullType }
    directives {
      name description isRepeatable locations
      args(includeDeprecated: true) { ...InputValue }
    }
  }
}
fragment FullType on __Type {
  kind name description specifiedByURL isOneOf
  fields(includeDeprecated: true) {
    name description
    args(includeDeprecated: true) { ...InputValue }
    type { ...TypeRef }
    isDeprecated deprecationReason
  }
  inputFields(includeDeprecated: true) { ...InputValue }
  interfaces { ...TypeRef }
  enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason }
  possibleTypes { ...TypeRef }
}
fragment InputValue on __InputValue {
  name description type { ...TypeRef } defaultValue isDeprecated deprecationReason
}
fragment TypeRef on __Type {
  kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
  ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType {
  kind name } } } } } } } } }
}";

const NO_LIMITS: DocumentLimits = DocumentLimits {
    max_bytes: usize::MAX,
    max_tokens: usize::MAX,
    max_nesting: usize::MAX,
    max_aliases: usize::MAX,
    max_directives: usize::MAX,
    max_spreads: usize::MAX,
    max_root_fields: usize::MAX,
    max_expanded_selections: usize::MAX,
};

/// What holds where nothing is set.
static DEFAULT_LIMITS: LazyLock<DocumentLimits> = LazyLock::new(|| {
    let secret = ("JWT_SECRET_KEY".to_owned(), "k".repeat(32));
    let loaded = config::load(&[secret].into(), Path::new("nowhere"));
    loaded.unwrap().config.graphql.document
});

fn check_default(document: &str) -> Result<(), Refusal> {
    check(document, &DEFAULT_LIMITS)
}

fn too_many(what: Counted, max: usize) -> Result<(), Refusal> {
    Err(Refusal::TooMany { what, max })
}

/// Fragments that each spread the next one `times` times; the last has one field.
fn ladder(fragments: usize, times: usize) -> String {
    let mut text = "{ ...F0 }".to_owned();
    for n in 0..fragments {
        let spreads = format!(" ...F{}", n + 1).repeat(times);
        write!(text, " fragment F{n} on Query {{{spreads} }}").unwrap();
    }
    text + &format!(" fragment F{fragments} on Query {{ a }}")
}

/// Reads the whole document without limits: how many tokens, and the size. `None` if the scan
/// found that no parser would pass it.
fn measure(document: &str) -> Option<(usize, Size)> {
    let mut scan = Scan::new(&NO_LIMITS);
    let mut lexer = Lexer::new(document);
    loop {
        match lexer.next() {
            Ok(token) => match scan.token(token, lexer.after_comment).ok()? {
                Verdict::Continue => {}
                Verdict::Invalid => return None,
            },
            Err(Stop::End) => return Some((scan.tokens, scan.definitions.measure().ok()?)),
            Err(_) => return None,
        }
    }
}

#[test]
fn what_tools_and_large_clients_send_passes() {
    assert_eq!(check_default(INTROSPECTION), Ok(()));

    // A screen of an Apollo client: a fragment per component, `__typename` everywhere.
    let mut screen = "query Screen($team: ID!, $first: Int = 20, $hints: Boolean! = true) {
        me { ...Part0 __typename } team(id: $team) { ...Part1 __typename }"
        .to_owned();
    for n in 0..20 {
        write!(screen, " list{n}: teams(first: $first) {{ ...Part{n} }}").unwrap();
    }
    screen.push('}');
    for n in 0..40 {
        let fields = (0..15)
            .map(|f| format!("field{f}"))
            .collect::<Vec<_>>()
            .join(" ");
        let spreads: Vec<_> = (1..3)
            .filter(|step| n + step * 9 < 40)
            .map(|step| format!("node{step} {{ ...Part{} __typename }} ", n + step * 9))
            .collect();
        write!(
            screen,
            "\n# part {n}\nfragment Part{n} on Thing {{ id {fields} owner(role: {{in: [A, B]}}) \
             @include(if: $hints) {{ id name __typename }} {} __typename }}",
            spreads.concat()
        )
        .unwrap();
    }
    assert!(parse_query(&screen).is_ok());
    assert_eq!(check_default(&screen), Ok(()));
}

#[test]
fn every_limit_is_told_by_name() {
    let limits = DocumentLimits {
        max_bytes: 120,
        max_tokens: 30,
        max_nesting: 4,
        max_aliases: 2,
        max_directives: 2,
        max_spreads: 2,
        max_root_fields: 3,
        max_expanded_selections: 6,
    };
    let refused = |document: &str| check(document, &limits).unwrap_err().to_string();
    for (at_most, too_much, text) in [
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
            "{a b...A} fragment A on Q{b{x y}c}".to_owned(),
            "The document has more than 3 root fields.",
        ),
        (
            "{a{b c d e f}}".to_owned(),
            "{x{...A...A}} fragment A on Q{a b}".to_owned(),
            "The document has more than 6 selections once its fragments are expanded.",
        ),
    ] {
        assert_eq!(check(&at_most, &limits), Ok(()), "{at_most}");
        assert_eq!(refused(&too_much), text, "{too_much}");
    }
}

#[test]
fn fragments_that_spread_each_other_are_refused() {
    let doubling = ladder(14, 2).replace("{ ...F0 }", "{ me { ...F0 } }");
    assert!(doubling.len() < 700);
    assert_eq!(
        check_default(&doubling),
        too_many(EXPANDED_SELECTIONS, 5_000)
    );
    // Nothing at their end, a name twice, and several operations do not hide it.
    let hollow = doubling.replace("{ a }", "{ ...Missing }");
    let twice = format!("{doubling} fragment F14 on Query {{ a }}");
    let second = format!("query A {{ a }} query B {doubling}");
    for document in [hollow, twice, second] {
        assert!(check_default(&document).is_err(), "{document}");
    }
}

#[test]
fn sizes_saturate_instead_of_wrapping() {
    let (_, size) = measure(&ladder(200, 3)).unwrap();
    assert_eq!(size.selections, usize::MAX);
    assert_eq!(size.root_fields, usize::MAX);
}

#[test]
fn a_circle_of_fragments_is_refused() {
    for document in [
        "{ a } fragment A on Q { ...A }",
        "{ ...A } fragment A on Q { b { ...B } } fragment B on Q { ... { ...A } }",
        // async-graphql reads the name run together with the keyword.
        "{ ...A } fragmentA on Q { ...A }",
        // And it takes `on` for a fragment's name when a comment follows.
        "{ a } fragment on on Q { ...on #\n Q }",
    ] {
        assert_eq!(
            check_default(document),
            Err(Refusal::FragmentCycle),
            "{document}"
        );
    }
}

#[test]
fn the_rest_of_a_broken_document_does_not_matter() {
    let deep = "[".repeat(1_000);
    for start in ["{ a ) ", "{ a % ", "{ a(b: \"x\n", "{ a .. ", "}"] {
        let document = format!("{start}{deep}");
        assert_eq!(check_default(&document), Ok(()), "{start}");
        assert!(parse_query(&document).is_err(), "{start}");
    }
    // The parser would read an empty string here, and then the rest.
    let open = format!("{{ a(b: [\"\"\"\"{deep}");
    assert_eq!(check_default(&open), Err(Refusal::OpenBlockString));
}

/// The work is linear: on a megabyte of such tokens anything quadratic would not end.
#[test]
fn a_megabyte_of_anything_is_read_once() {
    const BYTES: usize = 1 << 20;
    for piece in [
        "{",
        "[",
        "(",
        "{a",
        "a:b ",
        "...",
        "...on ",
        "\"\"",
        "\"\\\"\"",
        "\"\"\"",
        "\"",
        "#",
        "#\n",
        "\\",
        "0",
        "-1.5e3 ",
        "\u{feff}",
        "é",
        "@a",
        "fragment A on B{...A}",
        "fragment on on B{a}",
        "}",
    ] {
        let document = piece.repeat(BYTES / piece.len());
        let mut lexer = Lexer::new(&document);
        let mut scan = Scan::new(&NO_LIMITS);
        while let Ok(token) = lexer.next() {
            if scan.token(token, lexer.after_comment).is_err() {
                break;
            }
        }
        assert!(scan.tokens <= document.len(), "{piece:?}");
        assert!(check_default(&document).is_err(), "{piece:?}");
        let _ = check(&document, &NO_LIMITS);
    }
    // Neither the stack nor the work grows with the length of a chain: with as few as forty
    // links, following each spread anew would not end.
    let chain = ladder(20_000, 2);
    assert_eq!(measure(&chain).unwrap().1.selections, usize::MAX);
}
