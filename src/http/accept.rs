//! What a client would like to get.

/// Whether an `Accept` header likes `wanted` better than `otherwise`; both are media types such
/// as `text/html`. A client that does not say, or likes both alike, gets `otherwise`.
pub(super) fn prefers(accept: Option<&str>, wanted: &str, otherwise: &str) -> bool {
    accept.is_some_and(|accept| quality(accept, wanted) > quality(accept, otherwise))
}

/// The weight of a media type in thousandths: that of the most exact range that covers it
/// (RFC 9110, 12.5.1), 0 if none does. Parameters other than `q` are not looked at.
pub(super) fn quality(accept: &str, media_type: &str) -> u32 {
    let family = media_type.split('/').next().unwrap_or_default();
    accept
        .split(',')
        .filter_map(|item| {
            let mut parts = item.split(';').map(str::trim);
            let range = parts.next()?;
            let exactness = if range.eq_ignore_ascii_case(media_type) {
                3
            } else if range == "*/*" {
                1
            } else if range.strip_suffix("/*")?.eq_ignore_ascii_case(family) {
                2
            } else {
                return None;
            };
            let weight = parts
                .find_map(|parameter| {
                    parameter
                        .strip_prefix("q=")
                        .or_else(|| parameter.strip_prefix("Q="))
                })
                .map_or(1000, thousandths);
            Some((exactness, weight))
        })
        .max()
        .map_or(0, |(_, weight)| weight)
}

/// Reads a weight; what is none counts as 0.
fn thousandths(weight: &str) -> u32 {
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    match (whole, digits.parse::<u32>()) {
        ("1", Ok(_)) => 1000,
        ("0", Ok(fraction)) => fraction,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROWSER: &str =
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

    #[test]
    fn a_browser_prefers_html_and_a_program_does_not() {
        let html = |accept| prefers(accept, "text/html", "application/json");
        assert!(html(Some(BROWSER)));
        assert!(html(Some("Text/HTML")));
        assert!(html(Some("text/*, application/json;q=0.9")));
        for accept in [
            None,
            Some(""),
            Some("*/*"),
            Some("application/json"),
            Some("text/html;q=0.5, application/json;q=0.6"),
            Some("text/html;q=0, */*"),
            Some("text/html;q=nonsense"),
            Some("text/html;q=0.0, ;;,,=, /*"),
            Some("application/graphql-response+json, text/html;q=0.2, application/json;q=0.3"),
        ] {
            assert!(!html(accept), "{accept:?}");
        }
    }
}
