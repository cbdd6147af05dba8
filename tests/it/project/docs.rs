//! The documentation, followed to the letter.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gatelodge::testing::config::Variables;
use serde_json::{Value, json};

use crate::support::deployment::Deployment;
use crate::support::process::{self, Process};

/// Where the pages say that the server is.
const ADDRESS: &str = "http://localhost:8000";
/// The line in which a reader puts the code of the mail.
const CODE_TO_FILL_IN: &str = "CODE=123456";

/// A fenced block of a page.
struct Block {
    language: String,
    text: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(page: &Path) -> String {
    std::fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()))
}

/// Every page: those at the top of the repository, and in `docs` and its folders.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    for folder in ["", "docs", "docs/decisions"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    assert!(pages.len() > 20, "{pages:?}");
    pages
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_open = false;
    for line in text.lines() {
        match (line.trim_start().strip_prefix("```"), is_open) {
            (Some(language), false) => {
                blocks.push(Block {
                    language: language.to_owned(),
                    text: String::new(),
                });
                is_open = true;
            }
            (Some(_), true) => is_open = false,
            (None, true) => {
                let block = blocks.last_mut().unwrap();
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, false) => {}
        }
    }
    assert!(!is_open, "a block is not closed");
    blocks
}

/// Runs the `bash` blocks of a page one after the other, as in one terminal, against a server with
/// nothing set up. What it printed.
async fn follow(page: &str) -> String {
    let server = Process::spawn(&[], Variables::from([("PORT".to_owned(), "0".to_owned())])).await;
    let script: Vec<_> = blocks(&read(&root().join(page)))
        .into_iter()
        .filter(|block| block.language == "bash")
        .map(|block| block.text)
        .collect();
    // Who reads waits for the mail, and then types its code: the newest that there is.
    let mail_arrives = r#"
until [[ $(curl -sS "$MAILS") =~ \"code\":\"([^\"]*)\" && ${BASH_REMATCH[1]} != "${CODE-}" ]]; do
  sleep 0.05
done
CODE=${BASH_REMATCH[1]}
"#;
    let script = script.concat().replace(CODE_TO_FILL_IN, mail_arrives);
    let script = format!("set -euo pipefail\nMAILS={ADDRESS}/dev/mailbox/mails\n{script}");
    let script = script.replace(ADDRESS, server.url());
    let mut bash = Command::new("bash");
    bash.arg("-c").arg(&script).stdin(Stdio::null());
    let output = process::output(bash).await;
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{page}: {printed}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    printed
}

/// The README's command asks for a code.
#[tokio::test]
async fn the_readme_works_as_written() {
    let printed = follow("README.md").await;
    let expected = r#""requestSignupCode":{"challenge":{"email":"ada@example.com""#;
    assert!(printed.contains(expected), "{printed}");
    assert!(!printed.contains("\"code\""), "an error: {printed}");
}

/// Those of the quick start sign up, log in, refresh and log out, as they say.
#[tokio::test]
async fn the_quick_start_works_as_written() {
    let printed = follow("docs/quick-start.md").await;
    for expected in [
        r#""status":"ready""#,
        r#""requestSignupCode":{"challenge":{"email":"ada@example.com""#,
        r#""verifySignupCode":{"session":{"accessToken""#,
        r#""me":{"id":""#,
        r#""verifyLoginCode":{"session":{"accessToken""#,
        r#""refreshSession":{"session":{"accessToken""#,
        r#""logout":{"endedSessionId":""#,
        r#""me":null"#,
    ] {
        assert!(printed.contains(expected), "{expected} not in {printed}");
    }
    assert!(!printed.contains("\"code\""), "an error: {printed}");
}

/// Every query in the documentation, with the variables below it, is one that the server answers
/// with data: it fits the schema, and nothing but a payload error comes of it.
#[tokio::test]
async fn every_query_in_the_docs_is_valid() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await.allow_unread_mail();
    let tokens = app.sign_up("ada@example.com").await;
    let ada = app.with_token(&tokens.access);
    let mut asked = 0;
    for page in pages() {
        let mut blocks = blocks(&read(&page)).into_iter().peekable();
        while let Some(block) = blocks.next() {
            if block.language != "graphql" {
                continue;
            }
            let variables = blocks.next_if(|next| next.language == "json");
            let variables: Value = variables.map_or(json!({}), |block| {
                serde_json::from_str(&block.text).unwrap()
            });
            let response = ada.post(&block.text, variables).await.json();
            assert_eq!(
                response["errors"],
                Value::Null,
                "{}: {}",
                page.display(),
                block.text
            );
            asked += 1;
        }
    }
    assert!(asked > 10, "only {asked} queries were found");
}

/// Every command of ours in the documentation exists, with the options it is shown with.
#[test]
fn every_command_in_the_docs_exists() {
    let mut tried = BTreeSet::new();
    for page in pages() {
        let text = read(&page);
        let lines = blocks(&text)
            .into_iter()
            .filter(|block| ["bash", "sh"].contains(&block.language.as_str()))
            .flat_map(|block| block.text.lines().map(str::to_owned).collect::<Vec<_>>());
        // Also those within a sentence.
        let quoted = text.split('`').skip(1).step_by(2).map(str::to_owned);
        for line in lines.chain(quoted) {
            let Some(arguments) = line.trim().strip_prefix("gatelodge ") else {
                continue;
            };
            let arguments = arguments.split(['#', '|', '>', '&', '…']).next().unwrap();
            let mut words: Vec<_> = arguments.split_whitespace().collect();
            words.push("--help");
            let known = Command::new(env!("CARGO_BIN_EXE_gatelodge"))
                .args(&words)
                .output()
                .unwrap();
            assert!(
                known.status.success(),
                "{}: gatelodge {arguments}: {}",
                page.display(),
                String::from_utf8_lossy(&known.stderr)
            );
            tried.insert(arguments.trim().to_owned());
        }
    }
    assert!(tried.len() > 10, "only these were found: {tried:?}");
}

/// Links between pages, and to files of the repository, lead somewhere.
#[test]
fn every_link_in_the_docs_resolves() {
    for page in pages() {
        for link in read(&page).split("](").skip(1) {
            let target = link.split([')', '#', ' ']).next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let file = page.parent().unwrap().join(target);
            assert!(file.exists(), "{}: {target}", page.display());
        }
    }
}

/// Who begins at the table of contents finds every page.
#[test]
fn every_page_is_in_the_table_of_contents() {
    let contents = read(&root().join("docs/README.md"));
    for page in pages() {
        if page.parent() == Some(&root().join("docs")) && !page.ends_with("README.md") {
            let name = page.file_name().unwrap().to_str().unwrap();
            assert!(contents.contains(&format!("]({name})")), "{name}");
        }
    }
}

/// Every error that a payload can hold is explained.
#[tokio::test]
async fn every_error_code_is_explained() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await;
    let query = r#"{ __type(name: "ErrorCode") { enumValues { name } } }"#;
    let data = app.run(query, json!({})).await;
    let page = read(&root().join("docs/errors.md"));
    let codes = data["__type"]["enumValues"].as_array().unwrap();
    for code in codes {
        let row = format!("| `{}` |", code["name"].as_str().unwrap());
        assert!(page.contains(&row), "{row}");
    }
}

/// The demonstration on the command line ends well.
#[tokio::test]
async fn the_demo_script_succeeds() {
    let mut demo = Command::new(root().join("scripts/demo"));
    demo.env("GATELODGE", env!("CARGO_BIN_EXE_gatelodge"));
    let output = process::output(demo).await;
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
