/* gnuplot as a program of its own: run without a shell, given a minute, its words kept. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/status.h"
#include "core/text.h"
#include "report/figure_plot.h"

extern char **environ;

#define GNUPLOT_SECONDS 60.0

/* ---- the program ------------------------------------------------------------------------------
 */

static int spawn(pid_t *child, int *words, const char *folder, const char *const *arguments)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return esp_fail(ESP_IO, "cannot make a pipe: %s", strerror(errno));
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, folder);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    /* posix_spawn takes char *const[] for history's sake and does not write to it. */
    const int error = posix_spawnp(child, arguments[0], &actions, NULL,
                                   (char *const *)(uintptr_t)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (error == 0) {
        *words = ends[0];
        return ESP_OK;
    }
    close(ends[0]);
    return error == ENOENT ? esp_fail(ESP_NOT_FOUND,
                                      "figures are drawn by gnuplot, which is not installed here;"
                                      " on Debian: apt-get install gnuplot-nox")
                           : esp_fail(ESP_IO, "cannot run gnuplot: %s", strerror(error));
}

/* Reads what it says until it ends; what does not fit is passed over. false: out of time. */
static bool read_words(char *words, size_t capacity, int from)
{
    const double end = esp_clock_seconds() + GNUPLOT_SECONDS;
    size_t used = 0;
    for (;;) {
        const double left = end - esp_clock_seconds();
        struct pollfd ready = {.fd = from, .events = POLLIN};
        const int n = left > 0 ? poll(&ready, 1, (int)(left * 1000) + 1) : 0;
        if (n == 0) {
            return false;
        }
        char bytes[512];
        const ssize_t got = n > 0 ? read(from, bytes, sizeof bytes) : -1;
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            words[used] = '\0';
            return true;
        }
        const size_t room = capacity - 1 - used, kept = (size_t)got < room ? (size_t)got : room;
        memcpy(words + used, bytes, kept);
        used += kept;
        words[used] = '\0';
    }
}

/* Runs gnuplot (PATH) on NAME.gp in a folder to write one picture, no longer than GNUPLOT_SECONDS.
 * format: "svg", "pdf", "png". Errors: as esp_figure_svg. */
static int run_gnuplot(const char *folder, const char *name, const char *format)
{
    char option[32], script[80], words[2048] = "";
    snprintf(option, sizeof option, "format = '%s'", format);
    snprintf(script, sizeof script, "%s.gp", name);
    const char *const arguments[] = {"gnuplot", "-d", "-e", option, script, NULL};
    pid_t child = 0;
    int from = -1, end = 0;
    ESP_TRY(spawn(&child, &from, folder, arguments));
    const bool in_time = read_words(words, sizeof words, from);
    close(from);
    if (!in_time) {
        kill(child, SIGKILL);
    }
    while (waitpid(child, &end, 0) < 0 && errno == EINTR) {
    }
    if (!in_time) {
        return esp_fail(ESP_IO, "gnuplot took more than %.0f seconds for figure %s",
                        GNUPLOT_SECONDS, name);
    }
    if (!WIFEXITED(end) || WEXITSTATUS(end) != 0) {
        return esp_fail(ESP_IO, "gnuplot did not draw figure %s: %s", name, words);
    }
    return ESP_OK;
}

/* ---- files ------------------------------------------------------------------------------------
 */

typedef int write_part(FILE *out, const esp_figure *figure);

static int write_caption(FILE *out, const esp_figure *figure)
{
    fprintf(out, "%s\n", esp_plot_short(figure->plot->pool, figure->caption, 100000));
    return ESP_OK;
}

/* folder/name.suffix */
static char *path_of(const char *folder, const char *name, const char *suffix)
{
    return esp_text_format("%s/%s.%s", folder, name, suffix);
}

static int write_file(const esp_figure *figure, const char *folder, const char *suffix,
                      write_part *write)
{
    char *path = path_of(folder, figure->name, suffix), *text = NULL;
    size_t length = 0;
    FILE *out = path != NULL ? open_memstream(&text, &length) : NULL;
    int status = out == NULL ? esp_fail(ESP_MEMORY, "no memory for a figure's file") : ESP_OK;
    if (out != NULL) {
        status = write(out, figure);
        fclose(out);
    }
    if (status == ESP_OK) {
        status = esp_file_write(path, text, length);
    }
    free(text);
    free(path);
    return status;
}

/* Has gnuplot draw in a folder of its own: what is at the picture's place stays until the new one
 * is whole. The picture's bytes are the caller's. */
static int draw(char **bytes, size_t *count, const esp_figure *figure, const char *format,
                write_part *numbers)
{
    const char *place = getenv("TMPDIR");
    char *picture = NULL;
    char *folder = esp_text_format("%s/espalier-figure-XXXXXX", place && *place ? place : "/tmp");
    if (folder == NULL || mkdtemp(folder) == NULL) {
        const int status = esp_fail(ESP_IO, "cannot make a folder for gnuplot in %s: %s",
                                    place && *place ? place : "/tmp", strerror(errno));
        free(folder);
        return status;
    }
    int status = ESP_OK;
    ESP_TRY_OUT(write_file(figure, folder, "csv", numbers));
    ESP_TRY_OUT(write_file(figure, folder, "gp", esp_figure_gnuplot));
    ESP_TRY_OUT(run_gnuplot(folder, figure->name, format));
    picture = path_of(folder, figure->name, format);
    status = picture != NULL ? esp_file_read(bytes, count, picture)
                             : esp_fail(ESP_MEMORY, "no memory for a path");
out:;
    const char *const suffixes[] = {"csv", "gp", format};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char *path = path_of(folder, figure->name, suffixes[i]);
        if (path != NULL) {
            unlink(path);
        }
        free(path);
    }
    rmdir(folder);
    free(folder);
    free(picture);
    return status;
}

static int write_picture(const esp_figure *figure, const char *folder, const char *format)
{
    char *path = path_of(folder, figure->name, format), *bytes = NULL, *svg = NULL;
    size_t count = 0;
    int status = path == NULL ? esp_fail(ESP_MEMORY, "no memory for a path") : ESP_OK;
    ESP_TRY_OUT(status);
    ESP_TRY_OUT(draw(&bytes, &count, figure, format, esp_figure_csv));
    if (strcmp(format, "svg") == 0) { /* named for readers of screens */
        ESP_TRY_OUT(esp_svg_finish(&svg, bytes, figure, figure->name, true));
        count = strlen(svg);
    }
    status = esp_file_write(path, svg != NULL ? svg : bytes, count);
out:
    free(svg);
    free(bytes);
    free(path);
    return status;
}

const char *const esp_figure_suffixes[] = {"csv", "txt", "gp",  "py", "R",
                                           "svg", "pdf", "png", NULL};

int esp_figure_write(const esp_figure *figure, const char *folder, unsigned formats, FILE *written)
{
    static const struct {
        const char *suffix;
        write_part *write;
        bool always; /* also where there is nothing to draw */
    } parts[] = {{"csv", esp_figure_csv, true},
                 {"txt", write_caption, true},
                 {"gp", esp_figure_gnuplot, false},
                 {"py", esp_figure_python, false},
                 {"R", esp_figure_r, false}};
    static const struct {
        unsigned format;
        const char *name;
    } pictures[] = {{ESP_FIGURE_SVG, "svg"}, {ESP_FIGURE_PDF, "pdf"}, {ESP_FIGURE_PNG, "png"}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].always || figure->empty == NULL) {
            ESP_TRY(write_file(figure, folder, parts[i].suffix, parts[i].write));
            fprintf(written, "%s/%s.%s\n", folder, figure->name, parts[i].suffix);
        }
    }
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures && figure->empty == NULL; i++) {
        if ((formats & pictures[i].format) == 0) {
            continue;
        }
        ESP_TRY(write_picture(figure, folder, pictures[i].name));
        fprintf(written, "%s/%s.%s\n", folder, figure->name, pictures[i].name);
    }
    return ESP_OK;
}

int esp_figure_svg(char **svg, const esp_figure *figure, const char *id)
{
    if (figure->empty != NULL) {
        return esp_fail(ESP_USAGE, "figure %s is empty: %s", figure->name, figure->empty);
    }
    char *drawn = NULL;
    size_t count = 0;
    ESP_TRY(draw(&drawn, &count, figure, "svg", esp_figure_numbers));
    const int status = esp_svg_finish(svg, drawn, figure, id, false);
    free(drawn);
    return status;
}
