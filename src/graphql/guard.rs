//! Refuses documents that ask for too much.
//!
//! Before a document is parsed, its bytes, tokens and nesting are bounded. Everything else is
//! counted on the parsed document, where each fragment is measured once: async-graphql follows
//! every spread of every fragment, so without this 600 bytes of fragments that spread each other
//! would cost seconds.

use std::collections::{BTreeSet, HashMap};

use async_graphql::parser::types::{Directive, ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Name, Positioned, ServerError};

use super::error::{over_limit, too_complex};
use crate::config::{DocumentLimits, GraphqlConfig};

fn at_most(max: usize, count: usize, what: &str, setting: &str) -> Result<(), ServerError> {
    if count > max {
        let message = format!("The document has more than {max} {what}.");
        return Err(over_limit(message, setting));
    }
    Ok(())
}

/// Bounds what the parser is given: bytes, tokens and brackets open at once.
///
/// Every byte is read once. The scan need not agree with the parser on what a token is (a number
/// may count as several), only on where strings and comments end.
pub(super) fn check_text(text: &str, limits: &DocumentLimits) -> Result<(), ServerError> {
    at_most(limits.max_bytes, text.len(), "bytes", "GRAPHQL_MAX_BYTES")?;
    let (mut tokens, mut nesting) = (0, 0_usize);
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => continue,
            b'#' => {
                rest = skip_while(rest, |byte| byte != b'\n' && byte != b'\r');
                continue;
            }
            b'"' => rest = skip_string(rest)?,
            b'{' | b'(' | b'[' => {
                nesting += 1;
                let max = limits.max_nesting;
                if nesting > max {
                    let message = format!("The document is nested more than {max} levels deep.");
                    return Err(over_limit(message, "GRAPHQL_MAX_NESTING"));
                }
            }
            b'}' | b')' | b']' => nesting = nesting.saturating_sub(1),
            b'.' => rest = rest.strip_prefix(b"..").unwrap_or(rest),
            // The parser reads a zero and digits behind it as numbers of their own.
            b'_' | b'a'..=b'z' | b'A'..=b'Z' | b'1'..=b'9' => {
                rest = skip_while(rest, |byte| byte == b'_' || byte.is_ascii_alphanumeric());
            }
            _ => {}
        }
        tokens += 1;
        at_most(limits.max_tokens, tokens, "tokens", "GRAPHQL_MAX_TOKENS")?;
    }
    Ok(())
}

fn skip_while(text: &[u8], skip: impl Fn(u8) -> bool) -> &[u8] {
    let end = text.iter().position(|byte| !skip(*byte));
    &text[end.unwrap_or(text.len())..]
}

/// What follows a string or block string whose first quote has been read.
fn skip_string(text: &[u8]) -> Result<&[u8], ServerError> {
    if let Some(mut rest) = text.strip_prefix(b"\"\"") {
        loop {
            rest = match rest {
                [b'"', b'"', b'"', after @ ..] => return Ok(after),
                [b'\\', b'"', b'"', b'"', after @ ..] | [_, after @ ..] => after,
                // The parser would read an empty string, and then what follows as tokens.
                [] => {
                    let message = "The document has a block string that is not closed.";
                    return Err(too_complex(message));
                }
            };
        }
    }
    let mut rest = text;
    loop {
        rest = match rest {
            // The parser stops at the end of the line.
            [b'"' | b'\n' | b'\r', after @ ..] => return Ok(after),
            [b'\\', _, after @ ..] | [_, after @ ..] => after,
            [] => return Ok(rest),
        };
    }
}

/// Counts what a parsed document asks for. Returns the names of the root fields of each operation.
pub(super) fn measure<'d>(
    document: &'d ExecutableDocument,
    limits: &'d GraphqlConfig,
) -> Result<Vec<BTreeSet<&'d str>>, ServerError> {
    let mut measuring = Measuring {
        document,
        limits,
        aliases: 0,
        directives: 0,
        spreads: 0,
        selections: 0,
        fragments: HashMap::new(),
    };
    let mut root_fields = Vec::new();
    for (_, operation) in document.operations.iter() {
        let operation = &operation.node;
        measuring.directives(&operation.directives)?;
        for variable in &operation.variable_definitions {
            measuring.directives(&variable.node.directives)?;
        }
        let size = measuring.selection_set(&operation.selection_set.node, 1)?;
        at_most(
            limits.document.max_root_fields,
            size.root_fields,
            "root fields",
            "GRAPHQL_MAX_ROOT_FIELDS",
        )?;
        // All operations are validated, so they count together.
        measuring.selections += size.selections;
        measuring.expanded(measuring.selections)?;
        root_fields.push(size.root_names);
    }
    for name in document.fragments.keys() {
        measuring.fragment(name, 1)?;
    }
    Ok(root_fields)
}

/// The size of a selection set when every fragment is put in its place.
#[derive(Clone, Default)]
struct Size<'d> {
    /// Fields, inline fragments and spreads, at any depth.
    selections: usize,
    /// Fields of the set itself.
    root_fields: usize,
    root_names: BTreeSet<&'d str>,
    /// Fields within fields.
    depth: usize,
    /// Selection sets within selection sets.
    levels: usize,
}

struct Measuring<'d> {
    document: &'d ExecutableDocument,
    limits: &'d GraphqlConfig,
    aliases: usize,
    directives: usize,
    spreads: usize,
    selections: usize,
    /// The sizes of fragments; `None` while a fragment is being measured.
    fragments: HashMap<&'d Name, Option<Size<'d>>>,
}

impl<'d> Measuring<'d> {
    fn selection_set(
        &mut self,
        set: &'d SelectionSet,
        level: usize,
    ) -> Result<Size<'d>, ServerError> {
        let mut size = Size::default();
        for selection in &set.items {
            let inner = match &selection.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    self.aliases += usize::from(field.alias.is_some());
                    let max = self.limits.document.max_aliases;
                    at_most(max, self.aliases, "aliases", "GRAPHQL_MAX_ALIASES")?;
                    self.directives(&field.directives)?;
                    let inner = self.selection_set(&field.selection_set.node, level + 1)?;
                    let name = field.name.node.as_str();
                    Size {
                        root_fields: 1,
                        root_names: [name].into(),
                        depth: inner.depth + usize::from(name != "__typename"),
                        ..inner
                    }
                }
                Selection::InlineFragment(inline) => {
                    self.spread(&inline.node.directives)?;
                    self.selection_set(&inline.node.selection_set.node, level + 1)?
                }
                Selection::FragmentSpread(spread) => {
                    self.spread(&spread.node.directives)?;
                    self.fragment(&spread.node.fragment_name.node, level + 1)?
                }
            };
            size.selections += 1 + inner.selections;
            self.expanded(size.selections)?;
            size.root_fields += inner.root_fields;
            size.root_names.extend(inner.root_names);
            size.depth = size.depth.max(inner.depth);
            size.levels = size.levels.max(inner.levels + 1);
            self.nesting(size.depth, level + size.levels)?;
        }
        Ok(size)
    }

    /// The size of a fragment, or of nothing if the document does not define it.
    fn fragment(&mut self, name: &'d Name, level: usize) -> Result<Size<'d>, ServerError> {
        match self.fragments.get(name) {
            Some(Some(size)) => return Ok(size.clone()),
            Some(None) => {
                return Err(too_complex(
                    "The document has a fragment that spreads itself.",
                ));
            }
            None => {}
        }
        let Some(fragment) = self.document.fragments.get(name) else {
            return Ok(Size::default());
        };
        self.fragments.insert(name, None);
        self.nesting(0, level)?;
        self.directives(&fragment.node.directives)?;
        let size = self.selection_set(&fragment.node.selection_set.node, level)?;
        self.fragments.insert(name, Some(size.clone()));
        Ok(size)
    }

    fn spread(&mut self, directives: &[Positioned<Directive>]) -> Result<(), ServerError> {
        self.spreads += 1;
        let max = self.limits.document.max_spreads;
        at_most(max, self.spreads, "fragment spreads", "GRAPHQL_MAX_SPREADS")?;
        self.directives(directives)
    }

    fn directives(&mut self, directives: &[Positioned<Directive>]) -> Result<(), ServerError> {
        self.directives += directives.len();
        let max = self.limits.document.max_directives;
        at_most(max, self.directives, "directives", "GRAPHQL_MAX_DIRECTIVES")
    }

    fn expanded(&self, selections: usize) -> Result<(), ServerError> {
        at_most(
            self.limits.document.max_expanded_selections,
            selections,
            "selections once its fragments are expanded",
            "GRAPHQL_MAX_EXPANDED_SELECTIONS",
        )
    }

    /// Bounds fields within fields, and with some room for fragments the levels that validation
    /// and execution recurse through.
    fn nesting(&self, depth: usize, levels: usize) -> Result<(), ServerError> {
        let max = self.limits.max_depth;
        if depth > max || levels > 2 * max + 8 {
            let message = format!("Fields are nested more than {max} levels deep.");
            return Err(over_limit(message, "GRAPHQL_MAX_DEPTH"));
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests;
