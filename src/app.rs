//! The composition root: builds a process from its parts and runs it, for the binary and the tests.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use crate::cache::Cache;
use crate::config::{Config, ConnectionsConfig, LogConfig, MailProviderConfig};
use crate::crypto::{AccessTokens, Hasher, Keys};
use crate::db::Db;
use crate::domain::clock::Clock;
use crate::domain::mailbox::Mailbox;
use crate::graphql::{self, Documents};
use crate::http::{self, HttpState, Listener, Tls};
use crate::limits::Limiter;
use crate::mail::Mailer;
use crate::mail::templates::Templates;
use crate::queue::Queue;
use crate::service::{Dependencies, Services};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::{self, Throttle, event};
use crate::worker::Worker;

/// How often old log files are removed.
const LOG_CLEANUP_INTERVAL: Duration = Duration::from_hours(24);

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Answer requests and send mail.
    ServeAndWork,
    /// Only answer requests.
    Serve,
    /// Only send mail.
    Work,
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
    /// Connects to the database, applies pending migrations if the settings say so, checks all
    /// templates and binds the ports. Redis and the mail servers need not be reachable yet.
    pub async fn build(config: Config, role: Role, clock: Clock) -> anyhow::Result<Self> {
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

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn metrics_port(&self) -> Option<u16> {
        self.metrics.as_ref().map(|(_, address)| address.port())
    }

    /// The mails of the mock provider.
    pub fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Serves and works until `stop`, then gives requests and mails in flight a bounded time to end.
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
        let events = async {
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.services.watch_database() => {}
                () = remove_old_logs(self.log) => {}
            }
            event::emit(event::ServerStopping {});
        };
        let metrics = serve_metrics(
            self.services.clone(),
            self.metrics,
            self.connections,
            stop.clone(),
        );
        tokio::join!(serving, working, events, metrics);
        if let Err(error) = self.db.close().await {
            event::emit(event::DatabaseUnavailable { error: &error });
        }
        event::emit(event::ServerStopped {});
    }
}

/// What processes and commands need to call services.
pub(crate) struct Core {
    pub(crate) db: Db,
    queue: Queue,
    pub(crate) services: Services,
}

/// Connects to the stores, and applies pending migrations if the settings say so.
pub(crate) async fn assemble(config: &Config, clock: Clock) -> anyhow::Result<Core> {
    let started = clock.now();
    let db = Db::connect(&config.database).await?;
    if config.database.run_migrations {
        db.migrate_up().await?;
    }
    let (cache, limiter, queue) = match &config.redis.url {
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
        invitation_lifetime: config.teams.invitation_lifetime,
        data_retention: config.database.retention,
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

/// Removes old log files now and then every day. Never ends.
async fn remove_old_logs(config: LogConfig) {
    let config = Arc::new(config);
    loop {
        let due = Arc::clone(&config);
        // The panic hook logs a panic.
        let _ = tokio::task::spawn_blocking(move || telemetry::remove_old_files(&due)).await;
        tokio::time::sleep(LOG_CLEANUP_INTERVAL).await;
    }
}

/// Serves metrics and health checks if `METRICS_PORT` is set.
async fn serve_metrics(
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

/// Binds a port, any free one for 0, and returns it too.
async fn listen(address: SocketAddr, tls: Option<Tls>) -> anyhow::Result<(Listener, u16)> {
    let bind = async || -> io::Result<_> {
        let listener = Listener::bind(address.ip(), address.port(), tls).await?;
        let port = listener.port()?;
        Ok((listener, port))
    };
    bind()
        .await
        .with_context(|| format!("cannot listen on {address}"))
}

fn http_state(config: Config, services: Services, mailbox: Mailbox) -> HttpState {
    HttpState {
        schema: graphql::schema(
            config.app.clone(),
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
