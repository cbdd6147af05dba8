//! `gatelodge mail preview`

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::cli::print;
use crate::config::Config;
use crate::domain::mail::MailKind;
use crate::mail::templates::Templates;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The kind of mail
    #[arg(value_parser = kinds())]
    kind: MailKind,
    /// Print the HTML only
    #[arg(long, conflicts_with = "text")]
    html: bool,
    /// Print the plain text only
    #[arg(long)]
    text: bool,
}

fn kinds() -> impl TypedValueParser<Value = MailKind> {
    PossibleValuesParser::new(MailKind::all().map(MailKind::name)).try_map(|name| name.parse())
}

/// Renders the mail with the installation's own templates.
pub(super) fn run(config: &Config, options: &Options) -> anyhow::Result<()> {
    let templates = Templates::load(&config.app, &config.templates)?;
    let mail = templates.preview(options.kind, config)?;
    let text = match (options.html, options.text) {
        (true, _) => mail.html,
        (false, true) => mail.text,
        (false, false) => format!("Subject: {}\n\n{}", mail.subject, mail.text),
    };
    Ok(print(text.trim_end())?)
}
