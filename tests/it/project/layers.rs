//! Checks the imports of every module against the two tables below. The crate documentation in
//! `src/lib.rs` shows the same tables.

mod paths;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use self::paths::{NamedPath, Target};

/// A top-level module.
struct Module {
    layer: u8,
    name: &'static str,
    may_import: &'static [&'static str],
}

/// All modules; each imports only from rows above its own.
#[rustfmt::skip]
const MODULES: &[Module] = &[
    Module { layer: 0, name: "domain",    may_import: &[] },
    Module { layer: 0, name: "config",    may_import: &["domain"] },
    Module { layer: 0, name: "telemetry", may_import: &["domain", "config"] },
    Module { layer: 1, name: "db",        may_import: &["domain", "config", "telemetry"] },
    Module { layer: 1, name: "cache",     may_import: &["domain", "config", "telemetry"] },
    Module { layer: 1, name: "limits",    may_import: &["domain", "config", "telemetry"] },
    Module { layer: 1, name: "crypto",    may_import: &["domain", "config", "telemetry"] },
    Module { layer: 1, name: "queue",     may_import: &["domain", "config", "telemetry"] },
    // Requests never send mail: only `worker` and the modules of layer 5 may import `mail`.
    Module { layer: 1, name: "mail",      may_import: &["domain", "config", "telemetry"] },
    Module { layer: 2, name: "service",   may_import: &["domain", "config", "telemetry", "db", "cache", "limits", "crypto", "queue"] },
    Module { layer: 3, name: "graphql",   may_import: &["domain", "config", "telemetry", "service"] },
    Module { layer: 3, name: "worker",    may_import: &["domain", "config", "telemetry", "service", "queue", "mail"] },
    Module { layer: 4, name: "http",      may_import: &["domain", "config", "telemetry", "service", "graphql"] },
    Module { layer: 5, name: "app",       may_import: &["domain", "config", "telemetry", "db", "cache", "limits", "crypto", "queue", "mail", "service", "graphql", "worker", "http"] },
    Module { layer: 5, name: "testing",   may_import: &["domain", "config", "telemetry", "db", "cache", "limits", "crypto", "queue", "mail", "service", "graphql", "worker", "http", "app"] },
    Module { layer: 5, name: "cli",       may_import: &["domain", "config", "telemetry", "db", "cache", "crypto", "queue", "mail", "service", "graphql", "http", "app"] },
    Module { layer: 5, name: "main",      may_import: &["cli"] },
];

/// External crates that only some modules may use. All modules may use any other crate.
const RESTRICTED_CRATES: &[(&str, &[&str])] = &[
    ("migration", &["db"]),
    ("sea_orm", &["db"]),
    ("sqlx", &["db"]),
    ("redis", &["cache", "limits", "queue"]),
    ("apalis", &["queue", "worker"]),
    ("apalis_core", &["queue", "worker"]),
    ("apalis_redis", &["queue", "worker"]),
    ("lettre", &["mail"]),
    ("minijinja", &["mail"]),
    ("reqwest", &["mail", "cli"]),
    ("async_graphql", &["graphql", "http"]),
    ("prometheus_client", &["telemetry"]),
    ("opentelemetry", &["telemetry"]),
    ("opentelemetry_otlp", &["telemetry"]),
    ("opentelemetry_sdk", &["telemetry"]),
    ("tracing_opentelemetry", &["telemetry"]),
    ("poem", &["http"]),
    ("hickory_resolver", &["cli"]),
    ("hyper", &["http"]),
    ("hyper_util", &["http"]),
    ("tokio_rustls", &["http"]),
    ("ipnet", &["config", "http"]),
    ("clap", &["cli"]),
];

#[test]
fn every_import_follows_the_tables() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut violations = Vec::new();
    for file in rust_files(&root.join("src")) {
        let source = fs::read_to_string(&file).unwrap();
        let file = file.strip_prefix(root).unwrap();
        violations.extend(check(&file.to_string_lossy(), &source));
    }
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[test]
fn the_table_lists_every_module() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let existing: BTreeSet<_> = rust_files(&source)
        .iter()
        .map(|file| module_path(&file.strip_prefix(&source).unwrap().to_string_lossy()))
        .filter_map(|path| path.into_iter().next())
        .collect();
    let listed: BTreeSet<_> = MODULES.iter().map(|row| row.name.to_owned()).collect();
    let unlisted: Vec<_> = existing.difference(&listed).collect();
    let missing: Vec<_> = listed.difference(&existing).collect();
    assert!(unlisted.is_empty(), "not in the table: {unlisted:?}");
    assert!(missing.is_empty(), "in the table, not in src: {missing:?}");
}

#[test]
fn the_tables_are_consistent() {
    for (row, module) in MODULES.iter().enumerate() {
        for import in module.may_import {
            let below = MODULES[..row].iter().any(|other| other.name == *import);
            assert!(below, "{}: {import} is not in a row above it", module.name);
        }
    }
    let manifest = include_str!("../../../Cargo.toml").replace('-', "_");
    for (name, modules) in RESTRICTED_CRATES {
        let key = format!("\n{name} = ");
        assert!(manifest.contains(&key), "{name}: no such dependency");
        for module in *modules {
            assert!(is_module(module), "{name}: no such module as {module}");
        }
    }
}

#[test]
fn the_crate_documentation_shows_the_tables() {
    let modules = MODULES
        .iter()
        .map(|row| (row.layer.to_string(), row.name, row.may_import))
        .map(|(layer, name, may)| format!("//! | {layer} | `{name}` | {} |", quoted(may)));
    let crates = RESTRICTED_CRATES
        .iter()
        .map(|(name, modules)| format!("//! | `{name}` | {} |", quoted(modules)));
    let documentation = include_str!("../../../src/lib.rs");
    let rows: Vec<_> = modules.chain(crates).collect();
    let shown: Vec<_> = documentation
        .lines()
        .filter(|line| line.starts_with("//! |") && line.contains('`'))
        .collect();
    assert_eq!(shown, rows);
}

#[test]
fn finds_every_way_to_name_a_module() {
    let found = [
        ("src/http/mod.rs", "use crate::db::users;"),
        ("src/http/mod.rs", "pub(crate) use crate::db as store;"),
        ("src/http/mod.rs", "use crate::{domain::email, db::{self}};"),
        ("src/http/mod.rs", "use {crate::{db}};"),
        ("src/http/mod.rs", "use super::db;"),
        ("src/http/mod.rs", "use super::*;"),
        ("src/http/mod.rs", "use crate::*;"),
        ("src/http/pages.rs", "use super::super::db::users;"),
        (
            "src/http/pages.rs",
            "mod a { use super::super::super::db; }",
        ),
        ("src/http.rs", "mod tests { use super::super::{db, http}; }"),
        ("src/http/mod.rs", "fn f() { crate::db::users::find(); }"),
        ("src/http/mod.rs", "fn f(_: &[crate::db::Pool]) {}"),
        ("src/http/mod.rs", "fn f() { g::<crate::db::Pool>() }"),
        ("src/http/mod.rs", "fn f() { crate::db::find::<Row>() }"),
        (
            "src/http/mod.rs",
            "fn f() { log!(\"{}\", crate::db::COUNT) }",
        ),
        (
            "src/http/mod.rs",
            "macro_rules! m { () => { $crate::db::f() } }",
        ),
        ("src/main.rs", "fn main() { gatelodge::db::connect(); }"),
        ("src/lib.rs", "pub use db::Pool;"),
        ("src/cellar/mod.rs", "use crate::domain::email;"),
        ("src/http/mod.rs", "use crate::cellar::wine;"),
    ];
    for (file, source) in found {
        assert_eq!(check(file, source).len(), 1, "{file}: {source}");
    }
}

#[test]
fn finds_every_way_to_name_a_restricted_crate() {
    let found = [
        "use sea_orm::DbErr;",
        "use sea_orm as orm;",
        "use ::sea_orm::{DbErr, EntityTrait};",
        "pub use {serde::Serialize, sea_orm};",
        "extern crate sea_orm;",
        "fn f() -> Result<(), sea_orm::DbErr> { Ok(()) }",
        "fn f() -> ::sea_orm::DbErr { g() }",
        "#[derive(sea_orm::FromQueryResult)] struct Row;",
        "fn f() { vec![sea_orm::Value::from(1)]; }",
        "#[cfg(test)] mod tests { use sea_orm::MockDatabase; }",
    ];
    for source in found {
        assert_eq!(check("src/http/mod.rs", source).len(), 1, "{source}");
        assert_eq!(check("src/db/mod.rs", source), [""; 0], "{source}");
    }
}

#[test]
fn accepts_allowed_imports_and_ignores_other_tokens() {
    let allowed = [
        ("src/http/mod.rs", "use crate::{domain::email, service};"),
        (
            "src/http/mod.rs",
            "//! See [`crate::db::users`] and `sea_orm::DbErr`.",
        ),
        (
            "src/http/mod.rs",
            "const S: &str = \"crate::db::users\"; // crate::db",
        ),
        ("src/http/mod.rs", "mod tests { use super::*; }"),
        (
            "src/http/mod.rs",
            "use self::pages::db; use super::service;",
        ),
        (
            "src/http/mod.rs",
            "fn f() { let redis = a.redis(); Self::redis(redis) }",
        ),
        (
            "src/http/mod.rs",
            "pub(in crate::http) struct S { sqlx: u8 }",
        ),
        (
            "src/http/pages.rs",
            "use super::super::domain; use super::db;",
        ),
        ("src/db/mod.rs", "use std::fmt; mod users; use users::find;"),
        ("src/app.rs", "use crate::{db, http, mail, worker};"),
        ("src/main.rs", "use gatelodge::cli;"),
        ("src/lib.rs", "//! Text.\npub mod config;\npub mod db;"),
    ];
    for (file, source) in allowed {
        assert_eq!(check(file, source), [""; 0], "{file}: {source}");
    }
}

#[test]
fn a_violation_names_file_line_and_rule() {
    let source = "use std::fmt;\nuse crate::{\n    domain,\n    mail,\n};\nuse lettre::Message;\n";
    let violations = [
        "src/service/codes.rs:4: `service` may not import `mail`, only \
         `domain`, `config`, `telemetry`, `db`, `cache`, `limits`, `crypto`, `queue`",
        "src/service/codes.rs:6: `service` may not use the crate `lettre`, only `mail` may",
    ];
    assert_eq!(check("src/service/codes.rs", source), violations);
}

/// The violations in a file, one line each.
fn check(file: &str, source: &str) -> Vec<String> {
    let module = module_path(file.strip_prefix("src/").unwrap_or(file));
    let from = module.first().map_or("lib", String::as_str);
    // The binary is a separate crate with its own root.
    let location = if from == "main" {
        &[]
    } else {
        module.as_slice()
    };
    let paths = match paths::find(source, location) {
        Ok(paths) => paths,
        Err(error) => panic!("{file}: {error}"),
    };
    let mut violations: Vec<_> = paths
        .iter()
        .filter_map(|path| Some((path.line, violated_rule(from, path)?)))
        .map(|(line, rule)| format!("{file}:{line}: {rule}"))
        .collect();
    violations.dedup();
    violations
}

/// The rule that a path in module `from` violates, if any.
fn violated_rule(from: &str, path: &NamedPath) -> Option<String> {
    match path.target(is_module)? {
        Target::Module(to) if to == from => None,
        Target::Module(to) => match MODULES.iter().find(|row| row.name == from) {
            Some(row) if row.may_import.contains(&to) => None,
            Some(row) => Some(format!(
                "`{from}` may not import `{to}`, only {}",
                quoted(row.may_import)
            )),
            None if from == "lib" => {
                Some(format!("lib.rs may not use `{to}`, only declare modules"))
            }
            None => Some(format!("`{from}` is not in the table of modules")),
        },
        Target::Crate(name) => {
            let (_, users) = RESTRICTED_CRATES
                .iter()
                .find(|(restricted, _)| *restricted == name)?;
            (!users.contains(&from)).then(|| {
                let users = quoted(users);
                format!("`{from}` may not use the crate `{name}`, only {users} may")
            })
        }
    }
}

fn is_module(name: &str) -> bool {
    MODULES.iter().any(|row| row.name == name)
}

fn quoted(names: &[&str]) -> String {
    match names {
        [] => "nothing".to_owned(),
        names => format!("`{}`", names.join("`, `")),
    }
}

/// The module path of a file, given relative to `src`.
fn module_path(file: &str) -> Vec<String> {
    file.trim_end_matches(".rs")
        .split('/')
        .filter(|part| !matches!(*part, "lib" | "mod"))
        .map(str::to_owned)
        .collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        panic!("cannot read {}", folder.display());
    };
    let mut files = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
