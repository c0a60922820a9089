/* See scratch.h. */
#include "scratch.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int scratch_setup(void **state)
{
    char *path = strdup("/tmp/ebb-collect-XXXXXX");
    if (!path || !mkdtemp(path))
        return -1;
    *state = path;
    return 0;
}

int scratch_teardown(void **state)
{
    char command[PATH_MAX + 16];
    snprintf(command, sizeof command, "rm -rf '%s'", (char *)*state);
    int status = system(command); /* NOLINT(cert-env33-c): our own command */
    free(*state);
    return status;
}

static char *next_buffer(void)
{
    static char buffers[8][PATH_MAX];
    static unsigned next;
    return buffers[next++ % 8];
}

char *scratch_text(const char *format, ...)
{
    va_list arguments;
    char *text = next_buffer();
    va_start(arguments, format);
    int length = vsnprintf(text, PATH_MAX, format, arguments);
    va_end(arguments);
    assert_in_range(length, 0, PATH_MAX - 1);
    return text;
}

void scratch_write(const char *path, const char *contents)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        assert_true(mkdir(folder, 0755) == 0 || errno == EEXIST);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(contents, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

void scratch_run(const char *format, ...)
{
    char command[2 * PATH_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    int status = system(command); /* NOLINT(cert-env33-c): our own command */
    if (status != 0)
        fail_msg("status %d of: %s", status, command);
}

bool scratch_have(const char *program)
{
    char command[256];
    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", program);
    return system(command) == 0; /* NOLINT(cert-env33-c): our own command */
}

char *scratch_output(const char *format, ...)
{
    char command[2 * PATH_MAX], *line = next_buffer();
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    FILE *pipe = popen(command, "r"); /* NOLINT(cert-env33-c): our own command */
    assert_non_null(pipe);
    if (!fgets(line, PATH_MAX, pipe))
        line[0] = '\0';
    pclose(pipe);
    line[strcspn(line, "\n")] = '\0';
    return line;
}
