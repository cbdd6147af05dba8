use std::fs;

use super::*;
use crate::config::{Environment as AppEnvironment, TemplateOverride};
use crate::domain::code::{Code, CodeFormat, CodeType};
use crate::domain::email::EmailAddress;

/// Names that must be read, never obeyed.
const HOSTILE_NAMES: [&str; 5] = [
    "<a href=x>",
    "{{7*7}}",
    "{code}",
    "{% raw %}",
    "\"'&<script>alert(1)</script>",
];

fn app(support_email: Option<&str>) -> AppConfig {
    AppConfig {
        environment: AppEnvironment::Development,
        name: "Ship & Shore".to_owned(),
        url: "https://example.com".to_owned(),
        support_email: support_email.map(|email| EmailAddress::parse(email).unwrap()),
    }
}

fn code() -> Code {
    let format = CodeFormat {
        length: 6,
        code_type: CodeType::Numeric,
    };
    format.parse("483920").unwrap()
}

fn context(kind: MailKind, name: &str) -> MailContext {
    let has_code = matches!(kind, MailKind::SignupCode | MailKind::LoginCode);
    MailContext {
        code: has_code.then(code),
        name: name.to_owned(),
        email: "ada@example.com".to_owned(),
        expiry_minutes: has_code.then_some(15),
    }
}

fn load(config: &TemplatesConfig) -> Result<Templates, TemplateErrors> {
    Templates::load(&app(Some("help@example.com")), config)
}

fn login_template(body: &str) -> TemplatesConfig {
    TemplatesConfig {
        login: TemplateOverride {
            subject: None,
            body: Some(body.to_owned()),
        },
        ..TemplatesConfig::default()
    }
}

fn login(config: &TemplatesConfig, name: &str) -> Rendered {
    let templates = load(config).unwrap();
    let kind = MailKind::LoginCode;
    templates.render(kind, &context(kind, name)).unwrap()
}

fn errors(config: &TemplatesConfig) -> Vec<String> {
    let errors = load(config).err().unwrap();
    errors.0.iter().map(ToString::to_string).collect()
}

/// What an HTML parser would make of the few entities that escaping uses.
fn unescape(html: &str) -> String {
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#x2f;", "/"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(html.to_owned(), |html, (entity, c)| html.replace(entity, c))
}

#[test]
fn names_appear_literally_in_every_built_in_mail() {
    let templates = load(&TemplatesConfig::default()).unwrap();
    for kind in MailKind::ALL {
        for name in HOSTILE_NAMES {
            let mail = templates.render(kind, &context(kind, name)).unwrap();
            assert!(!mail.html.contains(&format!("{name} ")), "{kind} {name}");
            assert!(!mail.html.contains("<a href=x>") && !mail.html.contains("<script"));
            if kind != MailKind::NoAccount {
                assert!(mail.text.contains(name), "{kind} {name}: {}", mail.text);
                assert!(unescape(&mail.html).contains(name), "{kind} {name}");
            }
            assert!(!mail.text.contains("49"), "an expression was evaluated");
        }
    }
}

#[test]
fn code_mails_say_what_they_must() {
    let templates = load(&TemplatesConfig::default()).unwrap();
    for kind in [MailKind::SignupCode, MailKind::LoginCode] {
        let mail = templates.render(kind, &context(kind, "Ada")).unwrap();
        assert!(!mail.subject.contains("483920"));
        for body in [&mail.text, &mail.html] {
            for part in [
                "483920",
                "15 minutes",
                "Never share",
                "ignore this mail",
                "help@example.com",
            ] {
                assert!(body.contains(part), "{kind}: {part}");
            }
        }
        assert!(mail.text.contains("Ship & Shore") && mail.html.contains("Ship &amp; Shore"));
        assert!(mail.subject.contains("Ship & Shore"));
    }
}

#[test]
fn mails_load_nothing_from_elsewhere() {
    let templates = load(&TemplatesConfig::default()).unwrap();
    for kind in MailKind::ALL {
        let html = templates.render(kind, &context(kind, "Ada")).unwrap().html;
        for remote in ["<img", "<link", "src=", "url(", "@import", "<script"] {
            assert!(!html.contains(remote), "{kind}: {remote}");
        }
    }
}

#[test]
fn a_missing_support_address_is_empty_text() {
    let config = login_template("{code} {support_email}.");
    let templates = Templates::load(&app(None), &config).unwrap();
    for kind in MailKind::ALL {
        let mail = templates.render(kind, &context(kind, "")).unwrap();
        assert!(!mail.text.contains("Need help") && !mail.html.contains("Need help"));
    }
    let kind = MailKind::LoginCode;
    assert_eq!(
        templates.render(kind, &context(kind, "")).unwrap().text,
        "483920 ."
    );
}

#[test]
fn html_from_the_environment_keeps_the_built_in_text() {
    let seed = "<html><head><style>.code { color: #4CAF50; }</style></head><body>\
                <h1>{app_name}, {name}!</h1><div class=\"code\">{code}</div>\
                <p>{expiry_minutes} {support_email}</p></body></html>";
    let mail = login(&login_template(seed), "<b>{code}</b>");
    assert_eq!(
        unescape(&mail.html),
        "<html><head><style>.code { color: #4CAF50; }</style></head><body>\
         <h1>Ship & Shore, <b>{code}</b>!</h1><div class=\"code\">483920</div>\
         <p>15 help@example.com</p></body></html>"
    );
    assert!(!mail.html.contains("<b>"));
    assert!(mail.text.starts_with("Hello <b>{code}</b>,"));
}

#[test]
fn plain_text_from_the_environment_is_also_sent_as_html() {
    let config = login_template("Hi {name},\nyour code: {code} <{support_email}>");
    let mail = login(&config, "<i>{{7*7}}</i>");
    assert_eq!(
        mail.text,
        "Hi <i>{{7*7}}</i>,\nyour code: 483920 <help@example.com>"
    );
    let expected = "Hi <i>{{7*7}}</i>,<br>your code: 483920 <help@example.com>";
    assert!(unescape(&mail.html).contains(expected), "{}", mail.html);
    assert!(!mail.html.contains("<i>") && !mail.html.contains("<help"));
}

#[test]
fn the_environment_wins_over_files_and_files_over_what_is_built_in() {
    let directory = tempfile::tempdir().unwrap();
    let path = |file: &str| directory.path().join(file);
    fs::create_dir(path("login_code")).unwrap();
    fs::write(path("login_code/subject.txt"), "from a file").unwrap();
    fs::write(path("login_code/body.txt"), "\u{feff}file: {code}").unwrap();
    fs::write(path("login_email.html"), "<p>alias: {code}</p>").unwrap();
    let mut config = TemplatesConfig {
        directory: Some(directory.path().to_owned()),
        ..TemplatesConfig::default()
    };
    let mail = login(&config, "Ada");
    assert_eq!(mail.subject, "from a file");
    assert_eq!(mail.text, "file: 483920");
    assert_eq!(mail.html, "<p>alias: 483920</p>");

    fs::write(path("login_code/body.html"), "<p>folder: {code}</p>").unwrap();
    config.login.subject = Some("{app_name}: hello {name}".to_owned());
    let mail = login(&config, "Ada");
    assert_eq!(mail.subject, "Ship & Shore: hello Ada");
    assert_eq!(mail.html, "<p>folder: 483920</p>");

    fs::write(
        path("layout.html"),
        "[{% block content %}{{ code is defined and code }}{% endblock %}]",
    )
    .unwrap();
    config.login.body = Some("env {code}".to_owned());
    let mail = login(&config, "Ada");
    assert_eq!(mail.text, "env 483920");
    assert!(mail.html.starts_with('[') && mail.html.contains("env 483920"));
}

#[test]
fn every_broken_template_is_named_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = |file: &str| directory.path().join(file);
    fs::create_dir(path("login_code")).unwrap();
    fs::create_dir(path("no_account")).unwrap();
    fs::write(path("login_code/subject.txt"), "{{ app_name").unwrap();
    fs::write(path("login_code/body.txt"), "one\ntwo {{ cod }}\n").unwrap();
    fs::write(path("login_code/body.html"), [0xff]).unwrap();
    fs::write(path("no_account/body.html"), "\n\n<p>{code}</p>").unwrap();
    let config = TemplatesConfig {
        directory: Some(directory.path().to_owned()),
        signup: TemplateOverride {
            subject: Some("{% if name %}".to_owned()),
            body: Some("<p>{{ name | nonsense }}</p>".to_owned()),
        },
        ..TemplatesConfig::default()
    };
    let errors = errors(&config);
    let expected = [
        "SIGNUP_EMAIL_SUBJECT:1: syntax error",
        "SIGNUP_EMAIL_TEMPLATE:1: ",
        "login_code/subject.txt:1: syntax error",
        "login_code/body.txt:2: undefined value",
        "login_code/body.html: ",
        "no_account/body.html:3: undefined value",
    ];
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
    for part in expected {
        assert!(
            errors.iter().any(|error| error.contains(part)),
            "{part}: {errors:#?}"
        );
    }
}

#[test]
fn a_template_that_would_do_harm_is_refused() {
    for (body, problem) in [
        ("<p>Hello {name}</p>", "does not show {code}"),
        ("Hello {name}", "does not show {code}"),
        ("<p>{code} {{ name | safe }}</p>", "without escaping"),
        (
            "<p>{% if name %}{code}{% endif %}</p>",
            "does not show {code}",
        ),
        (
            "<p>{% if name %}{{ app_nam }}{% endif %}{code}</p>",
            "undefined value",
        ),
        (
            "<p>{% for i in range(99999) %}{{ code }}{% endfor %}</p>",
            "runs for too long",
        ),
    ] {
        let errors = errors(&login_template(body));
        let message = format!("{body}: {errors:#?}");
        assert_eq!(errors.len(), 1, "{message}");
        assert!(errors[0].starts_with("LOGIN_EMAIL_TEMPLATE"), "{message}");
        assert!(errors[0].contains(problem), "{message}");
    }
}

#[test]
fn a_subject_must_say_something() {
    let config = TemplatesConfig {
        signup: TemplateOverride {
            subject: Some(" {name} ".to_owned()),
            body: None,
        },
        ..TemplatesConfig::default()
    };
    assert_eq!(
        errors(&config),
        ["SIGNUP_EMAIL_SUBJECT: renders to nothing"]
    );
}

#[test]
fn a_subject_is_one_short_line() {
    let config = TemplatesConfig {
        login: TemplateOverride {
            subject: Some("Hi {name}\n  and\twelcome".to_owned()),
            body: None,
        },
        ..TemplatesConfig::default()
    };
    let name = "Eve\r\nBcc: x@example.com\u{0}\u{202e}\u{2028}";
    assert_eq!(
        login(&config, name).subject,
        "Hi Eve Bcc: x@example.com and welcome"
    );
    let long = login(&config, &"x".repeat(1000)).subject;
    assert_eq!(long.chars().count(), SUBJECT_MAX_CHARS);
}

#[test]
fn an_error_while_rendering_holds_no_value_of_the_mail() {
    let templates = load(&login_template("{code} {{ name | int if name == '7x' }}")).unwrap();
    let kind = MailKind::LoginCode;
    let error = templates.render(kind, &context(kind, "7x")).err().unwrap();
    assert_eq!(
        error.to_string(),
        "LOGIN_EMAIL_TEMPLATE:1: invalid operation"
    );
    assert!(!format!("{error:?}").contains("7x"));
}
