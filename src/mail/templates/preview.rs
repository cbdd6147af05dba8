//! Previews of mails with usual values, for an operator.

use super::{RenderError, Rendered, Templates};
use crate::config::Config;
use crate::domain::mail::{Link, Mail, MailContext, MailKind, SecretKind};

/// The bytes that a sample code is made of.
const SAMPLE: [u8; 16] = *b"a sample, no key";

impl Templates {
    /// Renders a kind of mail with sample values. The code and the link in it are made up.
    pub fn preview(&self, kind: MailKind, config: &Config) -> Result<Rendered, RenderError> {
        let (path, lifetime) = match kind.secret() {
            Some(SecretKind::InvitationLink) => {
                ("accept-invitation", config.teams.invitation_lifetime)
            }
            Some(SecretKind::ResetLink) => ("reset-password", config.passwords.reset_lifetime),
            Some(SecretKind::Code) | None => ("", config.codes.lifetime),
        };
        let code = config.codes.format().encode(SAMPLE);
        let link = Link::new(format!("{}/{path}?token=sample", config.app.url));
        let mail = Mail::sample(kind);
        self.render(&MailContext::sample(
            mail,
            code,
            link,
            lifetime.num_minutes(),
        ))
    }
}
