//! Tries every template at start, with values as bad as they can be.

use minijinja::Value;

use super::{Part, TemplateError, Templates, Values, explain, sources, values_of};
use crate::domain::code::{Code, CodeFormat, CodeType};
use crate::domain::mail::{MailContext, MailKind};

/// A name that becomes a tag, an expression or a second placeholder where it is not handled as
/// text.
const HOSTILE_NAME: &str = "<x-sample a='b'>\"&{{ 7*7 }}{code}{% raw %}{#";
/// What shows that it was not escaped.
const HOSTILE_TAG: &str = "<x-sample";

/// Everything that is wrong with templates that compiled.
pub(super) fn check(templates: &Templates) -> Vec<TemplateError> {
    let parts = MailKind::ALL
        .into_iter()
        .flat_map(|kind| Part::ALL.map(|part| (kind, part)));
    parts
        .filter(|(kind, part)| is_compiled(templates, *kind, *part))
        .filter_map(|(kind, part)| check_part(templates, kind, part).err())
        .collect()
}

/// Templates that did not compile have been reported already, and so has a broken layout.
fn is_compiled(templates: &Templates, kind: MailKind, part: Part) -> bool {
    let compiled = |part: Part| {
        let environment = match part {
            Part::Html => &templates.html,
            Part::Subject | Part::Text => &templates.text,
        };
        environment.get_template(&part.template(kind)).is_ok()
    };
    let shared = || {
        sources::SHARED
            .iter()
            .all(|file| templates.html.get_template(file).is_ok())
    };
    match part {
        Part::Html if templates.html_from_text.contains(&kind) => compiled(Part::Text) && shared(),
        Part::Html => compiled(part) && shared(),
        Part::Subject | Part::Text => compiled(part),
    }
}

fn check_part(templates: &Templates, kind: MailKind, part: Part) -> Result<(), TemplateError> {
    let render = |values: &Values| {
        templates.render_part(kind, part, values).map_err(|error| {
            let (origin, line) = templates.place(&error, kind, part);
            TemplateError {
                origin,
                line,
                message: explain(&error),
            }
        })
    };
    let complain = |message: &str| {
        let made_of_text = part == Part::Html && templates.html_from_text.contains(&kind);
        let name = if made_of_text { Part::Text } else { part }.template(kind);
        let origin = templates.origins.get(&name).cloned();
        Err(TemplateError {
            origin: origin.unwrap_or(name),
            line: None,
            message: message.to_owned(),
        })
    };
    for name in ["", HOSTILE_NAME] {
        for support_email in ["", "help@example.com"] {
            let rendered = render(&values(templates, kind, 1, name, support_email))?;
            if rendered.trim().is_empty() {
                return complain("renders to nothing");
            }
            if part == Part::Html && rendered.contains(HOSTILE_TAG) {
                return complain("puts a person's name into HTML without escaping it");
            }
            let other = render(&values(templates, kind, 2, name, support_email))?;
            if part != Part::Subject && carries_code(kind) && rendered == other {
                return complain("does not show {code}");
            }
        }
    }
    Ok(())
}

fn carries_code(kind: MailKind) -> bool {
    match kind {
        MailKind::SignupCode | MailKind::LoginCode => true,
        MailKind::AccountExists | MailKind::NoAccount => false,
    }
}

fn values(
    templates: &Templates,
    kind: MailKind,
    code: u8,
    name: &str,
    support_email: &'static str,
) -> Values {
    let context = MailContext {
        code: carries_code(kind).then(|| sample_code(code)),
        name: name.to_owned(),
        email: "sample@example.com".to_owned(),
        expiry_minutes: carries_code(kind).then_some(15),
    };
    let mut values = templates.app.clone();
    values.extend(values_of(&context));
    values.insert("support_email", Value::from(support_email));
    values
}

fn sample_code(seed: u8) -> Code {
    let format = CodeFormat {
        length: 8,
        code_type: CodeType::Alphanumeric,
    };
    format.encode([seed; 16])
}
