//! What can be named where: one frame per query, SELECT, statement and lambda, innermost last.

use sqlparser::ast::{
    Cte, Expr, Ident, ObjectName, ObjectNamePart, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    TableAlias, TableFactor, TableWithJoins,
};

use super::NameScope;
use super::choose::{Choice, choose, fits, folded};

/// A table, CTE or derived table as the expressions of its SELECT see it.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    /// The parts by which its columns can be qualified: an alias, or the table's whole name.
    pub(super) qualifier: Vec<String>,
    /// Its columns, as far as they are known.
    pub(super) columns: Vec<String>,
}

/// The names that one level of a statement adds.
#[derive(Debug, Default)]
pub(super) struct Frame {
    ctes: Vec<Relation>,
    relations: Vec<Relation>,
    /// The names of the select list.
    outputs: Vec<String>,
    /// ORDER BY looks at the select list first, everything else at the tables.
    outputs_first: bool,
    /// Parameters of a lambda: they hide everything outside.
    parameters: Vec<String>,
}

/// The frames that are open, and the catalogue behind them.
pub(super) struct Frames<'a> {
    scope: &'a dyn NameScope,
    open: Vec<Frame>,
}

impl<'a> Frames<'a> {
    pub(super) fn new(scope: &'a dyn NameScope) -> Self {
        Self {
            scope,
            open: Vec::new(),
        }
    }

    pub(super) fn close(&mut self) {
        self.open.pop();
    }

    pub(super) fn open_parameters(&mut self, parameters: Vec<String>) {
        self.open.push(Frame {
            parameters,
            ..Frame::default()
        });
    }

    /// The frame of a statement that names tables outside any query (INSERT, UPDATE, DELETE).
    pub(super) fn open_tables<'t>(
        &mut self,
        names: &[&ObjectName],
        tables: impl IntoIterator<Item = &'t TableWithJoins>,
    ) {
        self.open.push(Frame::default());
        let mut relations: Vec<Relation> = names.iter().map(|name| self.named(name, None)).collect();
        for table in tables {
            self.relations_of(table, &mut relations);
        }
        self.top(|frame| frame.relations = relations);
    }

    /// The frame of a query: its CTEs, and what its ORDER BY sees.
    pub(super) fn open_query(&mut self, query: &Query) {
        self.open.push(Frame {
            outputs_first: true,
            ..Frame::default()
        });
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.add_cte(cte, query.with.as_ref().is_some_and(|with| with.recursive));
        }
        let mut first = true;
        let mut parts = vec![query.body.as_ref()];
        while let Some(part) = parts.pop() {
            match part {
                SetExpr::SetOperation { left, right, .. } => parts.extend([right.as_ref(), left.as_ref()]),
                SetExpr::Select(select) => {
                    self.open_select(select);
                    let inner = self.open.pop().unwrap_or_default();
                    self.top(|frame| {
                        frame.relations.extend(inner.relations);
                        if first {
                            frame.outputs = inner.outputs;
                        }
                    });
                    first = false;
                }
                SetExpr::Query(inner) if first => {
                    let outputs = self.outputs_of(inner);
                    self.top(|frame| frame.outputs = outputs);
                    first = false;
                }
                _ => first = false,
            }
        }
    }

    /// The frame of a SELECT: its FROM, and its select list.
    pub(super) fn open_select(&mut self, select: &Select) {
        self.open.push(Frame::default());
        let mut relations = Vec::new();
        for table in &select.from {
            self.relations_of(table, &mut relations);
        }
        self.top(|frame| frame.relations = relations);
        let outputs = select
            .projection
            .iter()
            .flat_map(|item| self.outputs_of_item(item))
            .collect();
        self.top(|frame| frame.outputs = outputs);
    }

    fn top(&mut self, change: impl FnOnce(&mut Frame)) {
        if let Some(frame) = self.open.last_mut() {
            change(frame);
        }
    }

    fn add_cte(&mut self, cte: &Cte, recursive: bool) {
        let name = vec![folded(&cte.alias.name)];
        if recursive {
            let columns = aliased(vec![], &cte.alias);
            self.top(|frame| {
                frame.ctes.push(Relation {
                    qualifier: name.clone(),
                    columns,
                })
            });
        }
        let columns = aliased(self.outputs_of(&cte.query), &cte.alias);
        self.top(|frame| {
            frame.ctes.retain(|other| other.qualifier != name);
            frame.ctes.push(Relation {
                qualifier: name,
                columns,
            });
        });
    }

    fn outputs_of(&mut self, query: &Query) -> Vec<String> {
        self.open_query(query);
        self.open.pop().unwrap_or_default().outputs
    }

    fn outputs_of_item(&self, item: &SelectItem) -> Vec<String> {
        match item {
            SelectItem::ExprWithAlias { alias, .. } => vec![folded(alias)],
            SelectItem::UnnamedExpr(Expr::Identifier(ident)) => vec![self.known_or_folded(self.column(ident), ident)],
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
                match (self.compound(parts), parts.as_slice()) {
                    (Some(found), [.., last]) => vec![self.known_or_folded(found.column, last)],
                    (None, [.., last]) => vec![folded(last)],
                    _ => vec![],
                }
            }
            SelectItem::Wildcard(_) => {
                let relations = self
                    .open
                    .last()
                    .map(|frame| frame.relations.as_slice())
                    .unwrap_or_default();
                relations.iter().flat_map(|relation| relation.columns.clone()).collect()
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                let parts = idents(name);
                self.relation(&parts)
                    .map(|relation| relation.columns.clone())
                    .unwrap_or_default()
            }
            _ => vec![],
        }
    }

    fn known_or_folded(&self, choice: Choice, ident: &Ident) -> String {
        match choice {
            Choice::One(exact) => exact,
            _ => folded(ident),
        }
    }

    fn relations_of(&mut self, table: &TableWithJoins, into: &mut Vec<Relation>) {
        self.relations_of_factor(&table.relation, into);
        for join in &table.joins {
            self.relations_of_factor(&join.relation, into);
        }
    }

    fn relations_of_factor(&mut self, factor: &TableFactor, into: &mut Vec<Relation>) {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                ..
            } => into.push(self.named(name, alias.as_ref())),
            TableFactor::Derived { subquery, alias, .. } => {
                let columns = self.outputs_of(subquery);
                if let Some(alias) = alias {
                    into.push(Relation {
                        qualifier: vec![folded(&alias.name)],
                        columns: aliased(columns, alias),
                    });
                } else {
                    into.push(Relation {
                        qualifier: vec![],
                        columns,
                    });
                }
            }
            TableFactor::NestedJoin {
                table_with_joins,
                alias,
            } => {
                let mut inner = Vec::new();
                self.relations_of(table_with_joins, &mut inner);
                match alias {
                    Some(alias) => {
                        let columns = inner.into_iter().flat_map(|relation| relation.columns).collect();
                        into.push(Relation {
                            qualifier: vec![folded(&alias.name)],
                            columns: aliased(columns, alias),
                        });
                    }
                    None => into.extend(inner),
                }
            }
            TableFactor::Table { alias: Some(alias), .. }
            | TableFactor::Function { alias: Some(alias), .. }
            | TableFactor::TableFunction { alias: Some(alias), .. }
            | TableFactor::UNNEST { alias: Some(alias), .. } => {
                into.push(Relation {
                    qualifier: vec![folded(&alias.name)],
                    columns: aliased(vec![], alias),
                });
            }
            _ => {}
        }
    }

    fn named(&self, name: &ObjectName, alias: Option<&TableAlias>) -> Relation {
        let parts = idents(name);
        let exact = match self.table(&parts) {
            TableChoice::Found(exact) => exact,
            _ => parts.iter().map(folded).collect(),
        };
        let cte = match exact.as_slice() {
            [single] => self.cte(single),
            _ => None,
        };
        let columns = match cte {
            Some(cte) => cte.columns.clone(),
            None => self.scope.tables(&exact).unwrap_or_default(),
        };
        match alias {
            Some(alias) => Relation {
                qualifier: vec![folded(&alias.name)],
                columns: aliased(columns, alias),
            },
            None => Relation {
                qualifier: exact,
                columns,
            },
        }
    }

    fn cte(&self, exact: &str) -> Option<&Relation> {
        self.open
            .iter()
            .rev()
            .flat_map(|frame| &frame.ctes)
            .find(|cte| cte.qualifier == [exact])
    }

    /// The schema to write before a name that was given without one; CTEs are in none.
    pub(super) fn schema_of(&self, exact: &[String]) -> Option<String> {
        match exact {
            [single] if self.cte(single).is_none() => self.scope.schema_of(single),
            _ => None,
        }
    }

    /// The table or CTE that a name means.
    pub(super) fn table(&self, parts: &[Ident]) -> TableChoice {
        if let [single] = parts {
            for frame in self.open.iter().rev() {
                match choose(
                    single,
                    frame
                        .ctes
                        .iter()
                        .filter_map(|cte| cte.qualifier.first().map(String::as_str)),
                ) {
                    Choice::Nothing => {}
                    Choice::One(exact) => return TableChoice::Found(vec![exact]),
                    Choice::Several(names) => return TableChoice::Several(names),
                }
            }
        }
        let lower: Vec<String> = parts.iter().map(folded).collect();
        if self.scope.tables(&lower).is_some() {
            return TableChoice::Found(lower);
        }
        let mut found: Vec<Vec<String>> = self.scope.candidates(&lower);
        found.retain(|name| name.len() == parts.len() && parts.iter().zip(name).all(|(part, exact)| fits(part, exact)));
        found.sort();
        found.dedup();
        let written: Vec<String> = parts.iter().map(|part| part.value.clone()).collect();
        match found.as_slice() {
            [] => TableChoice::Nothing,
            [only] => TableChoice::Found(only.clone()),
            _ if found.contains(&written) => TableChoice::Found(written),
            _ => TableChoice::Several(found.iter().map(|name| name.join("\".\"")).collect()),
        }
    }

    /// The column, alias or parameter that a single name means.
    pub(super) fn column(&self, ident: &Ident) -> Choice {
        for frame in self.open.iter().rev() {
            if frame.parameters.iter().any(|parameter| fits(ident, parameter)) {
                return Choice::Nothing;
            }
            let columns = || {
                choose(
                    ident,
                    frame
                        .relations
                        .iter()
                        .flat_map(|relation| relation.columns.iter().map(String::as_str)),
                )
            };
            let outputs = || choose(ident, frame.outputs.iter().map(String::as_str));
            let (first, second) = if frame.outputs_first {
                (outputs(), columns())
            } else {
                (columns(), outputs())
            };
            match (first, second) {
                (Choice::Nothing, Choice::Nothing) => {}
                (Choice::Nothing, choice) | (choice, _) => return choice,
            }
        }
        Choice::Nothing
    }

    /// The table, CTE or alias that a qualifier names, looked for from the inside out.
    pub(super) fn relation(&self, parts: &[Ident]) -> Option<&Relation> {
        self.open.iter().rev().find_map(|frame| {
            let fitting: Vec<&Relation> = frame
                .relations
                .iter()
                .filter(|relation| qualifies(parts, &relation.qualifier))
                .collect();
            let tail = |relation: &Relation| {
                relation
                    .qualifier
                    .iter()
                    .rev()
                    .take(parts.len())
                    .rev()
                    .cloned()
                    .collect::<Vec<_>>()
            };
            let lower: Vec<String> = parts.iter().map(folded).collect();
            let written: Vec<String> = parts.iter().map(|part| part.value.clone()).collect();
            let by = |wanted: &Vec<String>| fitting.iter().copied().find(|relation| tail(relation) == *wanted);
            by(&lower).or_else(|| by(&written)).or_else(|| fitting.first().copied())
        })
    }

    /// What `a.b.c...` means: how many parts name the table, its exact name, and the column.
    pub(super) fn compound(&self, parts: &[Ident]) -> Option<Compound> {
        (1..parts.len()).rev().find_map(|split| {
            let (qualifier, rest) = parts.split_at(split);
            let relation = self.relation(qualifier)?;
            let skipped = relation.qualifier.len() - split;
            Some(Compound {
                qualifier: relation.qualifier.iter().skip(skipped).cloned().collect(),
                column: rest.first().map_or(Choice::Nothing, |column| {
                    choose(column, relation.columns.iter().map(String::as_str))
                }),
            })
        })
    }
}

/// The table that a name means.
#[derive(Debug)]
pub(super) enum TableChoice {
    Nothing,
    Found(Vec<String>),
    Several(Vec<String>),
}

/// What the parts of a qualified column mean.
#[derive(Debug)]
pub(super) struct Compound {
    /// The exact spelling of the leading parts.
    pub(super) qualifier: Vec<String>,
    /// The part behind them.
    pub(super) column: Choice,
}

/// The parts of a name; empty if one of them is no identifier.
pub(super) fn idents(name: &ObjectName) -> Vec<Ident> {
    let parts: Option<Vec<Ident>> = name
        .0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => Some(ident.clone()),
            ObjectNamePart::Function(_) => None,
        })
        .collect();
    parts.unwrap_or_default()
}

/// Do these parts name the tail of that qualifier?
fn qualifies(parts: &[Ident], qualifier: &[String]) -> bool {
    !parts.is_empty()
        && parts.len() <= qualifier.len()
        && parts
            .iter()
            .rev()
            .zip(qualifier.iter().rev())
            .all(|(part, exact)| fits(part, exact))
}

/// Columns under the names that `AS t (a, b)` gives the first of them.
fn aliased(mut columns: Vec<String>, alias: &TableAlias) -> Vec<String> {
    let mut names: Vec<String> = alias.columns.iter().map(|column| folded(&column.name)).collect();
    if columns.len() > names.len() {
        names.extend(columns.drain(names.len()..));
    }
    names
}
