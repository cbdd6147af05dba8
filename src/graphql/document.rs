//! Documents that passed the guard and the parser, kept by the hash of their text: clients send
//! the same few again and again.

use std::ops::Deref;
use std::sync::Arc;

use async_graphql::parser::parse_query;
use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{Request, Value, Variables};
use moka::sync::Cache;

use super::error::RequestError;
use super::guard;
use crate::config::DocumentLimits;
use crate::service::DocumentHash;

/// What all documents that are kept may take, in bytes.
const MAX_MEMORY: u64 = 32 * 1024 * 1024;
/// What a document takes for each byte of its text, at most: two of them are a field, which is
/// some 200 bytes and the text of its name.
const MEMORY_PER_BYTE: usize = 200;
/// What the values of variables may take in all, in bytes, put wherever a document names them.
/// Checking a request does just that: `[$v $v $v]` is three copies at once.
const MAX_COPIES: usize = 4 * 1024 * 1024;
/// What a value takes, at most, besides its text.
const MEMORY_PER_VALUE: usize = 128;

/// A document that the parser has read. Clones share it.
#[derive(Clone, Debug)]
pub struct Document(Arc<Parsed>);

#[derive(Debug)]
struct Parsed {
    document: ExecutableDocument,
    /// How long its text is.
    bytes: usize,
    /// How often it names variables, at most.
    variables: usize,
    /// What the longest default of a variable takes, in bytes.
    default: usize,
}

impl Document {
    pub(super) fn parse(text: &str) -> Result<Self, RequestError> {
        let document = parse_query(text).map_err(RequestError::ParseFailed)?;
        let operations = document.operations.iter();
        let defaults = operations
            .flat_map(|(_, operation)| &operation.node.variable_definitions)
            .filter_map(|variable| variable.node.default_value.as_ref());
        let default = defaults.map(|value| memory(&value.node)).max();
        Ok(Self(Arc::new(Parsed {
            bytes: text.len(),
            variables: text.matches('$').count(),
            default: default.unwrap_or_default(),
            document,
        })))
    }

    /// A request to run it; an error if the variables' values would take too much.
    pub fn request(&self, variables: Variables) -> Result<Request, RequestError> {
        let longest = variables
            .values()
            .map(memory)
            .fold(self.0.default, usize::max);
        if longest.saturating_mul(self.0.variables) > MAX_COPIES {
            return Err(RequestError::TooComplex(guard::Refusal::LongVariables));
        }
        let mut request = Request::new(String::new())
            .data(self.clone())
            .variables(variables);
        request.set_parsed_query(self.0.document.clone());
        Ok(request)
    }

    fn memory(&self) -> u32 {
        u32::try_from(self.0.bytes.saturating_mul(MEMORY_PER_BYTE)).unwrap_or(u32::MAX)
    }
}

/// What a value takes, in bytes, at most.
fn memory(value: &Value) -> usize {
    let inner: usize = match value {
        Value::String(text) => text.len(),
        Value::List(items) => items.iter().map(memory).sum(),
        Value::Object(fields) => fields.values().map(memory).sum(),
        _ => 0,
    };
    MEMORY_PER_VALUE + inner
}

impl Deref for Document {
    type Target = ExecutableDocument;

    fn deref(&self) -> &ExecutableDocument {
        &self.0.document
    }
}

/// Reads documents and keeps those that are asked for most. Clones share what is kept.
#[derive(Clone, Debug)]
pub struct Documents {
    limits: DocumentLimits,
    kept: Cache<DocumentHash, Document>,
}

impl Documents {
    /// Keeps nothing yet.
    pub fn new(limits: DocumentLimits) -> Self {
        let kept = Cache::builder()
            .max_capacity(MAX_MEMORY)
            .weigher(|_, document: &Document| document.memory())
            .build();
        Self { limits, kept }
    }

    /// The document with this hash, if it was read not too long ago.
    pub fn find(&self, hash: DocumentHash) -> Option<Document> {
        self.kept.get(&hash)
    }

    /// Reads a text that has this hash; an error if the guard or the parser refuses it.
    pub fn read(&self, hash: DocumentHash, text: &str) -> Result<Document, RequestError> {
        if let Some(document) = self.find(hash) {
            return Ok(document);
        }
        guard::check(text, &self.limits).map_err(RequestError::TooComplex)?;
        let document = Document::parse(text)?;
        self.kept.insert(hash, document.clone());
        Ok(document)
    }
}
