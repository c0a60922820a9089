/* ebb lab: the articles' experiments. They use libebb, which the command does not, so they are a
 * program of their own, ebb-lab, which takes this one's place. */
#include "tool/commands/command.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

static int run(int argc, char **argv)
{
    static const char *const places[] = {"../lab/ebb-lab", /* the build tree */
                                         "../lib/ebb/ebb-lab", "ebb-lab"};
    char self[PATH_MAX], path[PATH_MAX + 32];
    (void)argc;
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = 0;
    char *slash = strrchr(self, '/');
    if (!slash)
        return ebb_command_fail("lab", "cannot find ebb-lab: /proc is not mounted");
    *slash = 0;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(path, sizeof path, "%s/%s", self, places[i]);
        execv(path, argv);
        if (errno != ENOENT && errno != ENOTDIR)
            return ebb_command_fail("lab", "%s: %s", path, strerror(errno));
    }
    return ebb_command_fail("lab", "cannot find ebb-lab beside %s; install Ebb anew", self);
}

const struct ebb_command ebb_command_lab = {
    "lab", "Learn", "the articles' experiments, claim beside measurement", run};
