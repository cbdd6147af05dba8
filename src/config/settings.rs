//! The table of all settings. A row is a variable, the field it is read into, its default, what it
//! accepts and what it means; the structs, their readers and the documentation follow from it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use chrono::TimeDelta;
use ipnet::IpNet;
use secrecy::SecretString;

use super::mail::{self, MailProviderConfig, MailService, SmtpEncryption};
use super::parser::{
    Parser, email, flag, integer, ip_address, line, list, one_of, path, secret, text,
};
use super::reader::{DefaultValue, Reader};
use super::{
    Environment, LogFileConfig, LogFormat, LogLevel, Masking, OtlpConfig, TlsConfig, keys, urls,
};
use crate::domain::code::CodeType;
use crate::domain::email::EmailAddress;
use crate::domain::password::PasswordRule;

/// A row of the table, for the documentation.
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) default: DefaultValue,
    pub(super) accepted: String,
    pub(super) is_secret: bool,
    /// Lines for `.env.example`.
    pub(super) about: &'static str,
}

pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) settings: Vec<Setting>,
}

/// Each section becomes a struct with a field per row, and `read`. `with` names the fields that
/// other sections are made into.
macro_rules! settings {
    ($(
        $title:literal
        $(#[$meta:meta])*
        $vis:vis struct $section:ident $(with $($part:ident: $part_type:ty),+)? {
            $($name:ident $field:ident: $type:ty = $default:expr, $parser:expr, $about:literal;)*
        }
    )*) => {
        $(
            $(#[$meta])*
            $vis struct $section {
                $($($vis $part: $part_type,)+)?
                $($vis $field: $type,)*
            }

            impl $section {
                pub(super) fn read(r: &mut Reader $($(, $part: $part_type)+)?) -> Self {
                    Self {
                        $($($part,)+)?
                        $($field: r.read(stringify!($name), $default, $parser),)*
                    }
                }
            }
        )*

        pub(super) fn sections() -> Vec<Section> {
            vec![$(Section {
                title: $title,
                settings: vec![$({
                    let parser: Parser<$type> = $parser;
                    Setting {
                        name: stringify!($name),
                        default: $default.into(),
                        accepted: parser.accepted,
                        is_secret: parser.is_secret,
                        about: $about,
                    }
                }),*],
            }),*]
        }
    };
}

/// Ten years.
const MAX_MINUTES: i64 = 10 * 366 * 24 * 60;

settings! {
    "Application"
    #[derive(Clone, Debug)]
    pub struct AppConfig {
        APP_ENV environment: Environment = "development", one_of(),
            "production refuses insecure settings.";
        APP_NAME name: String = "Gatelodge", line(),
            "The name of your application, as mails show it.";
        APP_URL url: String = "http://localhost:8000", urls::app_url(),
            "The public URL of your application; links in mails start with it.\n\
             Must be https:// in production.";
        SUPPORT_EMAIL support_email: Option<EmailAddress> = "", email().optional(),
            "Where users get help; shown in mails.";
    }

    "HTTP"
    #[derive(Clone, Debug)]
    pub struct HttpConfig with tls: Option<TlsConfig>, connections: ConnectionsConfig {
        HOST host: IpAddr = "127.0.0.1", ip_address(),
            "The IP address to listen on; 0.0.0.0 is every IPv4 interface.";
        PORT port: u16 = "8000", integer(0..=u16::MAX),
            "The port to listen on; 0 selects a free one.";
        CORS_ALLOWED_ORIGINS cors_allowed_origins: Vec<String> = DefaultValue::Derived {
                description: "the origin of APP_URL in development, none in production",
                derive: urls::own_origin,
            },
            list("origins such as https://app.example.com, without paths or wildcards", urls::origin),
            "The origins whose pages may call the API.";
        TRUSTED_PROXIES trusted_proxies: Vec<IpNet> = "",
            list("IP addresses and networks such as 10.0.0.5, 10.1.0.0/16, fd00::/8", urls::network),
            "The proxies whose Forwarded, X-Forwarded-For, X-Real-IP and X-Forwarded-Proto headers\n\
             are trusted. From any other client these headers are ignored.";
        GRAPHIQL_ENABLED graphiql: bool = IN_DEVELOPMENT, flag(),
            "Serve the GraphiQL page.";
        INTROSPECTION_ENABLED introspection: bool = IN_DEVELOPMENT, flag(),
            "Let clients read the schema.";
    }

    "TLS"
    pub(super) struct TlsSettings {
        TLS_CERT_FILE certificate: Option<PathBuf> = "", path().optional(),
            "The certificate and its chain (PEM), to serve HTTPS. Reloaded when it changes.";
        TLS_KEY_FILE key: Option<PathBuf> = "", path().optional(),
            "The private key of the certificate (PEM).";
    }

    "Connections"
    #[derive(Clone, Copy, Debug)]
    pub struct ConnectionsConfig {
        MAX_CONNECTIONS max: u32 = "10000", integer(1..=1_000_000),
            "Maximum number of open connections; further ones wait.";
        MAX_BODY_BYTES max_body_bytes: usize = "262144", integer(1024..=16 * 1024 * 1024),
            "Maximum length of a request body.";
        HEADER_TIMEOUT_SECONDS header_timeout: Duration = "10", seconds(),
            "Time for a new connection to send its first request header, and for the TLS handshake.";
        REQUEST_TIMEOUT_SECONDS request_timeout: Duration = "30", seconds(),
            "Time for the body of a request to arrive. The whole request, including the response,\n\
             may take twice as long.";
        IDLE_TIMEOUT_SECONDS idle_timeout: Duration = "75", seconds(),
            "How long an idle connection stays open. Set it higher than that of a proxy in front.";
    }

    "Metrics"
    pub(super) struct MetricsSettings {
        METRICS_PORT port: Option<u16> = "", integer(0..=u16::MAX).optional(),
            "Serve /metrics for Prometheus, /healthz and /readyz on a separate port; 0 selects a\n\
             free one. Without it there are no metrics.";
        METRICS_HOST host: IpAddr = "127.0.0.1", ip_address(),
            "The IP address for that port. Keep it private: there is no login.";
    }

    "GraphQL documents"
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct DocumentLimits {
        GRAPHQL_MAX_BYTES max_bytes: usize = "65536", integer(1024..=262_144),
            "Maximum length of a document in bytes.";
        GRAPHQL_MAX_TOKENS max_tokens: usize = "5000", count(),
            "Maximum number of names, values and punctuators.";
        // The parser gives up at 64.
        GRAPHQL_MAX_NESTING max_nesting: usize = "32", integer(4..=64),
            "Maximum number of brackets that are open at once.";
        GRAPHQL_MAX_ALIASES max_aliases: usize = "100", count(),
            "Maximum number of aliases.";
        GRAPHQL_MAX_DIRECTIVES max_directives: usize = "100", count(),
            "Maximum number of directives.";
        GRAPHQL_MAX_SPREADS max_spreads: usize = "250", count(),
            "Maximum number of fragment spreads and inline fragments.";
        GRAPHQL_MAX_ROOT_FIELDS max_root_fields: usize = "50", count(),
            "Maximum number of fields at the top level of an operation, after expanding fragments.";
        GRAPHQL_MAX_EXPANDED_SELECTIONS max_expanded_selections: usize = "5000", integer(1..=100_000),
            "Maximum number of fields, inline fragments and spreads after expanding fragments.";
    }

    "GraphQL operations"
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct GraphqlConfig with document: DocumentLimits {
        GRAPHQL_MAX_DEPTH max_depth: usize = "16", integer(4..=64),
            "Maximum nesting of fields.";
        GRAPHQL_MAX_COMPLEXITY max_complexity: usize = "2000", count(),
            "Maximum number of fields in a response; a field of a list item counts once for each\n\
             item that the list can have.";
        GRAPHQL_TIMEOUT_SECONDS timeout: Duration = "30", integer(1..=600).map(Duration::from_secs),
            "How long an operation may run.";
    }

    "Database"
    #[derive(Clone, Debug)]
    pub struct DatabaseConfig {
        DATABASE_URL url: SecretString = "sqlite://data/gatelodge.db?mode=rwc",
            secret("a URL that starts with sqlite:, postgres: or postgresql:", urls::is_database_url),
            "sqlite://path?mode=rwc or postgres://user:password@host/database.";
        DATABASE_MAX_CONNECTIONS max_connections: u32 = "10", integer(1..=1000),
            "Size of the connection pool.";
        RUN_MIGRATIONS run_migrations: bool = "true", flag(),
            "Apply pending migrations at start; safe if several processes start at once.";
        DATA_RETENTION_DAYS retention: TimeDelta = "30", integer(1..=3650).map(TimeDelta::days),
            "Used codes, ended sessions, closed invitations, and mails that were sent or given up\n\
             are deleted after this many days.";
    }

    "Redis"
    #[derive(Clone, Debug)]
    pub struct RedisConfig {
        REDIS_URL url: Option<SecretString> = "",
            secret("a URL such as redis://host:6379 or rediss://host", urls::is_redis_url).optional(),
            "Shares queue, cache and rate limits between processes. Without it each process has\n\
             its own.";
    }

    "Codes"
    #[derive(Clone, Debug)]
    pub struct CodesConfig {
        CODE_LENGTH length: usize = "6", integer(4..=8),
            "Number of characters in a code.";
        CODE_TYPE code_type: CodeType = "numeric", one_of(),
            "alphanumeric codes have no look-alike characters, and case does not matter.";
        CODE_EXPIRATION_MINUTES lifetime: TimeDelta = "15", integer(1..=60).map(TimeDelta::minutes),
            "How long a code is valid.";
        MAX_VERIFICATION_ATTEMPTS max_attempts: u32 = "5", integer(1..=100),
            "Maximum number of attempts per code.";
        ACCOUNT_EXISTENCE_HINTS existence_hints: bool = "true", flag(),
            "Tell anybody whether an email address has an account.\n\
             false: the response is always the same, and the outcome is only sent by email.";
    }

    "Limits and suspicious activity"
    #[derive(Clone, Debug)]
    pub struct LimitsConfig {
        MAX_CODE_REQUESTS_PER_HOUR code_requests_per_hour: u32 = "5", limit(),
            "Codes sent per email address.";
        MAX_CODE_REQUESTS_PER_HOUR_PER_IP code_requests_per_hour_per_ip: u32 = "30", limit(),
            "Codes sent per client IP address.";
        MAX_VERIFICATIONS_PER_15_MINUTES_PER_IP verifications_per_15_minutes_per_ip: u32 = "50", limit(),
            "Wrong codes per client IP address, over all email addresses.";
        MAX_LOGIN_ATTEMPTS_PER_15_MINUTES login_attempts_per_15_minutes: u32 = "10", limit(),
            "Failed password logins per email address.";
        MAX_LOGIN_ATTEMPTS_PER_15_MINUTES_PER_IP login_attempts_per_15_minutes_per_ip: u32 = "50", limit(),
            "Failed password logins per client IP address.";
        MAX_REGISTRATIONS_PER_HOUR_PER_IP registrations_per_hour_per_ip: u32 = "20", limit(),
            "Accounts registered with a password per client IP address.";
        MAX_PASSWORD_RESETS_PER_HOUR password_resets_per_hour: u32 = "5", limit(),
            "Password reset links sent per email address.";
        MAX_INVITATIONS_PER_HOUR_PER_TEAM invitations_per_hour_per_team: u32 = "50", limit(),
            "Invitations sent per team.";
        SUSPICIOUS_FAILURES_PER_ADDRESS suspicious_failures_per_address: u32 = "8", threshold(),
            "Wrong codes or failed logins per email address and hour that raise an event; 0 is\n\
             never. The SUSPICIOUS_ settings refuse nothing.";
        SUSPICIOUS_FAILURES_PER_IP suspicious_failures_per_ip: u32 = "20", threshold(),
            "The same per client IP address, over all email addresses.";
        SUSPICIOUS_ADDRESSES_PER_IP suspicious_addresses_per_ip: u32 = "10", threshold(),
            "Email addresses for which one client IP address requests codes per hour, likewise.";
        SUSPICIOUS_DEAD_CODES suspicious_dead_codes: u32 = "5", threshold(),
            "Used or expired codes submitted per hour, per email address or client IP address,\n\
             likewise.";
    }

    "Passwords"
    #[derive(Clone, Copy, Debug)]
    pub struct PasswordsConfig {
        PASSWORD_MIN_LENGTH rule: PasswordRule = "8",
            integer(8..=128).map(|min_chars| PasswordRule { min_chars }),
            "Minimum number of characters in a password.";
        BCRYPT_COST bcrypt_cost: u32 = "12", integer(4..=16),
            "Work for a password hash; each step doubles it. At least 10 in production.";
        PASSWORD_RESET_EXPIRATION_MINUTES reset_lifetime: TimeDelta = "60",
            integer(5..=1440).map(TimeDelta::minutes),
            "How long a password reset link is valid.";
    }

    "Teams"
    #[derive(Clone, Debug)]
    pub struct TeamsConfig {
        INVITATION_EXPIRATION_HOURS invitation_lifetime: TimeDelta = "168",
            integer(1..=8760).map(TimeDelta::hours),
            "How long an invitation is valid.";
    }

    "Tokens"
    #[derive(Clone, Debug)]
    pub struct TokensConfig {
        JWT_SECRET_KEY secret_key: SecretString = DefaultValue::Derived {
                description: "in development, a key that is created and kept in data/secret.key",
                derive: |_| String::new(),
            },
            // Empty until `keys::fill_in`.
            secret(keys::ACCEPTED, |key| key.is_empty() || keys::is_long_enough(key)),
            "Codes, tokens and signatures are derived from this key.\n\
             Create one with: openssl rand -base64 48";
        JWT_SECRET_KEY_PREVIOUS secret_key_previous: Option<SecretString> = "",
            secret(keys::ACCEPTED, keys::is_long_enough).optional(),
            "The key before this one: still accepted, but not used for anything new.";
        JWT_PRIVATE_KEY private_key: Option<SecretString> = "",
            secret(keys::PRIVATE_KEY_ACCEPTED, keys::is_private_key).optional(),
            "An Ed25519 or P-256 key that signs access tokens; its public key is served at\n\
             /.well-known/jwks.json. Create one with: openssl genpkey -algorithm ed25519";
        JWT_PRIVATE_KEY_PREVIOUS private_key_previous: Option<SecretString> = "",
            secret(keys::PRIVATE_KEY_ACCEPTED, keys::is_private_key).optional(),
            "The private key before this one: still accepted and served, but not used to sign.";
        JWT_ISSUER issuer: String = DefaultValue::Derived {
                description: "APP_URL",
                derive: |r| urls::public_url(r).unwrap_or_default(),
            },
            line(),
            "The issuer (iss) of access tokens.";
        JWT_AUDIENCE audience: String = APP_NAME, line(),
            "The audience (aud) of access tokens.";
        JWT_EXPIRATION_MINUTES access_lifetime: TimeDelta = "43200",
            integer(1..=MAX_MINUTES - 1).map(TimeDelta::minutes),
            "How long an access token is valid. Set it to 15 and refresh tokens if other services\n\
             verify them offline.";
        REFRESH_TOKEN_EXPIRATION_MINUTES refresh_lifetime: TimeDelta = "86400",
            integer(2..=MAX_MINUTES).map(TimeDelta::minutes),
            "How long a session lasts without being used; longer than JWT_EXPIRATION_MINUTES.";
        REFRESH_GRACE_SECONDS refresh_grace: TimeDelta = "10", integer(0..=300).map(TimeDelta::seconds),
            "A refresh that is repeated within this time gets the same response.";
    }

    "Mail providers"
    pub(super) struct MailProviderSettings {
        EMAIL_SERVICE services: Vec<MailService> = DefaultValue::Derived {
                description: "gmail if GMAIL_USER is set, else mock",
                derive: |r| if r.is_set("GMAIL_USER") { "gmail" } else { "mock" }.to_owned(),
            },
            mail::services(),
            "The providers, in order of failover. mock prints mails on the console; production\n\
             refuses it.";
        GMAIL_USER gmail_user: Option<EmailAddress> = "", email().optional(),
            "The Gmail address to sign in with.";
        GMAIL_APP_PASSWORD gmail_password: Option<SecretString> = "",
            secret("an app password", |_| true).optional(),
            "An app password of that account: 16 letters; spaces are ignored.";
        SENDGRID_API_KEY sendgrid_api_key: Option<SecretString> = "",
            secret("an API key, which has no spaces", mail::is_api_key).optional(),
            "A SendGrid API key with permission to send mail.";
        SENDGRID_BASE_URL sendgrid_base_url: String = "https://api.sendgrid.com", mail::base_url(),
            "https://api.eu.sendgrid.com for an account in the EU.";
        SMTP_HOST smtp_host: String = DefaultValue::Derived {
                description: "smtp.gmail.com for gmail; required for smtp",
                derive: mail::default_host,
            },
            mail::host(),
            "The SMTP server.";
        SMTP_PORT smtp_port: u16 = "587", integer(1..=u16::MAX),
            "The port of the SMTP server.";
        SMTP_USERNAME smtp_username: Option<String> = "", line().optional(),
            "The user name, if the server requires a login.";
        SMTP_PASSWORD smtp_password: Option<SecretString> = "",
            secret("a password", |_| true).optional(),
            "The password of that user.";
        SMTP_USE_TLS smtp_encryption: Option<SmtpEncryption> = "true", mail::encryption(),
            "true: TLS from the first byte at port 465, STARTTLS at any other; implicit and\n\
             starttls select one of them. false sends in plain text: only for a local server.";
    }

    "Mail"
    #[derive(Clone, Debug)]
    pub struct MailConfig with providers: Vec<MailProviderConfig> {
        EMAIL_FROM_ADDRESS from_address: EmailAddress = DefaultValue::Derived {
                description: "GMAIL_USER; required for sendgrid and smtp",
                derive: mail::default_sender,
            },
            email(),
            "The sender's email address.";
        EMAIL_FROM_NAME from_name: String = APP_NAME, line(),
            "The sender's name.";
        EMAIL_TIMEOUT_SECONDS timeout: Duration = "15", integer(1..=120).map(Duration::from_secs),
            "Time for the whole conversation with a provider.";
        EMAIL_MAX_ATTEMPTS max_attempts: u32 = "8", integer(1..=50),
            "Attempts before a mail is given up because of temporary errors, but not within\n\
             75 minutes, unless its code or link expires earlier.";
        EMAIL_FALLBACK_TO_CONSOLE fallback_to_console: bool = IN_DEVELOPMENT, flag(),
            "Print the code of a mail that was given up on standard output.";
        WORKER_CONCURRENCY concurrency: usize = "8", integer(1..=256),
            "Mails that one process sends at the same time.";
    }

    "Mail templates"
    pub(super) struct TemplateSettings {
        USE_TEMPLATE_FILES use_files: bool = "true", flag(),
            "Read templates from files; the built-in ones replace missing files.";
        TEMPLATE_DIRECTORY directory: PathBuf = "templates", path(),
            "The directory of the template files.";
        SIGNUP_EMAIL_SUBJECT signup_subject: Option<String> = TEMPLATE, line().optional(),
            "The subject of sign-up mails. Placeholders:\n\
             {code} {name} {email} {expiry_minutes} {app_name} {app_url} {support_email}";
        SIGNUP_EMAIL_TEMPLATE signup_body: Option<String> = TEMPLATE, text().optional(),
            "The body of sign-up mails: HTML if it contains a tag, else plain text.";
        LOGIN_EMAIL_SUBJECT login_subject: Option<String> = TEMPLATE, line().optional(),
            "The subject of login mails.";
        LOGIN_EMAIL_TEMPLATE login_body: Option<String> = TEMPLATE, text().optional(),
            "The body of login mails.";
    }

    "Logs"
    #[derive(Clone, Debug)]
    pub struct LogConfig with
        file: Option<LogFileConfig>,
        security_file: Option<LogFileConfig>,
        external: Option<OtlpConfig>
    {
        LOG_LEVEL level: LogLevel = "INFO", one_of(),
            "The least severe level to log.";
        LOG_FORMAT format: LogFormat = DefaultValue::PerEnvironment { development: "text", production: "json" },
            one_of(),
            "json writes one object per line (bunyan).";
        LOG_TO_CONSOLE console: bool = "true", flag(),
            "Log to standard output.";
        LOG_REQUEST_ID request_id: bool = "true", flag(),
            "Add the request id to every line.";
        MASK_EMAILS_IN_LOGS mask_emails: Masking = "false", one_of(),
            "true hides most of an email address; hash logs a keyed hash, so that lines about the\n\
             same one can still be matched.";
        MASK_IP_IN_LOGS mask_ips: Masking = "false", one_of(),
            "The same for IP addresses.";
    }

    "Log files"
    pub(super) struct LogFileSettings {
        LOG_TO_FILE is_enabled: bool = "true", flag(),
            "Log to LOG_FILE.";
        LOG_FILE path: PathBuf = "logs/app.log", path(),
            "The log file.";
        ENABLE_SECURITY_LOG is_security_enabled: bool = "false", flag(),
            "Also log security events to SECURITY_LOG_FILE.";
        SECURITY_LOG_FILE security_path: PathBuf = "logs/security.log", path(),
            "The security log.";
        LOG_MAX_BYTES max_bytes: usize = "10485760", integer(1024..=4_000_000_000),
            "A log file is rotated before it grows larger than this.";
        LOG_BACKUP_COUNT backups: usize = "5", integer(0..=1000),
            "Number of rotated files to keep.";
        LOG_RETENTION_DAYS retention: Option<Duration> = "",
            integer(1..=3650).map(|days: u64| Duration::from_hours(24 * days)).optional(),
            "Rotated files are removed this many days after their last line. Without it, only\n\
             LOG_BACKUP_COUNT limits them.";
    }

    "External logging"
    pub(super) struct ExternalLogSettings {
        EXTERNAL_LOGGING_ENABLED is_enabled: bool = "false", flag(),
            "Also send logs and traces to a collector.";
        EXTERNAL_LOGGING_SERVICE service: String = "otlp", line(),
            "otlp: OTLP over HTTP. The agents of Datadog, CloudWatch and others accept it at port\n\
             4318.";
        EXTERNAL_LOGGING_CONFIG config: Option<SecretString> = "",
            secret("a JSON object", |_| true).optional(),
            "JSON: {\"endpoint\": \"http://127.0.0.1:4318\", \"headers\": {\"api-key\": \"…\"},\n\
             \"service_name\": \"gatelodge\", \"traces\": true}. Only the endpoint is required.";
    }
}

const IN_DEVELOPMENT: DefaultValue = DefaultValue::PerEnvironment {
    development: "true",
    production: "false",
};

const APP_NAME: DefaultValue = DefaultValue::Derived {
    description: "APP_NAME",
    derive: |r| r.value("APP_NAME").unwrap_or_default().to_owned(),
};

const TEMPLATE: DefaultValue = DefaultValue::Derived {
    description: "from a file, or built in",
    derive: |_| String::new(),
};

fn seconds() -> Parser<Duration> {
    integer(1..=3600).map(Duration::from_secs)
}

fn count() -> Parser<usize> {
    integer(1..=1_000_000)
}

fn limit() -> Parser<u32> {
    integer(1..=1_000_000)
}

fn threshold() -> Parser<u32> {
    integer(0..=1_000_000)
}
