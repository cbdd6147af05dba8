use std::fs;

use secrecy::ExposeSecret;

use super::*;

#[test]
fn a_key_made_in_development_is_kept() {
    let data = tempfile::tempdir().unwrap();
    let [first, second] = [(); 2].map(|()| {
        let loaded = load(&Variables::new(), data.path()).unwrap();
        loaded.config.tokens.secret_key.expose_secret().to_owned()
    });
    assert_eq!(first, second);
    let kept = fs::read_to_string(data.path().join("secret.key")).unwrap();
    assert_eq!(first, kept);
}

#[test]
fn a_secret_can_be_read_from_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    let path = file.to_str().unwrap();
    let login = |config: &Config| {
        let (_, password) = mail::smtp(&config.mail.providers[0]).credentials.clone()?;
        Some(password)
    };
    for (name, secret, others) in [
        (
            "JWT_SECRET_KEY",
            "a-key-from-a-file-of-32-bytes-or-more",
            &[][..],
        ),
        (
            "JWT_SECRET_KEY_PREVIOUS",
            "the-key-of-last-year-is-a-long-one",
            &[],
        ),
        (
            "DATABASE_URL",
            "postgres://ada:lovelace@localhost/gatelodge",
            &[],
        ),
        ("REDIS_URL", "rediss://:lovelace@localhost", &[]),
        (
            "GMAIL_APP_PASSWORD",
            "abcdefghijklmnop",
            &[("GMAIL_USER", "ada@gmail.com")],
        ),
        (
            "SMTP_PASSWORD",
            " spaces count ",
            &[
                ("EMAIL_SERVICE", "smtp"),
                ("EMAIL_FROM_ADDRESS", "ada@example.com"),
                ("SMTP_HOST", "localhost"),
                ("SMTP_USERNAME", "ada"),
            ],
        ),
    ] {
        let twin = &*format!("{name}_FILE");
        let from_file = [&[(name, ""), (twin, path)], others].concat();
        let from_both = [&[(name, secret), (twin, path)], others].concat();

        fs::write(&file, format!("{secret}\r\n")).unwrap();
        let config = config(&from_file);
        let read = match name {
            "JWT_SECRET_KEY" => Some(config.tokens.secret_key),
            "JWT_SECRET_KEY_PREVIOUS" => config.tokens.secret_key_previous,
            "DATABASE_URL" => Some(config.database.url),
            "REDIS_URL" => config.redis.url,
            _ => login(&config),
        };
        assert_eq!(read.unwrap().expose_secret(), secret, "{name}");

        let told = problems(&from_both);
        assert!(
            told.starts_with(&format!("{twin}: found {name} as well;")),
            "{told}"
        );

        fs::write(&file, "\n").unwrap();
        let told = problems(&from_file);
        assert!(
            told.starts_with(&format!("{twin}: found nothing in ")),
            "{told}"
        );

        fs::remove_file(&file).unwrap();
        let told = problems(&from_file);
        assert!(told.contains("cannot be read"), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

#[test]
fn no_secret_is_shown() {
    let canary = "canary-canary-canary-canary-canary";
    let database = format!("postgres://ada:{canary}@localhost/gatelodge");
    let redis = format!("redis://:{canary}@localhost");
    let loaded = loaded(&[
        ("JWT_SECRET_KEY", canary),
        ("JWT_SECRET_KEY_PREVIOUS", canary),
        ("DATABASE_URL", &database),
        ("REDIS_URL", &redis),
        ("GMAIL_USER", "ada@gmail.com"),
        ("GMAIL_APP_PASSWORD", canary),
        ("SMTP_USERNAME", "ada"),
        ("SMTP_PASSWORD", canary),
    ]);
    assert!(!format!("{loaded:?}").contains("canary"));
    let shown = loaded.effective.iter().map(|setting| &setting.value);
    let hidden = shown.filter(|value| value.as_deref() == Some("(set)"));
    assert_eq!(hidden.count(), 6);

    for (name, secret) in [
        ("DATABASE_URL", canary),
        ("REDIS_URL", canary),
        ("JWT_SECRET_KEY", "canary"),
    ] {
        let told = problems(&[(name, secret)]);
        assert!(!told.contains("canary"), "{told}");
    }
}
