//! The DNS records of the sender's domain, which receiving mail servers check.

use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::{RData, RecordType};

use super::Finding;
use crate::config::{Config, MailProviderConfig};

const CHECK: &str = "dns";
/// For one query to one name server.
const TIMEOUT: Duration = Duration::from_secs(2);

pub(super) async fn check(config: &Config) -> Vec<Finding> {
    if config
        .mail
        .providers
        .iter()
        .all(MailProviderConfig::is_mock)
    {
        return vec![Finding::skipped(
            CHECK,
            "the mock provider sends no mail, so no domain is checked",
        )];
    }
    let resolver = TokioResolver::builder_tokio().and_then(|mut builder| {
        builder.options_mut().timeout = TIMEOUT;
        builder.options_mut().attempts = 1;
        builder.build()
    });
    match resolver {
        Ok(resolver) => check_domain(&resolver, config.mail.from_address.domain()).await,
        Err(error) => vec![query_failed("/etc/resolv.conf", &error)],
    }
}

async fn check_domain(resolver: &TokioResolver, domain: &str) -> Vec<Finding> {
    let (mx, spf, dmarc) = tokio::join!(
        mx(resolver, domain),
        spf(resolver, domain),
        dmarc(resolver, domain),
    );
    let dkim = "DKIM cannot be checked from here, because the provider chooses its name: send \
                yourself a mail and look for dkim=pass in the Authentication-Results header";
    let found = [mx, spf, dmarc].map(|finding| finding.unwrap_or_else(|failed| failed));
    found
        .into_iter()
        .chain([Finding::skipped(CHECK, dkim)])
        .collect()
}

/// The error is the finding about a query that failed.
type Checked = Result<Finding, Finding>;

async fn mx(resolver: &TokioResolver, domain: &str) -> Checked {
    let exchanges = ask(resolver, domain, RecordType::MX).await?;
    let finding = |found: String| Finding::ok(CHECK, found);
    Ok(match &*exchanges {
        [] => finding(format!(
            "{domain} has no MX record: replies and bounces are lost"
        ))
        .warning(
            "Send from a domain that receives mail; some servers reject mail from other domains.",
        ),
        // RFC 7505.
        [only] if only == "." => finding(format!(
            "{domain} declares that it neither sends nor receives mail (null MX)"
        ))
        .failed("Set EMAIL_FROM_ADDRESS to an address of another domain."),
        some => finding(format!("MX of {domain}: {}", some.join(", "))),
    })
}

async fn spf(resolver: &TokioResolver, domain: &str) -> Checked {
    let texts = ask(resolver, domain, RecordType::TXT).await?;
    let is_spf = |text: &&String| *text == "v=spf1" || text.starts_with("v=spf1 ");
    let policies: Vec<_> = texts.iter().filter(is_spf).collect();
    let allows_all = |policy: &str| {
        policy
            .split(' ')
            .any(|term| term == "+all" || term == "all")
    };
    let finding = |found: String| Finding::ok(CHECK, found);
    Ok(match &*policies {
        [] => finding(format!(
            "{domain} has no SPF record: receivers cannot tell your mail from forged mail"
        ))
        .warning("Publish the TXT record that your mail provider gives you, such as `v=spf1 include:… -all`."),
        [policy] if allows_all(policy) => finding(format!(
            "the SPF record of {domain} lets anybody send in its name: {policy}"
        ))
        .failed("End it with `-all`, or with `~all` while you test."),
        [policy] => finding(format!("SPF of {domain}: {policy}")),
        several => finding(format!(
            "{domain} has {} SPF records, which receivers treat as an error",
            several.len()
        ))
        .failed("Merge them into one (RFC 7208, section 3.2)."),
    })
}

/// The policy of the domain, or of the closest parent that has one.
async fn dmarc(resolver: &TokioResolver, domain: &str) -> Checked {
    let mut of = domain;
    while of.contains('.') {
        let texts = ask(resolver, &format!("_dmarc.{of}"), RecordType::TXT).await?;
        let is_dmarc = |text: &&String| text.starts_with("v=DMARC1");
        if let Some(policy) = texts.iter().find(is_dmarc) {
            return Ok(Finding::ok(CHECK, format!("DMARC of {of}: {policy}")));
        }
        of = of.split_once('.').map_or("", |(_, parent)| parent);
    }
    let found =
        format!("{domain} has no DMARC record: large providers distrust or reject its mail");
    Ok(Finding::ok(CHECK, found).warning(format!(
        "Publish a TXT record at _dmarc.{domain}: `v=DMARC1; p=none; rua=mailto:…`, later with p=reject."
    )))
}

/// The records as text; empty if there are none.
async fn ask(
    resolver: &TokioResolver,
    name: &str,
    kind: RecordType,
) -> Result<Vec<String>, Finding> {
    // The final dot keeps the resolver from appending the search domains of this machine.
    let lookup = match resolver.lookup(format!("{name}."), kind).await {
        Ok(lookup) => lookup,
        Err(error) if error.is_no_records_found() => return Ok(Vec::new()),
        Err(error) => return Err(query_failed(name, &error)),
    };
    let text = |data: &RData| match data {
        RData::MX(mx) => Some(mx.exchange.to_string()),
        RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
        _ => None,
    };
    Ok(lookup
        .answers()
        .iter()
        .filter_map(|record| text(&record.data))
        .collect())
}

fn query_failed(name: &str, error: &NetError) -> Finding {
    Finding::ok(CHECK, format!("the DNS query for {name} failed: {error}"))
        .warning("Check that this machine can reach a name server, and run this again.")
}

#[cfg(test)]
mod tests;
