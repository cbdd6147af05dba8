//! What the built-in mails say.

use super::*;

/// Names that must be read, never obeyed.
const HOSTILE_NAMES: [&str; 5] = [
    "<a href=x>",
    "{{7*7}}",
    "{code}",
    "{% raw %}",
    "\"'&<script>alert(1)</script>",
];

/// What a person reads of a body: without styles, tags and line breaks.
fn prose(body: &str) -> String {
    let body = body.rsplit("</style>").next().unwrap();
    let mut text = String::new();
    let mut in_tag = false;
    // The text bodies have no angle brackets.
    for c in body.chars() {
        in_tag = c == '<' || (in_tag && c != '>');
        if !in_tag && c != '>' {
            text.push(c);
        }
    }
    unescape(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn names_appear_literally_in_every_built_in_mail() {
    let templates = load(&TemplatesConfig::default()).unwrap();
    for kind in MailKind::all() {
        for name in HOSTILE_NAMES {
            let mail = templates.render(&context(kind, name)).unwrap();
            assert!(!mail.html.contains("<a href=x>") && !mail.html.contains("<script"));
            // Each value of this mail that a person typed is there as it was typed.
            let params = context(kind, name).mail.params();
            let fields = params.as_object().unwrap();
            let shown = fields.values().filter(|value| *value == name).count();
            for body in [&mail.text, &unescape(&mail.html)] {
                let count = body.matches(name).count();
                assert!(count >= shown, "{kind} {name}: {body}");
            }
            if fields.contains_key("team_name") {
                assert!(mail.subject.contains(name), "{kind}: {}", mail.subject);
            }
            assert!(!mail.text.contains("49"), "an expression was evaluated");
        }
    }
}

#[test]
fn code_mails_say_what_they_must() {
    let templates = load(&TemplatesConfig::default()).unwrap();
    let codes = MailKind::all();
    for kind in codes.filter(|kind| kind.secret() == Some(SecretKind::Code)) {
        let mail = templates.render(&context(kind, "Ada")).unwrap();
        assert!(!mail.subject.contains("483920"));
        for body in [&mail.text, &mail.html] {
            for part in [
                "483920",
                "15 minutes",
                "Never share",
                "gnore this mail",
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
fn link_mails_say_what_they_must() {
    let templates = load(&TemplatesConfig::default()).unwrap();
    for (kind, parts) in [
        (MailKind::PasswordReset, ["works once", "Never share"]),
        (MailKind::TeamInvitation, ["Bridge", "Grace invited you"]),
    ] {
        let mut context = context(kind, "Ada");
        if kind == MailKind::TeamInvitation {
            context.mail = Mail::TeamInvitation {
                team_name: "Bridge".to_owned(),
                inviter_name: "Grace".to_owned(),
            };
        }
        let mail = templates.render(&context).unwrap();
        assert!(!mail.subject.contains("token"));
        assert!(mail.text.contains(link().expose()));
        // A button, and the link to read and to copy.
        assert_eq!(unescape(&mail.html).matches(link().expose()).count(), 3);
        for body in [&mail.text, &mail.html] {
            let body = prose(body);
            for part in parts {
                assert!(body.contains(part), "{kind}: {part}: {body}");
            }
            for part in ["expires in 15 minutes", "ignore this mail", "help@example"] {
                assert!(body.contains(part), "{kind}: {part}: {body}");
            }
        }
    }
}

#[test]
fn notices_say_what_happened_and_what_to_do() {
    let templates = load(&TemplatesConfig::default()).unwrap();
    let email = |happened| Mail::EmailChanged {
        name: "Ada".to_owned(),
        new_email: "countess@example.com".to_owned(),
        happened,
    };
    let password = |happened| Mail::PasswordChanged {
        name: "Ada".to_owned(),
        happened,
    };
    for (mail, subject, parts) in [
        (
            email(ChangeStatus::Requested),
            "Your email address at Ship & Shore is about to change",
            [
                "from ada@example.com to countess@example.com",
                "when the new email address is verified",
                "change your password and write to help@example.com immediately",
            ],
        ),
        (
            email(ChangeStatus::Changed),
            "Your email address at Ship & Shore was changed",
            [
                "from ada@example.com to countess@example.com",
                "write to help@example.com immediately and change your password",
                "if you still can: someone else",
            ],
        ),
        (
            password(ChangeStatus::Changed),
            "The password of your account at Ship & Shore was changed",
            [
                "was changed.",
                "If this was you, there is nothing to do",
                "reset your password and write to help@example.com immediately",
            ],
        ),
        (
            password(ChangeStatus::Dropped),
            "The password of your account at Ship & Shore was removed",
            [
                "someone else may have set the password",
                "set a new password",
                "write to help@example.com immediately.",
            ],
        ),
    ] {
        let kind = mail.kind();
        let context = MailContext::sample(mail, code(), link(), 15);
        let mail = templates.render(&context).unwrap();
        assert_eq!(mail.subject, subject);
        for body in [&mail.text, &mail.html] {
            let body = prose(body);
            for part in parts {
                assert!(body.contains(part), "{kind}: {part}: {body}");
            }
        }
        let has_button = mail.html.contains("class=\"button\"");
        assert!(!has_button, "{kind}: a notice has nothing to click");
    }
}

#[test]
fn who_did_not_register_is_told_not_to_enter_the_code() {
    let templates = load(&TemplatesConfig::default()).unwrap();
    for kind in [MailKind::VerifyEmail, MailKind::ChangeEmail] {
        let mail = templates.render(&context(kind, "Ada")).unwrap();
        for body in [&mail.text, &mail.html] {
            assert!(prose(body).contains("do not enter the code"));
        }
    }
}

#[test]
fn mails_without_names_are_whole_sentences() {
    let templates = load(&TemplatesConfig::default()).unwrap();
    for kind in MailKind::all() {
        for unnamed in [None, Some("")] {
            let mut params = context(kind, "Ada").mail.params();
            let fields = params.as_object_mut().unwrap();
            for field in ["name", "inviter_name"] {
                if let (Some(_), Some(text)) = (fields.remove(field), unnamed) {
                    fields.insert(field.to_owned(), text.into());
                }
            }
            let mail = Mail::from_row(kind.name(), &params).unwrap();
            let context = MailContext::sample(mail, code(), link(), 15);
            let mail = templates.render(&context).unwrap();
            for body in [&mail.text, &mail.html] {
                let body = prose(body);
                let subject = match kind {
                    MailKind::TeamInvitation => "ou are invited to join the team Ada",
                    MailKind::TeamAdded => "ou were added to the team Ada",
                    _ => "Ship & Shore",
                };
                assert!(body.contains(subject), "{kind}: {body}");
                assert!(
                    !body.contains(" ,") && !body.contains(" !"),
                    "{kind}: {body}"
                );
            }
        }
    }
}

#[test]
fn a_life_is_told_in_the_largest_whole_unit() {
    for (minutes, words) in [
        (0, "0 minutes"),
        (1, "1 minute"),
        (15, "15 minutes"),
        (60, "1 hour"),
        (90, "90 minutes"),
        (120, "2 hours"),
        (24 * 60, "1 day"),
        (25 * 60, "25 hours"),
        (7 * 24 * 60, "7 days"),
        (-60, "-60 minutes"),
    ] {
        assert_eq!(in_words(minutes), words);
    }
}

#[test]
fn mails_load_nothing_from_elsewhere() {
    let templates = load(&TemplatesConfig::default()).unwrap();
    for kind in MailKind::all() {
        let html = templates.render(&context(kind, "Ada")).unwrap().html;
        for remote in ["<img", "<link", "src=", "url(", "@import", "<script"] {
            assert!(!html.contains(remote), "{kind}: {remote}");
        }
    }
}

#[test]
fn a_missing_support_address_is_empty_text() {
    let config = login_template("{code} {support_email}.");
    let templates = Templates::load(&app(None), &config).unwrap();
    for kind in MailKind::all() {
        let mail = templates.render(&context(kind, "")).unwrap();
        assert!(!mail.text.contains("Need help") && !mail.html.contains("Need help"));
    }
    let kind = MailKind::LoginCode;
    assert_eq!(
        templates.render(&context(kind, "")).unwrap().text,
        "483920 ."
    );
}
