//! What the integration tests use beside the public interface. Not a stable API.

pub mod app {
    pub use crate::app::{App, Role};
}

pub mod cache {
    pub use crate::cache::Cache;
}

pub mod config {
    pub use crate::config::{
        Config, MailConfig, MailProviderConfig, SendGridConfig, SmtpConfig, SmtpEncryption,
        TemplatesConfig, Variables, load,
    };
}

pub mod crypto {
    pub use crate::crypto::{Keys, random, sha256};
}

pub mod db {
    pub use crate::db::{
        Db, DbError, codes, credentials, invitations, leases, outbox, sessions, teams, users,
    };
}

pub mod domain {
    pub use crate::domain::{
        clock, code, credential, email, id, mail, mailbox, password, session, team,
    };
}

pub mod graphql {
    /// The root fields of the schema, and whether each of them is public.
    pub fn root_fields() -> std::collections::HashMap<String, bool> {
        crate::graphql::root_fields()
    }

    /// The schema in the schema definition language.
    pub fn sdl() -> String {
        crate::graphql::sdl()
    }
}

pub mod mail {
    pub use crate::mail::{Mailer, templates};
}

pub mod service {
    pub use crate::service::{Cleaned, Services};
}
