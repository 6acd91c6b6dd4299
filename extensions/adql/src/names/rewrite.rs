//! The walk that spells the names of a statement.

use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast::{
    AccessExpr, AssignmentTarget, ExcludeSelectItem, Expr, FromTable, FunctionArg, FunctionArgExpr, FunctionArguments,
    Ident, JoinConstraint, ObjectName, ObjectNamePart, Query, Select, SelectItem, SelectItemQualifiedWildcardKind,
    Statement, TableObject, TableWithJoins, VisitorMut, WildcardAdditionalOptions,
};
use sqlparser::tokenizer::Span;

use super::NameScope;
use super::choose::{apply, spell};
use super::frames::{Frames, TableChoice, idents};
use crate::{Error, join};

pub(super) struct Rewriter<'a> {
    frames: Frames<'a>,
    /// Places of names that were dealt with from above (`b` in `a.b[1]`).
    done: HashSet<Span>,
}

type Flow = ControlFlow<Box<Error>>;

fn step(result: Result<(), Error>) -> Flow {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(Box::new(error)),
    }
}

impl VisitorMut for Rewriter<'_> {
    type Break = Box<Error>;

    fn pre_visit_statement(&mut self, statement: &mut Statement) -> Flow {
        self.open_statement(statement);
        step(self.statement(statement))
    }

    fn post_visit_statement(&mut self, _: &mut Statement) -> Flow {
        self.frames.close();
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> Flow {
        self.frames.open_query(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> Flow {
        self.frames.close();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> Flow {
        self.frames.open_select(select);
        step(self.select(select))
    }

    fn post_visit_select(&mut self, _: &mut Select) -> Flow {
        self.frames.close();
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &mut ObjectName) -> Flow {
        step(self.table(name))
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> Flow {
        step(self.expr(expr))
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> Flow {
        if matches!(expr, Expr::Lambda(_)) {
            self.frames.close();
        }
        ControlFlow::Continue(())
    }
}

impl<'a> Rewriter<'a> {
    pub(super) fn new(scope: &'a dyn NameScope) -> Self {
        Self {
            frames: Frames::new(scope),
            done: HashSet::new(),
        }
    }

    fn open_statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Insert(insert) => match &insert.table {
                TableObject::TableName(name) => self.frames.open_tables(&[name], []),
                _ => self.frames.open_tables(&[], []),
            },
            Statement::Update(update) => self.frames.open_tables(&[], [&update.table]),
            Statement::Delete(delete) => {
                let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
                self.frames.open_tables(&[], tables);
            }
            _ => self.frames.open_tables(&[], []),
        }
    }

    /// The names in a statement that are no expressions.
    fn statement(&self, statement: &mut Statement) -> Result<(), Error> {
        match statement {
            Statement::Insert(insert) => insert
                .columns
                .iter_mut()
                .try_for_each(|column| self.column_name(column)),
            Statement::Update(update) => update
                .assignments
                .iter_mut()
                .try_for_each(|assignment| match &mut assignment.target {
                    AssignmentTarget::ColumnName(column) => self.column_name(column),
                    AssignmentTarget::Tuple(columns) => {
                        columns.iter_mut().try_for_each(|column| self.column_name(column))
                    }
                }),
            Statement::Drop { names, .. } => names.iter_mut().try_for_each(|name| self.table(name)),
            _ => Ok(()),
        }
    }

    fn select(&self, select: &mut Select) -> Result<(), Error> {
        for item in &mut select.projection {
            match item {
                SelectItem::Wildcard(options) => self.wildcard(options)?,
                SelectItem::QualifiedWildcard(kind, options) => {
                    if let SelectItemQualifiedWildcardKind::ObjectName(name) = kind {
                        self.qualifier(name);
                    }
                    self.wildcard(options)?;
                }
                _ => {}
            }
        }
        select.from.iter_mut().try_for_each(|table| self.using(table))
    }

    fn wildcard(&self, options: &mut WildcardAdditionalOptions) -> Result<(), Error> {
        if let Some(except) = &mut options.opt_except {
            self.ident(&mut except.first_element)?;
            except
                .additional_elements
                .iter_mut()
                .try_for_each(|column| self.ident(column))?;
        }
        if let Some(replace) = &mut options.opt_replace {
            replace
                .items
                .iter_mut()
                .try_for_each(|item| self.ident(&mut item.column_name))?;
        }
        match &mut options.opt_exclude {
            Some(ExcludeSelectItem::Single(column)) => self.column_name(column),
            Some(ExcludeSelectItem::Multiple(columns)) => {
                columns.iter_mut().try_for_each(|column| self.column_name(column))
            }
            None => Ok(()),
        }
    }

    fn using(&self, table: &mut TableWithJoins) -> Result<(), Error> {
        for join in &mut table.joins {
            if let Some(JoinConstraint::Using(columns)) = join::constraint(&mut join.join_operator) {
                columns.iter_mut().try_for_each(|column| self.column_name(column))?;
            }
        }
        Ok(())
    }

    fn expr(&mut self, expr: &mut Expr) -> Result<(), Error> {
        match expr {
            Expr::Identifier(ident) if !self.done.contains(&ident.span) => self.ident(ident),
            Expr::CompoundIdentifier(parts) => self.compound(&mut parts.iter_mut().collect::<Vec<_>>()),
            Expr::CompoundFieldAccess { root, access_chain } => {
                let mut parts: Vec<&mut Ident> = match root.as_mut() {
                    Expr::Identifier(ident) => vec![ident],
                    Expr::CompoundIdentifier(parts) => parts.iter_mut().collect(),
                    _ => vec![],
                };
                let mut leading = true;
                for access in access_chain.iter_mut() {
                    match access {
                        AccessExpr::Dot(Expr::Identifier(ident)) => {
                            // A field, unless the parts before it name a table.
                            self.done.extend((ident.span != Span::empty()).then_some(ident.span));
                            if leading && !parts.is_empty() {
                                parts.push(ident);
                            }
                        }
                        _ => leading = false,
                    }
                }
                match parts.as_mut_slice() {
                    [] => Ok(()),
                    parts => {
                        let result = self.compound(parts);
                        self.done
                            .extend(parts.iter().map(|part| part.span).filter(|span| *span != Span::empty()));
                        result
                    }
                }
            }
            Expr::Function(function) => {
                if let FunctionArguments::List(list) = &mut function.args {
                    for arg in &mut list.args {
                        if let FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(name)) = arg {
                            self.qualifier(name);
                        }
                    }
                }
                Ok(())
            }
            Expr::Lambda(lambda) => {
                self.frames.open_parameters(
                    lambda
                        .params
                        .iter()
                        .map(|parameter| parameter.name.value.clone())
                        .collect(),
                );
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn ident(&self, ident: &mut Ident) -> Result<(), Error> {
        let choice = self.frames.column(ident);
        apply(ident, choice, "column")
    }

    /// `table.column.field`, or `column.field`.
    fn compound(&self, parts: &mut [&mut Ident]) -> Result<(), Error> {
        let copies: Vec<Ident> = parts.iter().map(|part| (**part).clone()).collect();
        let Some(found) = self.frames.compound(&copies) else {
            return match parts.first_mut() {
                Some(first) => self.ident(first),
                None => Ok(()),
            };
        };
        for (part, exact) in parts.iter_mut().zip(&found.qualifier) {
            spell(part, exact);
        }
        match parts.get_mut(found.qualifier.len()) {
            Some(column) => apply(column, found.column, "column"),
            None => Ok(()),
        }
    }

    /// A column written as a name of one part or more.
    fn column_name(&self, name: &mut ObjectName) -> Result<(), Error> {
        let mut parts = idents_mut(name);
        match parts.as_mut_slice() {
            [single] => self.ident(single),
            parts => self.compound(parts),
        }
    }

    /// `t` in `t.*`.
    fn qualifier(&self, name: &mut ObjectName) {
        let Some(relation) = self.frames.relation(&idents(name)) else {
            return;
        };
        for (part, exact) in idents_mut(name).into_iter().rev().zip(relation.qualifier.iter().rev()) {
            spell(part, exact);
        }
    }

    fn table(&self, name: &mut ObjectName) -> Result<(), Error> {
        let parts = idents(name);
        match self.frames.table(&parts) {
            TableChoice::Nothing => {}
            TableChoice::Found(exact) => {
                let schema = self.frames.schema_of(&exact);
                idents_mut(name)
                    .into_iter()
                    .zip(&exact)
                    .for_each(|(part, exact)| spell(part, exact));
                if let Some(schema) = schema {
                    let schema = Ident {
                        // Faults of the whole name lie where the name was written.
                        span: parts.first().map_or(Span::empty(), |part| part.span),
                        ..Ident::with_quote('"', schema)
                    };
                    name.0.insert(0, ObjectNamePart::Identifier(schema));
                }
            }
            TableChoice::Several(candidates) => {
                let span = parts.iter().fold(Span::empty(), |span, part| span.union(&part.span));
                return Err(Error::ambiguous("table", &name.to_string(), &candidates, span));
            }
        }
        Ok(())
    }
}

fn idents_mut(name: &mut ObjectName) -> Vec<&mut Ident> {
    name.0
        .iter_mut()
        .filter_map(|part| match part {
            ObjectNamePart::Identifier(ident) => Some(ident),
            ObjectNamePart::Function(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::names::{NameScope, resolve_names};
    use crate::{caret, parse};

    /// Tables by name, with their columns.
    struct Sky;

    const TABLES: &[(&[&str], &[&str])] = &[
        (&["gaia"], &["source_id", "ra", "dec", "RAJ2000"]),
        (&["SSObject"], &["ssObjectId", "ra", "psfFlux"]),
        (&["dp1", "Object"], &["objectId", "coord_ra", "Flux", "flux"]),
        (&["twins"], &["Mag", "MAG", "id"]),
        (&["Twin"], &["a"]),
        (&["TWIN"], &["b"]),
        (&["lc"], &["mag", "M", "meta"]),
    ];

    impl NameScope for Sky {
        fn tables(&self, name: &[String]) -> Option<Vec<String>> {
            let found = TABLES.iter().find(|(table, _)| *table == name)?;
            Some(found.1.iter().map(ToString::to_string).collect())
        }

        fn candidates(&self, name: &[String]) -> Vec<Vec<String>> {
            let same = |table: &&&[&str]| {
                table.len() == name.len() && table.iter().zip(name).all(|(a, b)| a.eq_ignore_ascii_case(b))
            };
            TABLES
                .iter()
                .map(|(table, _)| table)
                .filter(same)
                .map(|t| t.iter().map(ToString::to_string).collect())
                .collect()
        }
    }

    fn resolved(sql: &str) -> String {
        let mut statements = parse(sql).unwrap();
        match statements
            .iter_mut()
            .try_for_each(|statement| resolve_names(statement, &Sky))
        {
            Ok(()) => {
                let once = statements[0].to_string();
                resolve_names(&mut statements[0], &Sky).unwrap();
                assert_eq!(statements[0].to_string(), once);
                once
            }
            Err(error) => format!(
                "{}\n{}\nHINT: {}",
                error.message,
                caret(sql, error.span.unwrap()),
                error.hint.unwrap()
            ),
        }
    }

    #[track_caller]
    fn check(sql: &str, expected: &str) {
        assert_eq!(resolved(sql), expected);
    }

    #[track_caller]
    fn unchanged(sql: &str) {
        check(sql, sql);
    }

    /// A user's own schema beside the one that names mean by default.
    struct Home;

    impl NameScope for Home {
        fn tables(&self, name: &[String]) -> Option<Vec<String>> {
            let known = [&["gaia"][..], &["mine"], &["ada", "mine"]];
            known
                .contains(&name.iter().map(String::as_str).collect::<Vec<_>>().as_slice())
                .then(|| vec!["ra".to_owned()])
        }

        fn schema_of(&self, name: &str) -> Option<String> {
            (name == "mine").then(|| "ada".to_owned())
        }
    }

    #[test]
    fn a_table_of_the_users_own_schema_gets_its_schema() {
        for (sql, expected) in [
            (
                "SELECT mine.ra FROM mine, gaia",
                "SELECT mine.ra FROM \"ada\".mine, gaia",
            ),
            ("SELECT m.ra FROM Mine AS m", "SELECT m.ra FROM \"ada\".Mine AS m"),
            ("SELECT ra FROM ada.mine", "SELECT ra FROM ada.mine"),
            (
                "WITH mine AS (SELECT 1 AS a) SELECT a FROM mine",
                "WITH mine AS (SELECT 1 AS a) SELECT a FROM mine",
            ),
            (
                "WITH m AS (SELECT ra FROM mine) SELECT (SELECT max(ra) FROM mine) FROM m",
                "WITH m AS (SELECT ra FROM \"ada\".mine) SELECT (SELECT max(ra) FROM \"ada\".mine) FROM m",
            ),
            (
                "INSERT INTO mine (ra) SELECT ra FROM mine",
                "INSERT INTO \"ada\".mine (ra) SELECT ra FROM \"ada\".mine",
            ),
        ] {
            let mut statements = parse(sql).unwrap();
            resolve_names(&mut statements[0], &Home).unwrap();
            assert_eq!(statements[0].to_string(), expected);
        }
    }

    #[test]
    fn tables_and_columns() {
        unchanged("SELECT RA, Source_ID FROM Gaia WHERE GAIA.DEC > 0");
        check("SELECT raj2000 FROM gaia", r#"SELECT "RAJ2000" FROM gaia"#);
        check(
            "SELECT RAJ2000 AS RA FROM gaia AS G WHERE g.raj2000 > 1",
            r#"SELECT "RAJ2000" AS RA FROM gaia AS G WHERE g."RAJ2000" > 1"#,
        );
        check("SELECT * FROM ssobject", r#"SELECT * FROM "SSObject""#);
        check(
            "SELECT ssobject.*, s.psfflux FROM SSObject, SSObject s",
            r#"SELECT "SSObject".*, s."psfFlux" FROM "SSObject", "SSObject" s"#,
        );
        check(
            "SELECT objectid, flux FROM DP1.object",
            r#"SELECT "objectId", flux FROM dp1."Object""#.replace("dp1.", "DP1.").as_str(),
        );
        check(
            "SELECT dp1.object.FLUX, Object.objectID FROM dp1.object",
            r#"SELECT dp1."Object".FLUX, "Object"."objectId" FROM dp1."Object""#,
        );
        check(
            "SELECT COUNT(s.*) FROM ssobject \"S\"",
            r#"SELECT COUNT("S".*) FROM "SSObject" "S""#,
        );
        unchanged(r#"SELECT "Flux", Flux FROM dp1."Object""#);
    }

    #[test]
    fn what_is_quoted_or_unknown_stays() {
        unchanged(r#"SELECT "raj2000" FROM gaia"#);
        unchanged(r#"SELECT "SSOBJECT".Ra FROM "SSOBJECT""#);
        unchanged("SELECT PsfFlux FROM nowhere");
        unchanged("SELECT PsfFlux, x.PsfFlux FROM generate_series(1, 2) AS x");
        unchanged("SET search_path = SSObject");
        unchanged("SELECT current_user, Nothing FROM gaia");
    }

    #[test]
    fn ambiguity() {
        unchanged("SELECT Flux FROM dp1.\"Object\"");
        check("SELECT MAG FROM twins", r#"SELECT "MAG" FROM twins"#);
        insta::assert_snapshot!(resolved("SELECT t.id,\n t.mag FROM twins t"), @r#"
        column mag could be "Mag" or "MAG"
        LINE 2:  t.mag FROM twins t
                   ^~~
        HINT: put the one you mean in double quotes
        "#);
        insta::assert_snapshot!(resolved("SELECT * FROM twin"), @r#"
        table twin could be "TWIN" or "Twin"
        LINE 1: SELECT * FROM twin
                              ^~~~
        HINT: put the one you mean in double quotes
        "#);
        check("SELECT * FROM Twin", r#"SELECT * FROM "Twin""#);
    }

    #[test]
    fn derived_tables_and_ctes() {
        check(
            "SELECT s.psfflux FROM (SELECT psfflux FROM ssobject) AS S",
            r#"SELECT s."psfFlux" FROM (SELECT "psfFlux" FROM "SSObject") AS S"#,
        );
        check(
            "SELECT psfflux FROM (SELECT psfflux AS PsfFlux FROM ssobject) AS s",
            r#"SELECT psfflux FROM (SELECT "psfFlux" AS PsfFlux FROM "SSObject") AS s"#,
        );
        check(
            "SELECT PSFFLUX FROM (SELECT * FROM ssobject) s",
            r#"SELECT "psfFlux" FROM (SELECT * FROM "SSObject") s"#,
        );
        check(
            "SELECT a, RAJ2000 FROM (SELECT raj2000, ra FROM gaia) s (a)",
            r#"SELECT a, RAJ2000 FROM (SELECT "RAJ2000", ra FROM gaia) s (a)"#,
        );
        check(
            "WITH Big AS (SELECT psfflux FROM ssobject) SELECT big.PSFFLUX FROM BIG",
            r#"WITH Big AS (SELECT "psfFlux" FROM "SSObject") SELECT big."psfFlux" FROM BIG"#,
        );
        check(
            "WITH \"Big\" AS (SELECT ra FROM gaia), y AS (SELECT * FROM big) SELECT Big.ra, y.ra FROM BIG, y",
            r#"WITH "Big" AS (SELECT ra FROM gaia), y AS (SELECT * FROM "Big") SELECT "Big".ra, y.ra FROM "Big", y"#,
        );
        unchanged("WITH ssobject AS (SELECT ra FROM gaia) SELECT PsfFlux FROM SSObject");
        check(
            "WITH t (x, y) AS (SELECT raj2000, ra FROM gaia) SELECT x, RAJ2000 FROM t",
            r#"WITH t (x, y) AS (SELECT "RAJ2000", ra FROM gaia) SELECT x, RAJ2000 FROM t"#,
        );
        check(
            "(SELECT psfflux FROM ssobject) UNION SELECT raj2000 FROM gaia ORDER BY PSFFLUX",
            r#"(SELECT "psfFlux" FROM "SSObject") UNION SELECT "RAJ2000" FROM gaia ORDER BY "psfFlux""#,
        );
    }

    #[test]
    fn clauses() {
        check(
            "SELECT psfflux AS f, COUNT(*) FROM ssobject WHERE PSFFLUX > 1 GROUP BY PsfFlux HAVING MAX(psfflux) > 2 ORDER BY psfflux, F",
            r#"SELECT "psfFlux" AS f, COUNT(*) FROM "SSObject" WHERE "psfFlux" > 1 GROUP BY "psfFlux" HAVING MAX("psfFlux") > 2 ORDER BY "psfFlux", F"#,
        );
        check(
            "SELECT Flux AS \"X\" FROM dp1.\"Object\" ORDER BY x",
            r#"SELECT Flux AS "X" FROM dp1."Object" ORDER BY "X""#,
        );
        check(
            "SELECT * FROM ssobject a JOIN ssobject b USING (SSObjectID) LEFT JOIN gaia ON raj2000 = a.psfflux",
            r#"SELECT * FROM "SSObject" a JOIN "SSObject" b USING("ssObjectId") LEFT JOIN gaia ON "RAJ2000" = a."psfFlux""#,
        );
        check(
            "SELECT * EXCEPT (raj2000) FROM gaia",
            r#"SELECT * EXCEPT ("RAJ2000") FROM gaia"#,
        );
        check(
            "SELECT g.* EXCLUDE (raj2000, ra) FROM gaia g",
            r#"SELECT g.* EXCLUDE ("RAJ2000", ra) FROM gaia g"#,
        );
        check(
            "SELECT ra FROM gaia AS G WHERE EXISTS (SELECT 1 FROM ssobject WHERE psfflux = g.RAJ2000 AND Raj2000 > 1)",
            r#"SELECT ra FROM gaia AS G WHERE EXISTS (SELECT 1 FROM "SSObject" WHERE "psfFlux" = g."RAJ2000" AND "RAJ2000" > 1)"#,
        );
    }

    #[test]
    fn lambdas_fields_and_json() {
        check(
            "SELECT array_filter(mag, m -> m < 18), m FROM lc",
            r#"SELECT array_filter(mag, m -> m < 18), "M" FROM lc"#,
        );
        check("SELECT meta -> 'a', m FROM lc", r#"SELECT meta -> 'a', "M" FROM lc"#);
        check(
            "SELECT LC.m[1], m[1].m, lc.meta.m FROM lc",
            r#"SELECT LC."M"[1], "M"[1].m, lc.meta.m FROM lc"#,
        );
    }

    #[test]
    fn other_statements() {
        check(
            "INSERT INTO ssobject (psfflux) SELECT raj2000 FROM gaia",
            r#"INSERT INTO "SSObject" ("psfFlux") SELECT "RAJ2000" FROM gaia"#,
        );
        check(
            "UPDATE ssobject SET psfflux = Psfflux + 1 WHERE ssobjectid = 1",
            r#"UPDATE "SSObject" SET "psfFlux" = "psfFlux" + 1 WHERE "ssObjectId" = 1"#,
        );
        check(
            "DELETE FROM ssobject WHERE psfflux < 0",
            r#"DELETE FROM "SSObject" WHERE "psfFlux" < 0"#,
        );
        check("DROP TABLE ssobject", r#"DROP TABLE "SSObject""#);
        check(
            "CREATE VIEW v AS SELECT psfflux FROM ssobject",
            r#"CREATE VIEW v AS SELECT "psfFlux" FROM "SSObject""#,
        );
        check(
            "EXPLAIN SELECT psfflux FROM ssobject",
            r#"EXPLAIN SELECT "psfFlux" FROM "SSObject""#,
        );
    }
}
