//! A client for GraphQL over HTTP.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A client of one server, with or without an access token.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
}

/// The tokens of a session.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) user_id: String,
}

impl Tokens {
    /// The tokens of an `AuthSession`.
    pub(crate) fn of(session: &Value) -> Self {
        let text = |value: &Value| value.as_str().expect("the session was selected").to_owned();
        Self {
            access: text(&session["accessToken"]),
            refresh: text(&session["refreshToken"]),
            user_id: text(&session["user"]["id"]),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Response {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("the server responds");
        Self {
            status: response.status(),
            headers: response.headers().clone(),
            text: response.text().await.expect("the whole response arrives"),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// `extensions.code` of the first top-level error.
    pub(crate) fn code(&self) -> String {
        self.json()["errors"][0]["extensions"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

impl Client {
    pub(crate) fn new(url: &str) -> Self {
        let http = reqwest::Client::builder()
            .user_agent("gatelodge-tests")
            .build()
            .unwrap();
        Self {
            http,
            url: url.to_owned(),
            token: None,
        }
    }

    /// The URL of the server, without a trailing slash.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Host and port, for raw connections.
    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// The same client with an access token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    /// The same client without a token.
    pub(crate) fn without_token(&self) -> Self {
        Self {
            token: None,
            ..self.clone()
        }
    }

    /// The same client, opening a new connection for each request.
    pub(crate) fn without_keep_alive(&self) -> Self {
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).build();
        Self {
            http: http.unwrap(),
            ..self.clone()
        }
    }

    /// The same client, connecting from another loopback IP address, such as 127.0.0.2.
    pub(crate) fn with_ip(&self, ip: &str) -> Self {
        let http = reqwest::Client::builder()
            .local_address(Some(ip.parse().unwrap()))
            .build()
            .unwrap();
        Self {
            http,
            ..self.clone()
        }
    }

    /// A request to any path, with the access token.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends raw bytes and reads until the server closes the connection.
    pub(crate) async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address()).await.unwrap();
        let (mut reader, mut writer) = stream.split();
        let mut text = Vec::new();
        // A server that rejects a request may close before it has read everything.
        let sent = async {
            let _ = writer.write_all(request.as_bytes()).await;
        };
        let read = async { reader.read_to_end(&mut text).await.unwrap() };
        tokio::join!(sent, read);
        String::from_utf8(text).unwrap()
    }

    /// Runs a document and returns the response.
    pub(crate) async fn post(&self, query: &str, variables: Value) -> Response {
        let body = json!({ "query": query, "variables": variables });
        Response::of(self.request(Method::POST, "/graphql").json(&body)).await
    }

    /// Runs a document that must have no top-level errors, and returns `data`.
    pub(crate) async fn run(&self, query: &str, variables: Value) -> Value {
        let response = self.post(query, variables).await.json();
        assert_eq!(response["errors"], Value::Null, "{response}");
        response["data"].clone()
    }

    /// Runs one mutation and returns its payload, with `selection` and the errors.
    pub(crate) async fn mutate(&self, mutation: &str, input: Value, selection: &str) -> Value {
        let type_name = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
        let query = format!(
            "mutation($input: {type_name}!) {{ {mutation}(input: $input) {{ {selection} {ERRORS} }} }}"
        );
        self.run(&query, json!({ "input": input })).await[mutation].clone()
    }

    pub(crate) async fn request_signup_code(&self, email: &str, name: &str) -> Value {
        let input = json!({ "email": email, "name": name });
        self.mutate("requestSignupCode", input, CHALLENGE).await
    }

    pub(crate) async fn verify_signup_code(&self, email: &str, code: &str) -> Value {
        let input = json!({ "email": email, "code": code });
        self.mutate("verifySignupCode", input, SESSION).await
    }

    pub(crate) async fn request_login_code(&self, email: &str) -> Value {
        self.mutate("requestLoginCode", json!({ "email": email }), CHALLENGE)
            .await
    }

    pub(crate) async fn verify_login_code(&self, email: &str, code: &str) -> Value {
        let input = json!({ "email": email, "code": code });
        self.mutate("verifyLoginCode", input, SESSION).await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Value {
        self.mutate("refreshSession", json!({ "refreshToken": token }), SESSION)
            .await
    }

    /// The signed-in user, or null.
    pub(crate) async fn me(&self) -> Value {
        self.run("{ me { id email name } }", json!({})).await["me"].clone()
    }
}

/// The codes of a payload's errors.
pub(crate) fn error_codes(payload: &Value) -> Vec<&str> {
    let errors = payload["errors"]
        .as_array()
        .expect("the errors were selected");
    errors
        .iter()
        .map(|error| error["code"].as_str().unwrap())
        .collect()
}

/// The code and the dotted field path of each error of a payload.
pub(crate) fn error_codes_and_fields(payload: &Value) -> Vec<(String, String)> {
    let errors = payload["errors"]
        .as_array()
        .expect("the errors were selected");
    let field = |error: &Value| match error["field"].as_array() {
        Some(path) => path
            .iter()
            .map(|part| part.as_str().unwrap())
            .collect::<Vec<_>>()
            .join("."),
        None => String::new(),
    };
    let code = |error: &Value| error["code"].as_str().unwrap().to_owned();
    errors
        .iter()
        .map(|error| (code(error), field(error)))
        .collect()
}

/// Asserts that a payload has no result and exactly one error, with this code and field.
/// Returns the error.
#[track_caller]
pub(crate) fn assert_error<'a>(payload: &'a Value, code: &str, field: &str) -> &'a Value {
    assert_eq!(
        error_codes_and_fields(payload),
        [(code.to_owned(), field.to_owned())],
        "{payload}"
    );
    let result = payload
        .as_object()
        .unwrap()
        .iter()
        .find(|(name, _)| *name != "errors");
    assert_eq!(result.unwrap().1, &Value::Null, "{payload}");
    &payload["errors"][0]
}

pub(crate) const ERRORS: &str = "errors { __typename code message field \
    ... on InvalidCodeError { attemptsRemaining } \
    ... on RateLimitedError { retryAfterSeconds } }";
pub(crate) const CHALLENGE: &str = "challenge { email codeLength expiresAt }";
pub(crate) const SESSION: &str = "session { accessToken accessTokenExpiresAt refreshToken \
    refreshTokenExpiresAt user { id email name firstName lastName phone company createdAt \
    emailVerified hasPassword isActive isSuperuser updatedAt lastLoginAt } }";
