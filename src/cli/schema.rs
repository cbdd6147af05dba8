//! `gatelodge schema`

use super::print;
use crate::graphql;

#[derive(clap::Args)]
pub(super) struct Options {
    /// Print a page of documentation instead
    #[arg(long)]
    markdown: bool,
}

pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let text = if options.markdown {
        graphql::reference_markdown()?
    } else {
        graphql::sdl()
    };
    Ok(print(text.trim_end())?)
}
