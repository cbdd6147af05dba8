//! The mail server killed and silent.

use std::ops::AsyncFnOnce;
use std::time::Duration;

use tokio::time::sleep;

use super::{A_WHILE, wait_until};
use crate::support::deployment::Deployment;
use crate::support::load::{Load, SETTINGS};
use crate::support::on_both_deployments;
use crate::support::smtp::{SmtpOptions, SmtpServer};

/// How long the server is away: less than what mails wait for between two tries, later.
const AWAY: Duration = Duration::from_secs(3);

/// People go on while `fault` happens, without one request that fails, and get every mail.
async fn survives(deployment: Deployment, fault: impl AsyncFnOnce(&mut SmtpServer)) {
    let mut server = SmtpServer::start(SmtpOptions::default());
    let port = server.port().to_string();
    let settings = [
        SETTINGS,
        &[
            ("EMAIL_SERVICE", "smtp"),
            ("EMAIL_FROM_ADDRESS", "no-reply@gatelodge.example"),
            ("SMTP_HOST", "localhost"),
            ("SMTP_PORT", &port),
            ("SMTP_USE_TLS", "false"),
            ("EMAIL_TIMEOUT_SECONDS", "1"),
        ],
    ]
    .concat();
    let process = deployment.spawn(&[], &settings).await;
    wait_until(&process, 200, "ready", ("worker", "ok")).await;
    let load = Load::start(&[&process], &server);
    load.go_on_for(A_WHILE).await;
    fault(&mut server).await;
    process.wait_for("email_send_failed").await;
    load.go_on_for(A_WHILE).await;
    let story = load.finish().await;
    assert_eq!(story.failed, 0, "no request needs the mail server");
    story.holds(&process, &server).await;
    assert!(!process.output().contains("email_dead"));
    wait_until(&process, 200, "ready", ("outbox", "ok")).await;
}

on_both_deployments! {
    /// The mail server dies, in the middle of mails too, and is started again.
    async fn mail_survives_a_killed_mail_server(deployment: Deployment) {
        survives(deployment, async |server| {
            server.stop();
            sleep(AWAY).await;
            server.restart();
        })
        .await;
    }

    /// The mail server takes connections and says nothing.
    async fn mail_survives_a_silent_mail_server(deployment: Deployment) {
        survives(deployment, async |server| {
            server.pause();
            sleep(AWAY).await;
            server.resume();
        })
        .await;
    }
}
