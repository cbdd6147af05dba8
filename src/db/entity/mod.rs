//! The tables as sea-orm sees them. Nothing outside `db` names these types.

use sea_orm::Set;
use sea_orm::entity::prelude::*;

use crate::domain::clock::Timestamp;
use crate::domain::code::{Purpose, VerificationCode};
use crate::domain::credential::{Credential, CredentialKind};
use crate::domain::email::EmailAddress;
use crate::domain::id::{
    CodeId, CredentialId, InvitationId, MembershipId, Nonce, SessionId, TeamId, UserId,
};
use crate::domain::session::{RevokeReason, Session, SignInMethod};
use crate::domain::team::{Invitation, Membership, Role, Team};
use crate::domain::user::Profile;

mod values;

pub(super) mod leases;
pub(super) mod mail_attempts;
pub(super) mod outbox_mails;
pub(super) mod users;
pub(super) mod worker_heartbeats;

/// Defines a table with the fields of a domain type as its columns, the primary key first.
macro_rules! table {
    ($table:ident $name:literal => $domain:ident {
        $id:ident: $id_type:ty,
        $($field:ident: $type:ty,)+
    }) => {
        pub(super) mod $table {
            use super::*;

            #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
            #[sea_orm(table_name = $name)]
            pub struct Model {
                #[sea_orm(primary_key, auto_increment = false)]
                pub $id: $id_type,
                $(pub $field: $type,)+
            }

            #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
            pub enum Relation {}

            impl ActiveModelBehavior for ActiveModel {}

            impl From<Model> for $domain {
                fn from(row: Model) -> Self {
                    Self {
                        $id: row.$id,
                        $($field: row.$field),+
                    }
                }
            }

            impl From<$domain> for ActiveModel {
                fn from(value: $domain) -> Self {
                    Self {
                        $id: Set(value.$id),
                        $($field: Set(value.$field)),+
                    }
                }
            }
        }
    };
}

table! {
    credentials "credentials" => Credential {
        id: CredentialId,
        user_id: UserId,
        kind: CredentialKind,
        data: String,
        created_at: Timestamp,
        last_used_at: Option<Timestamp>,
    }
}

table! {
    invitations "invitations" => Invitation {
        id: InvitationId,
        team_id: TeamId,
        email: EmailAddress,
        role: Role,
        invited_by: Option<UserId>,
        nonce: Nonce,
        created_at: Timestamp,
        expires_at: Timestamp,
        accepted_at: Option<Timestamp>,
        declined_at: Option<Timestamp>,
        revoked_at: Option<Timestamp>,
    }
}

table! {
    sessions "sessions" => Session {
        id: SessionId,
        user_id: UserId,
        generation: u32,
        rotated_at: Timestamp,
        created_at: Timestamp,
        last_used_at: Timestamp,
        expires_at: Timestamp,
        revoked_at: Option<Timestamp>,
        revoke_reason: Option<RevokeReason>,
        user_agent: Option<String>,
        ip_address: Option<String>,
        method: Option<SignInMethod>,
        authenticated_at: Option<Timestamp>,
    }
}

table! {
    team_members "team_members" => Membership {
        id: MembershipId,
        team_id: TeamId,
        user_id: UserId,
        role: Role,
        joined_at: Timestamp,
    }
}

table! {
    teams "teams" => Team {
        id: TeamId,
        name: String,
        description: Option<String>,
        created_at: Timestamp,
        updated_at: Timestamp,
    }
}

table! {
    verification_codes "verification_codes" => VerificationCode {
        id: CodeId,
        purpose: Purpose,
        email: EmailAddress,
        user_id: Option<UserId>,
        nonce: Nonce,
        pending_profile: Option<Profile>,
        invitation_id: Option<InvitationId>,
        attempts: u32,
        expires_at: Timestamp,
        used_at: Option<Timestamp>,
        superseded_at: Option<Timestamp>,
        created_at: Timestamp,
    }
}

/// Lets a query join `$table` by its `$column`.
macro_rules! joins {
    ($($table:ident.$column:ident -> $other:ident),+) => {$(
        impl Related<$other::Entity> for $table::Entity {
            fn to() -> RelationDef {
                Self::belongs_to($other::Entity)
                    .from($table::Column::$column)
                    .to($other::Column::Id)
                    .into()
            }
        }
    )+};
}

joins!(
    sessions.UserId -> users,
    team_members.TeamId -> teams,
    team_members.UserId -> users
);
