// JDBC: metadata, prepared statements in text and binary, pages by fetch size, cancel, faults.
//
// Run as one source file: java -cp postgresql.jar Ask.java

import java.math.BigDecimal;
import java.sql.Array;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.ParameterMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TimeZone;
import java.util.TreeMap;

public class Ask {
    static final String URL = "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/"
        + System.getenv("PGDATABASE");
    static final String ENDLESS = "SELECT count(*) FROM stars a, stars b, stars c, stars d "
        + "WHERE sin(a.ra * b.dec) + cos(c.ra * d.dec) + sin(a.dec * d.ra) > 2.9";

    interface Work {
        Object get() throws Exception;
    }

    static void ask(String question, Work work) {
        Object answer;
        try {
            answer = work.get();
        } catch (SQLException error) {
            answer = "SQLSTATE " + error.getSQLState();
        } catch (Exception error) {
            answer = error.toString();
        }
        System.out.println("[" + json(question) + ", " + json(answer) + "]");
    }

    static String json(Object value) throws RuntimeException {
        if (value instanceof Array array) {
            try {
                return json(Arrays.asList((Object[]) array.getArray()));
            } catch (SQLException error) {
                throw new RuntimeException(error);
            }
        }
        if (value instanceof List<?> list) {
            return "[" + String.join(", ", list.stream().map(Ask::json).toList()) + "]";
        }
        if (value instanceof Double number && (number.isNaN() || number.isInfinite())) {
            return '"' + number.toString() + '"';
        }
        if (value == null || value instanceof Integer || value instanceof Long || value instanceof Boolean
            || value instanceof Double || value instanceof Short) {
            return String.valueOf(value);
        }
        String text = value instanceof byte[] bytes ? HexFormat.of().formatHex(bytes) : value.toString();
        if (!(value instanceof String) && !(value instanceof byte[])) {
            text = value.getClass().getSimpleName() + " " + text;
        }
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < ' ') {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        return out.append('"').toString();
    }

    static List<Object> rows(ResultSet set) throws SQLException {
        List<Object> rows = new ArrayList<>();
        int count = set.getMetaData().getColumnCount();
        while (set.next()) {
            List<Object> row = new ArrayList<>();
            for (int at = 1; at <= count; at++) {
                Object value = set.getObject(at);
                row.add(value instanceof Array array ? Arrays.asList((Object[]) array.getArray()) : value);
            }
            rows.add(row);
        }
        set.close();
        return rows;
    }

    /** Some columns of a result of DatabaseMetaData. */
    static List<Object> some(ResultSet set, String... names) throws SQLException {
        List<Object> rows = new ArrayList<>();
        while (set.next()) {
            List<Object> row = new ArrayList<>();
            for (String name : names) {
                row.add(set.getObject(name));
            }
            rows.add(row);
        }
        return rows;
    }

    static List<Object> described(ResultSetMetaData about) throws SQLException {
        List<Object> columns = new ArrayList<>();
        for (int at = 1; at <= about.getColumnCount(); at++) {
            columns.add(List.of(about.getColumnLabel(at), about.getColumnTypeName(at), about.getColumnClassName(at),
                about.getPrecision(at), about.getScale(at)));
        }
        return columns;
    }

    static List<Object> query(Connection line, String sql, Object... values) throws SQLException {
        try (PreparedStatement statement = line.prepareStatement(sql)) {
            for (int at = 0; at < values.length; at++) {
                statement.setObject(at + 1, values[at]);
            }
            return rows(statement.executeQuery());
        }
    }

    static Connection connect(String... options) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        for (int at = 0; at < options.length; at += 2) {
            properties.setProperty(options[at], options[at + 1]);
        }
        return DriverManager.getConnection(URL, properties);
    }

    public static void main(String[] arguments) throws Exception {
        TimeZone.setDefault(TimeZone.getTimeZone("UTC"));
        try (Connection line = connect()) {
            about(line.getMetaData());
            values(line);
            parameters(line);
            faults(line);
            pages(line);
            cancelled(line);
        }
        try (Connection line = connect("prepareThreshold", "-1", "binaryTransfer", "true")) {
            ask("binary: every column", () -> query(line, "SELECT * FROM stars ORDER BY id LIMIT 40"));
            ask("binary: parameters", () -> query(line, "SELECT id, ra FROM stars WHERE id = ? AND ra > ?", 7, 1.5));
        }
        try (Connection line = connect("preferQueryMode", "simple")) {
            ask("simple: parameters", () -> query(line, "SELECT id, ra FROM stars WHERE id = ? AND ra > ?", 7, 1.5));
            ask("simple: every column", () -> query(line, "SELECT * FROM stars ORDER BY id LIMIT 40"));
        }
        ask("options", () -> {
            try (Connection line = connect("ApplicationName", "ask", "currentSchema", "survey", "readOnly", "true",
                    "options", "-c statement_timeout=9000")) {
                return List.of(query(line, "SELECT count(*) FROM detections"), query(line, "SHOW statement_timeout"),
                    query(line, "SHOW application_name"), line.isReadOnly(), line.getSchema(), line.isValid(2));
            }
        });
    }

    static void about(DatabaseMetaData about) {
        ask("product", () -> List.of(about.getDatabaseProductName(), about.getDatabaseMajorVersion(), about.getUserName(),
            about.isReadOnly(), about.getMaxConnections() >= 0, about.getDefaultTransactionIsolation()));
        ask("catalogs", () -> some(about.getCatalogs(), "TABLE_CAT"));
        ask("schemas", () -> some(about.getSchemas(), "TABLE_SCHEM"));
        ask("table types", () -> some(about.getTableTypes(), "TABLE_TYPE"));
        ask("tables", () -> some(about.getTables(null, null, "%", new String[] {"TABLE", "VIEW"}), "TABLE_CAT", "TABLE_SCHEM",
            "TABLE_NAME", "TABLE_TYPE", "REMARKS"));
        ask("tables by pattern", () -> some(about.getTables(null, "sur%", "det%", null), "TABLE_NAME"));
        for (String table : List.of("stars", "detections")) {
            ask("columns of " + table, () -> some(about.getColumns(null, null, table, "%"), "TABLE_SCHEM", "COLUMN_NAME",
                "DATA_TYPE", "TYPE_NAME", "COLUMN_SIZE", "DECIMAL_DIGITS", "NULLABLE", "REMARKS", "COLUMN_DEF",
                "ORDINAL_POSITION", "IS_NULLABLE", "IS_AUTOINCREMENT"));
        }
        ask("primary keys", () -> rows(about.getPrimaryKeys(null, "public", "stars")));
        ask("indexes", () -> rows(about.getIndexInfo(null, "public", "stars", false, true)));
        ask("imported keys", () -> rows(about.getImportedKeys(null, "public", "stars")));
        ask("exported keys", () -> rows(about.getExportedKeys(null, "public", "stars")));
        ask("cross references", () -> rows(about.getCrossReference(null, null, "stars", null, "survey", "detections")));
        ask("best row identifier", () -> rows(about.getBestRowIdentifier(null, "public", "stars", 0, true)));
        ask("version columns", () -> some(about.getVersionColumns(null, "public", "stars"), "COLUMN_NAME"));
        ask("procedures", () -> rows(about.getProcedures(null, null, "nowhere")));
        ask("functions", () -> rows(about.getFunctions(null, null, "nowhere")));
        ask("function columns", () -> rows(about.getFunctionColumns(null, null, "nowhere", "%")));
        ask("table privileges", () -> rows(about.getTablePrivileges(null, null, "nowhere")));
        ask("user-defined types", () -> rows(about.getUDTs(null, null, "%", null)));
        ask("types", () -> {
            List<String> wanted = List.of("int2", "int4", "int8", "float4", "float8", "text", "varchar", "bool", "date",
                "time", "timestamp", "timestamptz", "numeric", "bytea", "_float8", "_text", "oid", "name");
            return some(about.getTypeInfo(), "TYPE_NAME", "DATA_TYPE", "PRECISION", "AUTO_INCREMENT").stream()
                .filter(row -> wanted.contains(((List<?>) row).get(0))).map(Object::toString).sorted().toList();
        });
        ask("client info", () -> some(about.getClientInfoProperties(), "NAME"));
        ask("keywords", () -> about.getSQLKeywords().contains("ilike"));
    }

    static void values(Connection line) {
        Map<String, String> queries = new TreeMap<>(Map.of(
            "every column", "SELECT * FROM stars ORDER BY id LIMIT 40",
            "aggregates", "SELECT count(*), min(ra), max(name), sum(n), min(day), max(moment), bool_or(flag) FROM stars",
            "groups", "SELECT band, count(*), max(mag) FROM survey.detections GROUP BY band ORDER BY band",
            "join", "SELECT s.name AS star, d.mag FROM stars s JOIN survey.detections d ON d.star_id = s.id "
                + "WHERE s.id = 3 ORDER BY d.time LIMIT 5",
            "no rows", "SELECT * FROM stars WHERE false"));
        queries.forEach((name, sql) -> {
            ask(name, () -> query(line, sql));
            ask(name + ": columns", () -> {
                try (PreparedStatement statement = line.prepareStatement(sql)) {
                    return described(statement.getMetaData());
                }
            });
        });
        ask("table of a column", () -> {
            try (Statement statement = line.createStatement(); ResultSet set = statement.executeQuery("SELECT id FROM stars LIMIT 1")) {
                return List.of(set.getMetaData().getTableName(1), set.getMetaData().isNullable(1));
            }
        });
        ask("getters", () -> {
            try (Statement statement = line.createStatement();
                    ResultSet set = statement.executeQuery("SELECT ra, id, moment, day, flux, mags, flag, n FROM stars WHERE id = 4")) {
                set.next();
                return List.of(set.getString(1), set.getInt(2), set.getObject(3, OffsetDateTime.class).toString(),
                    set.getDate(4).toString(), set.getBigDecimal(5).toString(), set.getArray(6).toString(),
                    set.getBoolean(7), set.getString(8));
            }
        });
    }

    static void parameters(Connection line) {
        ask("parameters: integer", () -> query(line, "SELECT id, name FROM stars WHERE id = ?", 7));
        ask("parameters: long", () -> query(line, "SELECT id, name FROM stars WHERE n > ? ORDER BY id LIMIT 3", 900L));
        ask("parameters: number", () -> query(line, "SELECT count(*) FROM stars WHERE ra BETWEEN ? AND ?", 10.5, 200.25));
        ask("parameters: text", () -> query(line, "SELECT id FROM stars WHERE note = ? ORDER BY id LIMIT 2", "it's"));
        ask("parameters: truth", () -> query(line, "SELECT count(*) FROM stars WHERE flag = ?", true));
        ask("parameters: day", () -> query(line, "SELECT count(*) FROM stars WHERE day > ?", Date.valueOf("2024-02-01")));
        ask("parameters: moment", () -> query(line, "SELECT count(*) FROM stars WHERE moment > ?",
            OffsetDateTime.parse("2024-01-02T03:04:05.678901Z")));
        ask("parameters: timestamp", () -> query(line, "SELECT count(*) FROM stars WHERE seen > ?",
            Timestamp.valueOf("2024-01-02 03:04:05.678901")));
        ask("parameters: decimal", () -> query(line, "SELECT count(*) FROM stars WHERE flux > ?", new BigDecimal("1234.5")));
        ask("parameters: bytes", () -> query(line, "SELECT id FROM stars WHERE raw = ? ORDER BY id LIMIT 3", new byte[] {0, 1}));
        ask("parameters: page", () -> query(line, "SELECT id FROM stars ORDER BY id LIMIT ? OFFSET ?", 3, 40));
        ask("parameters: null", () -> query(line, "SELECT count(*) FROM stars WHERE note = ?", (Object) null));
        ask("parameters: array", () -> query(line, "SELECT id FROM stars WHERE id = ANY (?) ORDER BY id",
            line.createArrayOf("int8", new Long[] {3L, 1L, 2L})));
        ask("parameters: array of text", () -> query(line, "SELECT id FROM stars WHERE name = ANY (?) ORDER BY id",
            line.createArrayOf("text", new String[] {"star 0003", "star 0001"})));
        ask("parameters: described", () -> {
            try (PreparedStatement statement = line.prepareStatement(
                    "SELECT 1 FROM stars WHERE id = ? AND \"Vmag\" > ? AND name LIKE ? AND seen < ? AND flag = ? LIMIT ?")) {
                ParameterMetaData about = statement.getParameterMetaData();
                List<Object> types = new ArrayList<>();
                for (int at = 1; at <= about.getParameterCount(); at++) {
                    types.add(about.getParameterTypeName(at));
                }
                return types;
            }
        });
        ask("parameters: many times", () -> {
            List<Object> got = new ArrayList<>();
            try (PreparedStatement statement = line.prepareStatement("SELECT n, ra, moment, mags FROM stars WHERE id = ?")) {
                for (int id = 1; id < 13; id++) {
                    statement.setInt(1, id);
                    got.addAll(rows(statement.executeQuery()));
                }
            }
            return got;
        });
    }

    static void faults(Connection line) {
        for (String sql : List.of("SELECT 1 FROM nowhere", "SELECT nope FROM stars", "SELECT nope(1)", "SELEC 1",
                "SELECT 1 / (id - id) FROM stars", "SELECT 'seven'::int", "CREATE TABLE made (a int)")) {
            ask("fault: " + sql, () -> query(line, sql));
        }
        ask("fault: a parameter of another kind", () -> query(line, "SELECT 1 FROM stars WHERE id = ?::int", "seven"));
        ask("alive after faults", () -> query(line, "SELECT 1"));
        ask("block", () -> {
            line.setAutoCommit(false);
            List<Object> got = new ArrayList<>();
            try {
                query(line, "SELECT nope");
            } catch (SQLException error) {
                got.add(error.getSQLState());
            }
            try {
                query(line, "SELECT 1");
            } catch (SQLException error) {
                got.add(error.getSQLState());
            }
            line.rollback();
            var saved = line.setSavepoint("s");
            try {
                query(line, "SELECT nope");
            } catch (SQLException error) {
                got.add(error.getSQLState());
            }
            line.rollback(saved);
            got.add(query(line, "SELECT 2"));
            line.commit();
            line.setAutoCommit(true);
            return got;
        });
    }

    static void pages(Connection line) {
        ask("pages by fetch size", () -> {
            line.setAutoCommit(false);
            List<Object> got = new ArrayList<>();
            try (Statement one = line.createStatement(); Statement two = line.createStatement()) {
                one.setFetchSize(7);
                two.setFetchSize(5);
                ResultSet a = one.executeQuery("SELECT id FROM stars ORDER BY id LIMIT 20");
                ResultSet b = two.executeQuery("SELECT id FROM stars ORDER BY id DESC LIMIT 20");
                while (a.next() && b.next()) {
                    got.add(List.of(a.getLong(1), b.getLong(1)));
                }
            }
            line.commit();
            line.setAutoCommit(true);
            return got;
        });
        ask("at most", () -> {
            try (Statement statement = line.createStatement()) {
                statement.setMaxRows(4);
                return rows(statement.executeQuery("SELECT id FROM stars ORDER BY id"));
            }
        });
        ask("backwards", () -> {
            try (Statement statement = line.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_READ_ONLY)) {
                ResultSet set = statement.executeQuery("SELECT id FROM stars ORDER BY id LIMIT 9");
                set.last();
                long last = set.getLong(1);
                set.absolute(3);
                return List.of(last, set.getLong(1));
            }
        });
    }

    static void cancelled(Connection line) {
        ask("cancel", () -> {
            try (Statement statement = line.createStatement()) {
                Thread thread = new Thread(() -> {
                    try {
                        Thread.sleep(400);
                        statement.cancel();
                    } catch (Exception error) {
                        throw new RuntimeException(error);
                    }
                });
                thread.start();
                statement.executeQuery(ENDLESS);
                return "it ended by itself";
            }
        });
        ask("timeout", () -> {
            try (Statement statement = line.createStatement()) {
                statement.setQueryTimeout(1);
                statement.executeQuery(ENDLESS);
                return "it ended by itself";
            }
        });
        ask("alive after cancel", () -> query(line, "SELECT 1"));
    }
}
