//! Finds the paths in a source file. It scans tokens, not syntax, so that it also finds paths in
//! macros.

use proc_macro2::{Delimiter, LexError, TokenStream, TokenTree};

/// The name of the library crate in the binary.
const LIBRARY: &str = env!("CARGO_PKG_NAME");

/// A path found in a source file.
pub(super) struct NamedPath {
    /// The path of the module that contains it.
    location: Vec<String>,
    segments: Vec<String>,
    pub(super) line: usize,
}

/// What a path refers to.
pub(super) enum Target<'a> {
    /// A top-level module; `*` for all of them.
    Module(&'a str),
    /// Another name, possibly an external crate.
    Crate(&'a str),
}

impl NamedPath {
    /// What the path refers to; `is_module` returns whether a name is a top-level module.
    pub(super) fn target(&self, is_module: fn(&str) -> bool) -> Option<Target<'_>> {
        let (first, rest) = self.segments.split_first()?;
        match first.as_str() {
            "crate" | LIBRARY => rest.first().map(|name| Target::Module(name)),
            "self" | "super" => {
                let is_relative = |name: &&String| matches!(name.as_str(), "self" | "super");
                let relative: Vec<_> = self.segments.iter().take_while(is_relative).collect();
                let up = relative.iter().filter(|name| **name == "super").count();
                let kept = &self.location[..self.location.len().saturating_sub(up)];
                let mut path = kept.iter().chain(&self.segments[relative.len()..]);
                path.next().map(|name| Target::Module(name))
            }
            name if self.location.is_empty() && is_module(name) => Some(Target::Module(name)),
            name => Some(Target::Crate(name)),
        }
    }
}

/// Every path in the source of the module `location`, including macro calls and attributes, but not
/// comments and strings.
pub(super) fn find(source: &str, location: &[String]) -> Result<Vec<NamedPath>, LexError> {
    let mut paths = Vec::new();
    scan(source.parse()?, location, &mut paths);
    Ok(paths)
}

fn scan(tokens: TokenStream, location: &[String], paths: &mut Vec<NamedPath>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let next = tokens.get(at + 1);
        at = match token {
            TokenTree::Ident(word) if word == "mod" => match (next, tokens.get(at + 2)) {
                (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) => {
                    scan(
                        body.stream(),
                        &[location, &[name.to_string()]].concat(),
                        paths,
                    );
                    at + 3
                }
                _ => at + 2,
            },
            TokenTree::Ident(word) if word == "use" => {
                read_path(&tokens, at + 1, location, &[], 1, paths)
            }
            TokenTree::Ident(word) if word == "extern" && is_word(next, "crate") => {
                read_path(&tokens, at + 2, location, &[], 1, paths)
            }
            // A single name is a variable, a field or a method.
            TokenTree::Ident(_) => read_path(&tokens, at, location, &[], 2, paths),
            TokenTree::Group(group) => {
                scan(group.stream(), location, paths);
                at + 1
            }
            // `::name` is an external crate, like any first segment that is not a module.
            _ if is_path_separator(&tokens, at) => {
                read_path(&tokens, at + 2, location, &[], 2, paths)
            }
            _ => at + 1,
        };
    }
}

/// Reads the path or `use` tree at `at`. Adds its paths, after `prefix`, to `paths` if they have at
/// least `min` segments. Returns the index of the next token.
fn read_path(
    tokens: &[TokenTree],
    mut at: usize,
    location: &[String],
    prefix: &[String],
    min: usize,
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
                    read_path(branch, 0, location, &segments, min, paths);
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
    if segments.len() >= min {
        paths.push(NamedPath {
            location: location.to_vec(),
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
