//! Queries on teams and who is in them.

use std::collections::HashSet;

use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait,
};

use super::entity::{team_members as members, teams, users};
use super::{DbError, Executor, Tx, keyset};
use crate::domain::clock::Timestamp;
use crate::domain::id::{MembershipId, TeamId, UserId};
use crate::domain::team::{Member, Membership, Page, Role, Slice, Team, TeamInfo};

/// Adds a team.
pub async fn insert(db: &impl Executor, team: &Team) -> Result<(), DbError> {
    let row = teams::ActiveModel {
        id: Set(team.id.into()),
        name: Set(team.about.name.clone()),
        description: Set(team.about.description.clone()),
        created_at: Set(team.created_at),
        updated_at: Set(team.updated_at),
    };
    row.insert(db.connection()).await?;
    Ok(())
}

/// The team with this identifier.
pub async fn find(db: &impl Executor, id: TeamId) -> Result<Option<Team>, DbError> {
    let row = teams::Entity::find_by_id(id).one(db.connection()).await?;
    Ok(row.map(Team::from))
}

/// A team, held against other changes of its members until the transaction ends.
pub async fn lock(tx: &Tx, id: TeamId) -> Result<Option<Team>, DbError> {
    let row = teams::Entity::find_by_id(id)
        .lock_exclusive()
        .one(tx.connection())
        .await?;
    Ok(row.map(Team::from))
}

/// All teams of an account, held likewise, one after the other in the order of their identifiers.
pub async fn lock_all_of_user(tx: &Tx, user: UserId) -> Result<HashSet<TeamId>, DbError> {
    let of_user = members::Entity::find()
        .select_only()
        .column(members::Column::TeamId)
        .filter(members::Column::UserId.eq(user));
    let rows = teams::Entity::find()
        .filter(teams::Column::Id.in_subquery(of_user.into_query()))
        .order_by_asc(teams::Column::Id)
        .lock_exclusive()
        .all(tx.connection())
        .await?;
    Ok(rows.into_iter().map(|row| row.id.into()).collect())
}

/// Sets what a team is called and what it is for.
pub async fn set_about(
    db: &impl Executor,
    id: TeamId,
    about: &TeamInfo,
    now: Timestamp,
) -> Result<(), DbError> {
    let change = teams::ActiveModel {
        name: Set(about.name.clone()),
        description: Set(about.description.clone()),
        updated_at: Set(now),
        ..Default::default()
    };
    teams::Entity::update_many()
        .set(change)
        .filter(teams::Column::Id.eq(id))
        .exec(db.connection())
        .await?;
    Ok(())
}

/// Deletes a team, with its memberships and invitations.
pub async fn delete(db: &impl Executor, id: TeamId) -> Result<(), DbError> {
    teams::Entity::delete_by_id(id)
        .exec(db.connection())
        .await?;
    Ok(())
}

/// Adds a member. [`DbError::Conflict`] if the account is one already.
pub async fn add_member(db: &impl Executor, membership: &Membership) -> Result<(), DbError> {
    let row = members::ActiveModel {
        id: Set(membership.id.into()),
        team_id: Set(membership.team_id.into()),
        user_id: Set(membership.user_id.into()),
        role: Set(membership.role.name().to_owned()),
        joined_at: Set(membership.joined_at),
    };
    row.insert(db.connection()).await?;
    Ok(())
}

/// The membership of an account in a team.
pub async fn membership(
    db: &impl Executor,
    team: TeamId,
    user: UserId,
) -> Result<Option<Membership>, DbError> {
    let row = members::Entity::find()
        .filter(members::Column::TeamId.eq(team))
        .filter(members::Column::UserId.eq(user))
        .one(db.connection())
        .await?;
    row.map(TryInto::try_into).transpose()
}

/// A member of a team, with the account.
pub async fn member(
    db: &impl Executor,
    team: TeamId,
    user: UserId,
) -> Result<Option<Member>, DbError> {
    let found = members::Entity::find()
        .filter(members::Column::TeamId.eq(team))
        .filter(members::Column::UserId.eq(user))
        .find_also_related(users::Entity)
        .one(db.connection())
        .await?;
    found
        .and_then(|(row, user)| Some(to_member(row, user?)))
        .transpose()
}

/// A page of a team's members, in the order of joining.
pub async fn members(
    db: &impl Executor,
    team: TeamId,
    page: Page<MembershipId>,
) -> Result<Slice<Member>, DbError> {
    let query = members::Entity::find()
        .filter(members::Column::TeamId.eq(team))
        .find_also_related(users::Entity);
    let query = keyset::of_page(query, members::Column::Id, page);
    let rows = query.all(db.connection()).await?;
    keyset::slice(rows, &page).try_map(|(row, user)| to_member(row, belonging(user)?))
}

/// How many members a team has.
pub async fn count_members(db: &impl Executor, team: TeamId) -> Result<u64, DbError> {
    let query = members::Entity::find().filter(members::Column::TeamId.eq(team));
    Ok(query.count(db.connection()).await?)
}

/// How many admins a team has.
pub async fn count_admins(db: &impl Executor, team: TeamId) -> Result<u64, DbError> {
    let query = members::Entity::find()
        .filter(members::Column::TeamId.eq(team))
        .filter(members::Column::Role.eq(Role::Admin.name()));
    Ok(query.count(db.connection()).await?)
}

/// A page of the teams an account is in, in the order of joining.
pub async fn of_user(
    db: &impl Executor,
    user: UserId,
    page: Page<MembershipId>,
) -> Result<Slice<(Membership, Team)>, DbError> {
    let query = members::Entity::find()
        .filter(members::Column::UserId.eq(user))
        .find_also_related(teams::Entity);
    let query = keyset::of_page(query, members::Column::Id, page);
    let rows = query.all(db.connection()).await?;
    keyset::slice(rows, &page).try_map(|(row, team)| Ok((row.try_into()?, belonging(team)?.into())))
}

/// How many teams an account is in.
pub async fn count_of_user(db: &impl Executor, user: UserId) -> Result<u64, DbError> {
    let query = members::Entity::find().filter(members::Column::UserId.eq(user));
    Ok(query.count(db.connection()).await?)
}

/// The first memberships of an account, in the order of joining.
pub async fn memberships_of_user(
    db: &impl Executor,
    user: UserId,
    limit: u64,
) -> Result<Vec<Membership>, DbError> {
    let rows = members::Entity::find()
        .filter(members::Column::UserId.eq(user))
        .order_by_asc(members::Column::Id)
        .limit(limit)
        .all(db.connection())
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// All memberships of an account, in no promised order.
pub async fn all_of_user(db: &impl Executor, user: UserId) -> Result<Vec<Membership>, DbError> {
    let rows = members::Entity::find()
        .filter(members::Column::UserId.eq(user))
        .all(db.connection())
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Sets what a member may do.
pub async fn set_role(
    db: &impl Executor,
    team: TeamId,
    user: UserId,
    role: Role,
) -> Result<(), DbError> {
    members::Entity::update_many()
        .col_expr(members::Column::Role, role.name().into())
        .filter(members::Column::TeamId.eq(team))
        .filter(members::Column::UserId.eq(user))
        .exec(db.connection())
        .await?;
    Ok(())
}

/// Takes a member out of a team.
pub async fn remove_member(db: &impl Executor, team: TeamId, user: UserId) -> Result<(), DbError> {
    members::Entity::delete_many()
        .filter(members::Column::TeamId.eq(team))
        .filter(members::Column::UserId.eq(user))
        .exec(db.connection())
        .await?;
    Ok(())
}

fn to_member(row: members::Model, user: users::Model) -> Result<Member, DbError> {
    Ok(Member {
        membership: row.try_into()?,
        user: user.into(),
    })
}

/// What a membership belongs to: the foreign keys see to it that it is there.
fn belonging<T>(row: Option<T>) -> Result<T, DbError> {
    row.ok_or_else(|| DbError::Corrupt("a membership that belongs to nothing".to_owned()))
}

impl From<teams::Model> for Team {
    fn from(row: teams::Model) -> Self {
        Self {
            id: row.id.into(),
            about: TeamInfo {
                name: row.name,
                description: row.description,
            },
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl TryFrom<members::Model> for Membership {
    type Error = DbError;

    fn try_from(row: members::Model) -> Result<Self, DbError> {
        let corrupt = |error| DbError::Corrupt(format!("membership {}: {error}", row.id));
        Ok(Self {
            id: row.id.into(),
            team_id: row.team_id.into(),
            user_id: row.user_id.into(),
            role: row.role.parse().map_err(corrupt)?,
            joined_at: row.joined_at,
        })
    }
}
