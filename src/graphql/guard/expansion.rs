//! How large the selections of a document become when every fragment is put in its place.

use std::collections::HashMap;

/// The size of a selection set once every spread in it is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// Fields, inline fragments and spreads, at any depth.
    pub(super) selections: usize,
    /// Fields at the top.
    pub(super) root_fields: usize,
}

/// A fragment spreads itself, directly or through others.
#[derive(Debug)]
pub(super) struct Cycle;

/// Points at an operation or fragment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Definition(usize);

/// The operations and fragments of a document, and which fragments each of them spreads.
///
/// Fragments of one name are taken as one that holds what all of them hold. A fragment that is
/// spread and never defined holds nothing.
#[derive(Default)]
pub(super) struct Definitions<'a> {
    nodes: Vec<Node>,
    fragments: HashMap<&'a str, usize>,
    operations: Vec<usize>,
}

#[derive(Default)]
struct Node {
    own: Size,
    spreads: Vec<Spread>,
}

#[derive(Clone, Copy)]
struct Spread {
    fragment: usize,
    at_root: bool,
}

impl<'a> Definitions<'a> {
    pub(super) fn operation(&mut self) -> Definition {
        self.operations.push(self.nodes.len());
        self.add()
    }

    pub(super) fn fragment(&mut self, name: &'a str) -> Definition {
        if let Some(&node) = self.fragments.get(name) {
            return Definition(node);
        }
        self.fragments.insert(name, self.nodes.len());
        self.add()
    }

    fn add(&mut self) -> Definition {
        self.nodes.push(Node::default());
        Definition(self.nodes.len() - 1)
    }

    /// Counts a field.
    pub(super) fn add_field(&mut self, within: Definition, at_root: bool) {
        let own = &mut self.nodes[within.0].own;
        own.selections += 1;
        own.root_fields += usize::from(at_root);
    }

    /// Counts an inline fragment, or a spread whose name is still to come.
    pub(super) fn add_fragment(&mut self, within: Definition) {
        self.nodes[within.0].own.selections += 1;
    }

    /// Names the fragment of a spread that was counted already.
    pub(super) fn add_spread(&mut self, within: Definition, name: &'a str, at_root: bool) {
        let Definition(fragment) = self.fragment(name);
        self.nodes[within.0]
            .spreads
            .push(Spread { fragment, at_root });
    }

    /// The selections of all operations together, since all are validated, and the most root
    /// fields of any one, since one is run.
    ///
    /// Each fragment is measured once, so the work is linear in the length of the document, and
    /// the path through the fragments is kept on the heap.
    pub(super) fn measure(&self) -> Result<Size, Cycle> {
        let mut states = vec![State::New; self.nodes.len()];
        for start in 0..self.nodes.len() {
            self.measure_from(start, &mut states)?;
        }
        let mut whole = Size::default();
        for &operation in &self.operations {
            if let State::Done(size) = states[operation] {
                whole.selections = whole.selections.saturating_add(size.selections);
                whole.root_fields = whole.root_fields.max(size.root_fields);
            }
        }
        Ok(whole)
    }

    fn measure_from(&self, start: usize, states: &mut [State]) -> Result<(), Cycle> {
        let mut path = vec![start];
        while let Some(&node) = path.last() {
            match states[node] {
                State::New => {
                    states[node] = State::Open {
                        next: 0,
                        size: self.nodes[node].own,
                    };
                }
                State::Open { next, size } => {
                    let Some(&spread) = self.nodes[node].spreads.get(next) else {
                        states[node] = State::Done(size);
                        continue;
                    };
                    match states[spread.fragment] {
                        State::New => path.push(spread.fragment),
                        State::Open { .. } => return Err(Cycle),
                        State::Done(inner) => {
                            states[node] = State::Open {
                                next: next + 1,
                                size: size.plus(inner, spread.at_root),
                            };
                        }
                    }
                }
                State::Done(_) => {
                    path.pop();
                }
            }
        }
        Ok(())
    }
}

/// How far the measuring of a definition has come.
#[derive(Clone, Copy)]
enum State {
    New,
    /// On the path: the spreads before `next` are in `size`.
    Open {
        next: usize,
        size: Size,
    },
    Done(Size),
}

impl Size {
    fn plus(self, inner: Self, at_root: bool) -> Self {
        let root_fields = if at_root { inner.root_fields } else { 0 };
        Self {
            selections: self.selections.saturating_add(inner.selections),
            root_fields: self.root_fields.saturating_add(root_fields),
        }
    }
}
