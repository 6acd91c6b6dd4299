//! Rows that tell what goes on: connections, their cursors and statements, queries, workers.

use futures::FutureExt;
use futures::future::BoxFuture;

use super::super::super::door::{Door, KnownStatement, OpenPortal};
use super::super::super::registry::Activity;
use super::super::typenames::type_name;
use super::{Value, maybe, text};

/// What others do is told to admins only; that they are there, to all.
pub(super) fn activity(door: &Door) -> Vec<Vec<Value>> {
    let row = |activity: Activity| {
        if activity.user != door.user && !door.sight.is_admin() {
            return hidden(activity);
        }
        vec![
            Value::Int(activity.pid.into()),
            text(activity.user),
            text(activity.application),
            text(activity.peer.ip().to_string()),
            Value::Int(activity.peer.port().into()),
            micros(activity.since),
            maybe(activity.query_since, micros),
            text(activity.state),
            text(activity.query),
        ]
    };
    door.registry.activity().into_iter().map(row).collect()
}

/// A connection of somebody else, as PostgreSQL shows it.
fn hidden(activity: Activity) -> Vec<Value> {
    let mut row = vec![Value::Int(activity.pid.into()), text(activity.user)];
    row.resize(8, Value::Null);
    row.push(text("<insufficient privilege>"));
    row
}

pub(super) fn workers(door: &Door) -> Vec<Vec<Value>> {
    let row = |member: crate::Member| {
        let seconds = i64::try_from(member.since.elapsed().as_secs()).unwrap_or(i64::MAX);
        vec![
            text(member.url.as_str()),
            text(member.standing.word()),
            Value::Int(seconds),
            maybe(member.standing.reason(), text),
        ]
    };
    door.database.workers().into_iter().map(row).collect()
}

pub(super) fn cursor(open: OpenPortal) -> Vec<Value> {
    vec![
        text(open.name),
        text(open.statement),
        Value::Bool(open.cursor.holdable),
        Value::Bool(open.cursor.binary),
        Value::Bool(open.cursor.scrolls),
        micros(open.cursor.since),
    ]
}

pub(super) fn prepared(known: KnownStatement) -> Vec<Value> {
    let types = known.prepared.parameters().iter().map(|kind| type_name(kind.oid()));
    vec![
        text(known.name),
        text(&known.prepared.text),
        micros(known.prepared.since),
        Value::Texts(types.collect()),
        Value::Bool(known.prepared.from_sql),
    ]
}

pub(super) fn queries(door: &Door) -> Vec<Vec<Value>> {
    let own = [door.database.last_queries(), door.database.queries()].concat();
    own.into_iter().map(|query| query_row(door, None, query)).collect()
}

/// What the other servers run.
pub(super) fn queries_elsewhere(door: &Door) -> BoxFuture<'_, Vec<Vec<Value>>> {
    let asked = async {
        let queries = door.database.peers().queries().await;
        let row = |(server, query): (url::Url, _)| query_row(door, Some(server.as_str()), query);
        queries.into_iter().map(row).collect()
    };
    asked.boxed()
}

fn query_row(door: &Door, server: Option<&str>, query: crate::RunningQuery) -> Vec<Value> {
    let int = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let prices = &door.database.config().prices;
    let usage = |usage: &crate::Usage| {
        [
            int(usage.bytes),
            int(usage.gets),
            Value::Float(usage.core_seconds),
            maybe(usage.money(prices), Value::Float),
        ]
    };
    let waves = query.waves;
    let wave = |count: fn(crate::WaveCount) -> u64| maybe(waves.map(count), int);
    let progress = query.progress();
    let head = vec![
        int(query.id),
        maybe(server, text),
        maybe(query.pid, |pid| Value::Int(pid.into())),
        text(query.user),
        text(query.state.word()),
        micros(query.since),
        Value::Float(query.seconds),
        int(query.scan_bytes),
        int(query.workers as u64),
        int(query.rows),
        maybe(progress, Value::Float),
        wave(|waves| waves.total),
        wave(|waves| waves.done),
        wave(|waves| waves.failed),
    ];
    [head, usage(&query.spent).to_vec(), usage(&query.estimate).to_vec()].concat()
}

/// A time as PostgreSQL counts it.
fn micros(time: std::time::SystemTime) -> Value {
    let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Value::Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
