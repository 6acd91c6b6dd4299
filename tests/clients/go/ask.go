// lib/pq and pgx, each through its own protocol and through the simple one.
//
// Built with GOPATH where Debian puts the sources of both, without modules. With a file as argument, runs the queries
// in it instead, one JSON text a line, in simple protocol by both: what Grafana does.
package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgtype"
	"github.com/jackc/pgx/v4"
	"github.com/lib/pq"
)

const endless = `SELECT count(*) FROM stars a, stars b, stars c, stars d
	WHERE sin(a.ra * b.dec) + cos(c.ra * d.dec) + sin(a.dec * d.ra) > 2.9`

var ctx = context.Background()

func address() string {
	return fmt.Sprintf("host=%s port=%s user=%s dbname=%s sslmode=disable",
		os.Getenv("PGHOST"), os.Getenv("PGPORT"), os.Getenv("PGUSER"), os.Getenv("PGDATABASE"))
}

func plain(value interface{}) interface{} {
	switch value := value.(type) {
	case nil:
		return nil
	case float64:
		if math.IsNaN(value) || math.IsInf(value, 0) {
			return fmt.Sprint(value)
		}
		return value
	case float32:
		return plain(float64(value))
	case []byte:
		return "bytes " + hex.EncodeToString(value)
	case time.Time:
		return "time " + value.UTC().Format(time.RFC3339Nano)
	case []interface{}:
		list := []interface{}{}
		for _, item := range value {
			list = append(list, plain(item))
		}
		return list
	case int16, int32, int64, int, bool, string:
		return value
	case pgtype.Value:
		// Numbers and arrays have types of their own: their text says what is in them.
		if encoder, is := value.(pgtype.TextEncoder); is {
			text, err := encoder.EncodeText(nil, nil)
			return fmt.Sprintf("%T %s %v", value, text, err)
		}
	}
	return fmt.Sprintf("%T %v", value, value)
}

func failed(err error) string {
	var theirs *pq.Error
	if errors.As(err, &theirs) {
		return "SQLSTATE " + string(theirs.Code)
	}
	var ours *pgconn.PgError
	if errors.As(err, &ours) {
		return "SQLSTATE " + ours.Code
	}
	return err.Error()
}

func ask(question string, work func() (interface{}, error)) {
	answer, err := work()
	if err != nil {
		answer = failed(err)
	}
	line, err := json.Marshal([]interface{}{question, answer})
	if err != nil {
		line, _ = json.Marshal([]interface{}{question, err.Error()})
	}
	fmt.Println(string(line))
}

func pqRows(db *sql.DB, text string, values ...interface{}) ([]interface{}, error) {
	rows, err := db.Query(text, values...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	names := []interface{}{}
	for _, column := range types {
		names = append(names, column.Name()+" "+column.DatabaseTypeName())
	}
	got := []interface{}{names}
	for rows.Next() {
		row, targets := make([]interface{}, len(types)), make([]interface{}, len(types))
		for i := range row {
			targets[i] = &row[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, err
		}
		got = append(got, plain(row))
	}
	return got, rows.Err()
}

func pgxRows(line *pgx.Conn, text string, values ...interface{}) ([]interface{}, error) {
	rows, err := line.Query(ctx, text, values...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	got := []interface{}{}
	for rows.Next() {
		row, err := rows.Values()
		if err != nil {
			return nil, err
		}
		got = append(got, plain(row))
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	names := []interface{}{}
	for _, field := range rows.FieldDescriptions() {
		// A type that pgx does not know fails a panel of Grafana.
		if _, known := line.ConnInfo().DataTypeForOID(field.DataTypeOID); !known {
			return nil, fmt.Errorf("column %s has the type %d, which pgx does not know", field.Name, field.DataTypeOID)
		}
		names = append(names, fmt.Sprintf("%s %d", field.Name, field.DataTypeOID))
	}
	return append([]interface{}{names, string(rows.CommandTag())}, got...), nil
}

// As Grafana does: whole statements, text both ways.
func simpleRows(line *pgx.Conn, text string) ([]interface{}, error) {
	results, err := line.PgConn().Exec(ctx, text).ReadAll()
	if err != nil {
		return nil, err
	}
	got := []interface{}{}
	for _, result := range results {
		names := []interface{}{}
		for _, field := range result.FieldDescriptions {
			if _, known := line.ConnInfo().DataTypeForOID(field.DataTypeOID); !known {
				return nil, fmt.Errorf("column %s has the type %d, which pgx does not know", field.Name, field.DataTypeOID)
			}
			names = append(names, fmt.Sprintf("%s %d", field.Name, field.DataTypeOID))
		}
		rows := []interface{}{}
		for _, row := range result.Rows {
			cells := []interface{}{}
			for _, cell := range row {
				if cell == nil {
					cells = append(cells, nil)
				} else {
					cells = append(cells, string(cell))
				}
			}
			rows = append(rows, cells)
		}
		got = append(got, []interface{}{names, string(result.CommandTag), rows})
	}
	return got, nil
}

var queries = [][2]string{
	{"every column", "SELECT * FROM stars ORDER BY id LIMIT 40"},
	{"groups", "SELECT band, count(*), max(mag) FROM survey.detections GROUP BY band ORDER BY band"},
	{"no rows", "SELECT * FROM stars WHERE false"},
	{"nothing", ";"},
	{"fault: table", "SELECT 1 FROM nowhere"},
	{"fault: syntax", "SELEC 1"},
	{"fault: division", "SELECT 1 / (id - id) FROM stars"},
	{"fault: writing", "CREATE TABLE made (a int)"},
}

var parameters = []struct {
	name, text string
	values     []interface{}
}{
	{"integer", "SELECT id, name FROM stars WHERE id = $1", []interface{}{int64(7)}},
	{"number", "SELECT count(*) FROM stars WHERE ra BETWEEN $1 AND $2", []interface{}{10.5, 200.25}},
	{"text", "SELECT id FROM stars WHERE note = $1 ORDER BY id LIMIT 2", []interface{}{"it's"}},
	{"truth", "SELECT count(*) FROM stars WHERE flag = $1", []interface{}{true}},
	{"time", "SELECT count(*) FROM stars WHERE moment > $1", []interface{}{time.Date(2024, 1, 2, 3, 4, 5, 678901000, time.UTC)}},
	{"bytes", "SELECT id FROM stars WHERE raw = $1 ORDER BY id LIMIT 3", []interface{}{[]byte{0, 1}}},
	{"null", "SELECT count(*) FROM stars WHERE note = $1", []interface{}{nil}},
	{"page", "SELECT id FROM stars ORDER BY id LIMIT $1 OFFSET $2", []interface{}{int64(3), int64(40)}},
	{"arithmetic", "SELECT ra + $1, n * $2 FROM stars WHERE id = 2", []interface{}{0.5, int64(2)}},
}

func askPq() {
	db, err := sql.Open("postgres", address())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer db.Close()
	ask("lib/pq: ping", func() (interface{}, error) { return "pong", db.Ping() })
	for _, query := range queries {
		query := query
		ask("lib/pq: "+query[0], func() (interface{}, error) { return pqRows(db, query[1]) })
	}
	for _, query := range parameters {
		query := query
		ask("lib/pq: parameters: "+query.name, func() (interface{}, error) { return pqRows(db, query.text, query.values...) })
	}
	ask("lib/pq: parameters: array", func() (interface{}, error) {
		return pqRows(db, "SELECT id FROM stars WHERE id = ANY($1) ORDER BY id", pq.Array([]int64{3, 1, 2}))
	})
	ask("lib/pq: array of a column", func() (interface{}, error) {
		var bands []string
		err := db.QueryRow("SELECT bands FROM stars WHERE id = 3").Scan(pq.Array(&bands))
		return fmt.Sprint(bands), err
	})
	ask("lib/pq: prepared", func() (interface{}, error) {
		statement, err := db.Prepare("SELECT n FROM stars WHERE id = $1")
		if err != nil {
			return nil, err
		}
		defer statement.Close()
		got := []interface{}{}
		for id := 1; id < 9; id++ {
			var n sql.NullInt64
			if err := statement.QueryRow(id).Scan(&n); err != nil {
				return nil, err
			}
			got = append(got, n.Int64, n.Valid)
		}
		return got, nil
	})
	ask("lib/pq: transaction", func() (interface{}, error) {
		tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelSerializable})
		if err != nil {
			return nil, err
		}
		defer tx.Rollback()
		var level, readOnly string
		if err := tx.QueryRow("SHOW transaction_isolation").Scan(&level); err != nil {
			return nil, err
		}
		err = tx.QueryRow("SHOW transaction_read_only").Scan(&readOnly)
		return []interface{}{level, readOnly}, err
	})
	ask("lib/pq: cancel", func() (interface{}, error) {
		limited, stop := context.WithTimeout(ctx, 400*time.Millisecond)
		defer stop()
		began := time.Now()
		_, err := db.QueryContext(limited, endless)
		return []interface{}{failed(err), time.Since(began) < 3*time.Second}, nil
	})
	ask("lib/pq: alive after cancel", func() (interface{}, error) { return pqRows(db, "SELECT 1::int") })
}

func askPgx(name string, simple bool) {
	config, err := pgx.ParseConfig(address())
	if err == nil {
		config.PreferSimpleProtocol = simple
	}
	line, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer line.Close(ctx)
	ask(name+": ping", func() (interface{}, error) { return "pong", line.Ping(ctx) })
	for _, query := range queries {
		query := query
		if simple && query[1] == ";" { // pgx itself stumbles over an answer without rows there.
			continue
		}
		ask(name+": "+query[0], func() (interface{}, error) { return pgxRows(line, query[1]) })
	}
	for _, query := range parameters {
		query := query
		ask(name+": parameters: "+query.name, func() (interface{}, error) { return pgxRows(line, query.text, query.values...) })
	}
	ask(name+": parameters: array", func() (interface{}, error) {
		return pgxRows(line, "SELECT id FROM stars WHERE id = ANY($1) ORDER BY id", []int64{3, 1, 2})
	})
	ask(name+": arrays", func() (interface{}, error) {
		var mags []*float64
		err := line.QueryRow(ctx, "SELECT mags FROM stars WHERE id = 8").Scan(&mags)
		got := []interface{}{}
		for _, mag := range mags {
			got = append(got, *mag)
		}
		return got, err
	})
	ask(name+": batch", func() (interface{}, error) {
		batch := &pgx.Batch{}
		for id := 1; id < 5; id++ {
			batch.Queue("SELECT n FROM stars WHERE id = $1", int64(id))
		}
		results := line.SendBatch(ctx, batch)
		defer results.Close()
		got := []interface{}{}
		for id := 1; id < 5; id++ {
			var n *int32
			if err := results.QueryRow().Scan(&n); err != nil {
				return nil, err
			}
			if n == nil {
				got = append(got, nil)
			} else {
				got = append(got, *n)
			}
		}
		return got, nil
	})
}

func grafana(path string) {
	db, err := sql.Open("postgres", address())
	if err == nil {
		err = db.Ping()
	}
	config, _ := pgx.ParseConfig(address())
	config.PreferSimpleProtocol = true
	line, failure := pgx.ConnectConfig(ctx, config)
	file, fault := os.Open(path)
	if err != nil || failure != nil || fault != nil {
		fmt.Fprintln(os.Stderr, err, failure, fault)
		os.Exit(1)
	}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var query [2]string
		if err := json.Unmarshal(lines.Bytes(), &query); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		ask("lib/pq: "+query[0], func() (interface{}, error) { return pqRows(db, query[1]) })
		ask("pgx: "+query[0], func() (interface{}, error) { return simpleRows(line, query[1]) })
	}
}

func main() {
	if len(os.Args) > 1 {
		grafana(os.Args[1])
		return
	}
	askPq()
	askPgx("pgx", false)
	askPgx("pgx simple", true)
}
