//! Tries out every template at start with hostile values.

use minijinja::Value;

use super::{Part, TemplateError, Templates, Values, explain, sources, values_of};
use crate::domain::code::{Code, CodeFormat, CodeType};
use crate::domain::mail::{Link, Mail, MailContext, MailKind, SecretKind};

/// Values that a person may have typed.
const TYPED: [&str; 4] = ["name", "new_email", "team_name", "inviter_name"];

/// A value that becomes a tag, an expression or another placeholder if it is not treated as text.
fn hostile(name: &str) -> String {
    format!(
        "{} a='b'>\"&{{{{ 7*7 }}}}{{code}}{{link}}{{% raw %}}{{#",
        tag(name)
    )
}

/// Appears in HTML if a hostile value is not escaped.
fn tag(name: &str) -> String {
    format!("<x-{name}")
}

/// Everything that is wrong with the templates that compiled.
pub(super) fn check(templates: &Templates) -> Vec<TemplateError> {
    let parts = MailKind::all().flat_map(|kind| Part::ALL.map(|part| (kind, part)));
    parts
        .filter(|(kind, part)| is_compiled(templates, *kind, *part))
        .filter_map(|(kind, part)| check_part(templates, kind, part).err())
        .collect()
}

/// Templates that did not compile were reported before, and so was a broken layout.
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
    let complain = |message: String| {
        let made_of_text = part == Part::Html && templates.html_from_text.contains(&kind);
        let name = if made_of_text { Part::Text } else { part }.template(kind);
        let origin = templates.origins.get(&name).cloned();
        Err(TemplateError {
            origin: origin.unwrap_or(name),
            line: None,
            message,
        })
    };
    for mail in Mail::samples(kind) {
        for (is_named, support_email) in [
            (false, ""),
            (false, "help@example.com"),
            (true, ""),
            (true, "help@example.com"),
        ] {
            let sample = |secret| values(templates, &mail, is_named, secret, support_email);
            let rendered = render(&sample(1))?;
            if rendered.trim().is_empty() {
                return complain("renders to nothing".to_owned());
            }
            let unescaped = TYPED.into_iter().find(|name| rendered.contains(&tag(name)));
            if let (Part::Html, Some(name)) = (part, unescaped) {
                return complain(format!("puts {{{name}}} into HTML without escaping it"));
            }
            let shown = part == Part::Subject || rendered != render(&sample(2))?;
            match kind.secret() {
                Some(SecretKind::Code) if !shown => {
                    return complain("does not show {code}".to_owned());
                }
                Some(_) if !shown => return complain("does not show {link}".to_owned()),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Hostile values, with or without optional names.
fn values(
    templates: &Templates,
    mail: &Mail,
    is_named: bool,
    secret: u8,
    support_email: &'static str,
) -> Values {
    let link = Link::new(format!("https://example.com/sample?token={secret}"));
    let context = MailContext::sample(mail.clone(), sample_code(secret), link, 15);
    let mut values = templates.app.clone();
    values.extend(values_of(&context));
    for name in TYPED {
        let text = if is_named || !matches!(name, "name" | "inviter_name") {
            hostile(name)
        } else {
            String::new()
        };
        if let Some(value) = values.get_mut(name) {
            *value = text.into();
        }
    }
    values.insert("support_email".to_owned(), Value::from(support_email));
    values
}

fn sample_code(seed: u8) -> Code {
    let format = CodeFormat {
        length: 8,
        code_type: CodeType::Alphanumeric,
    };
    format.encode([seed; 16])
}
