//! Who may do what: every field that leads to a team, its members, its invitations or another
//! account, asked for by everybody. The rows come from the schema, so that a new field without an
//! expected answer fails the test.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{BaseType, FieldDefinition, TypeKind, TypeSystemDefinition};
use serde_json::{Value, json};

use table::{PLACES, expected_at_root, expected_below};

use crate::support::app::TestApp;
use crate::support::client::Client;
use crate::support::deployment::Deployment;
use crate::support::on_both_deployments;
use crate::support::team::{NO_LIMITS, TestUser};
use crate::teams::members::superuser;

mod table;

const SCHEMA: &str = include_str!("../../../schema.graphql");
const NEVER: &str = "018f0000-0000-7000-8000-000000000000";
/// Who asks, in the order of the columns.
const CALLERS: [&str; 5] = ["anonymous", "outsider", "member", "admin", "superuser"];
/// A field of the schema.
struct Field {
    name: String,
    /// The object it leads to.
    object: Option<String>,
    takes_input: bool,
    /// Whether it, or its input, holds an identifier.
    takes_id: bool,
}

/// The name of a type without lists and `!`.
fn base_of(ty: &BaseType) -> String {
    match ty {
        BaseType::Named(name) => name.to_string(),
        BaseType::List(of) => base_of(&of.base),
    }
}

/// The fields of an object type of the schema.
fn fields_of(ty: &str) -> Vec<Field> {
    let schema = parse_schema(SCHEMA).unwrap();
    let types: BTreeMap<_, _> = schema
        .definitions
        .into_iter()
        .filter_map(|definition| match definition {
            TypeSystemDefinition::Type(ty) => Some((ty.node.name.node.to_string(), ty.node.kind)),
            _ => None,
        })
        .collect();
    let object = |name: &str| match types.get(name) {
        Some(TypeKind::Object(object)) => Some(object),
        _ => None,
    };
    let is_id = |ty: String| match types.get(&ty) {
        Some(TypeKind::InputObject(input)) => {
            let mut fields = input.fields.iter();
            fields.any(|field| base_of(&field.node.ty.node.base) == "ID")
        }
        _ => ty == "ID",
    };
    let field = |field: &FieldDefinition| {
        let leads_to = base_of(&field.ty.node.base);
        let mut arguments = field.arguments.iter().map(|argument| &argument.node);
        Field {
            name: field.name.node.to_string(),
            object: object(&leads_to).map(|_| leads_to),
            takes_input: arguments
                .clone()
                .any(|argument| argument.name.node == "input"),
            takes_id: arguments.any(|argument| is_id(base_of(&argument.ty.node.base))),
        }
    };
    let fields = &object(ty).unwrap().fields;
    fields.iter().map(|of| field(&of.node)).collect()
}

/// What came back, in a word: an error at the top, one in the payload with its field, nothing or
/// something.
fn word(answer: &Value, at: &str) -> String {
    if let Some(code) = answer["errors"][0]["extensions"]["code"].as_str() {
        return code.to_owned();
    }
    let Some(found) = answer["data"].pointer(at).filter(|found| !found.is_null()) else {
        return "null".to_owned();
    };
    match found["errors"].get(0) {
        Some(error) => {
            let field = error["field"][0].as_str().unwrap_or_default();
            format!("{}@{field}", error["code"].as_str().unwrap())
        }
        None => "ok".to_owned(),
    }
}

/// Everybody, and what the document's words stand for.
struct Stage {
    owner: TestUser,
    mary: TestUser,
    callers: Vec<Option<TestUser>>,
    session: String,
    number: u32,
}

impl Stage {
    async fn set(deployment: &Deployment, app: &TestApp) -> Self {
        let owner = app.user("owner@example.com").await;
        let facts =
            "UPDATE users SET first_name = 'A', last_name = 'B', phone = '1', company = 'C'";
        deployment.execute(facts).await;
        let session =
            owner.run("{ sessions { id } }", json!({})).await["sessions"][0]["id"].clone();
        Self {
            mary: app.user("mary@example.com").await,
            callers: vec![
                None,
                Some(app.user("outsider@example.com").await),
                Some(app.user("member@example.com").await),
                Some(app.user("admin@example.com").await),
                Some(superuser(deployment, app, "superuser@example.com").await),
            ],
            owner,
            session: session.as_str().unwrap().to_owned(),
            number: 0,
        }
    }

    /// A client with the token of a caller, or none.
    fn client(&self, app: &TestApp, caller: usize) -> Client {
        match &self.callers[caller] {
            Some(person) => app.with_token(&person.tokens.access),
            None => app.without_token(),
        }
    }

    /// A new team with its members and an invitation, put into a document.
    async fn fill(&mut self, app: &TestApp, document: &str) -> String {
        self.number += 1;
        let owner = &self.owner;
        let mut filled = document.to_owned();
        if ["TEAM", "INVITATION", "TOKEN"]
            .iter()
            .any(|word| document.contains(word))
        {
            let about = json!({ "name": "Engines", "description": "We compute." });
            let created = owner.mutate("createTeam", about, "team { id }").await;
            let team = created["team"]["id"].as_str().unwrap();
            let (member, admin) = (self.callers[2].as_ref(), self.callers[3].as_ref());
            for (person, role) in [
                (member, "MEMBER"),
                (admin, "ADMIN"),
                (Some(&self.mary), "MEMBER"),
            ] {
                let invited = owner.invite(team, &person.unwrap().email, role).await;
                assert_eq!(invited["errors"], json!([]), "{invited}");
            }
            let guest = format!("guest{}@example.com", self.number);
            let invited = owner.invite(team, &guest, "MEMBER").await;
            let invitation = invited["invitation"]["id"].as_str().unwrap();
            filled = filled
                .replace("TEAM\"", &format!("{team}\""))
                .replace("INVITATION\"", &format!("{invitation}\""));
            if document.contains("TOKEN") {
                let token = app.invitation_token(&guest).await;
                filled = filled.replace("TOKEN\"", &format!("{token}\""));
            }
        }
        filled
            .replace("MARY", self.mary.id())
            .replace("SESSION\"", &format!("{}\"", self.session))
            .replace("NEW\"", &format!("new{}@example.com\"", self.number))
    }
}

/// The whole document for a root field.
fn root_document(on: &str, field: &Field) -> (String, [&'static str; 5]) {
    let name = &field.name;
    let (text, expected) = expected_at_root(name)
        .unwrap_or_else(|| panic!("{on}.{name} has no expected answer: who may use it?"));
    let document = match (on, field.takes_input) {
        ("Query", _) => text.to_owned(),
        (_, true) => {
            format!("mutation {{ {name}(input: {{ {text} }}) {{ errors {{ code field }} }} }}")
        }
        (_, false) => format!("mutation {{ {name} {{ errors {{ code field }} }} }}"),
    };
    (document, expected)
}

on_both_deployments! {
    /// Every field at the root of the schema answers everybody as the table says.
    async fn every_operation_follows_the_rights_table(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await.allow_unread_mail();
        let mut stage = Stage::set(&deployment, &app).await;
        let (mut cells, mut wrong) = (0, Vec::new());
        for on in ["Query", "Mutation"] {
            for field in fields_of(on) {
                let (document, expected) = root_document(on, &field);
                for caller in 0..CALLERS.len() {
                    let filled = stage.fill(&app, &document).await;
                    let client = stage.client(&app, caller);
                    let answer = client.post(&filled, json!({})).await.json();
                    let word = word(&answer, &format!("/{}", field.name));
                    if word != expected[caller] {
                        wrong.push(format!("{}: {} instead of {} in {answer}",
                            CALLERS[caller], word, expected[caller]));
                    }
                    cells += 1;
                    // These end the sessions of whoever asks.
                    if matches!(field.name.as_str(), "logout" | "revokeOtherSessions")
                        && let Some(person) = stage.callers[caller].take()
                    {
                        stage.callers[caller] = Some(app.log_in_again(person).await);
                    }
                }
            }
        }
        println!("{cells} cells");
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// Every field below a team answers everybody as the table says.
    async fn every_team_field_follows_the_rights_table(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await.allow_unread_mail();
        let mut stage = Stage::set(&deployment, &app).await;
        let team = stage.fill(&app, "TEAM\"").await;
        let mut wrong = Vec::new();
        for (ty, place, at) in PLACES {
            for field in fields_of(ty) {
                let (name, below) = (format!("{ty}.{}", field.name), if field.object.is_some() { "{ __typename }" } else { "" });
                let expected = expected_below(&name)
                    .unwrap_or_else(|| panic!("{name} has no expected answer: who may see it?"));
                let document = place
                    .replace("FIELD", &format!("{} {below}", field.name))
                    .replace("TEAM\"", &team);
                for caller in 0..CALLERS.len() {
                    let answer = stage.client(&app, caller).post(&document, json!({})).await.json();
                    let word = word(&answer, &format!("{at}/{}", field.name));
                    if word != expected[caller] {
                        wrong.push(format!("{} for {name}: {word} instead of {} in {answer}",
                            CALLERS[caller], expected[caller]));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// Nobody can tell another tenant's identifier from one that never was: the whole answers are
    /// the same.
    async fn foreign_and_missing_items_are_indistinguishable(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await.allow_unread_mail();
        let mut stage = Stage::set(&deployment, &app).await;
        let mut compared = 0;
        for on in ["Query", "Mutation"] {
            for field in fields_of(on) {
                let (document, _) = root_document(on, &field);
                let words = ["TEAM\"", "INVITATION\"", "SESSION\""];
                let word = words.into_iter().find(|word| document.contains(word));
                assert_eq!(word.is_some(), field.takes_id, "{}", field.name);
                let Some(word) = word else { continue };
                let outsider = stage.client(&app, 1);
                let theirs = stage.fill(&app, &document).await;
                let theirs = outsider.post(&theirs, json!({})).await.text;
                for never in [NEVER, "x", "", "-1"] {
                    let never = document.replace(word, &format!("{never}\""));
                    let never = stage.fill(&app, &never).await;
                    assert_eq!(outsider.post(&never, json!({})).await.text, theirs, "{never}");
                }
                compared += 1;
            }
        }
        assert_eq!(compared, 9);
    }
}

/// The table of what lies below a team has every type that a team leads to.
#[test]
fn every_team_type_is_in_the_rights_table() {
    let mut reached = BTreeSet::from(["Team".to_owned()]);
    let mut left = vec!["Team".to_owned()];
    while let Some(ty) = left.pop() {
        let further = fields_of(&ty).into_iter().filter_map(|field| field.object);
        left.extend(further.filter(|ty| reached.insert(ty.clone())));
    }
    let places: BTreeSet<_> = PLACES.iter().map(|(ty, ..)| (*ty).to_owned()).collect();
    assert_eq!(places, reached);
}
