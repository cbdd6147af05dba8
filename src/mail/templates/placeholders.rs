//! Placeholders in single braces: `{code}` becomes `{{ code }}` when a template is loaded.

/// The names of placeholders. Other text in single braces is left alone.
const NAMES: [&str; 12] = [
    "code",
    "link",
    "name",
    "email",
    "expiry_minutes",
    "expires_in",
    "new_email",
    "team_name",
    "inviter_name",
    "app_name",
    "app_url",
    "support_email",
];

/// Rewrites the placeholders of a template; the lines stay the same.
///
/// Double braces, tags, comments and the content of `{% raw %}` are copied, and so are the braces
/// of CSS. In minified CSS a brace may precede an ID (`@media print{#a{…}}`), which would begin a
/// comment: in a `<style>` element without `#}` it is made literal.
pub(super) fn translate(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 64);
    let mut rest = source;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        let inside_style = is_inside_style(&source[..source.len() - rest.len() + at]);
        rest = &rest[at..];
        if inside_style && is_css_id(rest) {
            out.push_str("{{ '{#' }}");
            rest = &rest[2..];
        } else if let Some(length) = markup_length(rest) {
            out.push_str(&rest[..length]);
            rest = &rest[length..];
        } else if let Some(name) = placeholder(rest) {
            out.push_str("{{ ");
            out.push_str(name);
            out.push_str(" }}");
            rest = &rest[name.len() + 2..];
        } else {
            out.push('{');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}

/// The placeholder at the start of `text`.
fn placeholder(text: &str) -> Option<&'static str> {
    NAMES.into_iter().find(|name| {
        text.get(1..=name.len()) == Some(*name) && text[name.len() + 1..].starts_with('}')
    })
}

/// The length of the markup at the start of `text`. Markup without an end extends to the end of the
/// text, where the compiler reports it.
fn markup_length(text: &str) -> Option<usize> {
    let until = |end: &str| text.find(end).map_or(text.len(), |at| at + end.len());
    match text.as_bytes().get(1)? {
        b'{' => Some(until("}}")),
        b'#' => Some(until("#}")),
        b'%' if tag_name(text) == "raw" => {
            let end = text
                .match_indices("{%")
                .find(|(at, _)| tag_name(&text[*at..]) == "endraw");
            Some(end.map_or(text.len(), |(at, _)| at))
        }
        b'%' => Some(until("%}")),
        _ => None,
    }
}

/// The first word after `{%`.
fn tag_name(text: &str) -> &str {
    let inner = text[2..].trim_start_matches(['-', '+']).trim_start();
    let end = inner.find(|c: char| !c.is_alphanumeric() && c != '_');
    &inner[..end.unwrap_or(inner.len())]
}

fn is_inside_style(before: &str) -> bool {
    let opened = before.rfind("<style");
    opened.is_some_and(|at| !before[at..].contains("</style"))
}

fn is_css_id(text: &str) -> bool {
    let css = &text[..text.find("</style").unwrap_or(text.len())];
    css.starts_with("{#") && !css.contains("#}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_names_in_single_braces_are_placeholders() {
        assert_eq!(translate("Hi {name}: {code}"), "Hi {{ name }}: {{ code }}");
        assert_eq!(translate("{code}{code}"), "{{ code }}{{ code }}");
        for name in NAMES {
            let translated = format!("<{{{{ {name} }}}}>");
            assert_eq!(translate(&format!("<{{{name}}}>")), translated);
        }
        assert_eq!(
            translate("({expiry_minutes})\n{support_email}"),
            "({{ expiry_minutes }})\n{{ support_email }}"
        );
    }

    #[test]
    fn everything_else_is_left_alone() {
        for text in [
            "{{ code }} {{code}} {{ {'a': code} }}",
            "{unknown} { code } {code {} } {",
            "body { font-family: Arial } .code{color:#4CAF50} @media x{a{b:c}}",
            "{% if name %}{% endif %}{# {code} #}",
            "{% raw %}{code}{% endraw %}",
            "{%- raw -%} {code} {%- endraw -%}",
            "{{ unfinished {code}",
            "{é} {codé} ünï",
        ] {
            assert_eq!(translate(text), text);
        }
    }

    #[test]
    fn an_id_after_a_brace_in_css_begins_no_comment() {
        assert_eq!(
            translate("<style>@media print{#a{x:y}}</style>{code}{# note #}"),
            "<style>@media print{{ '{#' }}a{x:y}}</style>{{ code }}{# note #}"
        );
        let comment = "<style>{# {code} #}</style>";
        assert_eq!(translate(comment), comment);
    }

    proptest! {
        #[test]
        fn any_text_is_taken_and_keeps_its_lines(text in "[{}%#\\n a-zé]{0,40}(\\{code\\})?[<style>{}%#]{0,20}") {
            prop_assert_eq!(translate(&text).lines().count(), text.lines().count());
        }
    }
}
