//! How likely it is that somebody guesses a code, by the settings that decide it.

use super::Finding;
use crate::config::Config;

const CHECK: &str = "guessing";
const HOURS_PER_YEAR: f64 = 24.0 * 365.0;
/// More than this in an hour is told.
const WARN_ABOVE: f64 = 1.0 / 10_000.0;
/// More than this in an hour is no protection.
const FAIL_ABOVE: f64 = 1.0 / 100.0;

pub(super) fn check(config: &Config) -> Finding {
    let (codes, limits) = (&config.codes, &config.limits);
    let chance = 1.0 / codes.format.possible();
    let per_account = f64::from(limits.code_requests_per_hour) * f64::from(codes.max_attempts);
    let per_network =
        f64::from(limits.code_requests_per_hour_per_ip) * f64::from(codes.max_attempts);
    let per_network = per_network.min(4.0 * f64::from(limits.verifications_per_15_minutes_per_ip));
    let per_hour = at_least_one(chance, per_account);
    let found = format!(
        "whoever guesses at one account has {per_account} tries an hour: a chance of {} to get in \
         within an hour, {} within a year; one network at all accounts: {} within an hour",
        in_words(per_hour),
        in_words(at_least_one(chance, per_account * HOURS_PER_YEAR)),
        in_words(at_least_one(chance, per_network)),
    );
    let advice = "Lengthen CODE_LENGTH or set CODE_TYPE=alphanumeric, or lower \
                  MAX_VERIFICATION_ATTEMPTS or MAX_CODE_REQUESTS_PER_HOUR.";
    if per_hour > FAIL_ABOVE {
        Finding::failed(CHECK, found, advice)
    } else if per_hour > WARN_ABOVE {
        Finding::warning(CHECK, found, advice)
    } else {
        Finding::ok(CHECK, found)
    }
}

/// The chance that one of many guesses is right. Each is at another code, since a code dies with
/// its attempts.
fn at_least_one(chance: f64, guesses: f64) -> f64 {
    -f64::exp_m1(guesses * f64::ln_1p(-chance))
}

fn in_words(chance: f64) -> String {
    if chance >= 0.05 {
        format!("{:.0} %", 100.0 * chance)
    } else {
        format!("1 in {:.0}", 1.0 / chance)
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use crate::config::{Variables, load};

    fn finding(settings: &[(&str, &str)]) -> Finding {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let variables: Variables = settings.iter().map(own).collect();
        let directory = tempfile::tempdir().unwrap();
        check(&load(&variables, directory.path()).unwrap().config)
    }

    /// Six digits, five codes an hour, five answers each: 25 in a million.
    #[test]
    fn the_defaults_are_safe_and_the_odds_are_told() {
        let finding = finding(&[]);
        assert_eq!(finding.state, State::Ok);
        for odds in [
            "25 tries an hour",
            "1 in 40000 to get in within an hour",
            "20 % within a year",
            "1 in 6667 within an hour",
        ] {
            assert!(finding.found.contains(odds), "{odds}: {}", finding.found);
        }
    }

    #[test]
    fn short_codes_with_many_answers_are_told() {
        assert_eq!(finding(&[("CODE_LENGTH", "4")]).state, State::Warning);
        let open = [("CODE_LENGTH", "4"), ("MAX_VERIFICATION_ATTEMPTS", "100")];
        assert_eq!(finding(&open).state, State::Failed);
        let long = [("CODE_LENGTH", "8"), ("CODE_TYPE", "alphanumeric")];
        let long = finding(&long);
        assert_eq!(long.state, State::Ok);
        assert!(
            long.found.contains("1 in 26244000000 to get in"),
            "{}",
            long.found
        );
    }
}
