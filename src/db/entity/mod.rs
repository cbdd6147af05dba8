//! Tables as sea-orm sees them. Nothing outside `db` names these types.

use sea_orm::Value;
use uuid::Uuid;

use crate::domain::id::{CodeId, InvitationId, MailId, MembershipId, SessionId, TeamId, UserId};

pub(super) mod invitations;
pub(super) mod leases;
pub(super) mod mail_attempts;
pub(super) mod outbox_mails;
pub(super) mod sessions;
pub(super) mod team_members;
pub(super) mod teams;
pub(super) mod users;
pub(super) mod verification_codes;
pub(super) mod worker_heartbeats;

macro_rules! ids_are_values {
    ($($id:ty),+) => {$(
        impl From<$id> for Value {
            fn from(id: $id) -> Self {
                Uuid::from(id).into()
            }
        }
    )+};
}

ids_are_values!(
    CodeId,
    InvitationId,
    MailId,
    MembershipId,
    SessionId,
    TeamId,
    UserId
);
