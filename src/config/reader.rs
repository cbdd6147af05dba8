//! Reads settings one by one and remembers everything that is wrong, so that it is told at once.

use std::fmt;
use std::fs;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use secrecy::SecretString;
use serde::Serialize;

use super::settings::Setting;
use super::{Config, Loaded, Variables};
use crate::domain::email::EmailAddress;

/// One reason not to start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The variable, or the line of `.env`.
    pub name: String,
    /// What is there; never a secret.
    pub found: String,
    /// What would do.
    pub accepted: String,
}

impl Problem {
    pub(super) fn new(name: &str, found: impl Into<String>, accepted: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            found: found.into(),
            accepted: accepted.into(),
        }
    }
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

/// Every reason not to start; formatted as one line each. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Problems(pub Vec<Problem>);

/// What holds for one setting, for `gatelodge config check`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EffectiveSetting {
    /// The variable.
    pub name: &'static str,
    /// Its text; `(set)` for a secret that is set, `None` if there is no value at all.
    pub value: Option<String>,
    /// Whether it was set, rather than left to its default.
    pub set: bool,
}

/// Reads settings. A value that cannot be read is a problem, which stops the start in the end;
/// until then something valid stands in for it, so that the settings after it are read too.
pub(super) struct Reader<'v> {
    pub(super) variables: &'v Variables,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
    pub(super) notes: Vec<String>,
    secret_files: Vec<PathBuf>,
    effective: Vec<EffectiveSetting>,
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

    /// The end of reading.
    pub(super) fn finish(self, config: Config) -> Result<Loaded, Problems> {
        if !self.problems.is_empty() {
            return Err(Problems(self.problems));
        }
        Ok(Loaded {
            config,
            warnings: self.warnings,
            notes: self.notes,
            secret_files: self.secret_files,
            effective: self.effective,
        })
    }

    /// Whether the setting has a value of its own, readable or not.
    pub(super) fn is_set(&self, setting: Setting) -> bool {
        let twin = setting.file_twin();
        self.variable(setting.name).is_some() || twin.is_some_and(|t| self.variable(&t).is_some())
    }

    /// Makes it a problem if the setting is not set.
    pub(super) fn require(&mut self, setting: Setting, accepted: &str) {
        if !self.is_set(setting) {
            self.refuse(setting, "nothing", accepted);
        }
    }

    pub(super) fn refuse(
        &mut self,
        setting: Setting,
        found: impl Into<String>,
        accepted: impl Into<String>,
    ) {
        self.problems
            .push(Problem::new(setting.name, found, accepted));
    }

    /// Reads with `parse`; its `None` is a problem. Gives `None` if there is no value, or a
    /// problem with it.
    pub(super) fn read<T>(
        &mut self,
        setting: Setting,
        accepted: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(setting)?;
        let value = parse(&text);
        if value.is_none() {
            let found = if setting.secret {
                format!("{} bytes that are not shown", text.len())
            } else {
                format!("{text:?}")
            };
            self.refuse(setting, found, accepted);
        }
        value
    }

    /// Text of one line.
    pub(super) fn line(&mut self, setting: Setting) -> Option<String> {
        self.read(setting, "one line of text", |text| {
            let text = text.trim();
            (!text.contains(char::is_control)).then(|| text.to_owned())
        })
    }

    pub(super) fn secret(
        &mut self,
        setting: Setting,
        accepted: &str,
        is_valid: impl FnOnce(&str) -> bool,
    ) -> Option<SecretString> {
        self.read(setting, accepted, |text| {
            is_valid(text).then(|| SecretString::from(text))
        })
    }

    pub(super) fn email(&mut self, setting: Setting) -> Option<EmailAddress> {
        self.read(setting, "an e-mail address", |text| {
            EmailAddress::parse(text).ok()
        })
    }

    pub(super) fn flag(&mut self, setting: Setting) -> bool {
        let parse = |text: &str| match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        };
        self.read(setting, "true or false", parse)
            .unwrap_or_default()
    }

    pub(super) fn integer<T>(&mut self, setting: Setting, range: RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + fmt::Display + Copy,
    {
        let accepted = format!("a whole number from {} to {}", range.start(), range.end());
        let parse = |text: &str| text.trim().parse().ok().filter(|n| range.contains(n));
        self.read(setting, &accepted, parse)
            .unwrap_or(*range.start())
    }

    /// One of several names, in any case.
    pub(super) fn choice<T: Copy, const N: usize>(
        &mut self,
        setting: Setting,
        choices: [(&str, T); N],
    ) -> T {
        let accepted = choices.map(|(name, _)| name).join(" or ");
        let parse = |text: &str| {
            let found = choices
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(text.trim()));
            found.map(|(_, value)| *value)
        };
        self.read(setting, &accepted, parse).unwrap_or(choices[0].1)
    }

    /// The text that holds for a setting, as it is: its own, or the default.
    pub(super) fn text(&mut self, setting: Setting) -> Option<String> {
        let own = self.own_value(setting);
        let set = own.is_some();
        let value = own.or_else(|| setting.default.map(ToOwned::to_owned));
        self.effective.push(EffectiveSetting {
            name: setting.name,
            value: if set && setting.secret {
                Some("(set)".to_owned())
            } else {
                value.clone()
            },
            set,
        });
        value
    }

    fn own_value(&mut self, setting: Setting) -> Option<String> {
        let value = self.variable(setting.name).map(ToOwned::to_owned);
        let Some(twin) = setting.file_twin() else {
            return value;
        };
        let Some(path) = self.variable(&twin) else {
            return value;
        };
        self.secret_files.push(PathBuf::from(path));
        let found = match fs::read_to_string(path) {
            _ if value.is_some() => format!("{} as well", setting.name),
            Ok(text) if text.trim().is_empty() => format!("nothing in {path:?}"),
            Ok(text) => return Some(text.trim_end_matches(['\r', '\n']).to_owned()),
            Err(error) => format!("{path:?}, which cannot be read ({error})"),
        };
        let accepted = "one of the two, or a readable file that holds the secret";
        self.problems.push(Problem::new(&twin, found, accepted));
        None
    }

    /// A variable; an empty one counts as not set.
    fn variable(&self, name: &str) -> Option<&'v str> {
        let text = self.variables.get(name)?;
        (!text.trim().is_empty()).then_some(text)
    }
}
