use poem::http::Method;
use poem::{Endpoint, Request};

use super::*;
use crate::domain::clock::Clock;
use crate::domain::code::{CodeFormat, CodeType};
use crate::domain::email::EmailAddress;
use crate::domain::id::MailId;
use crate::domain::mail::{MailKind, RenderedMail};

fn mail(number: u8, html: &str) -> RenderedMail {
    let format = CodeFormat {
        length: 6,
        code_type: CodeType::Numeric,
    };
    RenderedMail {
        id: MailId::from((Clock::default().now(), [number; 10])),
        kind: MailKind::LoginCode,
        to: EmailAddress::parse("ada@example.com").unwrap(),
        subject: format!("</script><b>{number}"),
        text: "Your code".to_owned(),
        html: html.to_owned(),
        code: Some(format.encode([number; 16])),
        link: None,
    }
}

fn site(mailbox: Option<Mailbox>, graphiql: bool) -> Route {
    let pages = Pages {
        app_name: "R&D <Lodge> {links}".to_owned(),
        graphiql,
        demo: mailbox.is_some(),
        mailbox,
    };
    routes_with(&pages, Path::new("no such directory"))
}

async fn request(site: &Route, method: Method, path: &str, accept: &str) -> Response {
    let request = Request::builder()
        .method(method)
        .uri(path.parse().unwrap())
        .header("accept", accept)
        .finish();
    site.get_response(request).await
}

async fn fetch(site: &Route, path: &str) -> Response {
    request(site, Method::GET, path, "*/*").await
}

async fn text(response: Response) -> String {
    response.into_body().into_string().await.unwrap()
}

#[tokio::test]
async fn the_first_page_links_to_what_there_is() {
    let full = text(fetch(&site(Some(Mailbox::default()), true), "/").await).await;
    let bare = text(fetch(&site(None, false), "/").await).await;
    for path in ["/graphql", "/healthz", "/readyz"] {
        assert!(full.contains(&format!("href=\"{path}\"")), "{path}");
        assert!(bare.contains(&format!("href=\"{path}\"")), "{path}");
    }
    assert!(full.contains("href=\"/dev/mailbox\"") && full.contains("GraphiQL"));
    assert!(full.contains("href=\"/demo\"") && !bare.contains("/demo"));
    assert!(!bare.contains("/dev/mailbox") && !bare.contains("GraphiQL"));
    assert!(full.contains("<title>R&amp;D &lt;Lodge&gt; {links}</title>"));
    assert!(full.contains(env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn mails_are_listed_newest_first() {
    let mailbox = Mailbox::default();
    let at = Clock::default().now();
    let (old, new) = (mail(1, "<p>old"), mail(2, "<p>new"));
    let code = new.code.clone().unwrap();
    mailbox.deliver(at, old.clone());
    mailbox.deliver(at, new.clone());

    let response = fetch(&site(Some(mailbox), false), "/dev/mailbox/mails").await;
    let body: serde_json::Value = serde_json::from_str(&text(response).await).unwrap();
    let expected = serde_json::json!({
        "id": new.id, "at": at, "to": "ada@example.com", "subject": "</script><b>2",
        "kind": "login_code", "code": code.expose(), "link": null, "text": "Your code",
    });
    assert_eq!(body[0], expected);
    assert_eq!(body[1]["id"], old.id.to_string());
}

#[tokio::test]
async fn only_links_to_websites_are_listed() {
    for (link, is_listed) in [
        ("https://example.com/reset?token=x", true),
        ("HTTP://localhost:8000/reset?token=x", true),
        ("javascript:alert(1)//://", false),
        ("data:text/html,<script>alert(1)</script>", false),
        (" https://example.com", false),
        ("/reset?token=x", false),
        ("", false),
    ] {
        let mailbox = Mailbox::default();
        let mail = RenderedMail {
            link: Some(Link::new(link.to_owned())),
            ..mail(1, "")
        };
        mailbox.deliver(Clock::default().now(), mail);
        let response = fetch(&site(Some(mailbox), false), "/dev/mailbox/mails").await;
        let body: serde_json::Value = serde_json::from_str(&text(response).await).unwrap();
        let listed = is_listed.then_some(link);
        assert_eq!(body[0]["link"].as_str(), listed, "{link}");
    }
}

#[tokio::test]
async fn a_mail_is_shown_in_a_sandbox() {
    let mailbox = Mailbox::default();
    let mail = mail(1, "<script>alert(1)</script>");
    mailbox.deliver(Clock::default().now(), mail.clone());
    let site = site(Some(mailbox), false);

    let response = fetch(&site, &format!("/dev/mailbox/mails/{}/html", mail.id)).await;
    let policy = response.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("sandbox; default-src 'none';"),
        "{policy}"
    );
    assert!(
        !policy.contains("script") && !policy.contains("allow"),
        "{policy}"
    );
    assert!(policy.contains("frame-ancestors 'self'"), "{policy}");
    assert_eq!(text(response).await, mail.html);

    for id in ["nonsense", "0190a7a8-0000-7000-8000-000000000000", "%2e%2e"] {
        let response = fetch(&site, &format!("/dev/mailbox/mails/{id}/html")).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{id}");
    }
    let page = text(fetch(&site, "/dev/mailbox").await).await;
    assert!(page.contains(" sandbox></iframe>"));
}

#[tokio::test]
async fn without_a_mailbox_there_is_no_trace_of_one() {
    let site = site(None, true);
    for path in [
        "/dev/mailbox",
        "/dev/mailbox/mails",
        "/dev/mailbox/mails/0190a7a8-0000-7000-8000-000000000000/html",
        "/assets/mailbox.js",
    ] {
        assert_eq!(
            fetch(&site, path).await.status(),
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}

#[tokio::test]
async fn every_page_forbids_what_it_does_not_need() {
    let site = site(Some(Mailbox::default()), true);
    let mut responses = vec![graphiql()];
    let demo = demo::FILES.into_iter().map(|(path, _)| path);
    for path in demo.chain(demo::PATHS).chain([
        "/",
        "/dev/mailbox",
        "/dev/mailbox/mails",
        "/assets/pages.css",
        "/assets/icon.svg",
        "/assets/mailbox.js",
        "/assets/explorer.js",
        "/assets/explorer.css",
    ]) {
        let response = fetch(&site, path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        responses.push(response);
        let posted = request(&site, Method::POST, path, "*/*").await;
        assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
    for response in responses {
        let policy = response.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'"),
            "{policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe-eval"), "{policy}");
        let body = text(response).await;
        assert!(
            !body.contains("<style") && !body.contains("<script>"),
            "{body}"
        );
    }
}

/// What is in the folder is what is served, and nobody who adds a module has to find out why the
/// browser does not.
#[test]
fn every_file_of_the_demo_is_served() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/web");
    let mut there = Vec::new();
    for folder in ["", "views/"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|end| end == "js" || end == "css")
            {
                let name = path.file_name().unwrap().to_str().unwrap();
                there.push(format!("/demo/{folder}{name}"));
            }
        }
    }
    there.sort();
    let mut served: Vec<_> = demo::FILES.iter().map(|(path, ..)| *path).collect();
    served.sort_unstable();
    assert_eq!(there, served);
}

#[tokio::test]
async fn the_demo_is_there_only_if_it_is_wanted() {
    let pages = |demo, mailbox| Pages {
        app_name: String::new(),
        graphiql: false,
        demo,
        mailbox,
    };
    let directory = Path::new("no such directory");
    let with_mailbox = routes_with(&pages(true, Some(Mailbox::default())), directory);
    let without_mailbox = routes_with(&pages(true, None), directory);
    let without_demo = routes_with(&pages(false, Some(Mailbox::default())), directory);
    for path in demo::PATHS {
        let page = text(fetch(&with_mailbox, path).await).await;
        assert!(page.contains("\"/dev/mailbox\"") && page.contains("/demo/app.js"));
        let page = text(fetch(&without_mailbox, path).await).await;
        assert!(!page.contains("mailbox") && page.contains("/demo/app.js"));
        let refused = fetch(&without_demo, path).await;
        assert_eq!(refused.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let refused = fetch(&without_demo, "/demo/app.js").await;
    assert_eq!(refused.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn graphiql_comes_from_here_or_from_the_cdn_but_always_the_same() {
    let page = text(graphiql()).await;
    let script = include_str!("../../../scripts/graphiql");
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("graphiql.min.js"), "local").unwrap();
    let pages = Pages {
        app_name: String::new(),
        graphiql: true,
        demo: false,
        mailbox: None,
    };
    let installed = routes_with(&pages, directory.path());
    let remote = site(None, true);

    for (package, directory, name) in GRAPHIQL_FILES {
        let path = format!("/assets/graphiql/{name}");
        let tag = format!("\"{path}\" crossorigin=\"anonymous\" integrity=\"sha384-");
        assert!(page.contains(&tag), "{tag}");
        assert!(
            script.contains(package) && script.contains(&format!("{directory}{name}")),
            "{path}"
        );

        let response = fetch(&remote, &path).await;
        assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
        let location = format!("{CDN}/{package}/{directory}{name}");
        assert_eq!(response.header("location"), Some(location.as_str()));
    }
    let response = fetch(&installed, "/assets/graphiql/graphiql.min.js").await;
    assert_eq!(
        response.content_type(),
        Some("text/javascript; charset=utf-8")
    );
    assert_eq!(text(response).await, "local");
}
