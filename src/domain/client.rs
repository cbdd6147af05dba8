//! The client of a request, as known from its connection.

use std::net::IpAddr;

const USER_AGENT_MAX_CHARS: usize = 256;

#[derive(Clone, Debug)]
pub struct Client {
    pub ip: IpAddr,
    /// The `User-Agent` header, cut to 256 characters.
    pub user_agent: Option<String>,
}

impl Client {
    pub fn new(ip: IpAddr, user_agent: Option<&str>) -> Self {
        Self {
            ip: ip.to_canonical(),
            user_agent: user_agent.map(|agent| agent.chars().take(USER_AGENT_MAX_CHARS).collect()),
        }
    }

    /// The network that limits count by: an IPv4 address, or the /64 that an IPv6 subscriber
    /// usually has.
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
    fn an_ipv6_subscriber_counts_once() {
        let network = |ip: &str| Client::new(ip.parse().unwrap(), None).network();
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    }
}
