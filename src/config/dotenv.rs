//! `.env` files, read as people write them: unquoted values may hold spaces, `!` and `{…}`.

use super::Variables;
use super::reader::Problem;

/// Reads `NAME=value` lines; of a name given twice the last counts.
///
/// A ` #` ends an unquoted value. Single quotes keep everything, double quotes know `\n`, `\r`,
/// `\t`, `\"` and `\\`. Nothing is expanded. A bad line becomes a problem that shows its number
/// and not its text, which may be a secret.
pub(super) fn parse(text: &str) -> (Variables, Vec<Problem>) {
    let mut variables = Variables::new();
    let mut problems = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match parse_line(line) {
            Ok((name, value)) => {
                variables.insert(name.to_owned(), value);
            }
            Err(found) => problems.push(Problem::new(
                &format!(".env line {}", index + 1),
                found,
                "NAME=value, quotes closed, and only a comment after the closing one",
            )),
        }
    }
    (variables, problems)
}

fn parse_line(line: &str) -> Result<(&str, String), &'static str> {
    let assignment = line
        .strip_prefix("export")
        .filter(|rest| rest.starts_with(char::is_whitespace))
        .unwrap_or(line);
    let (name, value) = assignment.split_once('=').ok_or("no `=`")?;
    let name = name.trim();
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !is_name {
        return Err("something before the `=` that is no name");
    }
    let value = match value.trim_start().chars().next() {
        Some(quote @ ('\'' | '"')) => quoted(value.trim_start(), quote)?,
        _ => unquoted(value).to_owned(),
    };
    Ok((name, value))
}

fn unquoted(value: &str) -> &str {
    let comment = value
        .match_indices('#')
        .find(|(at, _)| value[..*at].ends_with(char::is_whitespace));
    let end = comment.map_or(value.len(), |(at, _)| at);
    value[..end].trim()
}

fn quoted(value: &str, quote: char) -> Result<String, &'static str> {
    let mut text = String::new();
    let mut rest = value[1..].chars();
    loop {
        match rest.next().ok_or("a quote that is not closed")? {
            c if c == quote => break,
            '\\' if quote == '"' => match rest.next().ok_or("a quote that is not closed")? {
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                c @ ('"' | '\\') => text.push(c),
                other => text.extend(['\\', other]),
            },
            c => text.push(c),
        }
    }
    let rest = rest.as_str().trim_start();
    if rest.is_empty() || rest.starts_with('#') {
        Ok(text)
    } else {
        Err("text after the closing quote")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(line: &str) -> String {
        let (variables, problems) = parse(line);
        assert_eq!(problems, [], "{line:?}");
        variables["A"].clone()
    }

    #[test]
    fn values_are_read_as_they_are_written() {
        for (line, expected) in [
            ("A=b", "b"),
            ("A=", ""),
            ("  A = b  ", "b"),
            ("export A=b", "b"),
            ("A=b\r", "b"),
            ("\u{feff}A=b", "b"),
            (
                "A=Welcome to {app_name}! Verify your email",
                "Welcome to {app_name}! Verify your email",
            ),
            ("A=abcdefghijklmnop  # Remove spaces", "abcdefghijklmnop"),
            ("A= # nothing", ""),
            ("A=b#c", "b#c"),
            ("A=#b", "#b"),
            ("A=b=c", "b=c"),
            ("A=it's", "it's"),
            ("A=$HOME ${B}", "$HOME ${B}"),
            ("A='b # c' # d", "b # c"),
            ("A=\"b # c\"# d", "b # c"),
            (r"A='b\n'", r"b\n"),
            (r#"A="b\n\"c\"\\d\e""#, "b\n\"c\"\\d\\e"),
            ("A=\"\"", ""),
            ("A=1\nA=2", "2"),
        ] {
            assert_eq!(value(line), expected, "{line:?}");
        }
    }

    #[test]
    fn blank_lines_and_comments_say_nothing() {
        assert_eq!(
            parse("\n  \r\n# A=b\n  # c"),
            (Variables::new(), Vec::new())
        );
    }

    #[test]
    fn a_bad_line_is_told_by_its_number_and_not_by_its_text() {
        for line in [
            "hunter2",
            "=hunter2",
            "A B=hunter2",
            "1A=hunter2",
            "A='hunter2",
            "A=\"hunter2\\",
            "A=\"hunter2\" hunter2",
        ] {
            let (variables, problems) = parse(&format!("OK=1\n\n{line}\nALSO=2"));
            assert_eq!(variables.len(), 2, "{line:?}");
            let [problem] = &problems[..] else {
                panic!("{line:?}: {problems:?}")
            };
            let shown = problem.to_string();
            assert!(shown.starts_with(".env line 3: "), "{shown}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}
