//! How the text of a setting becomes a value.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use secrecy::SecretString;
use strum::VariantNames;

use crate::domain::email::EmailAddress;

/// The sender if nothing else is known, which is only allowed for mails that are not really sent.
pub(super) const MOCK_SENDER: &str = "no-reply@gatelodge.example";

type Parse<T> = Box<dyn Fn(&str) -> Option<T>>;

/// Reads settings of one type. Empty text stands for a setting without a value.
pub(super) struct Parser<T> {
    pub(super) accepted: String,
    /// Whether the value is never shown, and can also be read from the file that `NAME_FILE` names.
    pub(super) is_secret: bool,
    pub(super) parse: Parse<T>,
    /// Stands in for a refused value while the remaining settings are checked.
    pub(super) fallback: T,
}

impl<T: 'static> Parser<T> {
    pub(super) fn new(
        accepted: impl Into<String>,
        fallback: T,
        parse: impl Fn(&str) -> Option<T> + 'static,
    ) -> Self {
        Self {
            accepted: accepted.into(),
            is_secret: false,
            parse: Box::new(parse),
            fallback,
        }
    }

    pub(super) fn map<U: 'static>(self, convert: impl Fn(T) -> U + 'static) -> Parser<U> {
        Parser {
            accepted: self.accepted,
            is_secret: self.is_secret,
            fallback: convert(self.fallback),
            parse: Box::new(move |text| (self.parse)(text).map(&convert)),
        }
    }

    pub(super) fn optional(self) -> Parser<Option<T>> {
        Parser {
            accepted: self.accepted,
            is_secret: self.is_secret,
            fallback: None,
            parse: Box::new(move |text| match text {
                "" => Some(None),
                text => (self.parse)(text).map(Some),
            }),
        }
    }
}

pub(super) fn integer<T>(range: RangeInclusive<T>) -> Parser<T>
where
    T: FromStr + PartialOrd + Display + Copy + 'static,
{
    let accepted = format!("a whole number from {} to {}", range.start(), range.end());
    Parser::new(accepted, *range.start(), move |text| {
        text.trim().parse().ok().filter(|n| range.contains(n))
    })
}

pub(super) fn flag() -> Parser<bool> {
    Parser::new("true or false", false, parse_flag)
}

pub(super) fn parse_flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// One of the names of an enum's variants, in any case.
pub(super) fn one_of<T: FromStr + VariantNames + Default + 'static>() -> Parser<T> {
    Parser::new(T::VARIANTS.join(" or "), T::default(), |text| {
        text.trim().parse().ok()
    })
}

pub(super) fn line() -> Parser<String> {
    Parser::new("one line of text", String::new(), |text| {
        let text = text.trim();
        (!text.contains(char::is_control)).then(|| text.to_owned())
    })
}

pub(super) fn text() -> Parser<String> {
    Parser::new("text", String::new(), |text| Some(text.to_owned()))
}

pub(super) fn path() -> Parser<PathBuf> {
    let path = line().map(PathBuf::from);
    Parser {
        accepted: "a path".to_owned(),
        ..path
    }
}

pub(super) fn email() -> Parser<EmailAddress> {
    let fallback = EmailAddress::from_canonical(MOCK_SENDER.to_owned());
    Parser::new("an email address", fallback, |text| {
        EmailAddress::parse(text).ok()
    })
}

pub(super) fn ip_address() -> Parser<IpAddr> {
    Parser::new("an IP address", Ipv4Addr::LOCALHOST.into(), |text| {
        text.trim().parse().ok()
    })
}

pub(super) fn secret(accepted: &str, is_valid: fn(&str) -> bool) -> Parser<SecretString> {
    let parse = move |text: &str| is_valid(text).then(|| SecretString::from(text));
    Parser {
        is_secret: true,
        ..Parser::new(accepted, SecretString::default(), parse)
    }
}

pub(super) fn list<T: 'static>(accepted: &str, item: fn(&str) -> Option<T>) -> Parser<Vec<T>> {
    let accepted = format!("a comma-separated list of {accepted}");
    Parser::new(accepted, Vec::new(), move |text| {
        let items = text.split(',').map(str::trim);
        items.filter(|text| !text.is_empty()).map(item).collect()
    })
}
