import java.io.StringReader;
import java.io.StringWriter;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.Arrays;
import java.util.Properties;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.largeobject.LargeObject;
import org.postgresql.largeobject.LargeObjectManager;

/**
 * pgjdbc: what applications and DBeaver do with it. It prints what it sees, which has to be the same with and
 * without a gateway in between.
 *
 * <pre>java -cp postgresql.jar Jdbc.java URL USER PASSWORD</pre>
 */
public final class Jdbc {
    private final Connection connection;
    private final PGConnection own;

    private Jdbc(Connection connection) throws SQLException {
        this.connection = connection;
        this.own = connection.unwrap(PGConnection.class);
    }

    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        properties.setProperty("user", arguments[1]);
        properties.setProperty("password", arguments[2]);
        try (Connection connection = DriverManager.getConnection(arguments[0], properties)) {
            Jdbc client = new Jdbc(connection);
            client.catalogue();
            client.preparedUntilTheServerKnows();
            client.batches();
            client.portals();
            client.savepoints();
            client.copies();
            client.largeObjects();
            client.notices();
            client.cancels();
        }
    }

    private void ask(String sql) {
        try (Statement statement = connection.createStatement()) {
            if (!statement.execute(sql)) {
                say(sql, statement.getUpdateCount());
                return;
            }
            try (ResultSet rows = statement.getResultSet()) {
                while (rows.next()) {
                    say(sql, rows.getString(1));
                }
            }
        } catch (SQLException error) {
            say(sql, error.getSQLState() + " " + error.getMessage().lines().findFirst().orElse(""));
        }
    }

    private static void say(String what, Object outcome) {
        System.out.println(what + ": " + outcome);
    }

    /** What DBeaver asks as it opens a connection. */
    private void catalogue() throws SQLException {
        for (String sql : new String[] {
            "SET SESSION application_name = 'DBeaver 25 - Main <shop>'", "SELECT current_schema(), session_user",
            "SELECT version()", "SHOW search_path", "SET extra_float_digits = 3",
            "SELECT count(*) > 5 FROM pg_catalog.pg_database db LEFT JOIN pg_catalog.pg_stat_activity a "
                + "ON a.datid = db.oid WHERE false OR true",
            "SELECT t.typname, t.typtype FROM pg_catalog.pg_type t WHERE t.typname IN ('int4', 'text') ORDER BY 1",
            "SELECT * FROM pg_catalog.pg_roles WHERE rolname = current_user AND false",
            "SELECT reservedwords FROM pg_catalog.nowhere",
        }) {
            ask(sql);
        }
        var meta = connection.getMetaData();
        say("product", meta.getDatabaseProductName() + " " + meta.getDatabaseMajorVersion());
        ask("CREATE TEMP TABLE things (id int PRIMARY KEY, name text, data bytea)");
        try (ResultSet columns = meta.getColumns(null, null, "things", null)) {
            while (columns.next()) {
                say("column", columns.getString("COLUMN_NAME") + " " + columns.getString("TYPE_NAME"));
            }
        }
        say("valid", connection.isValid(20));
    }

    /** The fifth execution is a server-side prepared statement, with a binary result. */
    private void preparedUntilTheServerKnows() throws SQLException {
        try (PreparedStatement sum = connection.prepareStatement("SELECT ?::int + ?::int")) {
            for (int n = 0; n < 12; n++) {
                sum.setInt(1, n);
                sum.setInt(2, 30);
                try (ResultSet rows = sum.executeQuery()) {
                    rows.next();
                    say("sum", rows.getInt(1));
                }
            }
        }
    }

    private void batches() throws SQLException {
        try (PreparedStatement insert = connection.prepareStatement("INSERT INTO things VALUES (?, ?, ?)")) {
            for (int n = 0; n < 1000; n++) {
                insert.setInt(1, n);
                insert.setString(2, "näme " + n);
                insert.setBytes(3, new byte[n]);
                insert.addBatch();
            }
            say("batch", Arrays.stream(insert.executeBatch()).sum());
            insert.setInt(1, 7);
            insert.addBatch();
            insert.executeBatch();
        } catch (SQLException error) {
            say("batch", error.getSQLState());
        }
        ask("SELECT sum(length(data)) FROM things");
    }

    /** A named portal that is executed again and again, fifty rows at a time. */
    private void portals() throws SQLException {
        connection.setAutoCommit(false);
        try (PreparedStatement all = connection.prepareStatement("SELECT id, name FROM things ORDER BY id")) {
            all.setFetchSize(50);
            int rows = 0;
            try (ResultSet found = all.executeQuery()) {
                while (found.next()) {
                    rows++;
                }
            }
            say("fetched", rows);
        }
        connection.commit();
        connection.setAutoCommit(true);
    }

    private void savepoints() throws SQLException {
        connection.setAutoCommit(false);
        ask("DELETE FROM things WHERE id < 10");
        Savepoint savepoint = connection.setSavepoint("before");
        ask("SELECT 1 / 0");
        ask("SELECT 'not now'");
        connection.rollback(savepoint);
        ask("SELECT count(*) FROM things");
        connection.rollback();
        connection.setAutoCommit(true);
        ask("SELECT count(*) FROM things");
    }

    private void copies() throws Exception {
        var copy = own.getCopyAPI();
        say("copied in", copy.copyIn("COPY things (id, name) FROM STDIN", new StringReader("5001\ta\n5002\tb\n")));
        try {
            copy.copyIn("COPY things (id) FROM STDIN", new StringReader("5003\nno number\n"));
        } catch (SQLException error) {
            say("copy", error.getSQLState());
        }
        StringWriter out = new StringWriter();
        say("copied out", copy.copyOut("COPY (SELECT id FROM things) TO STDOUT", out) + " " + out.toString().length());
    }

    private void largeObjects() throws SQLException {
        connection.setAutoCommit(false);
        LargeObjectManager manager = own.getLargeObjectAPI();
        long oid = manager.createLO(LargeObjectManager.READWRITE);
        byte[] bytes = new byte[100_000];
        Arrays.fill(bytes, (byte) 7);
        try (LargeObject object = manager.open(oid, LargeObjectManager.READWRITE)) {
            object.write(bytes);
            object.seek(0);
            say("large object", Arrays.equals(bytes, object.read(bytes.length)) + " " + object.size());
        }
        manager.delete(oid);
        connection.commit();
        connection.setAutoCommit(true);
    }

    private void notices() throws SQLException {
        ask("LISTEN jdbc");
        try (Statement statement = connection.createStatement()) {
            statement.execute("DO $$ BEGIN RAISE WARNING 'for your eyes'; NOTIFY jdbc, 'to myself'; END $$");
            for (SQLWarning warning = statement.getWarnings(); warning != null; warning = warning.getNextWarning()) {
                say("warning", warning.getMessage());
            }
        }
        for (PGNotification heard : own.getNotifications(20_000)) {
            say("heard", heard.getName() + " " + heard.getParameter());
        }
    }

    /** Asks until it is so: a cancel that comes before the statement runs stops nothing. */
    private void cancels() throws Exception {
        try (Statement statement = connection.createStatement()) {
            Thread canceller = new Thread(() -> cancelAgainAndAgain(statement));
            canceller.start();
            try {
                statement.execute("SELECT pg_sleep(600)");
            } catch (SQLException error) {
                say("cancelled", error.getSQLState());
            }
            canceller.interrupt();
            canceller.join();
        }
        ask("SELECT 'still here'");
    }

    private static void cancelAgainAndAgain(Statement statement) {
        try {
            while (true) {
                Thread.sleep(100);
                statement.cancel();
            }
        } catch (InterruptedException over) {
            // The statement has ended.
        } catch (SQLException error) {
            say("cancel", error.getMessage());
        }
    }
}
