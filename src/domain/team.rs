//! Teams, roles and invitations.

use strum::{EnumString, IntoStaticStr};

use super::clock::Timestamp;
use super::email::EmailAddress;
use super::id::{InvitationId, MembershipId, Nonce, TeamId, UserId};
use super::user::{InvalidField, User, fits, parse_name, squeeze};

/// The longest description, in characters.
const DESCRIPTION_MAX_CHARS: usize = 1000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    pub id: TeamId,
    pub name: String,
    pub description: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A valid name and description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamInfo {
    pub name: String,
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

/// Ordered by how much a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum Role {
    Member,
    Admin,
}

/// A user's membership in a team.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Ascending in the order of joining.
    pub id: MembershipId,
    pub team_id: TeamId,
    pub user_id: UserId,
    pub role: Role,
    pub joined_at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct Member {
    pub membership: Membership,
    pub user: User,
}

/// An invitation of an email address to a team.
#[derive(Clone, Debug)]
pub struct Invitation {
    pub id: InvitationId,
    pub team_id: TeamId,
    pub email: EmailAddress,
    /// The role that the invited user gets.
    pub role: Role,
    /// The inviter; `None` once that user is deleted.
    pub invited_by: Option<UserId>,
    /// Part of the token, so a new one invalidates the old token.
    pub nonce: Nonce,
    /// When it was last sent.
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub accepted_at: Option<Timestamp>,
    pub declined_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

impl Invitation {
    /// Whether it can still be accepted, as far as the invitation itself is concerned.
    pub fn is_open(&self, now: Timestamp) -> bool {
        let ends = [self.accepted_at, self.declined_at, self.revoked_at];
        ends.iter().all(Option::is_none) && now < self.expires_at
    }
}

/// Which part of a list to return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<Id> {
    pub size: u32,
    pub end: PageEnd,
    pub after: Option<Id>,
    pub before: Option<Id>,
}

/// The end of the list that a page is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageEnd {
    First,
    Last,
}

/// The items of a page, in list order.
#[derive(Clone, Debug)]
pub struct Slice<T> {
    pub items: Vec<T>,
    pub has_previous: bool,
    pub has_next: bool,
}

impl<T> Slice<T> {
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Slice<U> {
        Slice {
            items: self.items.into_iter().map(convert).collect(),
            has_previous: self.has_previous,
            has_next: self.has_next,
        }
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
}
