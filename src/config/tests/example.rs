use super::*;

/// The example file of the passwordless specification, as it stands.
const SPECIFIED: &str = include_str!("specified.env");

#[test]
fn the_specified_example_loads_as_it_stands() {
    let (variables, problems) = dotenv::parse(SPECIFIED);
    assert_eq!(problems, []);
    let data = tempfile::tempdir().unwrap();
    let loaded = load(&variables, data.path()).unwrap();

    let config = loaded.config;
    assert_eq!(config.app.name, "My Awesome App");
    let subject = config.templates.signup.subject.as_deref();
    assert_eq!(subject, Some("Welcome to {app_name}! Verify your email"));
    assert_eq!(config.log.format, LogFormat::Json);
    assert!(config.log.security_file.is_some());
    assert_eq!(mail::smtp(&config.mail.providers[0]).host, "smtp.gmail.com");
    let [key, password] = &loaded.warnings[..] else {
        panic!("{:?}", loaded.warnings)
    };
    assert!(key.starts_with("JWT_SECRET_KEY is a published example"));
    assert!(password.starts_with("GMAIL_APP_PASSWORD is not an app password"));
}

#[test]
fn the_committed_example_lists_every_setting() {
    assert!(
        env_example() == include_str!("../../../.env.example"),
        ".env.example is not what config::env_example() gives"
    );
}

/// The example without its `#` is the default configuration.
#[test]
fn the_committed_example_holds_the_defaults() {
    let is_setting = |line: &&str| {
        let name = line.split('=').next();
        reference::variable_names()
            .iter()
            .any(|known| name == Some(known))
    };
    let example = env_example();
    let lines = example.lines().filter_map(|line| line.strip_prefix("# "));
    let lines: Vec<_> = lines.filter(is_setting).collect();
    let (mut variables, problems) = dotenv::parse(&lines.join("\n"));
    assert_eq!(problems, []);
    variables.insert("JWT_SECRET_KEY".to_owned(), KEY.to_owned());

    let values = |loaded: Loaded| {
        let shown = |setting: EffectiveSetting| match setting.name {
            "DATABASE_URL" => (setting.name, None),
            name => (name, setting.value),
        };
        loaded.effective.into_iter().map(shown).collect::<Vec<_>>()
    };
    let data = tempfile::tempdir().unwrap();
    let from_example = values(load(&variables, data.path()).unwrap());
    assert_eq!(from_example.len(), lines.len());
    assert_eq!(from_example, values(loaded(&[])));
}

#[test]
fn every_setting_of_the_table_is_read_once() {
    let mut read: Vec<_> = loaded(&[]).effective.iter().map(|s| s.name).collect();
    let sections = settings::sections().into_iter();
    let mut table: Vec<_> = sections
        .flat_map(|section| section.settings)
        .map(|setting| setting.name)
        .collect();
    read.sort_unstable();
    table.sort_unstable();
    assert_eq!(read, table);
}
