//! What depends on the variables of a request: whether all values fit their types, and how many
//! fields the answer can have.
//!
//! async-graphql checks some values only when a field is resolved, after other fields have run.

use std::collections::HashMap;

use async_graphql::parser::types::{
    ExecutableDocument, Field, OperationType, Selection, SelectionSet,
};
use async_graphql::registry::{MetaType, MetaTypeName, Registry};
use async_graphql::{Name, Pos, QueryPathNode, QueryPathSegment, ServerError, Value, Variables};

use super::connection::page_items;

static NULL: Value = Value::Null;

/// Checks the values of variables and of the arguments of fields of an operation, at any depth, and counts the
/// fields that its answer can have: those in a list as often as the list can have items.
///
/// What else is wrong with the document is left to validation.
pub(super) fn check(
    document: &ExecutableDocument,
    operation: Option<&str>,
    variables: &Variables,
    registry: &Registry,
) -> Result<usize, ServerError> {
    let mut operations = document.operations.iter();
    let named = operations.find(|(name, _)| name.map(Name::as_str) == operation);
    let Some((_, definition)) = named else {
        return Ok(0);
    };
    let definition = &definition.node;
    let mut checking = Checking {
        registry,
        document,
        values: HashMap::new(),
        fragments: HashMap::new(),
    };
    for variable in &definition.variable_definitions {
        let pos = variable.pos;
        let variable = &variable.node;
        let default = variable.default_value.as_ref().map(|default| &default.node);
        let value = variables.get(&variable.name.node).or(default);
        let value = value.unwrap_or(&NULL);
        let name = format!("${}", variable.name.node);
        checking.check(&variable.var_type.node.to_string(), value, &name, pos)?;
        checking.values.insert(&variable.name.node, value);
    }
    let root = match definition.ty {
        OperationType::Mutation => registry.mutation_type.as_deref().unwrap_or_default(),
        _ => &registry.query_type,
    };
    checking.selection_set(&definition.selection_set.node, root)
}

struct Checking<'a> {
    registry: &'a Registry,
    document: &'a ExecutableDocument,
    /// The values of variables, null for those left out.
    values: HashMap<&'a Name, &'a Value>,
    /// How many fields each fragment adds to the answer.
    fragments: HashMap<&'a Name, usize>,
}

impl<'a> Checking<'a> {
    fn selection_set(&mut self, set: &'a SelectionSet, on: &str) -> Result<usize, ServerError> {
        let mut fields = 0_usize;
        for selection in &set.items {
            let inner = match &selection.node {
                Selection::Field(field) => self.field(&field.node, on)?,
                Selection::InlineFragment(inline) => {
                    let inline = &inline.node;
                    let condition = inline.type_condition.as_ref();
                    let on = condition.map_or(on, |condition| condition.node.on.node.as_str());
                    self.selection_set(&inline.selection_set.node, on)?
                }
                Selection::FragmentSpread(spread) => {
                    self.fragment(&spread.node.fragment_name.node)?
                }
            };
            fields = fields.saturating_add(inner);
        }
        Ok(fields)
    }

    fn fragment(&mut self, name: &'a Name) -> Result<usize, ServerError> {
        if let Some(fields) = self.fragments.get(name) {
            return Ok(*fields);
        }
        let Some(fragment) = self.document.fragments.get(name) else {
            return Ok(0);
        };
        let on = fragment.node.type_condition.node.on.node.as_str();
        let fields = self.selection_set(&fragment.node.selection_set.node, on)?;
        self.fragments.insert(name, fields);
        Ok(fields)
    }

    fn field(&mut self, field: &'a Field, on: &str) -> Result<usize, ServerError> {
        let ty = self.registry.types.get(on);
        let Some(meta) = ty.and_then(|ty| ty.field_by_name(&field.name.node)) else {
            return Ok(0);
        };
        let mut sizes = HashMap::new();
        for argument in meta.args.values() {
            let Some(given) = field.get_argument(&argument.name) else {
                continue;
            };
            let value_of = |name: Name| self.values.get(&name).copied().cloned().ok_or(());
            let Ok(value) = given.node.clone().into_const_with(value_of) else {
                continue;
            };
            self.check(&argument.ty, &value, &argument.name, given.pos)?;
            if let Value::Number(size) = value {
                sizes.insert(argument.name.as_str(), size.as_u64());
            }
        }
        let items = if meta.args.contains_key("first") && meta.args.contains_key("last") {
            let size = sizes.get("first").or_else(|| sizes.get("last"));
            page_items(size.copied().flatten())
        } else {
            1
        };
        let of = MetaTypeName::concrete_typename(&meta.ty);
        let inner = self.selection_set(&field.selection_set.node, of)?;
        Ok(inner.saturating_mul(items).saturating_add(1))
    }

    fn check(&self, ty: &str, value: &Value, name: &str, pos: Pos) -> Result<(), ServerError> {
        let path = QueryPathNode {
            parent: None,
            segment: QueryPathSegment::Name(name),
        };
        self.fits(ty, value, &path)
            .map_err(|message| ServerError::new(message, Some(pos)))
    }

    /// Whether a value is of a type as the schema writes it; if not, a message for the client.
    fn fits(&self, ty: &str, value: &Value, path: &QueryPathNode<'_>) -> Result<(), String> {
        let below = |segment| QueryPathNode {
            parent: Some(path),
            segment,
        };
        match (MetaTypeName::create(ty), value) {
            (MetaTypeName::NonNull(_), Value::Null) => Err(format!("\"{path}\" is required.")),
            (MetaTypeName::NonNull(ty), _) => self.fits(ty, value, path),
            (_, Value::Null) => Ok(()),
            (MetaTypeName::List(ty), Value::List(items)) => {
                let mut items = items.iter().enumerate();
                items.try_for_each(|(index, item)| {
                    self.fits(ty, item, &below(QueryPathSegment::Index(index)))
                })
            }
            // A single item stands for a list of it.
            (MetaTypeName::List(ty), _) => self.fits(ty, value, path),
            (MetaTypeName::Named(ty), _) => match (self.registry.types.get(ty), value) {
                (Some(MetaType::InputObject { input_fields, .. }), Value::Object(given)) => {
                    let is_unknown = |name: &&Name| !input_fields.contains_key(name.as_str());
                    if let Some(name) = given.keys().find(is_unknown) {
                        return Err(format!("\"{path}\" has no field \"{name}\"."));
                    }
                    let mut fields = input_fields.values();
                    fields.try_for_each(|field| match given.get(field.name.as_str()) {
                        None if field.default_value.is_some() => Ok(()),
                        value => {
                            let path = below(QueryPathSegment::Name(&field.name));
                            self.fits(&field.ty, value.unwrap_or(&NULL), &path)
                        }
                    })
                }
                (Some(of), _) if !is_leaf_of(of, value) => {
                    Err(format!("\"{path}\" is not of the type {ty}."))
                }
                _ => Ok(()),
            },
        }
    }
}

fn is_leaf_of(ty: &MetaType, value: &Value) -> bool {
    match (ty, value) {
        (MetaType::Scalar { name, .. }, Value::Number(number)) if name == "Int" => number
            .as_i64()
            .is_some_and(|number| i32::try_from(number).is_ok()),
        (MetaType::Scalar { is_valid, .. }, _) => {
            is_valid.as_ref().is_none_or(|is_valid| is_valid(value))
        }
        (MetaType::Enum { enum_values, .. }, Value::Enum(name)) => {
            enum_values.contains_key(name.as_str())
        }
        // As variables are written in JSON.
        (MetaType::Enum { enum_values, .. }, Value::String(name)) => enum_values.contains_key(name),
        (MetaType::Enum { .. } | MetaType::InputObject { .. }, _) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests;
