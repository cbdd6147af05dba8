//! Teams, roles and invitations.

use std::fmt;
use std::str::FromStr;

use super::clock::Timestamp;
use super::email::EmailAddress;
use super::id::{InvitationId, MembershipId, TeamId, UserId};
use super::named::{self, UnknownName};
use super::user::{InvalidField, User, fits, parse_name, squeeze};

/// The longest description, in characters.
const DESCRIPTION_MAX_CHARS: usize = 1000;

/// A team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    /// Its identifier.
    pub id: TeamId,
    /// What it is called and what it is for.
    pub about: TeamInfo,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its name or description was last changed.
    pub updated_at: Timestamp,
}

/// What a team is called and what it is for. Made by [`TeamInfo::parse`] only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamInfo {
    /// The name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
}

impl TeamInfo {
    /// Applies the rules: a name of 1 to 120 characters on one line, a description of at most
    /// 1000. An empty description counts as none.
    pub fn parse(name: &str, description: Option<&str>) -> Result<Self, Vec<InvalidField>> {
        let description = description.map(squeeze).filter(|text| !text.is_empty());
        let too_long = description
            .as_deref()
            .filter(|text| !fits(text, DESCRIPTION_MAX_CHARS))
            .map(|_| InvalidField {
                field: "description",
                max_chars: DESCRIPTION_MAX_CHARS,
            });
        match (parse_name(name), too_long) {
            (Ok(name), None) => Ok(Self { name, description }),
            (name, too_long) => Err(name.err().into_iter().chain(too_long).collect()),
        }
    }
}

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// May see the team and its members.
    Member,
    /// May change it, too.
    Admin,
}

impl Role {
    /// The name used in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        named::find("role", &[Self::Member, Self::Admin], Self::name, name)
    }
}

/// That an account is in a team.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Its identifier; rises in the order of joining.
    pub id: MembershipId,
    /// The team.
    pub team_id: TeamId,
    /// The account.
    pub user_id: UserId,
    /// What it may do there.
    pub role: Role,
    /// Since when.
    pub joined_at: Timestamp,
}

/// A member of a team, with the account.
#[derive(Clone, Debug)]
pub struct Member {
    /// That it is a member.
    pub membership: Membership,
    /// The account.
    pub user: User,
}

/// An address asked to join a team.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// Its identifier.
    pub id: InvitationId,
    /// The team.
    pub team_id: TeamId,
    /// Whose invitation it is.
    pub email: EmailAddress,
    /// What it will be allowed to do there.
    pub role: Role,
    /// Who invited; none once that account is erased.
    pub invited_by: Option<UserId>,
    /// Randomness that goes into the token; renewed with the invitation.
    pub nonce: [u8; 16],
    /// When it was sent, or sent again.
    pub created_at: Timestamp,
    /// From then on it is worth nothing.
    pub expires_at: Timestamp,
    /// Whether it was accepted, declined or revoked.
    pub is_closed: bool,
}

impl Invitation {
    /// Whether it can still be accepted at `now`, whatever became of the inviter.
    pub fn is_open(&self, now: Timestamp) -> bool {
        !self.is_closed && now < self.expires_at
    }
}

/// A page of a list: so many, after or before a place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<Id> {
    /// How many at most.
    pub size: u32,
    /// Which end of the list, or of what is left of it, is meant.
    pub end: PageEnd,
    /// Only what comes after this.
    pub after: Option<Id>,
    /// Only what comes before this.
    pub before: Option<Id>,
}

/// Which end of a list a page is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageEnd {
    /// The beginning.
    First,
    /// The end.
    Last,
}

/// What is on a page, in the order of the list.
#[derive(Clone, Debug)]
pub struct Slice<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Whether more comes before it.
    pub has_previous: bool,
    /// Whether more comes after it.
    pub has_next: bool,
}

impl<T> Slice<T> {
    /// The same page of something else.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Slice<U> {
        Slice {
            items: self.items.into_iter().map(convert).collect(),
            has_previous: self.has_previous,
            has_next: self.has_next,
        }
    }

    /// The same page of something else, or the first error.
    pub fn try_map<U, E>(self, convert: impl FnMut(T) -> Result<U, E>) -> Result<Slice<U>, E> {
        Ok(Slice {
            items: self
                .items
                .into_iter()
                .map(convert)
                .collect::<Result<_, E>>()?,
            has_previous: self.has_previous,
            has_next: self.has_next,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_team_has_a_name_on_one_line() {
        let about = TeamInfo::parse(" The\nCrew ", Some("  ")).unwrap();
        assert_eq!(
            about,
            TeamInfo {
                name: "The Crew".to_owned(),
                description: None
            }
        );
        let broken = TeamInfo::parse("", Some(&"x".repeat(1001))).unwrap_err();
        let fields: Vec<_> = broken.iter().map(|field| field.field).collect();
        assert_eq!(fields, ["name", "description"]);
    }

    #[test]
    fn roles_are_read_back_and_ordered() {
        for role in [Role::Member, Role::Admin] {
            assert_eq!(role.name().parse::<Role>().unwrap(), role);
        }
        assert!(Role::Admin > Role::Member);
    }
}
