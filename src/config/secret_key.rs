//! `JWT_SECRET_KEY`; in development it is made once and kept.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

use super::Environment;
use super::private_files::make_private_folder;
use super::reader::Reader;
use super::settings;

/// The length of what HMAC-SHA256 gives: a shorter key would be the easier one to guess.
const MIN_BYTES: usize = 32;

/// Printed in public as examples, here and in what is around.
const EXAMPLES: [&str; 3] = [
    "your-super-secret-key-min-32-characters",
    "development-only-and-known-to-everybody",
    "the-same-for-all-of-them-and-32-characters-at-least",
];

const ACCEPTED: &str =
    "at least 32 bytes that are no example, such as `openssl rand -base64 48` prints";

/// Reads the key and the one before it. An installation that has only a private key derives its
/// other keys from that.
pub(super) fn read(
    r: &mut Reader,
    environment: Environment,
    data_directory: &Path,
    private_key: Option<&SecretString>,
    private_key_previous: Option<&SecretString>,
) -> (SecretString, Option<SecretString>) {
    let development = environment == Environment::Development;
    let is_valid = |key: &str| key.len() >= MIN_BYTES && (development || !EXAMPLES.contains(&key));
    let key = r.secret(settings::JWT_SECRET_KEY, ACCEPTED, is_valid);
    let mut previous = r.secret(settings::JWT_SECRET_KEY_PREVIOUS, ACCEPTED, is_valid);
    let key = match key {
        Some(key) => key,
        // A private key is as secret, and as hard to guess.
        None if private_key.is_some() && !r.is_set(settings::JWT_SECRET_KEY) => {
            previous = previous.or_else(|| private_key_previous.cloned());
            private_key.cloned().unwrap_or_default()
        }
        None if development && !r.is_set(settings::JWT_SECRET_KEY) => kept(r, data_directory),
        None => {
            r.require(settings::JWT_SECRET_KEY, ACCEPTED);
            SecretString::default()
        }
    };
    if EXAMPLES.contains(&key.expose_secret()) {
        r.warnings
            .push("JWT_SECRET_KEY is a published example: anybody can forge tokens".to_owned());
    }
    (key, previous)
}

fn kept(r: &mut Reader, data_directory: &Path) -> SecretString {
    let path = data_directory.join("secret.key");
    match read_or_make(&path) {
        Ok(key) => {
            r.notes.push(format!(
                "JWT_SECRET_KEY is not set: the key kept in {} is used",
                path.display()
            ));
            key
        }
        Err(error) => {
            r.refuse(
                settings::JWT_SECRET_KEY,
                format!("nothing, and {}: {error}", path.display()),
                "a value, or a file that can be read and written by its owner only",
            );
            SecretString::default()
        }
    }
}

/// The lock makes processes that start at once agree on the key of the first.
fn read_or_make(path: &Path) -> io::Result<SecretString> {
    if let Some(directory) = path.parent() {
        make_private_folder(directory)?;
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

fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&file.metadata()?.permissions()) & 0o077 != 0 {
        return Err(io::Error::other(
            "others may read or write it; run chmod 600 on it",
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
    fn processes_that_start_at_once_agree_on_one_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data/secret.key");
        let starts: Vec<_> = (0..8)
            .map(|_| {
                let path = path.clone();
                thread::spawn(move || read_or_make(&path).unwrap().expose_secret().to_owned())
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
            let key = read_or_make(&directory.path().join(name)).unwrap();
            key.expose_secret().to_owned()
        });
        assert_ne!(one, other);
    }

    #[test]
    fn a_kept_key_that_is_open_to_others_or_cut_short_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret.key");
        read_or_make(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = read_or_make(&path).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "short").unwrap();
        let error = read_or_make(&path).unwrap_err().to_string();
        assert!(error.contains("shorter than 32 bytes"), "{error}");
    }
}
