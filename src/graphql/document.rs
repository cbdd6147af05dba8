//! Parsed documents with what a request needs to know of them, kept by the hash of their text:
//! clients send the same few documents again and again.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, OperationType};
use async_graphql::{Request, ServerError, ValidationResult, Value, Variables};
use moka::sync::Cache;

use super::error::{bad_user_input, parse_failed, too_complex};
use super::guard;
use crate::config::GraphqlConfig;
use crate::service::DocumentHash;

/// The memory of all cached documents, in bytes.
const MAX_MEMORY: u64 = 32 * 1024 * 1024;
/// The most memory that a document takes for each byte of its text: two bytes can be a field, which
/// takes 200 bytes and its name.
const MEMORY_PER_BYTE: usize = 200;
/// The most memory that the values of variables may take, in bytes, when each of them is copied to
/// every place that names it. That is how a request is executed: `[$v $v $v]` is three copies.
const MAX_COPIES: usize = 4 * 1024 * 1024;
/// The most memory that a value takes besides its text, in bytes.
const MEMORY_PER_VALUE: usize = 128;

/// A parsed document. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Document(Arc<Parsed>);

#[derive(Debug)]
struct Parsed {
    document: ExecutableDocument,
    operations: Vec<Arc<Operation>>,
    /// The length of the text, in bytes.
    bytes: usize,
    /// An upper bound of how often the document names variables.
    variables: usize,
    /// The memory of the largest default value of a variable, in bytes.
    largest_default: usize,
}

/// What is known of an operation before it runs.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(super) name: Option<String>,
    /// Whether it is a query, a mutation or a subscription.
    pub(crate) kind: OperationType,
    pub(super) has_variables: bool,
    /// The names of its root fields, without aliases; "other" for those that the schema does not
    /// have.
    pub(crate) root_fields: BTreeSet<String>,
    /// Whether all of its root fields are public.
    pub(crate) is_public: bool,
    /// The result of its first successful validation. It holds for all later requests, because
    /// what depends on variables is checked apart from it.
    pub(super) validation: OnceLock<ValidationResult>,
}

impl Document {
    pub(super) fn parse(
        text: &str,
        limits: &GraphqlConfig,
        public: &HashMap<String, bool>,
    ) -> Result<Self, ServerError> {
        let document = parse_query(text).map_err(parse_failed)?;
        let root_fields = guard::measure(&document, limits)?;
        let (mut operations, mut largest_default) = (Vec::new(), 0);
        for ((name, operation), fields) in document.operations.iter().zip(root_fields) {
            let variables = &operation.node.variable_definitions;
            let known = |field| {
                public
                    .get_key_value(field)
                    .map_or("other", |(name, _)| name)
            };
            operations.push(Arc::new(Operation {
                name: name.map(ToString::to_string),
                kind: operation.node.ty,
                has_variables: !variables.is_empty(),
                is_public: fields.iter().all(|field| public.get(*field) == Some(&true)),
                root_fields: fields.into_iter().map(known).map(str::to_owned).collect(),
                validation: OnceLock::new(),
            }));
            let defaults = variables
                .iter()
                .filter_map(|it| it.node.default_value.as_ref());
            largest_default = defaults
                .map(|value| memory(&value.node))
                .fold(largest_default, usize::max);
        }
        Ok(Self(Arc::new(Parsed {
            operations,
            bytes: text.len(),
            variables: text.matches('$').count(),
            largest_default,
            document,
        })))
    }

    /// The operation of this name, or the only one.
    pub(crate) fn operation(&self, name: Option<&str>) -> Result<&Arc<Operation>, ServerError> {
        let operations = &self.0.operations;
        let found = match name {
            None if operations.len() > 1 => {
                return Err(bad_user_input(
                    "The document has several operations: \"operationName\" is required.",
                ));
            }
            None => operations.first(),
            Some(_) => operations
                .iter()
                .find(|operation| operation.name.as_deref() == name),
        };
        found.ok_or_else(|| {
            bad_user_input("The document has no operation of the name in \"operationName\".")
        })
    }

    /// A request to run an operation; an error if the values of the variables would take too much
    /// memory.
    pub(crate) fn request(
        &self,
        operation: &Arc<Operation>,
        variables: Variables,
    ) -> Result<Request, ServerError> {
        let parsed = &self.0;
        let values = variables.values().map(memory);
        let largest = values.fold(parsed.largest_default, usize::max);
        if largest.saturating_mul(parsed.variables) > MAX_COPIES {
            return Err(too_complex(
                "The variables are too long for as often as the document names them.",
            ));
        }
        let mut request = Request::new("")
            .data(Arc::clone(operation))
            .variables(variables);
        request.operation_name.clone_from(&operation.name);
        request.set_parsed_query(parsed.document.clone());
        Ok(request)
    }

    fn memory(&self) -> u32 {
        u32::try_from(self.0.bytes.saturating_mul(MEMORY_PER_BYTE)).unwrap_or(u32::MAX)
    }
}

/// The most memory that a value takes, in bytes.
fn memory(value: &Value) -> usize {
    let inner: usize = match value {
        Value::String(text) => text.len(),
        Value::List(items) => items.iter().map(memory).sum(),
        Value::Object(fields) => fields.values().map(memory).sum(),
        _ => 0,
    };
    MEMORY_PER_VALUE + inner
}

/// Parses documents and caches those that are asked for most. Clones share the cache.
#[derive(Clone, Debug)]
pub(crate) struct Documents {
    limits: GraphqlConfig,
    /// The root fields of the schema, and whether each of them is public.
    root_fields: Arc<HashMap<String, bool>>,
    cache: Cache<DocumentHash, Document>,
}

impl Documents {
    pub(crate) fn new(limits: GraphqlConfig) -> Self {
        let cache = Cache::builder()
            .max_capacity(MAX_MEMORY)
            .weigher(|_, document: &Document| document.memory())
            .build();
        Self {
            limits,
            root_fields: Arc::new(super::root_fields()),
            cache,
        }
    }

    /// The document with this hash, if it is cached.
    pub(crate) fn find(&self, hash: DocumentHash) -> Option<Document> {
        self.cache.get(&hash)
    }

    /// Parses a text that has this hash; an error if it asks for too much or is not GraphQL.
    pub(crate) fn read(&self, hash: DocumentHash, text: &str) -> Result<Document, ServerError> {
        if let Some(document) = self.find(hash) {
            return Ok(document);
        }
        guard::check_text(text, &self.limits.document)?;
        let document = Document::parse(text, &self.limits, &self.root_fields)?;
        self.cache.insert(hash, document.clone());
        Ok(document)
    }
}
