//! The mail server is killed or paused under load.

use std::ops::AsyncFnOnce;

use super::{SOME_REQUESTS, wait_until};
use crate::support::deployment::Deployment;
use crate::support::load::{Load, SETTINGS};
use crate::support::on_both_deployments;
use crate::support::process::Process;
use crate::support::smtp::{SmtpOptions, SmtpServer};

/// Runs `fault` under load. No request may fail, and every mail must be delivered.
async fn survives(deployment: Deployment, fault: impl AsyncFnOnce(&mut SmtpServer, &Process)) {
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
    load.wait_for_requests(SOME_REQUESTS).await;
    fault(&mut server, &process).await;
    load.wait_for_requests(SOME_REQUESTS).await;
    let report = load.finish().await;
    assert_eq!(report.failed, 0, "no request needs the mail server");
    report.assert_consistent(&process, &server).await;
    assert!(!process.output().contains("email_dead"));
    wait_until(&process, 200, "ready", ("outbox", "ok")).await;
}

on_both_deployments! {
    async fn mail_survives_a_killed_mail_server(deployment: Deployment) {
        survives(deployment, async |server, process| {
            server.stop();
            process.wait_for("email_send_failed").await;
            server.restart();
        })
        .await;
    }

    /// The mail server accepts connections but does not respond.
    async fn mail_survives_a_paused_mail_server(deployment: Deployment) {
        survives(deployment, async |server, process| {
            server.pause();
            process.wait_for("email_send_failed").await;
            server.resume();
        })
        .await;
    }
}
