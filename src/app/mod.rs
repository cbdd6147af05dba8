//! The composition root: puts the parts together, for the binary and for the tests alike.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::cache::{Cache, CacheError};
use crate::config::{Config, ConnectionsConfig, LogConfig, MailProviderConfig};
use crate::crypto::{AccessTokens, AccessTokensError, Hasher, Keys};
use crate::db::{Db, DbError};
use crate::domain::clock::Clock;
use crate::domain::mailbox::Mailbox;
use crate::graphql::{self, AppInfo, Documents};
use crate::http::{self, HttpState, Listener, Tls, TlsError};
use crate::limits::{Limiter, LimiterError};
use crate::mail::templates::{TemplateErrors, Templates};
use crate::mail::{Mailer, MailerError};
use crate::queue::{Queue, QueueError};
use crate::service::{Dependencies, Services};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::{self, Throttle, event};
use crate::worker::Worker;

mod accounts;
mod commands;
mod doctor;
mod greeting;
mod mail_check;
mod mails;
mod process;
mod seed;

pub use accounts::{AccountAction, account, export};
pub use commands::{
    CommandError, config_check, config_example, config_reference, healthcheck, migrate_down,
    migrate_up, migration_status, print_events, print_schema,
};
pub use doctor::{State, doctor};
pub use mail_check::{PreviewPart, mail_kinds, preview as preview_mail, test as test_mail};
pub use mails::{OutboxAction, mail_states, outbox};
pub use process::run;
pub use seed::seed;

/// How often old log files are looked for.
const DAY: Duration = Duration::from_hours(24);

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Answers requests and sends mail.
    ServeAndWork,
    /// Answers requests.
    Serve,
    /// Sends mail.
    Work,
}

/// Why a process cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database is away, or its schema cannot be brought up to date.
    #[error("the database cannot be used")]
    Db(#[from] DbError),
    /// `REDIS_URL` cannot be used for the cache.
    #[error("the cache cannot be used")]
    Cache(#[from] CacheError),
    /// `REDIS_URL` cannot be used for the queue.
    #[error("the queue cannot be used")]
    Queue(#[from] QueueError),
    /// `REDIS_URL` cannot be used for limits.
    #[error("the limiter cannot be used")]
    Limiter(#[from] LimiterError),
    /// A key of access tokens cannot be used.
    #[error(transparent)]
    AccessTokens(#[from] AccessTokensError),
    /// A template is broken.
    #[error(transparent)]
    Templates(#[from] TemplateErrors),
    /// A mail provider's settings cannot work.
    #[error(transparent)]
    Mailer(#[from] MailerError),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address to listen on is taken or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address and port.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// Logging was set up before.
    #[error(transparent)]
    Telemetry(#[from] telemetry::InitError),
}

/// A process that is ready to run.
pub struct App {
    services: Services,
    db: Db,
    mailbox: Mailbox,
    server: Option<(HttpState, Listener)>,
    metrics: Option<(Listener, SocketAddr)>,
    connections: ConnectionsConfig,
    worker: Option<Worker>,
    port: u16,
    log: LogConfig,
}

impl App {
    /// Connects, brings the schema up to date if told so, checks all templates and takes the
    /// port. Redis and the mail servers need not be there yet.
    pub async fn build(config: Config, role: Role) -> Result<Self, StartError> {
        Self::build_with_clock(config, role, Clock::default()).await
    }

    /// The same with a clock that can be moved.
    pub async fn build_with_clock(
        config: Config,
        role: Role,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let Core {
            db,
            queue,
            services,
        } = assemble(&config, clock.clone()).await?;
        services.compare_clocks().await?;
        let templates = Templates::load(&config.app, &config.templates)?;
        let mailbox = Mailbox::default();
        let mailer = Mailer::new(&config.mail, &mailbox, &clock)?;
        let worker = (role != Role::Serve).then(|| {
            let (templates, mailer) = (Arc::new(templates), Arc::new(mailer));
            Worker::new(queue, services.clone(), templates, mailer, &config.mail)
        });
        let metrics = match config.metrics {
            Some(address) => {
                let (listener, port) = listen(address, None).await?;
                Some((listener, SocketAddr::new(address.ip(), port)))
            }
            None => None,
        };
        let connections = config.http.connections;
        let log = config.log.clone();
        let (server, port) = if role == Role::Work {
            (None, 0)
        } else {
            let address = SocketAddr::new(config.http.host, config.http.port);
            let tls = config.http.tls.clone().map(Tls::load).transpose()?;
            let (listener, port) = listen(address, tls).await?;
            (
                Some((
                    http_state(config, services.clone(), mailbox.clone()),
                    listener,
                )),
                port,
            )
        };
        Ok(Self {
            services,
            db,
            mailbox,
            server,
            metrics,
            connections,
            worker,
            port,
            log,
        })
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port that figures are served on.
    pub fn metrics_port(&self) -> Option<u16> {
        self.metrics.as_ref().map(|(_, address)| address.port())
    }

    /// The mails that were only pretended to be sent.
    pub fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// The use cases.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Serves and works until told to stop, then lets requests and mails in flight end within a
    /// bounded time.
    pub async fn run_until(self, stop: CancellationToken) {
        let address = self
            .server
            .as_ref()
            .map(|(state, _)| format!("{} on port {}", state.app.url, self.port));
        event::emit(event::ServerStarted {
            detail: address.as_deref(),
        });
        let working = async {
            if let Some(worker) = self.worker {
                worker.run(stop.clone()).await;
            }
        };
        let serving = async {
            if let Some((state, listener)) = self.server {
                http::serve(state, listener, stop.clone().cancelled_owned()).await;
            }
        };
        let telling = async {
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.services.watch_database() => {}
                () = tidy_logs(self.log) => {}
            }
            event::emit(event::ServerStopping {});
        };
        let watched = watched(
            self.services.clone(),
            self.metrics,
            self.connections,
            stop.clone(),
        );
        tokio::join!(serving, working, telling, watched);
        if let Err(error) = self.db.close().await {
            event::emit(event::DatabaseUnavailable { error: &error });
        }
        event::emit(event::ServerStopped {});
    }
}

/// What every process and every command on accounts needs.
struct Core {
    db: Db,
    queue: Queue,
    services: Services,
}

/// Connects, brings the schema up to date if told so, and bundles the use cases.
async fn assemble(config: &Config, clock: Clock) -> Result<Core, StartError> {
    let started = clock.now();
    let db = Db::connect(&config.database).await?;
    if config.database.run_migrations {
        db.migrate_up().await?;
    }
    let (cache, limiter, queue) = match &config.redis_url {
        Some(url) => (Cache::redis(url)?, Limiter::redis(url)?, Queue::redis(url)?),
        None => (Cache::None, Limiter::memory(), Queue::memory()),
    };
    let services = Services::new(Dependencies {
        db: db.clone(),
        cache,
        limiter,
        queue: queue.clone(),
        clock,
        keys: Keys::new(&config.tokens),
        access_tokens: AccessTokens::new(&config.tokens)?,
        hasher: Hasher::new(config.passwords.bcrypt_cost),
        app_url: config.app.url.clone(),
        codes: config.codes.clone(),
        limits: config.limits.clone(),
        invitation_lifetime: config.invitation_lifetime,
        data_retention: config.data_retention,
        passwords: config.passwords,
        tokens: config.tokens.clone(),
        mail: config.mail.clone(),
        throttle: Throttle::default(),
        metrics: Metrics::new(started),
    });
    Ok(Core {
        db,
        queue,
        services,
    })
}

/// Removes old log files at once and then every day. Never ends.
async fn tidy_logs(config: LogConfig) {
    let config = Arc::new(config);
    loop {
        let due = Arc::clone(&config);
        // A panic was logged by the panic hook.
        let _ = tokio::task::spawn_blocking(move || telemetry::remove_old_files(&due)).await;
        tokio::time::sleep(DAY).await;
    }
}

/// Serves figures and health, where they are wanted.
async fn watched(
    services: Services,
    listener: Option<(Listener, SocketAddr)>,
    connections: ConnectionsConfig,
    stop: CancellationToken,
) {
    let Some((listener, address)) = listener else {
        return;
    };
    event::emit(event::MetricsStarted {
        detail: &format!("at {address}"),
    });
    http::metrics::serve(services, listener, connections, stop.cancelled_owned()).await;
}

/// Takes a port, a free one for 0; which it is.
async fn listen(address: SocketAddr, tls: Option<Tls>) -> Result<(Listener, u16), StartError> {
    let taken = |source| StartError::Listen {
        address: address.to_string(),
        source,
    };
    let listener = Listener::bind(address.ip(), address.port(), tls)
        .await
        .map_err(taken)?;
    let port = listener.port().map_err(taken)?;
    Ok((listener, port))
}

fn http_state(config: Config, services: Services, mailbox: Mailbox) -> HttpState {
    let info = AppInfo {
        name: config.app.name.clone(),
        support_email: config.app.support_email.clone(),
    };
    HttpState {
        schema: graphql::schema(
            services.clone(),
            info,
            config.graphql,
            config.http.introspection,
        ),
        documents: Documents::new(config.graphql),
        operation_timeout: config.graphql.timeout,
        services,
        mailbox: config
            .mail
            .providers
            .iter()
            .any(MailProviderConfig::is_mock)
            .then_some(mailbox),
        app: config.app,
        http: config.http,
    }
}
