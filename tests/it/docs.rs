//! The pages for people say what is so.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use gatelodge::config::Variables;
use tempfile::TempDir;

use crate::support::process;

/// Every page, with its text.
fn pages() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = Vec::new();
    for folder in ["", "docs", "docs/decisions"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let text = fs::read_to_string(&path).unwrap();
                pages.push((path, text));
            }
        }
    }
    assert!(pages.len() > 20, "{pages:?}");
    pages
}

/// Every link to a file of the repository leads to one.
#[test]
fn links_lead_somewhere() {
    let mut found = 0;
    for (page, text) in pages() {
        for rest in text.split("](").skip(1) {
            let (target, _) = rest.split_once(')').unwrap();
            let file = target.split('#').next().unwrap();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            found += 1;
            let there = page.parent().unwrap().join(file);
            assert!(there.exists(), "{}: {target}", page.display());
        }
    }
    assert!(found > 40, "{found}");
}

/// Every command of the binary that a page names is there, with its words in that order.
#[test]
fn commands_that_pages_name_are_there() {
    let directory = TempDir::new().unwrap();
    let mut commands = BTreeSet::new();
    for (_, text) in pages() {
        for code in text.split(['`', '\n']) {
            let code = code.replace("cargo run -- ", "gatelodge ");
            let Some(arguments) = code.strip_prefix("gatelodge ") else {
                continue;
            };
            let is_word =
                |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase());
            let words = arguments.split(' ').take_while(is_word);
            commands.insert(words.map(str::to_owned).collect::<Vec<_>>());
        }
    }
    assert!(commands.len() > 8, "{commands:?}");
    for words in commands {
        let mut command = process::command(directory.path(), &Variables::new());
        let output = command.args(&words).arg("--help").output().unwrap();
        let usage = format!("Usage: gatelodge {}", words.join(" "));
        let shown = String::from_utf8(output.stdout).unwrap();
        assert!(shown.contains(usage.trim_end()), "{words:?}: {shown}");
    }
}
