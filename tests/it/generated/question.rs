//! Generated questions about two tables: their words in SQL, and their answers by brute force.

use std::collections::BTreeSet;

use dreyer_sphere::{index29, separation_deg};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::sky::{Star, Tables};

/// A row of an answer: two ids, and the bits of the separation, if it was asked for.
pub(super) type Row = (Option<i64>, Option<i64>, Option<u64>);

/// When two rows match.
#[derive(Debug, Clone)]
pub(super) enum Bound {
    /// Closer than so many times the scale, or as close, and perhaps no closer than a part of that.
    Within {
        factor: f64,
        through: bool,
        least: Option<f64>,
    },
    /// As far apart as two rows are, exactly.
    Exactly { left: Index, right: Index, through: bool },
    /// Within the left row's own radius.
    SizeOfLeft,
    /// Within the right row's own radius, and on it.
    SizeOfRight,
    /// Within the radii of both, combined.
    SizeOfBoth,
    /// Separation over combined sigma.
    Sigma(f64),
    /// In an ellipse around the right row: long half-axis, ratio, position angle.
    Ellipse(f64, f64, f64),
    /// The same as Q3C writes it, around the left row, as wide as it says.
    EllipseOfLeft(f64, f64),
    /// One side carried by its motion for so many years.
    Epoch { of_left: bool, years: f64, factor: f64 },
}

/// Which of the pairs count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Ask {
    All,
    Nearest(usize),
    Best,
}

/// What else must hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Also {
    Nothing,
    /// In ON: both have the same band.
    SameBand,
    /// In WHERE, of the left row.
    LeftBand,
    /// In WHERE, of the right row.
    RightBand,
}

/// A table that is matched with itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Own {
    No,
    WithIdentity,
    WithoutIdentity,
    Once,
}

#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) bound: Bound,
    pub(super) ask: Ask,
    pub(super) kind: &'static str,
    pub(super) also: Also,
    pub(super) own: Own,
    pub(super) measured: bool,
    /// No row of the left, or of the right side.
    pub(super) empty: (bool, bool),
}

fn bound() -> impl Strategy<Value = Bound> {
    let least = prop_oneof![3 => Just(None), 1 => (0.0..1.0).prop_map(Some)];
    prop_oneof![
        6 => (0.0..1.5, any::<bool>(), least).prop_map(|(factor, through, least)| Bound::Within { factor, through, least }),
        2 => (any::<Index>(), any::<Index>(), any::<bool>())
            .prop_map(|(left, right, through)| Bound::Exactly { left, right, through }),
        1 => Just(Bound::SizeOfLeft),
        1 => Just(Bound::SizeOfRight),
        1 => Just(Bound::SizeOfBoth),
        1 => (0.0..1.5).prop_map(Bound::Sigma),
        1 => (0.0..1.5, 0.05..1.0, 0.0..180.0).prop_map(|(long, ratio, turn)| Bound::Ellipse(long, ratio, turn)),
        1 => (0.05..1.0, 0.0..180.0).prop_map(|(ratio, turn)| Bound::EllipseOfLeft(ratio, turn)),
        1 => (any::<bool>(), -30.0..30.0, 0.0..1.5)
            .prop_map(|(of_left, years, factor)| Bound::Epoch { of_left, years, factor }),
    ]
}

pub(super) fn question() -> impl Strategy<Value = Question> {
    let ask = prop_oneof![
        4 => Just(Ask::All),
        1 => Just(Ask::Nearest(1)),
        1 => (2..5_usize).prop_map(Ask::Nearest),
        2 => Just(Ask::Best),
    ];
    let kind = select(vec!["INNER", "LEFT", "RIGHT", "FULL", "EXISTS", "NOT EXISTS"]);
    let also = prop_oneof![
        4 => Just(Also::Nothing),
        1 => Just(Also::SameBand),
        1 => Just(Also::LeftBand),
        1 => Just(Also::RightBand),
    ];
    let own = prop_oneof![
        6 => Just(Own::No),
        1 => Just(Own::WithIdentity),
        1 => Just(Own::WithoutIdentity),
        1 => Just(Own::Once),
    ];
    let rarely = || prop_oneof![30 => Just(false), 1 => Just(true)];
    let question = (bound(), ask, kind, also, own, any::<bool>(), (rarely(), rarely()));
    question.prop_map(|(bound, ask, kind, also, own, measured, empty)| {
        Question {
            bound,
            ask,
            kind,
            also,
            own,
            measured,
            empty,
        }
        .sensible()
    })
}

impl Question {
    /// The nearest question that can be asked.
    fn sensible(mut self) -> Self {
        let exists = self.kind.ends_with("EXISTS");
        // XMATCH knows circles.
        let circle = matches!(
            self.bound,
            Bound::Within { .. } | Bound::Exactly { .. } | Bound::SizeOfLeft | Bound::SizeOfRight
        );
        if exists || !circle || (self.kind == "FULL" && matches!(self.ask, Ask::Nearest(_))) {
            self.ask = Ask::All;
        }
        if self.ask != Ask::All {
            match &mut self.bound {
                Bound::Within { through, .. } | Bound::Exactly { through, .. } => *through = false,
                _ => {}
            }
        }
        if exists && self.also == Also::RightBand {
            self.also = Also::SameBand;
        }
        self.measured &= !exists && circle;
        self
    }

    /// The two sides as they are.
    pub(super) fn sides<'a>(&self, tables: &'a Tables) -> (&'a [Star], &'a [Star]) {
        let right = if self.own == Own::No {
            &tables.right
        } else {
            &tables.left
        };
        (
            if self.empty.0 { &[] } else { &tables.left },
            if self.empty.1 { &[] } else { right },
        )
    }

    /// The radius in degrees, if it is the same for all rows; as XMATCH computes it, if it is asked.
    fn radius_deg(&self, tables: &Tables) -> f64 {
        let radius_deg = match &self.bound {
            Bound::Within { factor, .. } | Bound::Epoch { factor, .. } => factor * tables.scale_deg,
            Bound::Exactly { left, right, .. } => {
                let a = left.get(&tables.left);
                let others = if self.own == Own::No {
                    &tables.right
                } else {
                    &tables.left
                };
                let b = right.get(others);
                separation_deg(a.ra, a.dec, b.ra, b.dec)
            }
            Bound::Sigma(factor) => *factor,
            _ => f64::NAN,
        };
        if self.ask == Ask::All {
            radius_deg
        } else {
            radius_deg * 3600.0 / 3600.0
        }
    }

    /// The least radius in degrees, likewise.
    fn least_deg(&self, tables: &Tables) -> Option<f64> {
        let Bound::Within { least: Some(part), .. } = self.bound else {
            return None;
        };
        let least_deg = part * self.radius_deg(tables);
        Some(if self.ask == Ask::All {
            least_deg
        } else {
            least_deg * 3600.0 / 3600.0
        })
    }

    /// Whether the answer needs a function that only SQL has here.
    pub(super) fn by_oracle(&self) -> bool {
        matches!(
            self.bound,
            Bound::Ellipse(..) | Bound::EllipseOfLeft(..) | Bound::Epoch { .. }
        )
    }

    /// The condition on a pair, as it is written in ON.
    pub(super) fn condition(&self, tables: &Tables) -> String {
        let apart = "DISTANCE(x.ra, x.dec, y.ra, y.dec)";
        let radius = self.radius_deg(tables);
        if self.ask != Ask::All {
            return self.xmatch(tables);
        }
        let sigma = "SQRT(x.size * x.size + y.size * y.size)";
        let scale = tables.scale_deg.min(30.0);
        match &self.bound {
            Bound::Within { through, .. } | Bound::Exactly { through, .. } => {
                let compared = if *through { "<=" } else { "<" };
                let least = self.least_deg(tables).map(|least| format!(" AND {apart} >= {least:?}"));
                format!("{apart} {compared} {radius:?}{}", least.unwrap_or_default())
            }
            Bound::SizeOfLeft => format!("{apart} < x.size"),
            Bound::SizeOfRight => format!("{apart} <= y.size"),
            Bound::SizeOfBoth => format!("{apart} < {sigma}"),
            Bound::Sigma(factor) => format!("{apart} / {sigma} < {factor:?}"),
            Bound::Ellipse(long, ratio, turn) => {
                let (long, short) = (long * scale, long * ratio * scale);
                format!("in_ellipse(x.ra, x.dec, y.ra, y.dec, {long:?}, {short:?}, {turn:?})")
            }
            Bound::EllipseOfLeft(ratio, turn) => {
                format!("q3c_ellipse_join(x.ra, x.dec, y.ra, y.dec, LEAST(ABS(x.size), 30.0), {ratio:?}, {turn:?})")
            }
            Bound::Epoch { of_left, years, .. } => {
                let moved = |side: &str| {
                    format!(
                        "ivo_epoch_prop_pos({side}.ra, {side}.dec, 0, {side}.pmra, {side}.pmdec, 0, 2000, {:?})",
                        2000.0 + years
                    )
                };
                match of_left {
                    true => format!("DISTANCE({}, POINT(y.ra, y.dec)) < {radius:?}", moved("x")),
                    false => format!("DISTANCE(POINT(x.ra, x.dec), {}) < {radius:?}", moved("y")),
                }
            }
        }
    }

    fn xmatch(&self, tables: &Tables) -> String {
        let asked = match self.ask {
            Ask::Nearest(k) => format!("mode => 'nearest', k => {k}"),
            _ => "mode => 'best'".to_owned(),
        };
        let radius = match &self.bound {
            Bound::SizeOfLeft => "3600 * x.size".to_owned(),
            Bound::SizeOfRight => "3600 * y.size".to_owned(),
            Bound::Within { factor, .. } => format!("{:?}", factor * tables.scale_deg * 3600.0),
            _ => {
                let Bound::Exactly { left, right, .. } = &self.bound else {
                    unreachable!("XMATCH knows circles")
                };
                let others = if self.own == Own::No {
                    &tables.right
                } else {
                    &tables.left
                };
                let (a, b) = (left.get(&tables.left), right.get(others));
                format!("{:?}", separation_deg(a.ra, a.dec, b.ra, b.dec) * 3600.0)
            }
        };
        let least = match self.bound {
            Bound::Within { least: Some(part), .. } => {
                format!(", min_radius_arcsec => {:?}", part * self.radius_deg(tables) * 3600.0)
            }
            _ => String::new(),
        };
        format!("XMATCH(x.ra, x.dec, y.ra, y.dec, radius_arcsec => {radius}, {asked}{least})")
    }

    /// Conditions beside that one in ON.
    pub(super) fn beside(&self) -> &'static str {
        match (self.also, self.own) {
            (Also::SameBand, Own::WithoutIdentity) => " AND x.band = y.band AND x.id <> y.id",
            (Also::SameBand, Own::Once) => " AND x.band = y.band AND x.id < y.id",
            (Also::SameBand, _) => " AND x.band = y.band",
            (_, Own::WithoutIdentity) => " AND x.id <> y.id",
            (_, Own::Once) => " AND x.id < y.id",
            _ => "",
        }
    }

    /// The FROM and WHERE of the question.
    pub(super) fn from(&self, tables: &Tables) -> String {
        let left = if self.empty.0 {
            "(SELECT * FROM a WHERE id < 0)"
        } else {
            "a"
        };
        let right = match (self.empty.1, self.own) {
            (false, Own::No) => "b",
            (false, _) => "a",
            (true, Own::No) => "(SELECT * FROM b WHERE id < 0)",
            (true, _) => "(SELECT * FROM a WHERE id < 0)",
        };
        let on = format!("{}{}", self.condition(tables), self.beside());
        if self.kind.ends_with("EXISTS") {
            let also = if self.also == Also::LeftBand {
                "x.band > 0 AND "
            } else {
                ""
            };
            return format!(
                "FROM {left} x WHERE {also}{} (SELECT 1 FROM {right} y WHERE {on})",
                self.kind
            );
        }
        let filter = match self.also {
            Also::LeftBand => " WHERE x.band > 0",
            Also::RightBand => " WHERE y.band > 0",
            _ => "",
        };
        format!("FROM {left} x {} JOIN {right} y ON {on}{filter}", self.kind)
    }

    /// The question in SQL.
    pub(super) fn sql(&self, tables: &Tables) -> String {
        let columns = match (self.kind.ends_with("EXISTS"), self.measured) {
            (true, _) => "x.id",
            (false, true) => "x.id, y.id, DISTANCE(x.ra, x.dec, y.ra, y.dec)",
            (false, false) => "x.id, y.id",
        };
        format!("SELECT {columns} {}", self.from(tables))
    }

    /// Whether a pair matches, by arithmetic on the rows. `oracle` knows those pairs that arithmetic here cannot decide.
    fn holds(
        &self,
        tables: &Tables,
        oracle: &BTreeSet<(i64, i64)>,
        pair: (usize, usize),
        rows: (&Star, &Star),
    ) -> bool {
        let (a, b) = rows;
        let beside = match self.own {
            Own::WithoutIdentity => pair.0 != pair.1,
            Own::Once => pair.0 < pair.1,
            Own::No | Own::WithIdentity => true,
        } && (self.also != Also::SameBand || a.band == b.band);
        if self.by_oracle() {
            return beside && oracle.contains(&(pair.0 as i64, pair.1 as i64));
        }
        let apart = separation_deg(a.ra, a.dec, b.ra, b.dec);
        let size = |star: &Star| star.size.unwrap_or(f64::NAN);
        let (mine, its) = (size(a), size(b));
        // As XMATCH turns a row's own radius into degrees.
        let scaled = |size: f64| {
            if self.ask == Ask::All {
                size
            } else {
                3600.0 * size / 3600.0
            }
        };
        let both = (mine * mine + its * its).sqrt();
        let near = match self.bound {
            Bound::Within { through: true, .. } | Bound::Exactly { through: true, .. } => {
                apart <= self.radius_deg(tables)
            }
            Bound::Within { .. } | Bound::Exactly { .. } => apart < self.radius_deg(tables),
            Bound::SizeOfLeft => apart < scaled(mine),
            Bound::SizeOfRight if self.ask == Ask::All => apart <= its,
            Bound::SizeOfRight => apart < scaled(its),
            Bound::SizeOfBoth => apart < both,
            Bound::Sigma(factor) => apart / both < factor,
            _ => false,
        };
        let far = self.least_deg(tables).is_none_or(|least| apart >= least);
        a.lies() && b.lies() && beside && near && far
    }

    /// The answer, sorted.
    pub(super) fn truth(&self, tables: &Tables, oracle: &BTreeSet<(i64, i64)>) -> Vec<Row> {
        let (left, right) = self.sides(tables);
        let mut pairs: Vec<(usize, usize, f64)> = Vec::new();
        for (i, a) in left.iter().enumerate() {
            for (j, b) in right.iter().enumerate() {
                if self.holds(tables, oracle, (i, j), (a, b)) {
                    pairs.push((i, j, separation_deg(a.ra, a.dec, b.ra, b.dec)));
                }
            }
        }
        let of_left = |k| nearest(&pairs, k, |pair| pair.0, |pair| (place(&right[pair.1]), pair.1));
        let of_right = |k| nearest(&pairs, k, |pair| pair.1, |pair| (place(&left[pair.0]), pair.0));
        let picked = match self.ask {
            Ask::All => pairs.clone(),
            Ask::Nearest(k) if self.kind == "RIGHT" => of_right(k),
            Ask::Nearest(k) => of_left(k),
            Ask::Best => {
                let back = of_right(1);
                of_left(1).into_iter().filter(|pair| back.contains(pair)).collect()
            }
        };
        self.joined(&picked, left, right)
    }

    fn joined(&self, pairs: &[(usize, usize, f64)], left: &[Star], right: &[Star]) -> Vec<Row> {
        let id = |place: usize| Some(place as i64);
        let mut rows: Vec<Row> = Vec::new();
        if !self.kind.ends_with("EXISTS") {
            let apart = |apart: f64| self.measured.then(|| apart.to_bits());
            rows.extend(pairs.iter().map(|&(i, j, s)| (id(i), id(j), apart(s))));
        }
        for i in 0..left.len() {
            let alone = !pairs.iter().any(|pair| pair.0 == i);
            let out = match self.kind {
                "LEFT" | "FULL" | "NOT EXISTS" => alone,
                "EXISTS" => !alone,
                _ => false,
            };
            if out {
                rows.push((id(i), None, None));
            }
        }
        if matches!(self.kind, "RIGHT" | "FULL") {
            let alone = (0..right.len()).filter(|j| !pairs.iter().any(|pair| pair.1 == *j));
            rows.extend(alone.map(|j| (None, id(j), None)));
        }
        let bright = |stars: &[Star], id: Option<i64>| id.is_some_and(|id| stars[id as usize].band > 0);
        rows.retain(|row| match self.also {
            Also::LeftBand => bright(left, row.0),
            Also::RightBand => bright(right, row.1),
            _ => true,
        });
        rows.sort_unstable();
        rows
    }
}

/// Of each row that `of` names, the `k` nearest partners; equally near ones by their place on the sky, then by number.
fn nearest(
    pairs: &[(usize, usize, f64)],
    k: usize,
    of: impl Fn(&(usize, usize, f64)) -> usize,
    partner: impl Fn(&(usize, usize, f64)) -> (u64, usize),
) -> Vec<(usize, usize, f64)> {
    let mut sorted = pairs.to_vec();
    sorted.sort_by(|a, b| {
        let order = of(a).cmp(&of(b)).then(a.2.total_cmp(&b.2));
        order.then(partner(a).cmp(&partner(b)))
    });
    let groups = sorted.chunk_by(|a, b| of(a) == of(b));
    groups.flat_map(|group| group.iter().take(k).copied()).collect()
}

fn place(star: &Star) -> u64 {
    index29(star.ra, star.dec).unwrap()
}
