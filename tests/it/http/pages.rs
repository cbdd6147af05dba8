//! HTML pages.

use reqwest::header::ACCEPT;
use reqwest::{Method, StatusCode};
use serde_json::json;

use gatelodge::testing::domain::mail::MailKind;

use crate::support::client::{Client, Response};
use crate::support::deployment::Deployment;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async fn get_page(client: &Client, path: &str) -> Response {
    Response::of(client.request(Method::GET, path).header(ACCEPT, BROWSER)).await
}

fn assert_page(response: &Response, content_type: &str) {
    assert_eq!(response.status, StatusCode::OK, "{}", response.text);
    assert_eq!(response.header("content-type"), Some(content_type));
    let policy = response.header("content-security-policy").unwrap();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe-eval"),
        "{policy}"
    );
}

/// Asserts that all local URLs in a page exist.
async fn assert_links_work(client: &Client, page: &Response) {
    let mut links = 0;
    for attribute in ["href=\"/", "src=\"/"] {
        for rest in page.text.split(attribute).skip(1) {
            let path = format!("/{}", rest.split('"').next().unwrap());
            // GraphiQL's files may be loaded from a CDN instead.
            if !path.starts_with("/assets/graphiql/") {
                assert_eq!(
                    get_page(client, &path).await.status,
                    StatusCode::OK,
                    "{path}"
                );
                links += 1;
            }
        }
    }
    assert!(links > 0);
}

#[tokio::test]
async fn the_home_page_shows_the_name_and_version() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start_with(&[("APP_NAME", "R&D <Lodge>")]).await;
    let page = get_page(&app, "/").await;
    assert_page(&page, "text/html; charset=utf-8");
    assert!(
        page.text.contains("R&amp;D &lt;Lodge&gt;")
            && page.text.contains(env!("CARGO_PKG_VERSION"))
    );
    assert_links_work(&app, &page).await;

    let graphiql = get_page(&app, "/graphql").await;
    assert_page(&graphiql, "text/html; charset=utf-8");
    assert!(graphiql.text.contains("GraphiQL"));
    assert_links_work(&app, &graphiql).await;

    assert_eq!(
        get_page(&app, "/no/such/page").await.status,
        StatusCode::NOT_FOUND
    );
}

/// The development mailbox lists mails and their codes, newest first, and sandboxes their HTML.
#[tokio::test]
async fn the_mailbox_shows_sent_mail() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let page = get_page(&app, "/dev/mailbox").await;
    assert_page(&page, "text/html; charset=utf-8");
    assert_links_work(&app, &page).await;
    assert_eq!(get_page(&app, "/dev/mailbox/mails").await.json(), json!([]));

    app.request_signup_code("ada@example.com", "<img src=x onerror=alert(1)>")
        .await;
    let first = app.mail(MailKind::SignupCode, "ada@example.com").await;
    app.request_signup_code("bob@example.com", "Bob").await;
    let second = app.mail(MailKind::SignupCode, "bob@example.com").await;
    let listed = get_page(&app, "/dev/mailbox/mails").await;
    assert_page(&listed, "application/json");
    let listed = listed.json();
    for (listed, mail) in [(&listed[0], &second), (&listed[1], &first)] {
        assert_eq!(listed["to"], mail.to.as_str());
        assert_eq!(listed["code"], mail.code.as_ref().unwrap().expose());
        assert_eq!(listed["subject"], mail.subject);
        assert_eq!(listed["text"], mail.text);
        assert_eq!(listed["kind"], "signup_code");
        let path = format!("/dev/mailbox/mails/{}/html", listed["id"].as_str().unwrap());
        let html = get_page(&app, &path).await;
        assert_page(&html, "text/html; charset=utf-8");
        let policy = html.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("sandbox;") && !policy.contains("script"),
            "{policy}"
        );
        assert_eq!(html.text, mail.html);
        assert!(!html.text.contains("<img src=x"), "{}", html.text);
    }
    for id in [
        "none",
        "00000000-0000-0000-0000-000000000000",
        "..%2f..%2fhealthz",
    ] {
        let path = format!("/dev/mailbox/mails/{id}/html");
        assert_eq!(
            get_page(&app, &path).await.status,
            StatusCode::NOT_FOUND,
            "{id}"
        );
    }
}

/// The demo handles the links in mails. In production, these paths belong to another app.
#[tokio::test]
async fn the_demo_is_served_in_development_only() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    for path in [
        "/demo",
        "/reset-password?token=x",
        "/accept-invitation?token=x",
    ] {
        let page = get_page(&app, path).await;
        assert_page(&page, "text/html; charset=utf-8");
        assert_links_work(&app, &page).await;
        assert!(page.text.contains("/demo/app.js"), "{}", page.text);
    }
    let production = [
        ("APP_ENV", "production"),
        ("BCRYPT_COST", "10"),
        ("APP_URL", "https://lodge.example.com"),
        ("EMAIL_SERVICE", "smtp"),
        ("SMTP_HOST", "localhost"),
        ("SMTP_USE_TLS", "false"),
        ("EMAIL_FROM_ADDRESS", "no-reply@example.com"),
    ];
    let app = deployment.start_with(&production).await;
    for path in [
        "/demo",
        "/demo/app.js",
        "/reset-password",
        "/accept-invitation",
    ] {
        let response = get_page(&app, path).await;
        assert_eq!(response.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert!(!get_page(&app, "/").await.text.contains("/demo"));
}

/// The mailbox contains valid codes, so it exists only if no mail is sent, and never in production.
#[tokio::test]
async fn the_mailbox_is_disabled_when_mail_is_sent() {
    let deployment = Deployment::embedded().await;
    let smtp = [
        ("EMAIL_SERVICE", "smtp"),
        ("SMTP_HOST", "localhost"),
        ("SMTP_USE_TLS", "false"),
        ("EMAIL_FROM_ADDRESS", "no-reply@example.com"),
    ];
    let mut production = smtp.to_vec();
    production.extend([
        ("APP_ENV", "production"),
        ("BCRYPT_COST", "10"),
        ("APP_URL", "https://lodge.example.com"),
    ]);
    for settings in [&smtp[..], &production] {
        let app = deployment.start_with(settings).await;
        for path in ["/dev/mailbox", "/dev/mailbox/mails", "/assets/mailbox.js"] {
            assert_eq!(
                get_page(&app, path).await.status,
                StatusCode::NOT_FOUND,
                "{path}"
            );
        }
        assert!(!get_page(&app, "/").await.text.contains("/dev/mailbox"));
    }
    // GraphiQL and introspection are off in production, too.
    let app = deployment.start_with(&production).await;
    let page = get_page(&app, "/graphql").await;
    assert_ne!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(
        get_page(&app, "/assets/explorer.js").await.status,
        StatusCode::NOT_FOUND
    );
    let response = app
        .post("{ __schema { types { name } } }", json!(null))
        .await;
    assert!(!response.text.contains("ServerInfo"), "{}", response.text);
}
