use std::collections::HashMap;
use std::net::Ipv4Addr;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{MX, TXT};
use hickory_resolver::proto::rr::{Name, Record};
use tokio::net::UdpSocket;

use super::super::FindingState;
use super::*;

type Zone = HashMap<(&'static str, RecordType), Vec<RData>>;

fn txt(text: &str) -> RData {
    // Long texts come in several strings.
    let (one, other) = text.split_at(text.len() / 2);
    RData::TXT(TXT::new(vec![one.to_owned(), other.to_owned()]))
}

fn mx(exchange: &str) -> RData {
    RData::MX(MX::new(10, Name::from_ascii(exchange).unwrap()))
}

/// A resolver that queries a name server of this test, which serves `zone`.
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
    builder.options_mut().timeout = TIMEOUT;
    builder.options_mut().attempts = 1;
    builder.build().unwrap()
}

fn states(findings: &[Finding]) -> Vec<FindingState> {
    findings.iter().map(|finding| finding.state).collect()
}

/// The findings quote the records; the DMARC policy of the parent domain counts.
#[tokio::test]
async fn a_complete_domain_passes() {
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
    let findings = check_domain(&resolver, "mail.example.com").await;
    assert_eq!(
        states(&findings),
        [
            FindingState::Ok,
            FindingState::Ok,
            FindingState::Ok,
            FindingState::Skipped
        ],
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

/// Each missing record is a warning that says what to publish.
#[tokio::test]
async fn missing_records_are_warnings() {
    let resolver = resolver(Zone::new()).await;
    let findings = check_domain(&resolver, "example.com").await;
    let (warning, skipped) = (FindingState::Warning, FindingState::Skipped);
    assert_eq!(states(&findings), [warning, warning, warning, skipped]);
    let advice = |n: usize| findings[n].advice.as_deref().unwrap();
    assert!(advice(1).contains("v=spf1") && advice(2).contains("_dmarc.example.com"));
}

/// Records that do more harm than none are failures.
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
    let harmful = check_domain(&resolver, "a.example").await;
    assert_eq!(
        states(&harmful)[..2],
        [FindingState::Failed, FindingState::Failed],
        "{harmful:?}"
    );
    let doubled = check_domain(&resolver, "b.example").await;
    assert_eq!(states(&doubled)[1], FindingState::Failed, "{doubled:?}");
}

/// A name server that does not answer is no failure of the domain.
#[tokio::test]
async fn a_silent_name_server_is_a_warning() {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut connection = ConnectionConfig::udp();
    connection.port = silent.local_addr().unwrap().port();
    let server = NameServerConfig::new(Ipv4Addr::LOCALHOST.into(), true, vec![connection]);
    let config = ResolverConfig::from_name_servers(vec![server]);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    builder.options_mut().timeout = Duration::from_millis(100);
    builder.options_mut().attempts = 1;
    let findings = check_domain(&builder.build().unwrap(), "example.com").await;
    for finding in &findings[..3] {
        assert_eq!(finding.state, FindingState::Warning);
        assert!(finding.found.contains("the DNS query for "), "{finding:?}");
    }
}
