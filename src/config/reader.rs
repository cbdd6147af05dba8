//! Reads settings one by one and collects every problem, so that all are reported at once.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use serde::Serialize;

use super::Variables;
use super::parser::Parser;

/// Why a setting cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The variable, or the line of `.env`.
    pub name: String,
    /// The value; never a secret.
    pub found: String,
    /// The values that are accepted.
    pub accepted: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            found,
            accepted,
        } = self;
        write!(f, "{name}: found {found}; accepted: {accepted}")
    }
}

/// All problems, one per line when formatted. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Problems(pub Vec<Problem>);

/// The value of a setting, for `gatelodge config check`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EffectiveSetting {
    pub name: &'static str,
    /// `(set)` for a secret that is set, `None` if there is no value.
    pub value: Option<String>,
    /// Whether it was set, rather than left to its default.
    pub set: bool,
}

/// The default of a setting; empty if it has none.
pub(super) enum DefaultValue {
    Text(&'static str),
    PerEnvironment {
        development: &'static str,
        production: &'static str,
    },
    /// Depends on settings that are read before.
    Derived {
        description: &'static str,
        derive: fn(&Reader) -> String,
    },
}

impl From<&'static str> for DefaultValue {
    fn from(text: &'static str) -> Self {
        Self::Text(text)
    }
}

/// Reads settings. A refused value is recorded as a problem and replaced, so that the settings that
/// depend on it are checked too.
pub(super) struct Reader<'v> {
    pub(super) variables: &'v Variables,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) secret_files: Vec<PathBuf>,
    pub(super) effective: Vec<EffectiveSetting>,
}

impl<'v> Reader<'v> {
    pub(super) fn new(variables: &'v Variables, problems: Vec<Problem>) -> Self {
        Self {
            variables,
            problems,
            warnings: Vec::new(),
            notes: Vec::new(),
            secret_files: Vec::new(),
            effective: Vec::new(),
        }
    }

    pub(super) fn read<T>(
        &mut self,
        name: &'static str,
        default: impl Into<DefaultValue>,
        parser: Parser<T>,
    ) -> T {
        let own = self.own_value(name, parser.is_secret);
        let set = own.is_some();
        let text = own.unwrap_or_else(|| self.default_text(&default.into()));
        let value = (parser.parse)(&text);
        if value.is_none() {
            let found = match &*text {
                "" => "nothing".to_owned(),
                _ if parser.is_secret => format!("{} bytes that are not shown", text.len()),
                text => format!("{text:?}"),
            };
            self.refuse(name, found, parser.accepted);
        }
        let shown = if set && parser.is_secret {
            "(set)".to_owned()
        } else {
            text
        };
        self.effective.push(EffectiveSetting {
            name,
            value: (value.is_some() && !shown.is_empty()).then_some(shown),
            set,
        });
        value.unwrap_or(parser.fallback)
    }

    fn default_text(&self, default: &DefaultValue) -> String {
        match default {
            DefaultValue::Text(text) => (*text).to_owned(),
            DefaultValue::PerEnvironment { production, .. } if self.is_production() => {
                (*production).to_owned()
            }
            DefaultValue::PerEnvironment { development, .. } => (*development).to_owned(),
            DefaultValue::Derived { derive, .. } => derive(self),
        }
    }

    /// The text of a setting that was read before and accepted.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let setting = self.effective.iter().find(|setting| setting.name == name)?;
        setting.value.as_deref()
    }

    pub(super) fn is_production(&self) -> bool {
        let environment = self.value("APP_ENV").unwrap_or_default();
        environment.trim().eq_ignore_ascii_case("production")
    }

    /// Whether the setting has a value of its own, valid or not.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.variable(name).is_some() || self.variable(&file_variable(name)).is_some()
    }

    /// Makes it a problem if the setting is not set.
    pub(super) fn require(&mut self, name: &str, accepted: impl Into<String>) {
        if !self.is_set(name) {
            self.refuse(name, "nothing", accepted);
        }
    }

    /// Records a problem, unless the setting has one already.
    pub(super) fn refuse(
        &mut self,
        name: &str,
        found: impl Into<String>,
        accepted: impl Into<String>,
    ) {
        if self.problems.iter().all(|problem| problem.name != name) {
            self.problems.push(Problem {
                name: name.to_owned(),
                found: found.into(),
                accepted: accepted.into(),
            });
        }
    }

    fn own_value(&mut self, name: &str, is_secret: bool) -> Option<String> {
        let value = self.variable(name).map(ToOwned::to_owned);
        let file_variable = file_variable(name);
        let Some(path) = self.variable(&file_variable).filter(|_| is_secret) else {
            return value;
        };
        self.secret_files.push(PathBuf::from(path));
        let found = match fs::read_to_string(path) {
            _ if value.is_some() => format!("{name} as well"),
            Ok(text) if text.trim().is_empty() => format!("nothing in {path:?}"),
            Ok(text) => return Some(text.trim_end_matches(['\r', '\n']).to_owned()),
            Err(error) => format!("{path:?}, which cannot be read ({error})"),
        };
        let accepted = "a readable file that contains the secret, or the secret itself in the \
                        other variable";
        self.refuse(&file_variable, found, accepted);
        None
    }

    /// A variable; an empty one counts as not set.
    fn variable(&self, name: &str) -> Option<&'v str> {
        let text = self.variables.get(name)?;
        (!text.trim().is_empty()).then_some(text)
    }
}

/// The variable that names a file to read a secret from.
pub(super) fn file_variable(name: &str) -> String {
    format!("{name}_FILE")
}
