//! Accounts and teams to try an installation with.

use serde::Serialize;

use super::{Caller, Failure};
use crate::db::{credentials, teams, users};
use crate::domain::email::EmailAddress;
use crate::domain::id::UserId;
use crate::domain::password::Password;
use crate::domain::team::{Page, PageEnd, Role, Team};
use crate::domain::user::{ProfileInput, User};

/// Published here, and therefore worth nothing.
const PASSWORD: &str = "analytical-engine";

/// Addresses of a domain that belongs to nobody (RFC 2606); the first is a superuser.
const PEOPLE: [(&str, &str); 4] = [
    ("ada@example.com", "Ada Lovelace"),
    ("grace@example.com", "Grace Hopper"),
    ("alan@example.com", "Alan Turing"),
    ("mary@example.com", "Mary Somerville"),
];

/// Each team's name, and its members as places in [`PEOPLE`]; the first is its admin.
const TEAMS: [(&str, &[usize]); 2] = [("Engines", &[0, 1, 2]), ("Compilers", &[1, 0])];

/// As many teams of an account are looked through.
const TEAMS_PER_PAGE: u32 = 100;

/// An account to try an installation with.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SeededAccount {
    /// Its email address, which counts as verified.
    pub email: &'static str,
    /// Its password, unless the account was there before.
    pub password: Option<&'static str>,
    /// Whether it counts as an admin of every team, if it is new.
    pub is_superuser: bool,
    /// The teams it is meant to be in.
    pub teams: Vec<&'static str>,
    /// Whether it was made just now.
    pub is_new: bool,
}

impl Caller {
    /// Adds accounts and teams that are not there. Accounts that are there stay as they are.
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
        let profile = ProfileInput {
            name: name.to_owned(),
            ..ProfileInput::default()
        };
        let now = self.now();
        let user = User {
            is_superuser,
            email_verified_at: Some(now),
            ..User::new(self.new_id(), email, profile.parse()?, now)
        };
        let hash = self.0.hasher.hash(&Password::new(PASSWORD)).await?;
        let tx = self.0.db.begin().await?;
        users::insert(&tx, &user).await?;
        credentials::insert(&tx, &self.new_password(user.id, hash, now)).await?;
        tx.commit().await?;
        Ok((user, true))
    }

    /// Makes a team unless its first member is in one of that name.
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
        let there = teams::of_user(&self.0.db, *admin, page).await?;
        if there.items.iter().any(|(_, team)| team.name == name) {
            return Ok(());
        }
        let now = self.now();
        let team = Team {
            id: self.new_id(),
            name: name.to_owned(),
            description: None,
            created_at: now,
            updated_at: now,
        };
        let tx = self.0.db.begin().await?;
        teams::insert(&tx, &team).await?;
        for member in members {
            let role = if member == admin {
                Role::Admin
            } else {
                Role::Member
            };
            teams::add_member(&tx, &self.new_membership(team.id, *member, role)).await?;
        }
        Ok(tx.commit().await?)
    }
}
