//! Documents that passed the guard and the parser, kept by the hash of their text: clients send
//! the same few again and again.

use std::ops::Deref;
use std::sync::Arc;

use async_graphql::Request;
use async_graphql::parser::parse_query;
use async_graphql::parser::types::ExecutableDocument;
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

/// A document that the parser has read. Clones share it.
#[derive(Clone, Debug)]
pub struct Document(Arc<Parsed>);

#[derive(Debug)]
struct Parsed {
    document: ExecutableDocument,
    /// How long its text is.
    bytes: usize,
}

impl Document {
    pub(super) fn parse(text: &str) -> Result<Self, RequestError> {
        let document = parse_query(text).map_err(RequestError::ParseFailed)?;
        let bytes = text.len();
        Ok(Self(Arc::new(Parsed { document, bytes })))
    }

    /// A request to run it.
    pub fn request(&self) -> Request {
        let mut request = Request::new(String::new()).data(self.clone());
        request.set_parsed_query(self.0.document.clone());
        request
    }

    fn memory(&self) -> u32 {
        u32::try_from(self.0.bytes.saturating_mul(MEMORY_PER_BYTE)).unwrap_or(u32::MAX)
    }
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
