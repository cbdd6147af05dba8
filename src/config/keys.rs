//! `JWT_SECRET_KEY`; in development it is created once and kept in a file.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

use super::TokensConfig;
use super::reader::Reader;

/// The length of an HMAC-SHA256: a shorter key would be easier to guess than the MAC.
const MIN_BYTES: usize = 32;

/// Published in documentation.
const EXAMPLES: [&str; 4] = [
    "your-super-secret-key-min-32-characters",
    "development-only-and-known-to-everybody",
    "the-same-for-all-of-them-and-32-characters-at-least",
    "the-same-for-all-processes-and-at-least-32-characters",
];

pub(super) const ACCEPTED: &str =
    "at least 32 bytes that are not an example, such as the output of `openssl rand -base64 48`";

pub(super) const PRIVATE_KEY_ACCEPTED: &str =
    "a private key in PEM (PKCS #8: -----BEGIN PRIVATE KEY-----)";

pub(super) fn is_long_enough(key: &str) -> bool {
    key.len() >= MIN_BYTES
}

pub(super) fn is_example(key: &SecretString) -> bool {
    EXAMPLES.contains(&key.expose_secret())
}

pub(super) fn is_private_key(text: &str) -> bool {
    text.contains("-----BEGIN PRIVATE KEY-----")
}

/// Completes `secret_key` if it is not set: with the private key, which is as secret, or in
/// development with a key that is kept in `data_directory`.
pub(super) fn fill_in(r: &mut Reader, tokens: &mut TokensConfig, data_directory: &Path) {
    if r.is_set("JWT_SECRET_KEY") {
        if is_example(&tokens.secret_key) {
            r.warnings
                .push("JWT_SECRET_KEY is a published example: anybody can forge tokens".to_owned());
        }
    } else if let Some(private_key) = &tokens.private_key {
        tokens.secret_key = private_key.clone();
        if tokens.secret_key_previous.is_none() {
            tokens.secret_key_previous = tokens.private_key_previous.clone();
        }
    } else if r.is_production() {
        r.require("JWT_SECRET_KEY", ACCEPTED);
    } else {
        let path = data_directory.join("secret.key");
        match read_or_create(&path) {
            Ok(key) => {
                tokens.secret_key = key;
                r.notes.push(format!(
                    "JWT_SECRET_KEY is not set: the key in {} is used",
                    path.display()
                ));
            }
            Err(error) => r.refuse(
                "JWT_SECRET_KEY",
                format!("nothing, and {}: {error}", path.display()),
                "a value, or a file that only its owner can read and write",
            ),
        }
    }
}

/// Processes that start at the same time agree on one key, because the file is locked.
fn read_or_create(path: &Path) -> io::Result<SecretString> {
    if let Some(directory) = path.parent() {
        create_private_folder(directory)?;
    }
    let mut file = open_private(path)?;
    file.lock()?;
    let mut key = String::new();
    file.read_to_string(&mut key)?;
    if key.is_empty() {
        let mut random = [0; MIN_BYTES];
        aws_lc_rs::rand::fill(&mut random).map_err(io::Error::other)?;
        key = URL_SAFE_NO_PAD.encode(random);
        file.write_all(key.as_bytes())?;
        file.sync_all()?;
    }
    let key = key.trim_end();
    if key.len() < MIN_BYTES {
        return Err(io::Error::other(
            "the key in it is shorter than 32 bytes; remove the file to get a new one",
        ));
    }
    Ok(SecretString::from(key))
}

/// Creates a folder that only its owner can enter, with its missing parents.
pub fn create_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&file.metadata()?.permissions()) & 0o077 != 0 {
        return Err(io::Error::other(
            "other users can read or write it; run chmod 600 on it",
        ));
    }
    Ok(file)
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::thread;

    use super::*;

    #[test]
    fn processes_that_start_at_the_same_time_agree_on_one_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data/secret.key");
        let starts: Vec<_> = (0..8)
            .map(|_| {
                let path = path.clone();
                thread::spawn(move || read_or_create(&path).unwrap().expose_secret().to_owned())
            })
            .collect();
        let keys: Vec<_> = starts.into_iter().map(|s| s.join().unwrap()).collect();
        assert_eq!(URL_SAFE_NO_PAD.decode(&keys[0]).unwrap().len(), 32);
        assert!(keys.iter().all(|key| *key == keys[0]));
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn every_installation_gets_its_own_key() {
        let directory = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| {
            let key = read_or_create(&directory.path().join(name)).unwrap();
            key.expose_secret().to_owned()
        });
        assert_ne!(one, other);
    }

    #[test]
    fn a_kept_key_that_others_can_read_or_that_is_too_short_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret.key");
        read_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = read_or_create(&path).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "short").unwrap();
        let error = read_or_create(&path).unwrap_err().to_string();
        assert!(error.contains("shorter than 32 bytes"), "{error}");
    }
}
