// node-postgres: parameters, named statements, a pool, cursors where there is pg-cursor.
"use strict";

const pg = require("pg");

const ENDLESS =
  "SELECT count(*) FROM stars a, stars b, stars c, stars d " +
  "WHERE sin(a.ra * b.dec) + cos(c.ra * d.dec) + sin(a.dec * d.ra) > 2.9";

function plain(value) {
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  if (typeof value === "bigint") return `bigint ${value}`;
  if (value instanceof Date) return `Date ${value.toISOString()}`;
  if (Buffer.isBuffer(value)) return `Buffer ${value.toString("hex")}`;
  if (Array.isArray(value)) return value.map(plain);
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  }
  return value === undefined ? null : value;
}

async function ask(question, work) {
  let answer;
  try {
    answer = plain(await work());
  } catch (error) {
    answer = error.code ? `SQLSTATE ${error.code}` : String(error);
  }
  console.log(JSON.stringify([question, answer]));
}

async function main() {
  const client = new pg.Client();
  await client.connect();
  const rows = async (sql, values) => (await client.query({ text: sql, values, rowMode: "array" })).rows;

  await ask("every column", () => rows("SELECT * FROM stars ORDER BY id LIMIT 40"));
  await ask("fields", async () => {
    const result = await client.query("SELECT * FROM stars LIMIT 1");
    return [result.command, result.rowCount, result.fields.map((f) => [f.name, f.dataTypeID, f.dataTypeSize, f.dataTypeModifier])];
  });
  await ask("by name", async () => (await client.query('SELECT id, "Vmag", n AS number FROM stars WHERE id = 5')).rows);
  await ask("several statements", async () => (await client.query("SELECT 1 AS a; SELECT 2 AS b")).map((r) => r.rows));
  const parameters = {
    integer: ["SELECT id, name FROM stars WHERE id = $1", [7]],
    number: ["SELECT count(*) FROM stars WHERE ra BETWEEN $1 AND $2", [10.5, 200.25]],
    text: ["SELECT id FROM stars WHERE note = $1 ORDER BY id LIMIT 2", ["it's"]],
    truth: ["SELECT count(*) FROM stars WHERE flag = $1", [true]],
    date: ["SELECT count(*) FROM stars WHERE moment > $1", [new Date("2024-01-02T03:04:05.678Z")]],
    array: ["SELECT id FROM stars WHERE id = ANY($1) ORDER BY id", [[3, 1, 2]]],
    "array of text": ["SELECT id FROM stars WHERE name = ANY($1) ORDER BY id", [["star 0003", "star 0001"]]],
    buffer: ["SELECT id FROM stars WHERE raw = $1 ORDER BY id LIMIT 3", [Buffer.from([0, 1])]],
    null: ["SELECT count(*) FROM stars WHERE note = $1", [null]],
    page: ["SELECT id FROM stars ORDER BY id LIMIT $1 OFFSET $2", [3, 40]],
    bare: ["SELECT $1, $2::int + 1", ["text", 4]],
  };
  for (const [name, [sql, values]] of Object.entries(parameters)) await ask(`parameters: ${name}`, () => rows(sql, values));
  await ask("named statement", async () => {
    const got = [];
    for (let id = 1; id < 9; id++) {
      const result = await client.query({ name: "by-id", text: "SELECT n, ra FROM stars WHERE id = $1", values: [id], rowMode: "array" });
      got.push(result.rows[0]);
    }
    return got;
  });
  const faults = ["SELECT 1 FROM nowhere", "SELECT nope FROM stars", "SELEC 1", "SELECT 'seven'::int", "CREATE TABLE made (a int)"];
  for (const sql of faults) await ask(`fault: ${sql}`, () => rows(sql));
  await ask("place of a fault", () => client.query("SELECT id,\n nope FROM stars").catch((e) => [e.code, e.position, e.severity]));
  await ask("fault of a parameter", () => rows("SELECT 1 FROM stars WHERE id = $1", ["seven"]));
  await ask("block", async () => {
    await client.query("BEGIN");
    const first = await client.query("SELECT nope").catch((e) => e.code);
    const second = await client.query("SELECT 1").catch((e) => e.code);
    const end = (await client.query("COMMIT")).command;
    return [first, second, end, await rows("SELECT 2")];
  });
  await ask("queued at once", () => Promise.all([1, 2, 3].map((id) => rows("SELECT n FROM stars WHERE id = $1", [id]))));
  await ask("cursor", async () => {
    let Cursor;
    try {
      Cursor = require("pg-cursor");
    } catch {
      return "no pg-cursor";
    }
    await client.query("BEGIN");
    const cursor = client.query(new Cursor("SELECT id FROM stars WHERE id > $1 ORDER BY id LIMIT 12", [3], { rowMode: "array" }));
    const pages = [];
    for (;;) {
      const page = await cursor.read(5);
      pages.push(page);
      if (page.length === 0) break;
    }
    const early = client.query(new Cursor("SELECT id FROM stars ORDER BY id", [], { rowMode: "array" }));
    pages.push(await early.read(2));
    await early.close();
    await client.query("COMMIT");
    return [pages, await rows("SELECT 3")];
  });
  await ask("cancel", async () => {
    const other = new pg.Client();
    await other.connect();
    const cancelled = new Promise((done) => setTimeout(done, 400)).then(() =>
      other.query("SELECT pg_cancel_backend($1)", [client.processID])
    );
    const answer = await client.query(ENDLESS).catch((e) => e.code);
    await cancelled;
    await other.end();
    return answer;
  });
  await ask("alive after cancel", () => rows("SELECT 1"));
  await ask("pool", async () => {
    const pool = new pg.Pool({ max: 3 });
    const got = await Promise.all([...Array(9).keys()].map((id) => pool.query("SELECT n FROM stars WHERE id = $1", [id + 1])));
    await pool.end();
    return got.map((result) => result.rows[0].n);
  });
  await client.end();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
