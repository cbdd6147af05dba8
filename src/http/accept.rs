//! Content negotiation by `Accept`.

/// The one of the media types offered that an `Accept` header prefers; the earlier of those that it
/// prefers equally, `None` if it accepts none.
pub(super) fn negotiate<'a>(accept: &str, offered: &[&'a str]) -> Option<&'a str> {
    let mut best = (None, 0.0);
    for media_type in offered {
        let weight = quality(accept, media_type);
        if weight > best.1 {
            best = (Some(*media_type), weight);
        }
    }
    best.0
}

/// The weight of a media type: that of the most specific range that covers it (RFC 9110, 12.5.1),
/// 0 if none does. Parameters other than `q` are ignored.
fn quality(accept: &str, media_type: &str) -> f32 {
    let family = media_type.split('/').next().unwrap_or_default();
    let weights = accept.split(',').filter_map(|item| {
        let mut parts = item.split(';').map(str::trim);
        let range = parts.next()?;
        let specificity = if range.eq_ignore_ascii_case(media_type) {
            3
        } else if range == "*/*" {
            1
        } else if range.strip_suffix("/*")?.eq_ignore_ascii_case(family) {
            2
        } else {
            return None;
        };
        let mut weight = parts.filter_map(|part| part.strip_prefix(['q', 'Q'])?.strip_prefix('='));
        let weight = weight.next().map_or(1.0, |q| q.parse().unwrap_or(0.0));
        Some((specificity, weight))
    });
    let best = weights.max_by_key(|(specificity, _)| *specificity);
    best.map_or(0.0, |(_, weight)| weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROWSER: &str =
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

    #[test]
    fn a_browser_prefers_html_and_a_program_does_not() {
        let html = |accept| {
            let offered = ["application/json", "text/html"];
            negotiate(accept, &offered) == Some("text/html")
        };
        assert!(html(BROWSER));
        assert!(html("Text/HTML"));
        assert!(html("text/*, application/json;q=0.9"));
        for accept in [
            "",
            "*/*",
            "application/json",
            "text/html;q=0.5, application/json;q=0.6",
            "text/html;q=0, */*",
            "text/html;q=nonsense",
            "text/html;q=0.0, ;;,,=, /*",
            "application/graphql-response+json, text/html;q=0.2, application/json;q=0.3",
        ] {
            assert!(!html(accept), "{accept:?}");
        }
    }
}
