//! Mail: templates, providers, the outbox and delivery.

mod check;
mod commands;
mod delivery;
mod drain;
mod outbox;
mod sendgrid;
mod smtp;
mod template_docs;
mod templates;
