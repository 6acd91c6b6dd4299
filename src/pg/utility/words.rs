//! The words of a statement that no query begins with, read one after the other.

use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::error::Place;
use crate::{Error, ErrorKind, Result};

/// The tokens, and how far they have been read.
pub(in crate::pg) struct Words {
    pub(in crate::pg) tokens: Vec<TokenWithSpan>,
    pub(in crate::pg) next: usize,
}

impl Words {
    /// The tokens of a text; `None` where it has none, because a quote does not close, say.
    pub(in crate::pg) fn of(text: &str) -> Option<Self> {
        let tokens = Tokenizer::new(dreyer_adql::dialect(), text)
            .tokenize_with_location()
            .ok()?;
        let tokens = tokens
            .into_iter()
            .filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF));
        Some(Self {
            tokens: tokens.collect(),
            next: 0,
        })
    }

    /// Whether all has been read.
    pub(in crate::pg) fn at_end(&self) -> bool {
        self.next >= self.tokens.len()
    }

    /// Whether there is one token left.
    pub(in crate::pg) fn is_last(&self) -> bool {
        self.next + 1 == self.tokens.len()
    }

    /// The place in `text` before the next token, in characters, and that in bytes.
    pub(in crate::pg) fn offset(&self, text: &str) -> (usize, usize) {
        let Some(token) = self.tokens.get(self.next) else {
            return (text.chars().count(), text.len());
        };
        let characters = dreyer_adql::char_offset(text, token.span.start).saturating_sub(1);
        let bytes = text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at);
        (characters, bytes)
    }

    /// Passes over what is in brackets, the first of which has been read, up to the one that closes it.
    pub(in crate::pg) fn pass_brackets(&mut self) -> Result<()> {
        let mut depth = 1;
        loop {
            match self.peek() {
                Some(Token::LParen) => depth += 1,
                Some(Token::RParen) => depth -= 1,
                Some(_) => {}
                None => return Err(self.unexpected()),
            }
            if depth == 0 {
                return Ok(());
            }
            self.next += 1;
        }
    }

    /// A name as it is spelt.
    pub(in crate::pg) fn ident(&mut self) -> Result<Ident> {
        let ident = match self.peek() {
            Some(Token::Word(word)) => match word.quote_style {
                Some(quote) => Ident::with_quote(quote, word.value.clone()),
                None => Ident::new(word.value.clone()),
            },
            _ => return Err(self.unexpected()),
        };
        self.next += 1;
        Ok(ident)
    }

    /// A text in quotes.
    pub(in crate::pg) fn literal(&mut self) -> Result<String> {
        let text = match self.peek() {
            Some(
                Token::SingleQuotedString(text)
                | Token::EscapedStringLiteral(text)
                | Token::NationalStringLiteral(text)
                | Token::UnicodeStringLiteral(text),
            ) => text.clone(),
            _ => return Err(self.unexpected()),
        };
        self.next += 1;
        Ok(text)
    }

    /// A whole number.
    pub(in crate::pg) fn whole(&mut self) -> Result<i64> {
        let minus = self.take_token(&Token::Minus);
        if !minus {
            self.take_token(&Token::Plus);
        }
        let number = match self.peek() {
            Some(Token::Number(number, _)) => number.parse::<i64>().ok(),
            _ => None,
        };
        let number = number.ok_or_else(|| self.unexpected())?;
        self.next += 1;
        Ok(if minus { -number } else { number })
    }

    pub(in crate::pg) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|token| &token.token)
    }

    /// Takes the next token if it is this word, unquoted.
    pub(in crate::pg) fn take(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(found))
            if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word));
        self.next += usize::from(found);
        found
    }

    /// Takes the next tokens if they are these words.
    pub(in crate::pg) fn take_all(&mut self, words: &[&str]) -> bool {
        let start = self.next;
        let found = words.iter().all(|word| self.take(word));
        if !found {
            self.next = start;
        }
        found
    }

    pub(in crate::pg) fn take_token(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.next += usize::from(found);
        found
    }

    pub(in crate::pg) fn expect(&mut self, word: &str) -> Result<()> {
        if self.take(word) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// A name: folded to lower case unless quoted.
    pub(in crate::pg) fn name(&mut self) -> Result<String> {
        let name = match self.peek() {
            Some(Token::Word(word)) if word.quote_style.is_some() => word.value.clone(),
            Some(Token::Word(word)) => word.value.to_lowercase(),
            _ => return Err(self.unexpected()),
        };
        self.next += 1;
        Ok(name)
    }

    /// The name of a setting, with dots.
    pub(in crate::pg) fn setting(&mut self) -> Result<String> {
        let mut name = self.name()?;
        while self.take_token(&Token::Period) {
            name = format!("{name}.{}", self.name()?);
        }
        Ok(name)
    }

    /// One value of SET: a word, a literal or a number.
    pub(in crate::pg) fn value(&mut self) -> Result<String> {
        let minus = self.take_token(&Token::Minus);
        let plus = !minus && self.take_token(&Token::Plus);
        let value = match self.peek() {
            Some(Token::Number(number, _)) => format!("{}{number}", if minus { "-" } else { "" }),
            Some(Token::Word(word)) if !minus && !plus => word.value.clone(),
            Some(
                Token::SingleQuotedString(text)
                | Token::EscapedStringLiteral(text)
                | Token::NationalStringLiteral(text)
                | Token::UnicodeStringLiteral(text),
            ) if !minus && !plus => text.clone(),
            _ => return Err(self.unexpected()),
        };
        self.next += 1;
        Ok(value)
    }

    pub(in crate::pg) fn unexpected(&self) -> Error {
        match self.tokens.get(self.next) {
            Some(token) => Error::new(
                ErrorKind::Syntax,
                format!("syntax error at or near \"{}\"", token.token),
            )
            .at(Place::Span(token.span)),
            None => Error::new(ErrorKind::Syntax, "syntax error at end of input"),
        }
    }

    /// AND [NO] CHAIN.
    pub(in crate::pg) fn chain(&mut self) -> Result<bool> {
        let _ = self.take("work") || self.take("transaction");
        if !self.take("and") {
            return Ok(false);
        }
        let chain = !self.take("no");
        self.expect("chain")?;
        Ok(chain)
    }
}
