//! Queries on teams and their members.

use std::collections::HashSet;

use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait,
};

use super::entity::{team_members as members, teams, users};
use super::{Executor, Result, Tx, keyset};
use crate::domain::id::{MembershipId, TeamId, UserId};
use crate::domain::team::{Member, Membership, Page, Role, Slice, Team};

pub async fn insert(db: &impl Executor, team: &Team) -> Result<()> {
    let row = teams::ActiveModel::from(team.clone());
    row.insert(db).await?;
    Ok(())
}

pub async fn find(db: &impl Executor, id: TeamId) -> Result<Option<Team>> {
    let row = teams::Entity::find_by_id(id).one(db).await?;
    Ok(row.map(Team::from))
}

/// Locks a team, and so the list of its members, until the transaction ends.
pub async fn lock(tx: &Tx, id: TeamId) -> Result<Option<Team>> {
    let row = teams::Entity::find_by_id(id)
        .lock_exclusive()
        .one(tx)
        .await?;
    Ok(row.map(Team::from))
}

/// Locks all teams of a user, in the order of their ids.
pub async fn lock_all_of_user(tx: &Tx, user: UserId) -> Result<HashSet<TeamId>> {
    let of_user = members::Entity::find()
        .select_only()
        .column(members::Column::TeamId)
        .filter(members::Column::UserId.eq(user));
    let rows = teams::Entity::find()
        .filter(teams::Column::Id.in_subquery(of_user.into_query()))
        .order_by_asc(teams::Column::Id)
        .lock_exclusive()
        .all(tx)
        .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Stores the name and description of a team.
pub async fn update(db: &impl Executor, team: &Team) -> Result<()> {
    let change = teams::ActiveModel {
        name: Set(team.name.clone()),
        description: Set(team.description.clone()),
        updated_at: Set(team.updated_at),
        ..Default::default()
    };
    teams::Entity::update_many()
        .set(change)
        .filter(teams::Column::Id.eq(team.id))
        .exec(db)
        .await?;
    Ok(())
}

/// Deletes a team with its memberships and invitations.
pub async fn delete(db: &impl Executor, id: TeamId) -> Result<()> {
    teams::Entity::delete_by_id(id).exec(db).await?;
    Ok(())
}

/// [`Conflict`](super::DbError::Conflict) if the user is a member already.
pub async fn add_member(db: &impl Executor, membership: &Membership) -> Result<()> {
    let row = members::ActiveModel::from(*membership);
    row.insert(db).await?;
    Ok(())
}

pub async fn membership(
    db: &impl Executor,
    team: TeamId,
    user: UserId,
) -> Result<Option<Membership>> {
    let row = members::Entity::find()
        .filter(members::Column::TeamId.eq(team))
        .filter(members::Column::UserId.eq(user))
        .one(db)
        .await?;
    Ok(row.map(Membership::from))
}

pub async fn member(db: &impl Executor, team: TeamId, user: UserId) -> Result<Option<Member>> {
    let found = members::Entity::find()
        .filter(members::Column::TeamId.eq(team))
        .filter(members::Column::UserId.eq(user))
        .find_also_related(users::Entity)
        .one(db)
        .await?;
    Ok(found.and_then(to_member))
}

/// In the order of joining.
pub async fn members(
    db: &impl Executor,
    team: TeamId,
    page: Page<MembershipId>,
) -> Result<Slice<Member>> {
    let query = members::Entity::find()
        .filter(members::Column::TeamId.eq(team))
        .find_also_related(users::Entity);
    let query = keyset::of_page(query, members::Column::Id, page);
    let rows = query.all(db).await?;
    let rows = rows.into_iter().filter_map(to_member).collect();
    Ok(keyset::slice(rows, &page))
}

pub async fn count_members(db: &impl Executor, team: TeamId) -> Result<u64> {
    let query = members::Entity::find().filter(members::Column::TeamId.eq(team));
    Ok(query.count(db).await?)
}

pub async fn count_admins(db: &impl Executor, team: TeamId) -> Result<u64> {
    let query = members::Entity::find()
        .filter(members::Column::TeamId.eq(team))
        .filter(members::Column::Role.eq(Role::Admin));
    Ok(query.count(db).await?)
}

/// A page of the teams of a user, in the order of joining.
pub async fn of_user(
    db: &impl Executor,
    user: UserId,
    page: Page<MembershipId>,
) -> Result<Slice<(Membership, Team)>> {
    let query = members::Entity::find()
        .filter(members::Column::UserId.eq(user))
        .find_also_related(teams::Entity);
    let query = keyset::of_page(query, members::Column::Id, page);
    let rows = query.all(db).await?;
    let to_membership = |(row, team): (members::Model, Option<teams::Model>)| {
        Some((Membership::from(row), Team::from(team?)))
    };
    let rows = rows.into_iter().filter_map(to_membership).collect();
    Ok(keyset::slice(rows, &page))
}

pub async fn count_of_user(db: &impl Executor, user: UserId) -> Result<u64> {
    let query = members::Entity::find().filter(members::Column::UserId.eq(user));
    Ok(query.count(db).await?)
}

/// The first memberships of a user, in the order of joining.
pub async fn memberships_of_user(
    db: &impl Executor,
    user: UserId,
    limit: u64,
) -> Result<Vec<Membership>> {
    let rows = members::Entity::find()
        .filter(members::Column::UserId.eq(user))
        .order_by_asc(members::Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(Membership::from).collect())
}

/// In no particular order.
pub async fn all_of_user(db: &impl Executor, user: UserId) -> Result<Vec<Membership>> {
    let rows = members::Entity::find()
        .filter(members::Column::UserId.eq(user))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(Membership::from).collect())
}

pub async fn set_role(db: &impl Executor, team: TeamId, user: UserId, role: Role) -> Result<()> {
    members::Entity::update_many()
        .col_expr(members::Column::Role, role.into())
        .filter(members::Column::TeamId.eq(team))
        .filter(members::Column::UserId.eq(user))
        .exec(db)
        .await?;
    Ok(())
}

pub async fn remove_member(db: &impl Executor, team: TeamId, user: UserId) -> Result<()> {
    members::Entity::delete_many()
        .filter(members::Column::TeamId.eq(team))
        .filter(members::Column::UserId.eq(user))
        .exec(db)
        .await?;
    Ok(())
}

/// The foreign key guarantees that the user exists.
fn to_member((row, user): (members::Model, Option<users::Model>)) -> Option<Member> {
    Some(Member {
        membership: row.into(),
        user: user?.into(),
    })
}
