/*
 * A client in plain C: what libpq offers beyond simple queries. It prints what it sees, which has to be the same
 * with and without a gateway in between, and ends with 1 where something is impossible.
 *
 *     libpq CONNINFO
 */
#include <inttypes.h>
#include <libpq-fe.h>
#include <libpq/libpq-fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LARGE = 300000 };

static PGconn *conn;

static void fail(const char *what) {
    printf("FAILED %s: %s\n", what, PQerrorMessage(conn));
    exit(1);
}

/* A result's outcome in one line: its tag, or its SQLSTATE and message. */
static void show(const char *what, PGresult *result) {
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    printf("%s: %s %s", what, PQresStatus(PQresultStatus(result)), PQcmdStatus(result));
    printf(" %s %s\n", state ? state : "-", message ? message : "-");
    for (int row = 0; row < PQntuples(result); row++)
        for (int column = 0; column < PQnfields(result); column++)
            printf("  %s=%s (%d bytes)\n", PQfname(result, column),
                   PQfformat(result, column) ? "binary" : PQgetvalue(result, row, column),
                   PQgetlength(result, row, column));
    PQclear(result);
}

static void ask(const char *sql) { show(sql, PQexec(conn, sql)); }

/* All results of what was sent. */
static void drain(const char *what) {
    PGresult *result;
    while ((result = PQgetResult(conn))) show(what, result);
}

static void notice(void *unused, const PGresult *result) {
    (void)unused;
    printf("notice: %s\n", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
}

/* The function call protocol, which nothing else of libpq uses. */
static void large_objects(void) {
    char *bytes = malloc(LARGE), *back = malloc(LARGE);
    if (!bytes || !back) fail("memory");
    for (int i = 0; i < LARGE; i++) bytes[i] = (char)(i * 31 % 251);
    ask("BEGIN");
    Oid object = lo_creat(conn, INV_READ | INV_WRITE);
    int handle = lo_open(conn, object, INV_READ | INV_WRITE);
    if (object == InvalidOid || handle < 0) fail("lo_open");
    printf("written: %d\n", lo_write(conn, handle, bytes, LARGE));
    printf("at: %" PRId64 "\n", (int64_t)lo_tell64(conn, handle));
    printf("sought: %" PRId64 "\n", (int64_t)lo_lseek64(conn, handle, 7, SEEK_SET));
    printf("read: %d\n", lo_read(conn, handle, back, LARGE));
    printf("same: %d\n", memcmp(bytes + 7, back, LARGE - 7) == 0);
    printf("truncated: %d\n", lo_truncate64(conn, handle, 100));
    printf("closed: %d\n", lo_close(conn, handle));
    printf("unlinked: %d\n", lo_unlink(conn, object));
    printf("gone: %d\n", lo_open(conn, object, INV_READ) < 0);
    ask("COMMIT");
    free(bytes);
    free(back);
}

static void copy_in(const char *sql, const char *rows, const char *give_up) {
    PGresult *begun = PQexec(conn, sql);
    if (PQresultStatus(begun) != PGRES_COPY_IN) fail(sql);
    PQclear(begun);
    if (PQputCopyData(conn, rows, (int)strlen(rows)) != 1) fail("PQputCopyData");
    if (PQputCopyEnd(conn, give_up) != 1) fail("PQputCopyEnd");
    drain(sql);
}

static void copy_out(const char *sql) {
    PGresult *begun = PQexec(conn, sql);
    if (PQresultStatus(begun) != PGRES_COPY_OUT) fail(sql);
    PQclear(begun);
    char *row;
    int length, rows = 0, bytes = 0;
    while ((length = PQgetCopyData(conn, &row, 0)) > 0) {
        rows++, bytes += length;
        PQfreemem(row);
    }
    printf("copied: %d rows, %d bytes\n", rows, bytes);
    drain(sql);
}

static void copies(void) {
    ask("CREATE TEMP TABLE copied (n int)");
    copy_in("COPY copied FROM STDIN", "1\n2\n3\n", NULL);
    copy_in("COPY copied FROM STDIN", "4\n5\n", "the client gave up");
    copy_in("COPY copied FROM STDIN", "6\nno number\n7\n", NULL);
    copy_out("COPY copied TO STDOUT");
    copy_out("COPY (SELECT 100 / (9000 - n) FROM generate_series(1, 10000) n) TO STDOUT");
    copy_out("COPY (SELECT repeat('x', n) FROM generate_series(1, 1000) n) TO STDOUT");
}

/* Several statements in flight, with an error in their midst. */
static void pipeline(void) {
    if (!PQenterPipelineMode(conn)) fail("pipeline");
    const char *texts[] = {"SELECT 1 AS n", "SELECT 1 / 0", "SELECT 'skipped'", "SELECT 4 AS n"};
    for (int i = 0; i < 4; i++) {
        if (!PQsendQueryParams(conn, texts[i], 0, NULL, NULL, NULL, NULL, 1)) fail("send");
        if (i >= 2 && !PQpipelineSync(conn)) fail("sync");
    }
    /* Four statements of two PQgetResult series each, and two syncs. */
    for (int left = 2; left;) {
        PGresult *result = PQgetResult(conn);
        if (!result) continue;
        left -= PQresultStatus(result) == PGRES_PIPELINE_SYNC;
        show("pipeline", result);
    }
    if (!PQexitPipelineMode(conn)) fail("end of pipeline");
}

static void prepared(void) {
    const char *values[] = {"20", "22"};
    PQclear(PQprepare(conn, "sum", "SELECT $1::int + $2::int AS sum", 0, NULL));
    show("described", PQdescribePrepared(conn, "sum"));
    show("prepared", PQexecPrepared(conn, "sum", 2, values, NULL, NULL, 0));
    show("closed", PQclosePrepared(conn, "sum"));
    show("gone", PQexecPrepared(conn, "sum", 2, values, NULL, NULL, 0));
}

/* Rows as they come: in chunks, and by a cursor. */
static void cursors(void) {
    if (!PQsendQuery(conn, "SELECT generate_series(1, 10) AS n")) fail("send");
    if (!PQsetChunkedRowsMode(conn, 4)) fail("chunks");
    drain("chunk");
    ask("BEGIN");
    ask("DECLARE c CURSOR FOR SELECT generate_series(1, 100) AS n");
    ask("FETCH 2 FROM c");
    show("portal", PQdescribePortal(conn, "c"));
    ask("MOVE 90 IN c");
    ask("FETCH 1 FROM c");
    show("closed", PQclosePortal(conn, "c"));
    ask("COMMIT");
}

/* Asks until it is so: a cancel that comes before the statement runs stops nothing. */
static void cancel(void) {
    if (!PQsendQuery(conn, "SELECT pg_sleep(600)")) fail("send");
    do {
        PGcancelConn *request = PQcancelCreate(conn);
        if (!PQcancelBlocking(request)) fail(PQcancelErrorMessage(request));
        PQcancelFinish(request);
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
        if (!PQconsumeInput(conn)) fail("input");
    } while (PQisBusy(conn));
    drain("cancelled");
}

static void notifications(void) {
    ask("LISTEN news");
    ask("DO $$ BEGIN RAISE NOTICE 'for your eyes'; PERFORM pg_notify('news', 'to myself'); END $$");
    PGnotify *heard = NULL;
    while (!(heard = PQnotifies(conn)))
        if (!PQconsumeInput(conn)) fail("input");
    printf("heard on %s: %s\n", heard->relname, heard->extra);
    PQfreemem(heard);
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    conn = PQconnectdb(arguments[1]);
    if (PQstatus(conn) != CONNECTION_OK) fail("connection");
    PQsetNoticeReceiver(conn, notice, NULL);
    printf("server %d, encoding %s\n", PQserverVersion(conn), PQparameterStatus(conn, "client_encoding"));
    large_objects();
    copies();
    pipeline();
    prepared();
    cursors();
    cancel();
    notifications();
    ask("SELECT 'still here' AS last");
    PQfinish(conn);
    return 0;
}
