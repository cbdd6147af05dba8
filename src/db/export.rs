//! Everything that is held about a person.

use sea_orm::{
    AccessMode, ColumnTrait, Condition, ConnectionTrait, EntityTrait, IsolationLevel, QueryFilter,
    QueryOrder, TransactionTrait,
};

use super::deadline::{Bounded, bounded};
use super::entity::{
    invitations, outbox_mails, sessions, team_members, teams, users, verification_codes,
};
use super::{Db, DbError, Executor, Tx};
use crate::domain::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::export::{
    Export, ExportedAccount, ExportedCode, ExportedInvitation, ExportedMail, ExportedMembership,
    ExportedSession,
};

/// Reads everything that is held about an address and its account, each list oldest first, all of
/// it of one moment.
pub async fn of_email(db: &Db, email: &EmailAddress, now: Timestamp) -> Result<Export, DbError> {
    // A reading transaction of SQLite is of one moment as it is.
    let options =
        (!db.is_sqlite()).then_some((IsolationLevel::RepeatableRead, AccessMode::ReadOnly));
    let (isolation, access) = options.unzip();
    let begun = bounded(db.0.0.begin_with_config(isolation, access));
    let tx = Tx(Bounded(begun.await?));
    let export = read(tx.connection(), email, now).await?;
    tx.commit().await?;
    Ok(export)
}

async fn read(
    db: &impl ConnectionTrait,
    email: &EmailAddress,
    now: Timestamp,
) -> Result<Export, DbError> {
    let account = users::Entity::find()
        .filter(users::Column::Email.eq(email.as_str()))
        .one(db)
        .await?;
    // No row belongs to nobody's identifier.
    let id = account
        .as_ref()
        .map(|account| account.id)
        .unwrap_or_default();
    let sessions = sessions::Entity::find()
        .filter(sessions::Column::UserId.eq(id))
        .order_by_asc(sessions::Column::Id)
        .all(db)
        .await?;
    let memberships = team_members::Entity::find()
        .filter(team_members::Column::UserId.eq(id))
        .order_by_asc(team_members::Column::Id)
        .find_also_related(teams::Entity)
        .all(db)
        .await?;
    let invitations = async |which: sea_orm::sea_query::SimpleExpr| {
        let found = invitations::Entity::find()
            .filter(which)
            .order_by_asc(invitations::Column::Id)
            .all(db)
            .await?;
        Ok::<_, DbError>(found.into_iter().map(invitation).collect())
    };
    let mails = outbox_mails::Entity::find()
        .filter(
            Condition::any()
                .add(outbox_mails::Column::UserId.eq(id))
                .add(outbox_mails::Column::Recipient.eq(email.as_str())),
        )
        .order_by_asc(outbox_mails::Column::Id)
        .all(db)
        .await?;
    let codes = verification_codes::Entity::find()
        .filter(
            Condition::any()
                .add(verification_codes::Column::UserId.eq(id))
                .add(verification_codes::Column::Email.eq(email.as_str())),
        )
        .order_by_asc(verification_codes::Column::Id)
        .all(db)
        .await?;
    Ok(Export {
        email: email.as_str().to_owned(),
        exported_at: now,
        account: account.map(exported_account),
        sessions: sessions.into_iter().map(session).collect(),
        memberships: memberships.into_iter().map(membership).collect(),
        invitations_sent: invitations(invitations::Column::InvitedBy.eq(id)).await?,
        invitations_received: invitations(invitations::Column::Email.eq(email.as_str())).await?,
        mails: mails.into_iter().map(mail).collect(),
        codes: codes.into_iter().map(code).collect(),
    })
}

fn exported_account(row: users::Model) -> ExportedAccount {
    ExportedAccount {
        id: row.id,
        email: row.email,
        name: row.name,
        first_name: row.first_name,
        last_name: row.last_name,
        phone: row.phone,
        company: row.company,
        has_password: row.password_hash.is_some(),
        is_active: row.is_active,
        is_superuser: row.is_superuser,
        email_verified_at: row.email_verified_at,
        last_login_at: row.last_login_at,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

fn session(row: sessions::Model) -> ExportedSession {
    ExportedSession {
        id: row.id,
        created_at: row.created_at,
        last_used_at: row.last_used_at,
        expires_at: row.expires_at,
        revoked_at: row.revoked_at,
        revoke_reason: row.revoke_reason,
        user_agent: row.user_agent,
        ip_address: row.ip_address,
    }
}

fn membership((row, team): (team_members::Model, Option<teams::Model>)) -> ExportedMembership {
    ExportedMembership {
        team_id: row.team_id,
        team_name: team.map(|team| team.name).unwrap_or_default(),
        role: row.role,
        joined_at: row.joined_at,
    }
}

fn invitation(row: invitations::Model) -> ExportedInvitation {
    ExportedInvitation {
        id: row.id,
        team_id: row.team_id,
        email: row.email,
        role: row.role,
        created_at: row.created_at,
        expires_at: row.expires_at,
        accepted_at: row.accepted_at,
        declined_at: row.declined_at,
        revoked_at: row.revoked_at,
    }
}

fn mail(row: outbox_mails::Model) -> ExportedMail {
    ExportedMail {
        id: row.id,
        kind: row.kind,
        recipient: row.recipient,
        params: row.params,
        state: row.state,
        attempts: row.attempts,
        provider: row.provider,
        last_error: row.last_error,
        created_at: row.created_at,
        sent_at: row.sent_at,
    }
}

fn code(row: verification_codes::Model) -> ExportedCode {
    ExportedCode {
        id: row.id,
        purpose: row.purpose,
        email: row.email,
        pending_profile: row.pending_profile,
        attempts: row.attempts,
        created_at: row.created_at,
        expires_at: row.expires_at,
        used_at: row.used_at,
        superseded_at: row.superseded_at,
    }
}
