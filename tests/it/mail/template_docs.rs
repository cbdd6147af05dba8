//! The guide to templates says what the code does, and the examples it names can be used.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use gatelodge::testing::config::TemplatesConfig;
use gatelodge::testing::domain::code::{CodeFormat, CodeType};
use gatelodge::testing::domain::mail::{Link, Mail, MailContext, MailKind, SecretKind};
use gatelodge::testing::mail::templates::{Rendered, TemplateErrors, Templates};
use tempfile::TempDir;

use crate::support::deployment::Deployment;

const GUIDE: &str = include_str!("../../../docs/templates.md");
const EXAMPLES: [&str; 2] = ["seed", "branded"];

/// The templates of a directory, or of none.
async fn load(directory: Option<PathBuf>) -> Result<Templates, TemplateErrors> {
    let support = [
        ("SUPPORT_EMAIL", "help@example.com"),
        ("APP_NAME", "Harbour"),
    ];
    let app = Deployment::embedded().await.config(&support).app;
    let config = TemplatesConfig {
        directory,
        ..TemplatesConfig::default()
    };
    Templates::load(&app, &config)
}

fn example(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "examples/templates", name]
        .iter()
        .collect()
}

/// A mail with everything that its kind can have.
fn context(kind: MailKind) -> MailContext {
    let format = CodeFormat {
        length: 6,
        code_type: CodeType::Numeric,
    };
    let code = format.parse("483920").unwrap();
    let link = Link::new("https://example.com/open?token=AZ-x_9".to_owned());
    let mut params = Mail::sample(kind).params();
    if let Some(name) = params.get_mut("name") {
        *name = "Ada <3".into();
    }
    let mail = Mail::from_row(kind.name(), &params).unwrap();
    MailContext::sample(mail, code, link, 15)
}

/// The words in backquotes of the cells of a line of a table, cell by cell.
fn cells(line: &str) -> Vec<Vec<&str>> {
    let cells = line.trim_matches('|').split('|');
    cells
        .map(|cell| cell.split('`').skip(1).step_by(2).collect())
        .collect()
}

/// The lines of the table with this heading.
fn table(heading: &str) -> Vec<Vec<Vec<&'static str>>> {
    let (_, rest) = GUIDE.split_once(heading).expect("the guide has this table");
    let lines = rest
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    lines.map(cells).collect()
}

/// The placeholders that the guide promises for a kind.
fn documented(kind: MailKind) -> BTreeSet<&'static str> {
    let everywhere = table("| placeholder | what it is |");
    let everywhere = everywhere.iter().flat_map(|row| row[0].clone());
    let by_kind = table("| kind | is sent | has also |");
    let row = by_kind.iter().find(|row| row[0] == [kind.name()]);
    let also = row.unwrap_or_else(|| panic!("{kind} is in the guide"));
    everywhere.chain(also[2].clone()).collect()
}

/// Each kind has the placeholders that the guide lists, in single and double braces, and no
/// others.
#[tokio::test]
async fn each_kind_has_the_documented_placeholders() {
    assert_eq!(
        table("| kind | is sent | has also |").len(),
        MailKind::all().count()
    );
    let all: BTreeSet<_> = MailKind::all().flat_map(documented).collect();
    let mut known = BTreeSet::from([
        "app_name",
        "app_url",
        "support_email",
        "email",
        "name",
        "code",
        "link",
        "expiry_minutes",
        "expires_in",
    ]);
    let params = MailKind::all().map(|kind| context(kind).mail.params());
    let params: Vec<_> = params.collect();
    let fields = params
        .iter()
        .flat_map(|params| params.as_object().unwrap().keys());
    known.extend(fields.map(String::as_str));
    assert_eq!(all, known);

    for name in all {
        let directory = TempDir::new().unwrap();
        for kind in MailKind::all() {
            let secret = match kind.secret() {
                Some(SecretKind::Code) => "{{ code }}",
                Some(_) => "{{ link }}",
                None => "",
            };
            let path = directory.path().join(kind.name());
            fs::create_dir(&path).unwrap();
            let text = format!("{secret} of {{{{ {name} }}}}");
            fs::write(path.join("body.txt"), text).unwrap();
        }
        let errors = load(Some(directory.path().to_owned())).await.err();
        let errors = errors.map(|errors| errors.to_string()).unwrap_or_default();
        for kind in MailKind::all() {
            let is_refused = errors.contains(&format!("{kind}/body.txt:1: undefined value"));
            let is_documented = documented(kind).contains(name);
            assert_eq!(is_refused, !is_documented, "{kind} {name}: {errors}");
        }
    }
}

/// `{name}` is as good as `{{ name }}` for every placeholder that is shown to people.
#[tokio::test]
async fn single_braces_work_like_double_braces() {
    let directory = TempDir::new().unwrap();
    for kind in MailKind::all() {
        let names = documented(kind)
            .into_iter()
            .filter(|name| *name != "happened");
        let (single, double) = names.fold((String::new(), String::new()), |(one, two), name| {
            (
                format!("{one}[{{{name}}}]"),
                format!("{two}[{{{{ {name} }}}}]"),
            )
        });
        let path = directory.path().join(kind.name());
        fs::create_dir(&path).unwrap();
        fs::write(path.join("body.txt"), format!("{single}\n{double}\n")).unwrap();
    }
    let templates = load(Some(directory.path().to_owned())).await.unwrap();
    for kind in MailKind::all() {
        let text = templates.render(&context(kind)).unwrap().text;
        let (single, double) = text.trim_end().split_once('\n').unwrap();
        assert!(single == double && !single.contains('{'), "{kind}: {text}");
    }
}

/// What the guide promises of the HTML of a mail.
fn is_kind_to_its_reader(mail: &Rendered, what: &str) {
    let html = &mail.html;
    for remote in ["<img", "<link", "src=", "url(", "@import", "<script"] {
        assert!(
            !html.contains(remote),
            "{what} loads from elsewhere: {remote}"
        );
    }
    assert!(
        html.contains("prefers-color-scheme: dark"),
        "{what} has a dark mode"
    );
    assert!(
        html.contains("name=\"color-scheme\" content=\"light dark\""),
        "{what}"
    );
    assert!(html.contains("name=\"viewport\""), "{what} fits a phone");
    // The first thing in the body is hidden, and says something.
    let (_, body) = html.split_once("<body").unwrap();
    let (_, first) = body.split_once("<div").unwrap();
    let (tag, preheader) = first.split_once('>').unwrap();
    let is_hidden = tag.contains("display:none") || tag.contains("class=\"preheader\"");
    let said = preheader.split(['<', '&']).next().unwrap().trim();
    assert!(
        is_hidden && said.len() > 10,
        "{what} has no preheader: {said:?}"
    );
    assert!(
        !mail.subject.is_empty() && !mail.text.trim().is_empty(),
        "{what}"
    );
}

/// Every mail, built in or of an example, has text and HTML, a preheader and a dark mode, loads
/// nothing from elsewhere, and shows its secret in both bodies.
#[tokio::test]
async fn every_mail_says_what_to_do() {
    let examples = EXAMPLES.map(|name| (name, Some(example(name))));
    for (name, directory) in [("built in", None)].into_iter().chain(examples) {
        let templates = load(directory).await.unwrap();
        for kind in MailKind::all() {
            let context = context(kind);
            let mail = templates.render(&context).unwrap();
            is_kind_to_its_reader(&mail, &format!("{name} {kind}"));
            let secret = match kind.secret() {
                Some(SecretKind::Code) => "483920",
                Some(_) => "token=AZ-x_9",
                None => "",
            };
            assert!(
                mail.text.contains(secret) && mail.html.contains(secret),
                "{name} {kind}"
            );
            assert!(!mail.html.contains("Ada <3"), "{name} {kind}");
            for body in [&mail.text, &mail.html, &mail.subject] {
                assert!(
                    !body.contains("{{") && !body.contains("{code}"),
                    "{name} {kind}: {body}"
                );
            }
        }
    }
}

/// The examples are what is seen: their own words, and, of the branded one, its header in mails
/// whose bodies are built in.
#[tokio::test]
async fn the_documented_examples_match_the_mails() {
    let seed = load(Some(example("seed"))).await.unwrap();
    let mail = seed.render(&context(MailKind::SignupCode)).unwrap();
    assert_eq!(
        mail.subject,
        "Welcome to Harbour! Verify your email address"
    );
    assert!(
        mail.html
            .contains("<h1>Welcome to Harbour, Ada &lt;3!</h1>"),
        "{}",
        mail.html
    );
    assert!(
        mail.html.contains("<div class=\"code\">483920</div>"),
        "{}",
        mail.html
    );
    assert!(
        mail.html.contains("body { font-family: Arial, sans-serif;"),
        "{}",
        mail.html
    );
    assert!(mail.text.contains("You have 15 minutes") && mail.text.contains("help@example.com"));
    let mail = seed.render(&context(MailKind::LoginCode)).unwrap();
    assert!(
        mail.html.contains("<h1>Welcome back, Ada &lt;3!</h1>"),
        "{}",
        mail.html
    );

    let branded = load(Some(example("branded"))).await.unwrap();
    let mail = branded.render(&context(MailKind::SignupCode)).unwrap();
    assert_eq!(mail.subject, "Welcome aboard: your code for Harbour");
    assert!(
        mail.text.starts_with("Welcome aboard, Ada <3!"),
        "{}",
        mail.text
    );
    for kind in MailKind::all() {
        let mail = branded.render(&context(kind)).unwrap();
        assert!(
            mail.html.contains("background-color:#115e59"),
            "{kind} has the header"
        );
    }
}

/// Whatever an operator gives, a mail has both bodies: a text alone, an HTML alone.
#[tokio::test]
async fn every_mail_has_text_and_html() {
    for (file, text) in [
        ("body.txt", "only text: {code}"),
        ("body.html", "<p>only HTML: {code}</p>"),
    ] {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("login_code");
        fs::create_dir(&path).unwrap();
        fs::write(path.join(file), text).unwrap();
        let templates = load(Some(directory.path().to_owned())).await.unwrap();
        let kind = MailKind::LoginCode;
        let mail = templates.render(&context(kind)).unwrap();
        assert!(
            mail.text.contains("483920") && mail.html.contains("483920"),
            "{file}"
        );
        assert!(mail.html.contains("</"), "{file}");
        let given = if file == "body.txt" {
            &mail.text
        } else {
            &mail.html
        };
        assert!(given.contains("only "), "{file}");
    }
}
