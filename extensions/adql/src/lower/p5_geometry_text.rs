//! Pass 5: geometry written as text becomes a call.
//!
//! Before: `CAST('12.3 45.6 1' AS CIRCLE)`, `REGION('Circle ICRS 12.3 45.6 1')`. After: `CIRCLE(12.3,
//! 45.6, 1)`. Only literals: what stands in a column cannot be read here, and stays a CAST.
//!
//! The text of a CAST is the serialisation of DALI 1.1 §3.3; that of REGION is STC-S (IVOA Note
//! 2007-10-30) reduced to what ADQL services have in common: one shape, a frame that labels ICRS,
//! and degrees.

use sqlparser::ast::{
    CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    ObjectName, ObjectNamePart, UnaryOperator, Value, VisitorMut,
};
use sqlparser::tokenizer::Span;

use super::p1_coordinate_system::is_icrs;
use super::{Broken, step};
use crate::{Error, call};

pub(super) struct Pass;

/// A shape: its function, how many numbers it takes (for a polygon: at least), its name in STC-S.
struct Shape(&'static str, usize, &'static str);

const SHAPES: &[Shape] = &[
    Shape("POINT", 2, "POSITION"),
    Shape("CIRCLE", 3, "CIRCLE"),
    Shape("BOX", 4, "BOX"),
    Shape("POLYGON", 6, "POLYGON"),
];

impl VisitorMut for Pass {
    type Break = Box<Error>;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> Broken {
        let made = match expr {
            Expr::Cast {
                kind: CastKind::Cast | CastKind::DoubleColon,
                expr,
                data_type,
                ..
            } => cast(expr, data_type),
            Expr::Function(function) => region(function),
            _ => Ok(None),
        };
        step(made.map(|made| {
            if let Some(made) = made {
                *expr = made;
            }
        }))
    }
}

fn cast(expr: &Expr, data_type: &DataType) -> Result<Option<Expr>, Error> {
    let DataType::Custom(name, arguments) = data_type else {
        return Ok(None);
    };
    let (true, [ObjectNamePart::Identifier(ident)]) = (arguments.is_empty(), name.0.as_slice()) else {
        return Ok(None);
    };
    let Some(shape) = SHAPES
        .iter()
        .find(|Shape(function, ..)| ident.value.eq_ignore_ascii_case(function))
    else {
        return Ok(None);
    };
    match call::literal(expr) {
        Some((Value::SingleQuotedString(text), span)) => {
            let words: Vec<&str> = text.split_whitespace().collect();
            shaped(shape, &words, text, span).map(Some)
        }
        _ => Ok(None),
    }
}

fn region(function: &Function) -> Result<Option<Expr>, Error> {
    let (Some("region"), Some(list)) = (call::name(function).as_deref(), call::plain_list(function)) else {
        return Ok(None);
    };
    let (1, Some((Value::SingleQuotedString(text), span))) =
        (list.args.len(), call::positional(&list.args, 0).and_then(call::literal))
    else {
        return Ok(None);
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let Some((first, rest)) = words.split_first() else {
        return Err(Error::region_shape(text, span));
    };
    let Some(shape) = SHAPES.iter().find(|Shape(_, _, stc)| first.eq_ignore_ascii_case(stc)) else {
        return Err(Error::region_shape(text, span));
    };
    let frame = rest.iter().take_while(|word| number(word).is_none()).count();
    let (frame, rest) = rest.split_at(frame);
    let frame = frame.join(" ");
    if !is_icrs(&frame) {
        return Err(Error::coordinate_system("REGION", &frame, span));
    }
    let numbers = match rest {
        [numbers @ .., unit, degrees] if unit.eq_ignore_ascii_case("unit") && degrees.eq_ignore_ascii_case("deg") => {
            numbers
        }
        all => all,
    };
    shaped(shape, numbers, text, span).map(Some)
}

/// The call of a shape with these numbers.
fn shaped(Shape(function, count, _): &Shape, words: &[&str], text: &str, span: Span) -> Result<Expr, Error> {
    let numbers: Option<Vec<Expr>> = words.iter().map(|word| number(word)).collect();
    let fits = |given: usize| match *function {
        "POLYGON" => given >= *count && given.is_multiple_of(2),
        _ => given == *count,
    };
    match numbers.filter(|numbers| fits(numbers.len())) {
        Some(numbers) => Ok(calling(function, numbers, span)),
        None => Err(Error::geometry_text(function, *count, text, span)),
    }
}

/// A finite decimal number, as a literal with its sign in front.
fn number(word: &str) -> Option<Expr> {
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    let plain = digits.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    digits.parse::<f64>().ok().filter(|value| plain && value.is_finite())?;
    let literal = Expr::value(Value::Number(digits.to_owned(), false));
    Some(match word.starts_with('-') {
        true => Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr: Box::new(literal),
        },
        false => literal,
    })
}

fn calling(name: &str, arguments: Vec<Expr>, span: Span) -> Expr {
    let args = arguments
        .into_iter()
        .map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)))
        .collect();
    Expr::Function(Function {
        name: ObjectName::from(Ident {
            value: name.to_owned(),
            quote_style: None,
            span,
        }),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: vec![],
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}

#[cfg(test)]
mod tests {
    use crate::lower::testing::adql;

    fn geometry(expr: &str) -> String {
        adql(&format!("SELECT {expr} FROM t"))
            .replacen("SELECT ", "", 1)
            .replacen(" FROM t", "", 1)
    }

    #[test]
    fn casts() {
        assert_eq!(geometry("CAST('12.3 -45.6' AS POINT)"), "POINT(12.3, -45.6)");
        assert_eq!(geometry("CAST(' 1e1  +2 .5 ' AS Circle)"), "CIRCLE(1e1, 2, .5)");
        assert_eq!(geometry("CAST('1 0 2 0 3 1' AS POLYGON)"), "POLYGON(1, 0, 2, 0, 3, 1)");
        assert_eq!(geometry("'12.3 45.6'::point"), "POINT(12.3, 45.6)");
        assert_eq!(geometry("CAST(s_region AS POLYGON)"), "CAST(s_region AS POLYGON)");
        assert_eq!(geometry("CAST('1 2' AS VARCHAR)"), "CAST('1 2' AS VARCHAR)");
    }

    #[test]
    fn regions() {
        assert_eq!(geometry("REGION('Circle ICRS 12.3 -45.6 1')"), "CIRCLE(12.3, -45.6, 1)");
        assert_eq!(geometry("REGION('POSITION 1 2')"), "POINT(1, 2)");
        assert_eq!(
            geometry("REGION('box fk5 TOPOCENTER 1 2 3 4 unit deg')"),
            "BOX(1, 2, 3, 4)"
        );
        assert_eq!(
            geometry("CONTAINS(p, REGION('Polygon ICRS 1 2 3 4 5 6')) = 1"),
            "sky_contains(p, POLYGON(1, 2, 3, 4, 5, 6))"
        );
        assert_eq!(geometry("REGION(s_region)"), "REGION(s_region)");
    }

    #[test]
    fn faults() {
        insta::assert_snapshot!(adql("SELECT CAST('12.3' AS POINT)"), @r"
        POINT as text is 2 numbers, got '12.3'
        LINE 1: SELECT CAST('12.3' AS POINT)
                            ^~~~~~
        HINT: write degrees with spaces between: longitude, latitude, then sizes
        ");
        insta::assert_snapshot!(adql("SELECT CAST('1 2 3 4 5' AS POLYGON)"), @r"
        POLYGON as text is an even number of numbers, at least 6, got '1 2 3 4 5'
        LINE 1: SELECT CAST('1 2 3 4 5' AS POLYGON)
                            ^~~~~~~~~~~
        HINT: write degrees with spaces between: longitude, latitude, then sizes
        ");
        insta::assert_snapshot!(adql("SELECT CAST('1 2 inf' AS CIRCLE)"), @r"
        CIRCLE as text is 3 numbers, got '1 2 inf'
        LINE 1: SELECT CAST('1 2 inf' AS CIRCLE)
                            ^~~~~~~~~
        HINT: write degrees with spaces between: longitude, latitude, then sizes
        ");
        insta::assert_snapshot!(adql("SELECT REGION('Union ICRS (Circle 1 2 3)')"), @r"
        REGION cannot read 'Union ICRS (Circle 1 2 3)'
        LINE 1: SELECT REGION('Union ICRS (Circle 1 2 3)')
                              ^~~~~~~~~~~~~~~~~~~~~~~~~~~
        HINT: write Position, Circle, Box or Polygon, a frame, and numbers in degrees: REGION('Circle ICRS 10 20 1')
        ");
        insta::assert_snapshot!(adql("SELECT REGION('Circle GALACTIC 1 2 3')"), @r"
        REGION takes ICRS degrees; 'GALACTIC' is not a coordinate system it can label
        LINE 1: SELECT REGION('Circle GALACTIC 1 2 3')
                              ^~~~~~~~~~~~~~~~~~~~~~~
        HINT: coordinates are never converted silently: leave the argument out for ICRS, or convert with ivo_geom_transform('GALACTIC', 'ICRS', POINT(l, b))
        ");
        insta::assert_snapshot!(adql("SELECT REGION('Circle ICRS 1 2 3 unit arcmin')"), @r"
        CIRCLE as text is 3 numbers, got 'Circle ICRS 1 2 3 unit arcmin'
        LINE 1: SELECT REGION('Circle ICRS 1 2 3 unit arcmin')
                              ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
        HINT: write degrees with spaces between: longitude, latitude, then sizes
        ");
        insta::assert_snapshot!(adql("SELECT REGION('')"), @r"
        REGION cannot read ''
        LINE 1: SELECT REGION('')
                              ^~
        HINT: write Position, Circle, Box or Polygon, a frame, and numbers in degrees: REGION('Circle ICRS 10 20 1')
        ");
    }
}
