//! What the world is told about the sender's domain; servers that receive mail ask for it.

use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::{RData, RecordType};

use super::Finding;
use crate::config::{Config, MailProviderConfig};

const CHECK: &str = "dns";
/// For one question to one name server; the whole check ends earlier or later by itself.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn check(config: &Config) -> Vec<Finding> {
    if config
        .mail
        .providers
        .iter()
        .all(MailProviderConfig::is_mock)
    {
        return vec![Finding::skipped(
            CHECK,
            "no mail leaves, so no domain is asked about",
        )];
    }
    let resolver = TokioResolver::builder_tokio().and_then(|mut builder| {
        builder.options_mut().timeout = PATIENCE;
        builder.options_mut().attempts = 1;
        builder.build()
    });
    match resolver {
        Ok(resolver) => of_domain(&resolver, config.mail.from_address.domain()).await,
        Err(error) => vec![no_answer("/etc/resolv.conf", &error)],
    }
}

async fn of_domain(resolver: &TokioResolver, domain: &str) -> Vec<Finding> {
    let (mx, spf, dmarc) = tokio::join!(
        bounces(resolver, domain),
        spf(resolver, domain),
        dmarc(resolver, domain),
    );
    let dkim = "DKIM cannot be known from here, since its name is the provider's: send yourself a \
                mail and look for dkim=pass in Authentication-Results";
    vec![mx, spf, dmarc, Finding::skipped(CHECK, dkim)]
}

async fn bounces(resolver: &TokioResolver, domain: &str) -> Finding {
    let exchanges = match ask(resolver, domain, RecordType::MX).await {
        Ok(exchanges) => exchanges,
        Err(error) => return no_answer(domain, &error),
    };
    match &*exchanges {
        [] => Finding::warning(
            CHECK,
            format!("{domain} has no MX record: answers and bounces reach nobody"),
            "Send from a domain that receives mail; some servers refuse any other.",
        ),
        // RFC 7505.
        [only] if only == "." => Finding::failed(
            CHECK,
            format!("{domain} says that it neither sends nor receives mail (a null MX)"),
            "Send from another domain with EMAIL_FROM_ADDRESS.",
        ),
        some => Finding::ok(CHECK, format!("MX of {domain}: {}", some.join(", "))),
    }
}

async fn spf(resolver: &TokioResolver, domain: &str) -> Finding {
    let texts = match ask(resolver, domain, RecordType::TXT).await {
        Ok(texts) => texts,
        Err(error) => return no_answer(domain, &error),
    };
    let is_spf = |text: &&String| *text == "v=spf1" || text.starts_with("v=spf1 ");
    let policies: Vec<_> = texts.iter().filter(is_spf).collect();
    match &*policies {
        [] => Finding::warning(
            CHECK,
            format!("{domain} has no SPF record: receivers cannot tell your mail from forged"),
            "Publish the TXT record that your mail provider tells, `v=spf1 include:… -all`.",
        ),
        [policy]
            if policy
                .split(' ')
                .any(|term| term == "+all" || term == "all") =>
        {
            Finding::failed(
                CHECK,
                format!("SPF of {domain} lets everybody send in its name: {policy}"),
                "End it with `-all`, or `~all` while trying out.",
            )
        }
        [policy] => Finding::ok(CHECK, format!("SPF of {domain}: {policy}")),
        several => Finding::failed(
            CHECK,
            format!(
                "{domain} has {} SPF records, which is an error to receivers",
                several.len()
            ),
            "Make one of them (RFC 7208, 3.2).",
        ),
    }
}

/// The policy of the domain, or else of the one it is a part of.
async fn dmarc(resolver: &TokioResolver, domain: &str) -> Finding {
    let mut of = domain;
    while of.contains('.') {
        let name = format!("_dmarc.{of}");
        let texts = match ask(resolver, &name, RecordType::TXT).await {
            Ok(texts) => texts,
            Err(error) => return no_answer(&name, &error),
        };
        let is_dmarc = |text: &&String| text.starts_with("v=DMARC1");
        if let Some(policy) = texts.iter().find(is_dmarc) {
            return Finding::ok(CHECK, format!("DMARC of {of}: {policy}"));
        }
        of = of.split_once('.').map_or("", |(_, parent)| parent);
    }
    Finding::warning(
        CHECK,
        format!("{domain} has no DMARC record: large providers distrust or refuse its mail"),
        format!(
            "Publish TXT at _dmarc.{domain}: `v=DMARC1; p=none; rua=mailto:…`, later p=reject."
        ),
    )
}

/// The answers as text; none if there are no such records.
async fn ask(
    resolver: &TokioResolver,
    name: &str,
    kind: RecordType,
) -> Result<Vec<String>, NetError> {
    // With the dot at its end no domain of this machine is tried behind it.
    let lookup = match resolver.lookup(format!("{name}."), kind).await {
        Ok(lookup) => lookup,
        Err(error) if error.is_no_records_found() => return Ok(Vec::new()),
        Err(error) => return Err(error),
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

fn no_answer(name: &str, error: &NetError) -> Finding {
    Finding::warning(
        CHECK,
        format!("{name} could not be asked for: {error}"),
        "See that this machine can reach a name server; then run this again.",
    )
}

#[cfg(test)]
mod tests;
