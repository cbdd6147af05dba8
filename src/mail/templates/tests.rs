mod built_in;

use std::fs;

use super::*;
use crate::config::{Environment as AppEnvironment, TemplateOverride};
use crate::domain::code::{Code, CodeFormat, CodeType};
use crate::domain::email::EmailAddress;
use crate::domain::mail::{ChangeStatus, Link, Mail, SecretKind};

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

fn link() -> Link {
    Link::new("https://example.com/open?a=1&token=AZ-x_9".to_owned())
}

/// A mail in which every name is `name`.
fn context(kind: MailKind, name: &str) -> MailContext {
    let mut params = Mail::sample(kind).params();
    for field in ["name", "new_email", "team_name", "inviter_name"] {
        if let Some(value) = params.get_mut(field) {
            *value = name.into();
        }
    }
    let mail = Mail::from_row(kind.name(), &params).unwrap();
    MailContext::sample(mail, code(), link(), 15)
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
    templates.render(&context(kind, name)).unwrap()
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
        "[{% block content %}{{ code if code is defined else link is defined and link }}{% endblock %}]",
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
        ("<p>Hello {name} {{ link }}</p>", "undefined value"),
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
fn a_file_that_would_do_harm_is_refused() {
    for (file, text, problem) in [
        ("verify_email/body.txt", "Hi", "does not show {code}"),
        ("change_email/body.html", "<p>Hi", "does not show {code}"),
        ("password_reset/body.txt", "Hi", "does not show {link}"),
        ("password_reset/body.html", "<p>Hi", "does not show {link}"),
        ("team_invitation/body.html", "<p>Hi", "does not show {link}"),
        ("team_added/body.txt", "{link}", "undefined value"),
        (
            "password_changed/body.txt",
            "{new_email}",
            "undefined value",
        ),
        (
            "email_changed/body.html",
            "{% if happened == 'changed' %}{{ new_mail }}{% endif %}x",
            "undefined value",
        ),
        (
            "email_changed/body.html",
            "{% if happened == 'requested' %}x{% endif %}",
            "renders to nothing",
        ),
        (
            "email_changed/body.html",
            "{{ new_email | safe }}",
            "puts {new_email} into HTML",
        ),
        (
            "team_invitation/body.html",
            "{link} {{ team_name | safe }}",
            "puts {team_name} into HTML",
        ),
        (
            "team_added/body.html",
            "x {{ inviter_name | safe }}",
            "puts {inviter_name} into HTML",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(file);
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        let errors = errors(&TemplatesConfig {
            directory: Some(directory.path().to_owned()),
            ..TemplatesConfig::default()
        });
        let message = format!("{file}: {text}: {errors:#?}");
        assert_eq!(errors.len(), 1, "{message}");
        assert!(errors[0].contains(file), "{message}");
        assert!(errors[0].contains(problem), "{message}");
    }
}

#[test]
fn files_may_use_every_value_in_single_braces() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("team_invitation");
    fs::create_dir(&path).unwrap();
    let body = "{link} {name} {inviter_name} {team_name} {email} {expires_in} {expiry_minutes}";
    fs::write(path.join("body.txt"), body).unwrap();
    let config = TemplatesConfig {
        directory: Some(directory.path().to_owned()),
        ..TemplatesConfig::default()
    };
    let kind = MailKind::TeamInvitation;
    let context = context(kind, "{link}");
    let mail = load(&config).unwrap().render(&context).unwrap();
    // An invitation does not know the name of its recipient.
    let expected = " {link} {link} ada@example.com 15 minutes 15";
    assert_eq!(mail.text, format!("{} {expected}", link().expose()));
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
    let error = templates.render(&context(kind, "7x")).err().unwrap();
    assert_eq!(
        error.to_string(),
        "LOGIN_EMAIL_TEMPLATE:1: invalid operation"
    );
    assert!(!format!("{error:?}").contains("7x"));
}
