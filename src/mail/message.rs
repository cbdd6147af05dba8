//! A mail in the form that SMTP carries (RFC 5322, MIME).

use std::time::SystemTime;

use lettre::address::AddressError;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};

use super::one_line;
use crate::domain::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::mail::RenderedMail;

/// Headers of every mail. RFC 3834: no machine is to answer this.
pub(super) const AUTOMATIC: [(&str, &str); 2] = [
    ("Auto-Submitted", "auto-generated"),
    ("X-Auto-Response-Suppress", "All"),
];

/// The same for every try to send the mail of one outbox row, by whichever provider.
pub(super) fn message_id(mail: &RenderedMail, from: &str) -> String {
    let domain = from.rsplit_once('@').map_or(from, |(_, domain)| domain);
    format!("<{}@{domain}>", mail.id)
}

/// Says who a mail is from, and writes it down.
#[derive(Debug)]
pub(super) struct Composer {
    from: Mailbox,
}

impl Composer {
    pub(super) fn new(address: &EmailAddress, name: &str) -> Result<Self, AddressError> {
        // The library panics on a line break in a name.
        let name = Some(one_line(name)).filter(|name| !name.is_empty());
        Ok(Self {
            from: Mailbox::new(name, address.as_str().parse()?),
        })
    }

    /// The address that bounces go to.
    pub(super) fn sender(&self) -> &Address {
        &self.from.email
    }

    /// Writes a mail down. Text and HTML are alternatives; no header value can end its line. Two mails of one outbox row have the same `Message-ID`.
    pub(super) fn compose(
        &self,
        mail: &RenderedMail,
        to: Address,
        now: Timestamp,
    ) -> Result<Vec<u8>, lettre::error::Error> {
        let message_id = message_id(mail, self.from.email.as_ref());
        let headers = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(one_line(&mail.subject))
            .date(SystemTime::from(now))
            .message_id(Some(message_id));
        let headers = AUTOMATIC.iter().fold(headers, |headers, (name, value)| {
            headers.raw_header(header(name, value))
        });
        let message = headers.multipart(MultiPart::alternative_plain_html(
            mail.text.clone(),
            mail.html.clone(),
        ))?;
        Ok(message.formatted())
    }
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::clock::Clock;
    use crate::domain::mail::MailKind;

    proptest! {
        /// Whatever names and subjects hold, the mail is written down and has its own headers
        /// only.
        #[test]
        fn no_value_breaks_out_of_its_header(
            name in "(\\PC|[\r\n\t\u{0}-\u{1f}\"\\\\]|\r\nBcc: a@b.c){0,40}",
            subject in "(\\PC|[\r\n\t\u{0}-\u{1f}=?]|\r\nBcc: a@b.c){0,80}",
        ) {
            let address = EmailAddress::parse("from@example.com").unwrap();
            let mail = RenderedMail {
                id: uuid::Uuid::nil().into(),
                kind: MailKind::LoginCode,
                to: EmailAddress::parse("to@example.com").unwrap(),
                subject,
                text: "text".to_owned(),
                html: "html".to_owned(),
                code: None,
                link: None,
            };
            let composer = Composer::new(&address, &name).unwrap();
            let to = mail.to.as_str().parse().unwrap();
            let bytes = composer.compose(&mail, to, Clock::default().now()).unwrap();
            let text = String::from_utf8(bytes).unwrap();
            let (headers, _) = text.split_once("\r\n\r\n").unwrap();
            let mut names: Vec<&str> = headers
                .split("\r\n")
                .filter(|line| !line.starts_with([' ', '\t']))
                .map(|line| line.split(':').next().unwrap_or_default())
                .collect();
            names.sort_unstable();
            prop_assert_eq!(names, [
                "Auto-Submitted", "Content-Type", "Date", "From", "MIME-Version", "Message-ID",
                "Subject", "To", "X-Auto-Response-Suppress",
            ]);
        }
    }
}
