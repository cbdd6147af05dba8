//! Reads the environment into a [`Config`].

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use super::reader::{Problem, Problems, Reader};
use super::reference::variable_names;
use super::settings::{
    AppConfig, CodesConfig, ConnectionsConfig, DatabaseConfig, DocumentLimits, GraphqlConfig,
    HttpConfig, LimitsConfig, MetricsSettings, PasswordsConfig, RedisConfig, TeamsConfig,
    TemplateSettings, TlsSettings, TokensConfig,
};
use super::{
    Config, Loaded, TemplateOverride, TemplatesConfig, TlsConfig, Variables, dotenv, keys, log,
    mail, production, unknown,
};

impl Config {
    /// Reads the environment of this process, and `.env` in the working directory for variables
    /// that it does not set.
    pub fn from_process_env() -> Result<Loaded, Problems> {
        let (mut variables, mut problems) = read_dotenv(Path::new(".env"));
        add_environment(&mut variables, &mut problems, env::vars_os());
        load_after(&variables, Path::new("data"), problems)
    }
}

/// Variables that are not UTF-8 are a problem if they are settings.
fn add_environment(
    variables: &mut Variables,
    problems: &mut Vec<Problem>,
    environment: impl Iterator<Item = (OsString, OsString)>,
) {
    for (name, value) in environment {
        let Ok(name) = name.into_string() else {
            continue;
        };
        match value.into_string() {
            Ok(value) => {
                variables.insert(name, value);
            }
            Err(_) if variable_names().contains(&name) => problems.push(Problem {
                name,
                found: "bytes that are not text".to_owned(),
                accepted: "UTF-8".to_owned(),
            }),
            Err(_) => {}
        }
    }
}

fn read_dotenv(path: &Path) -> (Variables, Vec<Problem>) {
    match fs::read_to_string(path) {
        Ok(text) => dotenv::parse(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Default::default(),
        Err(error) => {
            let problem = Problem {
                name: ".env".to_owned(),
                found: format!("a file that cannot be read ({error})"),
                accepted: "a readable text file, or none".to_owned(),
            };
            (Variables::new(), vec![problem])
        }
    }
}

/// Reads all settings. In development, a missing `JWT_SECRET_KEY` is created and kept in
/// `data_directory`, which is created too.
pub fn load(variables: &Variables, data_directory: &Path) -> Result<Loaded, Problems> {
    load_after(variables, data_directory, Vec::new())
}

fn load_after(
    variables: &Variables,
    data_directory: &Path,
    problems: Vec<Problem>,
) -> Result<Loaded, Problems> {
    let mut r = Reader::new(variables, problems);
    let config = Config {
        app: AppConfig::read(&mut r),
        http: http(&mut r),
        metrics: MetricsSettings::read(&mut r).address(),
        graphql: graphql(&mut r),
        database: DatabaseConfig::read(&mut r),
        redis: RedisConfig::read(&mut r),
        codes: codes(&mut r),
        limits: LimitsConfig::read(&mut r),
        passwords: PasswordsConfig::read(&mut r),
        teams: TeamsConfig::read(&mut r),
        tokens: tokens(&mut r, data_directory),
        mail: mail::read(&mut r),
        templates: templates(&mut r),
        log: log::read(&mut r),
    };
    if r.is_production() {
        production::check(&mut r, &config);
    }
    unknown::warn(&mut r);
    if !r.problems.is_empty() {
        return Err(Problems(r.problems));
    }
    Ok(Loaded {
        config,
        warnings: r.warnings,
        notes: r.notes,
        secret_files: r.secret_files,
        effective: r.effective,
    })
}

fn http(r: &mut Reader) -> HttpConfig {
    let tls = tls(r);
    let connections = ConnectionsConfig::read(r);
    let http = HttpConfig::read(r, tls, connections);
    if ![0, 8000].contains(&http.port) && !r.is_set("APP_URL") {
        r.notes.push(format!(
            "PORT is {} and APP_URL is not set: links in mails lead to {}",
            http.port,
            r.value("APP_URL").unwrap_or_default()
        ));
    }
    http
}

fn tls(r: &mut Reader) -> Option<TlsConfig> {
    let settings = TlsSettings::read(r);
    if settings.certificate.is_some() {
        r.require(
            "TLS_KEY_FILE",
            "the private key of TLS_CERT_FILE, or neither",
        );
    }
    if settings.key.is_some() {
        r.require(
            "TLS_CERT_FILE",
            "the certificate of TLS_KEY_FILE, or neither",
        );
    }
    let (certificate, key) = settings.certificate.zip(settings.key)?;
    Some(TlsConfig { certificate, key })
}

fn graphql(r: &mut Reader) -> GraphqlConfig {
    let document = DocumentLimits::read(r);
    GraphqlConfig::read(r, document)
}

fn codes(r: &mut Reader) -> CodesConfig {
    let codes = CodesConfig::read(r);
    let minutes = codes.lifetime.num_minutes();
    if minutes > 10 {
        r.notes.push(format!(
            "CODE_EXPIRATION_MINUTES is {minutes}; with 10 or less, attackers have less time to \
             guess codes or steal mail"
        ));
    }
    codes
}

fn tokens(r: &mut Reader, data_directory: &Path) -> TokensConfig {
    let mut tokens = TokensConfig::read(r);
    keys::fill_in(r, &mut tokens, data_directory);
    if tokens.refresh_lifetime <= tokens.access_lifetime {
        r.refuse(
            "REFRESH_TOKEN_EXPIRATION_MINUTES",
            format!("\"{}\"", tokens.refresh_lifetime.num_minutes()),
            format!(
                "more than JWT_EXPIRATION_MINUTES ({})",
                tokens.access_lifetime.num_minutes()
            ),
        );
    }
    tokens
}

fn templates(r: &mut Reader) -> TemplatesConfig {
    let settings = TemplateSettings::read(r);
    let directory = settings.use_files.then_some(settings.directory);
    if let Some(missing) = directory.as_deref().filter(|path| !path.is_dir())
        && r.is_set("TEMPLATE_DIRECTORY")
    {
        r.warnings.push(format!(
            "TEMPLATE_DIRECTORY is {}, which is not a directory: the built-in templates are used",
            missing.display()
        ));
    }
    TemplatesConfig {
        directory,
        signup: TemplateOverride {
            subject: settings.signup_subject,
            body: settings.signup_body,
        },
        login: TemplateOverride {
            subject: settings.login_subject,
            body: settings.login_body,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_overrides_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".env");
        fs::write(&path, "PORT=1\nHOST=::1\n").unwrap();
        let (mut variables, mut problems) = read_dotenv(&path);
        let environment = [("PORT".into(), "2".into())];
        add_environment(&mut variables, &mut problems, environment.into_iter());
        assert_eq!(problems, []);
        assert_eq!((&*variables["PORT"], &*variables["HOST"]), ("2", "::1"));
    }

    #[test]
    fn the_file_may_be_missing_but_not_unreadable() {
        let directory = tempfile::tempdir().unwrap();
        let (variables, problems) = read_dotenv(&directory.path().join(".env"));
        assert!(variables.is_empty() && problems.is_empty());
        let (_, problems) = read_dotenv(directory.path());
        assert_eq!(problems.len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_setting_that_is_not_text_is_a_problem() {
        let bytes: OsString = std::os::unix::ffi::OsStringExt::from_vec(vec![0xFF]);
        let environment = ["JWT_SECRET_KEY", "OTHER"].map(|name| (name.into(), bytes.clone()));
        let mut problems = Vec::new();
        add_environment(
            &mut Variables::new(),
            &mut problems,
            environment.into_iter(),
        );
        let names: Vec<_> = problems.iter().map(|problem| &*problem.name).collect();
        assert_eq!(names, ["JWT_SECRET_KEY"]);
    }
}
