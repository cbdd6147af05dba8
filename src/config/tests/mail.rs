use secrecy::ExposeSecret;

use super::*;

pub(super) fn smtp(provider: &MailProviderConfig) -> &SmtpConfig {
    match provider {
        MailProviderConfig::Smtp(smtp) => smtp,
        other => panic!("{other:?}"),
    }
}

#[test]
fn gmail_is_smtp_with_its_server_filled_in() {
    let loaded = loaded(&[
        ("GMAIL_USER", "ada@gmail.com"),
        ("GMAIL_APP_PASSWORD", "abcd efgh ijkl mnop"),
    ]);
    assert_eq!(loaded.warnings, [""; 0]);
    let mail = loaded.config.mail;
    assert_eq!(mail.from_address.as_str(), "ada@gmail.com");
    assert_eq!(mail.providers.len(), 1);
    let gmail = smtp(&mail.providers[0]);
    assert_eq!(gmail.name, "gmail");
    assert_eq!((&*gmail.host, gmail.port), ("smtp.gmail.com", 587));
    assert_eq!(gmail.encryption, SmtpEncryption::StartTls);
    let (user, password) = gmail.credentials.clone().unwrap();
    assert_eq!(user, "ada@gmail.com");
    assert_eq!(password.expose_secret(), "abcdefghijklmnop");
}

#[test]
fn gmail_needs_an_account() {
    let told = problems(&[("EMAIL_SERVICE", "gmail")]);
    for name in ["GMAIL_USER", "GMAIL_APP_PASSWORD"] {
        assert!(told.contains(&format!("{name}: found nothing;")), "{told}");
    }
    assert_eq!(told.lines().count(), 2, "{told}");
}

#[test]
fn providers_are_tried_in_the_order_given() {
    let config = config(&[
        ("EMAIL_SERVICE", "smtp, Gmail,mock"),
        ("GMAIL_USER", "ada@gmail.com"),
        ("GMAIL_APP_PASSWORD", "abcdefghijklmnop"),
        ("SMTP_HOST", "mail.example.com"),
        ("SMTP_PORT", "465"),
    ]);
    let [first, second, MailProviderConfig::Mock] = &config.mail.providers[..] else {
        panic!("{:?}", config.mail.providers)
    };
    let (first, second) = (smtp(first), smtp(second));
    assert_eq!((first.name, &*first.host), ("smtp", "mail.example.com"));
    assert_eq!(first.encryption, SmtpEncryption::Implicit);
    assert!(first.credentials.is_none());
    assert_eq!((second.name, &*second.host), ("gmail", "smtp.gmail.com"));
    assert_eq!(second.encryption, SmtpEncryption::StartTls);
}

#[test]
fn smtp_needs_a_server_and_a_sender_and_both_halves_of_a_login() {
    let told = problems(&[("EMAIL_SERVICE", "smtp"), ("SMTP_USERNAME", "ada")]);
    for name in ["SMTP_HOST", "EMAIL_FROM_ADDRESS", "SMTP_PASSWORD"] {
        assert!(told.contains(&format!("{name}: found nothing;")), "{told}");
    }
    assert_eq!(told.lines().count(), 3, "{told}");
    let told = problems(&[("SMTP_PASSWORD", "secret")]);
    assert!(told.starts_with("SMTP_USERNAME: found nothing;"), "{told}");
}

#[test]
fn sending_in_the_clear_is_warned_about_unless_it_stays_on_the_machine() {
    let warnings = |host| {
        let loaded = loaded(&[
            ("EMAIL_SERVICE", "smtp"),
            ("SMTP_HOST", host),
            ("SMTP_USE_TLS", "false"),
            ("EMAIL_FROM_ADDRESS", "no-reply@example.com"),
        ]);
        let server = smtp(&loaded.config.mail.providers[0]);
        assert_eq!(server.encryption, SmtpEncryption::None);
        loaded.warnings
    };
    for host in ["localhost", "127.0.0.1", "::1"] {
        assert_eq!(warnings(host), [""; 0]);
    }
    let told = warnings("mail.example.com");
    assert!(told[0].starts_with("SMTP_USE_TLS is false"), "{told:?}");
}

/// Some servers take TLS from the first byte on a port of their own.
#[test]
fn the_kind_of_tls_can_be_named() {
    let encryption = |port, words| {
        let loaded = loaded(&[
            ("EMAIL_SERVICE", "smtp"),
            ("SMTP_HOST", "mail.example.com"),
            ("SMTP_PORT", port),
            ("SMTP_USE_TLS", words),
            ("EMAIL_FROM_ADDRESS", "no-reply@example.com"),
        ]);
        assert_eq!(loaded.warnings, [""; 0]);
        smtp(&loaded.config.mail.providers[0]).encryption
    };
    assert_eq!(encryption("2465", "implicit"), SmtpEncryption::Implicit);
    assert_eq!(encryption("465", "starttls"), SmtpEncryption::StartTls);
    assert_eq!(encryption("465", "TRUE"), SmtpEncryption::Implicit);
    assert_eq!(encryption("2465", "true"), SmtpEncryption::StartTls);
    let told = problems(&[("SMTP_USE_TLS", "maybe")]);
    assert!(told.contains("starttls or implicit"), "{told}");
}

#[test]
fn sendgrid_needs_a_key_and_a_sender() {
    let told = problems(&[("EMAIL_SERVICE", "sendgrid")]);
    for name in ["SENDGRID_API_KEY", "EMAIL_FROM_ADDRESS"] {
        assert!(told.contains(&format!("{name}: found nothing;")), "{told}");
    }
    assert_eq!(told.lines().count(), 2, "{told}");
    assert!(
        told.contains("because EMAIL_SERVICE has sendgrid"),
        "{told}"
    );
}

/// The settings of SendGrid with another base URL.
fn sendgrid_at(base_url: &str) -> [(&str, &str); 4] {
    [
        ("EMAIL_SERVICE", "sendgrid"),
        ("SENDGRID_API_KEY", " SG.a-canary.key "),
        ("EMAIL_FROM_ADDRESS", "no-reply@example.com"),
        ("SENDGRID_BASE_URL", base_url),
    ]
}

/// The key is a secret: it goes over TLS, or stays on the machine, and is shown nowhere.
#[test]
fn the_key_of_sendgrid_is_sent_to_safe_places_only() {
    for (url, base) in [
        ("", "https://api.sendgrid.com"),
        (
            "https://api.eu.sendgrid.com/",
            "https://api.eu.sendgrid.com",
        ),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ] {
        let loaded = loaded(&sendgrid_at(url));
        assert_eq!(loaded.warnings, [""; 0]);
        let [MailProviderConfig::SendGrid(sendgrid)] = &loaded.config.mail.providers[..] else {
            panic!("{:?}", loaded.config.mail.providers)
        };
        assert_eq!(sendgrid.base_url, base);
        assert_eq!(sendgrid.api_key.expose_secret(), "SG.a-canary.key");
        assert!(!format!("{loaded:?}").contains("canary"));
    }
    for url in [
        "http://api.sendgrid.com",
        "https://api.sendgrid.com/v3",
        "https://ada:secret@api.sendgrid.com",
        "ftp://localhost",
        "api.sendgrid.com",
    ] {
        let told = problems(&sendgrid_at(url));
        assert!(told.starts_with("SENDGRID_BASE_URL: found "), "{told}");
        assert!(!told.contains("canary"), "{told}");
    }
}

#[test]
fn what_cannot_be_a_key_of_sendgrid_is_told() {
    let with_key = |key| {
        let mut settings = sendgrid_at("");
        settings[1].1 = key;
        settings
    };
    let warnings = loaded(&with_key("a-canary-key")).warnings;
    assert!(
        warnings[0].starts_with("SENDGRID_API_KEY is not a SendGrid key"),
        "{warnings:?}"
    );
    let told = problems(&with_key("a canary key"));
    assert!(
        told.starts_with("SENDGRID_API_KEY: found 12 bytes that are not shown;"),
        "{told}"
    );
    assert!(!warnings[0].contains("canary") && !told.contains("canary"));
}
