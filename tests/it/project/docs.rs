//! Checks of the documentation: its commands, queries and links.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gatelodge::testing::config::Variables;
use serde_json::{Value, json};

use crate::support::deployment::Deployment;
use crate::support::process::{self, Process};

/// The URL of the server in the documentation.
const SERVER_URL: &str = "http://localhost:8000";
/// The line that the reader replaces by the mailed code.
const CODE_PLACEHOLDER: &str = "CODE=123456";

/// A fenced code block.
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

/// The Markdown files in the repository's root, `docs` and `docs/decisions`.
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
    assert!(!pages.is_empty());
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

/// Runs the `bash` blocks of a page in one shell, against a server with default settings. Returns
/// the output.
async fn run_commands(page: &str) -> String {
    let server = Process::spawn(&[], Variables::from([("PORT".to_owned(), "0".to_owned())])).await;
    let script: Vec<_> = blocks(&read(&root().join(page)))
        .into_iter()
        .filter(|block| block.language == "bash")
        .map(|block| block.text)
        .collect();
    // Waits for a new mail and reads its code.
    let read_code = r#"
until [[ $(curl -sS "$MAILS") =~ \"code\":\"([^\"]*)\" && ${BASH_REMATCH[1]} != "${CODE-}" ]]; do
  sleep 0.05
done
CODE=${BASH_REMATCH[1]}
"#;
    let script = script.concat().replace(CODE_PLACEHOLDER, read_code);
    let script = format!("set -euo pipefail\nMAILS={SERVER_URL}/dev/mailbox/mails\n{script}");
    let script = script.replace(SERVER_URL, server.url());
    let mut bash = Command::new("bash");
    bash.arg("-c").arg(&script).stdin(Stdio::null());
    let output = process::output(bash).await;
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{page}: {stdout}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    stdout
}

#[tokio::test]
async fn the_readme_works_as_written() {
    let output = run_commands("README.md").await;
    let expected = r#""requestSignupCode":{"challenge":{"email":"ada@example.com""#;
    assert!(output.contains(expected), "{output}");
    assert!(!output.contains("\"code\""), "an error: {output}");
}

#[tokio::test]
async fn the_quick_start_works_as_written() {
    let output = run_commands("docs/quick-start.md").await;
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
        assert!(output.contains(expected), "{expected} not in {output}");
    }
    assert!(!output.contains("\"code\""), "an error: {output}");
}

/// Every query, with the variables in the next block, has no top-level errors.
#[tokio::test]
async fn every_query_in_the_docs_is_valid() {
    let deployment = Deployment::embedded().await;
    let app = deployment.start().await.allow_unread_mail();
    let tokens = app.sign_up("ada@example.com").await;
    let ada = app.with_token(&tokens.access);
    let mut queries = 0;
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
            queries += 1;
        }
    }
    assert!(queries > 0, "no queries were found");
}

/// Every `gatelodge` command exists and has the documented options.
#[test]
fn every_command_in_the_docs_exists() {
    let mut commands = 0;
    for page in pages() {
        let text = read(&page);
        let lines = blocks(&text)
            .into_iter()
            .filter(|block| ["bash", "sh"].contains(&block.language.as_str()))
            .flat_map(|block| block.text.lines().map(str::to_owned).collect::<Vec<_>>());
        let inline = text.split('`').skip(1).step_by(2).map(str::to_owned);
        for line in lines.chain(inline) {
            let Some(arguments) = line.trim().strip_prefix("gatelodge ") else {
                continue;
            };
            let arguments = arguments.split(['#', '|', '>', '&', '…']).next().unwrap();
            let mut words: Vec<_> = arguments.split_whitespace().collect();
            words.push("--help");
            let help = Command::new(env!("CARGO_BIN_EXE_gatelodge"))
                .args(&words)
                .output()
                .unwrap();
            assert!(
                help.status.success(),
                "{}: gatelodge {arguments}: {}",
                page.display(),
                String::from_utf8_lossy(&help.stderr)
            );
            commands += 1;
        }
    }
    assert!(commands > 0, "no commands were found");
}

/// Links to other pages and to files exist.
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

#[tokio::test]
async fn every_error_code_is_documented() {
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
