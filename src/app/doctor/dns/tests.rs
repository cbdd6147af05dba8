use std::collections::HashMap;
use std::net::Ipv4Addr;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{MX, TXT};
use hickory_resolver::proto::rr::{Name, Record};
use tokio::net::UdpSocket;

use super::super::State;
use super::*;

type Zone = HashMap<(&'static str, RecordType), Vec<RData>>;

fn txt(text: &str) -> RData {
    // Long texts come in pieces.
    let (one, other) = text.split_at(text.len() / 2);
    RData::TXT(TXT::new(vec![one.to_owned(), other.to_owned()]))
}

fn mx(exchange: &str) -> RData {
    RData::MX(MX::new(10, Name::from_ascii(exchange).unwrap()))
}

/// A resolver that asks a name server of this test, which knows what is in `zone`.
async fn resolver(zone: Zone) -> TokioResolver {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = socket.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        loop {
            let (length, peer) = socket.recv_from(&mut buffer).await.unwrap();
            let mut message = Message::from_vec(&buffer[..length]).unwrap();
            let query = message.queries[0].clone();
            let name = query.name().to_ascii().to_lowercase();
            let found = zone
                .iter()
                .find(|((known, kind), _)| *known == name && *kind == query.query_type());
            message.metadata.message_type = MessageType::Response;
            match found {
                Some((_, data)) => {
                    for data in data {
                        let record = Record::from_rdata(query.name().clone(), 60, data.clone());
                        message.add_answer(record);
                    }
                }
                None => message.metadata.response_code = ResponseCode::NXDomain,
            }
            socket
                .send_to(&message.to_vec().unwrap(), peer)
                .await
                .unwrap();
        }
    });
    let mut connection = ConnectionConfig::udp();
    connection.port = port;
    let server = NameServerConfig::new(Ipv4Addr::LOCALHOST.into(), true, vec![connection]);
    let config = ResolverConfig::from_name_servers(vec![server]);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    builder.options_mut().timeout = PATIENCE;
    builder.options_mut().attempts = 1;
    builder.build().unwrap()
}

fn states(findings: &[Finding]) -> Vec<State> {
    findings.iter().map(|finding| finding.state).collect()
}

/// A domain that is set up is shown with what it says; its parent's DMARC policy counts.
#[tokio::test]
async fn a_domain_that_is_set_up_is_well() {
    let resolver = resolver(Zone::from([
        (
            ("mail.example.com.", RecordType::MX),
            vec![mx("mx.example.com.")],
        ),
        (
            ("mail.example.com.", RecordType::TXT),
            vec![txt("other=1"), txt("v=spf1 include:_spf.example.com -all")],
        ),
        (
            ("_dmarc.example.com.", RecordType::TXT),
            vec![txt("v=DMARC1; p=reject")],
        ),
    ]))
    .await;
    let findings = of_domain(&resolver, "mail.example.com").await;
    assert_eq!(
        states(&findings),
        [State::Ok, State::Ok, State::Ok, State::Skipped],
        "{findings:?}"
    );
    assert!(findings[0].found.contains("mx.example.com."));
    assert!(findings[1].found.contains("include:_spf.example.com -all"));
    assert!(
        findings[2]
            .found
            .contains("DMARC of example.com: v=DMARC1; p=reject")
    );
}

/// Nothing published is told for each record, with what to publish.
#[tokio::test]
async fn a_domain_that_says_nothing_is_told() {
    let resolver = resolver(Zone::new()).await;
    let findings = of_domain(&resolver, "example.com").await;
    let (warning, skipped) = (State::Warning, State::Skipped);
    assert_eq!(states(&findings), [warning, warning, warning, skipped]);
    let advice = |n: usize| findings[n].advice.as_deref().unwrap();
    assert!(advice(1).contains("v=spf1") && advice(2).contains("_dmarc.example.com"));
}

/// Records that do more harm than none fail.
#[tokio::test]
async fn harmful_records_fail() {
    let resolver = resolver(Zone::from([
        (("a.example.", RecordType::MX), vec![mx(".")]),
        (("a.example.", RecordType::TXT), vec![txt("v=spf1 +all")]),
        (
            ("b.example.", RecordType::TXT),
            vec![txt("v=spf1 -all"), txt("v=spf1 a -all")],
        ),
    ]))
    .await;
    let harmful = of_domain(&resolver, "a.example").await;
    assert_eq!(
        states(&harmful)[..2],
        [State::Failed, State::Failed],
        "{harmful:?}"
    );
    let doubled = of_domain(&resolver, "b.example").await;
    assert_eq!(states(&doubled)[1], State::Failed, "{doubled:?}");
}

/// A name server that does not answer says nothing about the domain.
#[tokio::test]
async fn a_silent_name_server_is_not_the_domains_fault() {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut connection = ConnectionConfig::udp();
    connection.port = silent.local_addr().unwrap().port();
    let server = NameServerConfig::new(Ipv4Addr::LOCALHOST.into(), true, vec![connection]);
    let config = ResolverConfig::from_name_servers(vec![server]);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    builder.options_mut().timeout = Duration::from_millis(100);
    builder.options_mut().attempts = 1;
    let findings = of_domain(&builder.build().unwrap(), "example.com").await;
    for finding in &findings[..3] {
        assert_eq!(finding.state, State::Warning);
        assert!(
            finding.found.contains("could not be asked for"),
            "{finding:?}"
        );
    }
}
