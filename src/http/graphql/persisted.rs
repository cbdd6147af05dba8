//! Automatic persisted queries, as Apollo's clients know them: a request names its document by
//! hash, and sends the document along only after it was told that nobody knows it.

use poem::http::StatusCode;
use serde_json::{Map, Value};

use super::Refusal;
use super::parameters::Parameters;
use crate::graphql::{Document, RequestError};
use crate::http::HttpState;
use crate::service::DocumentHash;

/// What a request means.
pub(super) struct Asked {
    pub(super) document: Document,
    /// The document's text, if all processes are to know it once it has run.
    pub(super) to_share: Option<(DocumentHash, String)>,
}

/// The document of a request: its text, or what is known by the hash that it gives.
pub(super) async fn document(
    edge: &HttpState,
    parameters: &mut Parameters,
) -> Result<Asked, Refusal> {
    let named = parameters.extensions.as_ref().map(named).transpose()?;
    match (parameters.query.take(), named.flatten()) {
        (Some(text), named) => {
            let hash = DocumentHash::of(&text);
            if named.is_some_and(|named| named != hash) {
                return Err(Refusal::bad_request(
                    "The document does not have the given \"sha256Hash\".",
                ));
            }
            let document = edge.documents.read(hash, &text);
            Ok(Asked {
                document: document.map_err(Refusal::document)?,
                to_share: named.map(|hash| (hash, text)),
            })
        }
        (None, Some(hash)) => Ok(Asked {
            document: find(edge, hash).await?,
            to_share: None,
        }),
        (None, None) => Err(Refusal::bad_request("The parameter \"query\" is missing.")),
    }
}

async fn find(edge: &HttpState, hash: DocumentHash) -> Result<Document, Refusal> {
    if let Some(document) = edge.documents.find(hash) {
        return Ok(document);
    }
    match edge.services.shared_document(hash).await {
        Some(text) => edge.documents.read(hash, &text).map_err(Refusal::document),
        // Part of Apollo's protocol, whichever the media type: Apollo iOS reads no answer with
        // another status.
        None => Err(Refusal::new(
            StatusCode::OK,
            RequestError::PersistedQueryNotFound,
        )),
    }
}

/// The hash in the extensions of a request, if it has one.
fn named(extensions: &Map<String, Value>) -> Result<Option<DocumentHash>, Refusal> {
    let Some(persisted) = extensions.get("persistedQuery").filter(|it| !it.is_null()) else {
        return Ok(None);
    };
    if persisted["version"] != 1 {
        return Err(Refusal::bad_request(
            "The \"version\" of \"persistedQuery\" is not 1.",
        ));
    }
    let hash = persisted["sha256Hash"]
        .as_str()
        .and_then(DocumentHash::parse);
    let wrong = "The \"sha256Hash\" of \"persistedQuery\" is not 64 hexadecimal digits.";
    hash.map(Some).ok_or_else(|| Refusal::bad_request(wrong))
}
