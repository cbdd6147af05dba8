//! Users of a deployment whose parts fail. They check that whatever a response confirmed stays true.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::client::{CHALLENGE, Client, ERRORS, SESSION, Tokens, error_codes};
use super::flow::Flow;
use super::rejected_tokens::{LOGOUT, assert_access_token_rejected, assert_refresh_token_rejected};
use super::smtp::{Inbox, SmtpServer};

/// Settings without limits that these users would reach.
pub(crate) const SETTINGS: &[(&str, &str)] = &[
    ("MAX_CODE_REQUESTS_PER_HOUR", "100000"),
    ("MAX_CODE_REQUESTS_PER_HOUR_PER_IP", "100000"),
    ("MAX_VERIFICATIONS_PER_15_MINUTES_PER_IP", "100000"),
    // A client that never received the response to a refresh repeats it after any outage.
    ("REFRESH_GRACE_SECONDS", "300"),
];
const PEOPLE: usize = 4;
/// The pause between two requests of one user.
const BREATH: Duration = Duration::from_millis(25);
/// The time limit for a mail, including outages and the delays between attempts.
const MAIL_PATIENCE: Duration = Duration::from_mins(1);
/// The time limit for users to complete what they began.
const LAST_PATIENCE: Duration = Duration::from_secs(90);

/// Running users.
pub(crate) struct Load {
    world: Arc<World>,
    people: Vec<JoinHandle<Memory>>,
}

/// What a user remembers.
#[derive(Default)]
struct Memory {
    /// Sessions that are signed in.
    kept: Vec<Tokens>,
    /// Sessions that were signed out, with confirmation.
    ended: Vec<Tokens>,
}

/// The result.
pub(crate) struct Story {
    memory: Memory,
    pub(crate) made: usize,
    pub(crate) failed: usize,
    pub(crate) slowest: Duration,
    /// Failures of requests and their number.
    troubles: BTreeMap<String, usize>,
}

/// What users share.
struct World {
    /// Servers, used in turn. If one refuses the connection, the next is used.
    doors: Mutex<Vec<Client>>,
    next_door: AtomicUsize,
    inbox: Inbox,
    closing: CancellationToken,
    made: AtomicUsize,
    slowest: Mutex<Duration>,
    troubles: Mutex<BTreeMap<String, usize>>,
}

impl Load {
    /// Starts users that send requests to `doors` and read mails in `server`.
    pub(crate) fn start(doors: &[&Client], server: &SmtpServer) -> Self {
        let world = Arc::new(World {
            doors: Mutex::default(),
            next_door: AtomicUsize::new(0),
            inbox: server.inbox(),
            closing: CancellationToken::new(),
            made: AtomicUsize::new(0),
            slowest: Mutex::default(),
            troubles: Mutex::default(),
        });
        world.set_doors(doors);
        let people = (0..PEOPLE)
            .map(|number| tokio::spawn(live(Arc::clone(&world), number)))
            .collect();
        Self { world, people }
    }

    /// Changes where requests are sent.
    pub(crate) fn set_doors(&self, doors: &[&Client]) {
        self.world.set_doors(doors);
    }

    /// The number of requests so far.
    pub(crate) fn made(&self) -> usize {
        self.world.made.load(Ordering::Relaxed)
    }

    /// Waits for a number of further requests.
    pub(crate) async fn go_on_for(&self, requests: usize) {
        let enough = self.made() + requests;
        super::eventually("more requests", async || {
            (self.made() >= enough).then_some(())
        })
        .await;
    }

    /// Waits until all users have completed what they began. Fails if one received a wrong response.
    pub(crate) async fn finish(self) -> Story {
        self.world.closing.cancel();
        let mut memory = Memory::default();
        for person in self.people {
            let held = timeout(LAST_PATIENCE, person).await;
            let held = held.expect("nobody waits for ever").unwrap();
            memory.kept.extend(held.kept);
            memory.ended.extend(held.ended);
        }
        let troubles = self.world.troubles.lock().unwrap().clone();
        let story = Story {
            memory,
            made: self.world.made.load(Ordering::Relaxed),
            failed: troubles.values().sum(),
            slowest: *self.world.slowest.lock().unwrap(),
            troubles,
        };
        println!(
            "{} requests, {} failed, the slowest after {:?}; {} sessions kept, {} ended; {:?}",
            story.made,
            story.failed,
            story.slowest,
            story.memory.kept.len(),
            story.memory.ended.len(),
            story.troubles,
        );
        story
    }
}

impl Story {
    /// Asserts that open sessions still work, that ended ones are rejected, and that no mail was
    /// sent more than twice.
    pub(crate) async fn holds(&self, client: &Client, server: &SmtpServer) {
        assert!(!self.memory.kept.is_empty() && !self.memory.ended.is_empty());
        for tokens in &self.memory.kept {
            let me = client.with_token(&tokens.access).me().await;
            assert_eq!(me["id"], tokens.user_id.as_str(), "a session was lost");
            let refreshed = client.refresh(&tokens.refresh).await;
            assert_eq!(refreshed["errors"], json!([]), "a session was lost");
        }
        for tokens in &self.memory.ended {
            assert_access_token_rejected(client, &tokens.access, "REVOKED").await;
            assert_refresh_token_rejected(client, &tokens.refresh).await;
        }
        let mut copies: HashMap<String, usize> = HashMap::new();
        for mail in server.mails() {
            *copies.entry(mail.message_id).or_default() += 1;
        }
        let doubled = copies.values().filter(|copies| **copies > 1).count();
        println!("{} mails, {doubled} of them twice", copies.len());
        assert!(copies.values().all(|copies| *copies <= 2), "{copies:?}");
    }
}

/// Visits repeatedly, with a new account each time.
async fn live(world: Arc<World>, number: usize) -> Memory {
    let mut memory = Memory::default();
    for visit in 0.. {
        if world.closing.is_cancelled() && !memory.ended.is_empty() {
            break;
        }
        let mut person = Person {
            world: Arc::clone(&world),
            address: format!("person{number}-{visit}@example.com"),
            read: HashSet::new(),
            memory,
        };
        person.visit().await;
        memory = person.memory;
    }
    memory
}

struct Person {
    world: Arc<World>,
    address: String,
    /// The mails that were read, by Message-ID.
    read: HashSet<String>,
    memory: Memory,
}

impl Person {
    /// Signs up and stays signed in; logs in elsewhere, and out again.
    async fn visit(&mut self) {
        let session = self.enter(Flow::Signup).await;
        self.memory.kept.push(session);
        self.look_around().await;
        self.renew().await;
        let other = self.enter(Flow::Login).await;
        self.leave(&other).await;
        self.memory.ended.push(other);
        self.look_around().await;
        self.renew().await;
    }

    /// Requests a code, waits for its mail and submits it.
    async fn enter(&mut self, mut flow: Flow) -> Tokens {
        // Whether a response was lost, so that the operation may have happened.
        let mut in_doubt = false;
        loop {
            let (mutation, input) = match flow {
                Flow::Signup => (
                    "requestSignupCode",
                    json!({ "email": self.address, "name": "Ada" }),
                ),
                Flow::Login => ("requestLoginCode", json!({ "email": self.address })),
            };
            let asked = self.insist(mutation, input, CHALLENGE, &mut in_doubt).await;
            match error_codes(&asked)[..] {
                [] => {}
                // The response to the sign-up was lost.
                ["EMAIL_TAKEN"] if in_doubt => {
                    flow = Flow::Login;
                    continue;
                }
                _ => panic!("{asked}"),
            }
            let code = self.next_code().await;
            let mutation = match flow {
                Flow::Signup => "verifySignupCode",
                Flow::Login => "verifyLoginCode",
            };
            let input = json!({ "email": self.address, "code": code });
            let verified = self.insist(mutation, input, SESSION, &mut in_doubt).await;
            match error_codes(&verified)[..] {
                [] => return Tokens::of(&verified["session"]),
                // Replaced, or used by a request whose response was lost.
                ["INVALID_CODE"] if in_doubt => {}
                _ => panic!("{verified}"),
            }
        }
    }

    /// Waits for a new mail and returns its code.
    async fn next_code(&mut self) -> String {
        let begun = Instant::now();
        loop {
            let mails = self.world.inbox.mails_to(&self.address);
            let new = mails
                .into_iter()
                .rfind(|mail| !self.read.contains(&mail.message_id));
            if let Some(mail) = new {
                self.read.insert(mail.message_id.clone());
                return mail.code();
            }
            let waited = begun.elapsed();
            assert!(waited < MAIL_PATIENCE, "no mail to {}", self.address);
            self.look_around().await;
            sleep(BREATH).await;
        }
    }

    /// Checks the state of the newest sessions.
    async fn look_around(&self) {
        if let Some(kept) = self.memory.kept.last() {
            let seen = self.ask(Some(&kept.access), "{ me { id } }", json!({}));
            if let Some(seen) = seen.await {
                assert_eq!(seen["data"]["me"]["id"], kept.user_id.as_str(), "{seen}");
            }
        }
        if let Some(ended) = self.memory.ended.last() {
            let seen = self.ask(Some(&ended.access), "{ sessions { id } }", json!({}));
            if let Some(seen) = seen.await {
                assert_eq!(top_code(&seen), "UNAUTHENTICATED", "{seen}");
            }
        }
    }

    /// Refreshes the newest session.
    async fn renew(&mut self) {
        let kept = self.memory.kept.last().unwrap();
        let input = json!({ "refreshToken": kept.refresh });
        let renewed = self
            .insist("refreshSession", input, SESSION, &mut false)
            .await;
        assert_eq!(renewed["errors"], json!([]), "a session was lost");
        *self.memory.kept.last_mut().unwrap() = Tokens::of(&renewed["session"]);
    }

    /// Logs out.
    async fn leave(&self, session: &Tokens) {
        let mut in_doubt = false;
        loop {
            match self.ask(Some(&session.access), LOGOUT, json!({})).await {
                Some(left) if left["data"]["logout"]["errors"] == json!([]) => return,
                Some(left) if in_doubt && top_code(&left) == "UNAUTHENTICATED" => return,
                Some(left) => panic!("{left}"),
                None => in_doubt = true,
            }
            sleep(BREATH).await;
        }
    }

    /// Repeats a mutation until there is a response, and returns its payload.
    async fn insist(
        &self,
        mutation: &str,
        input: Value,
        selection: &str,
        in_doubt: &mut bool,
    ) -> Value {
        let type_name = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
        let query = format!(
            "mutation($input: {type_name}!) {{ {mutation}(input: $input) {{ {selection} {ERRORS} }} }}"
        );
        loop {
            let variables = json!({ "input": input });
            if let Some(answer) = self.ask(None, &query, variables).await {
                assert_eq!(answer["errors"], Value::Null, "{answer}");
                return answer["data"][mutation].clone();
            }
            *in_doubt = true;
            sleep(BREATH).await;
        }
    }

    /// Makes one request. `None` if it failed as it may during an outage.
    async fn ask(&self, token: Option<&str>, query: &str, variables: Value) -> Option<Value> {
        let begun = Instant::now();
        let answer = self.world.send(token, query, variables).await;
        self.world.made.fetch_add(1, Ordering::Relaxed);
        let mut slowest = self.world.slowest.lock().unwrap();
        *slowest = begun.elapsed().max(*slowest);
        answer
            .inspect_err(|trouble| {
                let mut troubles = self.world.troubles.lock().unwrap();
                *troubles.entry(trouble.clone()).or_default() += 1;
            })
            .ok()
    }
}

impl World {
    /// Opens a connection for each request: the server may close a kept one just as it is used
    /// again.
    fn set_doors(&self, doors: &[&Client]) {
        let doors = doors.iter().map(|door| door.without_keep_alive());
        *self.doors.lock().unwrap() = doors.collect();
    }

    async fn send(
        &self,
        token: Option<&str>,
        query: &str,
        variables: Value,
    ) -> Result<Value, String> {
        let body = json!({ "query": query, "variables": variables });
        let doors = self.doors.lock().unwrap().clone();
        let first = self.next_door.fetch_add(1, Ordering::Relaxed);
        for number in 0..doors.len() {
            let door = &doors[(first + number) % doors.len()];
            let door = token.map_or_else(|| door.clone(), |token| door.with_token(token));
            let request = door.request(reqwest::Method::POST, "/graphql").json(&body);
            let answer = match request.send().await {
                Ok(response) => response.text().await,
                Err(error) if error.is_connect() => continue,
                Err(error) => Err(error),
            };
            let text = answer.map_err(|_| "the connection broke".to_owned())?;
            let answer: Value = serde_json::from_str(&text).expect("an answer is JSON");
            return match top_code(&answer) {
                "INTERNAL" => Err("INTERNAL".to_owned()),
                _ => Ok(answer),
            };
        }
        Err("nobody listens".to_owned())
    }
}

/// `extensions.code` of the first error at the top.
fn top_code(answer: &Value) -> &str {
    let code = &answer["errors"][0]["extensions"]["code"];
    code.as_str().unwrap_or_default()
}
