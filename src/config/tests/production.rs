use super::*;

const SOUND: [(&str, &str); 7] = [
    ("APP_ENV", "production"),
    ("APP_URL", "https://app.example.com"),
    ("DATABASE_URL", "postgres://localhost/gatelodge"),
    ("REDIS_URL", "redis://localhost:6379"),
    ("EMAIL_SERVICE", "smtp"),
    ("SMTP_HOST", "mail.example.com"),
    ("EMAIL_FROM_ADDRESS", "no-reply@example.com"),
];

fn sound_but<'a>(change: (&'a str, &'a str)) -> Vec<(&'a str, &'a str)> {
    SOUND.into_iter().chain([change]).collect()
}

#[test]
fn production_has_its_own_defaults() {
    let loaded = loaded(&SOUND);
    assert_eq!(loaded.warnings, [""; 0]);
    let config = loaded.config;
    assert_eq!(config.log.format, LogFormat::Json);
    assert!(!config.http.graphiql && !config.http.introspection);
    assert!(!config.mail.fallback_to_console);
    assert_eq!(config.http.cors_allowed_origins, [""; 0]);
}

#[test]
fn production_refuses_what_is_not_safe() {
    let example = "your-super-secret-key-min-32-characters";
    for (change, told) in [
        (("JWT_SECRET_KEY", ""), "JWT_SECRET_KEY: found nothing;"),
        (
            ("JWT_SECRET_KEY", example),
            "JWT_SECRET_KEY: found a published example;",
        ),
        (
            ("JWT_SECRET_KEY_PREVIOUS", example),
            "JWT_SECRET_KEY_PREVIOUS: found a published example;",
        ),
        (
            ("APP_URL", "http://app.example.com"),
            r#"APP_URL: found "http://app.example.com"; accepted: an https:// URL"#,
        ),
        (("APP_URL", "nonsense"), r#"APP_URL: found "nonsense";"#),
        (("EMAIL_SERVICE", ""), "EMAIL_SERVICE: found mock"),
        (("EMAIL_SERVICE", "smtp,mock"), "EMAIL_SERVICE: found mock"),
    ] {
        let problems = problems(&sound_but(change));
        assert!(problems.starts_with(told), "{change:?}: {problems}");
        assert_eq!(problems.lines().count(), 1, "{change:?}: {problems}");
    }
}

#[test]
fn production_warns_about_what_seldom_fits() {
    for (change, told) in [
        (("DATABASE_URL", ""), "DATABASE_URL is SQLite"),
        (("REDIS_URL", ""), "REDIS_URL is not set"),
        (("CODE_LENGTH", "4"), "CODE_LENGTH is 4"),
        (
            ("EMAIL_FALLBACK_TO_CONSOLE", "true"),
            "EMAIL_FALLBACK_TO_CONSOLE is true",
        ),
    ] {
        let warnings = loaded(&sound_but(change)).warnings;
        assert_eq!(warnings.len(), 1, "{change:?}: {warnings:?}");
        assert!(warnings[0].starts_with(told), "{warnings:?}");
    }
}

/// A key that stands in a file of this repository is known to everybody.
#[test]
fn production_refuses_the_keys_that_are_printed_here() {
    let printed = [
        (
            include_str!("../../../docker-compose.yml"),
            "${JWT_SECRET_KEY:-",
            '}',
        ),
        (
            include_str!("../../../README.md"),
            "export JWT_SECRET_KEY=",
            '\n',
        ),
        (include_str!("specified.env"), "JWT_SECRET_KEY=", '\n'),
    ];
    for (text, before, after) in printed {
        let (_, rest) = text.split_once(before).unwrap();
        let (key, _) = rest.split_once(after).unwrap();
        let problems = problems(&sound_but(("JWT_SECRET_KEY", key)));
        assert!(
            problems.starts_with("JWT_SECRET_KEY: found "),
            "{key}: {problems}"
        );
    }
}
