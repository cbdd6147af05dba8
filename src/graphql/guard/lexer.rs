//! Tokens of a GraphQL document, as far as the guard tells them apart.
//!
//! Every byte is passed once. Text that async-graphql's parser reads as one token is never read
//! as several here, or the other way round, except that words run together inside a list
//! (`[truefalse]`) are one name here.

/// A token that matters to the guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A name or keyword.
    Name(&'a str),
    /// An opening bracket; holds the byte that closes it.
    Open(u8),
    /// A closing bracket.
    Close(u8),
    /// `:`
    Colon,
    /// `@`
    At,
    /// `...`
    Spread,
    /// A number, a string or any other punctuator.
    Other,
}

/// Why there is no next token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The document is over.
    End,
    /// No token begins or ends like that, so a parser stops here as well.
    Invalid,
    /// A block string is not closed. async-graphql's parser does not stop here: it reads an empty
    /// string and goes on behind it.
    OpenBlockString,
}

/// Reads tokens one after another.
pub(super) struct Lexer<'a> {
    text: &'a str,
    position: usize,
    /// Whether a comment was skipped on the way to the token read last.
    pub(super) after_comment: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            position: 0,
            after_comment: false,
        }
    }

    /// The next token, or why there is none. Not to be called again after that.
    pub(super) fn next(&mut self) -> Result<Token<'a>, Stop> {
        self.skip_ignored();
        let start = self.position;
        let byte = self.peek().ok_or(Stop::End)?;
        self.position += 1;
        Ok(match byte {
            b'{' => Token::Open(b'}'),
            b'(' => Token::Open(b')'),
            b'[' => Token::Open(b']'),
            b'}' | b')' | b']' => Token::Close(byte),
            b':' => Token::Colon,
            b'@' => Token::At,
            b'!' | b'$' | b'=' | b'&' | b'|' => Token::Other,
            b'.' if self.rest().starts_with("..") => {
                self.position += 2;
                Token::Spread
            }
            b'"' => self.string()?,
            b'-' | b'0'..=b'9' => self.number(byte)?,
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                self.skip_while(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
                Token::Name(&self.text[start..self.position])
            }
            _ => return Err(Stop::Invalid),
        })
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    /// What is left. Tokens begin and end at ASCII, so this is a character boundary.
    fn rest(&self) -> &'a str {
        &self.text[self.position..]
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) -> usize {
        let start = self.position;
        while self.peek().is_some_and(&wanted) {
            self.position += 1;
        }
        self.position - start
    }

    fn skip_ignored(&mut self) {
        self.after_comment = false;
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b',' => self.position += 1,
                b'#' => {
                    self.after_comment = true;
                    self.skip_while(|byte| byte != b'\n' && byte != b'\r');
                }
                _ if self.text.as_bytes()[self.position..].starts_with(b"\xef\xbb\xbf") => {
                    self.position += 3;
                }
                _ => return,
            }
        }
    }

    /// Reads on behind the first quote.
    fn string(&mut self) -> Result<Token<'a>, Stop> {
        if self.rest().starts_with("\"\"") {
            self.position += 2;
            return self.block_string();
        }
        while let Some(byte) = self.peek() {
            self.position += 1;
            match byte {
                b'"' => return Ok(Token::Other),
                b'\n' | b'\r' => return Err(Stop::Invalid),
                // Whether the escape is a good one is for the parser to say.
                b'\\' => {
                    self.position += usize::from(matches!(self.peek(), Some(b'"' | b'\\')));
                }
                _ => {}
            }
        }
        Err(Stop::Invalid)
    }

    fn block_string(&mut self) -> Result<Token<'a>, Stop> {
        let bytes = self.text.as_bytes();
        while self.position < bytes.len() {
            let rest = &bytes[self.position..];
            if rest.starts_with(b"\"\"\"") {
                self.position += 3;
                return Ok(Token::Other);
            }
            self.position += if rest.starts_with(b"\\\"\"\"") { 4 } else { 1 };
        }
        Err(Stop::OpenBlockString)
    }

    /// Reads on behind the first byte. `00` is two numbers, as for the parser.
    fn number(&mut self, first: u8) -> Result<Token<'a>, Stop> {
        let leading = if first == b'-' {
            let digit = self.peek().filter(u8::is_ascii_digit);
            self.position += 1;
            digit.ok_or(Stop::Invalid)?
        } else {
            first
        };
        if leading != b'0' {
            self.skip_while(|byte| byte.is_ascii_digit());
        }
        let mut ahead = self.rest().bytes();
        if ahead.next() == Some(b'.') && ahead.next().is_some_and(|byte| byte.is_ascii_digit()) {
            self.position += 1;
            self.skip_while(|byte| byte.is_ascii_digit());
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.position += 1;
            self.position += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            if self.skip_while(|byte| byte.is_ascii_digit()) == 0 {
                return Err(Stop::Invalid);
            }
        }
        Ok(Token::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> (Vec<Token<'_>>, Stop) {
        let mut lexer = Lexer::new(text);
        let mut tokens = Vec::new();
        loop {
            match lexer.next() {
                Ok(token) => tokens.push(token),
                Err(stop) => return (tokens, stop),
            }
        }
    }

    fn count(text: &str) -> usize {
        let (tokens, stop) = tokens(text);
        assert_eq!(stop, Stop::End, "{text:?}");
        tokens.len()
    }

    #[test]
    fn brackets_in_strings_and_comments_are_text() {
        for text in [
            r#""{{{ \" \\" # {{{ """#,
            "\"\"\"{{{ \\\"\"\" \" \n {{{\"\"\"",
            "\u{feff}\"é{\", ,\t\r\n",
            r#""\\""#,
        ] {
            assert_eq!(tokens(text), (vec![Token::Other], Stop::End), "{text:?}");
        }
        assert_eq!(count("\"\""), 1);
        assert_eq!(count("# only \u{1f600}"), 0);
    }

    #[test]
    fn numbers_and_spreads_are_told_apart() {
        assert_eq!(count("-1.5e+3 0 12 1E9"), 4);
        assert_eq!(count("007"), 3);
        assert_eq!(count("1...a"), 3);
        assert_eq!(count("...on_a...b"), 4);
    }

    #[test]
    fn what_no_token_is_made_of_stops_the_scan() {
        for text in [
            "..", "-", "1e", "%", "é", "\"a\nb\"", "\"open", "\\", "\u{a0}",
        ] {
            assert_eq!(tokens(text).1, Stop::Invalid, "{text:?}");
        }
        assert_eq!(tokens("a \"\"\" b").1, Stop::OpenBlockString);
        assert_eq!(tokens("\"\"\"\\\"\"\"").1, Stop::OpenBlockString);
    }
}
