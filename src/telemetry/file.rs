//! A log file that is rotated by size.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::LogFileConfig;

/// Appends lines to a file. Before a line would exceed the limit, `app.log` is renamed to
/// `app.log.1`, that to `app.log.2`, and so on; the oldest is removed.
///
/// Several processes may write to one file: each notices when another has renamed it. Errors lose
/// lines at most; they are reported on standard error once, and every line tries again.
pub(super) struct RotatingFile {
    path: PathBuf,
    max_bytes: u64,
    backups: usize,
    retention: Option<Duration>,
    file: Option<File>,
    rotation_error: Option<io::Error>,
    /// Whether an error has been reported.
    failing: bool,
    /// Whether the last line may have been written in part.
    torn: bool,
}

impl RotatingFile {
    pub(super) fn new(config: &LogFileConfig) -> Self {
        let mut file = Self {
            path: config.path.clone(),
            max_bytes: u64::try_from(config.max_bytes).unwrap_or(u64::MAX),
            backups: config.backups,
            retention: config.retention,
            file: None,
            rotation_error: None,
            failing: false,
            torn: false,
        };
        let opened = file.file_for(0).map(|_| ());
        file.report(opened);
        file
    }

    /// The file to append `bytes` to: opens, rotates or reopens it if necessary.
    fn file_for(&mut self, bytes: u64) -> io::Result<&mut File> {
        let is_same = match (&self.file, fs::metadata(&self.path)) {
            (Some(file), Ok(on_disk)) => is_same_file(&file.metadata()?, &on_disk),
            _ => false,
        };
        let mut file = match self.file.take() {
            Some(file) if is_same => file,
            _ => open(&self.path)?,
        };
        let size = file.metadata()?.len();
        self.rotation_error = None;
        if size > 0 && size.saturating_add(bytes) > self.max_bytes {
            match self.rotate(&file) {
                Ok(()) => file = open(&self.path)?,
                // A file that is too long is better than no log.
                Err(error) => self.rotation_error = Some(error),
            }
        }
        Ok(self.file.insert(file))
    }

    /// Renames the files, unless another process is doing it.
    fn rotate(&self, file: &File) -> io::Result<()> {
        match file.try_lock() {
            Ok(()) => {
                let moved = self.move_files(file);
                file.unlock()?;
                moved
            }
            Err(TryLockError::WouldBlock) => Ok(()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn move_files(&self, file: &File) -> io::Result<()> {
        let on_disk = fs::symlink_metadata(&self.path)?;
        if !on_disk.is_file() {
            return Err(io::Error::other("a link or a device is not rotated"));
        }
        if !is_same_file(&file.metadata()?, &on_disk) {
            // Another process has just done it.
            return Ok(());
        }
        remove_older(&self.path, self.retention);
        for number in (1..self.backups).rev() {
            match fs::rename(self.backup(number), self.backup(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if self.backups == 0 {
            fs::remove_file(&self.path)
        } else {
            fs::rename(&self.path, self.backup(1))
        }
    }

    fn backup(&self, number: usize) -> PathBuf {
        backup(&self.path, number)
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let torn = self.torn;
        let file = self.file_for(u64::try_from(line.len()).unwrap_or(u64::MAX))?;
        if torn {
            file.write_all(b"\n")?;
        }
        file.write_all(line)
    }

    /// Reports on standard error that an error begins: the log cannot.
    fn report(&mut self, written: io::Result<()>) {
        let path = self.path.display();
        let problem = match (written, &self.rotation_error) {
            (Err(error), _) => format!("cannot write to {path}, log lines are lost: {error}"),
            (Ok(()), Some(error)) => format!("cannot rotate {path}, it grows on: {error}"),
            (Ok(()), None) => {
                self.failing = false;
                return;
            }
        };
        if !self.failing {
            // Standard error may be closed.
            let _ = writeln!(io::stderr(), "{problem}");
        }
        self.failing = true;
    }
}

impl Write for RotatingFile {
    /// Writes a whole line or loses it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let written = self.append(line);
        self.torn = written.is_err() && self.file.is_some();
        self.report(written);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn backup(path: &Path, number: usize) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(format!(".{number}"));
    name.into()
}

/// Removes the rotated files of `path` that are older than `retention`, also those that a higher
/// `LOG_BACKUP_COUNT` left. Files that cannot be removed are tried again later.
pub(super) fn remove_older(path: &Path, retention: Option<Duration>) {
    let Some(retention) = retention else { return };
    let directory = path.parent().filter(|parent| *parent != Path::new(""));
    let entries = fs::read_dir(directory.unwrap_or(Path::new(".")));
    for entry in entries.into_iter().flatten().flatten() {
        let is_ours = is_backup(path, &entry.path());
        let age = entry
            .metadata()
            .and_then(|meta| meta.modified()?.elapsed().map_err(io::Error::other));
        if is_ours && age.is_ok_and(|age| age > retention) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether `other` is `path` with a number appended.
fn is_backup(path: &Path, other: &Path) -> bool {
    let names = path.file_name().zip(other.file_name());
    let number = names.and_then(|(name, other)| {
        let rest = other.to_str()?.strip_prefix(name.to_str()?)?;
        rest.strip_prefix('.')?.parse::<usize>().ok()
    });
    number.is_some_and(|number| number > 0)
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    // Logs contain personal data.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
    options.open(path)
}

#[cfg(unix)]
fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// The standard library cannot compare files on other systems: there, one process writes to one file.
#[cfg(not(unix))]
fn is_same_file(_: &Metadata, _: &Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(path: &Path, backups: usize) -> LogFileConfig {
        LogFileConfig {
            path: path.to_owned(),
            max_bytes: 20,
            backups,
            retention: None,
        }
    }

    fn log(file: &mut RotatingFile, line: &str) {
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn read(directory: &Path) -> Vec<(String, String)> {
        let mut files: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let text = fs::read_to_string(entry.path()).unwrap();
                (entry.file_name().into_string().unwrap(), text)
            })
            .collect();
        files.sort();
        files
    }

    /// Backups older than the retention go when the file is rotated and when they are looked for,
    /// whatever their number; younger ones, the log itself and other files stay.
    #[test]
    fn old_backups_are_removed() {
        const DAY: Duration = Duration::from_hours(24);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.log");
        let write = |name: &str, days: u32| {
            let file = File::create(directory.path().join(name)).unwrap();
            let now = file.metadata().unwrap().modified().unwrap();
            file.set_modified(now - days * DAY).unwrap();
        };
        let names = || {
            read(directory.path())
                .into_iter()
                .map(|(name, _)| name)
                .collect::<Vec<_>>()
        };
        let kept = ["app.log", "app.log.1", "app.log.bak", "other.log.3"];
        for name in kept {
            write(name, if name == "app.log.1" { 6 } else { 99 });
        }
        for old in ["app.log.2", "app.log.77"] {
            write(old, 8);
        }
        remove_older(&path, None);
        assert_eq!(names().len(), 6);
        remove_older(&path, Some(7 * DAY));
        assert_eq!(names(), kept);

        write("app.log.2", 8);
        let config = LogFileConfig {
            retention: Some(7 * DAY),
            ..config(&path, 5)
        };
        let mut file = RotatingFile::new(&config);
        log(&mut file, "a line of some length");
        log(&mut file, "another line");
        let rotated = [
            "app.log",
            "app.log.1",
            "app.log.2",
            "app.log.bak",
            "other.log.3",
        ];
        assert_eq!(names(), rotated);
    }

    /// Lines stay whole, no file grows beyond its limit, the newest backups are kept.
    #[test]
    fn files_are_rotated_by_size() {
        let directory = tempfile::tempdir().unwrap();
        let logs = directory.path().join("made/on/demand");
        let mut file = RotatingFile::new(&config(&logs.join("app.log"), 2));
        for number in 1..=9 {
            log(&mut file, &format!("line {number}"));
        }
        // A restart continues where the last process stopped.
        let mut file = RotatingFile::new(&config(&logs.join("app.log"), 2));
        log(&mut file, "longer than the limit");
        log(&mut file, "line 11");
        let text = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        assert_eq!(
            read(&logs),
            [
                text("app.log", "line 11\n"),
                text("app.log.1", "longer than the limit\n"),
                text("app.log.2", "line 9\n"),
            ]
        );
    }

    /// Without backups the file is emptied.
    #[test]
    fn no_backups_are_kept_if_none_are_wanted() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = RotatingFile::new(&config(&directory.path().join("app.log"), 0));
        for number in 1..=3 {
            log(&mut file, &format!("line {number}"));
        }
        let only = ("app.log".to_owned(), "line 3\n".to_owned());
        assert_eq!(read(directory.path()), [only]);
    }

    /// Two processes that share a file neither lose a line nor rotate one another's fresh file.
    #[cfg(unix)]
    #[test]
    fn a_file_moved_by_another_process_is_followed() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(&directory.path().join("app.log"), 5);
        let (mut one, mut other) = (RotatingFile::new(&config), RotatingFile::new(&config));
        for number in 0..5 {
            log(&mut one, &format!("one {number}"));
            log(&mut other, &format!("two {number}"));
        }
        let files = read(directory.path());
        let mut lines: Vec<_> = files.iter().flat_map(|(_, text)| text.lines()).collect();
        lines.sort_unstable();
        assert_eq!(lines.len(), 10, "{files:?}");
        assert_eq!(lines.first(), Some(&"one 0"));
        assert!(files.iter().all(|(_, text)| text.len() <= 20), "{files:?}");
        assert_eq!(files.len(), 4, "{files:?}");
    }

    /// A log file that cannot be written costs lines, not the process, and works again later.
    #[test]
    fn an_unwritable_file_is_survived() {
        let directory = tempfile::tempdir().unwrap();
        let obstacle = directory.path().join("logs");
        fs::write(&obstacle, "a file where the directory should be").unwrap();
        let mut file = RotatingFile::new(&config(&obstacle.join("app.log"), 1));
        log(&mut file, "lost");
        fs::remove_file(&obstacle).unwrap();
        log(&mut file, "kept");
        let only = ("app.log".to_owned(), "kept\n".to_owned());
        assert_eq!(read(&obstacle), [only]);
    }

    /// The rest of a line that a full disk cut off does not spoil the next.
    #[test]
    fn a_torn_line_is_ended() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = RotatingFile::new(&config(&directory.path().join("app.log"), 1));
        file.write_all(b"half a l").unwrap();
        file.torn = true;
        log(&mut file, "next");
        let only = ("app.log".to_owned(), "half a l\nnext\n".to_owned());
        assert_eq!(read(directory.path()), [only]);
    }

    /// A file that cannot be moved grows on instead of losing lines.
    #[cfg(unix)]
    #[test]
    fn a_file_that_cannot_be_rotated_grows_on() {
        let directory = tempfile::tempdir().unwrap();
        let (target, link) = (
            directory.path().join("target"),
            directory.path().join("app.log"),
        );
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let mut file = RotatingFile::new(&config(&link, 1));
        for number in 1..=9 {
            log(&mut file, &format!("line {number}"));
        }
        assert!(file.failing);
        assert_eq!(fs::read_to_string(&target).unwrap().lines().count(), 9);
    }

    /// The device that is always full.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_survived() {
        let mut file = RotatingFile::new(&config(Path::new("/dev/full"), 1));
        for _ in 0..3 {
            log(&mut file, "lost");
            assert!(file.failing);
        }
    }
}
