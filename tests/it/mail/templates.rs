//! What an operator writes for mails: files and variables, through the real binary.

use std::fs;
use std::process::Output;
use std::sync::Arc;

use tempfile::TempDir;

use crate::support::deployment::Deployment;
use crate::support::process::{self, Process};
use crate::support::smtp::{ReceivedMail, SmtpOptions, SmtpServer};

const ADA: &str = "ada@example.com";
const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/templates");

/// A working directory with files in `templates/`.
fn directory(files: &[(&str, &str)]) -> Arc<TempDir> {
    let directory = TempDir::new().unwrap();
    for (name, text) in files {
        let path = directory.path().join("templates").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    Arc::new(directory)
}

/// The mail for a sign-up with templates and settings.
async fn mail(files: &[(&str, &str)], settings: &[(&str, &str)]) -> ReceivedMail {
    let server = SmtpServer::start(SmtpOptions::default());
    let mut all = server.settings(settings);
    all.extend([("USE_TEMPLATE_FILES", "true"), ("LOG_TO_CONSOLE", "true")]);
    let variables = Deployment::embedded().await.variables(&all);
    let process = Process::spawn_in(directory(files), &[], variables).await;
    process.request_signup_code(ADA, "Ada <3").await;
    server.mail_to(ADA).await
}

/// How the process ended that was to start with templates and settings.
async fn failed_start(files: &[(&str, &str)], settings: &[(&str, &str)]) -> Output {
    let mut all = settings.to_vec();
    all.push(("USE_TEMPLATE_FILES", "true"));
    let deployment = Deployment::embedded().await;
    let directory = directory(files);
    let command = process::command(directory.path(), &deployment.variables(&all));
    let output = process::output(command).await;
    assert!(!output.status.success(), "{output:?}");
    output
}

/// Mails are the same with the templates of the repository and with those built in.
#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_files_equal_the_built_in_templates() {
    let built_in = mail(&[], &[]).await;
    let shipped = mail(&[], &[("TEMPLATE_DIRECTORY", SHIPPED)]).await;
    let text = |mail: &ReceivedMail| {
        let code = mail.code();
        [&mail.text, &mail.html].map(|text| text.replace(&code, "CODE"))
    };
    assert_eq!(text(&shipped), text(&built_in));
    assert_eq!(shipped.header("Subject"), built_in.header("Subject"));
}

/// A file takes the place of its part only, and what users typed is escaped in HTML.
#[tokio::test(flavor = "multi_thread")]
async fn template_files_override_built_in_templates() {
    let mail = mail(
        &[
            ("signup_code/subject.txt", "Ahoy {name}, from {app_name}\n"),
            (
                "signup_code/body.html",
                "<p style=\"a{b}\">{{ name }}: {code}</p>",
            ),
        ],
        &[("APP_NAME", "Harbour")],
    )
    .await;
    assert_eq!(mail.header("Subject"), ["Ahoy Ada <3, from Harbour"]);
    let html = format!("<p style=\"a{{b}}\">Ada &lt;3: {}</p>", mail.code());
    assert_eq!(mail.html.trim_end(), html);
    assert!(
        mail.text.starts_with("Welcome to Harbour, Ada <3!"),
        "{}",
        mail.text
    );
}

/// A variable wins over a file.
#[tokio::test(flavor = "multi_thread")]
async fn template_variables_override_files() {
    let mail = mail(
        &[
            ("signup_code/subject.txt", "from the file"),
            ("signup_code/body.txt", "file\n    {code}\n"),
        ],
        &[(
            "SIGNUP_EMAIL_SUBJECT",
            "Welcome to {app_name}! Verify your email",
        )],
    )
    .await;
    assert_eq!(
        mail.header("Subject"),
        ["Welcome to Gatelodge! Verify your email"]
    );
    assert_eq!(mail.text.trim_end(), format!("file\n    {}", mail.code()));
}

/// Files are left alone where the settings say so.
#[tokio::test(flavor = "multi_thread")]
async fn template_files_can_be_disabled() {
    let files = [("signup_code/subject.txt", "from the file")];
    let server = SmtpServer::start(SmtpOptions::default());
    let settings = server.settings(&[("USE_TEMPLATE_FILES", "false"), ("LOG_TO_CONSOLE", "true")]);
    let variables = Deployment::embedded().await.variables(&settings);
    let process = Process::spawn_in(directory(&files), &[], variables).await;
    process.request_signup_code(ADA, "Ada").await;
    let mail = server.mail_to(ADA).await;
    assert_eq!(mail.header("Subject"), ["Your sign-up code for Gatelodge"]);
}

/// A broken template stops the start, and everything that is wrong is told with its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_template_prevents_the_start() {
    let output = failed_start(
        &[
            ("signup_code/body.txt", "Hello\n\n{% if name %}\n"),
            ("login_code/subject.txt", "Hello {{ nmae }}"),
            ("no_account/body.html", "<p>Hello</p>\n{{ code }}"),
        ],
        &[("LOGIN_EMAIL_TEMPLATE", "one\n{{ name | nofilter }}")],
    )
    .await;
    let told = String::from_utf8(output.stderr).unwrap();
    for place in [
        "templates/signup_code/body.txt:3: ",
        "templates/login_code/subject.txt:1: ",
        "templates/no_account/body.html:2: ",
        "LOGIN_EMAIL_TEMPLATE:2: ",
    ] {
        assert!(told.contains(place), "{place} is not in:\n{told}");
    }
    assert!(told.contains("nmae") && told.contains("nofilter"), "{told}");
}
