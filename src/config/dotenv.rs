//! `.env` files. Unquoted values may contain spaces, `!` and `{…}`.

use super::Variables;
use super::reader::Problem;

/// Reads `NAME=value` lines; the last line of a name counts.
///
/// A ` #` starts a comment after an unquoted value. Text in single quotes is literal; double quotes
/// support `\n`, `\r`, `\t`, `\"` and `\\`. Nothing is expanded. The problem of an invalid line has
/// its number but not its text, which may be a secret.
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
            Err(found) => problems.push(Problem {
                name: format!(".env line {}", index + 1),
                found: found.to_owned(),
                accepted: "NAME=value, with quotes closed and at most a comment after them"
                    .to_owned(),
            }),
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
        return Err("text before the `=` that is not a name");
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
    fn values_are_read_as_written() {
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
    fn blank_lines_and_comments_are_ignored() {
        assert_eq!(
            parse("\n  \r\n# A=b\n  # c"),
            (Variables::new(), Vec::new())
        );
    }

    #[test]
    fn an_invalid_line_is_reported_by_number_and_without_its_text() {
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
