use secrecy::ExposeSecret;

use super::*;

pub(super) fn smtp(provider: &MailProviderConfig) -> &SmtpConfig {
    match provider {
        MailProviderConfig::Smtp(smtp) => smtp,
        MailProviderConfig::Mock => panic!("mock"),
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
fn sendgrid_is_told_to_be_missing() {
    let told = problems(&[("EMAIL_SERVICE", "sendgrid")]);
    let found = r#"EMAIL_SERVICE: found "sendgrid";"#;
    assert!(told.starts_with(found), "{told}");
    assert!(told.contains("not available in this version"), "{told}");
}
