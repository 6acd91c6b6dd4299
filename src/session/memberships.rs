//! `GRANT role TO user` and its REVOKE, as PostgreSQL spells them: the parser knows privileges by their words, and a role
//! may have any name.

use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::ast::{
    Action, Grant, Grantee, GranteeName, GranteesType, Ident, ObjectName, Privileges, Revoke, Statement,
};
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::users::PUBLIC;

/// The statement, if that is what the text is.
pub(super) fn parse(text: &str) -> Option<Ast> {
    let tokens = Tokenizer::new(dreyer_adql::dialect(), text).tokenize().ok()?;
    let tokens: Vec<Token> = tokens
        .into_iter()
        .filter(|token| !matches!(token, Token::Whitespace(_)))
        .collect();
    let mut words = tokens.as_slice();
    let grant = takes(&mut words, "GRANT");
    if !grant && !takes(&mut words, "REVOKE") {
        return None;
    }
    takes(&mut words, "ROLE");
    let roles = list(&mut words)?;
    if !takes(&mut words, if grant { "TO" } else { "FROM" }) {
        return None;
    }
    for word in ["ROLE", "USER", "GROUP"] {
        takes(&mut words, word);
    }
    let members = list(&mut words)?;
    if !words.is_empty() {
        return None;
    }
    let role = |ident| Action::Role {
        role: ObjectName::from(vec![ident]),
    };
    let privileges = Privileges::Actions(roles.into_iter().map(role).collect());
    let grantees = members.into_iter().map(grantee).collect();
    let statement = if grant {
        Statement::Grant(Grant {
            privileges,
            objects: None,
            grantees,
            with_grant_option: false,
            as_grantor: None,
            granted_by: None,
            current_grants: None,
        })
    } else {
        Statement::Revoke(Revoke {
            privileges,
            objects: None,
            grantees,
            granted_by: None,
            cascade: None,
        })
    };
    Some(Ast::Statement(Box::new(statement)))
}

fn grantee(name: Ident) -> Grantee {
    if name.quote_style.is_none() && name.value.eq_ignore_ascii_case(PUBLIC) {
        return Grantee {
            grantee_type: GranteesType::Public,
            name: None,
        };
    }
    Grantee {
        grantee_type: GranteesType::None,
        name: Some(GranteeName::ObjectName(ObjectName::from(vec![name]))),
    }
}

/// Takes the next token if it is this word, unquoted.
fn takes(tokens: &mut &[Token], word: &str) -> bool {
    match tokens.split_first() {
        Some((Token::Word(found), rest)) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word) => {
            *tokens = rest;
            true
        }
        _ => false,
    }
}

/// Names with commas between them.
fn list(tokens: &mut &[Token]) -> Option<Vec<Ident>> {
    let mut names = Vec::new();
    loop {
        let (Token::Word(word), rest) = tokens.split_first()? else {
            return None;
        };
        names.push(Ident {
            value: word.value.clone(),
            quote_style: word.quote_style,
            span: datafusion::sql::sqlparser::tokenizer::Span::empty(),
        });
        *tokens = rest;
        match tokens.split_first() {
            Some((Token::Comma, rest)) => *tokens = rest,
            _ => return Some(names),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_may_have_any_name_and_privileges_are_left_to_the_parser() {
        for (text, read) in [
            ("GRANT team TO ada", "GRANT ROLE team TO ada"),
            (
                "grant role a, \"B c\" to ada, Public",
                "GRANT ROLE a, ROLE \"B c\" TO ada, PUBLIC ",
            ),
            (
                "REVOKE pg_read_all_data FROM PUBLIC",
                "REVOKE ROLE pg_read_all_data FROM PUBLIC ",
            ),
            ("REVOKE team FROM USER ada", "REVOKE ROLE team FROM ada"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), read, "{text}");
        }
        for text in [
            "GRANT SELECT ON t TO ada",
            "GRANT team",
            "SELECT 1",
            "GRANT a TO b WITH ADMIN OPTION",
            "REVOKE a TO b",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
