//! Who acts, from where and in which request.

use std::net::IpAddr;

use super::id::{SessionId, UserId};

/// The longest user agent that is kept, in characters.
const USER_AGENT_MAX_CHARS: usize = 256;

/// Who acts, from where and in which request. The default is an administrator on the command line.
#[derive(Clone, Debug, Default)]
pub struct OperationContext {
    /// The signed-in user, if there is one.
    pub session: Option<UserSession>,
    /// `None` outside of requests, like `request_id`.
    pub client: Option<Client>,
    /// Names the request in its response and in the log.
    pub request_id: Option<String>,
}

/// A user whose access token was valid and whose session and account are active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserSession {
    pub user_id: UserId,
    /// The session that the token belongs to.
    pub session_id: SessionId,
    /// Whether the user counts as an admin of every team.
    pub is_superuser: bool,
}

/// What is known of a client before any token is looked at.
#[derive(Clone, Debug)]
pub struct Client {
    pub ip: IpAddr,
    /// The `User-Agent` header, shortened to 256 characters.
    pub user_agent: Option<String>,
}

/// The operation needs a signed-in user.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("not signed in")]
pub struct NotSignedIn;

impl OperationContext {
    pub fn ip_address(&self) -> Option<IpAddr> {
        self.client.as_ref().map(|client| client.ip)
    }
}

impl Client {
    pub fn new(ip: IpAddr, user_agent: Option<&str>) -> Self {
        Self {
            ip: ip.to_canonical(),
            user_agent: user_agent.map(|agent| agent.chars().take(USER_AGENT_MAX_CHARS).collect()),
        }
    }

    /// The part of the IP address that limits count by: a whole IPv4 address, or the /64 that one
    /// IPv6 subscriber usually holds.
    pub fn network(&self) -> IpAddr {
        match self.ip {
            IpAddr::V4(_) => self.ip,
            IpAddr::V6(ip) => {
                let [a, b, c, d, ..] = ip.segments();
                IpAddr::from([a, b, c, d, 0, 0, 0, 0])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_ipv6_subscriber_counts_as_one() {
        let network = |ip: &str| Client::new(ip.parse().unwrap(), None).network();
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    }
}
