//! Sends nothing: prints the mail and keeps it for the mailbox page.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::domain::clock::Clock;
use crate::domain::mail::RenderedMail;
use crate::domain::mailbox::Mailbox;

pub(super) const NAME: &str = "mock";

/// Prints mails on standard output and delivers them to a mailbox in memory.
#[derive(Debug)]
pub(super) struct MockProvider {
    mailbox: Mailbox,
    clock: Clock,
}

impl MockProvider {
    pub(super) fn new(mailbox: Mailbox, clock: Clock) -> Self {
        Self { mailbox, clock }
    }

    pub(super) fn send(&self, mail: &RenderedMail) {
        self.mailbox.deliver(self.clock.now(), mail.clone());
        // One write, so that mails sent at once do not mix. That nobody reads standard output is
        // no reason to fail.
        let _ = std::io::stdout().lock().write_all(block(mail).as_bytes());
    }
}

fn block(mail: &RenderedMail) -> String {
    let mut out = String::from("\n┌── mail, not sent: EMAIL_SERVICE is mock ──\n");
    let _ = writeln!(out, "│ To:      {}", mail.to.as_str());
    let _ = writeln!(out, "│ Subject: {}", mail.subject);
    if let Some(code) = &mail.code {
        let _ = writeln!(out, "│ Code:    {}", code.expose());
    }
    if let Some(link) = &mail.link {
        let _ = writeln!(out, "│ Link:    {}", link.expose());
    }
    out.push_str("│\n");
    for line in mail.text.trim_end().lines() {
        // What a person typed must not steer the terminal.
        let line: String = line.chars().filter(|c| !c.is_control()).collect();
        let _ = writeln!(out, "│ {line}");
    }
    out.push_str("└──\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::code::{CodeFormat, CodeType};
    use crate::domain::email::EmailAddress;
    use crate::domain::mail::{Link, MailKind};

    #[test]
    fn a_mail_is_shown_and_kept() {
        let format = CodeFormat {
            length: 6,
            code_type: CodeType::Numeric,
        };
        let mail = RenderedMail {
            id: uuid::Uuid::nil().into(),
            kind: MailKind::LoginCode,
            to: EmailAddress::parse("ada@example.com").unwrap(),
            subject: "Your code".to_owned(),
            text: "Hello \u{1b}[2JAda,\n\nyour code: 483920\n".to_owned(),
            html: String::new(),
            code: format.parse("483920"),
            link: Some(Link::new("https://example.com/x?token=y".to_owned())),
        };
        let mailbox = Mailbox::default();
        MockProvider::new(mailbox.clone(), Clock::default()).send(&mail);
        assert_eq!(mailbox.find(mail.id).unwrap().mail.text, mail.text);
        assert_eq!(
            block(&mail),
            "\n┌── mail, not sent: EMAIL_SERVICE is mock ──\n\
             │ To:      ada@example.com\n\
             │ Subject: Your code\n\
             │ Code:    483920\n\
             │ Link:    https://example.com/x?token=y\n\
             │\n\
             │ Hello [2JAda,\n\
             │ \n\
             │ your code: 483920\n\
             └──\n"
        );
    }
}
