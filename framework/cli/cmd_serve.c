/* espalier serve: a page in the browser over the results database, live while studies run. */
#include <stdlib.h>

#include "cli/command.h"
#include "cli/options.h"
#include "core/status.h"
#include "serve/server.h"
#include "serve/url.h"
#include "store/store.h"

enum { OPTION_PORT = 256, OPTION_ADDRESS, OPTION_HOST, DEFAULT_PORT = 8017, MAX_HOSTS = 64 };

typedef struct arguments {
    const char *database, *address;
    int port, n_hosts;
    const char *hosts[MAX_HOSTS];
} arguments;

static const struct argp_option options[] = {
    {"port", OPTION_PORT, "N", 0, "port to listen on (default 8017); 0 takes any that is free", 0},
    {"address", OPTION_ADDRESS, "ADDRESS", 0,
     "interface to listen on, as a number (default 127.0.0.1: this machine alone)", 0},
    {"host", OPTION_HOST, "NAME", 0,
     "a name that browsers open it by, such as a proxy's; more than once for several", 0},
    {0}};

static error_t parse(int key, char *value, struct argp_state *state)
{
    arguments *given = state->input;
    char *end = NULL;
    long port;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &given->database;
        return 0;
    case OPTION_PORT:
        port = strtol(value, &end, 10);
        if (*value == '\0' || *end != '\0' || port < 0 || port > 65535) {
            argp_error(state, "--port: expected a number from 0 to 65535, found '%s'", value);
        }
        given->port = (int)port;
        return 0;
    case OPTION_ADDRESS:
        given->address = value;
        return 0;
    case OPTION_HOST:
        if (given->n_hosts == MAX_HOSTS) {
            argp_error(state, "more than %d --host", (int)MAX_HOSTS);
        }
        if (!esp_host_name_is_sound(value)) {
            argp_error(state,
                       "--host '%s': expected a name as browsers send it, such as lab.example, "
                       "xn--bcher-kva.example or 10.0.0.1",
                       value);
        }
        given->hosts[given->n_hosts++] = value;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "no argument is taken, and '%s' is one; the page lists all studies",
                   value);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child shared[] = {{&esp_database_argp, 0, NULL, 0}, {0}};
static const struct argp parser = {
    .options = options,
    .parser = parse,
    .children = shared,
    .doc = "Serves a page in the browser over the results database, live while studies run: what "
           "runs and how far it is, learning curves and leaf loads as epochs land, trials side by "
           "side, reports, and SQL.\v"
           "It prints its address on standard output and only reads. Whoever is logged in on this "
           "machine can open it; from another machine, tunnel: ssh -L 8017:localhost:8017 HOST. "
           "Behind a proxy, name the proxy's host with --host; links are relative, so any path of "
           "the proxy will do that it takes away again. "
           "The address of a page holds what it shows. Ctrl-C ends it, with exit code 130.\n\n"
           "examples:\n"
           "  espalier serve\n"
           "  espalier serve --db results/espalier.db --port 0\n"
           "  espalier serve --host lab.example    behind a proxy of that name\n"
           "  espalier serve --address 0.0.0.0     all who reach this machine can read"};

static int run(int argc, char **argv)
{
    arguments given = {.address = "127.0.0.1", .port = DEFAULT_PORT};
    if (esp_argp_parse(&parser, argc, argv, &given) != 0) {
        return esp_fail(ESP_USAGE, "`espalier serve --help` shows how it is used");
    }
#ifdef ESPALIER_HAS_MICROHTTPD
    return esp_serve(&(esp_serve_options){.database = esp_store_default_path(given.database),
                                          .address = given.address,
                                          .port = given.port,
                                          .n_hosts = given.n_hosts,
                                          .hosts = given.hosts},
                     stdout);
#else
    return esp_fail(ESP_USAGE, "this espalier was built without libmicrohttpd: install it (Debian: "
                               "libmicrohttpd-dev), configure and build again");
#endif
}

const esp_command esp_cmd_serve = {"serve", "a page in the browser, live while studies run", run};
