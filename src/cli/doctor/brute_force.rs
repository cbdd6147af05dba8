//! The probability of guessing a code, as the settings allow it.

use super::Finding;
use crate::config::Config;

const CHECK: &str = "guessing";
const HOURS_PER_YEAR: f64 = 24.0 * 365.0;
/// The probability per hour above which there is a warning.
const WARN_ABOVE: f64 = 1.0 / 10_000.0;
const FAIL_ABOVE: f64 = 1.0 / 100.0;

pub(super) fn check(config: &Config) -> Finding {
    let (codes, limits) = (&config.codes, &config.limits);
    let chance = 1.0 / codes.format().possible();
    let attempts_per_code = f64::from(codes.max_attempts);
    let per_account = f64::from(limits.code_requests_per_hour) * attempts_per_code;
    let per_network = (f64::from(limits.code_requests_per_hour_per_ip) * attempts_per_code)
        .min(4.0 * f64::from(limits.verifications_per_15_minutes_per_ip));
    let per_hour = at_least_one(chance, per_account);
    let found = format!(
        "an attacker can try {per_account} codes per hour for one account: they get in with a \
         probability of {} within an hour, {} within a year; from one network, over all accounts: \
         {} within an hour",
        in_words(per_hour),
        in_words(at_least_one(chance, per_account * HOURS_PER_YEAR)),
        in_words(at_least_one(chance, per_network)),
    );
    let advice = "Increase CODE_LENGTH, set CODE_TYPE=alphanumeric, or lower \
                  MAX_VERIFICATION_ATTEMPTS or MAX_CODE_REQUESTS_PER_HOUR.";
    let finding = Finding::ok(CHECK, found).warning_if(per_hour > WARN_ABOVE, advice);
    if per_hour > FAIL_ABOVE {
        finding.failed(advice)
    } else {
        finding
    }
}

/// The probability that at least one of many guesses is right, each at a new code.
fn at_least_one(chance: f64, guesses: f64) -> f64 {
    -f64::exp_m1(guesses * f64::ln_1p(-chance))
}

fn in_words(probability: f64) -> String {
    if probability >= 0.05 {
        format!("{:.0} %", 100.0 * probability)
    } else {
        format!("1 in {:.0}", 1.0 / probability)
    }
}

#[cfg(test)]
mod tests {
    use super::super::FindingState;
    use super::*;
    use crate::config::{Variables, load};

    /// By default six digits, five codes per hour and five attempts each: 25 in a million.
    #[test]
    fn the_probability_follows_from_the_settings() {
        for (settings, state, parts) in [
            (
                &[][..],
                FindingState::Ok,
                &[
                    "25 codes per hour",
                    "1 in 40000 within an hour",
                    "20 % within a year",
                    "1 in 6667 within an hour",
                ][..],
            ),
            (&[("CODE_LENGTH", "4")], FindingState::Warning, &[]),
            (
                &[("CODE_LENGTH", "4"), ("MAX_VERIFICATION_ATTEMPTS", "100")],
                FindingState::Failed,
                &[],
            ),
            (
                &[("CODE_LENGTH", "8"), ("CODE_TYPE", "alphanumeric")],
                FindingState::Ok,
                &["1 in 26244000000 within an hour"],
            ),
        ] {
            let variables = settings.iter();
            let variables: Variables = variables
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            let directory = tempfile::tempdir().unwrap();
            let loaded = load(&variables, directory.path()).unwrap();
            let finding = check(&loaded.config);
            assert_eq!(finding.state, state, "{settings:?}");
            for part in parts {
                assert!(finding.found.contains(part), "{part}: {}", finding.found);
            }
        }
    }
}
