/* Starting a program under the agent. Internal to the collect room. */
#ifndef EBB_TOOL_COLLECT_LAUNCH_H
#define EBB_TOOL_COLLECT_LAUNCH_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ebb_launch {
    const char *agent;     /* path of libebb-agent.so */
    uint64_t period;       /* mean bytes between samples */
    uint64_t session;      /* shared by the program and everything it starts */
    bool output_to_stderr; /* its stdout goes to our stderr */
    bool only_parent;      /* children are not followed */
    bool foreground;       /* in our process group, not in one of its own */
};

/* Finds a command as execvp would: by path when it has a slash, else along PATH. -ENOENT, -EACCES
 * or -EISDIR and the line. `path` holds at least PATH_MAX bytes. */
int ebb__launch_find(const char *command, char *path, size_t size, struct ebb_error *error);

/* Whether the agent can be preloaded into a program, for a user with these ids. A script is as good
 * as its interpreter. 0, or a negative errno and a line that says what to do instead. */
int ebb__launch_check(const char *path, uid_t uid, gid_t gid, struct ebb_error *error);

/* Finds the agent's library: EBB_AGENT_PATH, the build tree, the places `install` puts it, relative
 * to this executable. */
int ebb__launch_find_agent(char *path, size_t size, struct ebb_error *error);

/* Starts `argv` (NULL-terminated; argv[0] is found along PATH) in a process group of its own
 * (unless `foreground`), with our standard input. 0 and the pid, or a negative errno and the line; errors of exec are reported
 * here, not by a child that dies. */
int ebb__launch_start(char *const *argv, const struct ebb_launch *launch, pid_t *pid,
                      struct ebb_error *error);

/* A number for `session`. */
uint64_t ebb__launch_new_session(void);

#endif
