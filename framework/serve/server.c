/* The only file that includes microhttpd.h: who is let in, and how answers go out. */
#include "serve/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/log.h"
#include "core/status.h"
#include "serve/request.h"
#include "serve/url.h"
#include "store/confine.h"

/* A name of 10 kB takes 30 kB in an address; its headers come on top. Idle connections are closed
 * after seconds. The memory is SQLite's, of all connections together. */
enum { MOST_CONNECTIONS = 64, CONNECTION_BYTES = 96 << 10, IDLE_SECONDS = 15 };
static const int64_t memory_bytes = INT64_C(1) << 29;

typedef struct server {
    const esp_serve_options *options;
    esp_host_names names;
    char machine[256];
    atomic_int heavy;
} server;

/* ---- answers --------------------------------------------------------------------------------- */

/* Pages bring a policy of their own that admits their scripts by hash (report/html.h); a second one
 * only narrows it. */
static const char *const headers[][2] = {
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cache-Control", "no-store"},
};
static const char html_policy[] = "default-src 'none'; script-src 'unsafe-inline'; style-src"
                                  " 'unsafe-inline'; img-src data:; connect-src 'self';"
                                  " form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
static const char data_policy[] = "default-src 'none'; frame-ancestors 'none'";

/* Takes the body over. */
static enum MHD_Result send_answer(struct MHD_Connection *connection, const esp_answer *answer)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(answer->size, answer->body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(answer->body);
        return MHD_NO;
    }
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        MHD_add_response_header(response, headers[i][0], headers[i][1]);
    }
    MHD_add_response_header(response, "Content-Security-Policy",
                            answer->html ? html_policy : data_policy);
    MHD_add_response_header(response, "Content-Type",
                            answer->html ? "text/html; charset=utf-8"
                                         : "application/json; charset=utf-8");
    if (answer->code == 405) {
        MHD_add_response_header(response, "Allow", "GET, HEAD");
    }
    if (answer->code == 503) {
        MHD_add_response_header(response, "Retry-After", "3");
    }
    enum MHD_Result result = MHD_queue_response(connection, (unsigned)answer->code, response);
    MHD_destroy_response(response);
    return result;
}

/* Words of ours alone: nothing of the request comes back. */
static enum MHD_Result send_refusal(struct MHD_Connection *connection, int code,
                                    const char *message)
{
    esp_answer answer = {.code = code};
    FILE *stream = open_memstream(&answer.body, &answer.size);
    if (stream == NULL) {
        return MHD_NO;
    }
    fprintf(stream, "{\"error\": \"%s\"}\n", message);
    fclose(stream);
    return send_answer(connection, &answer);
}

/* ---- who is let in --------------------------------------------------------------------------- */

static const char *header_of(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* The code and words to turn a request away with; 0 lets it in. */
static int turn_away(const char **message, const server *s, struct MHD_Connection *connection,
                     const char *method, const char *path)
{
    const char *length = header_of(connection, "Content-Length");
    const char *site = header_of(connection, "Sec-Fetch-Site");
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        *message = "only GET and HEAD: nothing is changed here";
        return 405;
    }
    if (!esp_host_is_ours(header_of(connection, "Host"), &s->names)) {
        *message = "the Host of this request is no name of this server: open it by its number, or"
                   " start it with --host NAME";
        return 403;
    }
    /* Another site's page could not read the answer, but it could keep the machine busy. */
    if (site != NULL && strncmp(path, "/api/", 5) == 0 && strcmp(site, "same-origin") != 0 &&
        strcmp(site, "none") != 0) {
        *message = "data is for this server's own pages";
        return 403;
    }
    if (header_of(connection, "Transfer-Encoding") != NULL ||
        (length != NULL && strcmp(length, "0") != 0)) {
        *message = "a request has no body here";
        return 413;
    }
    return 0;
}

typedef struct arguments {
    esp_request request;
    char *owned[2 * ESP_MAX_ARGUMENTS];
    int n_owned;
    bool broken;
} arguments;

static enum MHD_Result take_argument(void *context, enum MHD_ValueKind kind, const char *name,
                                     const char *value)
{
    (void)kind;
    arguments *a = context;
    if (a->request.n == ESP_MAX_ARGUMENTS) {
        a->broken = true;
        return MHD_NO;
    }
    char *copies[2] = {strdup(name), strdup(value != NULL ? value : "")};
    for (int i = 0; i < 2; i++) {
        a->owned[a->n_owned++] = copies[i];
        a->broken = a->broken || copies[i] == NULL || !esp_url_decode(copies[i]);
    }
    a->request.names[a->request.n] = copies[0];
    a->request.values[a->request.n++] = copies[1];
    return a->broken ? MHD_NO : MHD_YES;
}

/* Leaves %41 as it is: MHD would end a text at %00. */
static size_t keep_escapes(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context;
    (void)connection;
    return strlen(text);
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *path,
                              const char *method, const char *version, const char *body,
                              size_t *body_size, void **seen)
{
    static const char first_call = 0;
    server *s = context;
    const char *message = "";
    (void)version;
    (void)body;
    (void)body_size;
    if (*seen == NULL) { /* headers only, so far */
        *seen = (void *)&first_call;
        const int code = turn_away(&message, s, connection, method, path);
        return code == 0 ? MHD_YES : send_refusal(connection, code, message);
    }
    arguments *a = calloc(1, sizeof *a);
    char *decoded = strdup(path);
    enum MHD_Result result = MHD_NO;
    if (a != NULL && decoded != NULL) {
        MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, take_argument, a);
        if (a->broken || !esp_url_decode(decoded)) {
            result = send_refusal(connection, 400, "the address of this request is broken");
        } else {
            esp_answer made;
            a->request.database = s->options->database;
            a->request.heavy = &s->heavy;
            a->request.path = decoded;
            a->request.raw_path = path;
            esp_request_answer(&made, &a->request);
            result = made.body != NULL ? send_answer(connection, &made) : MHD_NO;
        }
        for (int i = 0; i < a->n_owned; i++) {
            free(a->owned[i]);
        }
    }
    free(decoded);
    free(a);
    return result;
}

/* ---- listening ------------------------------------------------------------------------------- */

typedef union socket_address {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
} socket_address;

static int parse_address(socket_address *out, socklen_t *size, const esp_serve_options *options)
{
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, options->address, &out->four.sin_addr) == 1) {
        out->four.sin_family = AF_INET;
        out->four.sin_port = htons((uint16_t)options->port);
        *size = sizeof out->four;
        return ESP_OK;
    }
    if (inet_pton(AF_INET6, options->address, &out->six.sin6_addr) == 1) {
        out->six.sin6_family = AF_INET6;
        out->six.sin6_port = htons((uint16_t)options->port);
        *size = sizeof out->six;
        return ESP_OK;
    }
    return esp_fail(ESP_USAGE,
                    "--address '%s': expected a number, such as 127.0.0.1, ::1 or 0.0.0.0",
                    options->address);
}

/* *port: the one it got. */
static int listen_at(int *descriptor, int *port, const esp_serve_options *options)
{
    socket_address address;
    socklen_t size = 0;
    const int yes = 1;
    int status = ESP_OK;
    ESP_TRY(parse_address(&address, &size, options));
    *descriptor = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*descriptor >= 0) {
        setsockopt(*descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    }
    if (*descriptor < 0 || bind(*descriptor, &address.any, size) != 0 ||
        listen(*descriptor, MOST_CONNECTIONS) != 0 ||
        getsockname(*descriptor, &address.any, &size) != 0) {
        status =
            esp_fail(errno == EADDRINUSE || errno == EACCES || errno == EADDRNOTAVAIL ? ESP_USAGE
                                                                                      : ESP_FAILED,
                     "cannot listen on %s, port %d: %s; name another with --port, or "
                     "--port 0 for any that is free",
                     options->address, options->port, strerror(errno));
        if (*descriptor >= 0) {
            close(*descriptor);
        }
        return status;
    }
    *port = ntohs(address.any.sa_family == AF_INET ? address.four.sin_port : address.six.sin6_port);
    return ESP_OK;
}

static bool is_ignored(int signal_number)
{
    struct sigaction now;
    return sigaction(signal_number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

/* Blocks the signals that end the server in this thread and those it starts. */
static void block_signals(sigset_t *wanted)
{
    sigemptyset(wanted);
    sigaddset(wanted, SIGTERM);
    if (!is_ignored(SIGINT)) {
        sigaddset(wanted, SIGINT);
    }
    pthread_sigmask(SIG_BLOCK, wanted, NULL);
}

static int can_read(const char *database)
{
    esp_store *store = NULL;
    ESP_TRY(esp_store_open(&store, database, ESP_STORE_READ));
    esp_store_close(store);
    return ESP_OK;
}

int esp_serve(const esp_serve_options *options, FILE *out)
{
    server s = {.options = options,
                .names = {.loopback = esp_address_is_loopback(options->address),
                          .n = options->n_hosts,
                          .told = options->hosts}};
    int descriptor = -1, port = 0, caught = 0;
    sigset_t wanted;
    esp_store_limit_memory(memory_bytes);
    ESP_TRY(can_read(options->database));
    ESP_TRY(listen_at(&descriptor, &port, options));
    gethostname(s.machine, sizeof s.machine - 1);
    s.names.machine = s.machine;
    block_signals(&wanted);
    signal(SIGPIPE, SIG_IGN);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL |
            MHD_USE_ITC,
        0, NULL, NULL, answer, &s, MHD_OPTION_LISTEN_SOCKET, descriptor,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)MOST_CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
        MHD_OPTION_END);
    if (daemon == NULL) {
        close(descriptor);
        return esp_fail(ESP_FAILED, "cannot start the server's threads");
    }
    const char *brackets = strchr(options->address, ':') != NULL ? "[]" : "";
    fprintf(out, "http://%.1s%s%s:%d/\n", brackets, options->address,
            *brackets != '\0' ? brackets + 1 : "", port);
    fflush(out);
    esp_log_note("serving %s, read-only; Ctrl-C ends it", options->database);
    if (!s.names.loopback) {
        esp_log_warning("%s is no loopback address: whoever reaches this machine can read all of "
                        "%s",
                        options->address, options->database);
    }
    sigwait(&wanted, &caught);
    pthread_sigmask(SIG_UNBLOCK, &wanted, NULL); /* a second one does not wait for queries */
    MHD_stop_daemon(daemon);
    return ESP_INTERRUPTED;
}
