//! The form of an answer.

use std::collections::HashMap;

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Name, PathSegment, ServerError, Value};

/// What is still to be followed of the path to a field that failed.
type Path<'a> = &'a [PathSegment];

/// The fields of an object in the order in which they were asked for, those of one response key
/// put together and fragments put in their place.
///
/// The answer does not tell the type of its objects, so where fragments on different types ask
/// for the same keys in different orders, the order of the first holds for all.
#[derive(Default)]
pub(super) struct Fields<'a>(Vec<Field<'a>>);

struct Field<'a> {
    key: &'a str,
    /// Its type as the schema writes it; `None` for what only introspection has.
    ty: Option<&'a str>,
    inner: Fields<'a>,
}

/// A selection set, and the type that it selects from.
type Set<'a> = (&'a SelectionSet, &'a str);

/// Finds the type of a field of a type.
pub(super) type TypeOf<'a, 'f> = &'f dyn Fn(&str, &str) -> Option<&'a str>;

impl<'a> Fields<'a> {
    /// The form of the answer to an operation. It has at most as many fields as the document has
    /// once its fragments are expanded, which the guard has limited.
    pub(super) fn of(
        document: &'a ExecutableDocument,
        operation: &'a SelectionSet,
        root: &'a str,
        type_of: TypeOf<'a, '_>,
    ) -> Self {
        Self::of_sets(document, &[(operation, root)], type_of)
    }

    fn of_sets(
        document: &'a ExecutableDocument,
        sets: &[Set<'a>],
        type_of: TypeOf<'a, '_>,
    ) -> Self {
        let mut found: IndexMap<&str, (Option<&'a str>, Vec<Set<'a>>)> = IndexMap::new();
        let mut pending: Vec<(&Selection, &str)> = Vec::new();
        let push = |pending: &mut Vec<_>, (set, on): Set<'a>| {
            pending.extend(set.items.iter().rev().map(|item| (&item.node, on)));
        };
        for set in sets.iter().rev() {
            push(&mut pending, *set);
        }
        while let Some((selection, on)) = pending.pop() {
            match selection {
                Selection::Field(field) => {
                    let field = &field.node;
                    let ty = type_of(on, &field.name.node);
                    let inner = (&field.selection_set.node, ty.map_or("", innermost));
                    let key = field.response_key().node.as_str();
                    found.entry(key).or_insert((ty, Vec::new())).1.push(inner);
                }
                Selection::InlineFragment(inline) => {
                    let inline = &inline.node;
                    let on = inline
                        .type_condition
                        .as_ref()
                        .map_or(on, |condition| condition.node.on.node.as_str());
                    push(&mut pending, (&inline.selection_set.node, on));
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if let Some(fragment) = document.fragments.get(name) {
                        let fragment = &fragment.node;
                        let on = fragment.type_condition.node.on.node.as_str();
                        push(&mut pending, (&fragment.selection_set.node, on));
                    }
                }
            }
        }
        let fields = found.into_iter().map(|(key, (ty, sets))| Field {
            key,
            ty,
            inner: Self::of_sets(document, &sets, type_of),
        });
        Self(fields.collect())
    }

    /// Puts the data of an answer in order, and null in the place of what failed.
    pub(super) fn complete(&self, data: Value, errors: &[ServerError]) -> Value {
        let failed: Vec<Path<'_>> = errors.iter().map(|error| &*error.path).collect();
        let given = match data {
            Value::Object(given) => given,
            // An object of which nothing is left, as all was skipped or has failed.
            _ => IndexMap::new(),
        };
        self.object(given, &failed).unwrap_or(Value::Null)
    }

    /// `None` if a field is null that must not be: then the object is null.
    fn object(&self, given: IndexMap<Name, Value>, failed: &[Path<'_>]) -> Option<Value> {
        let mut given: HashMap<Name, Value> = given.into_iter().collect();
        let mut ordered = IndexMap::with_capacity(given.len());
        for Field { key, ty, inner } in &self.0 {
            let failed = below(failed, |segment| match segment {
                PathSegment::Field(name) => name == key,
                PathSegment::Index(_) => false,
            });
            let value = match given.remove(*key) {
                Some(value) => inner.value(value, ty.unwrap_or_default(), &failed)?,
                // Skipped.
                None if failed.is_empty() => continue,
                None => null(ty.unwrap_or_default())?,
            };
            ordered.insert(Name::new(key), value);
        }
        Some(Value::Object(ordered))
    }

    /// A value of a type as the schema writes it. `None` if it is null and must not be.
    fn value(&self, value: Value, ty: &str, failed: &[Path<'_>]) -> Option<Value> {
        let completed = match value {
            Value::List(items) => {
                let of = ty.strip_suffix('!').unwrap_or(ty);
                let of = of.strip_prefix('[').and_then(|of| of.strip_suffix(']'));
                let items = items.into_iter().enumerate().map(|(index, item)| {
                    let failed = below(
                        failed,
                        |segment| matches!(segment, PathSegment::Index(at) if *at == index),
                    );
                    self.value(item, of.unwrap_or_default(), &failed)
                });
                items.collect::<Option<_>>().map(Value::List)
            }
            Value::Object(fields) if !self.0.is_empty() => self.object(fields, failed),
            // As at the root: either all its fields have failed, or, where null cannot be meant,
            // all were skipped.
            Value::Null
                if !self.0.is_empty()
                    && (failed.iter().any(|path| !path.is_empty())
                        || (failed.is_empty() && ty.ends_with('!') && !ty.ends_with("]!"))) =>
            {
                self.object(IndexMap::new(), failed)
            }
            Value::Null => None,
            other => return Some(other),
        };
        completed.map_or_else(|| null(ty), Some)
    }
}

/// The paths that go on behind a segment.
fn below<'a>(failed: &[Path<'a>], fits: impl Fn(&PathSegment) -> bool) -> Vec<Path<'a>> {
    let rests = failed.iter().filter_map(|path| {
        let (first, rest) = path.split_first()?;
        fits(first).then_some(rest)
    });
    rests.collect()
}

/// Null, if it may stand for a value of this type.
fn null(ty: &str) -> Option<Value> {
    (!ty.ends_with('!')).then_some(Value::Null)
}

/// The type without lists and exclamation marks.
fn innermost(ty: &str) -> &str {
    ty.trim_matches(['[', ']', '!'])
}
