//! Rendering mails from templates: from the environment, from files or built in, checked at start.

mod placeholders;
mod preview;
mod samples;
mod sources;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value};

use super::one_line;
use crate::config::{AppConfig, TemplatesConfig};
use crate::domain::mail::{MailContext, MailKind};

/// The maximum number of instructions of one template; the built-in ones need a few dozen.
const FUEL: u64 = 50_000;
/// Longer subjects are cut.
const SUBJECT_MAX_CHARS: usize = 150;

/// The compiled templates of every kind of mail.
///
/// Text that a person typed is only ever a value: it is escaped in HTML, and rendered text is not
/// rendered again.
pub struct Templates {
    // Two environments, so that the part of the mail decides about escaping, not the name of a
    // file.
    html: Environment<'static>,
    text: Environment<'static>,
    /// The kinds whose HTML is made from the plain text.
    html_from_text: HashSet<MailKind>,
    /// From the names of templates to names that an operator knows.
    origins: HashMap<String, String>,
    app: Values,
}

type Values = BTreeMap<String, Value>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Subject,
    Text,
    Html,
}

impl Part {
    const ALL: [Self; 3] = [Self::Subject, Self::Text, Self::Html];

    fn template(self, kind: MailKind) -> String {
        let file = match self {
            Self::Subject => "subject.txt",
            Self::Text => "body.txt",
            Self::Html => "body.html",
        };
        format!("{kind}/{file}")
    }
}

/// The text of a mail. It may contain a secret, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    /// One line of at most 150 characters, without control characters.
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// A mail could not be rendered. Contains no value of the mail.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}{}: {reason}", at_line(*.line))]
pub struct RenderError {
    /// The file, the variable, or the built-in template.
    pub origin: String,
    /// The line in it, counted from 1.
    pub line: Option<usize>,
    pub reason: String,
}

/// A template that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}{}: {message}", at_line(*.line))]
pub struct TemplateError {
    /// The file, the variable, or the built-in template.
    pub origin: String,
    /// The line in it, counted from 1.
    pub line: Option<usize>,
    pub message: String,
}

fn at_line(line: Option<usize>) -> String {
    line.map(|line| format!(":{line}")).unwrap_or_default()
}

/// All of them; one per line when formatted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateErrors(pub Vec<TemplateError>);

impl fmt::Display for TemplateErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for TemplateErrors {}

impl Templates {
    /// Reads, compiles and tries out every template.
    ///
    /// A part of a mail comes from the environment, from its file in the directory, or is built in,
    /// in this order. Every template is rendered with samples: with and without optional values,
    /// and with hostile names. All errors are reported together.
    pub fn load(app: &AppConfig, config: &TemplatesConfig) -> Result<Self, TemplateErrors> {
        let support_email = app.support_email.as_ref();
        let mut templates = Self {
            html: environment(AutoEscape::Html),
            text: environment(AutoEscape::None),
            html_from_text: HashSet::new(),
            origins: HashMap::new(),
            app: texts([
                ("app_name", &app.name),
                ("app_url", &app.url),
                (
                    "support_email",
                    support_email.map_or("", |email| email.as_str()),
                ),
            ]),
        };
        let mut errors = Vec::new();
        for file in sources::SHARED {
            let source = sources::shared(config, file);
            errors.extend(source.and_then(|s| templates.compile(Part::Html, s)).err());
        }
        for kind in MailKind::all() {
            for part in Part::ALL {
                match sources::of_part(config, kind, part) {
                    Ok(Some(source)) => errors.extend(templates.compile(part, source).err()),
                    Ok(None) => {
                        templates.html_from_text.insert(kind);
                    }
                    Err(error) => errors.push(error),
                }
            }
        }
        for error in samples::check(&templates) {
            if !errors.contains(&error) {
                errors.push(error);
            }
        }
        if errors.is_empty() {
            Ok(templates)
        } else {
            Err(TemplateErrors(errors))
        }
    }

    /// Fails if a template uses a value that this mail does not have, or runs for too long.
    pub fn render(&self, context: &MailContext) -> Result<Rendered, RenderError> {
        let kind = context.mail.kind();
        let mut values = self.app.clone();
        values.extend(values_of(context));
        let part = |part| {
            self.render_part(kind, part, &values).map_err(|error| {
                let (origin, line) = self.place(&error, kind, part);
                RenderError {
                    origin,
                    line,
                    // The detail of the error may contain a value.
                    reason: error.kind().to_string(),
                }
            })
        };
        Ok(Rendered {
            subject: part(Part::Subject)?,
            text: part(Part::Text)?,
            html: part(Part::Html)?,
        })
    }

    fn compile(&mut self, part: Part, source: sources::Source) -> Result<(), TemplateError> {
        let environment = match part {
            Part::Html => &mut self.html,
            Part::Subject | Part::Text => &mut self.text,
        };
        let text = placeholders::translate(&source.text);
        let compiled = environment.add_template_owned(source.name.clone(), text);
        self.origins.insert(source.name, source.origin.clone());
        compiled.map_err(|error| TemplateError {
            origin: source.origin,
            line: error.line(),
            message: explain(&error),
        })
    }

    fn render_part(
        &self,
        kind: MailKind,
        part: Part,
        values: &Values,
    ) -> Result<String, minijinja::Error> {
        let name = part.template(kind);
        match part {
            Part::Subject => {
                let subject = self.text.get_template(&name)?.render(values)?;
                Ok(one_line(&subject).chars().take(SUBJECT_MAX_CHARS).collect())
            }
            Part::Text => self.text.get_template(&name)?.render(values),
            Part::Html if self.html_from_text.contains(&kind) => {
                let mut values = values.clone();
                let text = self.render_part(kind, Part::Text, &values)?;
                values.insert("text".to_owned(), text.into());
                self.html.get_template(sources::PLAIN)?.render(values)
            }
            Part::Html => self.html.get_template(&name)?.render(values),
        }
    }

    /// The origin and line of an error.
    fn place(
        &self,
        error: &minijinja::Error,
        kind: MailKind,
        part: Part,
    ) -> (String, Option<usize>) {
        let innermost = innermost(error);
        let name = innermost
            .name()
            .map_or_else(|| part.template(kind), str::to_owned);
        let origin = self.origins.get(&name).cloned().unwrap_or(name);
        (origin, innermost.line())
    }
}

/// An environment that can only access the templates added to it.
fn environment(escape: AutoEscape) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(move |_| escape.clone());
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    // Errors then name the missing variable.
    environment.set_debug(true);
    // A line that contains only a tag leaves no empty line in the mail.
    if let Ok(syntax) = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
    {
        environment.set_syntax(syntax);
    }
    environment
}

fn texts<const N: usize>(texts: [(&str, &str); N]) -> Values {
    texts
        .map(|(name, text)| (name.to_owned(), text.into()))
        .into()
}

/// The values for the templates of a mail, besides the settings. Values that the kind of mail does
/// not have are undefined, so that using them is an error; only the recipient's name is empty
/// instead.
fn values_of(context: &MailContext) -> Values {
    let mut values = texts([("name", ""), ("email", &context.email)]);
    if let Some(code) = &context.code {
        values.insert("code".to_owned(), code.expose().into());
    }
    if let Some(link) = &context.link {
        values.insert("link".to_owned(), link.expose().into());
    }
    if let Some(minutes) = context.expiry_minutes {
        values.insert("expiry_minutes".to_owned(), minutes.into());
        values.insert("expires_in".to_owned(), in_words(minutes).into());
    }
    if let serde_json::Value::Object(fields) = context.mail.params() {
        let fields = fields.into_iter();
        values.extend(fields.map(|(name, value)| (name, Value::from(Serde(value)))));
    }
    values
}

/// A duration in the largest unit without a remainder: `90 minutes`, `2 hours`, `7 days`.
fn in_words(minutes: i64) -> String {
    let (count, unit) = match minutes {
        m if m > 0 && m % (24 * 60) == 0 => (m / (24 * 60), "day"),
        m if m > 0 && m % 60 == 0 => (m / 60, "hour"),
        m => (m, "minute"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// The error in an included or extended template that caused an error.
fn innermost(error: &minijinja::Error) -> &minijinja::Error {
    let mut innermost = error;
    while let Some(source) = std::error::Error::source(innermost)
        .and_then(|source| source.downcast_ref::<minijinja::Error>())
    {
        innermost = source;
    }
    innermost
}

fn explain(error: &minijinja::Error) -> String {
    let error = innermost(error);
    match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => "runs for too long".to_owned(),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    }
}

#[cfg(test)]
mod tests;
