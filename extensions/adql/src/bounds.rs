//! How long an expression may be. The parser limits nesting, but builds `a + a + a ...` as a tree
//! as deep as the chain is long, and cloning, printing or dropping such a tree takes stack. A text
//! is therefore measured, token by token, before it is parsed.
//!
//! The measure is an upper bound of the depth of the tree: chains of OR, of AND and of tighter
//! operators add up only as far as they nest, commas start anew, and what stands in parentheses
//! counts as one operand of its own depth.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Span, Token};

use crate::Error;

/// The most operators that one expression may chain (a set operator counts for four).
///
/// A thread that handles syntax trees of this depth needs 8 MiB of stack in a build without
/// optimisation.
pub const MAX_OPERATORS: usize = 1_000;

/// The most parentheses open at once; the parser gives up earlier on expressions, not on types.
const MAX_NESTING: usize = 128;

/// How much deeper than an operator of an expression a set operator is.
const SET_OPERATOR: usize = 4;

/// How much deeper than an operator a type within a type is.
const NESTED_TYPE: usize = 8;

/// Words that deepen the tree as an operator sign does.
const OPERATORS: &[Keyword] = &[
    Keyword::AT,
    Keyword::COLLATE,
    Keyword::DIV,
    Keyword::EXPLAIN,
    Keyword::ILIKE,
    Keyword::IN,
    Keyword::IS,
    Keyword::LIKE,
    Keyword::MEMBER,
    Keyword::NOT,
    Keyword::NOTNULL,
    Keyword::OPERATOR,
    Keyword::OVERLAPS,
    Keyword::REGEXP,
    Keyword::RLIKE,
    Keyword::SIMILAR,
    Keyword::XOR,
];

/// The last words of operators of several words: an operand follows.
const OPERATOR_ENDS: &[Keyword] = &[
    Keyword::ALL,
    Keyword::ANY,
    Keyword::ESCAPE,
    Keyword::FROM,
    Keyword::SOME,
    Keyword::TO,
    Keyword::ZONE,
];

/// Measures the tokens of one statement.
#[derive(Debug, Default)]
pub(crate) struct Bounds {
    outer: Vec<Level>,
    here: Level,
    before: Before,
}

/// What stood just before, as far as the meaning of the next word depends on it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Before {
    #[default]
    Operand,
    /// A word in this place is a name, whatever it is.
    Operator,
    Closing,
    Pivot,
    /// `ARRAY`, `STRUCT`: a `<` opens a type within a type.
    Type,
}

/// One level of parentheses (or CASE ... END): how deep its tree is so far.
#[derive(Debug, Default)]
struct Level {
    is_case: bool,
    /// What a CASE adds to: the depth around it, in case its END never comes (it was a name).
    around: usize,
    ors: usize,
    ands: usize,
    tight: usize,
    /// The deepest operand in parentheses.
    inner: usize,
    /// The deepest chain of AND in the current chain of OR, and of others in the current AND.
    deepest_and: usize,
    deepest_tight: usize,
    /// BETWEENs that still want their AND.
    betweens: usize,
    /// The deepest expression before the current one.
    worst: usize,
    sets: usize,
}

impl Level {
    fn end_and(&mut self) {
        self.deepest_tight = self.deepest_tight.max(self.tight);
        self.tight = 0;
    }

    fn end_or(&mut self) {
        self.end_and();
        self.deepest_and = self.deepest_and.max(self.ands + self.deepest_tight);
        (self.ands, self.deepest_tight) = (0, 0);
    }

    fn expression(&self) -> usize {
        self.ors + self.deepest_and.max(self.ands + self.deepest_tight.max(self.tight)) + self.inner
    }

    fn end_expression(&mut self) {
        *self = Self {
            is_case: self.is_case,
            around: self.around,
            worst: self.depth_without_sets(),
            sets: self.sets,
            ..Self::default()
        };
    }

    fn depth_without_sets(&self) -> usize {
        self.worst.max(self.expression())
    }

    fn depth(&self) -> usize {
        self.depth_without_sets() + self.sets * SET_OPERATOR
    }
}

impl Bounds {
    /// Takes note of one significant token.
    pub(crate) fn see(&mut self, token: &Token, span: Span) -> Result<(), Error> {
        self.before = match token {
            Token::LParen | Token::LBracket | Token::LBrace => self.open(*token == Token::LParen),
            Token::RParen | Token::RBracket | Token::RBrace => self.close(),
            Token::Comma => {
                self.here.end_expression();
                Before::Operator
            }
            Token::Word(word) if word.quote_style.is_none() => self.word(word.keyword),
            Token::Period => Before::Operator,
            Token::Word(_) | Token::Number(..) | Token::SingleQuotedString(_) | Token::Placeholder(_) => {
                Before::Operand
            }
            Token::Lt if self.before == Before::Type => {
                self.here.tight += NESTED_TYPE;
                Before::Operator
            }
            _ => self.operator(),
        };
        if self.depth() > MAX_OPERATORS {
            return Err(Error::too_many_operators(MAX_OPERATORS, span));
        }
        if self.outer.len() > MAX_NESTING {
            return Err(Error::too_deep().at(span));
        }
        Ok(())
    }

    fn depth(&self) -> usize {
        self.here.around + self.here.depth()
    }

    fn operator(&mut self) -> Before {
        self.here.tight += 1;
        Before::Operator
    }

    /// Opens a level; `t PIVOT (..) PIVOT (..)` and `int[][]` deepen the tree as operators do.
    fn open(&mut self, parenthesis: bool) -> Before {
        if !parenthesis || matches!(self.before, Before::Closing | Before::Pivot) {
            self.here.tight += 1;
        }
        self.outer.push(std::mem::take(&mut self.here));
        Before::Operator
    }

    fn close(&mut self) -> Before {
        while self.here.is_case {
            self.pop();
        }
        self.pop();
        Before::Closing
    }

    fn pop(&mut self) {
        let depth = self.here.depth();
        self.here = self.outer.pop().unwrap_or_default();
        self.here.inner = self.here.inner.max(depth + 1);
    }

    fn word(&mut self, keyword: Keyword) -> Before {
        let named = self.before == Before::Operator;
        match keyword {
            Keyword::OR => {
                self.here.end_or();
                self.here.ors += 1;
                Before::Operator
            }
            Keyword::AND if self.here.betweens == 0 => {
                self.here.end_and();
                self.here.ands += 1;
                Before::Operator
            }
            Keyword::AND => {
                self.here.betweens -= 1;
                self.operator()
            }
            Keyword::BETWEEN => {
                self.here.betweens += 1;
                self.operator()
            }
            Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::MINUS => {
                self.here.sets += 1;
                Before::Operand
            }
            Keyword::CASE => {
                let around = self.depth() + 1;
                self.outer.push(std::mem::replace(
                    &mut self.here,
                    Level {
                        is_case: true,
                        around,
                        ..Level::default()
                    },
                ));
                Before::Operand
            }
            Keyword::END if self.here.is_case && !named => {
                self.pop();
                Before::Operand
            }
            Keyword::WHEN | Keyword::THEN if self.here.is_case && !named => {
                self.here.end_expression();
                Before::Operand
            }
            word if OPERATOR_ENDS.contains(&word) => Before::Operator,
            Keyword::ARRAY | Keyword::STRUCT => Before::Type,
            Keyword::PIVOT | Keyword::UNPIVOT | Keyword::MATCH_RECOGNIZE => Before::Pivot,
            word if OPERATORS.contains(&word) => self.operator(),
            _ => Before::Operand,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use proptest::prelude::*;
    use sqlparser::ast::Statement;
    use sqlparser::parser::Parser;

    use super::*;
    use crate::{ErrorKind, Language, dialect, lower, parse, split};

    fn kind(sql: &str) -> Option<ErrorKind> {
        split(sql).err().map(|error| error.kind)
    }

    fn chain(link: &str, n: usize) -> String {
        format!("SELECT 1 {} FROM t", link.repeat(n))
    }

    const LINKS: &[&str] = &[
        "+ 1 ",
        "|| 'a' ",
        "OR a = 1 ",
        "OR a BETWEEN 1 AND 2 ",
        "AND x = 1 ",
        "AND f(a, b) = 1 ",
        "::int ",
        "IS NULL ",
        "IS DISTINCT FROM 1 ",
        "COLLATE c ",
        "+ join ",
        "+ t.select ",
        "+ CASE WHEN a THEN b END ",
        "+ CASE end WHEN a THEN b END ",
        "= 1 BETWEEN 1 AND 2 ",
    ];

    #[test]
    fn chains_are_bounded() {
        for link in LINKS {
            assert_eq!(kind(&chain(link, 240)), None, "{link}");
            assert_eq!(
                kind(&chain(link, MAX_OPERATORS + 1)),
                Some(ErrorKind::TooComplex),
                "{link}"
            );
        }
        assert_eq!(kind(&chain("UNION SELECT 1, 2 ", 240)), None);
        assert_eq!(kind(&chain("UNION SELECT 1, 2 ", 260)), Some(ErrorKind::TooComplex));
        assert_eq!(kind(&chain("OR a = 1 AND b < 2 ", 900)), None);
    }

    #[test]
    fn parentheses_carry_their_depth() {
        let left = |n: usize| {
            format!(
                "SELECT {}1{} FROM t",
                "(".repeat(n),
                format!("{})", "+ 1 ".repeat(100)).repeat(n)
            )
        };
        assert_eq!(kind(&left(9)), None);
        assert_eq!(kind(&left(11)), Some(ErrorKind::TooComplex));
    }

    #[test]
    fn lists_are_not() {
        let list = "1, ".repeat(50_000);
        assert_eq!(kind(&format!("SELECT {list} 1 FROM t WHERE a IN ({list} 1)")), None);
        let rows = "(1 + 2, 'a'), ".repeat(20_000);
        assert_eq!(kind(&format!("INSERT INTO t VALUES {rows} (1, 'b')")), None);
        let whens = "WHEN a = 1 AND b = 2 THEN 3 ".repeat(5_000);
        assert_eq!(kind(&format!("SELECT CASE {whens} END FROM t")), None);
        let joins = "JOIN u ON a = b AND c = d ".repeat(200);
        assert_eq!(kind(&format!("SELECT 1 FROM t {joins} WHERE x = 1")), None);
    }

    #[test]
    fn nesting_is_bounded() {
        for (open, close) in [
            ("(", ")"),
            ("CASE WHEN ", " THEN 1 END"),
            ("NULLABLE(", ")"),
            ("[", "]"),
        ] {
            let sql = |n: usize| format!("SELECT {}1{}", open.repeat(n), close.repeat(n));
            assert_eq!(kind(&sql(100)), None, "{open}");
            assert_eq!(kind(&sql(200)), Some(ErrorKind::TooComplex), "{open}");
        }
        let types = format!("SELECT CAST(x AS {}INT{})", "ARRAY<".repeat(100), ">".repeat(100));
        assert_eq!(kind(&types), None);
        on_eight_megabytes(move || parse(&types).is_ok());
        assert_eq!(
            kind(&format!("SELECT CAST(x AS {}INT)", "ARRAY<".repeat(200))),
            Some(ErrorKind::TooComplex)
        );
    }

    fn on_eight_megabytes<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        thread::Builder::new()
            .stack_size(8 << 20)
            .spawn(work)
            .unwrap()
            .join()
            .unwrap()
    }

    /// The longest chain that is let through is parsed, lowered, printed, cloned and dropped.
    #[test]
    fn the_bound_is_safe() {
        let mut links = LINKS.to_vec();
        links.push("UNION SELECT 1 ");
        for link in links {
            let longest = (1..=MAX_OPERATORS)
                .rev()
                .find(|n| kind(&chain(link, *n)).is_none())
                .unwrap();
            on_eight_megabytes(move || {
                // Some of the links are no SQL: then they have no tree either.
                let Ok(mut statements) = parse(&chain(link, longest)) else {
                    return;
                };
                lower(&mut statements[0], Language::Adql).unwrap();
                let copy = statements.clone();
                assert_eq!(copy[0].to_string().len(), statements[0].to_string().len());
            });
        }
    }

    /// The depth of a debug print, which indents what nests.
    fn depth(statement: &Statement) -> usize {
        let printed = format!("{statement:?}");
        let mut depth = 0usize;
        let mut deepest = 0;
        for byte in printed.bytes() {
            match byte {
                b'{' | b'(' | b'[' => depth += 1,
                b'}' | b')' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            deepest = deepest.max(depth);
        }
        deepest
    }

    proptest! {
        /// What repeats without growing the measure does not grow the tree.
        #[test]
        fn no_way_around(words in prop::collection::vec(prop::sample::select(vec![
            "+", "1", "a", "AND", "OR", "NOT", "BETWEEN", "=", "CASE", "WHEN", "THEN", "ELSE", "END", "join", "select", "where",
            "from", "having", ".", "IS", "DISTINCT", "NULL", ",", "::", "int", "[1]", "IN (1)", "(2)", "LIKE", "'x'", "->", "AT TIME ZONE", "SIMILAR TO", "ANY", "COLLATE", "ESCAPE",
        ]), 1..7)) {
            let unit = words.join(" ");
            let measure = |n: usize| {
                let sql = format!("SELECT 1 {} FROM t", format!("{unit} ").repeat(n));
                let tokens = sqlparser::tokenizer::Tokenizer::new(dialect(), &sql).tokenize().ok()?;
                let mut bounds = Bounds::default();
                let seen: Result<Vec<()>, Error> = tokens.iter().filter(|t| !matches!(t, Token::Whitespace(_))).map(|t| bounds.see(t, Span::empty())).collect();
                seen.ok()?;
                let parsed = Parser::parse_sql(dialect(), &sql).ok()?;
                Some((bounds.depth(), depth(parsed.first()?)))
            };
            if let (Some((few, shallow)), Some((many, deep))) = (measure(4), measure(12)) {
                prop_assert!(deep <= shallow + 4 || many > few, "{unit}: {shallow} to {deep} at {few} to {many}");
            }
        }
    }
}
