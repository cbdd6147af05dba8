//! Simulated users of a deployment whose servers fail. They check that confirmed operations are
//! durable.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::client::{CHALLENGE, Client, ERRORS, SESSION, Tokens, error_codes};
use super::flow::Flow;
use super::rejected_tokens::{LOGOUT, assert_access_token_rejected, assert_refresh_token_rejected};
use super::smtp::{Inbox, SmtpServer};
use super::{eventually, eventually_within};

/// Settings with limits that the users do not reach.
pub(crate) const SETTINGS: &[(&str, &str)] = &[
    ("MAX_CODE_REQUESTS_PER_HOUR", "100000"),
    ("MAX_CODE_REQUESTS_PER_HOUR_PER_IP", "100000"),
    ("MAX_VERIFICATIONS_PER_15_MINUTES_PER_IP", "100000"),
    // A client that did not receive the response to a refresh repeats the refresh after the outage.
    ("REFRESH_GRACE_SECONDS", "300"),
];
pub(crate) const USERS: usize = 4;
/// The pause between two requests of one user.
const REQUEST_INTERVAL: Duration = Duration::from_millis(25);
/// A request that takes longer hangs. Waiting for a connection to a paused database and for a
/// statement takes much less.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);
/// The time limit for a mail, including outages and the delays between attempts.
const MAIL_TIMEOUT: Duration = Duration::from_mins(1);
/// The time limit for a user's current visit when the load stops.
const FINISH_TIMEOUT: Duration = Duration::from_secs(90);

/// Running users.
pub(crate) struct Load {
    shared: Arc<Shared>,
    users: Vec<JoinHandle<Sessions>>,
}

/// The sessions of a user, as confirmed by responses.
#[derive(Default)]
struct Sessions {
    active: Vec<Tokens>,
    revoked: Vec<Tokens>,
}

pub(crate) struct LoadReport {
    sessions: Sessions,
    /// The number of failed requests.
    pub(crate) failed: usize,
}

/// The state that users share.
struct Shared {
    /// Used in turn. If one refuses the connection, the next is used.
    servers: Mutex<Vec<Client>>,
    next_server: AtomicUsize,
    inbox: Inbox,
    stopping: CancellationToken,
    requests: AtomicUsize,
    /// The number of failed requests, by cause.
    failures: Mutex<BTreeMap<&'static str, usize>>,
}

impl Load {
    /// Starts users that send requests to `servers` and read mails from `mail_server`.
    pub(crate) fn start(servers: &[&Client], mail_server: &SmtpServer) -> Self {
        let shared = Arc::new(Shared {
            servers: Mutex::default(),
            next_server: AtomicUsize::new(0),
            inbox: mail_server.inbox(),
            stopping: CancellationToken::new(),
            requests: AtomicUsize::new(0),
            failures: Mutex::default(),
        });
        shared.set_servers(servers);
        let users = (0..USERS)
            .map(|number| tokio::spawn(run_user(Arc::clone(&shared), number)))
            .collect();
        Self { shared, users }
    }

    pub(crate) fn set_servers(&self, servers: &[&Client]) {
        self.shared.set_servers(servers);
    }

    /// Waits until this many further requests have completed or failed.
    pub(crate) async fn wait_for_requests(&self, count: usize) {
        let made = || self.shared.requests.load(Ordering::Relaxed);
        let target = made() + count;
        eventually("more requests", async || (made() >= target).then_some(())).await;
    }

    /// Waits until a request has failed.
    pub(crate) async fn wait_for_failure(&self) {
        eventually_within(REQUEST_TIMEOUT, "a failed request", async || {
            (!self.shared.failures.lock().unwrap().is_empty()).then_some(())
        })
        .await;
    }

    /// Lets every user complete the current visit. Panics if a user received a wrong response.
    pub(crate) async fn finish(self) -> LoadReport {
        self.shared.stopping.cancel();
        let mut sessions = Sessions::default();
        for user in self.users {
            let result = timeout(FINISH_TIMEOUT, user).await;
            let finished = result.expect("the user finishes").unwrap();
            sessions.active.extend(finished.active);
            sessions.revoked.extend(finished.revoked);
        }
        let failures = self.shared.failures.lock().unwrap().clone();
        println!(
            "{} requests, failed: {failures:?}; {} active sessions, {} revoked",
            self.shared.requests.load(Ordering::Relaxed),
            sessions.active.len(),
            sessions.revoked.len(),
        );
        LoadReport {
            sessions,
            failed: failures.values().sum(),
        }
    }
}

impl LoadReport {
    /// Asserts that active sessions work, that revoked ones are rejected, and that no mail was sent
    /// more than twice.
    pub(crate) async fn assert_consistent(&self, client: &Client, mail_server: &SmtpServer) {
        assert!(!self.sessions.active.is_empty() && !self.sessions.revoked.is_empty());
        for tokens in &self.sessions.active {
            let me = client.with_token(&tokens.access).me().await;
            assert_eq!(me["id"], tokens.user_id.as_str(), "a session was lost");
            let refreshed = client.refresh(&tokens.refresh).await;
            assert_eq!(refreshed["errors"], json!([]), "a session was lost");
        }
        for tokens in &self.sessions.revoked {
            assert_access_token_rejected(client, &tokens.access, "REVOKED").await;
            assert_refresh_token_rejected(client, &tokens.refresh).await;
        }
        let mut copies: HashMap<String, usize> = HashMap::new();
        for mail in mail_server.mails() {
            *copies.entry(mail.message_id).or_default() += 1;
        }
        assert!(copies.values().all(|copies| *copies <= 2), "{copies:?}");
    }
}

/// Makes visits with a new account each until the load stops.
async fn run_user(shared: Arc<Shared>, number: usize) -> Sessions {
    let mut sessions = Sessions::default();
    for visit in 0.. {
        if shared.stopping.is_cancelled() && !sessions.revoked.is_empty() {
            break;
        }
        let mut user = User {
            shared: Arc::clone(&shared),
            email: format!("user{number}-{visit}@example.com"),
            read: HashSet::new(),
            sessions,
        };
        user.visit().await;
        sessions = user.sessions;
    }
    sessions
}

struct User {
    shared: Arc<Shared>,
    email: String,
    /// The Message-IDs of mails that were read.
    read: HashSet<String>,
    sessions: Sessions,
}

impl User {
    /// Signs up and stays signed in; signs in and out in a second session.
    async fn visit(&mut self) {
        let session = self.sign_in(Flow::Signup).await;
        self.sessions.active.push(session);
        self.check_sessions().await;
        self.refresh().await;
        let other = self.sign_in(Flow::Login).await;
        self.sign_out(&other).await;
        self.sessions.revoked.push(other);
        self.check_sessions().await;
        self.refresh().await;
    }

    /// Requests a code, waits for its mail and submits it.
    async fn sign_in(&mut self, mut flow: Flow) -> Tokens {
        // Whether a response was lost, so that its operation may have been executed.
        let mut response_lost = false;
        loop {
            let (mutation, input) = match flow {
                Flow::Signup => (
                    "requestSignupCode",
                    json!({ "email": self.email, "name": "Ada" }),
                ),
                Flow::Login => ("requestLoginCode", json!({ "email": self.email })),
            };
            let requested = self
                .mutate(mutation, input, CHALLENGE, &mut response_lost)
                .await;
            match error_codes(&requested)[..] {
                [] => {}
                // The response to the sign-up was lost.
                ["EMAIL_TAKEN"] if response_lost => {
                    flow = Flow::Login;
                    continue;
                }
                _ => panic!("{requested}"),
            }
            let code = self.next_code().await;
            let mutation = match flow {
                Flow::Signup => "verifySignupCode",
                Flow::Login => "verifyLoginCode",
            };
            let input = json!({ "email": self.email, "code": code });
            let verified = self
                .mutate(mutation, input, SESSION, &mut response_lost)
                .await;
            match error_codes(&verified)[..] {
                [] => return Tokens::of(&verified["session"]),
                // Replaced, or used by a request whose response was lost.
                ["INVALID_CODE"] if response_lost => {}
                _ => panic!("{verified}"),
            }
        }
    }

    /// Waits for a new mail and returns its code.
    async fn next_code(&mut self) -> String {
        let start = Instant::now();
        loop {
            let mails = self.shared.inbox.mails_to(&self.email);
            let new = mails
                .into_iter()
                .rfind(|mail| !self.read.contains(&mail.message_id));
            if let Some(mail) = new {
                self.read.insert(mail.message_id.clone());
                return mail.code();
            }
            assert!(
                start.elapsed() < MAIL_TIMEOUT,
                "timed out while waiting for a mail to {}",
                self.email
            );
            self.check_sessions().await;
            sleep(REQUEST_INTERVAL).await;
        }
    }

    /// Checks the newest active and the newest revoked session.
    async fn check_sessions(&self) {
        if let Some(active) = self.sessions.active.last() {
            let response = self.send(Some(&active.access), "{ me { id } }", json!({}));
            if let Some(response) = response.await {
                let id = &response["data"]["me"]["id"];
                assert_eq!(id, active.user_id.as_str(), "{response}");
            }
        }
        if let Some(revoked) = self.sessions.revoked.last() {
            let response = self.send(Some(&revoked.access), "{ sessions { id } }", json!({}));
            if let Some(response) = response.await {
                assert_eq!(top_level_code(&response), "UNAUTHENTICATED", "{response}");
            }
        }
    }

    /// Refreshes the newest active session.
    async fn refresh(&mut self) {
        let active = self.sessions.active.last().unwrap();
        let input = json!({ "refreshToken": active.refresh });
        let refreshed = self
            .mutate("refreshSession", input, SESSION, &mut false)
            .await;
        assert_eq!(refreshed["errors"], json!([]), "a session was lost");
        *self.sessions.active.last_mut().unwrap() = Tokens::of(&refreshed["session"]);
    }

    async fn sign_out(&self, session: &Tokens) {
        let mut response_lost = false;
        loop {
            match self.send(Some(&session.access), LOGOUT, json!({})).await {
                Some(response) if response["data"]["logout"]["errors"] == json!([]) => return,
                Some(response)
                    if response_lost && top_level_code(&response) == "UNAUTHENTICATED" =>
                {
                    return;
                }
                Some(response) => panic!("{response}"),
                None => response_lost = true,
            }
            sleep(REQUEST_INTERVAL).await;
        }
    }

    /// Repeats a mutation until it has a response, and returns its payload.
    async fn mutate(
        &self,
        mutation: &str,
        input: Value,
        selection: &str,
        response_lost: &mut bool,
    ) -> Value {
        let type_name = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
        let query = format!(
            "mutation($input: {type_name}!) {{ {mutation}(input: $input) {{ {selection} {ERRORS} }} }}"
        );
        loop {
            let variables = json!({ "input": input });
            if let Some(response) = self.send(None, &query, variables).await {
                assert_eq!(response["errors"], Value::Null, "{response}");
                return response["data"][mutation].clone();
            }
            *response_lost = true;
            sleep(REQUEST_INTERVAL).await;
        }
    }

    /// Sends one request. Returns `None` if it failed in a way that an outage explains.
    async fn send(&self, token: Option<&str>, query: &str, variables: Value) -> Option<Value> {
        let sending = self.shared.send(token, query, variables);
        let response = timeout(REQUEST_TIMEOUT, sending).await;
        let response = response.expect("a request does not hang");
        self.shared.requests.fetch_add(1, Ordering::Relaxed);
        response
            .inspect_err(|cause| {
                let mut failures = self.shared.failures.lock().unwrap();
                *failures.entry(cause).or_default() += 1;
            })
            .ok()
    }
}

impl Shared {
    /// Disables keep-alive, because a server may close an idle connection just as it is reused.
    fn set_servers(&self, servers: &[&Client]) {
        let servers = servers.iter().map(|server| server.without_keep_alive());
        *self.servers.lock().unwrap() = servers.collect();
    }

    async fn send(
        &self,
        token: Option<&str>,
        query: &str,
        variables: Value,
    ) -> Result<Value, &'static str> {
        let body = json!({ "query": query, "variables": variables });
        let servers = self.servers.lock().unwrap().clone();
        let first = self.next_server.fetch_add(1, Ordering::Relaxed);
        for number in 0..servers.len() {
            let server = &servers[(first + number) % servers.len()];
            let server = token.map_or_else(|| server.clone(), |token| server.with_token(token));
            let request = server.request(Method::POST, "/graphql").json(&body);
            let text = match request.send().await {
                Ok(response) => response.text().await,
                Err(error) if error.is_connect() => continue,
                Err(error) => Err(error),
            };
            let text = text.map_err(|_| "the connection was closed")?;
            let response: Value = serde_json::from_str(&text).expect("a response is JSON");
            return match top_level_code(&response) {
                "INTERNAL" => Err("INTERNAL"),
                _ => Ok(response),
            };
        }
        Err("no server accepts connections")
    }
}

/// `extensions.code` of the first top-level error.
fn top_level_code(response: &Value) -> &str {
    let code = &response["errors"][0]["extensions"]["code"];
    code.as_str().unwrap_or_default()
}
