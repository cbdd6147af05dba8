//! Finds the paths in a source file. Tokens suffice for that: no grammar has to be known, and what
//! stands in macros is found like anything else.

use proc_macro2::{Delimiter, LexError, TokenStream, TokenTree};

/// What the binary calls the library.
const LIBRARY: &str = env!("CARGO_PKG_NAME");

/// A path found in a source file.
pub(super) struct NamedPath {
    /// The module it stands in, from the crate's root.
    here: Vec<String>,
    segments: Vec<String>,
    pub(super) line: usize,
}

/// What the first segments of a path lead to.
pub(super) enum Target<'a> {
    /// A module at the top of this crate; `*` for all of them.
    Module(&'a str),
    /// A name that is not ours, so perhaps an external crate's.
    Crate(&'a str),
}

impl NamedPath {
    /// Where the path leads; `is_module` tells the modules at the top of this crate.
    pub(super) fn target(&self, is_module: fn(&str) -> bool) -> Option<Target<'_>> {
        let (first, rest) = self.segments.split_first()?;
        match first.as_str() {
            "crate" | LIBRARY => rest.first().map(|name| Target::Module(name)),
            "self" | "super" => {
                let climbs = |name: &&String| matches!(name.as_str(), "self" | "super");
                let climb: Vec<_> = self.segments.iter().take_while(climbs).collect();
                let up = climb.iter().filter(|name| **name == "super").count();
                let kept = &self.here[..self.here.len().saturating_sub(up)];
                let mut path = kept.iter().chain(&self.segments[climb.len()..]);
                path.next().map(|name| Target::Module(name))
            }
            name if self.here.is_empty() && is_module(name) => Some(Target::Module(name)),
            name => Some(Target::Crate(name)),
        }
    }
}

/// Every path in `source`, the text of module `here`; also those inside macro calls and
/// attributes, which are tokens like any other. Comments and strings are not.
pub(super) fn find(source: &str, here: &[String]) -> Result<Vec<NamedPath>, LexError> {
    let mut paths = Vec::new();
    scan(source.parse()?, here, &mut paths);
    Ok(paths)
}

fn scan(tokens: TokenStream, here: &[String], paths: &mut Vec<NamedPath>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let next = tokens.get(at + 1);
        at = match token {
            TokenTree::Ident(word) if word == "mod" => match (next, tokens.get(at + 2)) {
                (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) => {
                    scan(body.stream(), &[here, &[name.to_string()]].concat(), paths);
                    at + 3
                }
                _ => at + 2,
            },
            TokenTree::Ident(word) if word == "use" => {
                read_path(&tokens, at + 1, here, &[], 1, paths)
            }
            TokenTree::Ident(word) if word == "extern" && is_word(next, "crate") => {
                read_path(&tokens, at + 2, here, &[], 1, paths)
            }
            // A name alone is a variable, a field or a method; a path has two segments or more.
            TokenTree::Ident(_) => read_path(&tokens, at, here, &[], 2, paths),
            TokenTree::Group(group) => {
                scan(group.stream(), here, paths);
                at + 1
            }
            // `::name` starts at the external crates, and so does any first segment not ours.
            _ if is_path_separator(&tokens, at) => read_path(&tokens, at + 2, here, &[], 2, paths),
            _ => at + 1,
        };
    }
}

/// Reads the path (or the tree of a `use`) at `at`, behind `prefix`, into `paths` if it has
/// `least` segments, and answers where the next token is.
fn read_path(
    tokens: &[TokenTree],
    mut at: usize,
    here: &[String],
    prefix: &[String],
    least: usize,
    paths: &mut Vec<NamedPath>,
) -> usize {
    let mut segments = prefix.to_vec();
    let line = tokens.get(at).map_or(0, |token| token.span().start().line);
    loop {
        if segments.is_empty() && is_path_separator(tokens, at) {
            at += 2;
        }
        match tokens.get(at) {
            Some(TokenTree::Ident(name)) => segments.push(name.to_string()),
            Some(TokenTree::Punct(star)) if star.as_char() == '*' => segments.push("*".to_owned()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let branches: Vec<_> = group.stream().into_iter().collect();
                let is_comma = |token: &TokenTree| token.to_string() == ",";
                for branch in branches.split(is_comma) {
                    read_path(branch, 0, here, &segments, least, paths);
                }
                return at + 1;
            }
            _ => break,
        }
        at += 1;
        if !is_path_separator(tokens, at) {
            break;
        }
        at += 2;
    }
    if segments.len() >= least {
        paths.push(NamedPath {
            here: here.to_vec(),
            segments,
            line,
        });
    }
    at
}

fn is_word(token: Option<&TokenTree>, word: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == word)
}

fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |at: usize| match tokens.get(at) {
        Some(TokenTree::Punct(punct)) => punct.as_char() == ':',
        _ => false,
    };
    colon(at) && colon(at + 1)
}
