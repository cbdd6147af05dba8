//! Where the text of a template comes from: the environment, files, or the built-in templates.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use include_dir::{Dir, File, include_dir};

use super::{Part, TemplateError};
use crate::config::{TemplateOverride, TemplatesConfig};
use crate::domain::mail::MailKind;

static BUILT_IN: Dir = include_dir!("$CARGO_MANIFEST_DIR/templates");
/// Templates that the HTML bodies use. Files with these names replace them.
pub(super) const SHARED: [&str; 2] = [LAYOUT, PLAIN];
/// The frame of every HTML body.
pub(super) const LAYOUT: &str = "layout.html";
/// The body made from a plain text.
pub(super) const PLAIN: &str = "plain.html";

pub(super) struct Source {
    /// Its name among the templates: `login_code/body.html`.
    pub(super) name: String,
    /// The path, the variable, or "built-in" and the name.
    pub(super) origin: String,
    pub(super) text: String,
}

pub(super) fn shared(config: &TemplatesConfig, file: &str) -> Result<Source, TemplateError> {
    from_files(config, &[file.to_owned()], file)
}

/// `None` for HTML that is made from the plain text.
pub(super) fn of_part(
    config: &TemplatesConfig,
    kind: MailKind,
    part: Part,
) -> Result<Option<Source>, TemplateError> {
    let name = part.template(kind);
    if let Some((variable, own)) = environment(config, kind) {
        let text = match part {
            Part::Subject => own.subject.as_ref(),
            Part::Text => own.body.as_ref().filter(|body| !is_html(body)),
            Part::Html => match &own.body {
                Some(body) if !is_html(body) => return Ok(None),
                body => body.as_ref(),
            },
        };
        if let Some(text) = text {
            let origin = match part {
                Part::Subject => format!("{variable}_SUBJECT"),
                Part::Text | Part::Html => format!("{variable}_TEMPLATE"),
            };
            return Ok(Some(Source {
                name,
                origin,
                text: text.clone(),
            }));
        }
    }
    let mut files = vec![name.clone()];
    files.extend(alias(kind, part).map(str::to_owned));
    from_files(config, &files, &name).map(Some)
}

fn environment(
    config: &TemplatesConfig,
    kind: MailKind,
) -> Option<(&'static str, &TemplateOverride)> {
    match kind {
        MailKind::SignupCode => Some(("SIGNUP_EMAIL", &config.signup)),
        MailKind::LoginCode => Some(("LOGIN_EMAIL", &config.login)),
        _ => None,
    }
}

/// Another name for the file of a body, in the top folder.
fn alias(kind: MailKind, part: Part) -> Option<&'static str> {
    match (kind, part) {
        (MailKind::SignupCode, Part::Text) => Some("signup_email.txt"),
        (MailKind::SignupCode, Part::Html) => Some("signup_email.html"),
        (MailKind::LoginCode, Part::Text) => Some("login_email.txt"),
        (MailKind::LoginCode, Part::Html) => Some("login_email.html"),
        _ => None,
    }
}

/// The first of `files` that exists, or the built-in text.
fn from_files(
    config: &TemplatesConfig,
    files: &[String],
    name: &str,
) -> Result<Source, TemplateError> {
    let paths = config
        .directory
        .iter()
        .flat_map(|directory| files.iter().map(|file| directory.join(file)));
    for path in paths {
        if let Some(text) = read(&path)? {
            return Ok(Source {
                name: name.to_owned(),
                origin: path.display().to_string(),
                text,
            });
        }
    }
    Ok(Source {
        name: name.to_owned(),
        origin: format!("built-in {name}"),
        text: built_in(name).to_owned(),
    })
}

/// The text of a file without byte order mark; `None` if it does not exist.
fn read(path: &Path) -> Result<Option<String>, TemplateError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim_start_matches('\u{feff}').to_owned())),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(TemplateError {
            origin: path.display().to_string(),
            line: None,
            message: error.to_string(),
        }),
    }
}

/// Whether a text contains an HTML tag. An email address in angle brackets is not one.
fn is_html(text: &str) -> bool {
    text.match_indices('<').any(|(at, _)| {
        let tag = &text[at + 1..];
        let tag = tag.strip_prefix('/').unwrap_or(tag);
        let name = tag.len()
            - tag
                .trim_start_matches(|c: char| c.is_ascii_alphanumeric())
                .len();
        let after = &tag[name..];
        tag.starts_with("!--")
            || tag
                .get(..8)
                .is_some_and(|start| start.eq_ignore_ascii_case("!doctype"))
            || (tag.starts_with(|c: char| c.is_ascii_alphabetic())
                && after.starts_with(|c: char| c.is_whitespace() || c == '/' || c == '>')
                && after.contains('>'))
    })
}

/// The text of a file in `templates/`; empty if there is none, which the check of the templates
/// reports.
fn built_in(name: &str) -> &'static str {
    let file = BUILT_IN.get_file(name);
    file.and_then(File::contents_utf8).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_with_a_tag_is_html() {
        for text in [
            "<p>Hi</p>",
            "Hi<br>",
            "x <br/> y",
            "<!DOCTYPE html>",
            "<a\nhref='x'>",
            "</p>",
        ] {
            assert!(is_html(text), "{text}");
        }
        for text in [
            "Hi",
            "1 < 2 > 0",
            "Ada <ada@example.com>",
            "a <b",
            "<https://x.example>",
            "<>",
        ] {
            assert!(!is_html(text), "{text}");
        }
    }
}
