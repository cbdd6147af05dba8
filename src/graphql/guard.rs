//! Refuses a document that would cost too much, before any parser has seen it.
//!
//! async-graphql follows every spread of every fragment before its own limits apply, so 600 bytes
//! of fragments that spread each other cost seconds. Here a document is read once, token by
//! token, in time and memory linear in its length, and each fragment is measured once.
//!
//! The guard may accept nonsense, as the parser will refuse it; what it must never do is count
//! less than the parser reads. So it follows async-graphql's grammar where that differs from the
//! specification: `fragmentA on T` defines `A`, and a comment behind `... on` makes a spread of a
//! fragment named `on`.

mod expansion;
mod lexer;
#[cfg(test)]
mod tests;

use expansion::{Cycle, Definition, Definitions};
use lexer::{Lexer, Stop, Token};

use crate::config::DocumentLimits;

/// Something that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    plural: &'static str,
    /// The setting that limits it.
    setting: &'static str,
}

const BYTES: Counted = Counted {
    plural: "bytes",
    setting: "GRAPHQL_MAX_BYTES",
};
const TOKENS: Counted = Counted {
    plural: "tokens",
    setting: "GRAPHQL_MAX_TOKENS",
};
const ALIASES: Counted = Counted {
    plural: "aliases",
    setting: "GRAPHQL_MAX_ALIASES",
};
const DIRECTIVES: Counted = Counted {
    plural: "directives",
    setting: "GRAPHQL_MAX_DIRECTIVES",
};
const SPREADS: Counted = Counted {
    plural: "fragment spreads",
    setting: "GRAPHQL_MAX_SPREADS",
};
const ROOT_FIELDS: Counted = Counted {
    plural: "root fields",
    setting: "GRAPHQL_MAX_ROOT_FIELDS",
};
const EXPANDED_SELECTIONS: Counted = Counted {
    plural: "selections once its fragments are expanded",
    setting: "GRAPHQL_MAX_EXPANDED_SELECTIONS",
};

/// Why a document is refused. The text is for the client and names the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is too much of something.
    #[error("The document has more than {max} {}.", .what.plural)]
    TooMany {
        /// What was counted.
        what: Counted,
        /// The limit.
        max: usize,
    },
    /// Brackets are nested too deeply.
    #[error("The document is nested more than {max} levels deep.")]
    TooDeep {
        /// The limit.
        max: usize,
    },
    /// Fragments spread each other in a circle.
    #[error("The document has a fragment that spreads itself.")]
    FragmentCycle,
    /// What follows cannot be told from text, so it cannot be counted.
    #[error("The document has a block string that is not closed.")]
    OpenBlockString,
    /// The values of variables, put wherever the document names them, take too much memory.
    #[error("The variables are too long for as often as the document names them.")]
    LongVariables,
}

impl Refusal {
    /// The setting that limits what there is too much of.
    pub(super) fn setting(self) -> Option<&'static str> {
        match self {
            Self::TooMany { what, .. } => Some(what.setting),
            Self::TooDeep { .. } => Some("GRAPHQL_MAX_NESTING"),
            Self::FragmentCycle | Self::OpenBlockString | Self::LongVariables => None,
        }
    }
}

/// Checks `document` against `limits`.
///
/// `Ok` does not mean that the document is valid, only that the parser may look at it: where the
/// scan meets something that no parser would pass, it stops, and what lies behind does not count.
pub fn check(document: &str, limits: &DocumentLimits) -> Result<(), Refusal> {
    at_most(limits.max_bytes, document.len(), BYTES)?;
    let mut scan = Scan::new(limits);
    let mut lexer = Lexer::new(document);
    loop {
        match lexer.next() {
            Ok(token) => match scan.token(token, lexer.after_comment)? {
                Verdict::Continue => {}
                Verdict::Invalid => return Ok(()),
            },
            Err(Stop::End) => return scan.finish(),
            Err(Stop::Invalid) => return Ok(()),
            Err(Stop::OpenBlockString) => return Err(Refusal::OpenBlockString),
        }
    }
}

fn at_most(max: usize, count: usize, what: Counted) -> Result<(), Refusal> {
    if count > max {
        Err(Refusal::TooMany { what, max })
    } else {
        Ok(())
    }
}

/// Whether a parser could still go on.
enum Verdict {
    Continue,
    Invalid,
}

/// An open bracket.
struct Frame {
    closed_by: u8,
    /// `None` where values, arguments, variables or types stand.
    selections: Option<Selections>,
}

/// An open selection set.
#[derive(Clone, Copy)]
struct Selections {
    definition: Definition,
    /// Whether its fields are those of the operation or fragment itself.
    at_root: bool,
    /// Whether the selection read last is a fragment, which leaves the level as it is.
    in_fragment: bool,
}

/// What the tokens before the next selection set say about it.
#[derive(Clone, Copy)]
enum Header<'a> {
    Nothing,
    Operation,
    FragmentWithoutName,
    Fragment(&'a str),
}

/// What the token before means to the one at hand.
#[derive(Clone, Copy)]
enum Before {
    Colon,
    At,
    Spread,
    SpreadOn,
    Other,
}

struct Scan<'a, 'l> {
    limits: &'l DocumentLimits,
    tokens: usize,
    aliases: usize,
    directives: usize,
    spreads: usize,
    frames: Vec<Frame>,
    header: Header<'a>,
    before: Before,
    definitions: Definitions<'a>,
}

impl<'a, 'l> Scan<'a, 'l> {
    fn new(limits: &'l DocumentLimits) -> Self {
        Self {
            limits,
            tokens: 0,
            aliases: 0,
            directives: 0,
            spreads: 0,
            frames: Vec::new(),
            header: Header::Nothing,
            before: Before::Other,
            definitions: Definitions::default(),
        }
    }

    fn token(&mut self, token: Token<'a>, after_comment: bool) -> Result<Verdict, Refusal> {
        self.tokens += 1;
        at_most(self.limits.max_tokens, self.tokens, TOKENS)?;
        if let Before::SpreadOn = self.before
            && let Some(set) = self.selections()
            && (after_comment || !matches!(token, Token::Name(_)))
        {
            // Not a type condition: `on` is the name of a fragment.
            self.definitions
                .add_spread(set.definition, "on", set.at_root);
            self.before = Before::Other;
        }
        let before = std::mem::replace(&mut self.before, Before::Other);
        match token {
            Token::Name(name) => self.name(name, before),
            Token::Open(closed_by) => self.open(closed_by)?,
            Token::Close(bracket) => return Ok(self.close(bracket)),
            Token::Colon => {
                if self.selections().is_some() {
                    self.aliases += 1;
                    at_most(self.limits.max_aliases, self.aliases, ALIASES)?;
                }
                self.before = Before::Colon;
            }
            Token::At => {
                self.directives += 1;
                at_most(self.limits.max_directives, self.directives, DIRECTIVES)?;
                self.before = Before::At;
            }
            Token::Spread => {
                self.spreads += 1;
                at_most(self.limits.max_spreads, self.spreads, SPREADS)?;
                if let Some(set) = self.selections_mut() {
                    set.in_fragment = true;
                    let definition = set.definition;
                    self.definitions.add_fragment(definition);
                }
                self.before = Before::Spread;
            }
            Token::Other => {}
        }
        Ok(Verdict::Continue)
    }

    fn selections(&self) -> Option<Selections> {
        self.frames.last()?.selections
    }

    fn selections_mut(&mut self) -> Option<&mut Selections> {
        self.frames.last_mut()?.selections.as_mut()
    }

    fn name(&mut self, name: &'a str, before: Before) {
        if self.frames.is_empty() {
            self.header = match self.header {
                Header::Nothing => match name.strip_prefix("fragment") {
                    Some("") => Header::FragmentWithoutName,
                    Some(name) => Header::Fragment(name),
                    None => Header::Operation,
                },
                Header::FragmentWithoutName => Header::Fragment(name),
                header => header,
            };
            return;
        }
        let Some(set) = self.selections_mut() else {
            return;
        };
        match before {
            // The field behind an alias was counted with it; the rest are no fields.
            Before::Colon | Before::At | Before::SpreadOn => {}
            Before::Spread if name == "on" => self.before = Before::SpreadOn,
            Before::Spread => {
                let Selections {
                    definition,
                    at_root,
                    ..
                } = *set;
                self.definitions.add_spread(definition, name, at_root);
            }
            Before::Other => {
                set.in_fragment = false;
                let Selections {
                    definition,
                    at_root,
                    ..
                } = *set;
                self.definitions.add_field(definition, at_root);
            }
        }
    }

    fn open(&mut self, closed_by: u8) -> Result<(), Refusal> {
        let max = self.limits.max_nesting;
        if self.frames.len() >= max {
            return Err(Refusal::TooDeep { max });
        }
        let selections = match (closed_by, self.frames.last()) {
            (b'}', None) => Some(Selections {
                definition: match self.header {
                    Header::Fragment(name) => self.definitions.fragment(name),
                    _ => self.definitions.operation(),
                },
                at_root: true,
                in_fragment: false,
            }),
            (b'}', Some(frame)) => frame.selections.map(|outer| Selections {
                definition: outer.definition,
                at_root: outer.at_root && outer.in_fragment,
                in_fragment: false,
            }),
            _ => None,
        };
        self.frames.push(Frame {
            closed_by,
            selections,
        });
        Ok(())
    }

    fn close(&mut self, bracket: u8) -> Verdict {
        match self.frames.pop() {
            Some(frame) if frame.closed_by == bracket => {
                if self.frames.is_empty() && frame.selections.is_some() {
                    self.header = Header::Nothing;
                }
                Verdict::Continue
            }
            _ => Verdict::Invalid,
        }
    }

    fn finish(self) -> Result<(), Refusal> {
        let size = self
            .definitions
            .measure()
            .map_err(|Cycle| Refusal::FragmentCycle)?;
        at_most(self.limits.max_root_fields, size.root_fields, ROOT_FIELDS)?;
        at_most(
            self.limits.max_expanded_selections,
            size.selections,
            EXPANDED_SELECTIONS,
        )
    }
}
