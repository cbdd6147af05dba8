//! Who is on the other end of a request, as far as the connection tells.

use std::net::IpAddr;

/// The longest user agent that is kept, in characters.
const USER_AGENT_MAX_CHARS: usize = 256;

/// What is known of a caller before any token is looked at.
#[derive(Clone, Debug)]
pub struct Client {
    /// The peer's address.
    pub ip: IpAddr,
    /// The `User-Agent` header, shortened to 256 characters.
    pub user_agent: Option<String>,
}

impl Client {
    /// A client at `ip` that called itself `user_agent`.
    pub fn new(ip: IpAddr, user_agent: Option<&str>) -> Self {
        Self {
            ip: ip.to_canonical(),
            user_agent: user_agent.map(|agent| agent.chars().take(USER_AGENT_MAX_CHARS).collect()),
        }
    }

    /// The part of the address that limits count by: a whole IPv4 address, or the /64 that one
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
