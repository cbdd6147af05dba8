//! Deleting old data. A lease in the database ensures that one process does it at a time, and says
//! when it is due again.

use std::fmt;

use chrono::Duration;
use uuid::Uuid;

use super::{ServiceError, Services};
use crate::crypto;
use crate::db::{codes, invitations, leases, outbox, sessions};
use crate::domain::clock::Timestamp;

const LEASE: &str = "retention";
/// The lease of a process that is deleting. One batch takes far less.
const HELD: Duration = Duration::minutes(5);
/// The time between two clean-ups.
const EVERY: Duration = Duration::hours(1);
/// The maximum number of rows that one statement deletes.
const BATCH: u64 = 1_000;

/// How many rows of each kind were deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Used, superseded or expired codes.
    pub codes: u64,
    /// Ended or expired sessions.
    pub sessions: u64,
    /// Sent, cancelled and dead mails.
    pub mails: u64,
    /// Closed or expired invitations.
    pub invitations: u64,
}

impl fmt::Display for Cleaned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            codes,
            sessions,
            mails,
            invitations,
        } = self;
        write!(
            f,
            "{codes} codes, {sessions} sessions, {mails} mails, {invitations} invitations"
        )
    }
}

#[derive(Clone, Copy, Debug)]
pub struct CleanUp {
    /// `None` if another process holds the lease.
    pub cleaned: Option<Cleaned>,
    /// When to try again.
    pub next: Timestamp,
}

/// A process, for the lease.
#[derive(Clone, Copy, Debug)]
pub struct LeaseHolder(Uuid);

impl Services {
    pub fn new_lease_holder(&self) -> LeaseHolder {
        LeaseHolder(Uuid::from_bytes(crypto::random()))
    }

    /// Deletes what ended more than `DATA_RETENTION_DAYS` ago, if it is due and no other process
    /// does it. Stops early if the lease was lost.
    pub async fn clean_up(&self, holder: LeaseHolder) -> Result<CleanUp, ServiceError> {
        if !self.hold(holder, HELD).await? {
            let held_until = leases::held_until(&self.0.db, LEASE).await?;
            let next = held_until.unwrap_or_else(|| self.now());
            return Ok(CleanUp {
                cleaned: None,
                next,
            });
        }
        let end = self.now() - self.0.data_retention;
        let mut total = Cleaned::default();
        loop {
            let cleaned = self.clean_batch(end).await?;
            total.codes += cleaned.codes;
            total.sessions += cleaned.sessions;
            total.mails += cleaned.mails;
            total.invitations += cleaned.invitations;
            if cleaned == Cleaned::default() || !self.hold(holder, HELD).await? {
                break;
            }
        }
        self.hold(holder, EVERY).await?;
        Ok(CleanUp {
            cleaned: Some(total),
            next: self.now() + EVERY,
        })
    }

    async fn hold(&self, holder: LeaseHolder, time: Duration) -> Result<bool, ServiceError> {
        let now = self.now();
        Ok(leases::take(&self.0.db, LEASE, holder.0, now, now + time).await?)
    }

    /// Invitations first: codes are kept as long as their invitation.
    async fn clean_batch(&self, end: Timestamp) -> Result<Cleaned, ServiceError> {
        let db = &self.0.db;
        Ok(Cleaned {
            invitations: invitations::delete_ended(db, end, BATCH).await?,
            codes: codes::delete_expired(db, end, BATCH).await?,
            sessions: sessions::delete_ended(db, end, BATCH).await?,
            mails: outbox::delete_ended(db, end, BATCH).await?,
        })
    }
}
