//! Automatic persisted queries, as Apollo's clients use them: a request names its document by hash,
//! and sends the document too only after it was told that the hash is unknown.

use poem::http::StatusCode;
use serde_json::{Map, Value};

use super::Refusal;
use super::parameters::Parameters;
use crate::graphql::{Document, error};
use crate::http::HttpState;
use crate::service::DocumentHash;

/// The document of a request: the one it contains, or the one known by its hash. One that it
/// contains and names by its hash comes with both, to be shared with other processes once it has
/// been executed.
pub(super) async fn document(
    state: &HttpState,
    parameters: &mut Parameters,
) -> Result<(Document, Option<(DocumentHash, String)>), Refusal> {
    let named = parameters.extensions.as_ref().map(named).transpose()?;
    match (parameters.query.take(), named.flatten()) {
        (Some(text), named) => {
            let hash = DocumentHash::of(&text);
            if named.is_some_and(|named| named != hash) {
                return Err(Refusal::bad_request(
                    "The document does not have the given \"sha256Hash\".",
                ));
            }
            let document = state.documents.read(hash, &text)?;
            Ok((document, named.map(|hash| (hash, text))))
        }
        (None, Some(hash)) => Ok((find(state, hash).await?, None)),
        (None, None) => Err(Refusal::bad_request("The parameter \"query\" is missing.")),
    }
}

async fn find(state: &HttpState, hash: DocumentHash) -> Result<Document, Refusal> {
    if let Some(document) = state.documents.find(hash) {
        return Ok(document);
    }
    match state.services.shared_document(hash).await {
        Some(text) => Ok(state.documents.read(hash, &text)?),
        // 200 for any media type: Apollo iOS does not read responses with another status.
        None => Err(Refusal::new(
            StatusCode::OK,
            error::persisted_query_not_found(),
        )),
    }
}

/// The hash in the extensions of a request.
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
