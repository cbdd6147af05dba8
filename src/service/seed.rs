//! Users and teams for development.

use serde::Serialize;

use super::{Caller, Failure};
use crate::db::{credentials, teams, users};
use crate::domain::email::EmailAddress;
use crate::domain::id::UserId;
use crate::domain::password::Password;
use crate::domain::team::{Page, PageEnd, Role, TeamInfo};
use crate::domain::user::User;

/// Published here, so production refuses to be seeded.
const PASSWORD: &str = "analytical-engine";

/// Users of a reserved domain (RFC 2606); the first is a superuser.
const PEOPLE: [(&str, &str); 4] = [
    ("ada@example.com", "Ada Lovelace"),
    ("grace@example.com", "Grace Hopper"),
    ("alan@example.com", "Alan Turing"),
    ("mary@example.com", "Mary Somerville"),
];

/// Each team and its members, as indices of [`PEOPLE`]; the first is its admin.
const TEAMS: [(&str, &[usize]); 2] = [("Engines", &[0, 1, 2]), ("Compilers", &[1, 0])];

/// The number of teams of a user that are searched.
const TEAMS_PER_PAGE: u32 = 100;

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SeededAccount {
    pub email: &'static str,
    /// `None` for a user who existed before.
    pub password: Option<&'static str>,
    pub is_superuser: bool,
    pub teams: Vec<&'static str>,
    pub is_new: bool,
}

impl Caller {
    /// Adds the users and teams that are missing. Existing users stay as they are.
    pub async fn seed(&self) -> Result<Vec<SeededAccount>, Failure> {
        let mut accounts = Vec::new();
        let mut ids = Vec::new();
        for (place, (email, name)) in PEOPLE.into_iter().enumerate() {
            let teams = TEAMS.iter().filter(|(_, members)| members.contains(&place));
            let teams = teams.map(|(name, _)| *name).collect();
            let (user, is_new) = self.seed_account(email, name, place == 0).await?;
            ids.push(user.id);
            accounts.push(SeededAccount {
                email,
                password: is_new.then_some(PASSWORD),
                is_superuser: user.is_superuser,
                teams,
                is_new,
            });
        }
        for (name, members) in TEAMS {
            let members: Vec<_> = members.iter().map(|place| ids[*place]).collect();
            self.seed_team(name, &members).await?;
        }
        Ok(accounts)
    }

    async fn seed_account(
        &self,
        email: &str,
        name: &str,
        is_superuser: bool,
    ) -> Result<(User, bool), Failure> {
        let email = EmailAddress::parse(email)?;
        if let Some(user) = users::find_by_email(&self.0.db, &email).await? {
            return Ok((user, false));
        }
        let now = self.now();
        let user = User {
            is_superuser,
            ..self.new_verified_user(email, name)?
        };
        let hash = self.0.hasher.hash(&Password::new(PASSWORD)).await?;
        let tx = self.0.db.begin().await?;
        users::insert(&tx, &user).await?;
        credentials::insert(&tx, &self.new_password(user.id, hash, now)).await?;
        tx.commit().await?;
        Ok((user, true))
    }

    /// Creates a team unless its first member is in one with this name.
    async fn seed_team(&self, name: &str, members: &[UserId]) -> Result<(), Failure> {
        let Some(admin) = members.first() else {
            return Ok(());
        };
        let page = Page {
            size: TEAMS_PER_PAGE,
            end: PageEnd::First,
            after: None,
            before: None,
        };
        let existing = teams::of_user(&self.0.db, *admin, page).await?;
        if existing.items.iter().any(|(_, team)| team.name == name) {
            return Ok(());
        }
        let team = self.new_team(TeamInfo::parse(name, None)?);
        let tx = self.0.db.begin().await?;
        teams::insert(&tx, &team).await?;
        for member in members {
            let is_admin = member == admin;
            let role = if is_admin { Role::Admin } else { Role::Member };
            teams::add_member(&tx, &self.new_membership(team.id, *member, role)).await?;
        }
        Ok(tx.commit().await?)
    }
}
