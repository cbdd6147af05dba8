//! Variables that look like settings but are not: most often typing errors.

use super::reader::Reader;
use super::reference::variable_names;

/// First words that other programs use too: a setting that starts with one is recognised by its
/// first two words.
const COMMON_WORDS: [&str; 7] = ["ENABLE", "HEADER", "IDLE", "MAX", "REQUEST", "RUN", "USE"];

/// Warns about each variable that starts like a setting but is none.
pub(super) fn warn(r: &mut Reader) {
    let known = variable_names();
    for name in r.variables.keys() {
        let mut prefixes = known.iter().filter_map(|known| prefix(known));
        if !prefixes.any(|prefix| name.starts_with(prefix)) || known.contains(name) {
            continue;
        }
        let distance = |known: &&String| strsim::damerau_levenshtein(known, name);
        if let Some(nearest) = known.iter().min_by_key(distance) {
            r.warnings
                .push(format!("{name} is not a setting; the nearest is {nearest}"));
        }
    }
}

/// The start of a setting's name, with the underscore.
fn prefix(name: &str) -> Option<&str> {
    let (first_word, _) = name.split_once('_')?;
    let is_common = COMMON_WORDS.contains(&first_word);
    let (end, _) = name.match_indices('_').nth(usize::from(is_common))?;
    Some(&name[..=end])
}
