//! Tries every template at start, with values as bad as they can be.

use minijinja::Value;

use super::{Part, TemplateError, Templates, Values, explain, sources, values_of};
use crate::domain::code::{Code, CodeFormat, CodeType};
use crate::domain::mail::{Carries, Happened, Link, MailContext, MailKind, MailParams};

/// The values that a person may have typed.
const TYPED: [&str; 4] = ["name", "new_email", "team_name", "inviter_name"];

/// A value that becomes a tag, an expression or a second placeholder where it is not handled as
/// text.
fn hostile(name: &str) -> String {
    format!(
        "{} a='b'>\"&{{{{ 7*7 }}}}{{code}}{{link}}{{% raw %}}{{#",
        tag(name)
    )
}

/// What shows that a hostile value was not escaped.
fn tag(name: &str) -> String {
    format!("<x-{name}")
}

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
    for params in params(kind) {
        for support_email in ["", "help@example.com"] {
            let sample = |secret| values(templates, kind, &params, secret, support_email);
            let rendered = render(&sample(1))?;
            if rendered.trim().is_empty() {
                return complain("renders to nothing".to_owned());
            }
            let unescaped = TYPED.into_iter().find(|name| rendered.contains(&tag(name)));
            if let (Part::Html, Some(name)) = (part, unescaped) {
                return complain(format!("puts {{{name}}} into HTML without escaping it"));
            }
            let shown = part == Part::Subject || rendered != render(&sample(2))?;
            match kind.carries() {
                Carries::Code if !shown => return complain("does not show {code}".to_owned()),
                Carries::Link if !shown => return complain("does not show {link}".to_owned()),
                _ => {}
            }
        }
    }
    Ok(())
}

/// What the outbox row of such a mail may say: everything that can have happened, with the names
/// that may be unknown and without.
fn params(kind: MailKind) -> Vec<MailParams> {
    let happened: &[Option<Happened>] = match kind {
        MailKind::EmailChanged => &[Some(Happened::Requested), Some(Happened::Changed)],
        MailKind::PasswordChanged => &[Some(Happened::Changed), Some(Happened::Dropped)],
        _ => &[None],
    };
    let typed = |name: &str, is_had: bool| is_had.then(|| hostile(name));
    let is_of_team = matches!(kind, MailKind::TeamInvitation | MailKind::TeamAdded);
    let mut params = Vec::new();
    for happened in happened {
        for is_named in [false, true] {
            params.push(MailParams {
                name: typed("name", is_named),
                new_email: typed("new_email", kind == MailKind::EmailChanged),
                happened: *happened,
                team_name: typed("team_name", is_of_team),
                inviter_name: typed("inviter_name", is_of_team && is_named),
            });
        }
    }
    params
}

fn values(
    templates: &Templates,
    kind: MailKind,
    params: &MailParams,
    secret: u8,
    support_email: &'static str,
) -> Values {
    let carries = kind.carries();
    let context = MailContext {
        code: (carries == Carries::Code).then(|| sample_code(secret)),
        link: (carries == Carries::Link)
            .then(|| Link::new(format!("https://example.com/sample?token={secret}"))),
        email: "sample@example.com".to_owned(),
        expiry_minutes: (carries != Carries::Nothing).then_some(15),
        params: params.clone(),
    };
    let mut values = templates.app.clone();
    values.extend(values_of(&context));
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
