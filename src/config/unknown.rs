//! Variables that look like settings and are none: most often a slip of the pen.

use super::reader::Reader;
use super::settings;

/// First words that other programs use too: settings that begin so are recognised by two words.
const COMMON_WORDS: [&str; 7] = ["ENABLE", "HEADER", "IDLE", "MAX", "REQUEST", "RUN", "USE"];

/// Warns about each variable that begins like a setting but is none.
pub(super) fn warn(r: &mut Reader) {
    let known: Vec<String> = settings::variable_names().collect();
    for name in r.variables.keys() {
        let ours = known
            .iter()
            .filter_map(|known| prefix(known))
            .any(|prefix| name.starts_with(prefix));
        if !ours || known.contains(name) {
            continue;
        }
        let nearest = known
            .iter()
            .min_by_key(|known| strsim::damerau_levenshtein(known, name));
        if let Some(nearest) = nearest {
            r.warnings
                .push(format!("{name} is not a setting; the nearest is {nearest}"));
        }
    }
}

/// How a setting's name begins, with the underscore; `None` for names that others use as well.
fn prefix(name: &str) -> Option<&str> {
    let (first_word, _) = name.split_once('_')?;
    let words = 1 + usize::from(COMMON_WORDS.contains(&first_word));
    let (end, _) = name.match_indices('_').nth(words - 1)?;
    Some(&name[..=end])
}
