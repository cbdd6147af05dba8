//! What mails look like with values as they usually are, for an operator to see.

use super::{RenderError, Rendered, Templates};
use crate::config::Config;
use crate::domain::code::Code;
use crate::domain::mail::{Carries, Happened, Link, MailContext, MailKind, MailParams};

/// Sixteen bytes that a sample code is made of.
const SAMPLE: [u8; 16] = *b"a sample, no key";

impl Templates {
    /// Renders a kind of mail with sample values. The code and the link in it are made up.
    pub fn preview(&self, kind: MailKind, config: &Config) -> Result<Rendered, RenderError> {
        self.render(kind, &sample(kind, config))
    }
}

fn sample(kind: MailKind, config: &Config) -> MailContext {
    let carries = kind.carries();
    let lifetime = match kind {
        MailKind::PasswordReset => config.passwords.reset_lifetime,
        MailKind::TeamInvitation => config.teams.invitation_lifetime,
        _ => config.codes.lifetime,
    };
    let path = match kind {
        MailKind::TeamInvitation => "accept-invitation",
        _ => "reset-password",
    };
    let code = || -> Code { config.codes.format().encode(SAMPLE) };
    let is_of_team = matches!(kind, MailKind::TeamInvitation | MailKind::TeamAdded);
    let is_two_things = matches!(kind, MailKind::EmailChanged | MailKind::PasswordChanged);
    let text = |is_had: bool, text: &str| is_had.then(|| text.to_owned());
    MailContext {
        code: (carries == Carries::Code).then(code),
        link: (carries == Carries::Link)
            .then(|| Link::new(format!("{}/{path}?token=sample", config.app.url))),
        email: "ada@example.com".to_owned(),
        expiry_minutes: (carries != Carries::Nothing).then(|| lifetime.num_minutes()),
        params: MailParams {
            name: text(true, "Ada Lovelace"),
            new_email: text(kind == MailKind::EmailChanged, "countess@example.com"),
            happened: is_two_things.then_some(Happened::Changed),
            team_name: text(is_of_team, "Analytical Engines"),
            inviter_name: text(is_of_team, "Charles Babbage"),
        },
    }
}
