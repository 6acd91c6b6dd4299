//! Which of several spellings an unquoted name means.

use sqlparser::ast::Ident;

use crate::Error;

/// What the planner looks up for a name: unquoted names in lower case.
pub(crate) fn folded(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_ascii_lowercase(),
    }
}

/// Can this name mean that one?
pub(super) fn fits(ident: &Ident, exact: &str) -> bool {
    match ident.quote_style {
        Some(_) => ident.value == exact,
        None => ident.value.eq_ignore_ascii_case(exact),
    }
}

/// What a name means among some spellings.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// None of them.
    Nothing,
    /// This one.
    One(String),
    /// Several that differ in case.
    Several(Vec<String>),
}

/// Chooses among the spellings that [`fits`] accepts: lower case, else as written, else the only one.
pub(super) fn choose<'a>(ident: &Ident, spellings: impl IntoIterator<Item = &'a str>) -> Choice {
    let lower = folded(ident);
    let mut found: Vec<&str> = Vec::new();
    for spelling in spellings {
        if fits(ident, spelling) {
            if spelling == lower {
                return Choice::One(lower);
            }
            if !found.contains(&spelling) {
                found.push(spelling);
            }
        }
    }
    match found.as_slice() {
        [] => Choice::Nothing,
        [only] => Choice::One((*only).to_owned()),
        _ if found.contains(&ident.value.as_str()) => Choice::One(ident.value.clone()),
        _ => Choice::Several(found.into_iter().map(str::to_owned).collect()),
    }
}

/// Spells a name so that the planner looks up `exact`.
pub(super) fn spell(ident: &mut Ident, exact: &str) {
    if folded(ident) != exact {
        exact.clone_into(&mut ident.value);
        ident.quote_style = Some('"');
    }
}

/// Spells a name as chosen.
pub(super) fn apply(ident: &mut Ident, choice: Choice, what: &str) -> Result<(), Error> {
    match choice {
        Choice::Nothing => {}
        Choice::One(exact) => spell(ident, &exact),
        Choice::Several(candidates) => return Err(Error::ambiguous(what, &ident.value, &candidates, ident.span)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preference() {
        let one = |name: &str| Choice::One(name.to_owned());
        assert_eq!(choose(&Ident::new("RA"), ["RA", "ra", "Ra"]), one("ra"));
        assert_eq!(choose(&Ident::new("RA"), ["RA", "Ra"]), one("RA"));
        assert_eq!(choose(&Ident::new("ra"), ["RA", "RA", "dec"]), one("RA"));
        assert_eq!(
            choose(&Ident::new("ra"), ["RA", "Ra"]),
            Choice::Several(vec!["RA".into(), "Ra".into()])
        );
        assert_eq!(choose(&Ident::new("ra"), ["dec"]), Choice::Nothing);
        assert_eq!(choose(&Ident::with_quote('"', "RA"), ["ra", "RA"]), one("RA"));
        assert_eq!(choose(&Ident::with_quote('"', "RA"), ["ra"]), Choice::Nothing);
    }
}
