//! The table of all settings: what exists, what each means, and what holds when it is not set.

use std::fmt::Write;
use std::iter;

/// One environment variable.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting<'a> {
    pub(super) name: &'static str,
    /// Lines for `.env.example`.
    pub(super) about: &'static str,
    /// What is read when the variable is not set.
    pub(super) default: Option<&'a str>,
    /// Says what the default follows, where it is not the same for everybody.
    follows: Option<&'static str>,
    /// Never shown, and can be read from the file that `NAME_FILE` names.
    pub(super) secret: bool,
}

impl<'a> Setting<'a> {
    /// The same setting with a default that became known while reading others.
    pub(super) fn or(self, default: &'a str) -> Self {
        Self {
            default: Some(default),
            ..self
        }
    }

    /// The variable that names a file to read a secret from.
    pub(super) fn file_twin(&self) -> Option<String> {
        self.secret.then(|| format!("{}_FILE", self.name))
    }

    const fn secret(self) -> Self {
        Self {
            secret: true,
            ..self
        }
    }
}

const NO_DEFAULT: Setting<'static> = Setting {
    name: "",
    about: "",
    default: None,
    follows: None,
    secret: false,
};

const fn default(text: &'static str) -> Setting<'static> {
    Setting {
        default: Some(text),
        ..NO_DEFAULT
    }
}

const fn follows(what: &'static str) -> Setting<'static> {
    Setting {
        follows: Some(what),
        ..NO_DEFAULT
    }
}

/// Settings that belong together.
pub(super) struct Section {
    title: &'static str,
    pub(super) settings: &'static [Setting<'static>],
}

/// Makes a constant of each setting, and `SECTIONS` of all.
macro_rules! settings {
    ($($title:literal { $($name:ident = $kind:expr, $about:literal;)* })*) => {
        $($(
            pub(super) const $name: Setting<'static> = Setting {
                name: stringify!($name),
                about: $about,
                ..$kind
            };
        )*)*

        pub(super) const SECTIONS: &[Section] = &[
            $(Section { title: $title, settings: &[$($name),*] }),*
        ];
    };
}

settings! {
    "Application" {
        APP_ENV = default("development"),
            "development, or production, which refuses insecure defaults.";
        APP_NAME = default("Gatelodge"), "What mails call the application.";
        APP_URL = default("http://localhost:8000"),
            "Where the application is found; links in mails begin with it. https:// in production.";
        SUPPORT_EMAIL = NO_DEFAULT, "Where users get help; shown in mails.";
    }
    "Listener" {
        HOST = default("127.0.0.1"), "The address to listen on; 0.0.0.0 is every IPv4 interface.";
        PORT = default("8000"), "The port to listen on; 0 takes a free one.";
        CORS_ALLOWED_ORIGINS = follows("APP_URL in development, none in production"),
            "Origins whose pages may call the API: a comma list, no wildcard.";
        TRUSTED_PROXIES = NO_DEFAULT,
            "Proxies whose Forwarded, X-Forwarded-For, X-Real-IP and X-Forwarded-Proto are believed:\n\
             a comma list of addresses and networks. From anybody else these headers are ignored.";
        TLS_CERT_FILE = NO_DEFAULT,
            "The certificate and its chain (PEM), to serve https here; read again when it changes.";
        TLS_KEY_FILE = NO_DEFAULT, "The key of that certificate (PEM).";
        MAX_CONNECTIONS = default("10000"), "Connections open at once; more have to wait.";
        MAX_BODY_BYTES = default("262144"), "The longest request body, 1024 to 16777216 bytes.";
        HEADER_TIMEOUT_SECONDS = default("10"),
            "From a new connection to its first whole request header, and for the TLS handshake.";
        REQUEST_TIMEOUT_SECONDS = default("30"),
            "For the body of a request to arrive. A request as a whole, reading the answer\n\
             included, may take twice as long.";
        IDLE_TIMEOUT_SECONDS = default("75"),
            "How long a connection is kept without a request; longer than a proxy in front keeps it.";
        GRAPHIQL_ENABLED = follows("true in development, false in production"),
            "Serve the GraphiQL page.";
        INTROSPECTION_ENABLED = follows("true in development, false in production"),
            "Let clients read the schema.";
    }
    "Metrics" {
        METRICS_PORT = NO_DEFAULT,
            "Serve /metrics for Prometheus, /healthz and /readyz on a port of their own; 0 takes a\n\
             free one. Without it there are no metrics.";
        METRICS_HOST = default("127.0.0.1"),
            "The address that port is on. Not for the public: there is no login.";
    }
    "GraphQL" {
        GRAPHQL_MAX_BYTES = default("65536"), "Bytes of a document, 1024 to 262144.";
        GRAPHQL_MAX_TOKENS = default("5000"), "Names, values and punctuators of a document.";
        GRAPHQL_MAX_NESTING = default("32"), "Brackets open at once, 4 to 64.";
        GRAPHQL_MAX_ALIASES = default("100"), "Fields under another name.";
        GRAPHQL_MAX_DIRECTIVES = default("100"), "Directives of a document.";
        GRAPHQL_MAX_SPREADS = default("250"), "Fragment spreads and inline fragments.";
        GRAPHQL_MAX_ROOT_FIELDS = default("50"), "Fields at the top of an operation.";
        GRAPHQL_MAX_EXPANDED_SELECTIONS = default("5000"),
            "Fields of a document once its fragments are put in their place, 1 to 100000.";
        GRAPHQL_MAX_DEPTH = default("16"), "Fields within fields, 4 to 64.";
        GRAPHQL_MAX_COMPLEXITY = default("2000"),
            "Fields of an answer: each counts one, and as often as its list may have items.";
        GRAPHQL_TIMEOUT_SECONDS = default("30"), "How long an operation may run, 1 to 600.";
    }
    "Database and Redis" {
        DATABASE_URL = default("sqlite://data/gatelodge.db?mode=rwc").secret(),
            "sqlite://path?mode=rwc or postgres://user:password@host/database.";
        DATABASE_MAX_CONNECTIONS = default("10"), "Size of the connection pool, 1 to 1000.";
        RUN_MIGRATIONS = default("true"),
            "Bring the schema up to date at start; safe when several processes start at once.";
        DATA_RETENTION_DAYS = default("30"),
            "Spent codes, ended sessions, closed invitations, and mails that were sent or given up\n\
             are deleted after so many days, 1 to 3650.";
        REDIS_URL = NO_DEFAULT.secret(),
            "redis://host or rediss://host: queue, cache and rate limits are shared there.\n\
             Without it they live in the process.";
    }
    "Codes" {
        CODE_LENGTH = default("6"), "Characters of a code, 4 to 8.";
        CODE_TYPE = default("numeric"),
            "numeric, or alphanumeric (no look-alike characters, case does not matter).";
        CODE_EXPIRATION_MINUTES = default("15"), "Life of a code, 1 to 60 minutes.";
        MAX_VERIFICATION_ATTEMPTS = default("5"), "Answers accepted per code, 1 to 100.";
        ACCOUNT_EXISTENCE_HINTS = default("true"),
            "Tell whoever asks that an address has an account, or has none.\n\
             false: the answer is always the same, and the truth goes by mail.";
    }
    "Limits" {
        MAX_CODE_REQUESTS_PER_HOUR = default("5"), "Codes sent per address.";
        MAX_CODE_REQUESTS_PER_HOUR_PER_IP = default("30"), "Codes sent per client IP.";
        MAX_VERIFICATIONS_PER_15_MINUTES_PER_IP = default("50"),
            "Wrong codes per client IP, over all addresses.";
        MAX_LOGIN_ATTEMPTS_PER_15_MINUTES = default("10"), "Failed password logins per address.";
        MAX_LOGIN_ATTEMPTS_PER_15_MINUTES_PER_IP = default("50"),
            "Failed password logins per client IP.";
        MAX_REGISTRATIONS_PER_HOUR_PER_IP = default("20"),
            "Accounts registered with a password per client IP.";
        MAX_PASSWORD_RESETS_PER_HOUR = default("5"), "Reset links sent per address.";
        MAX_INVITATIONS_PER_HOUR_PER_TEAM = default("50"), "Invitations sent for one team.";
    }
    "Suspicious patterns" {
        SUSPICIOUS_FAILURES_PER_ADDRESS = default("8"),
            "Wrong codes, or failed logins, about one address in an hour that raise an event.\n\
             Nothing is refused because of these settings; 0 is never.";
        SUSPICIOUS_FAILURES_PER_IP = default("20"),
            "The same from one client IP, over all addresses.";
        SUSPICIOUS_ADDRESSES_PER_IP = default("10"),
            "Addresses that one client IP asks for codes for in an hour, likewise.";
        SUSPICIOUS_DEAD_CODES = default("5"),
            "Used or expired codes tried in an hour, for one address or from one client IP.";
    }
    "Passwords" {
        PASSWORD_MIN_LENGTH = default("8"), "Characters of a password, 8 to 128.";
        BCRYPT_COST = default("12"),
            "Work for one password hash, 4 to 16; each step doubles it. 10 or more in production.";
        PASSWORD_RESET_EXPIRATION_MINUTES = default("60"), "Life of a reset link, 5 to 1440 minutes.";
    }
    "Teams" {
        INVITATION_EXPIRATION_HOURS = default("168"), "Life of an invitation, 1 to 8760 hours.";
    }
    "Tokens" {
        JWT_SECRET_KEY = follows("in development, one is made and kept in data/secret.key").secret(),
            "At least 32 bytes; codes, tokens and signatures are derived from it.\n\
             Make one with: openssl rand -base64 48";
        JWT_SECRET_KEY_PREVIOUS = NO_DEFAULT.secret(),
            "The key before this one: still accepted, never used to sign.";
        JWT_PRIVATE_KEY = NO_DEFAULT.secret(),
            "An Ed25519 or P-256 key (PKCS #8, PEM; name its file in JWT_PRIVATE_KEY_FILE):\n\
             access tokens are signed with it, and its public half is served at\n\
             /.well-known/jwks.json. Make one with: openssl genpkey -algorithm ed25519";
        JWT_PRIVATE_KEY_PREVIOUS = NO_DEFAULT.secret(),
            "The private key before this one: still accepted and served, never used to sign.";
        JWT_ISSUER = follows("APP_URL"), "Who tokens say issued them.";
        JWT_AUDIENCE = follows("APP_NAME"), "Whom tokens say they are for.";
        JWT_EXPIRATION_MINUTES = default("43200"),
            "Life of an access token. Where other services verify tokens offline, set 15 and refresh.";
        REFRESH_TOKEN_EXPIRATION_MINUTES = default("86400"),
            "Life of a session without use; longer than JWT_EXPIRATION_MINUTES.";
        REFRESH_GRACE_SECONDS = default("10"),
            "A refresh repeated within this time gets the same answer, 0 to 300.";
    }
    "Mail" {
        EMAIL_SERVICE = follows("gmail if GMAIL_USER is set, else mock"),
            "gmail, sendgrid, smtp or mock; a comma list is an order of failover.\n\
             mock prints mails on the console and is refused in production.";
        EMAIL_FROM_ADDRESS = follows("GMAIL_USER; sendgrid and smtp need one to be set"),
            "The sender's address.";
        EMAIL_FROM_NAME = follows("APP_NAME"), "The sender's name.";
        GMAIL_USER = NO_DEFAULT, "The Gmail address to log in with.";
        GMAIL_APP_PASSWORD = NO_DEFAULT.secret(),
            "An app password of that account: 16 letters, spaces do not matter.";
        SENDGRID_API_KEY = NO_DEFAULT.secret(), "A key of SendGrid with the right to send mail.";
        SENDGRID_BASE_URL = default("https://api.sendgrid.com"),
            "https://api.eu.sendgrid.com for an account in the EU.";
        SMTP_HOST = follows("smtp.gmail.com for gmail; smtp needs one to be set"),
            "The mail server.";
        SMTP_PORT = default("587"), "465 is TLS from the first byte, any other port STARTTLS.";
        SMTP_USERNAME = NO_DEFAULT, "The name to log in with, if the server wants one.";
        SMTP_PASSWORD = NO_DEFAULT.secret(), "The password to log in with.";
        SMTP_USE_TLS = default("true"),
            "false sends in the clear: for a server on this machine only.\n\
             starttls or implicit, where the port does not tell.";
        EMAIL_TIMEOUT_SECONDS = default("15"),
            "For the whole conversation with a provider, 1 to 120.";
        EMAIL_MAX_ATTEMPTS = default("8"),
            "Tries before a mail may be given up for trouble that may pass, 1 to 50; never before\n\
             75 minutes of trying, unless its code or link ends first.";
        EMAIL_FALLBACK_TO_CONSOLE = follows("true in development, false in production"),
            "Print the code of a mail that was given up on standard output.";
        WORKER_CONCURRENCY = default("8"), "Mails sent at once by one process, 1 to 256.";
    }
    "Mail templates" {
        USE_TEMPLATE_FILES = default("true"), "Read templates from files; a missing one is built in.";
        TEMPLATE_DIRECTORY = default("templates"), "Where the files are.";
        SIGNUP_EMAIL_SUBJECT = follows("from a file, or built in"),
            "Placeholders: {code} {name} {email} {expiry_minutes} {app_name} {app_url} {support_email}";
        SIGNUP_EMAIL_TEMPLATE = follows("from a file, or built in"), "The body: HTML if it has a tag.";
        LOGIN_EMAIL_SUBJECT = follows("from a file, or built in"), "The same for login mails.";
        LOGIN_EMAIL_TEMPLATE = follows("from a file, or built in"), "The same for login mails.";
    }
    "Logs" {
        LOG_LEVEL = default("INFO"), "DEBUG, INFO, WARNING, ERROR or CRITICAL.";
        LOG_FORMAT = follows("text in development, json in production"), "json or text.";
        LOG_TO_CONSOLE = default("true"), "Log to standard output.";
        LOG_TO_FILE = default("true"), "Log to LOG_FILE.";
        LOG_FILE = default("logs/app.log"), "The log file.";
        LOG_MAX_BYTES = default("10485760"), "A log file is rotated before it grows beyond.";
        LOG_BACKUP_COUNT = default("5"), "Rotated files that are kept, 0 to 1000.";
        LOG_RETENTION_DAYS = NO_DEFAULT,
            "Rotated files last written to longer ago are removed, 1 to 3650; else only by number.";
        MASK_EMAILS_IN_LOGS = default("false"),
            "true hides most of an address; hash makes it a keyed hash that can still be compared.";
        MASK_IP_IN_LOGS = default("false"), "The same for IP addresses: true, false or hash.";
        ENABLE_SECURITY_LOG = default("false"), "Log security events to SECURITY_LOG_FILE too.";
        SECURITY_LOG_FILE = default("logs/security.log"), "The security log.";
        LOG_REQUEST_ID = default("true"), "Put the request's id on every line.";
        EXTERNAL_LOGGING_ENABLED = default("false"), "Send logs and traces to a collector too.";
        EXTERNAL_LOGGING_SERVICE = default("otlp"),
            "otlp: OTLP over HTTP. The agents of Datadog, CloudWatch and others take it at port 4318.";
        EXTERNAL_LOGGING_CONFIG = NO_DEFAULT.secret(),
            "JSON: {\"endpoint\": \"http://127.0.0.1:4318\", \"headers\": {\"api-key\": \"…\"},\n\
             \"service_name\": \"gatelodge\", \"traces\": true}. Only the endpoint is needed.";
    }
}

/// The names of all variables that are read, `_FILE` twins included.
pub(super) fn variable_names() -> impl Iterator<Item = String> {
    let settings = SECTIONS.iter().flat_map(|section| section.settings);
    settings.flat_map(|setting| iter::once(setting.name.to_owned()).chain(setting.file_twin()))
}

/// The text of `.env.example`: every setting with its explanation and default, commented out.
pub fn env_example() -> String {
    let mut text = String::from(
        "# Every setting of Gatelodge, with its default. Copy this file to `.env` in the directory\n\
         # where Gatelodge starts and remove the `#` before what you change. Variables of the real\n\
         # environment win over the file. `gatelodge config check` says what holds.\n",
    );
    for section in SECTIONS {
        let _ = write!(text, "\n\n## {} ##\n", section.title);
        for setting in section.settings {
            text.push('\n');
            for line in setting.about.lines() {
                let _ = writeln!(text, "# {line}");
            }
            if let Some(what) = setting.follows {
                let _ = writeln!(text, "# Default: {what}.");
            }
            if let Some(twin) = setting.file_twin() {
                let _ = writeln!(text, "# Or {twin}: a file to read it from.");
            }
            let default = setting.default.unwrap_or_default();
            let _ = writeln!(text, "# {}={default}", setting.name);
        }
    }
    text
}

/// The text of `docs/configuration.md`: every setting in a table.
pub fn configuration_markdown() -> String {
    let mut text = String::from(
        "# Configuration\n\n\
         Printed by `gatelodge config reference`. Every setting is an environment variable, read once\n\
         at start; a file `.env` in the working directory is read first, and real variables win.\n\
         `gatelodge config check` shows what holds and everything that is wrong, each with the\n\
         variable's name; a process with wrong settings does not start and ends with code 78. A name\n\
         that no setting has is warned about, with the nearest that one has. To begin with a file,\n\
         copy [`.env.example`](../.env.example).\n\n\
         A setting marked *secret* is never shown, and can be read from a file instead: name the file\n\
         in the variable with `_FILE` at its end.\n",
    );
    for section in SECTIONS {
        let title = section.title;
        let _ = write!(
            text,
            "\n## {title}\n\n| variable | default | meaning |\n|---|---|---|\n"
        );
        for setting in section.settings {
            let default = match (setting.follows, setting.default) {
                (Some(what), _) => what.to_owned(),
                (None, Some(value)) => format!("`{value}`"),
                (None, None) => "none".to_owned(),
            };
            let secret = if setting.secret { " *Secret.*" } else { "" };
            let about = setting.about.replace('\n', " ").replace('|', "\\|");
            let _ = writeln!(text, "| `{}` | {default} | {about}{secret} |", setting.name);
        }
    }
    text
}
